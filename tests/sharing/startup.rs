//! What programs say when they connect (`tests/data/startup.txt`) keeps no connection: however many of them stand idle,
//! everybody else is served at once.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use mysql_proxy::demo::{Cluster, Flavor};

use crate::support::raw::Raw;
use crate::support::{self, Proxy, http, on_both};

/// Connections to each member; one session more has each program's start behind it.
const LIMIT: usize = 6;
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

/// A session that has said all that the program says at its start.
fn start(proxy: &Proxy, program: &Program, problems: &mut Vec<String>) -> Raw {
    let mut session = Raw::app(proxy.read_write);
    for line in &program.lines {
        let answer = match line.strip_prefix("@prepare ") {
            None => session.say(line),
            Some(sql) => prepared(&mut session, sql),
        };
        if answer.contains("ERROR ") {
            problems.push(format!("{}: {line}: {answer}", program.name));
            break;
        }
    }
    session
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
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// How long a write of another session takes, if that is long.
fn starves(proxy: &Proxy) -> Option<String> {
    let began = Instant::now();
    let mut session = Raw::app(proxy.read_write);
    let answer = session.say("INSERT INTO t (b) VALUES ('another')");
    let took = began.elapsed();
    (answer.contains("ERROR ") || took > AT_ONCE).then(|| format!("a write is answered {answer:?} after {took:?}"))
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
    all_together(&proxy(&cluster, 200), &programs, &mut problems);
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// One session more than there are connections, all of the same program.
fn each_alone(proxy: &Proxy, program: &Program, problems: &mut Vec<String>) {
    let count = if program.pins.is_some() { 1 } else { LIMIT + 1 };
    let wanted: Vec<String> = program.pins.iter().map(|pins| format!("{pins} 1")).collect();
    let before = problems.len();
    let mut sessions = Vec::new();
    while sessions.len() < count && problems.len() == before {
        sessions.push(start(proxy, program, problems));
    }
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
    let programs = programs.iter().filter(|program| program.pins.is_none());
    let sessions: Vec<Raw> = programs.cycle().take(201).map(|program| start(proxy, program, problems)).collect();
    problems.extend(starves(proxy));
    let left = pinned_in_the_end(proxy, &[]);
    if !left.is_empty() {
        problems.push(format!("of {} idle sessions {left:?} are pinned", sessions.len()));
    }
}
