//! What is scarce: open files of the process, and connections of members.

use std::time::Duration;

use mysql_proxy::demo::Flavor;

use crate::support::raw::{Raw, Who};
use crate::support::{self, Proxy, http, open_files, wait_for};

/// How the system bounds open files does not depend on the members.
#[test]
fn clients_are_refused_before_members_and_probes_lack_a_descriptor() {
    let Some(cluster) = support::cluster(Flavor::MariaDb, |options| options.replicas = 1) else { return };
    cluster.sql(0, "CREATE TABLE app.t (a INT)").unwrap();
    cluster.catch_up(1, Duration::from_secs(20)).unwrap();
    let proxy = Proxy::start_with_files(&cluster, "", 64, 64);
    let mut clients = Vec::new();
    let mut refused = 0;
    for _ in 0..80 {
        match Raw::connect(proxy.read_write, &Who::named("app")) {
            Ok(client) => clients.push(client),
            Err(error) => {
                assert_eq!(error.code, 1040, "{error}");
                refused += 1;
            }
        }
    }
    assert!(clients.len() >= 10 && refused >= 10, "{} came in, {refused} did not", clients.len());
    for client in &mut clients {
        client.run("INSERT INTO t VALUES (1)");
        assert_eq!(client.say("SELECT 1 FROM DUAL"), "1");
    }
    assert_eq!(http(proxy.admin_http, "/healthz").unwrap().0, 200);

    // What the system allows is used.
    let proxy = Proxy::start_with_files(&cluster, "pool.max_backend_connections = 20", 64, 400);
    let before = open_files(proxy.pid());
    let mut clients: Vec<Raw> = (0..100).map(|_| Raw::app(proxy.read_write)).collect();
    assert_eq!(clients.iter_mut().map(|client| client.number("SELECT 1")).sum::<u64>(), 100);
    for client in clients.iter_mut().take(10) {
        client.run("BEGIN");
        client.run("INSERT INTO t VALUES (1)");
    }
    // One for each connection: the ten to the primary, and those that reads have used.
    let members = connections(&proxy);
    let more = open_files(proxy.pid()) - before;
    assert!(more <= 100 + members + 4, "{more} descriptors for 100 clients and {members} connections");
    drop(clients);
    wait_for("clients leave", Duration::from_secs(5), || open_files(proxy.pid()) < before + 60);
}

/// All that members hold for the proxy.
fn connections(proxy: &Proxy) -> usize {
    let (_, text) = http(proxy.admin_http, "/metrics").unwrap();
    let lines = text.lines().filter(|line| line.starts_with("mysql_proxy_backend_connections{"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum()
}
