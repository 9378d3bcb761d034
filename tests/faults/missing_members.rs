//! Members that are not there.

use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use mysql_proxy::demo::Flavor;

use crate::support::raw::{Raw, Who};
use crate::support::{self, Proxy, http, on_both, wait_for};

const SOON: Duration = Duration::from_secs(30);

on_both!(
    members_that_are_down_at_the_start_are_named_and_serve_when_they_come,
    reads_go_on_without_a_primary_and_writes_say_why_they_do_not,
);

fn members_that_are_down_at_the_start_are_named_and_serve_when_they_come(flavor: Flavor) {
    let Some(mut cluster) = support::cluster(flavor, |options| options.replicas = 1) else { return };
    // MySQL takes ten seconds to stop a primary, and there is nobody yet to see how it ends.
    for member in [1, 0] {
        cluster.kill(member).unwrap();
    }
    let proxy = Proxy::launch(&cluster, "pool.acquire_timeout = '500ms'");
    wait_for("the admin port", SOON, || http(proxy.admin_http, "/healthz").is_some_and(|(status, _)| status == 200));
    let (status, why) = http(proxy.admin_http, "/readyz").unwrap();
    assert_eq!(status, 503, "{why}");
    let error = Raw::connect(proxy.read_write, &Who::named("app")).err().unwrap();
    assert_eq!((error.code, &error.state), (9001, b"HY000"), "{error}");
    let primary = cluster.primary().address().to_string();
    assert!(error.message.starts_with("mysql-proxy: no member could serve within"), "{error}");
    assert!(error.message.contains(&primary) && error.message.contains("(pool.acquire_timeout)"), "{error}");
    let log = proxy.log();
    assert!(log.contains("mysql-proxy starts version=\"") && log.contains("config=\"/"), "{log}");
    assert!(log.contains(&format!("the primary {primary} is down")), "{log}");

    cluster.restart(0).unwrap();
    cluster.restart(1).unwrap();
    wait_for("service", SOON, || Raw::connect(proxy.read_write, &Who::named("app")).is_ok());
    let mut session = Raw::app(proxy.read_write);
    session.run("CREATE TABLE t (a INT PRIMARY KEY)");
    assert_eq!(session.say("SELECT COUNT(*) FROM t"), "0");
    wait_for("readiness", SOON, || http(proxy.admin_http, "/readyz").is_some_and(|(status, _)| status == 200));
}

fn reads_go_on_without_a_primary_and_writes_say_why_they_do_not(flavor: Flavor) {
    let Some(mut cluster) = support::cluster(flavor, |options| options.replicas = 1) else { return };
    cluster.sql(0, "CREATE TABLE app.t (a INT PRIMARY KEY); INSERT INTO app.t VALUES (1)").unwrap();
    cluster.catch_up(1, SOON).unwrap();
    let proxy = Proxy::start(&cluster, "pool.acquire_timeout = '300ms'");
    let mut before = Raw::app(proxy.read_write);
    assert_eq!(before.say("SELECT a FROM t"), "1");
    // MySQL takes ten seconds to stop a primary that has replicas, which `strangers` waits for.
    match flavor {
        Flavor::MariaDb => cluster.stop(0).unwrap(),
        Flavor::MySql => cluster.kill(0).unwrap(),
    }
    let after = Raw::app(proxy.read_write);
    for mut session in [before, after] {
        assert_eq!(session.say("SELECT a FROM t"), "1");
        session.run("SET @x = 5");
        for write in ["INSERT INTO t VALUES (2)", "BEGIN", "CREATE TABLE u (a INT)", "SELECT a FROM t FOR UPDATE"] {
            let said = session.say(write);
            assert!(said.starts_with("ERROR 9001 (HY000): mysql-proxy: no member could serve within"), "{said}");
            assert!(said.contains(&cluster.primary().address().to_string()), "{said}");
            assert_eq!(session.say("SELECT a, @x FROM t"), "1 5");
        }
    }
    // The log tells it, too, and not each time.
    let told = proxy.log().lines().filter(|line| line.contains("found no member that could serve it")).count();
    assert!((1..8).contains(&told), "{told} lines for 8 errors: {}", proxy.log());
    cluster.restart(0).unwrap();
    let mut session = Raw::app(proxy.read_write);
    wait_for("writes", SOON, || session.say("INSERT INTO t VALUES (2)") == "OK");
    assert_eq!(session.number("SELECT COUNT(*) FROM t"), 2);
}

#[test]
fn a_port_in_use_ends_the_start_with_exit_code_1_and_says_which() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    let listen = format!("read_write = '{address}'\nread_only = ''\nadmin_http = ''\nadmin_sql = ''");
    fs::write(&file, format!("[listen]\n{listen}\n[cluster]\nmembers = ['127.0.0.1:9']\nprimary = '127.0.0.1:9'\n"))
        .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_mysql-proxy")).args(["run", "--config"]).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("cannot listen on {address} (listen.read_write)")), "{said}");
    assert!(said.contains("is another program using the port?"), "{said}");
}

#[test]
fn a_broken_line_of_the_configuration_ends_the_start_with_exit_code_2_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    for (text, line, named) in [
        ("[listen]\nread_write = 127.0.0.1\n", 2, "TOML"),
        ("[pool]\n\nmultiplexin = true\n", 3, "multiplexing"),
        ("[monitor]\ninterval = 'soon'\n", 2, "monitor.interval"),
    ] {
        fs::write(&file, text).unwrap();
        let run = Command::new(env!("CARGO_BIN_EXE_mysql-proxy")).args(["run", "--config"]).arg(&file).output();
        let output = run.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
        assert!(said.contains(&format!("{}:{line}", file.display())) && said.contains(named), "{said}");
    }
}
