//! `deploy/overlays/single` and `deploy/overlays/dev`: the base's members, fewer of them.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::harness::{Ending, Images, Pods, StandIn, Volume, missing, render};
use crate::load::{application, connect};
use crate::mariadb::COME_UP;
use crate::support::raw::Raw;

fn start(test: &str, folder: &str) -> Option<Pods> {
    let server = std::env::var("MYSQLD").ok();
    let unpacked = server.as_deref().and_then(|server| Path::new(server).parent()?.parent());
    let absent = missing().or_else(|| unpacked.is_none().then(|| "MYSQLD does not name an Oracle MySQL".into()));
    if let Some(absent) = absent {
        println!("SKIPPED: {test}: {absent}");
        return None;
    }
    let images = Images::default().with("mysql", StandIn::mysql(unpacked?)).with("mysql-proxy", StandIn::proxy());
    let pods = Pods::start(render::adjusted(folder, render::LESS_GRACE, &[]), images);
    pods.wait_ready("mysql", COME_UP);
    pods.wait_ready("mysql-proxy", Duration::from_secs(30));
    Some(pods)
}

/// A session, once the proxies have seen that a member serves again.
fn session(pods: &Pods) -> Raw {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(client) = connect(pods.service("mysql-proxy", 3306)) {
            return client;
        }
        assert!(Instant::now() < deadline, "no proxy lets anybody in");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn one_member_alone_serves_all() {
    let Some(pods) = start("one_member_alone_serves_all", "deploy/overlays/single") else { return };
    assert_eq!(pods.names_of("mysql"), ["mysql-0"]);
    let mut client = session(&pods);
    let begun = Instant::now();
    client.run("CREATE TABLE t (id INT PRIMARY KEY)");
    client.run("INSERT INTO t VALUES (1), (2)");
    // No write waits for a replica that there never is.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(client.say("SELECT COUNT(*) FROM t"), "2");
    // Applications that read from `mysql-read` go on, too.
    let mut reader = connect(pods.service("mysql-read", 3306)).unwrap();
    assert_eq!(reader.say("SELECT COUNT(*) FROM t"), "2");
    backed_up_and_restored(&pods);

    pods.delete("mysql-0", Ending::Crash, Volume::Kept);
    stays_reachable_without_members(&pods);
    pods.wait_ready("mysql", COME_UP);
    let mut client = session(&pods);
    assert_eq!(client.say("SELECT COUNT(*) FROM t"), "2");
}

/// Nobody is refused a connection because no member serves: the proxies themselves say what is wrong. Longer than it takes a
/// readiness probe to fail.
fn stays_reachable_without_members(pods: &Pods) {
    pods.scale("mysql", 0);
    let until = Instant::now() + Duration::from_secs(8);
    while Instant::now() < until {
        assert_eq!(pods.endpoints("mysql-proxy", 3306).len(), 2, "a proxy is not ready because its members are not");
        std::thread::sleep(Duration::from_millis(200));
    }
    let refusal = Raw::connect(pods.service("mysql-proxy", 3306), &application()).err();
    assert!(refusal.is_some_and(|error| error.to_string().contains("9001")), "it is not said why nobody serves");
    pods.scale("mysql", 1);
}

/// What the manual has a member run: the script behind `bash -c`, the first after this heading.
fn printed(heading: &str) -> String {
    let manual = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/kubernetes.md")).unwrap();
    let chapter = manual.split(heading).nth(1).unwrap();
    let script = chapter.split("bash -c '").nth(1).unwrap().split('\'').next().unwrap();
    script.to_owned()
}

/// The manual's two commands, as they are printed.
fn backed_up_and_restored(pods: &Pods) {
    let dump = printed("## Back up");
    let member = |script: &str| pods.exec("mysql-0", "mysql", &["bash", "-c", script, "of the manual"]);
    let dumped = member(&format!("set -e; bash -c '{dump}' >/tmp/app.sql; tail -n 1 /tmp/app.sql"));
    assert!(dumped.starts_with("-- Dump completed on "), "{dumped}");
    session(pods).run("DELETE FROM t");
    member(&format!("bash -c '{}' </tmp/app.sql", printed("## Restore")));
    assert_eq!(session(pods).say("SELECT COUNT(*) FROM t"), "2");
}

#[test]
fn a_small_cluster_for_a_laptop() {
    let Some(pods) = start("a_small_cluster_for_a_laptop", "deploy/overlays/dev") else { return };
    assert_eq!(pods.names_of("mysql"), ["mysql-0", "mysql-1"]);
    assert_eq!(pods.names_of("mysql-proxy").len(), 1);
    let mut client = session(&pods);
    client.run("CREATE TABLE t (id INT PRIMARY KEY)");
    client.run("INSERT INTO t VALUES (1), (2)");
    // A pod that keeps nothing is filled again by the other one, also the primary.
    for member in ["mysql-1", "mysql-0"] {
        let begun = Instant::now();
        pods.delete(member, Ending::Graceful, Volume::Kept);
        // Three seconds are the proxies', to see it; a primary waits ten more for replicas that do not let it go.
        assert!(begun.elapsed() < Duration::from_secs(12), "{member} took {:?} to end", begun.elapsed());
        pods.wait_ready("mysql", COME_UP);
        let mut client = session(&pods);
        assert_eq!(client.say("SELECT COUNT(*) FROM t"), "2");
    }
    assert!(pods.log("mysql-0", "provision").contains("cloned mysql-1"));
}
