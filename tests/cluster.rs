//! The cluster that all end-to-end tests stand on: it replicates, survives crashes, and leaves nothing behind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use mysql_proxy::demo::{Cluster, Flavor, Member, Options};
use support::{general_log, options};

const SOON: Duration = Duration::from_secs(20);

fn lives(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

fn one(cluster: &Cluster, member: usize, statement: &str) -> String {
    cluster.sql(member, statement).unwrap().concat().concat()
}

/// Runs statements as `app` over TCP, and gives what the client program said.
fn as_app(cluster: &Cluster, member: usize, statements: &str) -> String {
    support::client(cluster.flavor(), cluster.member(member).address(), "app", "app", statements)
}

fn replicates_crashes_and_vanishes(flavor: Flavor) {
    let Some(options) = options(flavor) else { return };
    let mut cluster = Cluster::start(&options).unwrap();
    let folder: PathBuf = cluster.folder().to_owned();
    let mut pids: Vec<u32> = cluster.members().iter().filter_map(Member::pid).collect();
    assert_eq!(pids.len(), 3);

    as_app(&cluster, 0, "CREATE TABLE app.t (a INT PRIMARY KEY, b VARCHAR(20)); INSERT INTO app.t VALUES (1, 'zwölf')");
    cluster.catch_up(1, SOON).unwrap();
    assert_eq!(one(&cluster, 1, "SELECT b FROM app.t"), "zwölf");
    let refused = as_app(&cluster, 1, "INSERT INTO app.t VALUES (2, 'no')");
    assert!(refused.contains("1290"), "{refused}");

    cluster.kill(2).unwrap();
    assert!(cluster.member(2).pid().is_none());
    assert!(cluster.sql(2, "SELECT 1").is_err());
    cluster.sql(0, "INSERT INTO app.t VALUES (3, 'while away')").unwrap();
    cluster.restart(2).unwrap();
    cluster.catch_up(2, SOON).unwrap();
    assert_eq!(one(&cluster, 2, "SELECT COUNT(*) FROM app.t"), "2");

    cluster.restart(0).unwrap();
    assert_eq!(one(&cluster, 0, "SELECT COUNT(*) FROM app.t"), "2");
    cluster.stop(1).unwrap();

    pids.extend(cluster.members().iter().filter_map(Member::pid));
    drop(cluster);
    assert!(!folder.exists(), "{} is still there", folder.display());
    assert!(pids.iter().all(|&pid| !lives(pid)), "{pids:?}");
}

fn delays(flavor: Flavor) {
    let Some(options) = options(flavor) else { return };
    let options = Options { replicas: 1, delay: Some(Duration::from_secs(2)), general_log: true, ..options };
    let cluster = Cluster::start(&options).unwrap();
    cluster.sql(0, "CREATE TABLE app.late (a INT PRIMARY KEY)").unwrap();
    assert!(cluster.sql(1, "SELECT * FROM app.late").is_err());
    cluster.catch_up(1, SOON).unwrap();
    cluster.set_delay(1, Duration::ZERO).unwrap();
    cluster.sql(0, "INSERT INTO app.late VALUES (7)").unwrap();
    cluster.catch_up(1, Duration::from_secs(2)).unwrap();
    assert_eq!(one(&cluster, 1, "SELECT a FROM app.late"), "7");
    as_app(&cluster, 1, "SELECT 'two\nlines'; SELECT 3");
    let log = general_log::read(cluster.member(1));
    let statements = general_log::statements_of(&log, "app");
    // Oracle's client asks a question of its own first.
    assert!(statements.ends_with(&["SELECT 'two\nlines'".to_owned(), "SELECT 3".to_owned()]), "{statements:?}");
    assert!(support::resident_bytes(cluster.member(1).pid().unwrap()) > 1 << 20);
}

/// A process that starts a cluster and is then killed must leave nothing either: this test starts itself again.
fn vanishes_with_its_parent(flavor: Flavor) {
    if std::env::var_os("CLUSTER_TO_ABANDON").is_some() {
        let cluster = Cluster::start(&Options { replicas: 0, ..options(flavor).unwrap() }).unwrap();
        println!("abandoned {} {}", cluster.primary().pid().unwrap(), cluster.folder().display());
        std::process::abort();
    }
    if options(flavor).is_none() {
        return;
    }
    let name = format!("{}_vanishes_with_its_parent", flavor.to_string().to_lowercase());
    let output = Command::new(std::env::current_exe().unwrap())
        .args([name.as_str(), "--exact", "--nocapture"])
        .env("CLUSTER_TO_ABANDON", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let (_, said) = said.split_once("abandoned ").unwrap_or_else(|| panic!("{output:?}"));
    let (pid, folder) = said.lines().next().unwrap().split_once(' ').unwrap();
    let (pid, folder) = (pid.parse().unwrap(), PathBuf::from(folder));
    for _ in 0..100 {
        if !lives(pid) && !folder.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("left behind: {pid} {}", folder.display());
}

/// The accounts can do what they are for, and a row of 40 MiB fits through the small servers.
fn serves_its_accounts(flavor: Flavor) {
    let Some(options) = options(flavor) else { return };
    let cluster = Cluster::start(&Options { replicas: 1, ..options }).unwrap();
    let replica = cluster.member(1).address();
    let statements = match flavor {
        Flavor::MariaDb => "SELECT @@global.read_only; SHOW ALL SLAVES STATUS; SHOW MASTER STATUS",
        Flavor::MySql => "SELECT @@global.read_only; SHOW REPLICA STATUS; SHOW BINARY LOG STATUS",
    };
    let said = support::client(flavor, replica, "proxy", "proxy", statements);
    assert!(said.starts_with('1') && !said.contains("ERROR"), "{said}");
    let said = support::client(flavor, replica, "proxy", "proxy", "CREATE DATABASE no");
    assert!(said.contains("1044") || said.contains("1290"), "{said}");
    let said = support::client(flavor, replica, "admin", "admin", "SET GLOBAL max_connections = 400; SELECT 5");
    assert!(said.contains('5') && !said.contains("ERROR"), "{said}");

    as_app(
        &cluster,
        0,
        "CREATE TABLE app.large (content LONGBLOB); INSERT INTO app.large VALUES (REPEAT('x', 40 << 20))",
    );
    cluster.catch_up(1, SOON).unwrap();
    assert_eq!(one(&cluster, 1, "SELECT LENGTH(content) FROM app.large"), (40 << 20).to_string());
}

#[test]
fn mariadb_serves_its_accounts() {
    serves_its_accounts(Flavor::MariaDb);
}

#[test]
fn mysql_serves_its_accounts() {
    serves_its_accounts(Flavor::MySql);
}

#[test]
fn mariadb_replicates_crashes_and_vanishes() {
    replicates_crashes_and_vanishes(Flavor::MariaDb);
}

#[test]
fn mysql_replicates_crashes_and_vanishes() {
    replicates_crashes_and_vanishes(Flavor::MySql);
}

#[test]
fn mariadb_delays() {
    delays(Flavor::MariaDb);
}

#[test]
fn mysql_delays() {
    delays(Flavor::MySql);
}

#[test]
fn mariadb_vanishes_with_its_parent() {
    vanishes_with_its_parent(Flavor::MariaDb);
}

#[test]
fn mysql_vanishes_with_its_parent() {
    vanishes_with_its_parent(Flavor::MySql);
}

/// Fails nothing: it names what the other tests have, and what they skip.
#[test]
fn which_servers_are_here() {
    for flavor in [Flavor::MariaDb, Flavor::MySql] {
        match flavor.find() {
            Ok(servers) => println!("{flavor}: {} ({})", servers.version, servers.server.display()),
            Err(missing) => println!("skipped: {missing}"),
        }
    }
}
