//! What sessions that share connections must never notice of each other, with pools so small that they always share.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "sharing/startup.rs"]
mod startup;
mod support;

use std::time::{Duration, Instant};

use mysql_proxy::demo::{Cluster, Flavor};
use mysql_proxy::wire::{Capabilities, Command};
use support::raw::{Raw, Who};
use support::reply::Kind;
use support::statement::execution;
use support::{Proxy, on_both};

const SOON: Duration = Duration::from_secs(20);
const TABLE: &str = "CREATE TABLE app.t (a INT AUTO_INCREMENT PRIMARY KEY, b VARCHAR(20)) ENGINE=InnoDB";

on_both!(
    a_transaction_after_a_lost_read_only_one_is_the_sessions_own,
    what_stands_on_the_primary_outlives_a_lost_replica,
    what_a_failed_procedure_leaves_is_nobody_elses,
    a_statement_prepared_elsewhere_does_not_touch_the_transaction,
    a_prepared_statement_outlives_the_settings_of_others,
    closed_statements_are_closed_at_the_members,
    a_session_without_a_database_does_not_wait_for_those_that_have_one,
    the_read_only_port_writes_nothing,
    a_killed_read_is_not_run_again,
    long_statements_and_parameters_are_whole_on_every_connection,
    a_cursor_is_fetched_from_where_it_was_opened,
    a_cursor_inside_of_a_procedure_keeps_no_rows,
    parameters_sent_ahead_do_not_vanish_with_their_connection,
    a_member_never_has_more_connections_than_the_limit,
    connections_outlive_the_sessions_of_their_account,
    what_stands_outlives_many_statements,
);

/// A session at a member itself.
fn direct(cluster: &Cluster, member: usize) -> Raw {
    Raw::connect(cluster.members()[member].address(), &Who::named("admin")).unwrap()
}

/// Kills what `app` runs on a member.
fn cut(member: &mut Raw) {
    let ids = member.say("SELECT id FROM information_schema.processlist WHERE user = 'app'");
    for id in ids.split('|').filter(|id| !id.is_empty()) {
        drop(member.say(&format!("KILL {id}")));
    }
}

/// Kills what `app` runs on replicas.
fn cut_replicas(cluster: &Cluster) {
    for member in [1, 2] {
        cut(&mut direct(cluster, member));
    }
}

fn has(member: &mut Raw, b: &str) -> bool {
    member.number(&format!("SELECT COUNT(*) FROM app.t WHERE b = '{b}'")) > 0
}

/// A cluster with a table, and a proxy with two connections to each member.
fn shared(flavor: Flavor) -> Option<(Cluster, Proxy)> {
    let cluster = support::cluster(flavor, |_| {})?;
    cluster.sql(0, &format!("{TABLE}; GRANT ALL ON *.* TO app@'%'")).unwrap();
    catch_up(&cluster);
    let proxy = Proxy::start(&cluster, "[pool]\nmax_backend_connections = 2\n");
    Some((cluster, proxy))
}

fn catch_up(cluster: &Cluster) {
    for member in [1, 2] {
        cluster.catch_up(member, SOON).unwrap();
    }
}

fn a_transaction_after_a_lost_read_only_one_is_the_sessions_own(flavor: Flavor) {
    let Some((cluster, proxy)) = shared(flavor) else { return };
    let mut session = Raw::app(proxy.read_write);
    session.run("START TRANSACTION READ ONLY");
    assert_eq!(session.say("SELECT COUNT(*) FROM t"), "0");
    cut_replicas(&cluster);
    assert!(session.say("SELECT COUNT(*) FROM t").starts_with("ERROR 2013"));
    session.run("BEGIN");
    session.run("INSERT INTO t (b) VALUES ('undone')");
    let mut other = Raw::app(proxy.read_write);
    other.run("INSERT INTO t (b) VALUES ('kept')");
    session.run("ROLLBACK");
    let mut primary = direct(&cluster, 0);
    assert_eq!((has(&mut primary, "undone"), has(&mut primary, "kept")), (false, true));
}

fn what_stands_on_the_primary_outlives_a_lost_replica(flavor: Flavor) {
    let Some((cluster, proxy)) = shared(flavor) else { return };
    let mut session = Raw::app(proxy.read_write);
    session.run("START TRANSACTION READ ONLY");
    assert_eq!(session.say("SELECT COUNT(*) FROM t WHERE a < 0"), "0");
    assert_eq!(session.say("SELECT GET_LOCK('mine', 0)"), "1");
    cut_replicas(&cluster);
    assert!(session.say("SELECT COUNT(*) FROM t").starts_with("ERROR 2013"));
    session.run("DELETE FROM t WHERE a < 0");
    assert_eq!(Raw::app(proxy.read_write).say("SELECT RELEASE_LOCK('mine')"), "0");
    assert_eq!(session.say("SELECT RELEASE_LOCK('mine')"), "1");
}

fn what_a_failed_procedure_leaves_is_nobody_elses(flavor: Flavor) {
    let Some((cluster, proxy)) = shared(flavor) else { return };
    let sets = "SET @left = 1; SET SESSION sort_buffer_size = 333333; CREATE TEMPORARY TABLE app.left_over (a INT)";
    let begins = "START TRANSACTION; INSERT INTO app.t (b) VALUES ('failed')";
    for (name, body) in [("sets", sets), ("begins", begins)] {
        let sql = format!("CREATE PROCEDURE app.{name}() BEGIN {body}; SIGNAL SQLSTATE '45000'; END");
        direct(&cluster, 0).run(&sql);
    }
    let mut session = Raw::app(proxy.read_write);
    assert!(Raw::app(proxy.read_write).say("CALL sets()").starts_with("ERROR 1644"));
    assert!(session.say("CALL begins()").starts_with("ERROR 1644"));
    let mut other = Raw::app(proxy.read_write);
    other.run("INSERT INTO t (b) VALUES ('others')");
    for _ in 0..2 {
        assert!(other.say("INSERT INTO left_over VALUES (1)").contains("ERROR 1146"));
        assert_ne!(other.say("/* proxy:primary */ SELECT @@sort_buffer_size"), "333333");
        assert_eq!(other.say("/* proxy:primary */ SELECT @left"), "NULL");
    }
    assert_eq!(session.say("SELECT COUNT(*) FROM t WHERE b = 'failed'"), "1");
    session.run("ROLLBACK");
    let mut primary = direct(&cluster, 0);
    assert_eq!((has(&mut primary, "failed"), has(&mut primary, "others")), (false, true));
}

/// Prepares a read on a replica and gives its id.
fn read(session: &mut Raw) -> u32 {
    let id = session.prepare("SELECT CONCAT('n', COUNT(*)) FROM app.t").unwrap();
    session.execute_text(id, &[]).unwrap();
    id
}

fn a_statement_prepared_elsewhere_does_not_touch_the_transaction(flavor: Flavor) {
    let Some((cluster, proxy)) = shared(flavor) else { return };
    let mut primary = direct(&cluster, 0);

    let mut session = Raw::app(proxy.read_write);
    session.run("SET autocommit = 1");
    let id = read(&mut session);
    session.run("SET autocommit = 0");
    session.run("INSERT INTO t (b) VALUES ('undone')");
    assert_eq!(session.execute_text(id, &[]).unwrap(), ["n1"]);
    session.run("ROLLBACK");
    assert!(!has(&mut primary, "undone"));

    let mut session = Raw::connect(proxy.read_write, &Who { database: None, ..Who::named("app") }).unwrap();
    let id = read(&mut session);
    session.run("USE app");
    session.run("BEGIN");
    session.run("INSERT INTO t (b) VALUES ('kept')");
    assert_eq!(session.execute_text(id, &[]).unwrap(), ["n1"]);
    session.run("COMMIT");
    assert!(has(&mut primary, "kept"));

    primary.run("CREATE TABLE dropped (b VARCHAR(9))");
    catch_up(&cluster);
    let mut session = Raw::app(proxy.read_write);
    let id = session.prepare("SELECT b FROM dropped").unwrap();
    primary.run("DROP TABLE dropped");
    session.run("BEGIN");
    session.run("INSERT INTO t (b) VALUES ('also')");
    assert_eq!(session.execute_text(id, &[]).unwrap_err().code, 1146);
    session.run("COMMIT");
    assert!(has(&mut primary, "also"));
}

fn a_prepared_statement_outlives_the_settings_of_others(flavor: Flavor) {
    let Some((_cluster, proxy)) = shared(flavor) else { return };
    let mut session = Raw::app(proxy.read_write);
    let id = session.prepare("INSERT INTO t (b) VALUES (?)").unwrap();
    let mut other = Raw::app(proxy.read_write);
    other.run("SET SESSION sort_buffer_size = 400000");
    for _ in 0..3 {
        session.execute(id, &[Some(b"mine")]).unwrap();
        other.run("INSERT INTO t (b) VALUES ('others')");
    }
    assert_eq!(session.say("SELECT COUNT(*) FROM t WHERE b = 'mine'"), "3");
}

fn closed_statements_are_closed_at_the_members(flavor: Flavor) {
    let Some((cluster, proxy)) = shared(flavor) else { return };
    let mut session = Raw::app(proxy.read_write);
    for n in 0..200 {
        let id = session.prepare(&format!("UPDATE t SET b = 'x' WHERE a = {}", n / 2)).unwrap();
        session.close(id);
    }
    let count = direct(&cluster, 0).say("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'");
    assert!(count.split(' ').nth(1).unwrap().parse::<u32>().unwrap() < 50, "{count}");
    none_stay_prepared(&cluster);
}

/// Statements that no session has any more are closed in time.
fn none_stay_prepared(cluster: &Cluster) {
    let mut members: Vec<Raw> = (0..3).map(|member| direct(cluster, member)).collect();
    support::wait_for("statements that nobody has are closed", Duration::from_secs(5), || {
        let none = |member: &mut Raw| member.say("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'").ends_with(" 0");
        members.iter_mut().all(none)
    });
}

fn what_stands_outlives_many_statements(flavor: Flavor) {
    let Some((cluster, proxy)) = shared(flavor) else { return };
    let capabilities = support::raw::USUAL - Capabilities::DEPRECATE_EOF;
    let mut session = Raw::connect(proxy.read_write, &Who { capabilities, ..Who::named("app") }).unwrap();
    session.run("BEGIN");
    let id = session.prepare("SELECT 1 UNION SELECT 2 UNION SELECT 3").unwrap();
    session.ask(Command::StmtExecute, &execution(id, 1, &[]), Kind::Cursor).unwrap();
    let ahead = session.prepare("INSERT INTO t (b) VALUES (CONCAT(?, ?))").unwrap();
    let argument = [ahead.to_le_bytes().as_slice(), &[0, 0], b"ahead"].concat();
    session.send(Command::StmtSendLongData, &argument).unwrap();
    for n in 0..600 {
        let other = session.prepare(&format!("DO {n}")).unwrap();
        session.execute(other, &[]).unwrap();
    }
    let argument = [id.to_le_bytes(), 9_u32.to_le_bytes()].concat();
    let rows = session.ask(Command::StmtFetch, &argument, Kind::Rows).unwrap();
    assert_eq!(rows.iter().filter(|row| row.payload[0] == 0).count(), 3, "{rows:?}");
    let mut argument = execution(ahead, 0, &[Some(b"x"), Some(b"+")]);
    argument.drain(15..17);
    session.ask(Command::StmtExecute, &argument, Kind::Results).unwrap();
    assert_eq!(session.say("SELECT b FROM t"), "ahead+");
    drop(session);
    none_stay_prepared(&cluster);
}

fn a_session_without_a_database_does_not_wait_for_those_that_have_one(flavor: Flavor) {
    let Some((cluster, _)) = shared(flavor) else { return };
    // A login that is refused by every member waits for news from the monitor.
    let proxy = Proxy::start(&cluster, "[monitor]\ninterval = '1m'\n");
    let mut sessions: Vec<Raw> = (0..4).map(|_| Raw::app(proxy.read_write)).collect();
    for _ in 0..2 {
        let began = Instant::now();
        let who = Who { database: None, ..Who::named("app") };
        assert_eq!(Raw::connect(proxy.read_write, &who).unwrap().say("SELECT DATABASE()"), "NULL");
        assert!(began.elapsed() < Duration::from_millis(450), "{:?}", began.elapsed());
        for session in &mut sessions {
            assert_eq!(session.say("SELECT COUNT(*) FROM t"), "0");
            session.run("DELETE FROM t");
            session.run("DO 1");
        }
    }
}

fn the_read_only_port_writes_nothing(flavor: Flavor) {
    let Some((cluster, _)) = shared(flavor) else { return };
    let mut primary = direct(&cluster, 0);
    primary.run("SET GLOBAL log_bin_trust_function_creators = 1");
    primary.run(
        "CREATE FUNCTION app.writes() RETURNS INT DETERMINISTIC MODIFIES SQL DATA \
         BEGIN INSERT INTO app.t (b) VALUES ('written'); RETURN 1; END",
    );
    primary.run("CREATE USER low@'%' IDENTIFIED BY 'low'");
    primary.run("GRANT SELECT, INSERT, EXECUTE ON app.* TO low@'%'");
    catch_up(&cluster);
    let proxy = Proxy::start(&cluster, "[[users]]\nname = 'low'\npassword = 'low'\n");
    let low = |address| Raw::connect(address, &Who::named("low")).unwrap();
    assert!(low(proxy.read_only).say("SELECT writes()").starts_with("ERROR 1290"));
    assert!(!has(&mut primary, "written"));
    assert_eq!(low(proxy.read_write).say("/* proxy:replica */ SELECT writes()"), "1");
    assert!(has(&mut primary, "written"));
}

fn a_killed_read_is_not_run_again(flavor: Flavor) {
    let Some((_cluster, proxy)) = shared(flavor) else { return };
    let mut session = Raw::app(proxy.read_write);
    let id = session.id();
    let began = Instant::now();
    session.send(mysql_proxy::wire::Command::Query, b"SELECT SLEEP(20), COUNT(*) FROM t").unwrap();
    std::thread::sleep(Duration::from_millis(500));
    Raw::app(proxy.read_write).run(&format!("KILL {id}"));
    let said = session.hear();
    assert!(began.elapsed() < Duration::from_secs(10), "{said:?} after {:?}", began.elapsed());
    assert!(said.is_err() || said.is_ok_and(|said| said.starts_with("ERROR ")));
}

fn long_statements_and_parameters_are_whole_on_every_connection(flavor: Flavor) {
    let Some((_cluster, proxy)) = shared(flavor) else { return };
    let mut session = Raw::app(proxy.read_write);
    let long = "x".repeat(3_000_000);
    let mut prepare = |end: &str| session.prepare(&format!("SELECT CONCAT('n', LENGTH('{long}{end}'))")).unwrap();
    let (first, second) = (prepare("1"), prepare("22"));
    session.run("DELETE FROM t");
    for lead in ["", "BEGIN"] {
        if !lead.is_empty() {
            session.run(lead);
        }
        assert_eq!(session.execute_text(first, &[]).unwrap(), ["n3000001"]);
        assert_eq!(session.execute_text(second, &[]).unwrap(), ["n3000002"]);
    }
    session.run("ROLLBACK");

    let id = session.prepare("SELECT CONCAT('n', LENGTH(?))").unwrap();
    assert_eq!(session.execute_text(id, &[&long]).unwrap(), ["n3000000"]);
    session.run("BEGIN");
    // Without the types, as drivers send it the second time.
    let mut again = execution(id, 0, &[Some(long.as_bytes())]);
    again[10] = 0;
    again.drain(11..13);
    let reply = session.ask(Command::StmtExecute, &again, Kind::Results).unwrap();
    assert!(reply.iter().any(|message| message.payload.ends_with(b"n3000000")), "{reply:?}");
}

fn a_cursor_is_fetched_from_where_it_was_opened(flavor: Flavor) {
    let Some((_cluster, proxy)) = shared(flavor) else { return };
    for address in [proxy.read_write, proxy.read_only] {
        let mut session = Raw::connect(
            address,
            &Who { capabilities: support::raw::USUAL - Capabilities::DEPRECATE_EOF, ..Who::named("app") },
        )
        .unwrap();
        let id = session.prepare("SELECT 1 UNION SELECT 2 UNION SELECT 3").unwrap();
        session.ask(Command::StmtExecute, &execution(id, 1, &[]), Kind::Cursor).unwrap();
        let mut fetch = || {
            let argument = [id.to_le_bytes(), 2_u32.to_le_bytes()].concat();
            session.ask(Command::StmtFetch, &argument, Kind::Rows).unwrap()
        };
        let counts = [fetch(), fetch()].map(|rows| rows.iter().filter(|row| row.payload[0] == 0).count());
        assert_eq!(counts, [2, 1]);
    }
}

/// A procedure's own open cursor sets the flag that says of an execution that its rows are to be fetched.
fn a_cursor_inside_of_a_procedure_keeps_no_rows(flavor: Flavor) {
    let Some((cluster, proxy)) = shared(flavor) else { return };
    let body = "BEGIN DECLARE v INT; DECLARE c CURSOR FOR SELECT 5 UNION SELECT 6; OPEN c; FETCH c INTO v; SELECT v, 'v'; \
                FETCH c INTO v; SELECT v; CLOSE c; END";
    direct(&cluster, 0).run(&format!("CREATE PROCEDURE app.holds_cursor() {body}"));
    let capabilities = support::raw::USUAL - Capabilities::DEPRECATE_EOF;
    for capabilities in [capabilities, support::raw::USUAL] {
        let who = Who { capabilities, ..Who::named("app") };
        let mut server = Raw::connect(cluster.primary().address(), &who).unwrap();
        let mut session = Raw::connect(proxy.read_write, &who).unwrap();
        session.patience(SOON);
        assert_eq!(session.say("CALL holds_cursor()"), "5 v;6;OK");
        if flavor == Flavor::MariaDb {
            let block = body.replacen("BEGIN", "BEGIN NOT ATOMIC", 1);
            assert_eq!(session.say(&block), "5 v;6;OK");
        }
        for flags in [0, 1] {
            let call = |session: &mut Raw| {
                let id = session.prepare("CALL holds_cursor()").unwrap();
                let reply = session.ask(Command::StmtExecute, &execution(id, flags, &[]), Kind::Results).unwrap();
                assert_eq!(session.say("SELECT 'next'"), "next");
                reply.into_iter().map(|message| message.payload).collect::<Vec<_>>()
            };
            assert_eq!(call(&mut session), call(&mut server), "cursor flag {flags}");
        }
    }
}

fn parameters_sent_ahead_do_not_vanish_with_their_connection(flavor: Flavor) {
    let Some((cluster, proxy)) = shared(flavor) else { return };
    let mut session = Raw::app(proxy.read_write);
    let id = session.prepare("INSERT INTO t (b) VALUES (CONCAT(?, ?))").unwrap();
    let send_ahead = |session: &mut Raw| {
        let argument = [id.to_le_bytes().as_slice(), &[0, 0], b"ahead"].concat();
        session.send(Command::StmtSendLongData, &argument).unwrap();
        assert_eq!(session.say("SELECT COUNT(*) FROM t"), "0");
    };
    // What was sent ahead is left out of the execution.
    let mut argument = execution(id, 0, &[Some(b"x"), Some(b"+")]);
    argument.drain(15..17);
    send_ahead(&mut session);
    cut(&mut direct(&cluster, 0));
    assert!(session.say("SELECT COUNT(*) FROM t").starts_with("ERROR 2013"));
    let reply = session.ask(Command::StmtExecute, &argument, Kind::Results).unwrap();
    assert!(reply[0].payload.starts_with(b"\xff\xdd\x07"), "{reply:?}");
    send_ahead(&mut session);
    session.ask(Command::StmtExecute, &argument, Kind::Results).unwrap();
    assert_eq!(session.say("SELECT b FROM t"), "ahead+");
}

/// Each statement of these at the same time, each in a session of its own.
fn at_once(sessions: Vec<Raw>, sql: &str) -> Vec<Raw> {
    let run = |mut session: Raw| {
        session.say(sql);
        session
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = sessions.into_iter().map(|session| scope.spawn(move || run(session))).collect();
        running.into_iter().map(|running| running.join().unwrap()).collect()
    })
}

/// The most connections that the accounts had at a member while something was done.
fn most_connections<T>(cluster: &Cluster, member: usize, work: impl FnOnce() -> T) -> (u64, T) {
    const COUNT: &str = "SELECT COUNT(*) FROM information_schema.processlist WHERE user IN ('app', 'low')";
    let mut looks = direct(cluster, member);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let most = scope.spawn(|| {
            let mut most = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                most = most.max(looks.number(COUNT));
            }
            most
        });
        let result = work();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        (most.join().unwrap(), result)
    })
}

fn a_member_never_has_more_connections_than_the_limit(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 1) else { return };
    cluster.sql(0, "CREATE USER low@'%' IDENTIFIED BY 'low'; GRANT ALL ON *.* TO low@'%'").unwrap();
    cluster.catch_up(1, SOON).unwrap();
    let proxy = Proxy::start(
        &cluster,
        "[pool]\nmax_backend_connections = 10\n[[users]]\nname = 'app'\npassword = 'app'\n\
         [[users]]\nname = 'low'\npassword = 'low'\n",
    );
    let open = |user: &str| -> Vec<Raw> {
        (0..20).map(|_| Raw::connect(proxy.read_write, &Who::named(user)).unwrap()).collect()
    };
    let (app, low) = (open("app"), open("low"));
    let sleep = "/* proxy:primary */ SELECT SLEEP(0.1)";
    let (most, _) = most_connections(&cluster, 0, || {
        // All of them idle for one account, then wanted by the other.
        let (app, low) = (at_once(app, sleep), at_once(low, sleep));
        at_once(app.into_iter().chain(low).collect(), sleep)
    });
    assert!((8..=10).contains(&most), "{most}");
}

fn connections_outlive_the_sessions_of_their_account(flavor: Flavor) {
    let Some((cluster, proxy)) = shared(flavor) else { return };
    let before = direct(&cluster, 0).id();
    for _ in 0..30 {
        let mut session = Raw::app(proxy.read_write);
        session.run("DELETE FROM t");
    }
    // The members count their connections; the monitor and the tests make a few.
    let made = direct(&cluster, 0).id() - before;
    assert!(made < 10, "{made} connections for 30 sessions, one after the other");
}
