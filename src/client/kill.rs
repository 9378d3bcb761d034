//! `KILL`: ends the statement or the client that it names by the proxy's id, with the rights of who asks, and nothing
//! else.
//!
//! Knows how a member is told, and which errors a server gives. Must not know how `KILL` is written.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};
use tracing::{debug, info};

use super::{
    handle::{Aim, Handle, Place, Scope},
    previous::ASK_LIMIT,
    refusal,
    registry::Named,
    run::Client,
};
use crate::{
    backend::{Account, Connection, DialError, DialOptions, QueryError},
    route::KillMeans,
    wire::{Capabilities, Extensions, err::SqlError},
};

/// A command of the victim's that came before the `KILL` may not have been taken up yet.
const TAKEN_UP: Duration = Duration::from_millis(1);
/// When a member is told again to kill the same statement: the first time it may not have begun with it, which members
/// take for nothing to kill.
const AGAIN: [Duration; 5] = [
    Duration::from_millis(3),
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
];
/// How often it is looked again where the statement runs that ends just when a member is to be told.
const MOST_TRIES: usize = 8;
/// `ER_NO_SUCH_THREAD`
const UNKNOWN_THREAD: u16 = 1094;
/// `ER_KILL_DENIED_ERROR`
const NOT_OWNER: u16 = 1095;

/// What a `KILL` ends, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Means {
    /// The statement, or the connection.
    pub scope: Scope,
    /// How hard.
    pub force: Force,
}

/// `KILL HARD`, or `KILL SOFT` (`MariaDB`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Force {
    /// At once.
    Hard,
    /// Critical operations come to their end.
    Soft,
}

/// What became of a `KILL`.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is done.
    Done,
    /// The client gets this error.
    Refused(SqlError),
    /// The client has named itself: it gets this error, and is to end if its connection was meant.
    Oneself(SqlError),
    /// The id may be a member's, which has the say.
    Member,
}

impl From<KillMeans> for Means {
    fn from(means: KillMeans) -> Self {
        let (scope, force) = match means {
            KillMeans::Connection => (Scope::Connection, Force::Hard),
            KillMeans::ConnectionSoftly => (Scope::Connection, Force::Soft),
            KillMeans::Query => (Scope::Query, Force::Hard),
            KillMeans::QuerySoftly => (Scope::Query, Force::Soft),
        };
        Means { scope, force }
    }
}

impl Means {
    fn statement(self, thread_id: u32) -> String {
        let force = if self.force == Force::Soft { "SOFT " } else { "" };
        let scope = if self.scope == Scope::Query { "QUERY" } else { "CONNECTION" };
        format!("KILL {force}{scope} {thread_id}")
    }
}

/// Whether a member has struck what it was told to.
enum Struck {
    Statement,
    /// It had ended before.
    Nothing,
}

impl Client {
    /// Kills the client of this id.
    pub(super) async fn kill(&self, means: Means, id: u32) -> Verdict {
        match self.proxy.clients.named(id) {
            Named::Client(target) if target.id == self.registered.handle.id => self.kill_oneself(means.scope),
            Named::Client(target) => match self.kill_client(means, &target).await {
                Ok(()) => {
                    let by = self.registered.handle.id.get();
                    match means.scope {
                        Scope::Connection => info!(id, by, "a client was killed by another"),
                        // Drivers cancel statements so, as often as they like.
                        Scope::Query => debug!(id, by, "a statement was killed by another client"),
                    }
                    Verdict::Done
                }
                Err(error) => Verdict::Refused(error),
            },
            Named::Nobody => Verdict::Refused(refusal::unknown_thread(id)),
            Named::Member => Verdict::Member,
        }
    }

    /// What a server says to `KILL CONNECTION_ID()`.
    pub(super) fn kill_oneself(&self, scope: Scope) -> Verdict {
        Verdict::Oneself(refusal::killed_by(scope, self.session.dialect.server))
    }

    async fn kill_client(&self, means: Means, target: &Arc<Handle>) -> Result<(), SqlError> {
        let mut aim = target.aim();
        if matches!(aim, Aim::Idle) && means.scope == Scope::Query {
            sleep(TAKEN_UP).await;
            aim = target.aim();
        }
        let aimed_at = aim.command();
        let mut may = false;
        for _ in 0..MOST_TRIES {
            let is_meant = means.scope == Scope::Connection || aim.command() == aimed_at;
            match aim {
                Aim::At(place, command) if is_meant => {
                    if matches!(self.kill_at(means, target, place, command).await?, Struck::Statement) {
                        may = true;
                        break;
                    }
                }
                _ if !may => {
                    self.may_kill(target).await?;
                    may = true;
                }
                Aim::Preparing(command) if is_meant && means.scope == Scope::Query => {
                    if target.prevent(command) {
                        break;
                    }
                }
                _ => break,
            }
            aim = target.aim();
        }
        if !may {
            self.may_kill(target).await?;
        }
        if means.scope == Scope::Connection {
            target.doom();
        }
        Ok(())
    }

    /// Tells a member, on a connection of its own.
    async fn kill_at(
        &self,
        means: Means,
        target: &Arc<Handle>,
        place: Place,
        command: u64,
    ) -> Result<Struck, SqlError> {
        let dialed = self.dial_to_kill(place.address, &self.account).await;
        let mut connection = dialed.map_err(|error| cannot_kill(target, &error))?;
        let struck = strike(&mut connection, means, target, place, command).await?;
        if matches!(struck, Struck::Statement) && means.scope == Scope::Query {
            drop(tokio::spawn(strike_again(connection, means, Arc::clone(target), place, command)));
        }
        Ok(struck)
    }

    /// Whether this account may kill a client that runs nothing. What a server would say is asked of one: whether it may
    /// kill a connection of the same owner.
    async fn may_kill(&self, target: &Handle) -> Result<(), SqlError> {
        let owner = target.owner();
        if owner.user == self.account.user {
            return Ok(());
        }
        let refused = || refusal::not_owner(target.id.get());
        let view = self.proxy.topology.view();
        let member = view.usable_primary().or_else(|| view.members.iter().find(|member| member.is_usable()));
        let address = member.ok_or_else(refused)?.member.address;
        let ask = async {
            let theirs = self.dial_to_kill(address, &owner).await.ok()?;
            let mut ours = self.dial_to_kill(address, &self.account).await.ok()?;
            ours.query(&format!("KILL QUERY {}", theirs.thread_id())).await.ok()
        };
        timeout(ASK_LIMIT, ask).await.ok().flatten().map(drop).ok_or_else(refused)
    }

    async fn dial_to_kill(&self, address: SocketAddr, account: &Account) -> Result<Connection, DialError> {
        let options = DialOptions {
            road: Arc::clone(&self.proxy.road),
            connect_timeout: self.proxy.policy.acquire_timeout,
            capabilities: Capabilities::empty(),
            extensions: Extensions::empty(),
            collation: None,
        };
        Connection::dial(address, account, &options).await
    }
}

fn cannot_kill(target: &Handle, problem: &dyn std::fmt::Display) -> SqlError {
    SqlError::proxy(NOT_OWNER, *b"HY000", &format!("cannot kill {}: {problem}", target.id.get()))
}

/// Tells the member to kill, while it is certain that the statement that is meant runs there.
async fn strike(
    connection: &mut Connection,
    means: Means,
    target: &Arc<Handle>,
    place: Place,
    command: u64,
) -> Result<Struck, SqlError> {
    let Some(strike) = target.strike(place, command) else { return Ok(Struck::Nothing) };
    let sql = means.statement(place.thread_id);
    match timeout(ASK_LIMIT, connection.query(&sql)).await {
        Ok(Ok(_)) => {
            strike.has_struck(means.scope);
            Ok(Struck::Statement)
        }
        Ok(Err(QueryError::Sql(error))) if error.code == UNKNOWN_THREAD => Ok(Struck::Nothing),
        Ok(Err(QueryError::Sql(error))) if error.code == NOT_OWNER => Err(refusal::not_owner(target.id.get())),
        Ok(Err(QueryError::Sql(error))) => Err(error),
        Ok(Err(broken)) => Err(cannot_kill(target, &broken)),
        Err(late) => Err(cannot_kill(target, &late)),
    }
}

/// The same statement once more, as long as it still runs.
async fn strike_again(mut connection: Connection, means: Means, target: Arc<Handle>, place: Place, command: u64) {
    for pause in AGAIN {
        sleep(pause).await;
        if !matches!(strike(&mut connection, means, &target, place, command).await, Ok(Struck::Statement)) {
            break;
        }
    }
    connection.close().await;
}
