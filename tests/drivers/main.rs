//! Applications' own drivers, each compared with itself: through the proxy, and at the primary directly.
//!
//! Drivers come from other people's package registries; `tests/drivers/install.sh` gets them, and one that is not there
//! is skipped by name. `make test-drivers` also runs the programs without the proxy, to show that they are right.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod logins;
mod read_only;
#[path = "../mysql56/servers.rs"]
#[allow(dead_code, clippy::format_push_string)]
mod servers;
#[path = "../support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::process::Command;

use mysql_proxy::demo::{Cluster, Flavor};
use support::Proxy;

/// Runs every driver, prints a line for each, and fails when one of them failed.
fn run(flavor: Flavor, endpoint: SocketAddr, cluster: &Cluster) {
    let programs = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drivers/run.sh");
    let direct = cluster.primary().address();
    let output = Command::new(programs).args([endpoint.to_string(), direct.to_string()]).args(["app", "app"]).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    for line in said.lines() {
        println!("{flavor}: {line}");
    }
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

/// The programs themselves: an endpoint that is the primary gives what the primary gives.
fn directly(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 0) else { return };
    run(flavor, cluster.primary().address(), &cluster);
}

fn through_the_proxy(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |_| ()) else { return };
    let proxy = Proxy::start(&cluster, "");
    run(flavor, proxy.read_write, &cluster);
}

#[test]
#[ignore = "tests the programs, not the proxy; see make test-drivers"]
fn mariadb_directly() {
    directly(Flavor::MariaDb);
}

#[test]
#[ignore = "tests the programs, not the proxy; see make test-drivers"]
fn mysql_directly() {
    directly(Flavor::MySql);
}

#[test]
fn mariadb_through_the_proxy() {
    through_the_proxy(Flavor::MariaDb);
}

#[test]
fn mysql_through_the_proxy() {
    through_the_proxy(Flavor::MySql);
}
