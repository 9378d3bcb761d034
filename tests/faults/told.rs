//! What an operator finds in the log, and how soon.

use std::thread;
use std::time::{Duration, Instant};

use mysql_proxy::demo::{Cluster, Flavor};

use crate::support::raw::{Raw, Who};
use crate::support::{self, Proxy, on_both, wait_for};

/// With the monitor's default settings.
const SOON: Duration = Duration::from_secs(2);
/// For a server to come up or to end.
const IN_THE_END: Duration = Duration::from_secs(30);

on_both!(each_fact_is_in_the_log_within_two_seconds);

/// What has been logged since it was made.
struct Since<'a> {
    proxy: &'a Proxy,
    seen: usize,
}

impl<'a> Since<'a> {
    fn now(proxy: &'a Proxy) -> Self {
        Self { proxy, seen: proxy.log().len() }
    }

    /// One new line has all of these words, at the latest two seconds from now.
    fn is_told(&self, words: &[&str]) {
        let begun = Instant::now();
        let has_all = |line: &str| words.iter().all(|word| line.contains(word));
        while !self.proxy.log()[self.seen..].lines().any(has_all) {
            assert!(begun.elapsed() < SOON, "no line with {words:?}: {}", &self.proxy.log()[self.seen..]);
            thread::sleep(Duration::from_millis(20));
        }
        println!("    {words:?} after {:?}", begun.elapsed());
    }
}

fn each_fact_is_in_the_log_within_two_seconds(flavor: Flavor) {
    let Some(mut cluster) = support::cluster(flavor, |_| ()) else { return };
    cluster.sql(0, "CREATE TABLE app.t (a INT PRIMARY KEY)").unwrap();
    for replica in 1..=2 {
        cluster.catch_up(replica, IN_THE_END).unwrap();
    }
    let limits = "pool = { max_backend_connections = 3, acquire_timeout = '1s' }\n\
        limits.max_client_connections = 6\nmonitor = { max_lag = '1s', interval = '1s', timeout = '500ms', fall = 3, rise = 2 }";
    let proxy = Proxy::start(&cluster, limits);
    clients_and_their_limits(&proxy);
    replicas(flavor, &mut cluster, &proxy);
    the_primary(&mut cluster, &proxy);
}

fn clients_and_their_limits(proxy: &Proxy) {
    let log = Since::now(proxy);
    Raw::connect(proxy.read_write, &Who { password: "wrong", ..Who::named("app") }).err().unwrap();
    log.is_told(&["INFO", "a client was not let in", "user=app", "code=1045"]);

    let log = Since::now(proxy);
    let mut pinned: Vec<Raw> = (0..3).map(|_| Raw::app(proxy.read_write)).collect();
    for session in &mut pinned {
        session.run("BEGIN");
    }
    let said = Raw::app(proxy.read_write).say("INSERT INTO t VALUES (1)");
    assert!(said.starts_with("ERROR 9001"), "{said}");
    log.is_told(&["WARN", "found no member that could serve it", "all 3 connections are in use"]);

    let log = Since::now(proxy);
    let mut crowd: Vec<_> = Vec::new();
    wait_for("too many clients", IN_THE_END, || match Raw::connect(proxy.read_write, &Who::named("app")) {
        Ok(client) => {
            crowd.push(client);
            false
        }
        Err(error) => error.code == 1040,
    });
    log.is_told(&["WARN", "too many", "limits.max_client_connections"]);
}

fn replicas(flavor: Flavor, cluster: &mut Cluster, proxy: &Proxy) {
    let replica = cluster.member(1).address().to_string();
    let log = Since::now(proxy);
    cluster.kill(1).unwrap();
    log.is_told(&["WARN", &replica, "is down"]);
    // It may be seen before it has told us so itself.
    let log = Since::now(proxy);
    cluster.restart(1).unwrap();
    log.is_told(&["INFO", &replica, "is up"]);

    let (stop, start) = match flavor {
        Flavor::MariaDb => ("STOP SLAVE SQL_THREAD", "START SLAVE"),
        Flavor::MySql => ("STOP REPLICA SQL_THREAD", "START REPLICA"),
    };
    let log = Since::now(proxy);
    cluster.sql(1, stop).unwrap();
    log.is_told(&["WARN", &replica, "serves no reads"]);
    let log = Since::now(proxy);
    cluster.sql(1, start).unwrap();
    log.is_told(&["INFO", &replica, "serves reads"]);

    cluster.set_delay(1, Duration::from_secs(30)).unwrap();
    let log = Since::now(proxy);
    cluster.sql(0, "INSERT INTO app.t VALUES (100)").unwrap();
    // It is behind by more than `monitor.max_lag` a second later.
    thread::sleep(Duration::from_secs(1));
    log.is_told(&["WARN", &replica, "serves no reads", "behind"]);
    cluster.set_delay(1, Duration::ZERO).unwrap();
    wait_for("it catches up", IN_THE_END, || cluster.catch_up(1, Duration::from_secs(1)).is_ok());
}

fn the_primary(cluster: &mut Cluster, proxy: &Proxy) {
    let primary = cluster.primary().address().to_string();
    let log = Since::now(proxy);
    cluster.sql(0, "SET GLOBAL read_only = 1").unwrap();
    log.is_told(&["WARN", &primary, "is read-only"]);
    cluster.sql(0, "SET GLOBAL read_only = 0").unwrap();

    let mut writer = Raw::app(proxy.read_write);
    writer.run("INSERT INTO t VALUES (2)");
    let write = thread::spawn(move || writer.say("INSERT INTO t SELECT 3 + SLEEP(50)"));
    let runs = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%SLEEP(50)%' AND USER = 'app'";
    wait_for("the write runs", IN_THE_END, || cluster.sql(0, runs).unwrap() == [["1"]]);
    let log = Since::now(proxy);
    cluster.kill(0).unwrap();
    log.is_told(&["WARN", "in a commit whose outcome nobody knows", &primary]);
    log.is_told(&["WARN", "the primary", &primary, "is down", "writes wait for it"]);
    let said = write.join().unwrap();
    assert!(said.starts_with("ERROR 1180"), "{said}");
    let log = Since::now(proxy);
    cluster.restart(0).unwrap();
    log.is_told(&["INFO", "the primary", &primary, "is up"]);
}
