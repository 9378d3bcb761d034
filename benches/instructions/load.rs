//! What is said, by whom and how often.
//!
//! Knows statements and rounds. Must not know who stands in front of the server, nor how instructions are counted.

use std::{io, net::SocketAddr};

use crate::session::Session;

/// Sessions that speak at the same time.
pub const SESSIONS: usize = 16;
/// Rounds that are not counted: connections are made, memory is taken.
pub const WARM: usize = 20;

const SELECT: &str = "SELECT c FROM sbtest1 WHERE id=5047";
const UPDATE: &str = "UPDATE sbtest1 SET k=k+1 WHERE id=5047";

/// One kind of work.
pub struct Load {
    pub name: &'static str,
    /// What is counted, so many times.
    pub rounds: usize,
    work: Work,
}

enum Work {
    /// Statements as text, one after the other; each is a round.
    Text(&'static [&'static str]),
    /// One statement, prepared once and executed in every round.
    Prepared(&'static str),
    /// The same statement again and again in a transaction that is open already.
    InTransaction(&'static str),
}

/// Every kind; `expected.txt` has the same names.
pub fn all() -> Vec<Load> {
    let load = |name, rounds, work| Load { name, rounds, work };
    vec![
        load("text_point_select", 200, Work::Text(&[SELECT])),
        load("prepared_point_select", 200, Work::Prepared("SELECT c FROM sbtest1 WHERE id=?")),
        load("read_write_mix", 250, Work::Text(&[SELECT, SELECT, SELECT, SELECT, UPDATE])),
        load("in_transaction", 200, Work::InTransaction(SELECT)),
        load("transaction", 240, Work::Text(&["BEGIN", SELECT, UPDATE, "COMMIT"])),
    ]
}

/// Everybody comes in.
pub fn log_in(address: SocketAddr) -> io::Result<Vec<Session>> {
    (0..SESSIONS).map(|_| Session::log_in(address)).collect()
}

impl Load {
    /// What must be said before.
    pub fn prepare(&self, sessions: &mut [Session]) -> io::Result<()> {
        match self.work {
            Work::Text(_) => Ok(()),
            Work::Prepared(sql) => sessions.iter_mut().try_for_each(|session| session.prepare(sql)),
            Work::InTransaction(_) => together(sessions, |session| session.say("BEGIN")),
        }
    }

    /// Everybody says one statement; then everybody's reply is read.
    pub fn round(&self, sessions: &mut [Session]) -> io::Result<()> {
        match self.work {
            Work::Text(statements) => together(sessions, |session| {
                let said = session.said;
                session.said += 1;
                session.say(statements[said % statements.len()])
            }),
            Work::Prepared(_) => together(sessions, |session| session.execute(5047)),
            Work::InTransaction(statement) => together(sessions, |session| session.say(statement)),
        }
    }

    /// Nothing is left open.
    pub fn finish(&self, sessions: &mut [Session]) -> io::Result<()> {
        match self.work {
            Work::InTransaction(_) => together(sessions, |session| session.say("COMMIT")),
            Work::Text(_) | Work::Prepared(_) => Ok(()),
        }
    }
}

fn together(sessions: &mut [Session], say: impl Fn(&mut Session) -> io::Result<()>) -> io::Result<()> {
    sessions.iter_mut().try_for_each(say)?;
    sessions.iter_mut().try_for_each(Session::hear)
}
