//! A proxy that is told to stop.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use mysql_proxy::demo::{Cluster, Flavor, Signal};
use mysql_proxy::wire::Command;
use mysql_proxy::wire::err::SqlError;

use crate::support::raw::Raw;
use crate::support::{self, Proxy, on_both, wait_for};

const SOON: Duration = Duration::from_secs(10);

on_both!(
    a_drain_lets_transactions_finish_and_sends_idle_clients_away,
    a_drain_ends_at_its_deadline,
    a_second_signal_ends_it_at_once,
);

/// The error that comes without a question, and then the end.
pub fn sent_away(session: &mut Raw) -> SqlError {
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
pub fn runs_on(cluster: &Cluster, member: usize, marker: &str) -> bool {
    let ask =
        format!("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%{marker}%' AND USER = 'app'");
    cluster.sql(member, &ask).unwrap() == [["1"]]
}

fn a_second_signal_ends_it_at_once(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 0) else { return };
    let mut proxy = Proxy::start(&cluster, "limits.drain_timeout = '60s'");
    let mut never_ending = Raw::app(proxy.read_write);
    never_ending.run("BEGIN");
    proxy.signal(Signal::Terminate);
    wait_for("no new clients", SOON, || TcpStream::connect(proxy.read_write).is_err());
    never_ending.run("DO 0");
    let began = Instant::now();
    proxy.signal(Signal::Terminate);
    assert_eq!(proxy.exit_code(SOON), Some(0), "{}", proxy.log());
    assert!(began.elapsed() < Duration::from_secs(5), "it took {:?}", began.elapsed());
}
