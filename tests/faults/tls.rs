//! TLS on both sides: what accounts demand of a connection, whom a member must be, and certificates that are replaced.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use mysql_proxy::demo::{Cluster, Flavor};

use crate::support::raw::Raw;
use crate::support::tap::Tap;
use crate::support::tls::{Authority, encrypted};
use crate::support::{self, Proxy, on_both, wait_for};

const SOON: Duration = Duration::from_secs(20);

on_both!(a_proxy_is_not_weaker_than_the_server, nothing_on_the_way_gives_a_password_away,);

/// How a client connects.
#[derive(Clone, Copy, Debug)]
enum Transport {
    Clear,
    Tls,
    Certificate,
}

/// A cluster whose members have a certificate for `elsewhere.test`.
fn ground(flavor: Flavor, authority: &Authority) -> Option<Cluster> {
    authority.issue("server", &["elsewhere.test"], &[]);
    let [ca, cert, key] = [authority.ca(), authority.file("server.pem"), authority.file("server.key")];
    let lines =
        [("ca", &ca), ("cert", &cert), ("key", &key)].map(|(name, path)| format!("ssl-{name}={}\n", path.display()));
    support::cluster(flavor, |options| {
        options.replicas = 1;
        options.general_log = true;
        options.extra_cnf = lines.concat();
    })
}

/// One login with the server's own client, in its own words.
fn log_in(
    flavor: Flavor,
    at: SocketAddr,
    (user, password): (&str, &str),
    (how, authority): (Transport, &Authority),
) -> String {
    let pair = || {
        let [cert, key] = ["client.pem", "client.key"].map(|name| authority.file(name).display().to_string());
        [format!("--ssl-cert={cert}"), format!("--ssl-key={key}")]
    };
    let mut command = Command::new(flavor.find().unwrap().client);
    command.args(["--no-defaults", "--protocol=tcp", "--batch", "--skip-column-names", "--execute=SELECT 'in'"]);
    command.args([format!("--host={}", at.ip()), format!("--port={}", at.port())]);
    command.args([format!("--user={user}"), format!("--password={password}")]);
    match (flavor, how) {
        (Flavor::MySql, Transport::Clear) => command.args(["--ssl-mode=DISABLED", "--get-server-public-key"]),
        (Flavor::MySql, Transport::Tls) => command.arg("--ssl-mode=REQUIRED"),
        (Flavor::MySql, Transport::Certificate) => command.arg("--ssl-mode=REQUIRED").args(pair()),
        (Flavor::MariaDb, Transport::Clear) => command.arg("--skip-ssl"),
        (Flavor::MariaDb, Transport::Tls) => command.arg("--ssl"),
        (Flavor::MariaDb, Transport::Certificate) => command.arg("--ssl").args(pair()),
    };
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let lines = said.lines().filter(|line| !line.contains("can be insecure"));
    lines.collect::<Vec<_>>().join(" / ")
}

fn client_side(authority: &Authority) -> String {
    authority.issue("front", &["front.test"], &[]);
    authority.issue("client", &["client.test"], &[]);
    let [cert, key] = ["front.pem", "front.key"].map(|name| authority.file(name).display().to_string());
    format!("[tls.client]\ncert = '{cert}'\nkey = '{key}'\nca = '{}'\n", authority.ca().display())
}

fn member_side(authority: &Authority, mode: &str) -> String {
    let [cert, key] = ["client.pem", "client.key"].map(|name| authority.file(name).display().to_string());
    let ca = authority.ca().display().to_string();
    format!("[tls.backend]\nmode = '{mode}'\nca = '{ca}'\ncert = '{cert}'\nkey = '{key}'\n")
}

fn a_proxy_is_not_weaker_than_the_server(flavor: Flavor) {
    let authority = Authority::new();
    let Some(cluster) = ground(flavor, &authority) else { return };
    let demands = [("u_none", "NONE"), ("u_ssl", "SSL"), ("u_x509", "X509"), ("u_subject", "SUBJECT '/CN=client'")];
    for (name, demand) in demands.into_iter().chain([("s_none", "NONE"), ("s_x509", "X509")]) {
        cluster.sql(0, &format!("CREATE USER {name}@'%' IDENTIFIED BY 'right' REQUIRE {demand}")).unwrap();
    }
    cluster.catch_up(1, SOON).unwrap();
    // The monitor's account and that of the sessions under load are not configured either.
    let sides = [client_side(&authority), member_side(&authority, "verify_ca")].concat();
    let proxy = Proxy::start(&cluster, &format!("users = []\n{sides}"));
    let mut faults = Vec::new();
    let mut compare = |(user, demand): (&str, &str), password: &str, how: Transport| {
        let [through, direct] = [proxy.read_write, cluster.primary().address()]
            .map(|at| log_in(flavor, at, (user, password), (how, &authority)));
        let through = through.replace("mysql-proxy: ", "");
        // Nobody can vouch for another's name; everything else is the server's word.
        let refused = through.contains("1045") && user == "u_subject";
        if through != direct && !(refused && direct.ends_with("in")) {
            faults.push(format!("REQUIRE {demand}, {password} password, {how:?}: {through} (directly: {direct})"));
        }
    };
    // Members that want all connections encrypted want it of clients, whatever the account says.
    cluster.sql(0, "SET GLOBAL require_secure_transport = ON").unwrap();
    for (user, how) in [("s_none", Transport::Clear), ("s_none", Transport::Tls), ("s_x509", Transport::Clear)] {
        compare((user, "of the server"), "right", how);
    }
    cluster.sql(0, "SET GLOBAL require_secure_transport = OFF").unwrap();
    for demand in demands {
        for password in ["right", "wrong"] {
            for how in [Transport::Clear, Transport::Tls, Transport::Certificate] {
                compare(demand, password, how);
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    replaced_certificates_are_shown(&proxy, &authority);
    drop(proxy);
    a_member_is_told_nothing_before_it_is_proven(&cluster, &authority);
}

/// Sessions that are open notice nothing, the next client is shown the new certificate, and half a pair changes nothing.
fn replaced_certificates_are_shown(proxy: &Proxy, authority: &Authority) {
    let shown = || encrypted(proxy.read_write).unwrap().1;
    let (stop, statements) = (AtomicBool::new(false), AtomicU64::new(0));
    let before = shown();
    std::thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                let mut session = Raw::app(proxy.read_write);
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(session.number("SELECT 1"), 1);
                    statements.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let [cert, key] = ["front.pem", "front.key"].map(|name| authority.file(name));
        let old_key = fs::read(&key).unwrap();
        let new = authority.issue("front", &["front.test"], &[]);
        let new_key = fs::read(&key).unwrap();
        fs::write(&key, old_key).unwrap();
        wait_for("the log complains of half a pair", SOON, || {
            assert_eq!(shown(), before, "half a pair is shown to nobody");
            proxy.log().contains("cannot be used; those of before stay")
        });
        fs::write(&key, new_key).unwrap();
        wait_for("the new certificate is shown", SOON, || shown() == new);
        let counted = statements.load(Ordering::Relaxed);
        wait_for("all go on", SOON, || statements.load(Ordering::Relaxed) > counted + 100);
        stop.store(true, Ordering::Relaxed);
        assert!(cert.exists());
    });
}

fn mentions(log: &Path, what: &str) -> usize {
    String::from_utf8_lossy(&fs::read(log).unwrap()).matches(what).count()
}

fn a_member_is_told_nothing_before_it_is_proven(cluster: &Cluster, authority: &Authority) {
    let log = cluster.primary().general_log().unwrap();
    // The account's name stands in the log only if it was said.
    let said = || mentions(log, "proxy@") + mentions(log, "'proxy'@");
    let before = said();
    let other = Authority::new();
    let proxy = Proxy::launch(
        cluster,
        &member_side(&other, "verify_ca").replace("cert =", "# cert =").replace("key =", "# key ="),
    );
    let complaint = "is not to be trusted: its certificate is not proven by tls.backend.ca";
    wait_for("the members are not believed", SOON, || proxy.log().matches(complaint).count() >= 2);
    drop(proxy);
    let mut proxy = Proxy::launch(cluster, &member_side(authority, "verify_identity"));
    let complaint = "its certificate is for elsewhere.test, and the member is 127.";
    wait_for("the members are not believed", SOON, || proxy.log().matches(complaint).count() >= 2);
    assert_eq!(said(), before, "nobody was told who asks");
    let addresses: Vec<_> = cluster.members().iter().map(|member| member.address().ip()).collect();
    authority.issue("server", &[], &addresses);
    let reload = match cluster.flavor() {
        Flavor::MySql => "ALTER INSTANCE RELOAD TLS",
        Flavor::MariaDb => "FLUSH SSL",
    };
    for member in 0..addresses.len() {
        cluster.sql(member, reload).unwrap();
    }
    proxy.wait_until_ready();
    assert!(said() > before);
}

/// What must be heard nowhere: a password, and what is as good as one.
fn secrets(password: &str) -> Vec<Vec<u8>> {
    let mut secrets = vec![password.as_bytes().to_vec()];
    for algorithm in [&SHA1_FOR_LEGACY_USE_ONLY, &SHA256] {
        let once = digest(algorithm, password.as_bytes());
        let twice = digest(algorithm, once.as_ref());
        secrets.extend([once.as_ref().to_vec(), twice.as_ref().to_vec()]);
    }
    secrets
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// Every byte of every connection that is not encrypted, and all that the proxy can log.
fn nothing_on_the_way_gives_a_password_away(flavor: Flavor) {
    const RIGHT: &str = "Sesame-is-right-1";
    const WRONG: &str = "Sesame-is-wrong-1";
    let authority = Authority::new();
    let Some(cluster) = ground(flavor, &authority) else { return };
    for way in ["preferred", "disabled"] {
        for (name, demand) in [("any", "NONE"), ("tls", "SSL")] {
            let account = format!("CREATE USER {way}_{name}@'%' IDENTIFIED BY '{RIGHT}' REQUIRE {demand}");
            cluster.sql(0, &account).unwrap();
        }
    }
    cluster.catch_up(1, SOON).unwrap();
    for way in ["preferred", "disabled"] {
        let taps: Vec<Tap> = cluster.members().iter().map(|member| Tap::before(member.address())).collect();
        let members: Vec<SocketAddr> = taps.iter().map(|tap| tap.address).collect();
        let proxy = Proxy::start_talkative(&members, &format!("users = []\n[tls.backend]\nmode = '{way}'"));
        let front = Tap::before(proxy.read_write);
        let mut came_in = 0;
        for name in ["any", "tls"] {
            for how in [Transport::Clear, Transport::Tls] {
                for password in [WRONG, RIGHT, RIGHT] {
                    let user = format!("{way}_{name}");
                    let said = log_in(flavor, front.address, (&user, password), (how, &authority));
                    assert!(password == RIGHT || said.contains("1045"), "{user}, {how:?}: {said}");
                    came_in += usize::from(said == "in");
                }
            }
        }
        // In clear and by TLS as anybody; as one who needs TLS only by TLS, and not where members are reached in clear.
        assert_eq!(came_in, if way == "preferred" { 6 } else { 4 }, "{way}");
        let log = proxy.log();
        assert!(log.contains("TRACE") || log.contains("DEBUG"), "it is talkative");
        for secret in [RIGHT, WRONG].into_iter().flat_map(secrets) {
            for tap in taps.iter().chain([&front]) {
                let heard = tap.heard();
                assert!(!heard.is_empty() && !heard.windows(secret.len()).any(|some| some == secret), "{way}: heard");
            }
            let shown = [hexadecimal(&secret), hexadecimal(&secret).to_uppercase(), format!("{secret:?}")];
            assert!(!shown.iter().any(|shown| log.contains(shown.as_str())), "{way}: logged");
        }
        assert!(!log.contains(RIGHT) && !log.contains(WRONG), "{way}: logged");
    }
}
