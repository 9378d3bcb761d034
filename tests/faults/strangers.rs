//! Members that are up and replicate, but not from this cluster, or not in its present history.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use mysql_proxy::demo::{Cluster, Flavor};

use crate::support::raw::Raw;
use crate::support::{self, Proxy, http, on_both, wait_for};

const SOON: Duration = Duration::from_secs(20);

on_both!(
    a_replica_of_an_unrelated_primary_serves_nothing_and_a_chain_of_replicas_serves,
    after_a_reset_of_the_primarys_log_own_writes_are_seen_and_its_old_replicas_serve_nothing,
    when_the_primary_is_made_anew_own_writes_are_seen_and_its_old_replicas_serve_nothing,
);

/// What `source` has executed, as a replica is told to begin there.
fn begin_at(flavor: Flavor, executed: &str) -> String {
    match flavor {
        Flavor::MariaDb => format!("STOP SLAVE; RESET SLAVE; RESET MASTER; SET GLOBAL gtid_slave_pos='{executed}';"),
        Flavor::MySql => format!(
            "STOP REPLICA; RESET REPLICA; RESET BINARY LOGS AND GTIDS; SET GLOBAL gtid_purged='{}';",
            executed.replace(char::is_whitespace, "")
        ),
    }
}

fn copy_from(flavor: Flavor, source: SocketAddr) -> String {
    let (host, port) = (source.ip(), source.port());
    match flavor {
        Flavor::MariaDb => {
            format!("STOP SLAVE; CHANGE MASTER TO MASTER_HOST='{host}', MASTER_PORT={port}; START SLAVE;")
        }
        Flavor::MySql => format!(
            "STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_HOST='{host}', SOURCE_PORT={port}; START REPLICA;"
        ),
    }
}

fn executed(cluster: &Cluster, member: usize) -> String {
    let question = match cluster.flavor() {
        Flavor::MariaDb => "SELECT @@gtid_binlog_pos",
        Flavor::MySql => "SELECT @@gtid_executed",
    };
    cluster.sql(member, question).unwrap().concat().concat()
}

fn serving(proxy: &Proxy, cluster: &Cluster, member: usize) -> String {
    let name = cluster.member(member).address().to_string();
    let (_, text) = http(proxy.admin_http, "/metrics").unwrap();
    let series = format!("mysql_proxy_member_serves_reads{{member=\"{name}\",reason=\"");
    let line = text.lines().find_map(|line| line.strip_prefix(&series)).unwrap_or("nothing is told");
    line.replace("\"}", "").trim().to_owned()
}

fn problem(proxy: &Proxy, cluster: &Cluster, member: usize) -> String {
    let name = cluster.member(member).address().to_string();
    let (_, text) = http(proxy.admin_http, "/api/v1/members").unwrap();
    let members: serde_json::Value = serde_json::from_str(&text).unwrap();
    let list = members.as_array().or_else(|| members["members"].as_array()).unwrap();
    let one = list.iter().find(|one| one["name"] == name.as_str()).unwrap();
    one["problem"].as_str().unwrap_or_default().to_owned()
}

fn a_replica_of_an_unrelated_primary_serves_nothing_and_a_chain_of_replicas_serves(flavor: Flavor) {
    let Some(mut cluster) = support::cluster(flavor, |_| ()) else { return };
    let foreign = support::cluster(flavor, |options| options.replicas = 0).unwrap();
    for (cluster, word) in [(&cluster, "ours"), (&foreign, "ours")] {
        cluster.sql(0, &format!("CREATE TABLE app.t (a VARCHAR(20)); INSERT INTO app.t VALUES ('{word}')")).unwrap();
    }
    // This cluster has seen more than the other: its numbers alone give nobody away.
    cluster.sql(0, "CREATE TABLE app.u (a INT); DROP TABLE app.u; CREATE TABLE app.u (a INT)").unwrap();
    for replica in [1, 2] {
        cluster.catch_up(replica, SOON).unwrap();
    }
    let proxy = Proxy::start(&cluster, "");
    wait_for("both replicas", SOON, || (1..=2).all(|replica| problem(&proxy, &cluster, replica).is_empty()));
    assert_eq!([0, 1, 2].map(|member| serving(&proxy, &cluster, member)), ["primary 0", "1", "1"]);

    // A chain: the primary, the first replica, the second.
    cluster.sql(2, &copy_from(flavor, cluster.member(1).address())).unwrap();
    cluster.sql(0, "INSERT INTO app.t VALUES ('chained')").unwrap();
    wait_for("the chain", SOON, || cluster.sql(2, "SELECT COUNT(*) FROM app.t").unwrap().concat().concat() == "2");
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(serving(&proxy, &cluster, 2), "1", "{}", problem(&proxy, &cluster, 2));

    // The primary restarts: nobody is called a stranger for that.
    cluster.stop(0).unwrap();
    let mut session = Raw::app(proxy.read_write);
    assert_eq!(session.number("SELECT COUNT(*) FROM t"), 2);
    std::thread::sleep(Duration::from_millis(800));
    assert_eq!([1, 2].map(|replica| serving(&proxy, &cluster, replica)), ["1", "1"]);
    cluster.restart(0).unwrap();
    wait_for("the primary", SOON, || session.say("INSERT INTO t VALUES ('again')") == "OK");
    assert_eq!([1, 2].map(|replica| serving(&proxy, &cluster, replica)), ["1", "1"], "{}", proxy.log());

    // The second replica is pointed at somebody else's primary.
    let begin = begin_at(flavor, &executed(&foreign, 0));
    cluster.sql(2, &begin).unwrap();
    cluster.sql(2, &copy_from(flavor, foreign.primary().address())).unwrap();
    foreign.sql(0, "UPDATE app.t SET a = 'FOREIGN'").unwrap();
    wait_for("the stranger's rows", SOON, || {
        cluster.sql(2, "SELECT a FROM app.t").unwrap().concat().contains(&"FOREIGN".to_owned())
    });
    wait_for("its exclusion", SOON, || serving(&proxy, &cluster, 2) == "stranger 0");
    assert!(problem(&proxy, &cluster, 2).contains("not of this cluster"), "{}", problem(&proxy, &cluster, 2));
    assert!(proxy.log().contains("not of this cluster"), "{}", proxy.log());
    let mut check = Command::new(env!("CARGO_BIN_EXE_mysql-proxy"));
    let output = check.args(["check", "--connect", "--config"]).arg(proxy.configuration()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.lines().any(|line| line.starts_with("WRONG") && line.contains("not of this cluster")), "{said}");
    for _ in 0..10 {
        assert!(!Raw::app(proxy.read_write).say("SELECT a FROM t").contains("FOREIGN"));
    }
    assert_eq!(serving(&proxy, &cluster, 1), "1");
}

fn after_a_reset_of_the_primarys_log_own_writes_are_seen_and_its_old_replicas_serve_nothing(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |_| ()) else { return };
    cluster.sql(0, "CREATE TABLE app.t (a INT PRIMARY KEY)").unwrap();
    for replica in [1, 2] {
        cluster.catch_up(replica, SOON).unwrap();
    }
    let proxy = Proxy::start(&cluster, "");
    wait_for("both replicas", SOON, || (1..=2).all(|replica| problem(&proxy, &cluster, replica).is_empty()));
    let mut session = Raw::app(proxy.read_write);
    session.run("INSERT INTO t VALUES (1)");
    // More transactions than the new history will have.
    cluster.sql(0, &"UPDATE app.t SET a = -a;".repeat(80)).unwrap();
    cluster.catch_up(1, SOON).unwrap();

    let reset = match flavor {
        Flavor::MariaDb => "RESET MASTER",
        Flavor::MySql => "RESET BINARY LOGS AND GTIDS",
    };
    cluster.sql(0, reset).unwrap();
    // At once, before any check can have seen it, and later.
    for number in 2..=40 {
        session.run(&format!("INSERT INTO t VALUES ({number})"));
        let seen = session.number("SELECT COUNT(*) FROM t");
        assert_eq!(seen, number, "{}; {}", session.say("SHOW PROXY ROUTE"), proxy.log());
        std::thread::sleep(Duration::from_millis(if number < 10 { 1 } else { 20 }));
    }
    assert!(proxy.log().contains("a new history"), "{}", proxy.log());
    for replica in [1, 2] {
        let why = serving(&proxy, &cluster, replica);
        assert_eq!(why, "other_history 0", "{}", proxy.log());
    }

    // A replica that is made anew serves again, also those who wrote before.
    let (empty, start) = match flavor {
        Flavor::MariaDb => (
            "STOP SLAVE; RESET SLAVE; RESET MASTER; SET GLOBAL gtid_slave_pos=''; DELETE FROM app.t; RESET MASTER;",
            "START SLAVE",
        ),
        Flavor::MySql => (
            "STOP REPLICA; RESET REPLICA; SET sql_log_bin = 0; SET GLOBAL super_read_only = OFF; DELETE FROM app.t; \
             SET GLOBAL super_read_only = ON; RESET BINARY LOGS AND GTIDS;",
            "START REPLICA",
        ),
    };
    cluster.sql(1, empty).unwrap();
    // By their numbers the new history's transactions are the old one's: it must have been seen without any.
    wait_for("it to be seen empty", SOON, || serving(&proxy, &cluster, 1) != "other_history 0");
    cluster.sql(1, start).unwrap();
    cluster.catch_up(1, SOON).unwrap();
    let address = cluster.member(1).address().to_string();
    wait_for("reads on the replica", SOON, || {
        assert_eq!(session.number("SELECT COUNT(*) + 1 FROM t WHERE a > 1"), 40);
        session.say("SHOW PROXY ROUTE").contains(&address)
    });
}

/// It comes back at its address without anything: with another `server_uuid` on `MySQL`, its transactions begin at one.
fn when_the_primary_is_made_anew_own_writes_are_seen_and_its_old_replicas_serve_nothing(flavor: Flavor) {
    let Some(mut cluster) = support::cluster(flavor, |_| ()) else { return };
    let create = "CREATE TABLE IF NOT EXISTS app.t (a INT PRIMARY KEY)";
    cluster.sql(0, &format!("{create}; INSERT INTO app.t VALUES (-1), (-2), (-3)")).unwrap();
    // More transactions than the new history will have.
    cluster.sql(0, &"UPDATE app.t SET a = -a;".repeat(80)).unwrap();
    for replica in [1, 2] {
        cluster.catch_up(replica, SOON).unwrap();
    }
    let proxy = Proxy::start(&cluster, "");
    wait_for("both replicas", SOON, || (1..=2).all(|replica| problem(&proxy, &cluster, replica).is_empty()));
    let mut session = Raw::app(proxy.read_write);
    session.run("INSERT INTO t VALUES (-4)");
    assert_eq!(session.number("SELECT COUNT(*) FROM t"), 4);

    // Replicas that take from it what they can have its rows beside their own: only who they are gives them away.
    cluster.make_anew(0).unwrap();
    cluster.sql(0, create).unwrap();
    wait_for("the primary", SOON, || session.say("INSERT INTO t VALUES (1)") == "OK");
    let mut other = Raw::app(proxy.read_write);
    for number in 2..=40 {
        session.run(&format!("INSERT INTO t VALUES ({number})"));
        let seen = session.number("SELECT COUNT(*) FROM t");
        assert_eq!(seen, number, "{}; {}", session.say("SHOW PROXY ROUTE"), proxy.log());
        if number > 10 {
            assert_eq!(other.say("SELECT COUNT(*) FROM t WHERE a < 0"), "0", "{}", proxy.log());
        }
        std::thread::sleep(Duration::from_millis(if number < 10 { 1 } else { 20 }));
    }
    assert!(proxy.log().contains("a new history"), "{}", proxy.log());
    for replica in [1, 2] {
        let why = serving(&proxy, &cluster, replica);
        assert!(why == "other_history 0" || why == "io_thread 0", "{why}: {}", proxy.log());
    }
}
