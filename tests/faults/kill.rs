//! `KILL` with the ids of the proxy, which are none of a member: it reaches whom it names, and nobody else.

use std::thread;
use std::time::Duration;

use mysql_proxy::demo::{Cluster, Flavor};
use mysql_proxy::wire::Command;

use crate::ending::{runs_on, sent_away};
use crate::support::raw::{Raw, Who};
use crate::support::reply::Kind;
use crate::support::{self, Proxy, on_both, wait_for};

const SOON: Duration = Duration::from_secs(10);

on_both!(
    kill_works_with_the_ids_of_the_proxy,
    a_kill_right_behind_a_statement_reaches_it,
    ids_are_no_members_and_no_other_proxys,
    who_may_not_kill_marks_nobody,
);

/// A session that runs a long statement on the primary.
fn sleeping(
    cluster: &Cluster,
    proxy: &Proxy,
    seconds: u32,
) -> (u32, thread::JoinHandle<(std::io::Result<String>, Raw)>) {
    let mut session = Raw::app(proxy.read_write);
    let id = session.id();
    assert_eq!(session.number("SELECT CONNECTION_ID()"), u64::from(id));
    // MySQL takes an interrupted SLEEP() for a result, and ends the statement at the next row.
    let sql = format!("INSERT INTO t SELECT SLEEP({seconds}) FROM (SELECT 1 UNION SELECT 2) x");
    let running = thread::spawn(move || (session.try_say(&sql), session));
    wait_for("the statement runs", SOON, || runs_on(cluster, 0, &format!("SLEEP({seconds})")));
    (id, running)
}

fn kill_works_with_the_ids_of_the_proxy(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 1) else { return };
    cluster.sql(0, "CREATE TABLE app.t (a INT)").unwrap();
    cluster.catch_up(1, SOON).unwrap();
    let proxy = Proxy::start(&cluster, "");
    let mut killer = Raw::app(proxy.read_write);

    let (id, running) = sleeping(&cluster, &proxy, 71);
    killer.run(&format!("KILL QUERY {id}"));
    let (said, mut session) = running.join().unwrap();
    assert_eq!(said.unwrap(), "ERROR 1317 (70100): Query execution was interrupted");
    assert_eq!(session.say("SELECT 'usable'"), "usable");
    assert_eq!(session.number("SELECT CONNECTION_ID()"), u64::from(id));

    for (seconds, by_command) in [(72, false), (73, true)] {
        let (id, running) = sleeping(&cluster, &proxy, seconds);
        if by_command {
            let reply = killer.ask(Command::ProcessKill, &id.to_le_bytes(), Kind::One).unwrap();
            assert_eq!(reply[0].payload[0], 0, "{reply:?}");
        } else {
            killer.run(&format!("KILL CONNECTION {id}"));
        }
        let (said, mut session) = running.join().unwrap();
        if let Ok(said) = said {
            assert!(said.starts_with("ERROR "), "{said}");
        }
        wait_for("the killed connection to end", SOON, || session.is_closed() || session.read().is_err());
    }

    let mut idle = Raw::app(proxy.read_write);
    killer.run(&format!("KILL {}", idle.id()));
    sent_away(&mut idle);
    assert_eq!(cluster.sql(0, "SELECT COUNT(*) FROM app.t").unwrap(), [["0"]]);

    for kill in ["KILL QUERY CONNECTION_ID()", "KILL CONNECTION_ID()"] {
        let mut direct = Raw::app(cluster.primary().address());
        let mut session = Raw::app(proxy.read_write);
        assert_eq!(session.say(kill), direct.say(kill));
        assert_eq!(session.try_say("SELECT 1").ok(), direct.try_say("SELECT 1").ok(), "{kill}");
    }
    for by_command in [false, true] {
        let mut session = Raw::app(proxy.read_write);
        let said = if by_command {
            let id = session.id().to_le_bytes();
            let reply = session.ask(Command::ProcessKill, &id, Kind::One).unwrap();
            mysql_proxy::wire::err::SqlError::parse(&reply[0].payload).unwrap().to_string()
        } else {
            let id = session.id();
            session.say(&format!("KILL {id}"))
        };
        let code = if flavor == Flavor::MariaDb { "1927" } else { "1317" };
        assert!(said.contains(code), "{said}");
        assert!(session.is_closed());
    }
    killed_ddl_is_told_to_be_killed(flavor, &cluster, &proxy);
}

/// A statement that commits by itself, and whose connection ends by a kill.
fn killed_ddl_is_told_to_be_killed(flavor: Flavor, cluster: &Cluster, proxy: &Proxy) {
    let mut reader = Raw::app(cluster.primary().address());
    reader.run("BEGIN");
    assert_eq!(reader.number("SELECT COUNT(*) FROM t"), 0);
    let mut session = Raw::app(proxy.read_write);
    let id = session.id();
    let altering = thread::spawn(move || session.try_say("ALTER TABLE t ADD COLUMN b INT"));
    wait_for("the statement waits", SOON, || runs_on(cluster, 0, "ADD COLUMN b"));
    Raw::app(proxy.read_write).run(&format!("KILL {id}"));
    let said = altering.join().unwrap().unwrap();
    let code = if flavor == Flavor::MariaDb { "ERROR 1927 (70100)" } else { "ERROR 1317 (70100)" };
    assert!(said.starts_with(code), "{said}");
}

/// As a driver does that gives up: the statement has just been sent.
fn a_kill_right_behind_a_statement_reaches_it(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 1) else { return };
    let proxy = Proxy::start(&cluster, "");
    let mut killer = Raw::app(proxy.read_write);
    // At once, and while the proxy or a member is about to begin.
    for pause in (0..60).map(|turn| Duration::from_micros(turn % 6 * 100)) {
        let mut session = Raw::app(proxy.read_write);
        let id = session.id();
        let kill = format!("KILL QUERY {id}");
        session.send(Command::Query, b"SELECT SLEEP(20) FROM (SELECT 1 UNION SELECT 2) x FOR UPDATE").unwrap();
        thread::sleep(pause);
        killer.run(&kill);
        session.patience(Duration::from_secs(8));
        let said = session.hear().expect("the kill did not reach the statement");
        assert!(said.contains("ERROR 1317 (70100): Query execution was interrupted"), "{said}");
        assert_eq!(session.say("SELECT 'usable'"), "usable");
    }
}

fn ids_are_no_members_and_no_other_proxys(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 1) else { return };
    let [one, other] = [(); 2].map(|()| Proxy::start(&cluster, ""));
    let mut sessions: Vec<Raw> = (0..3).map(|_| Raw::app(one.read_write)).collect();
    let mut others: Vec<Raw> = (0..3).map(|_| Raw::app(other.read_write)).collect();
    let ids: Vec<u32> = sessions.iter().chain(&others).map(Raw::id).collect();
    assert!(ids.iter().all(|id| id >> 30 == 0b01), "{ids:x?}");
    // One start in a thousand gives both proxies the same number.
    if ids[0] >> 20 != ids[3] >> 20 {
        for id in &ids[3..] {
            for kill in [format!("KILL {id}"), format!("KILL QUERY {id}")] {
                assert_eq!(sessions[0].say(&kill), format!("ERROR 1094 (HY000): Unknown thread id: {id}"));
            }
            let reply = sessions[0].ask(Command::ProcessKill, &id.to_le_bytes(), Kind::One).unwrap();
            assert!(reply[0].payload.starts_with(&[0xff, 0x46, 0x04]), "{reply:?}");
        }
    }
    assert!(others.iter_mut().all(|session| session.say("SELECT 1") == "1"));
    // What is not the proxy's goes to the primary.
    let mut direct = Raw::app(cluster.primary().address());
    let kill = format!("KILL {}", direct.id());
    sessions[0].run(&kill);
    assert!(direct.try_say("SELECT 1").is_err());
    assert!(sessions.iter_mut().all(|session| session.say("SELECT 1") == "1"));
}

fn who_may_not_kill_marks_nobody(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 0) else { return };
    let accounts = "CREATE USER bob@'%' IDENTIFIED BY 'bob'; CREATE USER boss@'%' IDENTIFIED BY 'boss'; \
                    GRANT ALL ON *.* TO boss@'%'";
    cluster.sql(0, accounts).unwrap();
    cluster.sql(0, "CREATE TABLE app.t (a INT)").unwrap();
    let proxy = Proxy::start(&cluster, "");
    let someone = |user| Raw::connect(proxy.read_write, &Who { database: None, ..Who::named(user) }).unwrap();
    let (mut bob, mut boss) = (someone("bob"), someone("boss"));

    let mut idle = Raw::app(proxy.read_write);
    let (id, running) = sleeping(&cluster, &proxy, 74);
    for victim in [id, idle.id()] {
        for kill in [format!("KILL {victim}"), format!("KILL QUERY {victim}")] {
            let said = bob.say(&kill);
            assert_eq!(said, format!("ERROR 1095 (HY000): You are not owner of thread {victim}"));
        }
    }
    // Nobody has killed it: whoever is lost now is lost, not killed.
    let find = "SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE '%SLEEP(74)%' AND USER = 'app'";
    let thread = cluster.sql(0, find).unwrap()[0][0].clone();
    cluster.sql(0, &format!("KILL {thread}")).unwrap();
    let (said, mut session) = running.join().unwrap();
    let said = said.unwrap();
    assert!(said.starts_with("ERROR 1180"), "{said}");
    assert_eq!(session.say("SELECT 'usable'"), "usable");
    assert_eq!(idle.say("SELECT 'usable'"), "usable");

    // Who has the privilege may, whether it is idle or not; and whose it is may change.
    boss.run(&format!("KILL {}", idle.id()));
    sent_away(&mut idle);
    if flavor == Flavor::MariaDb {
        session.change_user(&Who { database: None, ..Who::named("bob") }).unwrap();
        bob.run(&format!("KILL {id}"));
        sent_away(&mut session);
    }
}
