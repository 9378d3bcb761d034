//! Looks at every member all the time, as an application could that goes past the proxy: whoever serves must serve
//! what is right.
//!
//! Knows what holds of a member that serves. Must not know what happens to it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::harness::Pods;
use crate::load::{Load, application};
use crate::support::raw::Raw;

/// How members come to have the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Copies {
    /// Each has every write before it is acknowledged.
    Everywhere,
    /// mysql-0 has every write, and the others follow it.
    FromPrimary,
}

/// A watch; a member that serves what is wrong makes it panic.
pub struct Watch<'a> {
    pods: &'a Pods,
    load: &'a Load,
    copies: Copies,
    stop: AtomicBool,
    looks: AtomicUsize,
}

/// What the server says of a table or a database that is not there, or is broken.
const LOST: [&str; 4] = ["ERROR 1049", "ERROR 1146", "ERROR 1932", "ERROR 1030"];

impl<'a> Watch<'a> {
    pub fn new(pods: &'a Pods, load: &'a Load, copies: Copies) -> Self {
        Self { pods, load, copies, stop: AtomicBool::default(), looks: AtomicUsize::default() }
    }

    /// Does this, and watches meanwhile.
    pub fn during(&self, work: impl FnOnce(&dyn Fn())) {
        std::thread::scope(|scope| {
            let watching = scope.spawn(|| self.run());
            let until = Until(self);
            work(&|| assert!(!watching.is_finished(), "a member has served what is wrong"));
            drop(until);
            watching.join().unwrap();
        });
    }

    fn run(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            for member in self.pods.names_of("mysql") {
                if self.look(&member).is_some() {
                    self.looks.fetch_add(1, Ordering::Relaxed);
                }
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        println!("    {} looks at members that served", self.looks.load(Ordering::Relaxed));
    }

    /// Whatever it cannot finish says nothing: the member may end at any moment.
    fn look(&self, member: &str) -> Option<()> {
        let acknowledged = self.load.latest()?;
        let mut raw = self.connect(member)?;
        if self.copies == Copies::Everywhere {
            // A member that is asked so has applied what the others had when it was asked.
            ask(&mut raw, member, "SET SESSION wsrep_sync_wait = 1")?;
        }
        let baseline = ask(&mut raw, member, "SELECT COUNT(*), SUM(id) FROM baseline")?;
        assert_eq!(baseline, "1000 499500", "{member} serves without what it must have");
        let has = |raw: &mut Raw, id: u64| {
            Some(ask(raw, member, &format!("SELECT COUNT(*) FROM writes WHERE id = {id}"))? == "1")
        };
        if self.copies == Copies::Everywhere || member == "mysql-0" {
            assert!(has(&mut raw, acknowledged)?, "{member} serves without the acknowledged write {acknowledged}");
            return Some(());
        }
        let is_closed = ask(&mut raw, member, "SELECT @@global.read_only")? == "1";
        assert!(is_closed, "{member} is writable");
        let newest = ask(&mut raw, member, "SELECT COALESCE(MAX(id), 0) FROM writes")?.parse().unwrap();
        let mut primary = self.connect("mysql-0")?;
        // What is in the binary log already may still be on its way into the primary's own data.
        let deadline = Instant::now() + Duration::from_secs(5);
        while newest != 0 && !has(&mut primary, newest)? {
            assert!(Instant::now() < deadline, "{member} serves {newest}, which mysql-0 has not");
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(())
    }

    fn connect(&self, member: &str) -> Option<Raw> {
        let address = self.pods.try_address(member, 3306)?;
        match Raw::try_connect(address, &application()).ok()? {
            Ok(mut raw) => {
                raw.patience(Duration::from_secs(30));
                Some(raw)
            }
            Err(error) => {
                assert_ne!(error.code, 1049, "{member} serves without the database: {error:?}");
                None
            }
        }
    }
}

/// What a member answers; none if it does not serve (any more).
fn ask(raw: &mut Raw, member: &str, statement: &str) -> Option<String> {
    let said = raw.try_say(statement).ok()?;
    assert!(!LOST.iter().any(|lost| said.starts_with(lost)), "{member} says to {statement}: {said}");
    (!said.starts_with("ERROR")).then_some(said)
}

/// Ends the watch when it is dropped, also by a panic.
struct Until<'a>(&'a Watch<'a>);

impl Drop for Until<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}
