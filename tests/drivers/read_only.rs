//! Where drivers' reads run that switch autocommit off and make their sessions read-only: on replicas, by the general logs.

use std::process::Command;
use std::time::Duration;

use mysql_proxy::demo::Flavor;

use crate::support::{self, Proxy, general_log, on_both};

on_both!(every_read_of_pymysql_and_sqlalchemy_runs_on_a_replica);

fn every_read_of_pymysql_and_sqlalchemy_runs_on_a_replica(flavor: Flavor) {
    let root = env!("CARGO_MANIFEST_DIR");
    let python = format!("{root}/target/drivers/python/bin/python");
    let has_both = Command::new(&python).args(["-c", "import pymysql, sqlalchemy"]).output();
    if !has_both.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no PyMySQL and SQLAlchemy; get them with tests/drivers/install.sh");
        return;
    }
    let Some(cluster) = support::cluster(flavor, |options| options.general_log = true) else { return };
    let table = "CREATE TABLE app.t (a INT AUTO_INCREMENT PRIMARY KEY, b VARCHAR(20));
                 INSERT INTO app.t (b) VALUES ('x'), ('y'), ('z')";
    cluster.sql(0, table).unwrap();
    (1..=2).for_each(|replica| cluster.catch_up(replica, Duration::from_secs(20)).unwrap());
    let proxy = Proxy::start(&cluster, "routing.causal_wait = '5s'");
    let variable = if flavor == Flavor::MySql { "transaction_read_only" } else { "tx_read_only" };
    let address = [proxy.read_write.ip().to_string(), proxy.read_write.port().to_string()];
    let output = Command::new(python)
        .arg(format!("{root}/tests/drivers/read_only_driver.py"))
        .args(address)
        .args(["app", "app", variable])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let reads: usize = said.lines().last().unwrap().parse().unwrap();
    let on = |member| general_log::run_by(member, "app", "/* driver:");
    let [primary, replicas @ ..] = cluster.members() else { panic!() };
    let (elsewhere, on_replicas) = (on(primary), replicas.iter().map(|replica| on(replica).len()).sum::<usize>());
    assert!(elsewhere.is_empty(), "{} of {reads} on the primary: {elsewhere:#?}", elsewhere.len());
    assert_eq!(on_replicas, reads, "each once, on a replica");
    println!("{flavor}: {reads} reads on replicas, none on the primary");
}
