//! What programs say when they connect (`tests/data/startup.txt`) keeps no connection: however many of them stand idle,
//! everybody else is served at once.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mysql_proxy::demo::{Cluster, Flavor};
use mysql_proxy::wire::Command;

use crate::support::raw::Raw;
use crate::support::reply::Kind;
use crate::support::statement::execution;
use crate::support::{self, Proxy, http, on_both};

/// Connections to each member.
const LIMIT: usize = 6;
/// Sessions that have programs' starts behind them: one more than there are connections by default.
const SESSIONS: usize = 201;
/// As many of each program only in the long form, which is eleven thousand logins; else twice as many as there are connections.
const OF_EACH: usize = 2 * LIMIT + 1;
/// How many of them begin at the same time: fewer than there are connections.
const AT_A_TIME: usize = 4;
/// How long a write may take while all of them are idle.
const AT_ONCE: Duration = Duration::from_secs(1);

on_both!(nothing_that_is_said_at_the_start_keeps_a_connection);

/// A program, and what it says when it connects.
struct Program {
    name: String,
    lines: Vec<String>,
    /// What keeps its connection, with good reason.
    pins: Option<String>,
}

fn programs(flavor: Flavor) -> Vec<Program> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/startup.txt");
    let (own, other) = match flavor {
        Flavor::MariaDb => ("mariadb: ", "mysql: "),
        Flavor::MySql => ("mysql: ", "mariadb: "),
    };
    let mut programs: Vec<Program> = Vec::new();
    for line in fs::read_to_string(file).unwrap().lines().filter(|line| !line.is_empty() && !line.starts_with("# ")) {
        if let Some(name) = line.strip_prefix("== ") {
            programs.push(Program { name: name.to_owned(), lines: Vec::new(), pins: None });
            continue;
        }
        let program = programs.last_mut().expect("a program begins with its name");
        if let Some(pins) = line.strip_prefix("pins: ") {
            program.pins = Some(pins.to_owned());
        } else if !line.starts_with(other) {
            program.lines.push(line.strip_prefix(own).unwrap_or(line).to_owned());
        }
    }
    assert!(programs.len() >= 30);
    let wanted = std::env::var("MYSQL_PROXY_STARTUP").unwrap_or_default();
    programs.retain(|program| program.name.contains(&wanted));
    programs
}

fn proxy(cluster: &Cluster, limit: usize) -> Proxy {
    Proxy::start(cluster, &format!("[pool]\nmax_backend_connections = {limit}\nacquire_timeout = '2s'\n"))
}

/// A session that has said all that the program says at its start; or what went wrong.
fn start(proxy: &Proxy, program: &Program) -> Result<Raw, String> {
    let mut session = Raw::app(proxy.read_write);
    for line in &program.lines {
        let answer = match line.strip_prefix("@prepare ") {
            None => session.say(line),
            Some(sql) => prepared(&mut session, sql),
        };
        if answer.contains("ERROR ") {
            return Err(format!("{}: {line}: {answer}", program.name));
        }
    }
    Ok(session)
}

/// Sessions that have done so, of these programs by turns; each of those who begin them stops at the first problem.
fn start_many(proxy: &Proxy, programs: &[&Program], count: usize, problems: &mut Vec<String>) -> Vec<Raw> {
    let next = AtomicUsize::new(0);
    let begin = || -> (Vec<Raw>, Option<String>) {
        let mut begun = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return (begun, None);
            }
            match start(proxy, programs[number % programs.len()]) {
                Ok(session) => begun.push(session),
                Err(problem) => return (begun, Some(problem)),
            }
        }
    };
    let mut sessions = Vec::new();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_A_TIME.min(count)).map(|_| scope.spawn(begin)).collect();
        for (begun, problem) in threads.into_iter().map(|thread| thread.join().unwrap()) {
            sessions.extend(begun);
            problems.extend(problem);
        }
    });
    sessions
}

fn prepared(session: &mut Raw, sql: &str) -> String {
    match session.prepare(sql) {
        Err(error) => format!("ERROR {}", error.message),
        Ok(id) => {
            session.execute(id, &[]).unwrap();
            session.close(id);
            String::new()
        }
    }
}

/// The pins that stand now, with how many sessions have each.
fn pinned(proxy: &Proxy) -> Vec<String> {
    let (_, text) = http(proxy.admin_http, "/metrics").unwrap();
    let all = text.lines().filter_map(|line| line.strip_prefix("mysql_proxy_pinned_sessions{reason=\""));
    all.filter(|line| !line.ends_with(" 0")).map(|line| line.replace("\"}", "")).collect()
}

/// The same once there are as few as there should be, or after a while.
fn pinned_in_the_end(proxy: &Proxy, wanted: &[String]) -> Vec<String> {
    let began = Instant::now();
    loop {
        let found = pinned(proxy);
        if found == wanted || began.elapsed() > Duration::from_secs(2) {
            return found;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// How long a write of another session takes, if that is long.
fn starves(proxy: &Proxy) -> Option<String> {
    let mut began = Instant::now();
    let mut session = Raw::app(proxy.read_write);
    for write in ["INSERT INTO t (b) VALUES ('another')", "BEGIN", "DELETE FROM t WHERE a = 0", "COMMIT"] {
        let answer = session.say(write);
        let took = began.elapsed();
        if answer.contains("ERROR ") || took > AT_ONCE {
            return Some(format!("{write} is answered {answer:?} after {took:?}"));
        }
        began = Instant::now();
    }
    None
}

fn nothing_that_is_said_at_the_start_keeps_a_connection(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 1) else { return };
    cluster.sql(0, "CREATE TABLE app.t (a INT AUTO_INCREMENT PRIMARY KEY, b VARCHAR(20))").unwrap();
    cluster.sql(0, "GRANT ALL ON *.* TO app@'%'").unwrap();
    cluster.catch_up(1, Duration::from_secs(20)).unwrap();
    let programs = programs(flavor);
    let mut problems = Vec::new();
    {
        let proxy = proxy(&cluster, LIMIT);
        for program in &programs {
            each_alone(&proxy, program, &mut problems);
        }
    }
    {
        let proxy = proxy(&cluster, 200);
        all_together(&proxy, &programs, &mut problems);
        counts_do_not_drift(&proxy);
        what_an_idle_session_has_set_is_the_same_when_it_comes_back(&proxy);
    }
    who_finds_none_is_told_why(&proxy(&cluster, 2));
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// Many more sessions than there are connections, all of the same program.
fn each_alone(proxy: &Proxy, program: &Program, problems: &mut Vec<String>) {
    let count = match program.pins {
        Some(_) => 1,
        None if support::long() => SESSIONS,
        None => OF_EACH,
    };
    let wanted: Vec<String> = program.pins.iter().map(|pins| format!("{pins} 1")).collect();
    let sessions = start_many(proxy, &[program], count, problems);
    problems.extend(starves(proxy).map(|problem| format!("{}: {problem}", program.name)));
    let found = pinned_in_the_end(proxy, &wanted);
    if found != wanted {
        problems.push(format!("{}: pins {found:?} instead of {wanted:?}", program.name));
    }
    drop(sessions);
    let left = pinned_in_the_end(proxy, &[]);
    if !left.is_empty() {
        problems.push(format!("{}: pins {left:?} are left when its sessions have ended", program.name));
    }
}

/// As many as there are by default, and one more, of all programs.
fn all_together(proxy: &Proxy, programs: &[Program], problems: &mut Vec<String>) {
    let programs: Vec<&Program> = programs.iter().filter(|program| program.pins.is_none()).collect();
    let sessions = start_many(proxy, &programs, SESSIONS, problems);
    problems.extend(starves(proxy));
    let left = pinned_in_the_end(proxy, &[]);
    if !left.is_empty() {
        problems.push(format!("of {} idle sessions {left:?} are pinned", sessions.len()));
    }
}

fn stand(proxy: &Proxy, wanted: &[&str]) {
    let wanted: Vec<String> = wanted.iter().map(|&pin| pin.to_owned()).collect();
    assert_eq!(pinned_in_the_end(proxy, &wanted), wanted);
}

/// Pins that begin and end in the middle of commands, in transactions elsewhere, and with the protocol's statements.
fn counts_do_not_drift(proxy: &Proxy) {
    let mut session = Raw::app(proxy.read_write);
    for _ in 0..2 {
        session.run("SET TRANSACTION ISOLATION LEVEL READ COMMITTED");
        stand(proxy, &["next_transaction 1"]);
        session.run("START TRANSACTION READ ONLY");
        session.run("COMMIT");
        stand(proxy, &[]);
        session.run("START TRANSACTION READ ONLY");
        session.run("SET @a = NOW(), @b = (SELECT MAX(a) FROM t)");
        session.say("SELECT @c := 1");
        session.run("COMMIT");
        stand(proxy, &[]);
        let id = session.prepare("SELECT 1 UNION SELECT 2").unwrap();
        session.ask(Command::StmtExecute, &execution(id, 1, &[]), Kind::Cursor).unwrap();
        stand(proxy, &["open_cursor 1"]);
        let fetch = [id.to_le_bytes(), 9_u32.to_le_bytes()].concat();
        session.ask(Command::StmtFetch, &fetch, Kind::Rows).unwrap();
        stand(proxy, &[]);
        session.ask(Command::StmtExecute, &execution(id, 1, &[]), Kind::Cursor).unwrap();
        session.close(id);
        stand(proxy, &[]);
        let id = session.prepare("SELECT CONCAT(?, 'x')").unwrap();
        session.send(Command::StmtSendLongData, &[&id.to_le_bytes()[..], &[0, 0], b"ahead"].concat()).unwrap();
        stand(proxy, &["long_data 1"]);
        session.ask(Command::StmtReset, &id.to_le_bytes(), Kind::One).unwrap();
        stand(proxy, &[]);
        let id = session.prepare("SELECT ROW_COUNT()").unwrap();
        stand(proxy, &["prepared_statement 1"]);
        session.close(id);
        stand(proxy, &[]);
    }
    session.prepare("SELECT ROW_COUNT()").unwrap();
    session.run("CREATE TEMPORARY TABLE app.mine (a INT)");
    stand(proxy, &["temporary_table 1", "prepared_statement 1"]);
    drop(session);
    stand(proxy, &[]);
}

const VALUES: &str = "SELECT @i, @u, @d, @f, @s, @b, @t, @n, @l, HEX(@s), CHARSET(@s), COLLATION(@s), CHARSET(@b), \
                      @d + 1, @f / 3, @i DIV 2, @u - 1, @s = 'A', @none, LENGTH(@l), @old, @row";

/// The connection that knew what user variables are goes back while the session is idle, and others use it.
fn what_an_idle_session_has_set_is_the_same_when_it_comes_back(proxy: &Proxy) {
    let mut session = Raw::app(proxy.read_write);
    session.run("SET @i = 3 - 10, @u = CAST(7 AS UNSIGNED) + 18446744073709551600, @d = 1.50 * 2, @f = 1e0 / 7");
    session.run(
        "SET @s = CONVERT(_latin1 X'E9' USING latin1) COLLATE latin1_german1_ci, @b = UNHEX('00FF27'), @t = TIME('10:00:00.5')",
    );
    session.run("SET @n = NULLIF(1, 1), @l = REPEAT('x', 3000), @old = @@sql_mode");
    session.say("SELECT @row := a FROM t LIMIT 1");
    let types =
        |session: &mut Raw| format!("{:?}", session.ask(Command::Query, VALUES.as_bytes(), Kind::Results).unwrap());
    let before = types(&mut session);
    stand(proxy, &[]);
    for n in 0..5 {
        Raw::app(proxy.read_write).run(&format!("SET @i = {n}, @none = {n}, sql_mode = ''"));
    }
    assert_eq!(types(&mut session), before);
    session.run("INSERT INTO t (b) VALUES (@i)");
    assert_eq!(session.say("SELECT b FROM t ORDER BY a DESC LIMIT 1"), "-7");
}

fn who_finds_none_is_told_why(proxy: &Proxy) {
    let mut keepers: Vec<Raw> = (0..2).map(|_| Raw::app(proxy.read_write)).collect();
    keepers[0].run("CREATE TEMPORARY TABLE app.kept (a INT)");
    assert_eq!(keepers[1].say("SELECT GET_LOCK('kept', 0)"), "1");
    let route = keepers[1].say("SHOW PROXY ROUTE");
    assert!(route.ends_with(" get_lock RELEASE_LOCK when it is no longer needed"), "{route}");
    let said = Raw::app(proxy.read_write).say("INSERT INTO t (b) VALUES ('in vain')");
    assert!(said.contains("ERROR 9001"), "{said}");
    assert!(said.contains("sessions keep connections of their own by temporary_table 1, get_lock 1"), "{said}");
    let log = proxy.log();
    for wanted in ["a session keeps its connection", "no connection came free while sessions keep theirs"] {
        assert!(log.contains(wanted), "{wanted} is not in the log:\n{log}");
    }
}
