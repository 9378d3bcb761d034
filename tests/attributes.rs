//! Query attributes on real servers: they reach the member as they were sent, `proxy.route` is followed like the
//! comment, and what cannot be read harms nobody.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::net::SocketAddr;
use std::process::Command as Program;
use std::time::Duration;

use mysql_proxy::demo::{Cluster, Flavor};
use mysql_proxy::wire::reader::{Reader, put_lenenc_bytes};
use mysql_proxy::wire::{Capabilities, Command};
use support::raw::{Raw, USUAL, Who, greeted};
use support::reply::Kind;
use support::{Proxy, general_log};

const SOON: Duration = Duration::from_secs(20);
const ROUTE: &str = "proxy.route";
/// In the flags of an execution.
const PARAMETER_COUNT_AVAILABLE: u8 = 8;

/// A client that speaks of attributes.
fn session(address: SocketAddr) -> Raw {
    let who = Who { capabilities: USUAL | Capabilities::QUERY_ATTRIBUTES, ..Who::named("app") };
    let session = Raw::connect(address, &who).unwrap();
    assert!(session.capabilities.contains(Capabilities::QUERY_ATTRIBUTES), "not offered");
    session
}

/// NULL bitmap, types with names, values; all of them text.
fn block(names: &[&str], values: &[&str]) -> Vec<u8> {
    let mut out = vec![0; values.len().div_ceil(8)];
    out.push(1);
    for name in names {
        out.extend([0xfe, 0]);
        put_lenenc_bytes(&mut out, name.as_bytes());
    }
    for value in values {
        put_lenenc_bytes(&mut out, value.as_bytes());
    }
    out
}

fn query(attributes: &[(&str, &str)], sql: &str) -> Vec<u8> {
    let mut out = vec![attributes.len() as u8, 1];
    if !attributes.is_empty() {
        let (names, values): (Vec<_>, Vec<_>) = attributes.iter().copied().unzip();
        out.extend(block(&names, &values));
    }
    out.extend_from_slice(sql.as_bytes());
    out
}

fn say(session: &mut Raw, attributes: &[(&str, &str)], sql: &str) -> String {
    session.send(Command::Query, &query(attributes, sql)).unwrap();
    session.hear().unwrap()
}

/// An execution with attributes behind its parameters; the types are left out if `types` is false.
fn execution(id: u32, parameters: &[&str], attributes: &[(&str, &str)], types: bool) -> Vec<u8> {
    let mut out = id.to_le_bytes().to_vec();
    let count = parameters.len() + attributes.len();
    out.push(if count > 0 { PARAMETER_COUNT_AVAILABLE } else { 0 });
    out.extend_from_slice(&1_u32.to_le_bytes());
    if count == 0 {
        return out;
    }
    out.push(count as u8);
    let names: Vec<_> = parameters.iter().map(|_| "").chain(attributes.iter().map(|(name, _)| *name)).collect();
    let values: Vec<_> = parameters.iter().copied().chain(attributes.iter().map(|(_, value)| *value)).collect();
    out.extend(if types { block(&names, &values) } else { block(&[], &values) });
    if !types {
        out[10 + count.div_ceil(8)] = 0;
    }
    out
}

/// The first column of the first row, which must be text, or the error.
fn execute(session: &mut Raw, argument: &[u8]) -> String {
    let reply = session.ask(Command::StmtExecute, argument, Kind::Results).unwrap();
    let first = &reply[0].payload;
    if first[0] == 0xff {
        return format!("ERROR {}", u16::from_le_bytes([first[1], first[2]]));
    }
    let columns = usize::from(first[0]);
    let row = &reply[1 + columns].payload;
    String::from_utf8_lossy(Reader::new(&row[1 + (columns + 9) / 8..]).lenenc_bytes().unwrap()).into_owned()
}

/// Target, member and reason of the session's previous statement.
fn route(session: &mut Raw) -> (String, SocketAddr, String) {
    let said = say(session, &[], "SHOW PROXY ROUTE");
    let mut words = said.split(' ').map(str::to_owned);
    let (target, member) = (words.next().unwrap(), words.next().unwrap());
    (target, member.parse().unwrap_or_else(|_| panic!("{said}")), words.next().unwrap())
}

fn cluster() -> Option<(Cluster, Proxy)> {
    let cluster = support::cluster(Flavor::MySql, |options| options.general_log = true)?;
    cluster
        .sql(
            0,
            "INSTALL COMPONENT 'file://component_query_attributes'; CREATE TABLE app.t (a INT PRIMARY KEY, b LONGTEXT); \
             INSERT INTO app.t VALUES (1, 'one'), (2, 'two')",
        )
        .unwrap();
    for replica in [1, 2] {
        cluster.catch_up(replica, SOON).unwrap();
    }
    // Two connections to each member, so that sessions share them all the time.
    let proxy = Proxy::start(&cluster, "[pool]\nmax_backend_connections = 2\n");
    Some((cluster, proxy))
}

#[test]
fn mariadb_does_not_offer_them() {
    let Some(cluster) = support::cluster(Flavor::MariaDb, |options| options.replicas = 1) else { return };
    let proxy = Proxy::start(&cluster, "");
    let greeting = greeted(proxy.read_write).unwrap().unwrap().greeting;
    assert!(!greeting.capabilities.contains(Capabilities::QUERY_ATTRIBUTES));
}

#[test]
fn the_wish_is_followed_where_the_comment_would_be() {
    let Some((cluster, proxy)) = cluster() else { return };
    let primary = cluster.primary().address();
    let mut session = session(proxy.read_write);
    let mut goes = |attributes: &[(&str, &str)], sql: &str| {
        let said = say(&mut session, attributes, sql);
        assert!(!said.starts_with("ERROR"), "{sql}: {said}");
        let (target, member, reason) = route(&mut session);
        assert_eq!(member == primary, target == "primary", "{sql}");
        reason
    };
    let read = "SELECT b FROM t WHERE a = 1";
    assert_eq!(goes(&[], read), "read");
    assert_eq!(goes(&[(ROUTE, "primary")], read), "hint_primary");
    assert_eq!(goes(&[("trace", "17"), ("PROXY.Route", "  PRIMARY ")], read), "hint_primary");
    assert_eq!(goes(&[("trace", "17"), (ROUTE, "elsewhere")], read), "read");
    assert_eq!(goes(&[], "SELECT @@read_only"), "instance_state");
    assert_eq!(goes(&[(ROUTE, "replica")], "SELECT @@read_only"), "hint_replica");
    // It beats the comment.
    assert_eq!(goes(&[(ROUTE, "replica")], &format!("/* proxy:primary */ {read}")), "read");
    assert_eq!(goes(&[("trace", "17")], &format!("/* proxy:primary */ {read}")), "hint_primary");
    // What writes, locks or belongs to a transaction does not go to a replica.
    assert_eq!(goes(&[(ROUTE, "replica")], "INSERT INTO t VALUES (3, 'three')"), "write");
    assert_eq!(goes(&[(ROUTE, "replica")], &format!("{read} FOR UPDATE")), "locking_read");
    goes(&[], "BEGIN");
    assert_eq!(goes(&[(ROUTE, "replica")], read), "in_transaction");
    goes(&[], "COMMIT");

    // And the members' own logs say the same, of a session that has nothing to wait for.
    let mut session = self::session(proxy.read_write);
    drop(say(&mut session, &[(ROUTE, "primary")], "SELECT 'marked for the primary'"));
    drop(say(&mut session, &[(ROUTE, "replica")], "SELECT 'marked for a replica', @@read_only"));
    let ran = |marker: &str| [0, 1, 2].map(|at| general_log::run_by(cluster.member(at), "app", marker).len());
    assert_eq!(ran("marked for the primary"), [1, 0, 0]);
    let [on_primary, one, other] = ran("marked for a replica");
    assert_eq!((on_primary, one + other), (0, 1));
    // Attributes are no part of the text.
    assert_eq!(general_log::run_by(cluster.primary(), "app", ROUTE), [""; 0]);
}

#[test]
fn attributes_reach_the_member_also_with_a_rewritten_text() {
    let Some((_cluster, proxy)) = cluster() else { return };
    let mut session = session(proxy.read_write);
    let ask = "SELECT mysql_query_attribute_string('trace')";
    assert_eq!(say(&mut session, &[("trace", "17")], ask), "17");
    assert_eq!(say(&mut session, &[], ask), "NULL");
    let id = session.id();
    let with_id = "SELECT mysql_query_attribute_string('trace'), CONNECTION_ID() + 0";
    assert_eq!(say(&mut session, &[("x", ""), ("trace", "17")], with_id), format!("17 {id}"));
    // What the proxy answers itself.
    assert_eq!(say(&mut session, &[("trace", "17")], "SELECT CONNECTION_ID()"), id.to_string());
    assert!(say(&mut session, &[("trace", "17")], &format!("KILL QUERY {id}")).contains("ERROR 1317"));
    // What the proxy says on its own account on such a connection.
    assert_eq!(say(&mut session, &[], "SET time_zone = '+05:00', @x = 5"), "OK");
    assert_eq!(say(&mut session, &[(ROUTE, "primary")], "SELECT @@time_zone, @x"), "+05:00 5");
    assert_eq!(say(&mut session, &[], "SELECT @@time_zone, @x"), "+05:00 5");
    assert_eq!(say(&mut session, &[], "SET NAMES latin1"), "OK");
    for route in ["primary", "replica"] {
        assert_eq!(say(&mut session, &[(ROUTE, route)], "SELECT @@collation_connection"), "latin1_swedish_ci");
    }
    assert_eq!(say(&mut session, &[], "SELECT CAST('x' AS SIGNED)"), "0");
    // Longer than its connection waits for the question.
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(say(&mut session, &[], "SHOW WARNINGS"), "Warning 1292 Truncated incorrect INTEGER value: 'x'");
    assert_eq!(say(&mut session, &[("trace", "1")], "SELECT nonsense").split(':').next(), Some("ERROR 1054 (42S22)"));
    drop(session.ask(Command::ResetConnection, b"", Kind::One).unwrap());
    assert_eq!(say(&mut session, &[("trace", "18")], ask), "18");
    // A session without them shares nothing with it.
    let mut other = Raw::app(proxy.read_write);
    assert_eq!(other.say("SELECT b FROM t WHERE a = 1"), "one");
}

#[test]
fn prepared_statements_have_them_on_every_connection() {
    let Some((cluster, proxy)) = cluster() else { return };
    let primary = cluster.primary().address();
    let mut sessions = [session(proxy.read_write), session(proxy.read_write), session(proxy.read_write)];
    let sql = "SELECT CONCAT_WS(' ', b, ?) FROM t WHERE a = ?";
    let traced = "SELECT mysql_query_attribute_string('trace')";
    let prepare = |session: &mut Raw| (session.prepare(sql).unwrap(), session.prepare(traced).unwrap());
    let ids = sessions.each_mut().map(prepare);
    for round in 0..6_u32 {
        for (number, session) in sessions.iter_mut().enumerate() {
            let (id, traced) = ids[number];
            let (text, row) = (format!("{number}.{round}"), (round % 2 + 1).to_string());
            let expected = format!("{} {text}", if row == "1" { "one" } else { "two" });
            let hint = if round % 3 == 1 { "primary" } else { "replica" };
            // Types may be left out after the first execution, though not those of attributes.
            let types = round % 2 == 0;
            let attributes = [("trace", "x"), (ROUTE, hint)];
            let attributes = if types { &attributes[..] } else { &[] };
            assert_eq!(execute(session, &execution(id, &[&text, &row], attributes, types)), expected);
            let (_, member, reason) = route(session);
            let to_primary = types && hint == "primary";
            assert_eq!((member == primary, reason == "hint_primary"), (to_primary, to_primary), "{round}");
            // And one without parameters of its own.
            let trace = format!("trace {round}");
            assert_eq!(execute(session, &execution(traced, &[], &[("trace", &trace)], true)), trace);
            assert_eq!(route(session).2, "unknown_function");
        }
    }
    // Within a transaction the wish is ignored.
    let (id, _) = ids[0];
    let session = &mut sessions[0];
    drop(say(session, &[], "BEGIN"));
    assert_eq!(execute(session, &execution(id, &["x", "1"], &[(ROUTE, "replica")], true)), "one x");
    assert_eq!(route(session).2, "in_transaction");
    drop(say(session, &[], "ROLLBACK"));
    // Parameters that were sent ahead are not among the values.
    let ahead = [&id.to_le_bytes()[..], &[0, 0], b"sent ahead"].concat();
    session.send(Command::StmtSendLongData, &ahead).unwrap();
    let mut argument = execution(id, &["", "2"], &[(ROUTE, "replica")], true);
    let empty = argument.windows(3).position(|window| window == [0, 1, b'2']).unwrap();
    argument.remove(empty);
    assert_eq!(execute(session, &argument), "two sent ahead");
}

#[test]
fn a_token_comes_with_a_query_or_an_execution() {
    let Some((cluster, proxy)) = cluster() else { return };
    let other = Proxy::start(&cluster, "routing = { consistency = 'eventual', causal_wait = '2s' }");
    let (mut writer, mut reader) = (session(proxy.read_write), session(other.read_write));
    let (plain, with) = ("SELECT b FROM t WHERE a = 9", "SELECT CONCAT(b, ?) FROM t WHERE a = 9");
    let id = reader.prepare(with).unwrap();
    drop(say(&mut writer, &[], "INSERT INTO t VALUES (9, '')"));
    for round in 0..100 {
        drop(say(&mut writer, &[], &format!("UPDATE t SET b = '{round}' WHERE a = 9")));
        let token = say(&mut writer, &[], "SHOW PROXY TOKEN");
        let after = [("trace", "x"), ("Proxy.After", token.as_str())];
        let seen = if round % 2 == 0 {
            say(&mut reader, &after, plain)
        } else {
            execute(&mut reader, &execution(id, &[""], &after, true))
        };
        assert_eq!(seen, round.to_string(), "{token}");
    }
    for nonsense in ["", "nonsense"] {
        let after = [("proxy.after", nonsense)];
        let said = say(&mut reader, &after, plain);
        let executed = execute(&mut reader, &execution(id, &[""], &after, true));
        assert!(said.contains("ERROR") && executed == "ERROR 1210", "{nonsense:?}: {said}, {executed}");
    }
    assert_eq!(say(&mut reader, &[], plain), "99");
}

#[test]
fn what_cannot_be_read_gets_the_servers_answer_and_harms_nobody() {
    let Some((cluster, proxy)) = cluster() else { return };
    let mut direct = session(cluster.primary().address());
    let mut through = session(proxy.read_write);
    for argument in [
        &b""[..],
        b"\x00",
        b"\x01",
        b"\x01\x01",
        b"\x01\x01\x00",
        b"\x01\x01\x00\x01\xfe\x00\x09short",
        b"\x01\x01\x00\x01\xfe\x00\x01n\x09short",
        b"\xfc\xff\xff\x01SELECT 1",
        b"\x00\x02SELECT 1",
        b"\xff\x01SELECT 1",
        b"\x01\x01\x00\x00\x01vSELECT 1",
        b"\x01\x01\x00\x01\x09\x00\x01n\x01vSELECT 1",
        b"\x01\x01\x00\x01\x63\x00\x01n\x01vSELECT 1",
        b"\x01\x01\x00\x01\xfe\x01\x01n\x01vSELECT 1",
        b"\x01\x01\x01\x01\xfe\x00\x01nSELECT 1",
        b"\x00\x01",
    ] {
        let [expected, heard] = [&mut direct, &mut through].map(|session| {
            session.send(Command::Query, argument).unwrap();
            session.hear().unwrap()
        });
        assert_eq!(heard, expected, "{}", argument.escape_ascii());
        assert_eq!(say(&mut through, &[], "SELECT 1"), "1");
    }
    drop(through.ask(Command::ResetConnection, b"", Kind::One).unwrap());
    // A text that cannot be found may have done anything: it goes to the primary, and keeps its connection.
    let unclear = b"\x01\x01\x00\x01\x63\x00\x01n\x01vSELECT GET_LOCK('unseen', 0)";
    drop(through.ask(Command::Query, unclear, Kind::Results).unwrap());
    assert_eq!(route(&mut through).2, "unreadable_text");
    drop(say(&mut through, &[], "SELECT 1"));
    assert_eq!(route(&mut through).2, "pinned");
    drop(through.ask(Command::ResetConnection, b"", Kind::One).unwrap());
    drop(say(&mut through, &[], "SELECT 1"));
    assert_eq!(route(&mut through).2, "read");

    let id = through.prepare("SELECT ?").unwrap();
    let direct_id = direct.prepare("SELECT ?").unwrap();
    for (behind, flags) in [
        (&b""[..], 0),
        (b"\x00", 0),
        (b"\x01", 8),
        (b"\x02\x00\x00\x01a\x01b", 8),
        (b"\x02\x00\x01\xfe\x00\x00", 0),
        (b"\xff", 8),
    ] {
        let argument = |id: u32| [&id.to_le_bytes()[..], &[flags], &[1, 0, 0, 0], behind].concat();
        let heard = (execute(&mut direct, &argument(direct_id)), execute(&mut through, &argument(id)));
        assert_eq!(heard.0, heard.1, "{}", behind.escape_ascii());
        assert_eq!(execute(&mut through, &execution(id, &["still"], &[], true)), "still");
    }
}

#[test]
fn long_ones_stream() {
    let Some((cluster, proxy)) = cluster() else { return };
    let mut session = session(proxy.read_write);
    let long = "x".repeat(3 << 20);
    let insert = format!("INSERT INTO t VALUES (10, '{long}')");
    assert_eq!(say(&mut session, &[("trace", "17"), (ROUTE, "replica")], &insert), "OK");
    assert_eq!(route(&mut session).1, cluster.primary().address());
    // The component gives the first 1023 bytes.
    let read = "SELECT LENGTH(b), LENGTH(mysql_query_attribute_string('trace')) FROM t WHERE a = 10";
    assert_eq!(say(&mut session, &[("trace", &long)], read), format!("{} 1023", 3 << 20));
    assert_eq!(route(&mut session).2, "unreadable_text");
}

#[test]
fn the_mysql_client_sends_them() {
    let Some((cluster, proxy)) = cluster() else { return };
    let address = proxy.read_write;
    let script = "SELECT b FROM t WHERE a = 1; SHOW PROXY ROUTE; query_attributes proxy.route primary; \
                  SELECT b FROM t WHERE a = 1; SHOW PROXY ROUTE; \
                  query_attributes trace 17; SELECT mysql_query_attribute_string('trace'); ";
    let output = Program::new(Flavor::MySql.find().unwrap().client)
        .args(["--no-defaults", "--protocol=tcp", "--batch", "--skip-column-names", "--commands"])
        .args(["--user=app", "--password=app"])
        .args([format!("--host={}", address.ip()), format!("--port={}", address.port())])
        .args([format!("--execute={}", script.replace("; ", ";\n")), "app".to_owned()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = said.lines().collect();
    let primary = cluster.primary().address();
    assert_eq!((lines.len(), lines[0], lines[2], lines[4]), (5, "one", "one", "17"), "{output:?}");
    assert!(lines[1].starts_with("replica\t") && lines[1].contains("\tread\t"), "{said}");
    assert!(lines[3].starts_with(&format!("primary\t{primary}\thint_primary\t")), "{said}");
}
