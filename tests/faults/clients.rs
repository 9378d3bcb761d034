//! Clients that are refused, and clients that speak nonsense.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use mysql_proxy::demo::Flavor;
use mysql_proxy::wire::err::SqlError;
use mysql_proxy::wire::{Capabilities, Command};

use crate::support::raw::{Raw, Who, greeted};
use crate::support::reply::Kind;
use crate::support::{self, Proxy, on_both, wait_for};

on_both!(who_must_not_come_in_is_told_why, nonsense_never_ends_the_proxy);

/// Only MySQL has this method; the client knows no more than `caching_sha2_password`, as everywhere.
#[test]
fn an_account_with_sha256_password_comes_in() {
    let Some(cluster) = support::cluster(Flavor::MySql, |options| options.replicas = 1) else { return };
    cluster
        .sql(0, "CREATE USER old@'%' IDENTIFIED WITH sha256_password BY 'old'; GRANT ALL ON *.* TO old@'%'")
        .unwrap();
    cluster.catch_up(1, Duration::from_secs(20)).unwrap();
    let proxy = Proxy::start(&cluster, "");
    let mut old = Raw::connect(proxy.read_write, &Who::named("old")).unwrap();
    assert_eq!(old.say("SELECT CURRENT_USER()"), "old@%");
    let wrong = Raw::connect(proxy.read_write, &Who { password: "wrong", ..Who::named("old") }).err().unwrap();
    assert_eq!(wrong.code, 1045, "{wrong}");
}

fn who_must_not_come_in_is_told_why(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 1) else { return };
    let proxy = Proxy::start(&cluster, "limits.max_client_connections = 3");
    let refused = |who: &Who<'_>| Raw::connect(proxy.read_write, who).err().unwrap();
    let app = Who::named("app");

    for (who, using) in [
        (Who { password: "wrong", ..app.clone() }, "YES"),
        (Who { password: "", ..app.clone() }, "NO"),
        (Who::named("nobody"), "YES"),
    ] {
        let error = refused(&who);
        assert_eq!((error.code, &error.state), (1045, b"28000"), "{error}");
        assert!(error.message.contains(&format!("'{}'@", who.user)), "{error}");
        assert!(error.message.ends_with(&format!("(using password: {using})")), "{error}");
    }
    // MySQL asks accounts that do not exist for one method or another, so that nobody can tell them from those that do.
    for number in 0..12 {
        let name = format!("nobody{number}");
        let error = refused(&Who::named(&name));
        assert_eq!((error.code, &error.state), (1045, b"28000"), "{name}: {error}");
    }
    let no_database = Who { database: Some("missing"), ..app.clone() };
    let direct = Raw::connect(cluster.primary().address(), &no_database).err().unwrap();
    assert_eq!(direct.code, 1049);
    assert_eq!(refused(&no_database), direct);

    let mut inside: Vec<Raw> = Vec::new();
    wait_for("the refused ones to be gone", Duration::from_secs(5), || {
        inside.extend(Raw::connect(proxy.read_write, &app));
        inside.len() == 3
    });
    let error = refused(&app);
    assert_eq!((error.code, &error.state), (1040, b"08004"), "{error}");
    assert!(error.message.contains("limits.max_client_connections"), "{error}");
    assert!(proxy.log().contains("a client was turned away"), "{}", proxy.log());
    assert_eq!(inside[0].say("SELECT 1"), "1");
    inside.pop();
    wait_for("room for another client", Duration::from_secs(5), || Raw::connect(proxy.read_write, &app).is_ok());
}

/// What the proxy answers to a first packet.
fn first_answer(proxy: &Proxy, bytes: &[u8]) -> SqlError {
    let mut raw = greeted(proxy.read_write).unwrap().unwrap();
    raw.write(1, bytes).unwrap();
    let answer = raw.read().unwrap();
    assert_eq!(answer.seqs, [2]);
    SqlError::parse(&answer.payload).unwrap()
}

fn nonsense_never_ends_the_proxy(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 1) else { return };
    let wants_tls = Capabilities::PROTOCOL_41 | Capabilities::SSL;
    let mut request = wants_tls.bits().to_le_bytes().to_vec();
    request.resize(32, 0);
    let plain = Proxy::start(&cluster, "tls.client.cert = ''");
    assert_eq!(first_answer(&plain, &request).code, 1043, "TLS is not offered");
    let offers_tls =
        |proxy: &Proxy| greeted(proxy.read_write).unwrap().unwrap().greeting.capabilities.contains(Capabilities::SSL);
    assert!(!offers_tls(&plain));
    let proxy = Proxy::start(&cluster, "limits.max_allowed_packet = '1MiB'");
    assert!(offers_tls(&proxy));
    for login in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"", &[0xff; 4], &[0x85, 0xa6, 0x03, 0x00, 0, 0, 0, 1, 45]] {
        assert_eq!(first_answer(&proxy, login).code, 1043, "{login:?}");
    }
    // Bytes that are no packets, and packets that never end.
    let mut noise = 0x2545_f491_4f6c_dd1d_u64;
    for length in [1_usize, 3, 4, 5, 40, 4000] {
        let mut bytes = vec![0_u8; length];
        for byte in &mut bytes {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            *byte = noise as u8;
        }
        let mut before_login = TcpStream::connect(proxy.read_write).unwrap();
        before_login.write_all(&bytes).unwrap();
        before_login.shutdown(std::net::Shutdown::Write).unwrap();
        before_login.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // An answer or none, but an end.
        let _ = before_login.read_to_end(&mut Vec::new());
        let mut session = Raw::app(proxy.read_write);
        session.write_bytes(&bytes).unwrap();
        session.close_writing();
        while session.read().is_ok() {}
    }

    let mut session = Raw::app(proxy.read_write);
    for byte in [0x77, 0x00, 0x05, 0xfe, 0x20] {
        session.write(0, &[byte]).unwrap();
        let error = SqlError::parse(&session.read().unwrap().payload).unwrap();
        assert_eq!((error.code, &error.state), (1047, b"08S01"), "{byte:#x}: {error}");
    }
    // Commands that lack their argument, or carry a wrong one.
    for command in [Command::StmtExecute, Command::StmtFetch, Command::StmtReset, Command::ProcessKill] {
        for argument in [&b""[..], b"\x01", b"\xff\xff\xff\xff\x00\x01\x00\x00\x00"] {
            let reply = session.ask(command, argument, Kind::One).unwrap();
            assert!(SqlError::parse(&reply[0].payload).is_some(), "{command:?} {argument:?}: {reply:?}");
        }
    }
    for command in [Command::StmtClose, Command::StmtSendLongData] {
        session.send(command, b"\x01").unwrap();
        session.send(command, b"\x09\x00\x00\x00\x00\x00").unwrap();
    }
    let id = session.prepare("SELECT ?, ?").unwrap();
    let truncated = [&id.to_le_bytes()[..], &[0, 1, 0, 0, 0, 0, 1]].concat();
    let reply = session.ask(Command::StmtExecute, &truncated, Kind::One).unwrap();
    assert!(SqlError::parse(&reply[0].payload).is_some(), "{reply:?}");
    session.write(0, b"").unwrap();
    assert!(SqlError::parse(&session.read().unwrap().payload).is_some());
    assert_eq!(session.say("SELECT 'still here'"), "still here");
    assert!(session.say("\u{0}\u{1}\u{2}").starts_with("ERROR 1064"));

    // A packet larger than allowed is refused before it is taken.
    let mut large = Raw::app(proxy.read_write);
    let sql = format!("SELECT LENGTH('{}')", "x".repeat(2 << 20));
    let _ = large.send(Command::Query, sql.as_bytes());
    let error = SqlError::parse(&large.read().unwrap().payload).unwrap();
    assert_eq!((error.code, &error.state), (1153, b"08S01"), "{error}");
    assert!(large.is_closed());

    assert_eq!(session.say("SELECT 'still here'"), "still here");
    assert!(!proxy.log().contains("panicked"), "{}", proxy.log());
}
