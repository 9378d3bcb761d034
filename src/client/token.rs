//! A token that says what another session has written, perhaps through another proxy: given and taken.
//!
//! Knows what the session has written and what the primary says that it has executed. Must not know how a token is written,
//! nor how members are asked.
//!
//! A token is believed only once the primary is known to have what it names: from then on this counts as written by the
//! session itself.

use std::{future::Future, sync::Arc, time::Instant};

use tokio::time::timeout_at;

use super::{
    bring::BringError,
    commands::plain_route,
    connections::Side,
    incoming::Incoming,
    member_choice::Attempts,
    refusal,
    run::{Client, Gone},
};
use crate::{
    route::{Reason, Target},
    sql::Statement,
    topology::{Mark, MemberId, Token},
    wire::{
        err::SqlError,
        gtid::{GtidKind, GtidSet},
        resultset::{ColumnType, TextResult},
        server::ServerFamily,
    },
};

/// The query attribute that says what the statement must see, like the comment `proxy:after=TOKEN`.
pub(super) const AFTER_ATTRIBUTE: &[u8] = b"proxy.after";

/// Whether a statement came with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brings {
    Nothing,
    Token,
}

/// The token in a statement's comment.
pub(super) fn token_in(statement: &Statement, sql: &[u8]) -> Option<Vec<u8>> {
    statement.after.map(|token| token.of(sql).to_vec())
}

impl Client {
    /// Takes the token that came with a command; answers the command where it does not count (`None`).
    pub(super) async fn take_token(
        &mut self,
        token: Option<Vec<u8>>,
        incoming: &mut Incoming,
    ) -> Result<Option<Brings>, Gone> {
        let Some(token) = token else { return Ok(Some(Brings::Nothing)) };
        match Box::pin(self.must_see(&token)).await {
            Ok(()) => Ok(Some(Brings::Token)),
            Err(error) => self.answer_error(incoming, &error).await.map(|()| None),
        }
    }

    /// What the token names counts as written by the session.
    async fn must_see(&mut self, token: &[u8]) -> Result<(), SqlError> {
        let mark =
            Token::read(token, self.proxy.policy.cluster).map_err(|error| refusal::bad_token(&error.to_string()))?;
        if self.is_split() && self.holds_nothing_older(&mark).is_err() {
            self.begin_on_primary().await?;
        }
        self.holds_nothing_older(&mark)?;
        let primary = match self.proxy.topology.executed_by(&mark) {
            Some(primary) => primary,
            None => self.await_executed(&mark).await?,
        };
        match mark {
            Mark::Gtids(gtids) => self.session.causality.must_see(&gtids),
            Mark::Galera(_) if self.connections.wrote_at.is_none_or(|wrote_at| wrote_at == primary) => {
                self.wrote_at(primary);
            }
            // No token names one.
            Mark::Binlog(_) => return Err(refusal::no_token()),
            // It still has to catch up with the session's own write, and then has this as well.
            Mark::Galera(_) => self.session.causality.wrote_unknown(Instant::now()),
        }
        Ok(())
    }

    /// A connection to a replica that the session must keep (a transaction, a cursor) is as new as it is.
    fn holds_nothing_older(&self, mark: &Mark) -> Result<(), SqlError> {
        let Some(member) = self.connections.held_on(Side::Replica) else { return Ok(()) };
        let view = self.proxy.topology.view();
        let has = |gtids: &GtidSet| {
            view.member(member).is_some_and(|member| {
                let place = member.member.place();
                member.applied.covers(gtids) || place.as_ref().is_some_and(|place| place.has(gtids))
            })
        };
        if mark.gtids().is_some_and(|gtids| has(gtids)) {
            return Ok(());
        }
        Err(refusal::bad_token(
            "this session reads from one replica now (a transaction, a cursor), which may not have it",
        ))
    }

    /// The primary, once it has it. That it never will is certain at once, but where the primary of a Galera cluster has
    /// just become it.
    async fn await_executed(&mut self, mark: &Mark) -> Result<MemberId, SqlError> {
        let topology = Arc::clone(&self.proxy.topology);
        let certain = async {
            loop {
                let (primary, executed) = topology.executed_since(Instant::now()).await?;
                let may_come = match (mark, &executed) {
                    (Mark::Galera(wanted), Mark::Galera(have)) => wanted.is_comparable(have),
                    _ => false,
                };
                if executed.covers(mark) || !may_come {
                    return Some(executed.covers(mark).then_some(primary));
                }
            }
        };
        match self.with_patience(certain).await? {
            Some(Some(Some(primary))) => Ok(primary),
            Some(Some(None)) => {
                Err(refusal::bad_token("it names transactions that this cluster's primary does not have"))
            }
            Some(None) => Err(refusal::bad_token("the primary does not tell what it has executed")),
            None => Err(refusal::bad_token("the primary did not tell in time what it has executed")),
        }
    }

    /// `SHOW PROXY TOKEN`
    pub(super) async fn show_token(&mut self, incoming: &mut Incoming) -> Result<(), Gone> {
        let token = match self.token().await {
            Ok(token) => token.to_string(),
            Err(error) => return self.answer_error(incoming, &error).await,
        };
        let table = TextResult::new(&[(b"token", ColumnType::Text)]).row(&[Some(token.as_bytes())]);
        self.show(incoming, &table).await
    }

    /// What the session has written: by name where all of it has names, else all that the primary has executed.
    async fn token(&mut self) -> Result<Token, SqlError> {
        self.renew_causality();
        self.have_primary_catch_up().await?;
        let view = self.proxy.topology.view();
        let kind = match view.server().map(|server| server.family) {
            Some(ServerFamily::MySql) => GtidKind::MySql,
            _ => GtidKind::MariaDb,
        };
        let is_galera = view.is_galera();
        drop(view);
        let causality = &self.session.causality;
        let own = causality.gtids().clone();
        let since = match causality.unknown() {
            None if !is_galera => return self.token_of(Mark::Gtids(Arc::new(own)), kind),
            None => Instant::now(),
            Some(instant) => instant,
        };
        let topology = Arc::clone(&self.proxy.topology);
        let executed = self.with_patience(topology.executed_since(since)).await?.flatten();
        let (primary, executed) = executed.ok_or_else(refusal::no_token)?;
        if self.may_miss_own_write(&self.proxy.topology.view(), primary) {
            return Err(refusal::no_token());
        }
        let mark = match executed {
            Mark::Gtids(executed) => {
                let mut all = GtidSet::clone(&executed);
                all.merge(&own);
                Mark::Gtids(Arc::new(all))
            }
            position @ (Mark::Galera(_) | Mark::Binlog(_)) => position,
        };
        self.token_of(mark, kind)
    }

    /// A new primary of a Galera cluster may lack what the session has written at the one before.
    async fn have_primary_catch_up(&mut self) -> Result<(), SqlError> {
        let route = plain_route(Target::Primary, Reason::ShowProxyToken);
        let mut attempts = Attempts::new(Instant::now(), self.proxy.policy.acquire_timeout);
        while self
            .proxy
            .topology
            .view()
            .assigned_primary
            .as_ref()
            .is_ok_and(|primary| self.may_miss_own_write(&self.proxy.topology.view(), *primary))
        {
            let mut used = self.connect(Side::Primary, &route, &mut attempts).await?;
            if used.held {
                self.connections.keep(Side::Primary, used);
                return Err(refusal::no_token());
            }
            match self.catch_up(&mut used).await {
                Ok(()) => self.settle(Side::Primary, used).await,
                Err(error) => {
                    let problem = format!("{}: {error}", used.address);
                    let member = used.member;
                    used.lease.discard();
                    match error {
                        BringError::Unreachable => attempts.unreachable(problem)?,
                        // It may be part of its cluster soon.
                        _ => attempts.failed(member, problem),
                    }
                }
            }
        }
        Ok(())
    }

    fn token_of(&self, mark: Mark, kind: GtidKind) -> Result<Token, SqlError> {
        Token::new(self.proxy.policy.cluster, mark, kind).ok_or_else(refusal::no_token)
    }

    /// `None` after `pool.acquire_timeout`, and when the proxy is going down.
    async fn with_patience<T>(&mut self, work: impl Future<Output = T>) -> Result<Option<T>, SqlError> {
        let until = Instant::now() + self.proxy.policy.acquire_timeout;
        let drain = self.proxy.drain.clone();
        let done = async {
            tokio::select! {
                done = timeout_at(until.into(), work) => done.ok(),
                () = drain.cancelled() => None,
            }
        };
        self.while_wanted(&mut None, done).await
    }
}
