//! `deploy/base`: a primary and its replicas, and two proxies, through what happens to them.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::chaos::{Chaos, Script, Start, Strike, Target, wanted_kills};
use crate::harness::{Ending, Images, Pods, StandIn, Volume, missing, render};
use crate::load::{Load, connect};
use crate::moving;
use crate::support::{long, wait_for};
use crate::sysbench::{self, Sysbench};
use crate::watch::Watch;

/// Small servers, and less waiting for pods that nobody else starts.
const SITE: &str = "[mysqld]\ninnodb-buffer-pool-size = 16M\ninnodb-redo-log-capacity = 16M\ninnodb-log-buffer-size = 1M\n\
    table-open-cache = 64\ntable-definition-cache = 400\nkey-buffer-size = 64K\nmax-connections = 150\n";
const GENERATOR: &str = "configMapGenerator:\n  - name: mysql\n    behavior: merge\n    files:\n      - site.cnf\n";
const COME_UP: Duration = Duration::from_secs(120);

fn small() -> String {
    [sysbench::RESOURCE, GENERATOR, sysbench::GENERATOR, render::LESS_GRACE].concat()
}

pub fn start(test: &str) -> Option<Pods> {
    let server = std::env::var("MYSQLD").ok();
    let unpacked = server.as_deref().and_then(|server| Path::new(server).parent()?.parent());
    let absent = missing().or_else(|| unpacked.is_none().then(|| "MYSQLD does not name an Oracle MySQL".into()));
    if let Some(absent) = absent {
        println!("SKIPPED: {test}: {absent}");
        return None;
    }
    let images = Images::default().with("mysql", StandIn::mysql(unpacked?)).with("mysql-proxy", StandIn::proxy());
    let begun = Instant::now();
    let manifests = render::adjusted("deploy/base", &small(), &[&[("site.cnf", SITE)], &sysbench::FILES[..]].concat());
    let pods = Pods::start(manifests, images.with("sysbench", sysbench::image()));
    pods.wait_ready("mysql", COME_UP);
    pods.wait_ready("mysql-proxy", Duration::from_secs(20));
    println!("    up after {:?}", begun.elapsed());
    let mut client = connect(pods.service("mysql-proxy", 3306)).unwrap();
    client.run("CREATE TABLE writes (id BIGINT PRIMARY KEY, text VARCHAR(100))");
    client.run("CREATE TABLE counters (id INT PRIMARY KEY, n BIGINT NOT NULL)");
    client.run("INSERT INTO counters VALUES (0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0)");
    client.run("CREATE TABLE baseline (id INT PRIMARY KEY)");
    let rows: Vec<String> = (0..1000).map(|id| format!("({id})")).collect();
    client.run(&format!("INSERT INTO baseline VALUES {}", rows.join(", ")));
    all_equal(&pods, &BTreeSet::new());
    Some(pods)
}

pub fn members(pods: &Pods) -> Vec<String> {
    pods.names_of("mysql")
}

/// Runs a statement as root on a member's own socket.
pub fn on(pods: &Pods, member: &str, statement: &str) -> String {
    let script = ". /scripts/ground.sh; here \"$0\"";
    pods.exec(member, "mysql", &["bash", "-c", script, statement]).trim().to_owned()
}

/// Waits until every member has the same, and checks that it is the same to the last byte, and nothing acknowledged is
/// missing.
pub fn all_equal(pods: &Pods, acknowledged: &BTreeSet<u64>) {
    let executed = "SELECT REPLACE(@@global.gtid_executed, '\\n', '')";
    let wanted = on(pods, "mysql-0", executed);
    let deadline = Instant::now() + Duration::from_secs(60);
    for member in members(pods) {
        while on(pods, &member, executed) != wanted {
            assert!(Instant::now() < deadline, "{member} has {}, mysql-0 {wanted}", on(pods, &member, executed));
            std::thread::sleep(Duration::from_millis(200));
        }
        let checksums = "CHECKSUM TABLE app.writes, app.counters, app.baseline";
        assert_eq!(on(pods, &member, checksums), on(pods, "mysql-0", checksums), "{member} differs");
        let ids = on(pods, &member, "SELECT id FROM app.writes");
        let ids: BTreeSet<u64> = ids.lines().map(|id| id.parse().unwrap()).collect();
        let missing: Vec<_> = acknowledged.difference(&ids).take(5).collect();
        assert!(missing.is_empty(), "{member} has lost acknowledged writes, such as {missing:?}");
        let accounts = on(pods, &member, "SELECT COUNT(*) FROM mysql.user WHERE authentication_string = ''");
        assert_eq!(accounts, "0", "an account without a password on {member}");
    }
}

#[test]
fn a_cluster_and_its_days() {
    let Some(pods) = start("a_cluster_and_its_days") else { return };
    let mut acknowledged = BTreeSet::new();
    let watch = Watch::default();
    let begun = Instant::now();
    let step = |name: &str| println!("==> {:3} s {name}", begun.elapsed().as_secs());
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch.run(&pods));
        let until = watch.until_dropped();

        step("writes land on mysql-0, reads on replicas");
        writes_and_reads(&pods);

        step(
            "scaled to 5 as the manual says, each new one clones; an apply leaves the proxies as the autoscaler has made them",
        );
        let load = Load::start(pods.service("mysql-proxy", 3306), 2, 1);
        pods.scale("mysql-proxy", 3);
        let five = render::adjusted("deploy/base", "replicas:\n  - name: mysql\n    count: 5\n", &[]);
        for _ in 0..2 {
            pods.apply(&five);
            pods.wait_ready("mysql", COME_UP);
            assert_eq!([pods.names_of("mysql").len(), pods.names_of("mysql-proxy").len()], [5, 3]);
        }
        pods.scale("mysql-proxy", 2);
        for member in ["mysql-3", "mysql-4"] {
            assert!(pods.log(member, "provision").contains("cloned mysql-"), "{member} has not cloned");
        }
        acknowledged.extend(load.stop());
        all_equal(&pods, &acknowledged);
        pods.scale("mysql", 3);

        step("kill -9 of the primary's container, and of a replica's");
        let load = Load::start(pods.service("mysql-proxy", 3306), 2, 3);
        for member in ["mysql-0", "mysql-2"] {
            std::thread::sleep(Duration::from_secs(1));
            assert!(pods.kill(member, "mysql"));
            std::thread::sleep(Duration::from_secs(1));
            pods.wait_ready("mysql", COME_UP);
        }
        acknowledged.extend(load.stop());
        all_equal(&pods, &acknowledged);

        step("a replica's pod and the primary's, with their volumes and without");
        let load = Load::start(pods.service("mysql-proxy", 3306), 2, 5);
        for (member, ending, volume) in [
            ("mysql-1", Ending::Graceful, Volume::Kept),
            ("mysql-1", Ending::Crash, Volume::Lost),
            ("mysql-0", Ending::Crash, Volume::Kept),
            ("mysql-0", Ending::Crash, Volume::Lost),
        ] {
            println!("    {member}: {ending:?}, volume {volume:?}");
            let before = load.written();
            while load.written() < before + 20 {
                std::thread::sleep(Duration::from_millis(20));
            }
            pods.delete(member, ending, volume);
            pods.wait_ready("mysql", COME_UP);
        }
        acknowledged.extend(load.stop());
        all_equal(&pods, &acknowledged);

        step("the primary's pod is replaced, and DNS tells its old address");
        let load = Load::start(pods.service("mysql-proxy", 3306), 2, 11);
        moving::primary_moves(&pods, &load, 1);
        acknowledged.extend(load.stop());

        step("a password that changes in the Secret");
        a_new_password(&pods);

        step("everything restarts, one after the other, under load, and then has the new password only");
        acknowledged.extend(everything_restarts(&pods, 7));
        all_equal(&pods, &acknowledged);
        let mut client = connect(pods.service("mysql-proxy", 3306)).unwrap();
        assert_eq!(client.say("SELECT @@server_id FROM baseline WHERE id = 1 FOR UPDATE"), "100");

        // From here on a member has what it must not have; the watch would say so.
        drop(until);
        watching.join().unwrap();

        step("a replica that was written to, and a volume that belongs to another, are not served");
        a_replica_that_was_written_to(&pods);
        a_volume_of_another(&pods);
        all_equal(&pods, &acknowledged);
        step("done");
    });
}

/// Members and proxies, while our own writers and sysbench work; what was acknowledged. Of the writers' work nothing fails: they
/// have their connections as pools do, which sysbench has not.
fn everything_restarts(pods: &Pods, first: u64) -> BTreeSet<u64> {
    let load = Load::start(pods.service("mysql-proxy", 3306), 4, first);
    let sysbench = sysbench::is_here().then(|| Sysbench::start(pods));
    for workload in ["mysql", "mysql-proxy"] {
        let begun = Instant::now();
        pods.roll(workload);
        if let Some(sysbench) = sysbench.as_ref().filter(|_| long() && workload == "mysql") {
            sysbench.is_unharmed();
        }
        println!("    {workload} has restarted after {:?}; failed so far: {}", begun.elapsed(), load.failed());
    }
    let sysbench = sysbench.map(Sysbench::stop);
    let acknowledged = load.stop_unharmed();
    all_equal(pods, &acknowledged);
    match sysbench {
        Some(()) => sysbench_has_left_the_same_everywhere(pods),
        None => println!("    SKIPPED: sysbench: it is not on this machine"),
    }
    acknowledged
}

/// Each of its transactions leaves as many rows as it found, or has not happened.
fn sysbench_has_left_the_same_everywhere(pods: &Pods) {
    let checksums = format!("CHECKSUM TABLE {}", sysbench::TABLES);
    for member in members(pods) {
        assert_eq!(on(pods, &member, &checksums), on(pods, "mysql-0", &checksums), "{member} differs");
        assert_eq!(on(pods, &member, sysbench::ROWS), "1000\t1000", "{member} has half of a transaction");
    }
}

/// The members take it while they run; the proxies when they start again, and until then the old one counts too.
fn a_new_password(pods: &Pods) {
    pods.set_secret("mysql", "root-password", "another");
    pods.set_secret("mysql", "monitor-password", r#"n'e"w \\ #1"#);
    wait_for("the account's new password", Duration::from_secs(30), || {
        pods.log("mysql-0", "steward").contains("the account proxy has the Secret's new password")
    });
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(pods.endpoints("mysql-proxy", 3306).len(), 2, "the proxies are ready with the old password");
}

/// It closes, also over a restart and while the primary is away; and it does not stand in the primary's way.
fn a_replica_that_was_written_to(pods: &Pods) {
    on(pods, "mysql-2", "SET GLOBAL super_read_only = OFF; DELETE FROM app.baseline; SET GLOBAL super_read_only = ON");
    let is_closed = || connect(pods.address("mysql-2", 3306)).is_none();
    wait_for("it is closed", Duration::from_secs(30), is_closed);
    wait_for("it is not ready", Duration::from_secs(30), || !pods.is_ready("mysql-2"));
    pods.delete("mysql-2", Ending::Crash, Volume::Kept);
    pods.kill("mysql-0", "mysql");
    let until = Instant::now() + Duration::from_secs(8);
    while Instant::now() < until {
        assert!(connect(pods.address("mysql-2", 3306)).is_none(), "mysql-2 serves what mysql-0 has not");
        std::thread::sleep(Duration::from_millis(200));
    }
    wait_for("mysql-0 is ready", COME_UP, || pods.is_ready("mysql-0"));
}

/// It is refused; without its volume the member comes back and is as the others are.
fn a_volume_of_another(pods: &Pods) {
    pods.exec("mysql-2", "mysql", &["bash", "-c", "echo mysql-7 >/var/lib/mysql/data/belongs-to"]);
    pods.delete("mysql-2", Ending::Graceful, Volume::Kept);
    wait_for("it is refused", Duration::from_secs(30), || {
        pods.log("mysql-2", "mysql").contains("belongs to mysql-7, not to mysql-2: refusing to serve it")
    });
    pods.delete("mysql-2", Ending::Graceful, Volume::Lost);
    pods.wait_ready("mysql", COME_UP);
}

const REPLICAS: &[&str] = &["mysql-1", "mysql-2"];
const ALL: &[&str] = &["mysql-0", "mysql-1", "mysql-2"];

/// In turns, so that a short run has something of everything.
#[rustfmt::skip]
const TARGETS: [Target; 7] = [
    Target { pods: REPLICAS, container: "provision", start: Start::Pod(Volume::Lost), strike: Strike::Command(300), script: Script::Ends },
    Target { pods: REPLICAS, container: "steward", start: Start::Container, strike: Strike::Command(250), script: Script::Stays },
    Target { pods: ALL, container: "mysql", start: Start::Container, strike: Strike::Command(45), script: Script::Ends },
    Target { pods: &["mysql-0"], container: "steward", start: Start::Container, strike: Strike::Command(150), script: Script::Stays },
    Target { pods: &["mysql-0"], container: "provision", start: Start::Pod(Volume::Lost), strike: Strike::Command(300), script: Script::Ends },
    Target { pods: ALL, container: "configure", start: Start::Pod(Volume::Kept), strike: Strike::Command(25), script: Script::Ends },
    Target { pods: REPLICAS, container: "steward", start: Start::Pod(Volume::Kept), strike: Strike::Command(250), script: Script::Stays },
];

/// `MYSQL_PROXY_TEST_LONG=1`: what the day does once, twenty times.
#[test]
fn restarts_without_an_error() {
    if !long() {
        return println!("SKIPPED: restarts_without_an_error: MYSQL_PROXY_TEST_LONG is not set");
    }
    let Some(pods) = start("restarts_without_an_error") else { return };
    let rounds = std::env::var("MYSQL_PROXY_PODS_RESTARTS").map_or(20, |rounds| rounds.parse().unwrap());
    let mut acknowledged = BTreeSet::new();
    for round in 0..rounds {
        println!("==> restart {}", round + 1);
        acknowledged.extend(everything_restarts(&pods, 7 + 4 * round));
        all_equal(&pods, &acknowledged);
    }
}

#[test]
fn killed_at_any_line() {
    let Some(pods) = start("killed_at_any_line") else { return };
    let load = Load::start(pods.service("mysql-proxy", 3306), 2, 1);
    let watch = Watch::default();
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch.run(&pods));
        let until = watch.until_dropped();
        let mut chaos = Chaos::new(&TARGETS);
        // `make chaos-pods` wants more.
        for number in 1..=wanted_kills().unwrap_or(8) {
            chaos.strike(&pods, number);
            pods.wait_ready("mysql", COME_UP);
            assert!(!watching.is_finished(), "a member has served what is wrong");
        }
        drop(until);
        watching.join().unwrap();
    });
    let acknowledged = load.stop();
    all_equal(&pods, &acknowledged);
}

fn writes_and_reads(pods: &Pods) {
    let mut client = connect(pods.service("mysql-proxy", 3306)).unwrap();
    client.run("INSERT INTO writes VALUES (1, 'first')");
    assert_eq!(client.say("SELECT text FROM writes WHERE id = 1"), "first");
    // Read on whoever has it; after a moment that is a replica.
    std::thread::sleep(Duration::from_secs(2));
    let ids: BTreeSet<String> = (0..20).map(|_| client.say("SELECT @@server_id FROM baseline WHERE id = 1")).collect();
    assert!(ids.iter().all(|id| id == "101" || id == "102"), "{ids:?}");
    assert_eq!(client.say("SELECT @@server_id FROM baseline WHERE id = 1 FOR UPDATE"), "100");

    let mut reader = connect(pods.service("mysql-read", 3306)).unwrap();
    let ids: BTreeSet<String> = (0..20).map(|_| reader.say("SELECT @@server_id FROM baseline WHERE id = 1")).collect();
    assert!(ids.iter().all(|id| id == "101" || id == "102"), "{ids:?}");
    let said = reader.say("INSERT INTO writes VALUES (2, 'second')");
    assert!(said.starts_with("ERROR 1290"), "{said}");

    // And nobody can go past the proxy to write on a replica.
    let mut direct = connect(pods.address("mysql-1", 3306)).unwrap();
    let said = direct.say("INSERT INTO writes VALUES (3, 'third')");
    assert!(said.starts_with("ERROR 1290"), "{said}");
}
