//! Who comes before a login: load balancers that announce others, users that come too often, and whoever means harm, in clear
//! and inside TLS.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use mysql_proxy::demo::Flavor;
use mysql_proxy::wire::Capabilities;

use crate::support::raw::{Raw, Who};
use crate::support::tls::{encrypted, ssl_request};
use crate::support::{self, Proxy, resident_bytes, wait_for};

const SOON: Duration = Duration::from_secs(20);

fn framed(seq: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&length[..3], &[seq], payload].concat()
}

/// What is said after these bytes, to its end.
fn said_to(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn load_balancers_say_who_comes_and_users_come_so_often() {
    let Some(cluster) = support::cluster(Flavor::MariaDb, |options| options.replicas = 1) else { return };
    let proxy =
        Proxy::start(&cluster, "limits.max_connections_per_user = 3\nlisten.proxy_protocol_from = ['127.0.0.1']");
    let header = b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 3306\r\n";
    let v2 = [
        0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21, 0x11, 0, 12, 192, 0, 2, 8, 10, 0, 0,
        1, 0xdc, 0x04, 0x0c, 0xea,
    ];
    // A login without a password: the proxy knows one of the account, and says itself who was denied.
    let capabilities = Capabilities::PROTOCOL_41 | Capabilities::SECURE_CONNECTION;
    let mut login = ssl_request(capabilities);
    login[..4].copy_from_slice(&capabilities.bits().to_le_bytes());
    login.extend_from_slice(b"app\0\0");
    for (header, host) in [(&header[..], "192.0.2.7"), (&v2, "192.0.2.8")] {
        let said = said_to(proxy.read_write, &[header, &framed(1, &login)].concat());
        let told = format!("Access denied for user 'app'@'{host}'");
        assert!(said.contains(&told), "{said:?}");
    }
    assert_eq!(said_to(proxy.read_write, b"GET / HTTP/1.1\r\n\r\n"), "", "nothing is said to who says nothing of it");
    let announced = || Raw::announced(proxy.read_write, header, &Who::named("app"));
    let sessions: Vec<_> = (0..3).map(|_| announced().unwrap()).collect();
    let error = announced().map(drop).unwrap_err();
    assert_eq!((error.code, &error.state), (1203, b"42000"), "{error}");
    drop(sessions);
    wait_for("those who left have made room", SOON, || announced().is_ok());
}

#[test]
fn who_means_harm_before_the_login_harms_nobody() {
    let Some(cluster) = support::cluster(Flavor::MariaDb, |options| options.replicas = 1) else { return };
    let proxy = Proxy::start(&cluster, "");
    let at = proxy.read_write;
    let request = framed(1, &ssl_request(Capabilities::PROTOCOL_41));
    let hello = |length: u16| [&[22, 3, 1][..], &length.to_be_bytes(), &[1, 0, 0xff, 0xf0]].concat();
    let kinds: [Vec<u8>; 6] = [
        // Nothing behind the request; the beginning of a record; a record that is a whole one of 64 KiB's beginning.
        request.clone(),
        [&request[..], &hello(0x200)].concat(),
        [&request[..], &hello(0x4000), &vec![0; 0x4000 - 4]].concat(),
        [&request[..], &hello(0x4000), &vec![0; 0x4000 - 4], &[22, 3, 1, 0x40, 0], &vec![0; 0x4000], &[22, 3, 1]]
            .concat(),
        [&request[..], &vec![0x47; 20_000]].concat(),
        b"\x00\x00".to_vec(),
    ];
    let mut session = Raw::app(at);
    let before = resident_bytes(proxy.pid());
    let crowd: usize = if support::long() { 5_000 } else { 1_200 };
    let begun = Instant::now();
    let mut harmful: Vec<_> = (0..crowd)
        .map(|turn| {
            let mut stream = TcpStream::connect(at).unwrap();
            let _ = stream.write_all(&kinds[turn % kinds.len()]);
            assert_eq!(session.number("SELECT 1"), 1);
            stream
        })
        .collect();
    // Inside TLS, one byte at a time.
    let (mut slow, _) = encrypted(at).unwrap();
    slow.write_all(&[0x20]).unwrap();
    let held = resident_bytes(proxy.pid()).saturating_sub(before) / harmful.len() as u64;
    println!("{crowd} in {:?}, {held} bytes each", begun.elapsed());
    assert!(held <= 32 << 10, "{held} bytes for each");
    wait_for("the log tells of clients that cannot do TLS", SOON, || proxy.log().contains("TLS with a client failed"));
    for _ in 0..20 {
        Raw::app(at).run("DO 1");
    }
    // All are sent away, also the slow one, after the time that a login may take.
    let stream = harmful.first_mut().unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
    let _ = slow.read_to_end(&mut Vec::new());
    assert!(begun.elapsed() < SOON + SOON);
    wait_for("nobody of them is left", SOON, || proxy.metric("mysql_proxy_client_connections") <= 1.0);
    assert_eq!(session.number("SELECT 1"), 1);
}

/// What a client costs that is connected by TLS and says nothing.
#[test]
fn an_idle_client_with_tls_costs_little() {
    let Some(cluster) = support::cluster(Flavor::MariaDb, |options| options.replicas = 1) else { return };
    let proxy = Proxy::start(&cluster, "");
    let client = || {
        let mut client = crate::support::tls::log_in(proxy.read_write, "app");
        assert_eq!(client.ping(), 0);
        client
    };
    let some: Vec<_> = (0..100).map(|_| client()).collect();
    let plain = each(&proxy, || Raw::app(proxy.read_write));
    let encrypted = each(&proxy, client);
    println!("an idle client: {plain} bytes in clear, {encrypted} with TLS");
    assert!(encrypted <= plain + (12 << 10), "{encrypted} bytes each");
    drop(some);
}

/// What each of many costs.
fn each<T>(proxy: &Proxy, client: impl Fn() -> T) -> u64 {
    let before = resident_bytes(proxy.pid());
    let many: Vec<_> = (0..500).map(|_| client()).collect();
    resident_bytes(proxy.pid()).saturating_sub(before) / many.len() as u64
}
