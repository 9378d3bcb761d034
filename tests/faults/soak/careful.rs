//! Clients that do everything right, beside those that do not: what they see is what the contract promises.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::raw::{Raw, Who};

/// What a client does all the time.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// Writes, and reads what it has written.
    ReadsItsWrites,
    Transactions,
    LongReplies,
    Prepares,
    /// A connection for each statement.
    ComesAndGoes,
}

pub const ALL: [Work; 5] =
    [Work::ReadsItsWrites, Work::Transactions, Work::LongReplies, Work::Prepares, Work::ComesAndGoes];

/// Something that was not as it is on one server.
#[derive(Debug)]
pub struct Complaint {
    pub when: Instant,
    pub what: String,
}

/// What all careful clients share.
#[derive(Default)]
pub struct Guild {
    is_over: AtomicBool,
    pub done: AtomicU64,
    pub complaints: Mutex<Vec<Complaint>>,
    /// The turns that took more than a second.
    pub slow: Mutex<Vec<Slow>>,
    /// When a write at the primary itself took its time, and how much: then it is not the proxy that is slow.
    pub stalls: Mutex<Vec<(Instant, Duration)>>,
}

/// A turn that took its time.
#[derive(Clone, Copy, Debug)]
pub struct Slow {
    pub sent: Instant,
    pub took: Duration,
    pub work: Work,
    /// Of its statements (the login is one) the one that took longest.
    pub statement: Duration,
}

impl Guild {
    pub fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    fn complain(&self, what: String) {
        self.complaints.lock().unwrap().push(Complaint { when: Instant::now(), what });
    }

    /// Works until the end. `id` is a row of its own.
    pub fn work(&self, work: Work, proxy: SocketAddr, id: u64) {
        let mut session = None;
        while !self.is_over.load(Ordering::Relaxed) {
            let sent = Instant::now();
            if matches!(work, Work::ComesAndGoes) {
                session = None;
            }
            let raw = match session.take() {
                Some(raw) => Ok(Ok(raw)),
                None => Raw::try_connect(proxy, &Who::named("app")).map_err(|error| error.to_string()),
            };
            let mut statement = sent.elapsed();
            let done = match raw {
                Ok(Ok(mut raw)) => {
                    let done = work.turn(&mut raw, id, &mut statement).map_err(|what| format!("{work:?}: {what}"));
                    session = Some(raw);
                    done
                }
                Ok(Err(refusal)) => Err(format!("{work:?}, at login: ERROR {refusal}")),
                Err(what) => Err(format!("{work:?}, at login: {what}")),
            };
            let took = sent.elapsed();
            if took > Duration::from_secs(1) {
                self.slow.lock().unwrap().push(Slow { sent, took, work, statement });
            }
            if let Err(what) = done {
                // An error leaves the connection usable; only a connection that broke has to be made anew.
                session = session.filter(|_| what.contains(": ERROR "));
                self.complain(what);
                if let Some(raw) = &mut session {
                    let _ = raw.try_say("ROLLBACK");
                }
            }
            self.done.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Guild {
    /// Writes at the primary itself until the end, to know how long that takes. `id` is a row of its own.
    pub fn watch(&self, primary: SocketAddr, id: u64) {
        let mut raw = Raw::app(primary);
        while !self.is_over.load(Ordering::Relaxed) {
            let sent = Instant::now();
            raw.run(&format!("UPDATE t SET b = b + 1 WHERE a = {id}"));
            let took = sent.elapsed();
            if took > STALL {
                self.stalls.lock().unwrap().push((sent, took));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Work {
    fn turn(self, raw: &mut Raw, id: u64, longest: &mut Duration) -> Result<(), String> {
        let raw = &mut Timed { raw, longest };
        match self {
            Self::ReadsItsWrites => {
                let before = number(raw, &format!("SELECT b FROM t WHERE a = {id}"))?;
                let wanted = before + 1;
                said(raw, &format!("UPDATE t SET b = {wanted} WHERE a = {id}"))?;
                let after = number(raw, &format!("SELECT b FROM t WHERE a = {id}"))?;
                (after == wanted).then_some(()).ok_or_else(|| format!("wrote {wanted}, read {after}"))
            }
            Self::Transactions => {
                said(raw, "BEGIN")?;
                let before = number(raw, &format!("SELECT b FROM t WHERE a = {id} FOR UPDATE"))?;
                said(raw, &format!("UPDATE t SET b = b + 1 WHERE a = {id}"))?;
                let after = number(raw, &format!("SELECT b FROM t WHERE a = {id}"))?;
                said(raw, "COMMIT")?;
                (after == before + 1).then_some(()).ok_or_else(|| format!("{before} became {after}"))
            }
            Self::LongReplies => {
                let text = said(raw, "SELECT a, REPEAT('y', 2000) FROM t LIMIT 200")?;
                let rows = text.matches('|').count() + 1;
                (rows == 200).then_some(()).ok_or_else(|| format!("{rows} rows of 200"))
            }
            Self::Prepares => {
                let sent = Instant::now();
                let Timed { raw, longest } = raw;
                let id = raw.prepare("SELECT CONCAT(?, COUNT(*)) FROM t").map_err(|error| format!("ERROR {error}"))?;
                let text = raw.execute_text(id, &["n"]).map_err(|error| format!("ERROR {error}"))?;
                raw.close(id);
                **longest = sent.elapsed().max(**longest);
                (text == ["n400"]).then_some(()).ok_or_else(|| format!("got {text:?}"))
            }
            Self::ComesAndGoes => said(raw, "SELECT COUNT(*) FROM t").map(drop),
        }
    }
}

/// A statement that takes as long as this is told, with where it ran.
const SLOW: Duration = Duration::from_millis(1500);
/// A write at the primary itself that takes as long as this is remembered.
const STALL: Duration = Duration::from_millis(200);

/// A session, and how long its longest statement has taken.
struct Timed<'a> {
    raw: &'a mut Raw,
    longest: &'a mut Duration,
}

fn said(Timed { raw, longest }: &mut Timed<'_>, sql: &str) -> Result<String, String> {
    let sent = Instant::now();
    let text = raw.try_say(sql).map_err(|error| format!("{sql}: {error}"));
    let took = sent.elapsed();
    **longest = took.max(**longest);
    let text = text?;
    if took > SLOW {
        let route = raw.try_say("SHOW PROXY ROUTE").unwrap_or_default();
        println!("soak: {sql} took {took:.1?}: {route}: {}", text.get(..150).unwrap_or(&text));
    }
    match text.find("ERROR ") {
        Some(at) => Err(text[at..].to_owned()),
        None => Ok(text),
    }
}

fn number(raw: &mut Timed<'_>, sql: &str) -> Result<u64, String> {
    let text = said(raw, sql)?;
    text.parse().map_err(|_| format!("{sql}: {text}"))
}
