//! A proxy that is told to stop.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use mysql_proxy::demo::{Cluster, Flavor, Signal};
use mysql_proxy::wire::{Capabilities, Command};

use crate::support::raw::{Raw, USUAL, Who};
use crate::support::{self, Proxy, on_both, wait_for};

const SOON: Duration = Duration::from_secs(10);

on_both!(
    a_drain_lets_transactions_finish_and_sends_idle_clients_away,
    a_drain_ends_at_its_deadline,
    idle_clients_end_as_at_a_server,
    a_connection_that_ends_for_being_idle_costs_nobody_an_error,
    a_second_signal_ends_it_at_once,
    what_begins_waits_while_the_primary_is_about_to_end,
    a_drain_in_a_hurry_cuts_nobody_in_the_middle_of_a_unit,
);

/// The end, without a word: an error that nobody has asked for would be the answer to the next command.
pub fn sent_away(session: &mut Raw) {
    session.patience(SOON);
    let said = session.read().map_err(|error| error.kind());
    assert_eq!(said, Err(ErrorKind::UnexpectedEof));
}

fn a_drain_lets_transactions_finish_and_sends_idle_clients_away(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 1) else { return };
    cluster.sql(0, "CREATE TABLE app.t (a INT PRIMARY KEY)").unwrap();
    cluster.catch_up(1, SOON).unwrap();
    let mut proxy = Proxy::start(&cluster, "");
    let mut idle = Raw::app(proxy.read_write);
    let mut busy = Raw::app(proxy.read_write);
    let mut writing = Raw::app(proxy.read_write);
    writing.run("BEGIN");
    writing.run("INSERT INTO t VALUES (1)");
    busy.send(Command::Query, b"SELECT 'done', SLEEP(1)").unwrap();
    wait_for("the statement runs", SOON, || (1..=2).any(|member| runs_on(&cluster, member - 1, "SLEEP(1)")));

    proxy.signal(Signal::Terminate);
    sent_away(&mut idle);
    wait_for("the drain begins", SOON, || proxy.log().contains("draining"));
    let mut late = Raw::app(proxy.read_write);
    assert_eq!(late.say("SELECT 'served'"), "served", "whom a balancer still sends here is served");
    sent_away(&mut late);
    assert_eq!(busy.hear().unwrap(), "done 0");
    sent_away(&mut busy);
    writing.run("INSERT INTO t VALUES (2)");
    assert_eq!(writing.say("SELECT COUNT(*) FROM t"), "2");
    writing.run("COMMIT");
    sent_away(&mut writing);
    assert_eq!(proxy.exit_code(SOON), Some(0), "{}", proxy.log());
    assert_eq!(cluster.sql(0, "SELECT COUNT(*) FROM app.t").unwrap(), [["2"]]);
}

fn a_drain_ends_at_its_deadline(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 0) else { return };
    let mut proxy = Proxy::start(&cluster, "limits.drain_timeout = '1s'");
    cluster.sql(0, "CREATE TABLE app.t (a INT)").unwrap();
    let [mut silent, mut going_on, mut in_transaction] = [(); 3].map(|()| {
        let mut session = Raw::app(proxy.read_write);
        session.run("BEGIN");
        session
    });
    let statements = ["SELECT SLEEP(81)", "INSERT INTO t SELECT SLEEP(82) FROM (SELECT 1 UNION SELECT 2) x"];
    let mut running = statements.map(|sql| {
        let mut session = Raw::app(proxy.read_write);
        session.send(Command::Query, sql.as_bytes()).unwrap();
        session
    });
    in_transaction.send(Command::Query, b"INSERT INTO t VALUES (SLEEP(83))").unwrap();
    for marker in ["SLEEP(81)", "SLEEP(82)", "SLEEP(83)"] {
        wait_for("the statement runs", SOON, || runs_on(&cluster, 0, marker));
    }
    let began = Instant::now();
    proxy.signal(Signal::Terminate);
    wait_for("the deadline", SOON, || proxy.log().contains("deadline has passed"));
    assert!(began.elapsed() >= Duration::from_secs(1), "it did not wait");
    let said = going_on.say("INSERT INTO t VALUES (1)");
    assert!(said.starts_with("ERROR 1053 (08S01): mysql-proxy: "), "{said}");
    for (session, code) in running.iter_mut().zip(["1053 (08S01)", "1180 (HY000)"]) {
        let said = session.hear().unwrap();
        assert!(said.starts_with(&format!("ERROR {code}: mysql-proxy: ")), "{said}");
    }
    let said = in_transaction.hear().unwrap();
    assert!(said.starts_with("ERROR 1053 (08S01): mysql-proxy: "), "{said}");
    [&mut silent, &mut going_on, &mut in_transaction, &mut running[0]].into_iter().for_each(sent_away);
    assert_eq!(proxy.exit_code(SOON), Some(0), "{}", proxy.log());
    for marker in ["SLEEP(81)", "SLEEP(82)", "SLEEP(83)"] {
        wait_for("the member ends what nobody waits for", SOON, || !runs_on(&cluster, 0, marker));
    }
    assert_eq!(cluster.sql(0, "SELECT COUNT(*) FROM app.t").unwrap(), [["0"]]);
}

/// What comes when a session is idle for longer than it may: the same from the proxy as from the server.
fn idle_clients_end_as_at_a_server(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| {
        options.replicas = 0;
        options.extra_cnf = "interactive-timeout=2\n".into();
    }) else {
        return;
    };
    let proxy = Proxy::start(&cluster, "");
    let interactive = Who { capabilities: USUAL | Capabilities::INTERACTIVE, ..Who::named("app") };
    let ends = |address: SocketAddr| {
        let mut stays = Raw::app(address);
        let mut sessions: Vec<Raw> = (0..4).map(|_| Raw::app(address)).collect();
        sessions.push(Raw::connect(address, &interactive).unwrap());
        assert_eq!(sessions[4].say("SELECT @@wait_timeout"), "2");
        sessions[0].run("SET SESSION wait_timeout = 1");
        sessions[1].run("SET wait_timeout = 2");
        sessions[2].run("BEGIN");
        sessions[2].run("SET SESSION wait_timeout = 1");
        sessions[3].run("SET SESSION wait_timeout = 2");
        assert_eq!(sessions[3].say("DO SLEEP(2.5)"), "OK", "working is not being idle");
        let began = Instant::now();
        // A word, or none.
        let ended: Vec<_> = sessions
            .iter_mut()
            .map(|session| {
                session.patience(SOON);
                let word = session.read().map(|word| (word.seqs, word.payload)).ok();
                assert!(session.is_closed());
                word
            })
            .collect();
        assert!((1..6).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
        assert_eq!(stays.say("SELECT @@wait_timeout"), "28800");
        ended
    };
    let (direct, proxied) = thread::scope(|scope| {
        let direct = scope.spawn(|| ends(cluster.primary().address()));
        let proxied = ends(proxy.read_write);
        (direct.join().unwrap(), proxied)
    });
    assert_eq!(proxied, direct);
}

/// A server ends a connection that was idle for `wait_timeout` just when another session's statement comes to it.
fn a_connection_that_ends_for_being_idle_costs_nobody_an_error(flavor: Flavor) {
    const SESSIONS: u64 = 12;
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 0) else { return };
    cluster.sql(0, "CREATE TABLE app.t (a INT)").unwrap();
    let proxy = Proxy::start(&cluster, "");
    let mut others: Vec<Raw> = (0..SESSIONS).map(|_| Raw::app(proxy.read_write)).collect();
    for round in 0..4 {
        let mut leaving: Vec<Raw> = (0..SESSIONS).map(|_| Raw::app(proxy.read_write)).collect();
        for session in &mut leaving {
            session.run("SET SESSION wait_timeout = 1");
            session.run("BEGIN");
            session.run("DO 1");
        }
        let ended: Vec<Instant> = leaving
            .iter_mut()
            .map(|session| {
                session.run("COMMIT");
                Instant::now()
            })
            .collect();
        drop(leaving);
        thread::scope(|scope| {
            for (number, (other, ended)) in others.iter_mut().zip(ended).enumerate() {
                // From 4 ms before to 7 ms behind the end.
                let strikes = ended + Duration::from_millis(996 + number as u64);
                scope.spawn(move || {
                    thread::sleep(strikes.saturating_duration_since(Instant::now()));
                    let text = if number % 2 == 0 { "SELECT 1" } else { "INSERT INTO t VALUES (1)" };
                    let said = other.say(text);
                    assert!(!said.contains("ERROR"), "{text} in round {round}: {said}");
                });
            }
        });
    }
    assert_eq!(cluster.sql(0, "SELECT COUNT(*) FROM app.t").unwrap(), [["24"]]);
    // On MariaDB the number means something else, which is the client's to know.
    cluster.sql(0, "SET GLOBAL log_bin_trust_function_creators = 1").unwrap();
    let text = "CREATE TRIGGER r BEFORE INSERT ON t FOR EACH ROW FOLLOWS missing SET NEW.a = 1";
    let own = Raw::app(cluster.primary().address()).say(text);
    assert!(own.contains(if flavor == Flavor::MySql { "ERROR 3011" } else { "ERROR 4031" }), "{own}");
    assert_eq!(others[0].say(text), own);
}

/// Whether a member runs a statement of the application's.
pub fn runs_on(cluster: &Cluster, member: usize, marker: &str) -> bool {
    let ask =
        format!("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%{marker}%' AND USER = 'app'");
    cluster.sql(member, &ask).unwrap() == [["1"]]
}

fn a_second_signal_ends_it_at_once(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 0) else { return };
    let mut proxy = Proxy::start(&cluster, "limits.drain_timeout = '60s'");
    let mut never_ending = Raw::app(proxy.read_write);
    never_ending.run("BEGIN");
    proxy.signal(Signal::Terminate);
    wait_for("the drain begins", SOON, || proxy.log().contains("draining"));
    never_ending.run("DO 0");
    let began = Instant::now();
    proxy.signal(Signal::Terminate);
    assert_eq!(proxy.exit_code(SOON), Some(0), "{}", proxy.log());
    assert!(began.elapsed() < Duration::from_secs(5), "it took {:?}", began.elapsed());
}

/// What is open there comes to its end, and what begins waits: for the primary to be back, here with the lock's end.
fn what_begins_waits_while_the_primary_is_about_to_end(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 1) else { return };
    cluster.sql(0, "CREATE TABLE app.t (a INT PRIMARY KEY)").unwrap();
    cluster.catch_up(1, SOON).unwrap();
    let proxy = Proxy::start(&cluster, "");
    let [mut open, mut begins, mut other] = [(); 3].map(|()| Raw::app(proxy.read_write));
    open.run("BEGIN");
    // A connection to the primary lies ready for whoever writes next.
    other.run("INSERT INTO t VALUES (0)");
    open.run("INSERT INTO t VALUES (1)");
    // Nobody closes a member for others but who watches it.
    let mut application = Raw::app(proxy.read_write);
    assert_eq!(application.say("SELECT GET_LOCK('mysql-proxy.leaving', 0)"), "1");
    thread::sleep(Duration::from_millis(700));
    other.run("INSERT INTO t VALUES (9)");
    assert_eq!(application.say("SELECT RELEASE_LOCK('mysql-proxy.leaving')"), "1");
    other.run("DELETE FROM t WHERE a = 9");
    let monitor = Who { password: "proxy", database: None, ..Who::named("proxy") };
    let mut operator = Raw::connect(cluster.primary().address(), &monitor).unwrap();
    assert_eq!(operator.say("SELECT GET_LOCK('mysql-proxy.leaving', 0)"), "1");
    wait_for("the proxy sees it", SOON, || proxy.log().contains("is about to end"));
    assert_eq!(begins.say("SELECT 'read elsewhere' FROM t UNION SELECT 'read elsewhere'"), "read elsewhere");
    begins.send(Command::Query, b"INSERT INTO t VALUES (3)").unwrap();
    open.run("INSERT INTO t VALUES (2)");
    open.run("COMMIT");
    thread::sleep(Duration::from_millis(200));
    let rows = || cluster.sql(0, "SELECT COUNT(*) FROM app.t").unwrap();
    assert_eq!(rows(), [["3"]], "only what was open has been done");
    assert_eq!(operator.say("SELECT RELEASE_LOCK('mysql-proxy.leaving')"), "1");
    assert_eq!(begins.hear().unwrap(), "OK");
    assert_eq!(rows(), [["4"]]);
}

/// Clients that say one thing after the other, as drivers do: which of these may find the connection closed.
const UNITS: &[(&[&str], &[&str])] = &[
    (&["SET autocommit = 0", "INSERT INTO t VALUES ()", "COMMIT", "SET autocommit = 1"], &["SET autocommit = 1"]),
    (&["PREPARE", "EXECUTE", "CLOSE"], &["CLOSE", "PREPARE"]),
    (&["SET NAMES utf8mb4", "INSERT INTO t VALUES ()"], &["SET NAMES utf8mb4"]),
];

fn a_drain_in_a_hurry_cuts_nobody_in_the_middle_of_a_unit(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 0) else { return };
    let mut proxy = Proxy::start(&cluster, "limits.drain_timeout = '8s'");
    cluster.sql(0, "CREATE TABLE app.t (a INT PRIMARY KEY AUTO_INCREMENT)").unwrap();
    let clients: Vec<_> = (0..4)
        .flat_map(|_| UNITS)
        .map(|(unit, may_fail)| {
            let mut session = Raw::app(proxy.read_write);
            thread::spawn(move || {
                let mut id = 0;
                for done in unit.iter().cycle() {
                    let said = match *done {
                        "PREPARE" => {
                            session.try_prepare("INSERT INTO t VALUES ()").map(|prepared| id = prepared.unwrap())
                        }
                        "EXECUTE" => session.execute(id, &[]).map(|reply| assert_eq!(reply[0].payload[0], 0, "no OK")),
                        "CLOSE" => session.send(Command::StmtClose, &id.to_le_bytes()),
                        sql => session.try_say(sql).map(|said| assert_eq!(said, "OK", "{sql}")),
                    };
                    if let Err(error) = said {
                        assert!(may_fail.contains(done), "{done} of {unit:?}: {error}");
                        return;
                    }
                }
            })
        })
        .collect();
    // Whoever has come just now has a second for its driver's first questions.
    thread::sleep(Duration::from_millis(1200));
    proxy.signal(Signal::Terminate);
    for client in clients {
        client.join().unwrap();
    }
    assert_eq!(proxy.exit_code(SOON), Some(0), "{}", proxy.log());
    assert!(!proxy.log().contains("deadline has passed"), "{}", proxy.log());
}
