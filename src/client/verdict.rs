//! What members say of an account: whether they let it in.
//!
//! The primary's word counts: a replica may be late and know a new account not yet, or an old password still. Replicas are
//! asked while the primary gives no answer.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::timeout;

use super::{accounts::Entry, handshake::SHARED, memory::Memory, proxy::Proxy};
use crate::{
    backend::{Account, Connection, Demand, DialError, DialOptions, QueryError},
    pool::Permit,
    topology::{Health, View},
    wire::{err::SqlError, login::Login},
};

/// How long members are asked for one login, all together: less than a login may take, so that the client is told.
const ASKING_LIMIT: Duration = Duration::from_secs(8);

/// The longest pause before members are asked again of whom none gave an answer.
const PAUSE: Duration = Duration::from_millis(500);
/// The most members that an error names.
const MOST_NAMED: usize = 8;

/// Who has judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// The primary.
    Primary,
    /// A replica, since the primary gave no answer.
    Replica,
}

/// What members say of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may come in by a connection that is as the account demands.
    Accepted(Judge, Demand),
    /// It may not, in the member's own words.
    Refused(SqlError),
    /// The account wants this method, which the proxy does not speak.
    Unspoken(String),
    /// Nobody could be asked: which members were tried, and why each gave no answer.
    Unreachable(String),
}

/// Until when members may be asked for one login.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    began: Instant,
    until: Instant,
    each: Duration,
}

impl Patience {
    pub fn begin(proxy: &Proxy) -> Self {
        let began = Instant::now();
        let limit = ASKING_LIMIT.min(proxy.policy.acquire_timeout);
        Patience { began, until: began + limit, each: proxy.policy.connect_timeout }
    }

    /// How long they have been asked.
    pub fn spent(self) -> Duration {
        self.began.elapsed()
    }

    /// How long the next member may take: there must be time for another one.
    pub fn next(self) -> Duration {
        self.each.min(self.until.saturating_duration_since(Instant::now()) / 2)
    }
}

/// The primary, and then the others that are worth asking.
pub(super) fn judges(view: &View) -> Vec<(Judge, SocketAddr)> {
    let primary = view.usable_primary().map(|member| member.member.address);
    let others = view.members.iter().filter(|member| member.is_usable()).map(|member| member.member.address);
    let replicas = others.filter(|address| Some(*address) != primary).map(|address| (Judge::Replica, address));
    primary.map(|address| (Judge::Primary, address)).into_iter().chain(replicas).collect()
}

/// How a member is logged in to for a question about this login.
pub(super) fn options(proxy: &Proxy, login: &Login, limit: Duration) -> DialOptions {
    DialOptions {
        road: Arc::clone(&proxy.road),
        connect_timeout: limit,
        capabilities: login.capabilities & SHARED,
        extensions: login.extensions,
        collation: Some(login.collation),
    }
}

/// Whether this account is still let in: members' word of the last `auth.recheck`, or they are asked. Of many who come at
/// once one asks.
pub(super) async fn confirm(proxy: &Proxy, login: &Login, entry: &Arc<Entry>, patience: Patience) -> Verdict {
    let came = Instant::now();
    let has_primary = proxy.topology.view().has_primary();
    let recheck = proxy.policy.auth_recheck;
    if let Some(verdict) = entry.fresh(came, recheck, has_primary) {
        return verdict;
    }
    let _asking = entry.asking.lock().await;
    if let Some(verdict) = entry.since(came) {
        return verdict;
    }
    let verdict = ask(proxy, login, (&entry.account, entry.demand()), patience).await;
    if !matches!(&verdict, Verdict::Refused(error) if is_about_the_character_set(error)) {
        entry.note(Instant::now(), &verdict);
    }
    verdict
}

/// Asks members whether they let this account in, of which it may be known what it demanded before. While none gives an
/// answer, as when the primary restarts, it waits for one that does, as statements do.
pub(super) async fn ask(
    proxy: &Proxy,
    login: &Login,
    account: (&Account, Option<Demand>),
    patience: Patience,
) -> Verdict {
    loop {
        let mut changed = proxy.topology.changed();
        let verdict = ask_once(proxy, login, account, patience).await;
        let now = Instant::now();
        if !matches!(verdict, Verdict::Unreachable(_)) || now >= patience.until {
            return verdict;
        }
        proxy.topology.recheck();
        let _ = timeout(PAUSE.min(patience.until - now), changed.changed()).await;
    }
}

/// Why those members are not asked that do not answer their checks.
fn silent(view: &View) -> impl Iterator<Item = String> + '_ {
    view.members.iter().filter(|member| !member.is_usable()).map(|member| match &member.health {
        Health::Down(why) => format!("{} ({}): {why}", member.member.name, member.member.address),
        _ => format!("{} ({}): not asked yet", member.member.name, member.member.address),
    })
}

async fn ask_once(
    proxy: &Proxy,
    login: &Login,
    (account, known): (&Account, Option<Demand>),
    patience: Patience,
) -> Verdict {
    let (judges, mut problems) = {
        let view = proxy.topology.view();
        (judges(&view), silent(&view).take(MOST_NAMED).collect::<Vec<_>>())
    };
    let mut refusal = None;
    for (judge, address) in judges {
        // Not beyond the member's limit, and in a queue: a crowd that logs in leaves sessions their connections.
        let permit = match timeout(patience.next(), proxy.pools.member(address).permit()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(error)) => {
                problems.push(format!("{address}: {error}"));
                continue;
            }
            Err(_) => {
                problems.push(format!("{address}: no turn within {:.1?}", patience.spent()));
                continue;
            }
        };
        match try_out(proxy, address, (login, account, known), (patience.next(), permit)).await {
            Ok(demand) => return Verdict::Accepted(judge, demand),
            Err(DialError::Refused(error)) if has_proven_itself(error.code) => {
                // What it demands cannot be asked now. To a connection in clear the member has said it by itself.
                let in_clear = proxy.road.is_in_clear(address).then_some(Demand::Nothing);
                return match known.or(in_clear) {
                    Some(demand) => Verdict::Accepted(judge, demand),
                    None => Verdict::Refused(error),
                };
            }
            Err(DialError::Refused(error)) if is_about_the_account(&error) => match judge {
                Judge::Primary => return Verdict::Refused(error),
                Judge::Replica => refusal = refusal.or(Some(Verdict::Refused(error))),
            },
            Err(DialError::Refused(error)) if is_about_the_character_set(&error) => return Verdict::Refused(error),
            Err(DialError::Plugin(plugin)) => match judge {
                Judge::Primary => return Verdict::Unspoken(plugin),
                Judge::Replica => refusal = refusal.or(Some(Verdict::Unspoken(plugin))),
            },
            Err(error) => problems.push(format!("{address}: {error}")),
        }
    }
    let tried = if problems.is_empty() { "no member is up".to_owned() } else { problems.join("; ") };
    refusal.unwrap_or(Verdict::Unreachable(tried))
}

/// Logs in, and runs a statement that does nothing: MariaDB lets an account in whose password has expired, and refuses
/// what it says then (1820). Gives what the account demands of a connection beyond what the member could see of this one.
async fn try_out(
    proxy: &Proxy,
    address: SocketAddr,
    (login, account, known): (&Login, &Account, Option<Demand>),
    (limit, permit): (Duration, Permit<Memory>),
) -> Result<Demand, DialError> {
    let options = options(proxy, login, limit);
    let (mut connection, _permit) = Connection::dial_holding(address, account, &options, permit).await?;
    match timeout(limit, connection.query("DO 0")).await {
        Ok(Err(QueryError::Sql(error))) if is_about_the_account(&error) => Err(DialError::Refused(error)),
        Ok(Ok(_) | Err(QueryError::Sql(_))) => {
            let demand = demand(&mut connection, known, limit).await;
            connection.close().await;
            demand
        }
        Ok(Err(QueryError::Broken(error))) => Err(DialError::Broken(error)),
        Ok(Err(QueryError::Protocol(_))) => Err(DialError::Protocol("no answer to a statement")),
        Err(_) => Err(DialError::Timeout(limit)),
    }
}

/// A member that is spoken to in clear has refused whoever demands more than that.
async fn demand(connection: &mut Connection, known: Option<Demand>, limit: Duration) -> Result<Demand, DialError> {
    if !connection.is_encrypted() {
        return Ok(Demand::Nothing);
    }
    match timeout(limit, connection.own_demand()).await {
        Ok(Ok(demand)) => Ok(demand),
        Ok(Err(QueryError::Sql(error))) => untold(error, known),
        Ok(Err(QueryError::Broken(error))) => Err(DialError::Broken(error)),
        Ok(Err(QueryError::Protocol(_))) => Err(DialError::Protocol("no answer to a statement")),
        Err(_) => Err(DialError::Timeout(limit)),
    }
}

/// What an account demands of which the member does not say it. Who may not ask may demand anything; any other error is of
/// this moment, as that of a member out of memory, and says nothing: another member is asked.
fn untold(error: SqlError, known: Option<Demand>) -> Result<Demand, DialError> {
    if denies_the_question(&error) {
        return Ok(Demand::Particulars);
    }
    known.ok_or(DialError::Refused(error))
}

/// Whether a member will not say what an account demands, however often it is asked. Beside the errors of class 28000: 1044,
/// 1142, 1143, 1227, 1370 no privilege, 1064 no such statement, 1133, 1141, 1396 no such account.
fn denies_the_question(error: &SqlError) -> bool {
    error.state == *b"28000" || matches!(error.code, 1044 | 1064 | 1133 | 1141 | 1142 | 1143 | 1227 | 1370 | 1396)
}

/// 1203 and 1226: the account has as many connections as it may have, which is said to those only whose password is right.
/// The session may find one of them in the pool.
const fn has_proven_itself(code: u16) -> bool {
    matches!(code, 1203 | 1226)
}

/// 1115 and 1231: a character set that no client may have, such as `ucs2`. It says nothing of the account.
pub(super) const fn is_about_the_character_set(error: &SqlError) -> bool {
    matches!(error.code, 1115 | 1231)
}

/// Whether a member refuses the account, and not the proxy's host or any connection. Beside those of class 28000: 1044 no
/// right to the database, 1130 host not allowed, 1251 not by this method, 1820 and 1862 password expired, 3118, 3955, 4150
/// and 4151 locked.
pub(super) fn is_about_the_account(error: &SqlError) -> bool {
    error.state == *b"28000" || matches!(error.code, 1044 | 1130 | 1251 | 1820 | 1862 | 3118 | 3955 | 4150 | 4151)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: u16, state: [u8; 5]) -> SqlError {
        SqlError { code, state, message: "no".to_owned() }
    }

    #[test]
    fn only_who_may_not_ask_may_demand_anything() {
        for denied in [error(1142, *b"42000"), error(1227, *b"42000"), error(1045, *b"28000")] {
            assert_eq!(untold(denied, Some(Demand::Nothing)).unwrap(), Demand::Particulars);
        }
        for passing in [error(1041, *b"HY000"), error(1205, *b"HY000"), error(3024, *b"HY000")] {
            assert_eq!(untold(passing.clone(), Some(Demand::Encryption)).unwrap(), Demand::Encryption);
            let refused = untold(passing, None).unwrap_err();
            assert!(matches!(&refused, DialError::Refused(error) if !is_about_the_account(error)), "{refused}");
        }
    }
}
