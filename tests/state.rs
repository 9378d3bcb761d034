//! What a session has set up is there for each of its statements, wherever it runs, and for nobody else: the sessions
//! of `data/state.txt` give through the proxy, packet by packet, what they give on one server, while strangers use the
//! same two connections in between.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use mysql_proxy::demo::{Cluster, Flavor};
use mysql_proxy::wire::Command;
use support::raw::{Message, Raw, Who};
use support::reply::Kind;
use support::statement::execution;
use support::{Proxy, on_both};

const SOON: Duration = Duration::from_secs(20);

on_both!(sessions_go_through_the_proxy_as_they_go_on_one_server);

struct Script {
    name: &'static str,
    lines: Vec<&'static str>,
}

fn scripts(flavor: Flavor) -> Vec<Script> {
    let mut scripts: Vec<Script> = Vec::new();
    let lines = include_str!("data/state.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines {
        let line = match (flavor, line.split_once(": ")) {
            (Flavor::MySql, Some(("mysql", rest))) | (Flavor::MariaDb, Some(("mariadb", rest))) => rest,
            (_, Some(("mysql" | "mariadb", _))) => continue,
            _ => line,
        };
        match (line.strip_prefix("== "), scripts.last_mut()) {
            (Some(name), _) => scripts.push(Script { name, lines: Vec::new() }),
            (None, Some(script)) => script.lines.push(line),
            (None, None) => panic!("{line} is in no session"),
        }
    }
    scripts
}

/// Makes the databases anew, everywhere.
fn begin(cluster: &Cluster) {
    cluster
        .sql(
            0,
            "DROP DATABASE IF EXISTS one; DROP DATABASE IF EXISTS two; CREATE DATABASE one; CREATE DATABASE two;
             CREATE TABLE one.t (a INT AUTO_INCREMENT PRIMARY KEY, b VARCHAR(20));
             INSERT INTO one.t (b) VALUES ('x'), ('y'), ('z');
             CREATE TABLE two.u (c BIGINT PRIMARY KEY); INSERT INTO two.u VALUES (1);",
        )
        .unwrap();
    cluster.catch_up(1, SOON).unwrap();
}

/// Runs a line, and gives the packets of its reply; a statement's id, which is the server's choice, is left out.
fn run(session: &mut Raw, line: &str, prepared: &mut Vec<u32>) -> Vec<Message> {
    let Some(command) = line.strip_prefix('@') else {
        return session.ask(Command::Query, line.as_bytes(), Kind::Results).unwrap();
    };
    let (command, rest) = command.split_once(' ').unwrap_or((command, ""));
    let mut words = rest.split(' ');
    let mut nth = || prepared.get(words.next().unwrap().parse::<usize>().unwrap() - 1).copied().unwrap_or(0);
    match command {
        "reset" => session.ask(Command::ResetConnection, b"", Kind::One).unwrap(),
        "ping" => session.ask(Command::Ping, b"", Kind::One).unwrap(),
        "database" => session.ask(Command::InitDb, rest.as_bytes(), Kind::One).unwrap(),
        "change" => {
            let (user, database) = rest.split_once(' ').unwrap();
            let database = Some(database).filter(|name| *name != "-");
            session.change_user(&Who { database, ..Who::named(user) }).unwrap();
            Vec::new()
        }
        "prepare" => {
            let mut reply = session.ask(Command::StmtPrepare, rest.as_bytes(), Kind::Prepare).unwrap();
            let first = &mut reply[0].payload;
            if first[0] == 0 {
                let id: &mut [u8; 4] = (&mut first[1..5]).try_into().unwrap();
                prepared.push(u32::from_le_bytes(*id));
                *id = [0; 4];
            } else {
                prepared.push(u32::MAX);
            }
            reply
        }
        "execute" => {
            let id = nth();
            let parameters: Vec<_> = words.map(|word| Some(word.as_bytes())).collect();
            let mut reply = session.ask(Command::StmtExecute, &execution(id, 0, &parameters), Kind::Results).unwrap();
            without_id(&mut reply, id);
            reply
        }
        "cursor" => {
            let id = nth();
            session.ask(Command::StmtExecute, &execution(id, 1, &[]), Kind::Cursor).unwrap()
        }
        "long" => {
            let data = [&nth().to_le_bytes()[..], &[0, 0], b"sent"].concat();
            session.send(Command::StmtSendLongData, &data).unwrap();
            Vec::new()
        }
        "fetch" => {
            let id = nth();
            let wanted = [id.to_le_bytes(), 2_u32.to_le_bytes()].concat();
            let mut reply = session.ask(Command::StmtFetch, &wanted, Kind::Rows).unwrap();
            without_id(&mut reply, id);
            reply
        }
        "close" => {
            let id = nth();
            session.close(id);
            Vec::new()
        }
        other => panic!("no command {other}"),
    }
}

/// Takes a statement's id out of error 1243, which names it.
fn without_id(reply: &mut [Message], id: u32) {
    let message = &mut reply[0];
    if message.payload[0] == 0xff {
        let text = String::from_utf8_lossy(&message.payload).replace(&format!("({id})"), "(n)");
        message.payload = text.into_bytes();
    }
}

/// Somebody else, who keeps a state of its own and finds nothing but that.
struct Stranger {
    session: Raw,
    number: usize,
    written: u64,
}

const MINE: &str = "SELECT @@sql_mode, @@time_zone, @@character_set_client, @@sql_select_limit, @@autocommit, \
                    DATABASE(), @x, @a, @unset, @@group_concat_max_len";

impl Stranger {
    fn new(proxy: &Proxy, number: usize) -> Self {
        let mut session = Raw::connect(proxy.read_write, &Who { database: None, ..Who::named("app") }).unwrap();
        session.run("USE app");
        session
            .run(&format!("SET sql_mode = 'PIPES_AS_CONCAT', time_zone = '+0{number}:00', @x = 'stranger {number}'"));
        session.run(&format!("SET NAMES {}", ["latin1", "utf8mb4", "ascii"][number]));
        session.run(&format!("SET sql_select_limit = {}", 100 + number));
        session.run(&format!("CREATE TABLE strangers_{number} (a INT AUTO_INCREMENT PRIMARY KEY)"));
        Self { session, number, written: 0 }
    }

    fn disturb(&mut self) {
        let Self { session, number, written } = self;
        let expected = format!(
            "PIPES_AS_CONCAT +0{number}:00 {} {} 1 app stranger {number} NULL NULL {}",
            ["latin1", "utf8mb4", "ascii"][*number],
            100 + *number,
            session.say("SELECT @@group_concat_max_len"),
        );
        assert_eq!(session.say(MINE), expected);
        let said = session.say("SELECT CAST('q' AS SIGNED), LAST_INSERT_ID()");
        assert_eq!(said, format!("0 {written}"), "{}", session.say("SHOW PROXY ROUTE"));
        *written += 1;
        let (_, id, _) = session.change(&format!("INSERT INTO strangers_{number} () VALUES ()"));
        assert_eq!(id, *written);
        let found = session.say("SELECT SQL_CALC_FOUND_ROWS * FROM (SELECT 1 UNION SELECT 2 UNION SELECT 3) x LIMIT 1");
        assert_eq!(found, "1");
        // On MySQL that raises a warning, for which its connection would be kept a while.
        session.run("DO 0");
    }
}

fn sessions_go_through_the_proxy_as_they_go_on_one_server(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 1) else { return };
    cluster.sql(0, "GRANT ALL ON *.* TO app@'%'; CREATE ROLE actor; GRANT actor TO app@'%'").unwrap();
    let proxy = Proxy::start(&cluster, "pool.max_backend_connections = 4");
    let mut strangers: Vec<Stranger> = (0..3).map(|number| Stranger::new(&proxy, number)).collect();
    let mut turns = (0..3).cycle();
    let mut wrong = Vec::new();
    for script in scripts(flavor) {
        let who = Who { database: Some("one"), ..Who::named("app") };
        begin(&cluster);
        let mut direct = Raw::connect(cluster.primary().address(), &who).unwrap();
        let mut prepared = Vec::new();
        let expected: Vec<_> = script.lines.iter().map(|line| run(&mut direct, line, &mut prepared)).collect();
        drop(direct);
        begin(&cluster);
        let mut session = Raw::connect(proxy.read_write, &who).unwrap();
        let mut prepared = Vec::new();
        for (line, expected) in script.lines.iter().zip(expected) {
            let reply = run(&mut session, line, &mut prepared);
            if reply != expected {
                let route = session.say("SHOW PROXY ROUTE");
                wrong.push(format!(
                    "[{}] {line}\n  one server {expected:?}\n  the proxy  {reply:?}\n  {route}",
                    script.name
                ));
            }
            strangers[turns.next().unwrap()].disturb();
        }
    }
    assert!(wrong.is_empty(), "{} replies differ:\n{}", wrong.len(), wrong.join("\n"));
}
