//! `deploy/overlays/mysql57-xtrabackup`: a primary and replicas that follow it by positions, through what happens to them.
//!
//! MariaDB stands in for MySQL 5.7, and mariadb-backup for xtrabackup. What MariaDB cannot do: it does not keep a replica's
//! position in the same transaction as the data, so a replica that is killed may be told something twice; the test's
//! configuration lets it overlook that.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::chaos::{Chaos, FEW_KILLS, Script, Start, Strike, Target, wanted_kills};
use crate::harness::{Ending, Images, Pods, StandIn, Volume, render};
use crate::load::{Load, connect};
use crate::mariadb::{
    self, COME_UP, all_equal, all_ready, await_writes, can_run, day_ends, image, make_tables, on, strike_beginnings,
    try_on,
};
use crate::support::wait_for;
use crate::watch::{Copies, Watch};

const SITE: &str = "[mysqld]\ninnodb-buffer-pool-size = 16M\ninnodb-log-file-size = 8M\ninnodb-use-native-aio = OFF\n\
    performance-schema = OFF\nmax-connections = 100\nsecure-file-priv = /tmp\nslave-exec-mode = IDEMPOTENT\n";
const SMALL: &str = "configMapGenerator:\n  - name: mysql\n    behavior: merge\n    files:\n      - site.cnf\n";

/// As 5.7 makes a data folder: `root@localhost` without a password, and nobody else.
const MYSQLD: &str = r#"#!/bin/bash
for word; do
  case $word in
    --initialize-insecure) initialize=yes ;;
    --datadir=*) datadir=${word#*=} ;;
  esac
done
if [ -z "${initialize:-}" ]; then exec mariadbd "$@"; fi
mariadb-install-db --no-defaults --datadir="$datadir" --tmpdir=/tmp --skip-test-db --skip-name-resolve \
  --auth-root-authentication-method=normal >/dev/null
echo "DELETE FROM mysql.global_priv WHERE user = '' OR (user = 'root' AND host <> 'localhost');" |
  mariadbd --no-defaults --bootstrap --datadir="$datadir" --tmpdir=/tmp 2>/dev/null
"#;

/// The account `backup` may see less on MariaDB than on 5.7 with the same grants.
const XTRABACKUP: &str = r#"#!/bin/bash
case " $* " in
  *' --backup '*) exec mariadb-backup "$@" --user=root --password="$(cat /var/run/mysqld/root-password)" ;;
  *) exec mariadb-backup "$@" ;;
esac
"#;

const REPLICAS: &[&str] = &["mysql-1", "mysql-2"];
const ALL: &[&str] = &["mysql-0", "mysql-1", "mysql-2"];

/// In turns, so that a short run has something of everything.
#[rustfmt::skip]
const TARGETS: [Target; 11] = [
    Target { pods: REPLICAS, container: "clone-mysql", start: Start::Pod(Volume::Lost), strike: Strike::Command(75), script: Script::Ends },
    Target { pods: REPLICAS, container: "provision", start: Start::Pod(Volume::Lost), strike: Strike::Command(90), script: Script::Ends },
    Target { pods: ALL, container: "mysql", start: Start::Container, strike: Strike::Command(30), script: Script::Ends },
    Target { pods: ALL, container: "xtrabackup", start: Start::Container, strike: Strike::Command(80), script: Script::Stays },
    Target { pods: ALL, container: "init-mysql", start: Start::Pod(Volume::Kept), strike: Strike::Command(30), script: Script::Ends },
    Target { pods: REPLICAS, container: "provision", start: Start::Pod(Volume::Lost), strike: Strike::Command(90), script: Script::Ends },
    Target { pods: ALL, container: "provision", start: Start::Pod(Volume::Kept), strike: Strike::Command(30), script: Script::Ends },
    Target { pods: ALL, container: "xtrabackup", start: Start::Pod(Volume::Kept), strike: Strike::Command(80), script: Script::Stays },
    Target { pods: REPLICAS, container: "clone-mysql", start: Start::Pod(Volume::Lost), strike: COPYING, script: Script::Ends },
    Target { pods: REPLICAS, container: "mysql", start: Start::Pod(Volume::Lost), strike: SERVING, script: Script::Ends },
    Target { pods: &["mysql-0"], container: "mysql", start: Start::Pod(Volume::Kept), strike: SERVING, script: Script::Ends },
];
/// For as long as a member takes from its start to the end of its copy, and until it serves.
const COPYING: Strike = Strike::Moment(Duration::from_secs(5));
const SERVING: Strike = Strike::Moment(Duration::from_secs(15));

/// While a new cluster begins.
#[rustfmt::skip]
const FIRST: [Target; 3] = [
    Target { pods: &["mysql-0"], container: "provision", start: Start::Pod(Volume::Lost), strike: Strike::Command(90), script: Script::Ends },
    Target { pods: &["mysql-0"], container: "clone-mysql", start: Start::Pod(Volume::Lost), strike: Strike::Command(100), script: Script::Ends },
    Target { pods: REPLICAS, container: "provision", start: Start::Pod(Volume::Lost), strike: Strike::Command(90), script: Script::Ends },
];

fn server() -> StandIn {
    let names = [("mysql", "mariadb"), ("mysqladmin", "mariadb-admin"), ("mysqldump", "mariadb-dump")];
    let server = image().script("mysqld", MYSQLD);
    names.iter().fold(server, |image, (name, program)| image.link(name, &format!("/.machine/{program}")))
}

fn sidecar() -> StandIn {
    let programs = [
        ("mysql", "mariadb"),
        ("mariadb-backup", "mariadb-backup"),
        ("xbstream", "mbstream"),
        ("ncat", "ncat"),
        ("find", "find"),
    ];
    let image = StandIn::slim().account("mysql", 999).script("xtrabackup", XTRABACKUP);
    programs.iter().fold(image, |image, (name, program)| image.link(name, &format!("/.machine/{program}")))
}

fn start(test: &str) -> Option<Pods> {
    if !can_run(test, &["/usr/sbin/mariadbd", "/usr/bin/mariadb-backup", "/usr/bin/ncat"]) {
        return None;
    }
    let images = Images::default()
        .with("mysql", server())
        .with("gcr.io/google-samples/xtrabackup", sidecar())
        .with("mysql-proxy", StandIn::proxy());
    let begun = Instant::now();
    let manifests = render::adjusted("deploy/overlays/mysql57-xtrabackup", SMALL, &[("site.cnf", SITE)]);
    let pods = Pods::start(manifests, images);
    pods.wait_ready("mysql", COME_UP);
    // On MariaDB the rights to see replication and stored hashes have names of their own, and count for new connections.
    on(&pods, "mysql-0", "GRANT SLAVE MONITOR ON *.* TO proxy@'%'; GRANT SELECT ON mysql.global_priv TO proxy@'%'");
    pods.wait_ready("mysql-proxy", Duration::from_secs(30));
    pods.roll("mysql-proxy");
    println!("    up after {:?}", begun.elapsed());
    make_tables(&pods);
    Some(pods)
}

/// How often a member's volume was filled with a copy.
fn copies(pods: &Pods, member: &str) -> usize {
    pods.log(member, "clone-mysql").matches("copied mysql-").count()
}

/// The file that tells from where to go on was used once and is put aside.
fn position_is_settled(pods: &Pods, member: &str) {
    let files = pods.exec(member, "mysql", &["bash", "-c", "cd /var/lib/mysql/data; ls change_master_to.sql.*"]);
    assert_eq!(files.trim(), "change_master_to.sql.orig", "{member}");
}

#[test]
fn a_5_7_cluster_and_its_days() {
    let Some(pods) = start("a_5_7_cluster_and_its_days") else { return };
    let mut acknowledged = BTreeSet::new();
    let step = |name: &str| println!("==> {name}");
    let endpoint = || pods.service("mysql-proxy", 3306);

    step("each replica was copied once, and follows the primary by positions");
    for member in ["mysql-1", "mysql-2"] {
        assert_eq!(copies(&pods, member), 1, "{member}");
        position_is_settled(&pods, member);
        let gtid = "SELECT COUNT(*) FROM mysql.gtid_slave_pos WHERE server_id = 0";
        assert_eq!(on(&pods, member, gtid), "0");
    }

    step("writes land on mysql-0, reads on replicas");
    // A session may stay with one replica.
    let ids = |more: &str| -> BTreeSet<String> {
        let statement = format!("SELECT @@server_id FROM counters WHERE id = 1{more}");
        (0..20).map(|_| connect(endpoint()).unwrap().say(&statement)).collect()
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    while ids("") != BTreeSet::from(["101".to_owned(), "102".to_owned()]) {
        assert!(Instant::now() < deadline, "reads go to {:?}", ids(""));
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(ids(" FOR UPDATE"), BTreeSet::from(["100".to_owned()]));

    step("scaled to 4, the new one is copied from a predecessor while others write");
    let load = Load::start(endpoint(), 2, 1);
    pods.scale("mysql", 4);
    all_ready(&pods);
    assert_eq!(copies(&pods, "mysql-3"), 1);
    acknowledged.extend(load.stop());
    all_equal(&pods, &acknowledged);
    pods.scale("mysql", 3);

    step("kill -9 of each container, also of the sidecars");
    let load = Load::start(endpoint(), 2, 10);
    for (member, container) in
        [("mysql-2", "mysql"), ("mysql-1", "xtrabackup"), ("mysql-0", "mysql"), ("mysql-0", "xtrabackup")]
    {
        await_writes(&load, 20);
        assert!(pods.kill(member, container));
        all_ready(&pods);
    }
    acknowledged.extend(load.stop());
    all_equal(&pods, &acknowledged);

    if day_ends() {
        step("kill -9 at any command of the scripts");
        let load = Load::start(endpoint(), 2, 40);
        strike_members(&pods, &load, FEW_KILLS);
        acknowledged.extend(load.stop());
        return all_equal(&pods, &acknowledged);
    }
    step("pods with their volumes and without");
    let load = Load::start(endpoint(), 2, 20);
    for (member, ending, volume) in [
        ("mysql-1", Ending::Graceful, Volume::Kept),
        ("mysql-2", Ending::Crash, Volume::Lost),
        ("mysql-1", Ending::Crash, Volume::Lost),
        ("mysql-0", Ending::Crash, Volume::Kept),
    ] {
        await_writes(&load, 20);
        pods.delete(member, ending, volume);
        all_ready(&pods);
    }
    acknowledged.extend(load.stop());
    all_equal(&pods, &acknowledged);

    step("new passwords");
    new_passwords(&pods);
    all_equal(&pods, &acknowledged);

    step("everything restarts, one after the other, under load");
    let load = Load::start(endpoint(), 2, 40);
    pods.roll("mysql");
    pods.roll("mysql-proxy");
    acknowledged.extend(load.stop_unharmed());
    all_equal(&pods, &acknowledged);

    step("a primary that has lost its volume does not begin anew while others have data");
    pods.delete("mysql-0", Ending::Crash, Volume::Lost);
    let deadline = Instant::now() + COME_UP;
    while !pods.log("mysql-0", "clone-mysql").contains("has data, so this cluster has lost its primary's volume") {
        assert!(Instant::now() < deadline, "it does not say why it waits");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(try_on(&pods, "mysql-0", "DO 0").is_none());
    step("and a new cluster under its name is not followed");
    pods.exec("mysql-0", "clone-mysql", &["bash", "-c", ": >/var/lib/mysql/begin"]);
    while try_on(&pods, "mysql-0", "DO 0").is_none() {
        assert!(Instant::now() < deadline, "the primary did not begin");
        std::thread::sleep(Duration::from_millis(200));
    }
    while !pods.log("mysql-1", "xtrabackup").contains("mysql-primary is of another cluster") {
        assert!(Instant::now() < deadline, "it does not see that the primary is another");
        std::thread::sleep(Duration::from_millis(200));
    }
    let kept = on(&pods, "mysql-1", "SELECT COUNT(*) FROM app.writes");
    assert!(kept.parse::<usize>().unwrap() >= acknowledged.len(), "{kept}");
}

/// As the manual has it: the proxies restart at once, and the new ones are ready when the members are.
fn new_passwords(pods: &Pods) {
    mariadb::a_new_root_password(pods);
    let load = Load::start(pods.service("mysql-proxy", 3306), 2, 60);
    await_writes(&load, 20);
    for (key, account) in [("replication-password", "replication"), ("monitor-password", "proxy")] {
        pods.set_secret("mysql", key, r#"n'e"w \\ #1"#);
        if account == "proxy" {
            pods.roll("mysql-proxy");
        }
        wait_for(&format!("the new password of {account}"), Duration::from_secs(60), || {
            pods.log("mysql-0", "xtrabackup").contains(&format!("the account {account} has the Secret's new password"))
        });
    }
    await_writes(&load, 20);
    let acknowledged = load.stop();
    // One connects again, and one is copied anew.
    pods.delete("mysql-1", Ending::Graceful, Volume::Kept);
    pods.delete("mysql-2", Ending::Crash, Volume::Lost);
    all_ready(pods);
    for member in REPLICAS {
        mariadb::has_new_root_password(pods, member);
    }
    all_equal(pods, &acknowledged);
}

/// Kills scripts of the members, so many times; nobody serves anything wrong meanwhile.
fn strike_members(pods: &Pods, load: &Load, kills: usize) {
    let mut chaos = Chaos::new(&TARGETS);
    Watch::new(pods, load, Copies::FromPrimary).during(|all_is_right| {
        // A script may be done before it comes to the command at which it was to be killed: then once more.
        for number in 1..=3 * kills {
            if number > kills && 2 * chaos.hits >= kills {
                break;
            }
            chaos.strike(pods, number);
            all_ready(pods);
            all_is_right();
        }
    });
    assert!(2 * chaos.hits >= kills, "only {} of {kills} strikes hit a script", chaos.hits);
}

#[test]
fn a_5_7_is_killed_at_any_line() {
    let Some(kills) = wanted_kills() else { return println!("SKIPPED: a_5_7_is_killed_at_any_line: make chaos-pods") };
    let Some(pods) = start("a_5_7_is_killed_at_any_line") else { return };
    let load = Load::start(pods.service("mysql-proxy", 3306), 2, 1);
    strike_members(&pods, &load, kills);
    position_is_settled(&pods, "mysql-1");
    position_is_settled(&pods, "mysql-2");
    let acknowledged = load.stop();
    all_equal(&pods, &acknowledged);
    strike_beginnings(&pods, &mut Chaos::new(&FIRST), kills.div_ceil(5));
}
