//! `KILL` beside other statements in one text: the proxy does it, and the member that runs the others gets in its place
//! what has the same reply.
//!
//! Knows how such a text is put together. Must not know how a kill is done.

use super::{
    kill::{Means, Verdict},
    run::Client,
};
use crate::{
    route::{Answer, KillId},
    sql::{Facts, Kind, Span, Statement, details},
    wire::err::SqlError,
};

/// A text whose kills are done.
pub(super) struct Killed {
    /// What the member is to run.
    pub text: Vec<u8>,
    /// One of them named the session itself, which ends when the text has come to it.
    pub oneself: bool,
}

/// Whether there is a `KILL` among several statements whose parts can be told apart.
pub(super) fn kills_among(statement: &Statement) -> bool {
    statement.kind == Kind::Several && statement.has(Facts::KILLS) && statement.has_readable_parts()
}

impl Client {
    /// Does what the kills of a text say, up to the first that fails; none if no id in it is a proxy's. They are done
    /// before the statements in front of them.
    pub(super) async fn kill_among(&self, statement: &Statement, sql: &[u8]) -> Option<Killed> {
        let mut text = Vec::with_capacity(sql.len());
        let (mut at, mut oneself, mut changed) = (0, false, false);
        for part in details::parts(sql, statement.dialect)? {
            let said = part.of(sql);
            let (instead, goes_on) = match self.kill_part(said).await {
                Verdict::Member => continue,
                Verdict::Done => ("DO 0".to_owned(), true),
                Verdict::Refused(error) => (signal(&error), false),
                Verdict::Oneself(error) => {
                    oneself = true;
                    (signal(&error), false)
                }
            };
            changed = true;
            text.extend_from_slice(Span::new(at, part.start as usize).of(sql));
            text.extend_from_slice(instead.as_bytes());
            at = part.end as usize;
            if !goes_on {
                break;
            }
        }
        text.extend_from_slice(sql.get(at..).unwrap_or_default());
        changed.then_some(Killed { text, oneself })
    }

    async fn kill_part(&self, sql: &[u8]) -> Verdict {
        let statement = self.classify(sql, false);
        if statement.kind != Kind::Kill {
            return Verdict::Member;
        }
        let Some(Answer::Kill { means, id }) = self.decide(&statement, sql).answer else { return Verdict::Member };
        let means = Means::from(means);
        match id {
            KillId::Own => self.kill_oneself(means.scope),
            KillId::Number(span) => match std::str::from_utf8(span.of(sql)).ok().and_then(|it| it.parse().ok()) {
                Some(id) => self.kill(means, id).await,
                None => Verdict::Member,
            },
            KillId::Parameter => Verdict::Member,
        }
    }
}

/// The statement that fails with this error.
fn signal(error: &SqlError) -> String {
    let state = String::from_utf8_lossy(&error.state);
    let message: String = error.message.chars().filter(|letter| !matches!(letter, '\'' | '\\')).collect();
    format!("SIGNAL SQLSTATE '{state}' SET MYSQL_ERRNO = {}, MESSAGE_TEXT = '{message}'", error.code)
}
