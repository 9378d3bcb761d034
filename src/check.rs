//! `mysql-proxy check --connect`: finds the members, asks each as the monitor would, and logs each user in, before anybody
//! depends on it.
//!
//! Knows what is wrong in the words of the room that found it, and adds the remedy. Must not know the data path.

mod roles;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::backend::{Account, Connection, CredentialTable, DialError, DialOptions, QueryError, Road};
use crate::config::{AuthSource, Config, Discovery};
use crate::server::{self, ServerError};
use crate::topology::{self, DownReason, Health, MemberView, Role, Unfit, View};
use crate::wire::server::ServerFamily;
use crate::wire::{Capabilities, Extensions};

/// How long DNS and the first checks may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many checks in a row are looked at.
const SEVERAL: u32 = 6;
/// How long a replica gets to show that it is fit: its first check may have come before the primary's.
const SECOND_LOOK: Duration = Duration::from_secs(3);

/// How one check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, and could be better.
    Remark,
    /// It will not work.
    Wrong,
}

/// One check. Its `Display` is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it ended.
    pub verdict: Verdict,
    /// What was checked.
    pub about: String,
    /// What was found, and what to do about it.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Good => "ok    ",
            Verdict::Remark => "remark",
            Verdict::Wrong => "WRONG ",
        };
        write!(f, "{verdict}  {}: {}", self.about, self.text)
    }
}

fn finding(verdict: Verdict, about: impl Into<String>, text: impl Into<String>) -> Finding {
    Finding { verdict, about: about.into(), text: text.into() }
}

/// Checks everything that needs the network. Takes at most about half a minute, and more only when members take their
/// time with logins.
pub async fn connect(config: &Config) -> Result<Vec<Finding>, ServerError> {
    let stop = CancellationToken::new();
    let _ends_with_us = stop.clone().drop_guard();
    let road = server::road(&config.tls.backend)?;
    let monitor = server::monitor_account(config, Arc::clone(&road));
    let topology = topology::start(server::topology_settings(config)?, monitor, stop);
    let _ = timeout(PATIENCE, topology.wait_for(is_seen)).await;
    let _ = timeout(SECOND_LOOK, topology.wait_for(is_fit)).await;
    let _ = timeout(look(config, &topology.view()), topology.wait_for(knows_strangers)).await;
    let view = topology.view();
    let mut findings = vec![discovery(config, &view), roles::primary(&view)];
    findings.extend(roles::without_gtids(&view));
    for member in &view.members {
        findings.extend(monitored(config, &view, member));
    }
    findings.extend(credentials(config, &road, &view).await);
    findings.extend(users(config, &road, &view).await);
    Ok(findings)
}

/// For how long strangers are looked for. `MySQL`'s are known once their primary has been asked as well; some of `MariaDB`'s
/// only by how many replicas the primary has, in several checks in a row.
fn look(config: &Config, view: &View) -> Duration {
    let is_mariadb = view.server().is_some_and(|server| server.family == ServerFamily::MariaDb);
    let (checks, at_least) = if is_mariadb { (SEVERAL, SECOND_LOOK) } else { (2, SECOND_LOOK / 3) };
    (config.monitor.interval * checks).max(at_least).min(PATIENCE)
}

/// Whether a member is known to copy from elsewhere, or none can.
fn knows_strangers(view: &View) -> bool {
    view.is_galera()
        || !view.members.iter().any(|member| member.role == Role::Replica)
        || view.members.iter().any(|member| matches!(member.unfit, Some(Unfit::Stranger { .. })))
}

/// Every member has been asked, or there are none to ask.
fn is_seen(view: &View) -> bool {
    let looked = !view.members.is_empty() || view.discovery_problem.is_some();
    looked && view.members.iter().all(|member| member.health != Health::Unknown)
}

fn is_fit(view: &View) -> bool {
    is_seen(view) && view.members.iter().all(|member| !member.is_up() || member.unfit.is_none())
}

fn discovery(config: &Config, view: &View) -> Finding {
    let (about, remedy) = match &config.cluster.discovery {
        Discovery::Service(name) => (
            format!("cluster.service {name:?}"),
            "is it the name of a headless Service that this host's DNS knows? cluster.dns_servers names another DNS",
        ),
        Discovery::Members(_) => ("cluster.members".to_owned(), "correct the names, or make this host's DNS know them"),
    };
    let count = view.members.len();
    match &view.discovery_problem {
        Some(problem) => finding(Verdict::Wrong, about, format!("{problem}; {remedy}")),
        None if count == 0 => finding(Verdict::Wrong, about, format!("no answer within {PATIENCE:?}; {remedy}")),
        None => finding(Verdict::Good, about, format!("{count} {}", if count == 1 { "member" } else { "members" })),
    }
}

/// What the monitor sees of a member.
fn monitored(config: &Config, view: &View, member: &MemberView) -> Vec<Finding> {
    let about = format!("{} as monitor {:?}", title(member), config.monitor.user);
    let mut findings = vec![match (&member.health, &member.unfit) {
        (Health::Unknown, _) => finding(Verdict::Wrong, about, format!("no answer within {PATIENCE:?}")),
        (Health::Down(reason), _) => finding(Verdict::Wrong, about, format!("{reason}; {}", remedy(reason, is_pod()))),
        (Health::Blind(reason), _) => finding(Verdict::Wrong, about, reason.to_string()),
        (Health::Up, Some(unfit)) => finding(Verdict::Wrong, about, format!("serves no reads: {unfit}")),
        (Health::Up, None) => finding(Verdict::Good, about, state(member)),
    }];
    findings.extend(roles::writable(view, member));
    if let Some(doubt) = &member.doubt {
        findings.push(finding(Verdict::Remark, title(member), doubt.to_string()));
    }
    findings.extend(room(config, member));
    if view.is_galera() && member.is_up() && member.unfit.is_none() && member.hides_confirmed {
        let text = "its version does not tell wsrep_checkpoint_position: sessions that have written read from the primary only";
        findings.push(finding(Verdict::Remark, title(member), text));
    }
    findings
}

/// The proxy may open more connections than the member takes: they fail when they are needed most.
fn room(config: &Config, member: &MemberView) -> Option<Finding> {
    let (most, limit) = (config.pool.max_backend_connections as u64, member.max_connections?);
    // One more is the monitor's.
    let wanted = most + 1;
    let text = format!(
        "max_connections is {limit} there, and pool.max_backend_connections is {most}: run SET GLOBAL max_connections = \
         {wanted} (and more for others who connect) and write it into the server's configuration, or set \
         pool.max_backend_connections below {limit}"
    );
    (limit < wanted).then(|| finding(Verdict::Remark, title(member), text))
}

fn state(member: &MemberView) -> String {
    let version = member.server.as_ref().map_or_else(String::new, |server| format!(", {}", server.version_text));
    let lag = member.lag.map_or_else(String::new, |lag| format!(", {} s behind", lag.as_secs()));
    format!("up, {}{version}{lag}", member.role)
}

/// Kubernetes tells every container where its API is.
fn is_pod() -> bool {
    std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

/// `in_pod`: where policies of the network are as usual as firewalls are elsewhere.
const fn remedy(reason: &DownReason, in_pod: bool) -> &'static str {
    match reason {
        DownReason::Connect(_) => "is the server running, does its bind_address include this one, is the port right?",
        DownReason::Timeout(_) if in_pod => {
            "does a NetworkPolicy keep this pod out? deploy/ lets in, to the members, the proxy's pods and those labelled \
             mysql-direct: \"true\", and to the proxy, other namespaces labelled mysql-client: \"true\""
        }
        DownReason::Timeout(_) => "is a firewall in between? monitor.timeout says how long an answer may take",
        DownReason::Lost(_) | DownReason::Error(_) => "see the server's error log",
    }
}

/// Whether the monitor's account may read what the primary has stored of accounts that `[[users]]` does not name.
async fn credentials(config: &Config, road: &Arc<Road>, view: &View) -> Option<Finding> {
    let primary = view.usable_primary().filter(|primary| primary.is_up())?;
    let server = primary.server.as_ref()?;
    let table = CredentialTable::of(server.family, server.version)?;
    if config.auth.source != AuthSource::Auto {
        return None;
    }
    let limit = config.pool.connect_timeout;
    let monitor = server::account(&config.monitor.user, &config.monitor.password);
    let mut connection = Connection::dial(primary.member.address, &monitor, &dial_options(road, limit)).await.ok()?;
    let Ok(Err(QueryError::Sql(error))) = timeout(limit, connection.stored_methods(b"")).await else { return None };
    let account = timeout(limit, connection.own_account()).await.ok()?.ok()?;
    connection.close().await;
    let about = format!("{} as monitor {:?}", title(primary), config.monitor.user);
    let text = format!(
        "{error}; without [[users]], accounts with mysql_native_password are let in only when it may: \
         GRANT {} TO {account}",
        table.grant()
    );
    Some(finding(Verdict::Remark, about, text))
}

/// Logs every configured user in at every member that answers.
async fn users(config: &Config, road: &Arc<Road>, view: &View) -> Vec<Finding> {
    let mut findings = Vec::new();
    for user in &config.auth.users {
        let account = server::account(&user.name, &user.password);
        for member in view.members.iter().filter(|member| member.is_usable()) {
            let about = format!("{} as user {:?}", title(member), user.name);
            findings.push(
                match log_in(member.member.address, &account, dial_options(road, config.pool.connect_timeout)).await {
                    Ok(()) => finding(Verdict::Good, about, "logged in"),
                    Err(error) => finding(Verdict::Wrong, about, format!("{error}; {}", remedy_for_user(&error))),
                },
            );
        }
    }
    findings
}

async fn log_in(address: SocketAddr, account: &Account, options: DialOptions) -> Result<(), DialError> {
    Connection::dial(address, account, &options).await?.close().await;
    Ok(())
}

fn dial_options(road: &Arc<Road>, limit: Duration) -> DialOptions {
    DialOptions {
        road: Arc::clone(road),
        connect_timeout: limit,
        capabilities: Capabilities::empty(),
        extensions: Extensions::empty(),
        collation: None,
    }
}

const fn remedy_for_user(error: &DialError) -> &'static str {
    match error {
        DialError::Refused(refusal) if refusal.code == 1045 => {
            "the member must have the account for this host, with the password of [[users]]"
        }
        DialError::Refused(refusal) if refusal.code == 1130 => {
            "the member has no account for this host: CREATE USER …@'%'"
        }
        DialError::Refused(_) => "see the server's manual for this error",
        DialError::Plugin(_) => "ALTER USER … IDENTIFIED WITH caching_sha2_password or mysql_native_password",
        DialError::Timeout(_) => "pool.connect_timeout says how long a login may take",
        _ => "see the server's error log",
    }
}

fn title(member: &MemberView) -> String {
    let (name, address) = (&*member.member.name, member.member.address.to_string());
    if name == address { address } else { format!("{name} ({address})") }
}
