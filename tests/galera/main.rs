//! A real Galera cluster behind the proxy: one node takes the writes, the others serve reads, and no session misses
//! what it wrote, whatever happens to the nodes.
//!
//! One cluster for all of it, because a node takes some seconds to join; each chapter leaves it as it was.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cluster;
#[path = "../support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cluster::Galera;
use support::raw::Raw;
use support::{Proxy, wait_for};

const SOON: Duration = Duration::from_secs(40);

/// On a busy machine the nodes that are left need more than ten seconds to agree that they are the cluster.
const PATIENT: &str = "[pool]\nacquire_timeout = '30s'\n";

/// The monitor's interval, as in the proxy's usual configuration, three times over.
const A_FEW_CHECKS: Duration = Duration::from_millis(600);

#[test]
fn a_galera_cluster_is_served_through_everything() {
    let Some(mut galera) = Galera::start() else { return };
    galera.sql(0, "CREATE TABLE app.t (session INT, number INT, PRIMARY KEY (session, number)) ENGINE=InnoDB");
    galera.agreed("SELECT COUNT(*) FROM app.t");
    chapter("check finds nothing to complain about", || check_is_content(&galera));
    let proxy = Proxy::start_before(&galera.addresses(), PATIENT);
    chapter("who serves", || writes_go_to_one_node_and_reads_to_the_others(&galera, &proxy));
    chapter("own writes", || no_session_misses_its_writes_although_a_node_is_late(&galera, &proxy));
    chapter("reads behind writes", || readers_serve_the_reads_of_sessions_that_write(&galera));
    if support::long() {
        chapter("own writes of many", || no_session_of_many_misses_its_writes(&galera));
    }
    chapter("explicitly", || a_second_proxy_that_is_told_the_kind_chooses_the_same_node(&galera, &proxy));
    chapter("checks", || a_late_node_whose_statements_wait_is_late_and_not_down(&galera, &proxy));
    chapter("desync", || a_node_that_is_desynced_serves_nothing_and_comes_back(&galera, &proxy));
    chapter("reader without quorum", || a_reader_that_loses_the_cluster_serves_nothing_and_comes_back(&galera, &proxy));
    chapter("rejecting writer", || a_writer_that_rejects_queries_is_left_without_an_error(&galera, &proxy));
    chapter("late successor", || a_new_writer_that_is_late_is_waited_for(&galera, &proxy));
    chapter("killed writer", || a_killed_writer_is_replaced_and_nothing_confirmed_is_lost(&mut galera, &proxy));
}

fn chapter(name: &str, body: impl FnOnce()) {
    let begun = Instant::now();
    eprintln!("{name} …");
    body();
    eprintln!("{name}: {:.1?}", begun.elapsed());
}

/// Where a session that has not written anything is served.
fn read(proxy: &Proxy) -> SocketAddr {
    let mut session = Raw::app(proxy.read_write);
    session.say("SELECT COUNT(*) FROM t");
    session.served_by()
}

/// Where writes go. A transaction that writes nothing is not held up by locks.
fn writer(proxy: &Proxy) -> SocketAddr {
    let mut session = Raw::app(proxy.read_write);
    session.run("BEGIN");
    let writer = session.served_by();
    session.run("ROLLBACK");
    writer
}

fn reads_are_served_by(proxy: &Proxy, wanted: &[SocketAddr]) {
    wait_for("reads on just these nodes", SOON, || {
        let mut seen: Vec<SocketAddr> = (0..20).map(|_| read(proxy)).collect();
        seen.sort();
        seen.dedup();
        let mut wanted = wanted.to_vec();
        wanted.sort();
        seen == wanted
    });
}

fn check_is_content(galera: &Galera) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("proxy.toml");
    let members: Vec<String> = galera.addresses().iter().map(|address| format!("'{address}'")).collect();
    let configuration = format!(
        "[cluster]\nkind = 'galera'\nmembers = [{}]\nprimary = '{}'\n[monitor]\npassword = 'proxy'\n",
        members.join(", "),
        galera.address(0)
    );
    std::fs::write(&file, configuration).unwrap();
    let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_mysql-proxy"));
    let output = check.args(["check", "--connect", "--config"]).arg(&file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text} {}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains(&format!("ok      cluster.primary: {}", galera.address(0))), "{text}");
    assert!(!text.contains("remark") && !text.contains("WRONG"), "{text}");
}

fn writes_go_to_one_node_and_reads_to_the_others(galera: &Galera, proxy: &Proxy) {
    for number in 0..60 {
        let mut session = Raw::app(proxy.read_write);
        session.run("SET NAMES utf8mb4");
        assert_eq!(session.say(&format!("SELECT 'r-{number}-chapter1', COUNT(*) FROM t")).lines().count(), 1);
        session.run(&format!("INSERT INTO t VALUES (1, {number}) /* w-chapter1 */"));
        session.run("BEGIN");
        assert_eq!(session.number("SELECT COUNT(*) /* w-chapter1 */ FROM t WHERE session = 1"), number + 1);
        session.run("COMMIT");
    }
    let run = |marker| (0..3).map(|node| galera.run_by(node, "app", marker).len()).collect::<Vec<_>>();
    let (writes, reads) = (run("w-chapter1"), run("-chapter1', COUNT"));
    assert_eq!(writes, [120, 0, 0], "what writes, and what is read in the same transaction");
    assert!(reads[0] == 0 && reads[1] >= 10 && reads[2] >= 10 && reads[1] + reads[2] == 60, "{reads:?}");
}

fn no_session_misses_its_writes_although_a_node_is_late(galera: &Galera, proxy: &Proxy) {
    // Whatever it has received waits for this lock; the node says all the while that it is synced.
    let lock = galera.lock(2, "FLUSH TABLE app.t WITH READ LOCK");
    let late = Arc::new(AtomicU64::new(0));
    let sessions: Vec<_> = (10..14)
        .map(|number| {
            let (mut session, late, writer) = (Raw::app(proxy.read_write), Arc::clone(&late), galera.address(0));
            thread::spawn(move || {
                let read = format!("SELECT COUNT(*) /* r-chapter2 */ FROM t WHERE session = {number}");
                for time in 0..200 {
                    session.run(&format!("INSERT INTO t VALUES ({number}, {time})"));
                    assert_eq!(session.number(&read), time + 1, "{}", session.say("SHOW PROXY ROUTE"));
                    if time % 10 == 0 {
                        thread::sleep(A_FEW_CHECKS);
                        assert_eq!(session.number(&read), time + 1, "{}", session.say("SHOW PROXY ROUTE"));
                        late.fetch_add(u64::from(session.served_by() != writer), Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    for session in sessions {
        session.join().unwrap();
    }
    assert_eq!(galera.status(2, "wsrep_local_state_comment"), "Synced");
    assert_eq!(galera.sql(2, "SELECT COUNT(*) FROM app.t WHERE session BETWEEN 10 AND 13"), "0", "it was late");
    assert_eq!(galera.run_by(2, "app", "r-chapter2").len(), 0, "and served none of these reads");
    assert!(late.load(Ordering::Relaxed) >= 40, "of 80 later reads the other node has served few: {late:?}");
    drop(lock);
    assert_eq!(galera.agreed("SELECT COUNT(*) FROM app.t WHERE session BETWEEN 10 AND 13"), "800");
}

/// One write, nine reads, by turns, as text and prepared.
fn readers_serve_the_reads_of_sessions_that_write(galera: &Galera) {
    let (sessions, rounds) = if support::long() { (64, 100) } else { (8, 20) };
    let proxy = Proxy::start_before(&galera.addresses(), &format!("{PATIENT}[routing]\ncausal_wait = '1s'\n"));
    let by_turns = |id: u64| {
        let mut session = Raw::app(proxy.read_write);
        let select = session.prepare("SELECT CAST(COUNT(*) AS CHAR) FROM t WHERE session = ?").unwrap();
        for round in 1..=rounds {
            session.run(&format!("INSERT INTO t VALUES ({id}, {round})"));
            for read in 0..9 {
                let seen = match read % 2 {
                    0 => session.number(&format!("SELECT COUNT(*) FROM t WHERE session = {id}")),
                    _ => session.execute_text(select, &[&id.to_string()]).unwrap()[0].parse().unwrap(),
                };
                assert_eq!(seen, round, "session {id} missed its write");
            }
        }
    };
    thread::scope(|scope| {
        let by_turns = &by_turns;
        (0..sessions).for_each(|id| drop(scope.spawn(move || by_turns(1_000 + id))));
    });
    let served = |how: &str| proxy.metric(&format!("mysql_proxy_causal_reads_total{{how=\"{how}\"}}"));
    let (applied, waited, primary) = (served("applied"), served("waited"), served("primary"));
    eprintln!("{applied} reads at once, {waited} waited, {primary} on the writer");
    assert!(applied + waited >= 0.95 * (applied + waited + primary), "{applied}, {waited}, {primary}");
}

/// Many sessions whose commits are grouped, each reading until another node serves it: as soon as one may.
fn no_session_of_many_misses_its_writes(galera: &Galera) {
    let proxy =
        Proxy::start_before(&galera.addresses(), "[monitor]\ninterval = '50ms'\ntimeout = '50ms'\nfall = 100\n");
    let read_write = proxy.read_write;
    let sessions = (100..124).map(|number| {
        let (mut session, writer) = (Raw::app(read_write), galera.address(0));
        thread::spawn(move || {
            let mut elsewhere = 0;
            for time in 0..300 {
                session.run(&format!("INSERT INTO t VALUES ({number}, {time})"));
                for _ in 0..200 {
                    let seen = session.number(&format!("SELECT COUNT(*) FROM t WHERE session = {number}"));
                    let at = session.served_by();
                    assert_eq!(seen, time + 1, "at {at}");
                    elsewhere += u64::from(at != writer);
                    if at != writer {
                        break;
                    }
                }
            }
            elsewhere
        })
    });
    let sessions: Vec<_> = sessions.collect();
    let elsewhere: u64 = sessions.into_iter().map(|session| session.join().unwrap()).sum();
    eprintln!("  {elsewhere} of {} were read back at another node", 24 * 300);
}

fn a_second_proxy_that_is_told_the_kind_chooses_the_same_node(galera: &Galera, first: &Proxy) {
    let named = Proxy::start_before(&galera.addresses(), "[cluster]\nkind = 'galera'\n");
    assert_eq!((writer(&named), writer(first)), (galera.address(0), galera.address(0)));
    // Without a name it is the first one by name: here the addresses, which are ascending.
    let unnamed = Proxy::start_before(&galera.addresses(), "[cluster]\nkind = 'galera'\nprimary = 'auto'\n");
    assert_eq!(writer(&unnamed), galera.address(0));
    reads_are_served_by(&unnamed, &[galera.address(1), galera.address(2)]);
    a_token_counts_through_another_proxy(first, &unnamed);
    what_waits_for_all_nodes_is_prepared_anew_under_another_sql_mode(galera, first);
}

/// A connection that is reset on the way waits for nobody any more, and a fresh one for ever was no way out.
fn what_waits_for_all_nodes_is_prepared_anew_under_another_sql_mode(galera: &Galera, proxy: &Proxy) {
    let mut session = Raw::app(proxy.read_write);
    session.run("SET SESSION wsrep_sync_wait = 1");
    let id = session.prepare("SELECT CONCAT(?, COUNT(*)) FROM t WHERE session = 19").unwrap();
    session.run("SET SESSION sql_mode = 'ANSI_QUOTES'");
    for node in 0..3 {
        let connections = galera.sql(node, "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'app'");
        connections.lines().for_each(|id| drop(galera.sql(node, &format!("KILL {id}"))));
    }
    let begun = Instant::now();
    assert_eq!(session.execute_text(id, &["n"]).unwrap(), ["n0"]);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(session.say("SELECT @@wsrep_sync_wait, @@sql_mode"), "1 ANSI_QUOTES");
}

fn a_token_counts_through_another_proxy(one: &Proxy, other: &Proxy) {
    let (mut writer, mut reader) = (Raw::app(one.read_write), Raw::app(other.read_write));
    for number in 0..100 {
        writer.run(&format!("INSERT INTO t VALUES (14, {number})"));
        let token = writer.say("SHOW PROXY TOKEN");
        let read = format!("/* proxy:after={token} */ SELECT COUNT(*) FROM t WHERE session = 14");
        assert_eq!(reader.number(&read), number + 1, "{token}");
    }
    for token in ["v1.00000000.g.6c9f1bb5-ec73-11f1-95a3-5fa295559b0a:1", "v1.00000000.g.7", "v1.00000000.m.0-1-7"] {
        let said = reader.say(&format!("/* proxy:after={token} */ SELECT COUNT(*) FROM t"));
        assert!(said.contains("ERROR ") && said.contains("proxy:after: "), "{token}: {said}");
    }
}

fn a_late_node_whose_statements_wait_is_late_and_not_down(galera: &Galera, proxy: &Proxy) {
    galera.sql(2, "SET GLOBAL wsrep_sync_wait = 15");
    let lock = galera.lock(2, "FLUSH TABLE app.t WITH READ LOCK");
    Raw::app(proxy.read_write).run("INSERT INTO t VALUES (15, 0)");
    for kind in ["auto", "galera"] {
        let other = Proxy::start_before(&galera.addresses(), &format!("[cluster]\nkind = '{kind}'\n"));
        thread::sleep(A_FEW_CHECKS * 3);
        let up = format!("mysql_proxy_member_up{{member=\"{}\",role=\"replica\"}}", galera.address(2));
        assert!((other.metric(&up) - 1.0).abs() < f64::EPSILON, "{kind}: {}", other.log());
    }
    galera.sql(2, "SET GLOBAL wsrep_sync_wait = 0");
    drop(lock);
    assert_eq!(galera.agreed("SELECT COUNT(*) FROM app.t WHERE session = 15"), "1");
}

fn a_node_that_is_desynced_serves_nothing_and_comes_back(galera: &Galera, proxy: &Proxy) {
    galera.sql(2, "SET GLOBAL wsrep_desync = ON");
    reads_are_served_by(proxy, &[galera.address(1)]);
    let status = support::http(proxy.admin_http, "/api/v1/members").unwrap().1;
    assert!(status.contains("it is a donor or desynced"), "{status}");
    galera.sql(2, "SET GLOBAL wsrep_desync = OFF");
    reads_are_served_by(proxy, &[galera.address(1), galera.address(2)]);

    // The same happens to whoever is locked for a backup; a writer then hands over, and takes back.
    let lock = galera.lock(0, "FLUSH TABLES WITH READ LOCK");
    wait_for("the next one takes the writes", SOON, || writer(proxy) == galera.address(1));
    reads_are_served_by(proxy, &[galera.address(2)]);
    drop(lock);
    wait_for("the named one takes them back", SOON, || writer(proxy) == galera.address(0));
}

fn a_reader_that_loses_the_cluster_serves_nothing_and_comes_back(galera: &Galera, proxy: &Proxy) {
    // Sessions that read all the time notice nothing, although the node refuses with error 1047 before the monitor knows; nor do
    // those of a cluster whose reads wait for all nodes, which before that end with error 1205.
    let each = |sync_wait: u8| {
        (0..3).for_each(|node| drop(galera.sql(node, &format!("SET GLOBAL wsrep_sync_wait = {sync_wait}"))));
    };
    each(1);
    let strict = Proxy::start_before(&galera.addresses(), PATIENT);
    let stop = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = [proxy, &strict]
        .repeat(3)
        .into_iter()
        .map(|proxy| {
            let (stop, mut session) = (Arc::clone(&stop), Raw::app(proxy.read_write));
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let said = session.say("SELECT COUNT(*) FROM t");
                    assert!(said.parse::<u64>().is_ok(), "{said}");
                    // Who reads without a pause on a few cores keeps the nodes from hearing each other: all lose their quorum.
                    thread::sleep(Duration::from_millis(5));
                }
            })
        })
        .collect();
    galera.sql(1, "SET GLOBAL wsrep_provider_options = 'gmcast.isolate=1'");
    wait_for("it is without quorum", SOON, || galera.status(1, "wsrep_cluster_status") == "non-Primary");
    reads_are_served_by(proxy, &[galera.address(2)]);
    let status = support::http(proxy.admin_http, "/api/v1/members").unwrap().1;
    assert!(status.contains("has no quorum"), "{status}");
    galera.sql(1, "SET GLOBAL wsrep_provider_options = 'gmcast.isolate=0'");
    galera.synced(1);
    reads_are_served_by(proxy, &[galera.address(1), galera.address(2)]);
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().unwrap();
    }
    each(0);
}

/// What is done at a writer that refuses it with error 1047 before the monitor knows that it does.
const DONE_ELSEWHERE: &[fn(&mut Raw)] = &[
    |session| session.run("INSERT INTO t (session, number) VALUES (20, 2)"),
    |session| session.run("CREATE TABLE made (a INT PRIMARY KEY)"),
    |session| {
        session.run("BEGIN");
        session.run("INSERT INTO t VALUES (20, 3)");
        session.run("COMMIT");
    },
    |session| assert_eq!(session.say("SELECT COUNT(*) FROM t WHERE session = 20 FOR UPDATE"), "4"),
];

fn a_writer_that_rejects_queries_is_left_without_an_error(galera: &Galera, proxy: &Proxy) {
    let mut session = Raw::app(proxy.read_write);
    let insert = session.prepare("INSERT INTO t VALUES (20, ?)").unwrap();
    session.execute_text(insert, &["0"]).unwrap();
    galera.sql(0, "SET GLOBAL wsrep_reject_queries = ALL");
    session.execute_text(insert, &["1"]).unwrap();
    assert_eq!(session.served_by(), galera.address(1));
    assert_eq!(session.number("SELECT COUNT(*) FROM t WHERE session = 20"), 2);
    for (number, done) in DONE_ELSEWHERE.iter().enumerate() {
        galera.sql(0, "SET GLOBAL wsrep_reject_queries = NONE");
        wait_for("the named one takes the writes back", SOON, || writer(proxy) == galera.address(0));
        let mut session = Raw::app(proxy.read_write);
        galera.sql(0, "SET GLOBAL wsrep_reject_queries = ALL");
        done(&mut session);
        assert_eq!(session.served_by(), galera.address(1), "{number}");
    }
    galera.sql(0, "SET GLOBAL wsrep_reject_queries = NONE");
    wait_for("the named one takes the writes back", SOON, || writer(proxy) == galera.address(0));
    assert_eq!(galera.agreed("SELECT GROUP_CONCAT(number ORDER BY number) FROM app.t WHERE session = 20"), "0,1,2,3");
    galera.sql(0, "DROP TABLE app.made");
}

/// Leaves connections at the second node that were reset behind their sessions: on those a server ignores `wsrep_sync_wait`.
fn reset_connections_at_the_next_writer(galera: &Galera, proxy: &Proxy) {
    galera.sql(0, "SET GLOBAL wsrep_reject_queries = ALL");
    wait_for("the next one takes the writes", SOON, || writer(proxy) == galera.address(1));
    let mut sessions: Vec<Raw> = (0..4).map(|_| Raw::app(proxy.read_write)).collect();
    for session in &mut sessions {
        session.run("CREATE TEMPORARY TABLE own (a INT)");
    }
    drop(sessions);
    galera.sql(0, "SET GLOBAL wsrep_reject_queries = NONE");
    wait_for("the named one takes the writes back", SOON, || writer(proxy) == galera.address(0));
}

fn a_new_writer_that_is_late_is_waited_for(galera: &Galera, proxy: &Proxy) {
    reset_connections_at_the_next_writer(galera, proxy);
    // The next writer has received what it has not applied.
    let lock = galera.lock(1, "FLUSH TABLE app.t WITH READ LOCK");
    let mut sessions: Vec<Raw> = (0..3).map(|_| Raw::app(proxy.read_write)).collect();
    for (number, session) in sessions.iter_mut().enumerate() {
        session.run(&format!("INSERT INTO t VALUES (30, {number})"));
    }
    // Somebody who has not written brings along what another has.
    let mut bearer = Raw::app(proxy.read_write);
    let token = sessions[2].say("SHOW PROXY TOKEN");
    let brought = format!("/* proxy:after={token} */ SELECT COUNT(*) FROM t WHERE session = 30 AND number = 2");
    assert_eq!(bearer.number(&brought), 1, "{token}");
    galera.sql(0, "SET GLOBAL wsrep_reject_queries = ALL");
    wait_for("the late one takes the writes", SOON, || writer(proxy) == galera.address(1));
    assert_eq!(galera.sql(1, "SELECT COUNT(*) FROM app.t WHERE session = 30"), "0", "it was late");
    let begun = Instant::now();
    let questions = [
        "SELECT COUNT(*) FROM t WHERE session = 30 AND number = 0",
        "UPDATE t SET number = 10 WHERE session = 30 AND number = 1",
    ];
    let mut third = sessions.pop().unwrap();
    let token = thread::spawn(move || third.say("SHOW PROXY TOKEN"));
    let read = "/* proxy:primary */ SELECT COUNT(*) FROM t WHERE session = 30 AND number = 2";
    let bearer = thread::spawn(move || bearer.say(read));
    let waiting: Vec<_> = sessions
        .into_iter()
        .zip(questions)
        .map(|(mut session, sql)| thread::spawn(move || (session.say(sql), session.served_by(), session)))
        .collect();
    thread::sleep(Duration::from_secs(1));
    drop(lock);
    for (waiting, address) in waiting.into_iter().zip([galera.address(1), galera.address(1)]) {
        let (said, at, mut session) = waiting.join().unwrap();
        assert!(said == "1" || said.contains("OK"), "{said}");
        assert_eq!(at, address);
        assert!(begun.elapsed() >= Duration::from_millis(900));
        assert_eq!(session.number("SELECT COUNT(*) FROM t WHERE session = 30 AND number <> 2"), 2);
    }
    assert_eq!(bearer.join().unwrap(), "1", "what the token named is missing");
    let token = token.join().unwrap();
    let mut other = Raw::app(proxy.read_write);
    assert_eq!(other.number(&format!("/* proxy:after={token} */ {}", read.split_at(20).1)), 1, "{token}");
    galera.sql(0, "SET GLOBAL wsrep_reject_queries = NONE");
    wait_for("the named one takes the writes back", SOON, || writer(proxy) == galera.address(0));
    assert_eq!(galera.agreed("SELECT GROUP_CONCAT(number ORDER BY number) FROM app.t WHERE session = 30"), "0,2,10");
}

/// What one session knows of its inserts.
#[derive(Debug, Default)]
struct Inserted {
    confirmed: Vec<u64>,
    /// The longest time between two that were confirmed.
    pause: Duration,
}

fn a_killed_writer_is_replaced_and_nothing_confirmed_is_lost(galera: &mut Galera, proxy: &Proxy) {
    let stop = Arc::new(AtomicBool::new(false));
    let sessions: Vec<_> = (40..44)
        .map(|number| {
            let (stop, mut session) = (Arc::clone(&stop), Raw::app(proxy.read_write));
            thread::spawn(move || {
                let (mut inserted, mut latest) = (Inserted::default(), Instant::now());
                for time in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let said = session.say(&format!("INSERT INTO t VALUES ({number}, {time})"));
                    if said.contains("ERROR ") {
                        assert!(said.contains("1180") || said.contains("1213"), "{said}");
                        continue;
                    }
                    inserted.pause = inserted.pause.max(latest.elapsed());
                    (latest, inserted.confirmed) = (Instant::now(), [inserted.confirmed, vec![time]].concat());
                    let read = format!("SELECT COUNT(*) FROM t WHERE session = {number} AND number = {time}");
                    assert_eq!(session.number(&read), 1, "{}", session.say("SHOW PROXY ROUTE"));
                }
                inserted
            })
        })
        .collect();
    thread::sleep(Duration::from_secs(1));
    galera.kill(0);
    wait_for("the next one takes the writes", SOON, || writer(proxy) == galera.address(1));
    reads_are_served_by(proxy, &[galera.address(2)]);
    thread::sleep(Duration::from_secs(1));
    galera.restart(0);
    wait_for("the named one takes the writes back", SOON, || writer(proxy) == galera.address(0));
    reads_are_served_by(proxy, &[galera.address(1), galera.address(2)]);
    stop.store(true, Ordering::Relaxed);
    for (number, session) in (40..).zip(sessions) {
        let Inserted { confirmed, pause } = session.join().unwrap();
        eprintln!("  session {number}: {} confirmed, none for at most {pause:.1?}", confirmed.len());
        assert!(pause < Duration::from_secs(30), "{pause:?}");
        let there = galera.agreed(&format!("SELECT number FROM app.t WHERE session = {number} ORDER BY number"));
        let there: Vec<u64> = there.lines().map(|line| line.parse().unwrap()).collect();
        let lost: Vec<&u64> = confirmed.iter().filter(|one| !there.contains(one)).collect();
        assert!(lost.is_empty(), "confirmed and lost: {lost:?}");
    }
}
