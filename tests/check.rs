//! `mysql-proxy check --connect` against real members: what is right, what is wrong, and the remedy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::{Command, Output};

use mysql_proxy::demo::{Cluster, Flavor, free_addresses};

fn check(configuration: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("proxy.toml");
    std::fs::write(&file, configuration).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mysql-proxy"));
    command.args(["check", "--connect", "--config"]).arg(&file).output().unwrap()
}

/// The lines behind the configuration, and what stands on standard error.
fn findings(output: &Output) -> (Vec<String>, String) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_finding = |line: &&str| ["ok    ", "remark", "WRONG "].iter().any(|verdict| line.starts_with(verdict));
    let lines = text.lines().filter(is_finding).map(str::to_owned).collect();
    (lines, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn of(cluster: &Cluster, rest: &str) -> String {
    let members: Vec<String> = cluster.members().iter().map(|member| format!("'{}'", member.address())).collect();
    format!("[cluster]\nmembers = [{}]\nprimary = '{}'\n{rest}", members.join(", "), cluster.primary().address())
}

const MONITOR: &str = "[monitor]\npassword = 'proxy'\ninterval = '300ms'\ntimeout = '300ms'\n";

support::on_both!(tells_what_is_right_and_what_is_wrong, it_is_known_who_copies_from_whom_before_anything_is_advised,);

fn tells_what_is_right_and_what_is_wrong(flavor: Flavor) {
    let Some(mut cluster) = support::cluster(flavor, |_| {}) else { return };
    // MySQL's replicas have super_read_only on, which says the same more strongly.
    let writable = match flavor {
        Flavor::MariaDb => "SET GLOBAL read_only = OFF",
        Flavor::MySql => "SET GLOBAL super_read_only = OFF; SET GLOBAL read_only = OFF",
    };
    let address = |index| cluster.member(index).address();
    let (primary, replica, other) = (address(0), address(1), address(2));

    let output = check(&of(&cluster, &format!("{MONITOR}[[users]]\nname = 'app'\npassword = 'app'\n")));
    let (lines, complaint) = findings(&output);
    assert_eq!(output.status.code(), Some(0), "{lines:#?} {complaint}");
    assert_eq!(complaint, "");
    assert_eq!(lines[0], "ok      cluster.members: 3 members");
    assert_eq!(lines[1], format!("ok      cluster.primary: {primary}"));
    assert!(lines[2].starts_with(&format!("ok      {primary} as monitor \"proxy\": up, primary, ")), "{lines:#?}");
    assert!(lines[3].contains(" as monitor \"proxy\": up, replica, "), "{lines:#?}");
    assert_eq!(lines[7], format!("ok      {other} as user \"app\": logged in"));
    assert_eq!(lines.len(), 8);

    // Accounts that the configuration does not name need a right, and the statement that gives it can be pasted.
    if flavor == Flavor::MariaDb {
        cluster.sql(0, "REVOKE SELECT ON mysql.global_priv FROM proxy@'%'").unwrap();
        let (lines, _) = findings(&check(&of(&cluster, MONITOR)));
        let remark = lines.iter().find(|line| line.starts_with("remark")).unwrap();
        let (_, statement) = remark.split_at(remark.find("GRANT").unwrap());
        assert_eq!(statement, "GRANT SELECT ON mysql.global_priv TO 'proxy'@'%'");
        cluster.sql(0, statement).unwrap();
        let (lines, _) = findings(&check(&of(&cluster, MONITOR)));
        assert!(lines.iter().all(|line| line.starts_with("ok ")), "{lines:#?}");
    }

    // A wrong password, a replica that is down, another that is writable, and a primary that is not.
    cluster.stop(2).unwrap();
    cluster.sql(1, writable).unwrap();
    cluster.sql(0, "SET GLOBAL read_only = ON").unwrap();
    let output = check(&of(&cluster, &format!("{MONITOR}[[users]]\nname = 'app'\npassword = 'hunter2'\n")));
    let (lines, complaint) = findings(&output);
    assert_eq!(output.status.code(), Some(1), "{lines:#?}");
    assert_eq!(complaint, "4 of 8 checks have failed\n");
    let has = |line: String| assert!(lines.iter().any(|it| it.starts_with(&line)), "{line} is not in {lines:#?}");
    has(format!("WRONG   cluster.primary: {primary} is read-only; set read_only=OFF there"));
    has(format!("remark  {replica}: this replica is writable; read_only=ON there"));
    has(format!("WRONG   {other} as monitor \"proxy\": no connection: "));
    has(format!("WRONG   {replica} as user \"app\": refused: 1045 (28000): Access denied for user 'app'"));
    assert!(lines.iter().all(|line| !line.contains("hunter2")));
    assert!(lines.iter().any(|line| line.ends_with("with the password of [[users]]")));

    // The monitor's account is refused, and nobody bears the primary's name.
    cluster.sql(0, "SET GLOBAL read_only = OFF").unwrap();
    let configuration = of(&cluster, "[monitor]\npassword = 'no'\n").replace(&format!("primary = '{primary}'"), "");
    let output = check(&configuration.replace("[cluster]", "[cluster]\nprimary = 'auto'"));
    let (lines, _) = findings(&output);
    let has = |part: &str| assert!(lines.iter().any(|it| it.contains(part)), "{part} is not in {lines:#?}");
    has("the monitor's account is refused");
    has("WRONG   cluster.primary: no member that answers is writable");
}

fn it_is_known_who_copies_from_whom_before_anything_is_advised(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 1) else { return };
    let (writable, revoke) = match flavor {
        Flavor::MariaDb => ("SET GLOBAL read_only = OFF", "REVOKE BINLOG MONITOR, SLAVE MONITOR ON *.* FROM proxy@'%'"),
        Flavor::MySql => (
            "SET GLOBAL super_read_only = OFF; SET GLOBAL read_only = OFF",
            "REVOKE REPLICATION CLIENT ON *.* FROM proxy@'%'",
        ),
    };
    let (primary, replica) = (cluster.member(0).address(), cluster.member(1).address());
    let with =
        |named: &str| of(&cluster, MONITOR).replace(&format!("primary = '{primary}'"), &format!("primary = '{named}'"));
    let said = |configuration: &str| findings(&check(configuration)).0;

    let lines = said(&with(&replica.to_string()));
    let wrong = format!("WRONG   cluster.primary: {replica} is a read-only replica that copies from {primary}");
    assert!(lines.iter().any(|line| line.starts_with(&wrong)), "{lines:#?}");
    assert!(lines.iter().all(|line| !line.contains("read_only=O")), "{lines:#?}");

    cluster.sql(1, writable).unwrap();
    let lines = said(&with("auto"));
    assert!(lines.iter().any(|line| line.ends_with(&format!("set read_only=ON on {replica}"))), "{lines:#?}");
    let advices = lines.iter().filter(|line| line.contains("read_only=O")).count();
    assert_eq!(advices, 1, "{lines:#?}");

    // The members take 500 connections.
    let lines = said(&of(&cluster, &format!("{MONITOR}[pool]\nmax_backend_connections = 500\n")));
    let remark = format!("remark  {replica}: max_connections is 500 there, and pool.max_backend_connections is 500");
    assert!(lines.iter().any(|line| line.starts_with(&remark)), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("SET GLOBAL max_connections = 501")), "{lines:#?}");

    // What is granted as it is printed helps.
    cluster.sql(0, revoke).unwrap();
    cluster.catch_up(1, std::time::Duration::from_secs(20)).unwrap();
    let lines = said(&of(&cluster, MONITOR));
    let grant =
        lines.iter().find_map(|line| line.split_once("run on the primary: ")).unwrap_or_else(|| panic!("{lines:#?}")).1;
    assert!(grant.ends_with("TO 'proxy'@'%'"), "{grant}");
    cluster.sql(0, grant).unwrap();
    cluster.catch_up(1, std::time::Duration::from_secs(20)).unwrap();
    let lines = said(&of(&cluster, MONITOR));
    assert!(lines.iter().all(|line| !line.starts_with("WRONG")), "{lines:#?}");

    if flavor == Flavor::MySql {
        cluster.sql(0, "SET GLOBAL gtid_mode = ON_PERMISSIVE").unwrap();
        let lines = said(&of(&cluster, MONITOR));
        let remark = format!("remark  {primary}: not all of its transactions have a GTID");
        assert!(lines.iter().any(|line| line.starts_with(&remark)), "{lines:#?}");
    }
}

#[test]
fn names_that_dns_does_not_know_are_told() {
    // Nobody answers there.
    let dns = free_addresses(1).unwrap()[0];
    let output = check(&format!("[cluster]\nservice = 'no-such-service.invalid'\ndns_servers = ['{dns}']\n"));
    let (lines, complaint) = findings(&output);
    assert_eq!(output.status.code(), Some(1), "{lines:#?} {complaint}");
    assert!(lines[0].starts_with("WRONG   cluster.service \"no-such-service.invalid\": "), "{lines:#?}");
    assert!(lines[0].contains("cluster.dns_servers"), "{lines:#?}");
    assert_eq!(complaint, "2 of 2 checks have failed\n");
}
