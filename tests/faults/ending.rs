//! Statements and clients that are killed by the proxy's ids, and a proxy that is told to stop.

use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use mysql_proxy::demo::{Cluster, Flavor, Signal};
use mysql_proxy::wire::Command;
use mysql_proxy::wire::err::SqlError;

use crate::support::raw::Raw;
use crate::support::reply::Kind;
use crate::support::{self, Proxy, on_both, wait_for};

const SOON: Duration = Duration::from_secs(10);

on_both!(
    a_drain_lets_transactions_finish_and_sends_idle_clients_away,
    a_drain_ends_at_its_deadline,
    kill_works_with_the_ids_of_the_proxy,
);

/// The error that comes without a question, and then the end.
fn sent_away(session: &mut Raw) -> SqlError {
    session.patience(SOON);
    let error = SqlError::parse(&session.read().unwrap().payload).unwrap();
    assert!(session.is_closed());
    error
}

fn a_drain_lets_transactions_finish_and_sends_idle_clients_away(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 1) else { return };
    cluster.sql(0, "CREATE TABLE app.t (a INT PRIMARY KEY)").unwrap();
    cluster.catch_up(1, SOON).unwrap();
    let mut proxy = Proxy::start(&cluster, "");
    let mut idle = Raw::app(proxy.read_write);
    let mut busy = Raw::app(proxy.read_write);
    let mut writing = Raw::app(proxy.read_write);
    writing.run("BEGIN");
    writing.run("INSERT INTO t VALUES (1)");
    busy.send(Command::Query, b"SELECT 'done', SLEEP(1)").unwrap();
    wait_for("the statement runs", SOON, || (1..=2).any(|member| runs_on(&cluster, member - 1, "SLEEP(1)")));

    proxy.signal(Signal::Terminate);
    let error = sent_away(&mut idle);
    assert_eq!((error.code, &error.state), (1053, b"08S01"), "{error}");
    wait_for("no new clients", SOON, || TcpStream::connect(proxy.read_write).is_err());
    assert_eq!(busy.hear().unwrap(), "done 0");
    assert_eq!(sent_away(&mut busy).code, 1053);
    writing.run("INSERT INTO t VALUES (2)");
    assert_eq!(writing.say("SELECT COUNT(*) FROM t"), "2");
    writing.run("COMMIT");
    assert_eq!(sent_away(&mut writing).code, 1053);
    assert_eq!(proxy.exit_code(SOON), Some(0), "{}", proxy.log());
    assert_eq!(cluster.sql(0, "SELECT COUNT(*) FROM app.t").unwrap(), [["2"]]);
}

fn a_drain_ends_at_its_deadline(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 0) else { return };
    let mut proxy = Proxy::start(&cluster, "limits.drain_timeout = '1s'");
    let mut never_ending = Raw::app(proxy.read_write);
    never_ending.run("BEGIN");
    let began = Instant::now();
    proxy.signal(Signal::Terminate);
    assert_eq!(proxy.exit_code(SOON), Some(0), "{}", proxy.log());
    assert!(began.elapsed() >= Duration::from_secs(1), "it did not wait");
    while never_ending.read().is_ok() {}
}

/// Whether a member runs a statement of the application's.
fn runs_on(cluster: &Cluster, member: usize, marker: &str) -> bool {
    let ask =
        format!("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%{marker}%' AND USER = 'app'");
    cluster.sql(member, &ask).unwrap() == [["1"]]
}

/// A session that runs a long statement on the primary.
fn sleeping(
    cluster: &Cluster,
    proxy: &Proxy,
    seconds: u32,
) -> (u32, thread::JoinHandle<(std::io::Result<String>, Raw)>) {
    let mut session = Raw::app(proxy.read_write);
    let id = session.id();
    assert_eq!(session.number("SELECT CONNECTION_ID()"), u64::from(id));
    // MySQL takes an interrupted SLEEP() for a result, and ends the statement at the next row.
    let sql = format!("INSERT INTO t SELECT SLEEP({seconds}) FROM (SELECT 1 UNION SELECT 2) x");
    let running = thread::spawn(move || (session.try_say(&sql), session));
    wait_for("the statement runs", SOON, || runs_on(cluster, 0, &format!("SLEEP({seconds})")));
    (id, running)
}

fn kill_works_with_the_ids_of_the_proxy(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 1) else { return };
    cluster.sql(0, "CREATE TABLE app.t (a INT)").unwrap();
    cluster.catch_up(1, SOON).unwrap();
    let proxy = Proxy::start(&cluster, "");
    let mut killer = Raw::app(proxy.read_write);

    let (id, running) = sleeping(&cluster, &proxy, 71);
    killer.run(&format!("KILL QUERY {id}"));
    let (said, mut session) = running.join().unwrap();
    assert_eq!(said.unwrap(), "ERROR 1317 (70100): Query execution was interrupted");
    assert_eq!(session.say("SELECT 'usable'"), "usable");
    assert_eq!(session.number("SELECT CONNECTION_ID()"), u64::from(id));

    for (seconds, by_command) in [(72, false), (73, true)] {
        let (id, running) = sleeping(&cluster, &proxy, seconds);
        if by_command {
            let reply = killer.ask(Command::ProcessKill, &id.to_le_bytes(), Kind::One).unwrap();
            assert_eq!(reply[0].payload[0], 0, "{reply:?}");
        } else {
            killer.run(&format!("KILL CONNECTION {id}"));
        }
        let (said, mut session) = running.join().unwrap();
        if let Ok(said) = said {
            assert!(said.starts_with("ERROR "), "{said}");
        }
        wait_for("the killed connection to end", SOON, || session.is_closed() || session.read().is_err());
    }

    let mut idle = Raw::app(proxy.read_write);
    killer.run(&format!("KILL {}", idle.id()));
    assert_eq!(sent_away(&mut idle).code, 1927);
    let said = killer.say("KILL 4000000000");
    assert!(said.starts_with("ERROR 1094 (HY000): Unknown thread id: 4000000000"), "{said}");
    let id = killer.id();
    let said = killer.try_say(&format!("KILL {id}")).unwrap();
    assert!(said.starts_with("ERROR 1317 (70100)"), "{said}");
    assert!(killer.is_closed());
    assert_eq!(cluster.sql(0, "SELECT COUNT(*) FROM app.t").unwrap(), [["0"]]);
}
