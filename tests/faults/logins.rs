//! Logins that fail, and members that hang in the middle of one: a member must never refuse the proxy's host for them.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use mysql_proxy::demo::{Cluster, Flavor, Signal};

use crate::support::raw::{Raw, Who, greeted};
use crate::support::{self, Proxy, on_both, wait_for};

on_both!(no_failure_makes_a_member_refuse_the_host);

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
