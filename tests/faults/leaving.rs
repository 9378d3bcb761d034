//! Clients that leave, or stop, in the middle of something: what they held is free again.

use std::time::{Duration, Instant};

use mysql_proxy::demo::{Cluster, Flavor};
use mysql_proxy::wire::packet::put_message;
use mysql_proxy::wire::{Capabilities, Command};

use crate::support::raw::{Raw, USUAL, Who};
use crate::support::reply::Kind;
use crate::support::{self, Proxy, on_both, wait_for};

const SOON: Duration = Duration::from_secs(10);
/// Connections to the member, all of which the clients of a test take.
const PLACES: usize = 3;

on_both!(who_leaves_or_stops_in_the_middle_holds_nothing, a_crowd_that_leaves_at_once_is_soon_forgotten);

fn cluster(flavor: Flavor) -> Option<Cluster> {
    let cluster = support::cluster(flavor, |options| {
        options.replicas = 0;
        options.extra_cnf = "local-infile=ON\nmax-allowed-packet=16M\n".into();
    })?;
    cluster.sql(0, "CREATE TABLE app.t (a LONGTEXT)").unwrap();
    let megabytes = ["(REPEAT('x', 1 << 20))"; 32].join(", ");
    cluster.sql(0, &format!("INSERT INTO app.t VALUES {megabytes}")).unwrap();
    Some(cluster)
}

fn crowd(proxy: &Proxy) -> Vec<Raw> {
    clients(proxy, PLACES)
}

fn clients(proxy: &Proxy, count: usize) -> Vec<Raw> {
    let who = Who { capabilities: USUAL | Capabilities::LOCAL_FILES, ..Who::named("app") };
    (0..count).map(|_| Raw::connect(proxy.read_write, &who).unwrap()).collect()
}

/// Waits until every connection to the member is used by one of the crowd's statements.
fn all_run(cluster: &Cluster, marker: &str) {
    so_many_run(cluster, marker, PLACES);
}

fn so_many_run(cluster: &Cluster, marker: &str, count: usize) {
    wait_for("all of them run", SOON, || running(cluster, marker) == count.to_string());
}

fn running(cluster: &Cluster, marker: &str) -> String {
    let ask =
        format!("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%{marker}%' AND USER = 'app'");
    cluster.sql(0, &ask).unwrap().remove(0).remove(0)
}

/// All places are free, and soon.
fn others_are_served(proxy: &Proxy, after: &str) {
    let began = Instant::now();
    let mut others = crowd(proxy);
    for other in &mut others {
        other.patience(SOON);
        assert_eq!(other.say("BEGIN"), "OK", "after {after}");
        assert_eq!(other.say("SELECT 'served'"), "served", "after {after}");
    }
    assert!(began.elapsed() < SOON, "after {after} it took {:?}", began.elapsed());
}

/// The beginning of a statement that is longer than what is sent of it.
fn half_a_statement(session: &mut Raw) {
    let sql = format!("\u{3}INSERT INTO t VALUES ('{}')", "x".repeat(4 << 20));
    let mut bytes = Vec::new();
    put_message(&mut bytes, 0, sql.as_bytes());
    session.write_bytes(&bytes[..2 << 20]).unwrap();
}

fn who_leaves_or_stops_in_the_middle_holds_nothing(flavor: Flavor) {
    let Some(cluster) = cluster(flavor) else { return };
    let proxy = Proxy::start(
        &cluster,
        "pool.max_backend_connections = 3\nlimits.client_read_timeout = '1s'\nlimits.client_write_timeout = '1s'",
    );

    let mut leaving = crowd(&proxy);
    for session in &mut leaving {
        session.send(Command::Query, b"SELECT SLEEP(600)").unwrap();
    }
    all_run(&cluster, "SLEEP(600)");
    drop(leaving);
    others_are_served(&proxy, "clients that left");
    wait_for("the member ends what nobody waits for", SOON, || running(&cluster, "SLEEP(600)") == "0");

    let quickest = (0..3).map(|_| wait_for_who_leave(&cluster, &proxy)).min().unwrap();
    assert!(quickest < Duration::from_millis(900), "who still is here waits {quickest:?} for those who have left");

    let mut in_transaction = crowd(&proxy);
    for session in &mut in_transaction {
        session.run("BEGIN");
        // MySQL takes an interrupted SLEEP() for a result, and ends the statement at the next row.
        session.send(Command::Query, b"INSERT INTO t SELECT SLEEP(601) FROM (SELECT 1 UNION SELECT 2) x").unwrap();
    }
    all_run(&cluster, "SLEEP(601)");
    // Said ahead: the end stands behind it.
    for session in &mut in_transaction {
        session.send(Command::Query, b"COMMIT").unwrap();
    }
    drop(in_transaction);
    others_are_served(&proxy, "clients that left a transaction");
    wait_for("the member ends what nobody waits for", SOON, || running(&cluster, "SLEEP(601)") == "0");
    assert_eq!(cluster.sql(0, "SELECT COUNT(*) FROM app.t").unwrap(), [["32"]]);

    let mut not_reading = crowd(&proxy);
    for session in &mut not_reading {
        session.send(Command::Query, b"SELECT a FROM t").unwrap();
    }
    others_are_served(&proxy, "clients that do not read");
    drop(not_reading);

    let mut not_answering = crowd(&proxy);
    for session in &mut not_answering {
        session.send(Command::Query, b"LOAD DATA LOCAL INFILE 'none' INTO TABLE t").unwrap();
        assert_eq!(session.read().unwrap().payload[0], 0xfb);
    }
    others_are_served(&proxy, "clients that do not send their file");
    assert!(not_answering.iter_mut().all(Raw::is_closed));

    let mut stopping = crowd(&proxy);
    stopping.iter_mut().for_each(half_a_statement);
    others_are_served(&proxy, "clients that stopped in the middle");
    assert!(stopping.iter_mut().all(Raw::is_closed));

    what_is_no_departure(&proxy);
    assert!(!proxy.log().contains("panicked"), "{}", proxy.log());
    drop(proxy);
    a_client_that_never_reads_is_killed(&cluster);
}

/// `KILL`s that meet inside of a `MariaDB` wait for each other, 2 s at a time.
fn a_crowd_that_leaves_at_once_is_soon_forgotten(flavor: Flavor) {
    const CROWD: usize = 30;
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 0) else { return };
    let proxy = Proxy::start(&cluster, "pool.max_backend_connections = 40");
    let forget = || {
        let mut leaving = clients(&proxy, CROWD);
        for session in &mut leaving {
            session.send(Command::Query, b"DO SLEEP(603)").unwrap();
        }
        so_many_run(&cluster, "SLEEP(603)", CROWD);
        drop(leaving);
        let began = Instant::now();
        wait_for("the member ends what nobody waits for", SOON, || running(&cluster, "SLEEP(603)") == "0");
        began.elapsed()
    };
    // A second of it is for those who may still listen.
    let quickest = (0..3).map(|_| forget()).min().unwrap();
    assert!(quickest < Duration::from_secs(2), "{CROWD} statements are ended within {quickest:?}");
}

/// How long a client waits while clients that have left hold all connections.
fn wait_for_who_leave(cluster: &Cluster, proxy: &Proxy) -> Duration {
    let mut waiting = Raw::app(proxy.read_write);
    let mut leaving = crowd(proxy);
    for session in &mut leaving {
        session.send(Command::Query, b"SELECT SLEEP(602)").unwrap();
    }
    all_run(cluster, "SLEEP(602)");
    waiting.send(Command::Query, b"SELECT 'served'").unwrap();
    drop(leaving);
    let began = Instant::now();
    assert_eq!(waiting.hear().unwrap(), "served");
    let took = began.elapsed();
    wait_for("the member ends what nobody waits for", SOON, || running(cluster, "SLEEP(602)") == "0");
    took
}

/// A client may say its next command ahead, or say nothing more and still listen; and it may be silent between commands.
fn what_is_no_departure(proxy: &Proxy) {
    let mut silent = Raw::app(proxy.read_write);
    let mut ahead = Raw::app(proxy.read_write);
    ahead.send(Command::Query, b"SELECT SLEEP(1.5), 'first'").unwrap();
    ahead.send(Command::Query, b"SELECT 'second'").unwrap();
    assert_eq!([ahead.hear().unwrap(), ahead.hear().unwrap()], ["0 first", "second"]);
    let mut listening = Raw::app(proxy.read_write);
    listening.send(Command::Query, b"SELECT SLEEP(0.3), 'heard'").unwrap();
    listening.close_writing();
    assert_eq!(listening.hear().unwrap(), "0 heard");
    assert!(listening.is_closed());
    assert_eq!(silent.say("SELECT 'still here'"), "still here");
}

fn a_client_that_never_reads_is_killed(cluster: &Cluster) {
    let proxy = Proxy::start(cluster, "pool.max_backend_connections = 3");
    let mut not_reading = crowd(&proxy);
    let mut killer = Raw::app(proxy.read_write);
    not_reading[0].send(Command::Query, b"SELECT a FROM t").unwrap();
    half_a_statement(&mut not_reading[1]);
    wait_for("they run", SOON, || running(cluster, "SELECT a FROM t") == "1");
    std::thread::sleep(Duration::from_millis(300));
    let began = Instant::now();
    for session in &not_reading[..2] {
        let reply = killer.ask(Command::ProcessKill, &session.id().to_le_bytes(), Kind::One).unwrap();
        assert_eq!(reply[0].payload[0], 0, "{reply:?}");
    }
    others_are_served(&proxy, "a KILL of clients that do not read");
    assert!(began.elapsed() < SOON);
    for session in &mut not_reading[..2] {
        session.patience(SOON);
        while session.read().is_ok() {}
        assert!(session.is_closed());
    }
}
