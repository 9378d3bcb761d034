//! Accounts that only the cluster knows: who comes in by which method, and what changes while the proxy runs.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mysql_proxy::demo::{Cluster, Flavor, Signal};
use mysql_proxy::wire::auth::{self, CACHING_SHA2, FAST_AUTH_OK, FULL_AUTH, NATIVE};
use mysql_proxy::wire::err::SqlError;
use mysql_proxy::wire::login::{AUTH_MORE_DATA, AUTH_SWITCH, parse_auth_switch};

use crate::support::raw::{Message, Raw, Who, greeted};
use crate::support::{self, Proxy, on_both, wait_for};

const SOON: Duration = Duration::from_secs(20);
/// The configuration names nobody.
const NOBODY: &str = "users = []\n";

on_both!(what_changes_at_the_primary_counts_though_replicas_are_late, a_frozen_primary_keeps_nobody_out,);

fn who<'a>(user: &'a str, password: &'a str) -> Who<'a> {
    Who { password, database: None, ..Who::named(user) }
}

/// Logs in as a client that knows `mysql_native_password` and no other method.
fn native_only(address: SocketAddr, who: &Who<'_>) -> Result<Raw, SqlError> {
    let mut raw = greeted(address).unwrap()?;
    raw.say_who(who, NATIVE).unwrap();
    loop {
        let Message { seqs, payload } = raw.read().unwrap();
        match payload.as_slice() {
            [0, ..] => return Ok(raw),
            [0xff, ..] => return Err(SqlError::parse(&payload).unwrap()),
            [AUTH_SWITCH, ..] => {
                let (plugin, data) = parse_auth_switch(&payload).unwrap();
                assert_eq!(plugin, NATIVE, "UNSUPPORTED_AUTH_METHOD for {}", who.user);
                let salt = data.as_slice().try_into().unwrap();
                raw.write(seqs[0] + 1, &auth::native(who.password.as_bytes(), &salt)).unwrap();
            }
            other => panic!("no answer to a login: {}", other.escape_ascii()),
        }
    }
}

/// How many logins were refused for this reason.
fn failures(proxy: &Proxy, reason: &str) -> String {
    proxy.metric(&format!("mysql_proxy_auth_failures_total{{reason=\"{reason}\"}}")).to_string()
}

#[test]
fn clients_that_know_only_mysql_native_password_come_in_as_at_the_server() {
    let with_ed25519 = |options: &mut mysql_proxy::demo::Options| {
        options.replicas = 1;
        options.extra_cnf = "plugin-load-add=auth_ed25519\n".to_owned();
    };
    let Some(cluster) = support::cluster(Flavor::MariaDb, with_ed25519) else { return };
    let native = |text: &str| format!("mysql_native_password USING PASSWORD('{text}')");
    let accounts = format!(
        "CREATE USER nat@'%' IDENTIFIED BY 'nat'; CREATE USER nat@'10.%' IDENTIFIED BY 'other'; \
         CREATE USER open@'%'; CREATE USER socket@'%' IDENTIFIED VIA unix_socket; \
         CREATE USER either@'%' IDENTIFIED VIA unix_socket OR {}; \
         CREATE USER locked@'%' IDENTIFIED BY 'x' ACCOUNT LOCK; CREATE USER away@'10.%' IDENTIFIED BY 'x'; \
         CREATE USER `o'brien`@'%' IDENTIFIED BY 'x'; CREATE ROLE part",
        native("either")
    );
    cluster.sql(0, &accounts).unwrap();
    cluster.catch_up(1, SOON).unwrap();
    let proxy = Proxy::start(&cluster, NOBODY);
    let direct = cluster.primary().address();
    assert_eq!(greeted(proxy.read_write).unwrap().unwrap().greeting.plugin, NATIVE);
    for (user, password) in [
        ("nat", "nat"),
        ("nat", "no"),
        ("nat", ""),
        ("nat", "other"),
        ("open", ""),
        ("open", "x"),
        ("socket", "x"),
        ("either", "either"),
        ("either", "no"),
        ("locked", "x"),
        ("locked", "no"),
        ("away", "x"),
        ("o'brien", "x"),
        ("part", ""),
        ("part", "x"),
        ("nobody", "x"),
        ("nobody", ""),
    ] {
        let here = native_only(proxy.read_write, &who(user, password));
        let there = native_only(direct, &who(user, password));
        match (here, there) {
            (Ok(mut here), Ok(mut there)) => {
                assert_eq!(here.say("SELECT CURRENT_USER()"), there.say("SELECT CURRENT_USER()"));
            }
            (Err(here), Err(there)) => assert_eq!(here, there, "{user} with {password:?}"),
            (here, there) => panic!("{user} with {password:?}: {:?}, at the server {:?}", here.err(), there.err()),
        }
    }
    assert_eq!(failures(&proxy, "unknown_user"), "2");
    assert_eq!(failures(&proxy, "wrong_password"), "5");
    assert!(!proxy.log().contains("WARN"), "{}", proxy.log());

    // From now on the server asks for a method first that neither the client nor the proxy speaks, also those whom it
    // does not know.
    let several = format!("IDENTIFIED VIA ed25519 USING PASSWORD('x') OR {}", native("several"));
    cluster.sql(0, &format!("CREATE USER several@'%' {several}")).unwrap();
    let mut session = native_only(proxy.read_write, &who("several", "several")).unwrap();
    assert_eq!(session.say("SELECT CURRENT_USER()"), "several@%");
    for number in 0..6 {
        let error = native_only(proxy.read_write, &who(&format!("nobody{number}"), "x")).err().unwrap();
        assert!(error.code == 1045 && error.message.ends_with("(using password: YES)"), "{error}");
    }
}

#[test]
fn a_monitor_that_may_not_read_hashes_says_once_what_would_let_clients_in() {
    let Some(cluster) = support::cluster(Flavor::MariaDb, |options| options.replicas = 1) else { return };
    cluster
        .sql(0, "CREATE USER nat@'%' IDENTIFIED BY 'nat'; REVOKE SELECT ON mysql.global_priv FROM proxy@'%'")
        .unwrap();
    cluster.catch_up(1, SOON).unwrap();
    let proxy = Proxy::start(&cluster, NOBODY);

    // A client that takes the connection for a safe one.
    for _ in 0..3 {
        let mut raw = greeted(proxy.read_write).unwrap().unwrap();
        raw.say_who(&who("nat", "nat"), CACHING_SHA2).unwrap();
        assert_eq!(raw.read().unwrap().payload, [AUTH_MORE_DATA, FULL_AUTH]);
        raw.write(3, b"nat\0").unwrap();
        let error = SqlError::parse(&raw.read().unwrap().payload).unwrap();
        assert_eq!(error.code, 3159, "{error}");
        assert!(error.message.contains("in clear"), "{error}");
    }
    assert_eq!(failures(&proxy, "clear_password"), "3");
    // One that can encrypt its password.
    let mut encrypts = Raw::connect(proxy.read_write, &who("nat", "nat")).unwrap();
    assert_eq!(encrypts.say("SELECT CURRENT_USER()"), "nat@%");

    let log = proxy.log();
    let warnings = |part: &str| log.lines().filter(|line| line.contains("WARN") && line.contains(part)).count();
    assert_eq!(warnings("sent its password in clear"), 1, "{log}");
    assert_eq!(warnings("GRANT SELECT ON mysql.global_priv TO 'proxy'@'%'"), 1, "{log}");
    cluster.sql(0, "GRANT SELECT ON mysql.global_priv TO 'proxy'@'%'; CREATE USER late@'%' IDENTIFIED BY 'x'").unwrap();
    native_only(proxy.read_write, &who("late", "x")).unwrap();
}

/// With one session open all the while, so that connections of the account stand in the pool.
fn what_changes_at_the_primary_counts_though_replicas_are_late(flavor: Flavor) {
    const LATE: Duration = Duration::from_secs(5);
    let delayed = |options: &mut mysql_proxy::demo::Options| {
        (options.replicas, options.delay) = (1, Some(LATE));
    };
    let Some(cluster) = support::cluster(flavor, delayed) else { return };
    let proxy = Proxy::start(&cluster, &format!("auth.recheck = '200ms'\n{NOBODY}"));
    let comes_in = |password: &str| Raw::connect(proxy.read_write, &who("new", password));
    let began = Instant::now();
    let change = |statement: &str| drop(cluster.sql(0, statement).unwrap());

    change("CREATE USER new@'%' IDENTIFIED BY 'first'; GRANT SELECT ON *.* TO new@'%'");
    let mut session = comes_in("first").unwrap();
    assert_eq!(session.say("SELECT CURRENT_USER()"), "new@%");
    assert!(began.elapsed() < LATE, "the replica knows the account already");

    let refused = |password: &str, codes: &[u16]| {
        wait_for("the refusal", Duration::from_secs(2), || match comes_in(password) {
            Ok(_) => false,
            Err(error) => {
                assert!(codes.contains(&error.code), "{error}");
                true
            }
        });
    };
    change("ALTER USER new@'%' IDENTIFIED BY 'second'");
    comes_in("second").unwrap();
    refused("first", &[1045]);
    change("ALTER USER new@'%' ACCOUNT LOCK");
    refused("second", &[3118, 4151]);
    change("ALTER USER new@'%' ACCOUNT UNLOCK");
    comes_in("second").unwrap();
    change("ALTER USER new@'%' PASSWORD EXPIRE");
    refused("second", &[1820, 1862]);
    change("ALTER USER new@'%' IDENTIFIED BY 'third'");
    comes_in("third").unwrap();
    assert_eq!(session.say("SELECT CURRENT_USER()"), "new@%");
    // By now the replica has the account, and takes it for a good one a while longer than the primary.
    cluster.catch_up(1, SOON).unwrap();
    change("DROP USER new@'%'");
    refused("third", &[1045]);
}

/// The monitor takes its time to find out, and until then the primary is who should be asked.
fn a_frozen_primary_keeps_nobody_out(flavor: Flavor) {
    let Some(mut cluster) = support::cluster(flavor, |options| options.replicas = 1) else { return };
    cluster.sql(0, "CREATE USER known@'%' IDENTIFIED BY 'x'; CREATE USER unseen@'%' IDENTIFIED BY 'x'").unwrap();
    cluster.catch_up(1, SOON).unwrap();
    let patient =
        "monitor.fall = 1000\npool.connect_timeout = '500ms'\npool.acquire_timeout = '4s'\nauth.recheck = '100ms'\n";
    let proxy = Proxy::start(&cluster, &format!("{patient}{NOBODY}"));
    drop(Raw::connect(proxy.read_write, &who("known", "x")).unwrap());
    cluster.signal(0, Signal::Stop).unwrap();
    let outcome = logins_without_primary(&cluster, &proxy);
    cluster.signal(1, Signal::Stop).unwrap();
    let nobody = Raw::connect(proxy.read_write, &who("known", "x")).err().map(|error| error.code);
    for member in [0, 1] {
        cluster.signal(member, Signal::Continue).unwrap();
    }
    assert_eq!(outcome, ["known@%", "unseen@%", "ERROR 1045", "ERROR 1045"].map(str::to_owned));
    assert_eq!(nobody, Some(9001));
}

fn logins_without_primary(cluster: &Cluster, proxy: &Proxy) -> [String; 4] {
    assert!(cluster.primary().pid().is_some());
    [("known", "x"), ("unseen", "x"), ("unseen", "wrong"), ("nobody", "x")].map(|(user, password)| {
        match Raw::try_connect(proxy.read_write, &who(user, password)) {
            Ok(Ok(mut session)) => session.say("SELECT CURRENT_USER()"),
            Ok(Err(error)) => format!("ERROR {}", error.code),
            Err(closed) => format!("{closed}"),
        }
    })
}

#[test]
fn a_wrong_password_does_not_make_the_right_one_forgotten() {
    let Some(cluster) = support::cluster(Flavor::MySql, |options| options.replicas = 1) else { return };
    cluster.sql(0, "CREATE USER known@'%' IDENTIFIED BY 'x'").unwrap();
    cluster.catch_up(1, SOON).unwrap();
    let proxy = Proxy::start(&cluster, NOBODY);
    let login = |password: &str| Raw::connect(proxy.read_write, &who("known", password));
    login("x").unwrap();
    assert_eq!(login("wrong").err().unwrap().code, 1045);
    // The short way, which only who knows the password can go.
    let mut raw = greeted(proxy.read_write).unwrap().unwrap();
    raw.say_who(&who("known", "x"), CACHING_SHA2).unwrap();
    assert_eq!(raw.read().unwrap().payload, [AUTH_MORE_DATA, FAST_AUTH_OK]);
    assert_eq!(login("wrong").err().unwrap().code, 1045);
    login("x").unwrap();
}
