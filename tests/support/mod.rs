//! What end-to-end tests have in common: a real cluster, the proxy's binary in front of it, and ways to look at both.
//!
//! Knows the contract's configuration keys and endpoints. Must not know the proxy's insides: it is driven from outside.

// Every test program uses its own part of this.
#![allow(dead_code, unused_imports, unused_macros, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod general_log;
mod process;
mod proxy;
pub mod raw;
pub mod reply;
pub mod statement;
pub mod tap;
pub mod tls;

pub use process::{open_files, resident_bytes};
pub use proxy::{Proxy, http};

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use mysql_proxy::demo::{Cluster, Flavor, Options};

/// Options that keep initialised data folders from one test to the next; none, with a line that says so, when the
/// flavor's servers are not on this machine.
pub fn options(flavor: Flavor) -> Option<Options> {
    if let Err(missing) = flavor.find() {
        eprintln!("skipped: {missing}");
        return None;
    }
    let templates = Path::new(env!("CARGO_TARGET_TMPDIR")).join("templates");
    Some(Options { templates: Some(templates), ..Options::new(flavor) })
}

/// Starts a cluster with the usual options after `adjust` has changed them; none when the servers are absent.
pub fn cluster(flavor: Flavor, adjust: impl FnOnce(&mut Options)) -> Option<Cluster> {
    let mut options = options(flavor)?;
    adjust(&mut options);
    Some(Cluster::start(&options).unwrap())
}

/// Runs statements with the flavor's own command line client over TCP; gives its output, and its errors after it.
pub fn client(flavor: Flavor, address: std::net::SocketAddr, user: &str, password: &str, statements: &str) -> String {
    let output = Command::new(flavor.find().unwrap().client)
        .args(["--no-defaults", "--protocol=tcp", "--batch", "--skip-column-names", "--default-character-set=utf8mb4"])
        .args([format!("--host={}", address.ip()), format!("--port={}", address.port())])
        .args([format!("--user={user}"), format!("--password={password}"), format!("--execute={statements}")])
        .output()
        .unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// Makes two tests of each function, one for each flavor of server: `mariadb::name` and `mysql::name`.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod mariadb {
            $(#[test] fn $name() { super::$name(mysql_proxy::demo::Flavor::MariaDb); })+
        }
        mod mysql {
            $(#[test] fn $name() { super::$name(mysql_proxy::demo::Flavor::MySql); })+
        }
    };
}
pub(crate) use on_both;

/// Whether the long forms are wanted: `MYSQL_PROXY_TEST_LONG=1`.
pub fn long() -> bool {
    std::env::var_os("MYSQL_PROXY_TEST_LONG").is_some_and(|value| !value.is_empty() && value != "0")
}

/// Waits until a condition holds.
pub fn wait_for(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
