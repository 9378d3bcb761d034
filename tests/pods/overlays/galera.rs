//! `deploy/overlays/galera`: three equal members, through what happens to them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::chaos::{Chaos, FEW_KILLS, Script, Start, Strike, Target, wanted_kills};
use crate::harness::{Ending, Images, Pods, StandIn, Volume, render};
use crate::load::{Load, application};
use crate::mariadb::{
    self, COME_UP, all_equal, await_writes, can_run, day_ends, image, make_tables, on, strike_beginnings, try_on,
};
use crate::support::raw::{Raw, Who};
use crate::support::wait_for;
use crate::watch::{Copies, Watch};

/// Small servers.
const SITE: &str = "[mysqld]\ninnodb-buffer-pool-size = 16M\ninnodb-log-file-size = 8M\ninnodb-use-native-aio = OFF\n\
    performance-schema = OFF\nmax-connections = 100\nwsrep-slave-threads = 1\n\
    wsrep-provider-options = \"pc.recovery=no;gcache.size=16M;gcache.recover=yes\"\n";
const SMALL: &str = "configMapGenerator:\n  - name: mysql\n    behavior: merge\n    files:\n      - site.cnf\n";

/// A password that wants quotes.
const ODD: &str = r#"n'e"w \\ #1"#;

const ALL: &[&str] = &["mysql-0", "mysql-1", "mysql-2"];

/// In turns, so that a short run has something of everything.
#[rustfmt::skip]
const TARGETS: [Target; 8] = [
    Target { pods: ALL, container: "mysql", start: Start::Container, strike: Strike::Command(180), script: Script::Ends },
    Target { pods: ALL, container: "mysql", start: Start::Pod(Volume::Lost), strike: Strike::Command(180), script: Script::Ends },
    Target { pods: ALL, container: "steward", start: Start::Container, strike: Strike::Command(60), script: Script::Stays },
    Target { pods: ALL, container: "mysql", start: Start::Pod(Volume::Kept), strike: Strike::Command(180), script: Script::Ends },
    Target { pods: ALL, container: "mysql", start: Start::Container, strike: Strike::Command(180), script: Script::Ends },
    Target { pods: ALL, container: "steward", start: Start::Pod(Volume::Kept), strike: Strike::Command(60), script: Script::Stays },
    Target { pods: ALL, container: "mysql", start: Start::Pod(Volume::Lost), strike: COPYING, script: Script::Ends },
    Target { pods: ALL, container: "mysql", start: Start::Pod(Volume::Kept), strike: COPYING, script: Script::Ends },
];
/// For as long as a member takes from its start to its copy of the data.
const COPYING: Strike = Strike::Moment(Duration::from_secs(20));

/// While a new cluster begins.
#[rustfmt::skip]
const FIRST: [Target; 3] = [
    Target { pods: &["mysql-0"], container: "mysql", start: Start::Pod(Volume::Lost), strike: Strike::Command(250), script: Script::Ends },
    Target { pods: ALL, container: "mysql", start: Start::Pod(Volume::Lost), strike: Strike::Command(250), script: Script::Ends },
    Target { pods: &["mysql-0"], container: "mysql", start: Start::Pod(Volume::Lost), strike: COPYING, script: Script::Ends },
];

fn start(test: &str) -> Option<Pods> {
    let needed =
        ["/usr/sbin/mariadbd", "/usr/lib/galera/libgalera_smm.so", "/usr/bin/mariadb-backup", "/usr/bin/socat"];
    if !can_run(test, &needed) {
        return None;
    }
    let images = Images::default().with("mariadb", image()).with("mysql-proxy", StandIn::proxy());
    let manifests = render::adjusted("deploy/overlays/galera", SMALL, &[("site.cnf", SITE)]);
    let begun = Instant::now();
    let pods = Pods::start(manifests, images);
    pods.wait_ready("mysql", COME_UP);
    pods.wait_ready("mysql-proxy", Duration::from_secs(30));
    println!("    up after {:?}", begun.elapsed());
    make_tables(&pods);
    Some(pods)
}

/// Waits until every member is in one cluster of all of them.
fn is_whole(pods: &Pods) {
    let deadline = Instant::now() + COME_UP;
    let size = "SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'wsrep_cluster_size'";
    let members = pods.names_of("mysql");
    let wanted = Some(members.len().to_string());
    while !members.iter().all(|member| try_on(pods, member, size) == wanted) {
        assert!(Instant::now() < deadline, "the members are not in one cluster");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn all_ready(pods: &Pods) {
    mariadb::all_ready(pods);
    is_whole(pods);
}

/// How often each member has decided so.
fn decided(pods: &Pods, what: &str) -> Vec<usize> {
    let count = |member: &String| pods.log(member, "mysql").matches(&format!("decided: {what}")).count();
    pods.names_of("mysql").iter().map(count).collect()
}

#[test]
fn a_galera_cluster_and_its_days() {
    let Some(pods) = start("a_galera_cluster_and_its_days") else { return };
    let mut acknowledged = BTreeSet::new();
    let step = |name: &str| println!("==> {name}");
    let endpoint = || pods.service("mysql-proxy", 3306);

    step("mysql-0 has begun, the others have joined");
    is_whole(&pods);
    assert_eq!(decided(&pods, "new"), [1, 0, 0]);
    assert_eq!(decided(&pods, "join"), [0, 1, 1]);

    step("scaled to 4, the new one gets a copy");
    let load = Load::start(endpoint(), 2, 1);
    pods.scale("mysql", 4);
    all_ready(&pods);
    acknowledged.extend(load.stop());
    all_equal(&pods, &acknowledged);
    pods.scale("mysql", 3);

    step("kill -9 of each member's container, one after the other");
    let load = Load::start(endpoint(), 2, 10);
    for member in ["mysql-2", "mysql-1", "mysql-0"] {
        await_writes(&load, 20);
        assert!(pods.kill(member, "mysql"));
        all_ready(&pods);
    }
    acknowledged.extend(load.stop());
    all_equal(&pods, &acknowledged);
    assert_eq!(decided(&pods, "begin"), [0, 0, 0]);

    step("kill -9 of all of them at once");
    let load = Load::start(endpoint(), 2, 20);
    await_writes(&load, 50);
    for member in ["mysql-0", "mysql-1", "mysql-2"] {
        assert!(pods.kill(member, "mysql"));
    }
    all_ready(&pods);
    await_writes(&load, 20);
    acknowledged.extend(load.stop());
    all_equal(&pods, &acknowledged);
    assert_eq!(decided(&pods, "begin").iter().sum::<usize>(), 1, "one of them begins, and the others join it");

    if day_ends() {
        step("kill -9 at any command of the scripts");
        let load = Load::start(endpoint(), 2, 40);
        strike_members(&pods, &load, FEW_KILLS);
        acknowledged.extend(load.stop());
        return all_equal(&pods, &acknowledged);
    }
    step("two go, the third goes on alone and ends; it begins alone, and the others catch up");
    let load = Load::start(endpoint(), 1, 30);
    pods.scale("mysql", 1);
    await_writes(&load, 50);
    acknowledged.extend(load.stop());
    pods.delete("mysql-0", Ending::Graceful, Volume::Kept);
    pods.scale("mysql", 3);
    all_ready(&pods);
    all_equal(&pods, &acknowledged);

    step("a member that has lost its volume joins, also mysql-0");
    for member in ["mysql-1", "mysql-0"] {
        pods.delete(member, Ending::Crash, Volume::Lost);
        all_ready(&pods);
        all_equal(&pods, &acknowledged);
    }
    assert_eq!(decided(&pods, "new").iter().sum::<usize>(), 1, "never a second new cluster");

    step("new passwords");
    new_passwords(&pods);
    all_equal(&pods, &acknowledged);

    step("everything restarts, one after the other, under load");
    let load = Load::start(endpoint(), 2, 40);
    pods.roll("mysql");
    pods.roll("mysql-proxy");
    await_writes(&load, 20);
    acknowledged.extend(load.stop_unharmed());
    is_whole(&pods);
    all_equal(&pods, &acknowledged);
    assert_eq!(on(&pods, "mysql-1", "SELECT COUNT(*) > 0 FROM app.writes"), "1");
}

/// While everything runs, and nobody who has a former password is locked out.
fn new_passwords(pods: &Pods) {
    mariadb::a_new_root_password(pods);
    let change = |key: &str, account: &str, password: &str| {
        let told = format!("the account {account} has the Secret's new password");
        let before = pods.log("mysql-0", "steward").matches(&told).count();
        pods.set_secret("mysql", key, password);
        wait_for(&format!("the new {key}"), Duration::from_secs(60), || {
            pods.log("mysql-0", "steward").matches(&told).count() > before
        });
    };
    change("replication-password", "sst", ODD);
    change("monitor-password", "proxy", ODD);
    change("application-password", "app", ODD);
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(pods.endpoints("mysql-proxy", 3306).len(), 2, "the proxies are ready with the former password");
    let endpoint = || pods.service("mysql-proxy", 3306);
    let enters = |password| matches!(Raw::try_connect(endpoint(), &Who { password, ..application() }), Ok(Ok(_)));
    assert!(enters(application().password) && enters(ODD), "applications may have the one or the other");
    pods.roll("mysql-proxy");
    assert!(enters(application().password) && enters(ODD), "applications may have the one or the other");
    change("application-password", "app", "a third");
    assert!(enters("a third") && enters(ODD), "applications may have the one or the other");
    assert!(!enters(application().password), "the password before the former one still counts");
    // As it was, for those who come after.
    change("application-password", "app", application().password);
    // It is copied with the new password.
    pods.delete("mysql-2", Ending::Crash, Volume::Lost);
    all_ready(pods);
    mariadb::has_new_root_password(pods, "mysql-2");
}

/// Kills scripts of the members, so many times; nobody serves anything wrong meanwhile.
fn strike_members(pods: &Pods, load: &Load, kills: usize) {
    let mut chaos = Chaos::new(&TARGETS);
    Watch::new(pods, load, Copies::Everywhere).during(|all_is_right| {
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
fn galera_is_killed_at_any_line() {
    let Some(kills) = wanted_kills() else { return println!("SKIPPED: galera_is_killed_at_any_line: make chaos-pods") };
    let Some(pods) = start("galera_is_killed_at_any_line") else { return };
    let load = Load::start(pods.service("mysql-proxy", 3306), 2, 1);
    strike_members(&pods, &load, kills);
    let acknowledged = load.stop();
    all_equal(&pods, &acknowledged);
    strike_beginnings(&pods, &mut Chaos::new(&FIRST), kills.div_ceil(5));
    killed_as_it_begins(&pods);
    killed_as_it_is_joined(&pods);
}

/// All of a new cluster, from nothing.
fn begin_anew(pods: &Pods) {
    pods.scale("mysql", 0);
    for member in ALL {
        pods.lose_volumes("mysql", member);
    }
    pods.scale("mysql", 3);
}

/// The only one that has data, while the others wait for a copy of it.
fn killed_as_it_is_joined(pods: &Pods) {
    let joins = || decided(pods, "join").iter().sum::<usize>();
    for delay in [0, 500, 1500] {
        begin_anew(pods);
        let before = joins();
        wait_for("one joins", COME_UP, || joins() > before);
        std::thread::sleep(Duration::from_millis(delay));
        assert!(pods.kill("mysql-0", "mysql"));
        let begun = Instant::now();
        all_ready(pods);
        println!("    killed {delay} ms after the first joined: all ready after {:?}", begun.elapsed());
    }
}

/// Galera has written down the new cluster's name, and the server has no position in it yet.
fn killed_as_it_begins(pods: &Pods) {
    let named = "until grep -qs 'uuid: *[0-9a-f]*[1-9a-f]' /var/lib/mysql/data/grastate.dat; do :; done";
    for attempt in 1..=10 {
        begin_anew(pods);
        wait_for("mysql-0 begins", COME_UP, || {
            pods.try_exec("mysql-0", "mysql", &["bash", "-c", named]).is_ok_and(|output| output.status.success())
        });
        assert!(pods.kill("mysql-0", "mysql"));
        all_ready(pods);
        if pods.log("mysql-0", "mysql").contains("the new cluster that this is for has not begun") {
            return println!("    killed as it began, attempt {attempt}");
        }
    }
    panic!("no kill came at the right moment");
}
