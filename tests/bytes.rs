//! What the proxy passes on is what the primary says, packet by packet and byte by byte; and what is large streams.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::thread;
use std::time::Duration;

use mysql_proxy::demo::{Cluster, Flavor};
use mysql_proxy::wire::ok::OkPacket;
use mysql_proxy::wire::{Capabilities, Command, Extensions};
use support::raw::{Message, Raw, USUAL, Who};
use support::reply::{Kind, Part};
use support::statement::execution;
use support::{Proxy, on_both};

const SOON: Duration = Duration::from_secs(60);
/// The longest payload of one packet.
const PACKET: usize = 0xff_ff_ff;

on_both!(
    replies_are_the_primarys_byte_by_byte,
    rows_and_commands_of_any_size_pass,
    a_large_result_streams_in_constant_memory
);

const TYPES: &str = "CREATE TABLE app.types (id INT PRIMARY KEY AUTO_INCREMENT, ti TINYINT, ut TINYINT UNSIGNED, si SMALLINT, \
    mi MEDIUMINT, i INT UNSIGNED ZEROFILL, bi BIGINT, ub BIGINT UNSIGNED, d DECIMAL(30,10), f FLOAT, do DOUBLE, \
    b BIT(17), da DATE, dt DATETIME(6), ts TIMESTAMP NULL, t TIME(3), y YEAR, c CHAR(10), v VARCHAR(300), bin BINARY(5), \
    vb VARBINARY(300), tb TINYBLOB, bl BLOB, mb MEDIUMBLOB, lt LONGTEXT, e ENUM('a','b'), s SET('x','y','z'), j JSON, \
    g GEOMETRY);
  INSERT INTO app.types VALUES (1, -128, 255, -32768, -8388608, 4294967295, -9223372036854775808, 18446744073709551615, \
    -12345678901234567890.0123456789, 1.5, -2.25e300, b'10101010101010101', '1000-01-01', '9999-12-31 23:59:59.999999', \
    '2024-02-29 12:00:00', '-838:59:59', 2155, 'char', REPEAT('v', 251), 'bin', REPEAT(0x00FE, 130), 0xFF, 0xFB, \
    REPEAT('m', 70000), REPEAT('l', 300), 'b', 'x,z', '{\"a\": [1, null, \"é\"]}', POINT(1, 2));
  INSERT INTO app.types (id) VALUES (2);
  INSERT INTO app.types (id, v, c, bl, s, t) VALUES (3, '', '', '', '', '00:00:00');
  CREATE TABLE app.t (a INT PRIMARY KEY AUTO_INCREMENT, b VARCHAR(20)); INSERT INTO app.t (b) VALUES ('x'), ('y');
  CREATE VIEW app.view AS SELECT a AS one, b FROM app.t;
  DELIMITER //
  CREATE PROCEDURE app.results(IN n INT, OUT o INT) BEGIN SELECT 1; SELECT * FROM app.t; SET o = n; END//";

/// Text statements; their effects are taken back or the same each time.
const STATEMENTS: &[&str] = &[
    "SELECT * FROM types",
    "SELECT * FROM types WHERE id = 2",
    "SELECT * FROM types WHERE FALSE",
    "SELECT NULL, 1, -1, 1.5, 1e10, 'text', '', 0xFF, TRUE, NULL",
    "SELECT one, b AS `an alias` FROM view AS v",
    "SELECT 1 WHERE FALSE",
    "SELECT a, COUNT(*) FROM t GROUP BY a WITH ROLLUP",
    "SELECT REPEAT('x', 250), REPEAT('x', 251), REPEAT('x', 252), REPEAT('x', 65535), REPEAT('x', 65536)",
    "SELECT CHAR(254 USING latin1), CHAR(255), CHAR(251), CHAR(0)",
    "SHOW TABLES",
    "SHOW CREATE TABLE types",
    "SHOW COLUMNS FROM types",
    "SHOW WARNINGS",
    "DESCRIBE t",
    "DO 1",
    "SET @x = 1",
    "SET NAMES utf8mb4",
    "USE app",
    "BEGIN",
    "INSERT INTO t (b) VALUES ('new')",
    "INSERT INTO t (b) VALUES ('more'), ('rows')",
    "UPDATE t SET b = 'changed' WHERE a = 1",
    "UPDATE t SET b = b",
    "INSERT IGNORE INTO t VALUES (1, 'a string that is longer than the column')",
    "DELETE FROM t WHERE a > 2",
    "ROLLBACK",
    "ALTER TABLE t AUTO_INCREMENT = 3",
    "CREATE TABLE IF NOT EXISTS t (a INT)",
    "SELECT nonsense FROM t",
    "SELECT * FROM missing",
    "SELEKT",
    "",
    "/* a comment alone */",
    "INSERT INTO t VALUES (1, 'duplicate')",
    "SELECT (SELECT a FROM t)",
    "SELECT 1; SELECT 2, 3; DO 1; SELECT * FROM t",
    "SELECT 1; SELECT nonsense; SELECT 3",
    "DO 1; DO 2; SELECT 'ünï'",
    "CALL results(5, @o)",
    "SELECT @o",
    "CALL missing()",
    "KILL QUERY 4000000000",
    "SELECT CONNECTION_ID() > 0 AS known",
    "EXPLAIN SELECT * FROM t WHERE a = 1",
    "CHECKSUM TABLE t",
];

const PREPARED: &[(&str, &[Option<&str>])] = &[
    ("SELECT * FROM types", &[]),
    ("SELECT * FROM types WHERE id = ?", &[Some("2")]),
    ("SELECT ?, ?, ?", &[Some("text"), None, Some("")]),
    ("UPDATE t SET b = ? WHERE a = ?", &[Some("x"), Some("1")]),
    ("SELECT a FROM t WHERE b = ?", &[None]),
    ("SELECT 1 WHERE FALSE", &[]),
    ("DO ?", &[Some("1")]),
    ("SELECT nonsense", &[]),
    ("SELECT 1; SELECT 2", &[]),
    ("INSERT INTO t VALUES (?, 'duplicate')", &[Some("1")]),
    ("SHOW TABLES", &[]),
    ("CALL results(?, @o)", &[Some("7")]),
    ("SET @y = ?", &[Some("7")]),
];

/// Everything that a client can ask, and the answers.
fn talk(session: &mut Raw) -> Vec<(String, Vec<Message>)> {
    let mut heard = Vec::new();
    for sql in STATEMENTS {
        heard.push(((*sql).to_owned(), session.ask(Command::Query, sql.as_bytes(), Kind::Results).unwrap()));
    }
    for (sql, parameters) in PREPARED {
        let mut reply = session.ask(Command::StmtPrepare, sql.as_bytes(), Kind::Prepare).unwrap();
        let prepared = reply[0].payload[0] == 0;
        let id = u32::from_le_bytes(*reply[0].payload[1..].first_chunk().unwrap());
        if prepared {
            // The id is each side's own.
            reply[0].payload[1..5].fill(0);
        }
        heard.push((format!("prepare {sql}"), reply));
        if !prepared {
            continue;
        }
        let parameters: Vec<_> = parameters.iter().map(|text| text.map(str::as_bytes)).collect();
        for time in 1..3 {
            heard.push((format!("execute {sql}, time {time}"), session.execute(id, &parameters).unwrap()));
        }
        let reset = session.ask(Command::StmtReset, &id.to_le_bytes(), Kind::One).unwrap();
        heard.push((format!("reset {sql}"), reset));
        session.close(id);
    }
    let id = session.prepare("SELECT a, b FROM t").unwrap();
    let cursor = session.ask(Command::StmtExecute, &execution(id, 1, &[]), Kind::Cursor).unwrap();
    heard.push(("open a cursor".to_owned(), cursor));
    for _ in 0..3 {
        let fetch = [id.to_le_bytes(), 1_u32.to_le_bytes()].concat();
        heard.push(("fetch".to_owned(), session.ask(Command::StmtFetch, &fetch, Kind::Rows).unwrap()));
    }
    session.close(id);
    let id = session.prepare("SELECT LENGTH(?), ?").unwrap();
    for chunk in [&b"long "[..], b"data"] {
        session.send(Command::StmtSendLongData, &[&id.to_le_bytes()[..], &[0, 0], chunk].concat()).unwrap();
    }
    let mut execute = execution(id, 0, &[None, Some(b"short")]);
    execute[9] = 0;
    heard.push((
        "execute with long data".to_owned(),
        session.ask(Command::StmtExecute, &execute, Kind::Results).unwrap(),
    ));
    for (command, argument, kind) in [
        (Command::Ping, &b""[..], Kind::One),
        (Command::InitDb, b"app", Kind::One),
        (Command::InitDb, b"missing", Kind::One),
        (Command::FieldList, b"types\0", Kind::Fields),
        (Command::FieldList, b"t\0b%", Kind::Fields),
        (Command::FieldList, b"missing\0", Kind::Fields),
        (Command::Query, b"DO 1", Kind::Results),
        (Command::SetOption, b"\x01\x00", Kind::One),
        (Command::Query, b"SELECT 1; SELECT 2", Kind::Results),
        (Command::Query, b"DO 1", Kind::Results),
        (Command::SetOption, b"\x00\x00", Kind::One),
        (Command::Query, b"SELECT 1; SELECT 2", Kind::Results),
        (Command::StmtReset, b"\xff\xff\xff\x7f", Kind::One),
        (Command::ResetConnection, b"", Kind::One),
        (Command::Query, b"SELECT @x, DATABASE()", Kind::Results),
    ] {
        heard.push((format!("{command:?} {}", argument.escape_ascii()), session.ask(command, argument, kind).unwrap()));
    }
    let statistics = &session.ask(Command::Statistics, b"", Kind::One).unwrap()[0].payload;
    let words: Vec<_> =
        String::from_utf8_lossy(statistics).split(|c: char| c.is_ascii_digit()).map(str::to_owned).collect();
    heard.push((format!("statistics: {}", words.concat()), Vec::new()));
    heard
}

/// Servers tell several changes of one statement in the order of a hash table.
fn sort_trackers(message: &mut Message, capabilities: Capabilities) {
    let tracks = capabilities.contains(Capabilities::SESSION_TRACK) && message.payload.first() == Some(&0);
    let Some(ok) = OkPacket::parse(&message.payload, capabilities).filter(|ok| tracks && !ok.state.is_empty()) else {
        return;
    };
    let mut trackers: Vec<String> = ok.tracked().map(|tracked| format!("{tracked:?}")).collect();
    trackers.sort();
    let head = message.payload.len() - ok.state.len();
    let sorted = [&message.payload[..head], trackers.concat().as_bytes()].concat();
    message.payload = sorted;
}

fn ready(flavor: Flavor) -> Option<Cluster> {
    let cluster = support::cluster(flavor, |options| {
        options.replicas = 1;
        "max-allowed-packet=1G\n".clone_into(&mut options.extra_cnf);
    })?;
    cluster.sql(0, TYPES).unwrap();
    cluster.catch_up(1, SOON).unwrap();
    Some(cluster)
}

fn replies_are_the_primarys_byte_by_byte(flavor: Flavor) {
    let Some(cluster) = ready(flavor) else { return };
    let proxy = Proxy::start(&cluster, "");
    let classic = USUAL - Capabilities::DEPRECATE_EOF;
    let mut wrong = Vec::new();
    for (what, capabilities, extensions) in [
        ("as most clients", USUAL, Extensions::empty()),
        ("with classic EOF packets", classic, Extensions::empty()),
        ("with trackers", USUAL | Capabilities::SESSION_TRACK, Extensions::empty()),
        ("with trackers and classic EOF packets", classic | Capabilities::SESSION_TRACK, Extensions::empty()),
        ("with found rows", USUAL | Capabilities::FOUND_ROWS | Capabilities::IGNORE_SPACE, Extensions::empty()),
        ("with MariaDB's extensions", USUAL, Extensions::all()),
    ] {
        let who = Who { capabilities, extensions, ..Who::named("app") };
        let expected = talk(&mut Raw::connect(cluster.primary().address(), &who).unwrap());
        cluster.catch_up(1, SOON).unwrap();
        let heard = talk(&mut Raw::connect(proxy.read_write, &who).unwrap());
        for (mut expected, mut heard) in expected.into_iter().zip(heard) {
            for message in expected.1.iter_mut().chain(&mut heard.1) {
                sort_trackers(message, capabilities);
            }
            if expected != heard {
                wrong.push(format!("{what}: {}\n  primary {:?}\n  proxy   {:?}", expected.0, expected.1, heard.1));
                if expected.0 != heard.0 {
                    wrong.push(format!("{} != {}", expected.0, heard.0));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn rows_and_commands_of_any_size_pass(flavor: Flavor) {
    let Some(cluster) = ready(flavor) else { return };
    let proxy = Proxy::start(&cluster, "");
    let mut direct = Raw::app(cluster.primary().address());
    let mut session = Raw::app(proxy.read_write);
    session.run("CREATE TABLE large (id INT PRIMARY KEY, content LONGBLOB)");

    // A row is its length in four or nine bytes and its content: around the borders of one and two packets.
    for length in [PACKET - 5, PACKET - 4, PACKET - 3, PACKET, PACKET + 1, 2 * PACKET - 9, 2 * PACKET - 8] {
        let sql = format!("SELECT REPEAT('a', {length}), 'z'");
        let expected = direct.ask(Command::Query, sql.as_bytes(), Kind::Results).unwrap();
        assert!(expected == session.ask(Command::Query, sql.as_bytes(), Kind::Results).unwrap(), "a row of {length}");
    }
    // A command is its byte and its text: the same borders.
    for length in [PACKET - 2, PACKET - 1, PACKET, 2 * PACKET - 1] {
        let head = "SELECT LENGTH('";
        let sql = format!("{head}{}')", "b".repeat(length - head.len() - 2));
        assert_eq!(session.number(&sql), (length - head.len() - 2) as u64);
    }
    let size = 40 << 20;
    let content = "c".repeat(size);
    assert_eq!(session.change(&format!("INSERT INTO large VALUES (1, '{content}')")), (1, 0, 0));
    let insert = session.prepare("INSERT INTO large VALUES (2, ?)").unwrap();
    let reply = session.execute(insert, &[Some(content.as_bytes())]).unwrap();
    assert_eq!(reply[0].payload[..2], [0, 1], "{reply:?}");
    cluster.catch_up(1, SOON).unwrap();
    for _ in 0..2 {
        assert!(session.say("SELECT content FROM large WHERE id = 1") == content, "a row of 40 MiB");
    }
    assert_eq!(session.say("SELECT id, LENGTH(content) FROM large"), format!("1 {size}|2 {size}"));
    let large = "SELECT content FROM large";
    let expected = direct.ask(Command::Query, large.as_bytes(), Kind::Results).unwrap();
    assert!(expected == session.ask(Command::Query, large.as_bytes(), Kind::Results).unwrap(), "two rows of 40 MiB");
}

/// Reads a result of `rows` rows of 64 KiB and gives how many bytes came.
fn read_result(session: &mut Raw, rows: u32) -> u64 {
    let sql = format!("SELECT seq, REPEAT('r', 65536) FROM numbers WHERE seq < {rows}");
    session.send(Command::Query, sql.as_bytes()).unwrap();
    let mut bytes = 0;
    session
        .visit(Kind::Results, &mut |part, message| {
            if part == Part::Row {
                bytes += message.payload.len() as u64;
            }
        })
        .unwrap();
    bytes
}

fn a_large_result_streams_in_constant_memory(flavor: Flavor) {
    let Some(cluster) = ready(flavor) else { return };
    let rows: u32 = if support::long() { 16384 } else { 3200 };
    cluster
        .sql(
            0,
            "CREATE TABLE app.numbers (seq INT PRIMARY KEY); SET SESSION cte_max_recursion_depth = 20000;
             INSERT INTO app.numbers WITH RECURSIVE n AS (SELECT 0 AS seq UNION ALL SELECT seq + 1 FROM n \
             WHERE seq < 16383) SELECT seq FROM n;"
                .replace(
                    "SET SESSION cte_max_recursion_depth = 20000;",
                    match flavor {
                        Flavor::MariaDb => "SET SESSION max_recursive_iterations = 20000;",
                        Flavor::MySql => "SET SESSION cte_max_recursion_depth = 20000;",
                    },
                )
                .as_str(),
        )
        .unwrap();
    cluster.catch_up(1, SOON).unwrap();
    let proxy = Proxy::start(&cluster, "");
    let mut session = Raw::app(proxy.read_write);
    read_result(&mut session, 400);
    let pid = proxy.pid();
    let before = support::resident_bytes(pid);
    let reading = thread::spawn(move || read_result(&mut session, rows));
    let mut most = before;
    while !reading.is_finished() {
        most = most.max(support::resident_bytes(pid));
        thread::sleep(Duration::from_millis(5));
    }
    let bytes = reading.join().unwrap();
    assert!(bytes > u64::from(rows) * 65536, "{bytes}");
    let grown = most - before;
    assert!(grown < 2 << 20, "the proxy grew by {grown} bytes while {bytes} passed");
}
