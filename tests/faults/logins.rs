//! Logins that fail, and members that hang in the middle of one: a member must never refuse the proxy's host for them.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use mysql_proxy::demo::{Cluster, Flavor, Signal};
use mysql_proxy::wire::err::SqlError;

use crate::support::raw::{Raw, Who, greeted};
use crate::support::{self, Proxy, on_both, wait_for};

on_both!(no_failure_makes_a_member_refuse_the_host, a_login_begins_as_on_the_server_itself);

/// An address of this machine's that is not its loopback, whose errors members do not count.
fn outside() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("203.0.113.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

/// A server that refuses a host after three hang-ups, and where it is seen from outside.
fn touchy_server(flavor: Flavor) -> Option<(Cluster, SocketAddr)> {
    let Some(ip) = outside() else {
        eprintln!("skipped: this machine has its loopback only");
        return None;
    };
    let cluster = support::cluster(flavor, |options| {
        options.replicas = 0;
        let common = "bind-address=*\nskip-name-resolve=OFF\nhost-cache-size=100\nmax-connect-errors=3\n";
        let own = if flavor == Flavor::MariaDb { "plugin-load-add=auth_ed25519\n" } else { "" };
        options.extra_cnf = format!("{common}{own}");
    })?;
    let address = SocketAddr::new(ip, cluster.primary().address().port());
    Some((cluster, address))
}

/// Whether the member still lets this host in, and nobody's login has cleared its count of failures meanwhile.
fn still_let_in(address: SocketAddr, after: &str) {
    let direct = Raw::connect(address, &Who::named("admin"));
    assert!(direct.is_ok(), "{after}: {}", direct.err().unwrap());
}

/// The account is known to the configuration, or to the cluster alone.
#[test]
fn a_method_that_is_not_spoken_is_tried_once_and_to_its_end() {
    let Some((cluster, address)) = touchy_server(Flavor::MariaDb) else { return };
    for name in ["odd", "other"] {
        let create = format!("CREATE USER {name}@'%' IDENTIFIED VIA ed25519 USING PASSWORD('{name}')");
        cluster.sql(0, &create).unwrap();
    }
    let users = "[[users]]\nname = 'app'\npassword = 'app'\n[[users]]\nname = 'odd'\npassword = 'odd'\n";
    let proxy = Proxy::start_before(&[address], users);
    for name in ["odd", "other"] {
        for _ in 0..6 {
            let begun = Instant::now();
            let error = Raw::connect(proxy.read_write, &Who::named(name)).err().unwrap();
            assert_eq!((error.code, &error.state), (1045, b"28000"), "{name}: {error}");
            assert!(error.message.contains("client_ed25519"), "{name}: {error}");
            assert!(begun.elapsed() < Duration::from_secs(5), "{name}: after {:?}", begun.elapsed());
        }
        still_let_in(address, name);
    }
}

fn no_failure_makes_a_member_refuse_the_host(flavor: Flavor) {
    let Some((mut cluster, address)) = touchy_server(flavor) else { return };
    let proxy = Proxy::start_before(&[address], "pool.acquire_timeout = '4s'\npool.connect_timeout = '500ms'\n");
    for _ in 0..6 {
        let wrong = Raw::connect(proxy.read_write, &Who { password: "wrong", ..Who::named("admin") }).err().unwrap();
        assert_eq!(wrong.code, 1045, "{wrong}");
    }
    still_let_in(address, "wrong passwords");

    let mut idle = Raw::app(proxy.read_write);
    cluster.signal(0, Signal::Stop).unwrap();
    let begun = Instant::now();
    // Some leave before their time, others are told that it is over.
    let waiting = [0; 8].map(|_| {
        let mut raw = greeted(proxy.read_write).unwrap().unwrap();
        raw.begin_login(&Who::named("app")).unwrap();
        raw
    });
    std::thread::sleep(Duration::from_millis(300));
    for (number, mut raw) in waiting.into_iter().enumerate() {
        if number % 2 == 0 {
            drop(raw.read());
        }
    }
    // Long enough for more checks than the member forgives.
    std::thread::sleep(Duration::from_secs(5).saturating_sub(begun.elapsed()));
    cluster.signal(0, Signal::Continue).unwrap();
    wait_for("the member to serve again", Duration::from_secs(10), || idle.say("SELECT 1") == "1");
    still_let_in(address, "frozen");
}

/// What a session says of itself.
const SELF: &str = "SELECT CONCAT_WS(' ', CURRENT_USER(), @@autocommit, @@collation_connection, @@character_set_client, \
                    IFNULL(DATABASE(), '-'), IFNULL(@x, '-'))";

fn a_login_begins_as_on_the_server_itself(flavor: Flavor) {
    let Some(cluster) = support::cluster(flavor, |options| options.replicas = 1) else { return };
    cluster.sql(0, "CREATE USER sb@'%' IDENTIFIED BY 'sb'; GRANT ALL ON *.* TO sb@'%'").unwrap();
    cluster.sql(0, "CREATE DATABASE `bücher`; CREATE TABLE `bücher`.t (a INT); CREATE TABLE app.t (a INT)").unwrap();
    cluster.catch_up(1, Duration::from_secs(20)).unwrap();
    let proxy = Proxy::start(&cluster, "");
    let direct = cluster.primary().address();
    let slow = slow_login(&proxy);

    users_change_as_on_the_server(flavor, direct, &proxy);
    no_time_is_lost_on_a_character_set_that_nobody_may_have(direct, &proxy);
    a_foreign_database_is_found_under_any_names(&proxy);
    autocommit_is_what_the_greeting_says(&cluster, &proxy);
    nobody_writes_lines_of_the_log(&proxy);
    packets_that_are_no_login_are_answered(&proxy);
    assert_eq!(slow.join().unwrap(), own_words(1159, "Got timeout reading communication packets"));
}

fn users_change_as_on_the_server(flavor: Flavor, direct: SocketAddr, proxy: &Proxy) {
    // Collations whose number has a second byte.
    let collation = if flavor == Flavor::MariaDb { 608 } else { 303 };
    let outcome = |address: SocketAddr| {
        let mut said = Vec::new();
        let mut raw = Raw::app(address);
        said.push(raw.say("SET @x = 1, autocommit = 0"));
        let sb = Who { collation, ..Who::named("sb") };
        said.push(format!("{:?}", raw.change_user(&sb).map_err(|error| error.code)));
        said.push(raw.say(SELF));
        said.push(raw.say("SET @x = 1"));
        let app = Who { collation: 8, ..Who::named("app") };
        for wrong in [Who { password: "no", ..app.clone() }, Who { database: Some("no"), ..app }] {
            said.push(format!(
                "{:?}",
                raw.try_change_user(&wrong).map(|it| it.map_err(|error| (error.code, error.state)))
            ));
            if let Ok(row) = raw.try_say(SELF) {
                said.push(row);
            } else {
                said.push("closed".to_owned());
                raw = Raw::app(address);
            }
        }
        said
    };
    assert_eq!(outcome(proxy.read_write), outcome(direct), "{flavor}");
}

fn no_time_is_lost_on_a_character_set_that_nobody_may_have(direct: SocketAddr, proxy: &Proxy) {
    let ucs2 = Who { collation: 35, ..Who::named("app") };
    let own = Raw::connect(direct, &ucs2).err().unwrap();
    assert_eq!(own.code, 1231, "{own}");
    let begun = Instant::now();
    assert_eq!(Raw::connect(proxy.read_write, &ucs2).err().unwrap(), own);
    assert!(begun.elapsed() < Duration::from_secs(5), "after {:?}", begun.elapsed());
}

fn a_foreign_database_is_found_under_any_names(proxy: &Proxy) {
    let mut other = Raw::app(proxy.read_write);
    let mut use_both_members = || {
        for statement in ["SET NAMES latin1", "DELETE FROM t", "SELECT COUNT(*) FROM t"] {
            other.say(statement);
        }
    };
    use_both_members();
    let mut at_login = Raw::connect(proxy.read_write, &Who { database: Some("bücher"), ..Who::named("app") }).unwrap();
    let mut by_use = Raw::app(proxy.read_write);
    assert_eq!(by_use.say("USE `bücher`"), "OK");
    for raw in [&mut at_login, &mut by_use] {
        assert_eq!(raw.say("SET NAMES utf8mb4"), "OK");
        for _ in 0..2 {
            use_both_members();
            assert_eq!(raw.say("SELECT COUNT(*) FROM t"), "0");
            assert_eq!(raw.say("DELETE FROM t"), "OK");
            assert_eq!(raw.say("SELECT HEX(CONVERT(DATABASE() USING utf8mb4)), @@character_set_client FROM t"), "");
            assert_eq!(raw.say("SELECT @@character_set_client"), "utf8mb4");
        }
    }
}

fn autocommit_is_what_the_greeting_says(cluster: &Cluster, proxy: &Proxy) {
    let mut before = Raw::app(proxy.read_write);
    let begins_with = |address: SocketAddr| greeted(address).unwrap().unwrap().greeting.status;
    for (number, value) in ["0", "1"].into_iter().enumerate() {
        for member in 0..2 {
            cluster.sql(member, &format!("SET GLOBAL autocommit = {value}")).unwrap();
        }
        let direct = begins_with(cluster.primary().address());
        wait_for("sessions to begin so", Duration::from_secs(5), || {
            let mut raw = Raw::app(proxy.read_write);
            raw.say("SELECT @@autocommit") == value && begins_with(proxy.read_write) == direct
        });
        let mut raw = greeted(proxy.read_write).unwrap().unwrap();
        let status = raw.first_status(&Who::named("app"));
        let own = greeted(cluster.primary().address()).unwrap().unwrap().first_status(&Who::named("app"));
        // MySQL says `autocommit` there whatever it is.
        assert_eq!((status, value), (own, value));
        assert_eq!(raw.say("INSERT INTO t VALUES (1)"), "OK");
        assert_eq!(raw.say("ROLLBACK"), "OK");
        assert_eq!(before.say("SELECT @@autocommit"), "1");
        assert_eq!(before.say("INSERT INTO t VALUES (1)"), "OK");
        drop(raw);
        let rows = cluster.sql(0, "SELECT COUNT(*) FROM app.t").unwrap().concat().concat();
        assert_eq!(rows, if number == 0 { "1" } else { "3" }, "autocommit={value}");
    }
}

fn nobody_writes_lines_of_the_log(proxy: &Proxy) {
    for name in ["x\n2026 ERROR forged", "y\u{1b}[2J"] {
        // One line a second.
        std::thread::sleep(Duration::from_millis(1100));
        let begun = Instant::now();
        let error = Raw::connect(proxy.read_write, &Who { user: name, ..Who::named("app") }).err().unwrap();
        assert_eq!(error.code, 1045, "{error}");
        assert!(begun.elapsed() >= Duration::from_millis(250), "{:?}", begun.elapsed());
    }
    let log = proxy.log();
    assert!(!log.lines().any(|line| line.starts_with("2026 ERROR")) && !log.contains('\u{1b}'), "{log}");
    assert!(log.contains("a client was not let in") && log.contains("ERROR forged") && log.contains("peer="), "{log}");
}

/// What the proxy says to these bytes in place of a login, before it closes.
fn answer(address: SocketAddr, bytes: &[u8]) -> SqlError {
    let mut raw = greeted(address).unwrap().unwrap();
    raw.write_bytes(bytes).unwrap();
    let error = SqlError::parse(&raw.read().unwrap().payload).unwrap();
    assert!(raw.is_closed(), "{error}");
    error
}

fn own_words(code: u16, text: &str) -> SqlError {
    SqlError { code, state: *b"08S01", message: text.to_owned() }
}

/// A client that stops in the middle of its login.
fn slow_login(proxy: &Proxy) -> std::thread::JoinHandle<SqlError> {
    let address = proxy.read_write;
    std::thread::spawn(move || answer(address, b"\x05\0\0\x01he"))
}

fn packets_that_are_no_login_are_answered(proxy: &Proxy) {
    let answer = |bytes: &[u8]| answer(proxy.read_write, bytes);
    assert_eq!(answer(b"\x05\0\0\x01hello"), own_words(1043, "Bad handshake"));
    assert_eq!(answer(b"\x05\0\0\x07hello"), own_words(1156, "Got packets out of order"));
    let large = [&b"\0\0\x10\x01"[..], &[b'x'; 1000]].concat();
    assert_eq!(answer(&large), own_words(1153, "Got a packet bigger than 'max_allowed_packet' bytes"));
}
