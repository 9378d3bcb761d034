//! The stage: a visitor at the proxy, the cluster behind it, and a witness at each member.
//!
//! Knows how one statement is run, proven and shown. Must not know which statements there are.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::front::Front;
use super::interrupt::Interrupt;
use super::page::{Ink, Page, WIDTH, padded};
use super::picture::{ink, name};
use super::visitor::{ACCOUNT, Form, Visitor, Went};
use super::witness::{Means, Seen, Witness};
use super::words::sentence;
use super::{Afterwards, TourError};
use crate::demo::{Cluster, Member, Role};

/// For reading one statement, and a chapter's heading.
const FOR_A_STATEMENT: Duration = Duration::from_millis(1100);
const FOR_A_HEADING: Duration = Duration::from_millis(1800);
/// For the monitor to see what the replicas have.
const FOR_REPLICAS: Duration = Duration::from_secs(5);

/// See the module. Dropped in this order: the visitor, the proxy, the cluster.
#[derive(Debug)]
pub(super) struct Stage {
    page: Page,
    interrupt: Interrupt,
    visitor: Visitor,
    witnesses: Vec<Witness>,
    front: Front,
    cluster: Cluster,
    served: BTreeMap<usize, usize>,
}

/// How a statement was served.
#[derive(Clone, Debug)]
struct Outcome {
    rows: Vec<Vec<String>>,
    went: Went,
    /// What each member saw of it.
    seen: Vec<Vec<Seen>>,
}

impl Stage {
    /// A visitor enters.
    pub(super) fn new(page: Page, interrupt: Interrupt, cluster: Cluster, front: Front) -> Result<Self, TourError> {
        let visitor = Visitor::connect(front.read_write())?;
        let logs = cluster.members().iter().filter_map(Member::general_log);
        let witnesses = logs.map(|log| Witness::new(log.to_owned(), ACCOUNT)).collect();
        Ok(Self { page, interrupt, visitor, witnesses, front, cluster, served: BTreeMap::new() })
    }

    /// A chapter begins.
    pub(super) fn chapter(&mut self, title: &str) -> Result<(), TourError> {
        self.page.heading(title)?;
        self.look_on(FOR_A_HEADING)
    }

    /// A sentence.
    pub(super) fn say(&mut self, text: &str) -> Result<(), TourError> {
        Ok(self.page.line(&format!("  {text}"))?)
    }

    /// Runs a statement and shows what became of it.
    pub(super) fn show(&mut self, sql: &str) -> Result<(), TourError> {
        self.show_as(sql, Form::Text)
    }

    /// Prepares a statement, executes it, and shows what became of it.
    pub(super) fn show_prepared(&mut self, sql: &str, parameters: &[&str]) -> Result<(), TourError> {
        self.show_as(sql, Form::Prepared(parameters))
    }

    fn show_as(&mut self, sql: &str, form: Form<'_>) -> Result<(), TourError> {
        let outcome = self.run(sql, form)?;
        let shown = match form {
            Form::Text => sql.to_owned(),
            Form::Prepared(parameters) => format!("{sql}   [{}]", parameters.join(", ")),
        };
        self.statement_line(&shown, &answer(&outcome.rows))?;
        self.route_line(sql, form, &outcome)?;
        self.look_on(FOR_A_STATEMENT)
    }

    /// Runs a statement without a word; gives the member that served it.
    pub(super) fn run_quietly(&mut self, sql: &str) -> Result<usize, TourError> {
        let outcome = self.run(sql, Form::Text)?;
        self.interrupt.check()?;
        self.index_of(outcome.went.member).ok_or(TourError::Proxy("it names a member that is not there".into()))
    }

    fn run(&mut self, sql: &str, form: Form<'_>) -> Result<Outcome, TourError> {
        self.interrupt.check()?;
        self.look()?;
        let rows = self.visitor.run(sql, form)?;
        let went = self.visitor.went()?;
        let outcome = Outcome { rows, went, seen: self.look()? };
        if let Some(index) = self.index_of(outcome.went.member) {
            *self.served.entry(index).or_default() += 1;
        }
        Ok(outcome)
    }

    fn look(&mut self) -> Result<Vec<Vec<Seen>>, TourError> {
        Ok(self.witnesses.iter_mut().map(Witness::look).collect::<Result<_, _>>()?)
    }

    fn statement_line(&mut self, sql: &str, answer: &str) -> Result<(), TourError> {
        let room = WIDTH.saturating_sub(2 + answer.chars().count());
        let sql = padded(sql, room);
        Ok(self.page.line(&format!("  {}{}", self.page.ink(Ink::Bold, &sql), answer))?)
    }

    fn route_line(&mut self, sql: &str, form: Form<'_>, outcome: &Outcome) -> Result<(), TourError> {
        let Some(index) = self.index_of(outcome.went.member) else {
            return self.say("  answered by the proxy");
        };
        let saw = |seen: &Vec<Seen>| seen.iter().any(|seen| is_it(seen, sql, form));
        let proven = outcome.seen.iter().enumerate().all(|(at, seen)| saw(seen) == (at == index));
        let mark = if proven {
            self.page.ink(Ink::Plain, "✓")
        } else {
            self.page.ink(Ink::Alarm, "✗ not as its log says")
        };
        let member = self.page.ink(ink(self.cluster.member(index).role()), &padded(&name(index), 9));
        let reason = padded(&outcome.went.reason, 20);
        let words = self.page.ink(Ink::Faint, sentence(&outcome.went));
        self.page.line(&format!("    └▶ {member} {mark}  {reason} {words}"))?;
        for brought in outcome.seen[index].iter().filter(|seen| is_brought_along(seen)).filter(|seen| seen.sql != sql) {
            let line = format!("       the proxy first said to {}: {}", name(index), brought.sql);
            self.page.line(&self.page.ink(Ink::Faint, &line))?;
        }
        Ok(())
    }

    /// Waits until replicas serve this session again after its writes, as they do a moment later.
    pub(super) fn settle(&mut self) -> Result<(), TourError> {
        let deadline = Instant::now() + FOR_REPLICAS;
        loop {
            self.visitor.run("SELECT 'are the replicas up to date?'", Form::Text)?;
            let member = self.visitor.went()?.member;
            if self.index_of(member).is_some_and(|index| index != 0) || Instant::now() >= deadline {
                return Ok(());
            }
            self.interrupt.pause(Duration::from_millis(50))?;
        }
    }

    /// What `SHOW PROXY ROUTE` itself looks like.
    pub(super) fn show_route(&mut self) -> Result<(), TourError> {
        let went = self.visitor.went()?;
        self.statement_line("SHOW PROXY ROUTE", "")?;
        let member = went.member.map_or_else(String::new, |address| address.to_string());
        let because = went.member_reason.unwrap_or_default();
        let line = format!("target={}  reason={}  member={member}  member_reason={because}", went.target, went.reason);
        self.page.line(&format!("       {}", self.page.ink(Ink::Faint, &line)))?;
        self.look_on(FOR_A_STATEMENT)
    }

    /// Ends a member as a crash would.
    pub(super) fn kill(&mut self, index: usize) -> Result<(), TourError> {
        let process = self.cluster.member(index).pid().map_or_else(String::new, |pid| pid.to_string());
        let line = format!("$ kill -9 {process}");
        self.page.line(&format!("  {}   ({})", self.page.ink(Ink::Bold, &line), name(index)))?;
        self.cluster.kill(index)?;
        self.look_on(FOR_A_STATEMENT)
    }

    /// Reads many times; each must succeed. Shows who answered.
    pub(super) fn read_on(&mut self, sql: &str, times: usize) -> Result<(), TourError> {
        let mut answered: BTreeMap<usize, usize> = BTreeMap::new();
        for _ in 0..times {
            *answered.entry(self.run_quietly(sql)?).or_default() += 1;
        }
        let shares: Vec<String> = answered.iter().map(|(index, count)| format!("{} {count}", name(*index))).collect();
        self.statement_line(&format!("{sql}   {times} times"), "")?;
        self.say(&format!("  └▶ {times} answers, no error: {}", shares.join(", ")))?;
        self.look_on(FOR_A_STATEMENT)
    }

    /// Starts a member again and waits until a new session's read is served by it.
    pub(super) fn bring_back(&mut self, index: usize, sql: &str) -> Result<(), TourError> {
        const LIMIT: Duration = Duration::from_secs(60);
        self.say(&format!("Starting {} again …", name(index)))?;
        self.cluster.restart(index)?;
        let began = Instant::now();
        loop {
            self.interrupt.check()?;
            let mut visitor = Visitor::connect(self.front.read_write())?;
            visitor.run(sql, Form::Text)?;
            let member = visitor.went()?.member;
            visitor.leave();
            if self.index_of(member) == Some(index) {
                break;
            }
            if began.elapsed() >= LIMIT {
                return Err(TourError::TooSlow("a read on the replica that came back", LIMIT));
            }
            thread::sleep(Duration::from_millis(50));
        }
        self.statement_line(sql, "")?;
        let seconds = began.elapsed().as_secs_f32();
        self.say(&format!("  └▶ {} serves reads again, {seconds:.1} s after it was up", name(index)))?;
        self.look_on(FOR_A_STATEMENT)
    }

    /// The numbers, and how to go on by hand.
    pub(super) fn how_to_connect(&mut self, afterwards: Afterwards) -> Result<(), TourError> {
        self.page.heading("That was all")?;
        let shares: Vec<String> =
            self.served.iter().map(|(index, count)| format!("{} {count}", name(*index))).collect();
        self.say(&format!("{} statements, no error. {}.", self.served.values().sum::<usize>(), shares.join(", ")))?;
        let invitation = match afterwards {
            Afterwards::Keep => "Everything keeps running until Ctrl-C. Connect from another terminal:",
            Afterwards::End => "With --keep everything keeps running, and you can connect yourself:",
        };
        self.say(invitation)?;
        let (front, log) = (&self.front, self.front.log().display());
        let (port, read_only) = (front.read_write().port(), front.read_only().port());
        let lines = [
            format!("mysql   -h 127.0.0.1 -P {port} -u app -papp app     (or mariadb; then: SHOW PROXY ROUTE)"),
            format!("mysql   -h 127.0.0.1 -P {read_only} -u app -papp app     replicas only; refuses writes"),
            format!("curl -s http://{}/metrics", front.admin_http()),
            format!("tail -f {log}"),
        ];
        for line in lines {
            self.say(&format!("  {line}"))?;
        }
        Ok(())
    }

    /// Waits for Ctrl-C.
    pub(super) fn wait_for_end(&self) {
        self.interrupt.wait();
    }

    /// Takes everything down.
    pub(super) fn leave(mut self) -> Result<(), TourError> {
        self.page.line("")?;
        let folder = self.cluster.folder().to_owned();
        let Self { mut page, visitor, front, cluster, .. } = self;
        visitor.leave();
        drop(front);
        drop(cluster);
        page.line(&format!("  Stopped: the proxy and three servers. Removed: {}", folder.display()))?;
        Ok(())
    }

    fn look_on(&self, time: Duration) -> Result<(), TourError> {
        self.interrupt.pause(self.page.pause(time))
    }

    fn index_of(&self, address: Option<SocketAddr>) -> Option<usize> {
        let address = address?;
        self.cluster.members().iter().find(|member| member.address() == address).map(Member::index)
    }

    /// The replica that serves this session just now.
    pub(super) fn serving_replica(&mut self, sql: &str) -> Result<usize, TourError> {
        let index = self.run_quietly(sql)?;
        Ok(if self.cluster.member(index).role() == Role::Replica { index } else { 1 })
    }
}

fn is_it(seen: &Seen, sql: &str, form: Form<'_>) -> bool {
    match form {
        Form::Text => seen.means == Means::Query && seen.sql == sql,
        Form::Prepared(_) => {
            let begin = sql.split('?').next().unwrap_or(sql);
            seen.means == Means::Execute && seen.sql.starts_with(begin)
        }
    }
}

/// What the proxy says before a statement so that the connection has the session's settings.
fn is_brought_along(seen: &Seen) -> bool {
    seen.means == Means::Query && seen.sql.starts_with("SET ") && !seen.sql.contains("session_track")
}

/// The first row, or nothing.
fn answer(rows: &[Vec<String>]) -> String {
    rows.iter().map(|row| row.join(" | ")).collect::<Vec<_>>().join(", ")
}
