//! The configuration as its users meet it: texts and variables in, typed values or one line of complaint out.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use mysql_proxy::config::{
    self, AuthSource, BackendTlsMode, ByteSize, Certificate, ClientTls, ClientTlsDemand, ClusterKind, Config,
    Discovery, Environment, MemberAddress, Multiplexing, PrimaryRule,
};
use mysql_proxy::session::Consistency;

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let environment = Environment::of(variables.iter().copied());
    config::parse("proxy.toml", text, &environment).map_err(|error| error.to_string())
}

fn complaint(text: &str, variables: &[(&str, &str)]) -> String {
    match parse(text, variables) {
        Ok(_) => format!("no complaint about {text:?} with {variables:?}"),
        Err(line) => line,
    }
}

#[test]
fn an_empty_file_gives_the_defaults_of_the_contract() {
    let config = parse("", &[]).unwrap();
    assert_eq!(config.listen.read_write.to_string(), "0.0.0.0:3306");
    assert_eq!(config.listen.read_only.unwrap().to_string(), "0.0.0.0:3307");
    assert_eq!(config.listen.admin_http.unwrap().to_string(), "0.0.0.0:9090");
    assert_eq!(config.listen.admin_sql, None);
    assert_eq!(config.runtime.threads, 0);
    assert_eq!(config.cluster.kind, ClusterKind::Auto);
    assert_eq!(config.cluster.discovery, Discovery::Service("mysql".into()));
    assert_eq!(config.cluster.port, 3306);
    assert_eq!(config.cluster.primary, PrimaryRule::Named("mysql-0.mysql".into()));
    assert!(config.cluster.dns_servers.is_empty());
    assert_eq!((config.monitor.user.as_str(), config.monitor.password.expose()), ("proxy", ""));
    assert_eq!(config.monitor.interval, Duration::from_secs(1));
    assert_eq!(config.monitor.timeout, Duration::from_millis(500));
    assert_eq!((config.monitor.fall, config.monitor.rise), (3, 2));
    assert_eq!(config.monitor.max_lag, Duration::from_secs(10));
    assert_eq!(config.auth.source, AuthSource::Auto);
    assert!(config.auth.users.is_empty());
    assert_eq!(config.routing.consistency, Consistency::Session);
    assert_eq!(config.routing.causal_wait, Duration::from_millis(50));
    assert_eq!(config.pool.max_backend_connections, 200);
    assert_eq!(config.pool.multiplexing, Multiplexing::On);
    assert_eq!(config.pool.acquire_timeout, Duration::from_secs(10));
    assert_eq!(config.pool.idle_timeout, Duration::from_secs(60));
    assert_eq!(config.pool.connect_timeout, Duration::from_secs(2));
    assert_eq!(config.limits.max_client_connections, 10_000);
    assert_eq!(config.limits.max_connections_per_user, 0);
    assert!(config.listen.proxy_protocol_from.is_empty());
    assert_eq!(config.limits.client_read_timeout, Duration::from_secs(60));
    assert_eq!(config.limits.client_write_timeout, Duration::from_secs(60));
    assert_eq!(config.limits.drain_timeout, Duration::from_secs(30));
    assert_eq!(config.limits.max_allowed_packet, ByteSize::from_bytes(1 << 30));
    let client = ClientTls { certificate: Certificate::Auto, ca: None, demand: ClientTlsDemand::Optional };
    assert_eq!(config.tls.client, Some(client));
    assert_eq!((config.tls.backend.mode, config.tls.backend.ca), (BackendTlsMode::Preferred, None));
}

#[test]
fn every_section_is_read() {
    let text = r#"
        listen = { read_write = "[::1]:0", read_only = "" }
        [runtime]
        threads = 0x4
        [cluster]
        kind = "replication"
        members = ["mysql-0.mysql", "10.0.0.2:3307"]
        primary = "10.0.0.2:3307"
        primary_service = "mysql-primary"
        port = 3310
        dns_servers = ["10.96.0.10:53"]
        [routing]
        consistency = "eventual"
        trusted_functions = ["f", "shop.price"]
        [pool]
        multiplexing = false
        [limits]
        max_allowed_packet = 1048576
        [tls.backend]
        mode = "disabled"
        [[users]]
        name = "app"
        password = "secret"
        [[users]]
        name = "report"
        password = ""
    "#;
    let config = parse(text, &[]).unwrap();
    assert_eq!((config.listen.read_write.to_string().as_str(), config.listen.read_only), ("[::1]:0", None));
    assert_eq!(config.runtime.worker_threads().get(), 4);
    let member = |host: &str, port| MemberAddress { host: host.into(), port };
    let members = vec![member("mysql-0.mysql", 3310), member("10.0.0.2", 3307)];
    assert_eq!(config.cluster.discovery, Discovery::Members(members));
    assert_eq!(config.cluster.primary, PrimaryRule::Named("10.0.0.2:3307".into()));
    assert_eq!(config.cluster.primary_service, Some(member("mysql-primary", 3310)));
    assert_eq!(config.cluster.dns_servers[0].to_string(), "10.96.0.10:53");
    assert_eq!(config.routing.consistency, Consistency::Eventual);
    assert_eq!(config.routing.trusted_functions, ["f", "shop.price"]);
    assert_eq!(config.pool.multiplexing, Multiplexing::Off);
    assert_eq!(config.limits.max_allowed_packet.bytes(), 1 << 20);
    assert_eq!(config.auth.users[0].password.expose(), "secret");
    assert_eq!(config.auth.users[1].name, "report");
}

#[test]
fn the_environment_beats_the_file() {
    let text = "[pool]\nmultiplexing = true\n[[users]]\nname = 'app'\npassword = 'old'";
    let variables = [
        ("MYSQL_PROXY_LISTEN_READ_WRITE", "127.0.0.1:4000"),
        ("MYSQL_PROXY_LISTEN_READ_ONLY", ""),
        ("MYSQL_PROXY_POOL_MULTIPLEXING", "false"),
        ("MYSQL_PROXY_CLUSTER_MEMBERS", "a:1, b:2,"),
        ("MYSQL_PROXY_CLUSTER_PRIMARY", "auto"),
        ("MYSQL_PROXY_LIMITS_MAX_ALLOWED_PACKET", "64MiB"),
        ("MYSQL_PROXY_MONITOR_FALL", "5"),
        ("MYSQL_PROXY_TLS_CLIENT_CERT", ""),
        ("MYSQL_PROXY_USERS_0_PASSWORD", "new"),
        ("MYSQL_PROXY_USERS_1_NAME", "report"),
        ("MYSQL_PROXY_USERS_1_PASSWORD", "other"),
        // Not for us: the path of the file, and what Kubernetes says about the Service mysql-proxy.
        ("MYSQL_PROXY_CONFIG", "/etc/x.toml"),
        ("MYSQL_PROXY_PORT", "tcp://10.0.0.1:3306"),
        ("MYSQL_PROXY_SERVICE_HOST", "10.0.0.1"),
        ("MYSQL_PROXY_SERVICE_PORT_MYSQL", "3306"),
        ("MYSQL_PROXY_PORT_3306_TCP_ADDR", "10.0.0.1"),
        ("HOME", "/root"),
    ];
    let config = parse(text, &variables).unwrap();
    assert_eq!(config.listen.read_write.to_string(), "127.0.0.1:4000");
    assert_eq!(config.listen.read_only, None);
    assert_eq!(config.pool.multiplexing, Multiplexing::Off);
    assert!(matches!(config.cluster.discovery, Discovery::Members(members) if members.len() == 2));
    assert_eq!(config.limits.max_allowed_packet.bytes(), 64 << 20);
    assert_eq!(config.monitor.fall, 5);
    assert_eq!(config.auth.users[0].password.expose(), "new");
    assert_eq!((config.auth.users[1].name.as_str(), config.auth.users[1].password.expose()), ("report", "other"));
}

#[test]
fn users_may_come_from_the_environment_alone() {
    let users =
        (0..12).flat_map(|n| ["NAME", "PASSWORD"].map(|key| (format!("MYSQL_PROXY_USERS_{n}_{key}"), format!("u{n}"))));
    let config = config::parse("proxy.toml", "", &Environment::of(users)).unwrap();
    let names: Vec<&str> = config.auth.users.iter().map(|user| user.name.as_str()).collect();
    assert_eq!((names.len(), names[2], names[11]), (12, "u2", "u11"));
}

#[test]
fn secrets_come_from_files_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).display().to_string()
    };
    let (monitor, user) = (file("monitor", "m p\r\n"), file("user", "u\n\n"));
    let text = format!("[monitor]\npassword_file = {monitor:?}\n[[users]]\nname='a'\npassword_file = {user:?}");
    let config = parse(&text, &[]).unwrap();
    assert_eq!(config.monitor.password.expose(), "m p");
    assert_eq!(config.auth.users[0].password.expose(), "u\n");

    let config = parse(&text, &[("MYSQL_PROXY_MONITOR_PASSWORD", "direct")]).unwrap();
    assert_eq!(config.monitor.password.expose(), "direct");
    let config = parse("[monitor]\npassword='x'", &[("MYSQL_PROXY_MONITOR_PASSWORD_FILE", &monitor)]).unwrap();
    assert_eq!(config.monitor.password.expose(), "m p");

    let empty = file("empty", "\n");
    let line = complaint("", &[("MYSQL_PROXY_MONITOR_PASSWORD_FILE", &empty)]);
    assert!(line.contains("is empty; name a file"), "{line}");
    let both = [("MYSQL_PROXY_MONITOR_PASSWORD_FILE", monitor.as_str()), ("MYSQL_PROXY_MONITOR_PASSWORD", "x")];
    let line = complaint("", &both);
    assert!(line.contains("monitor.password is given too; give one of the two"), "{line}");
}

#[test]
fn secrets_are_masked_and_the_rest_reads_back() {
    let text = "[monitor]\npassword = 'hunter2'\n[cluster]\nprimary = 'auto'\nmembers = ['a', '[::1]:5']\n\
                [[users]]\nname = \"a\\\"\\n\"\npassword = 'hunter3'\n[[users]]\nname = 'b'\npassword = ''";
    let config = parse(text, &[]).unwrap();
    let shown = config.to_string();
    assert!(!shown.contains("hunter") && !format!("{config:?}").contains("hunter"), "{shown}");
    assert_eq!(shown.matches("password = \"********\"").count(), 2, "{shown}");
    let again = parse(&shown, &[]).unwrap();
    assert_eq!(again.to_string(), shown);
    assert_eq!((again.cluster, &again.auth.users[0].name), (config.cluster, &config.auth.users[0].name));

    let defaults = parse("", &[]).unwrap();
    assert_eq!(parse(&defaults.to_string(), &[]).unwrap(), defaults);
}

#[test]
fn complaints_about_the_file_are_one_line() {
    let port = |other: &str| format!("port 3306 is also that of {other}; give each listener a port of its own");
    let table: &[(&str, &str)] = &[
        ("listen = 5", "proxy.toml:1: listen: is a number; write [listen]"),
        ("[listen]\n\nread_wrte = ''", "proxy.toml:3: listen.read_wrte: there is no such key; did you mean read_write"),
        ("[pol]", "proxy.toml:1: pol: there is no such key; did you mean pool"),
        (
            "colour = 1",
            "proxy.toml:1: colour: there is no such key; sections are listen, runtime, cluster, monitor, auth, routing, pool, limits, tls, users",
        ),
        ("[tls.cleint]", "proxy.toml:1: tls.cleint: there is no such key; did you mean client"),
        (
            "[tls.backend]\nsni = ''",
            "proxy.toml:2: tls.backend.sni: there is no such key; keys of tls.backend are mode, ca, cert, key, pin",
        ),
        ("[pool]\ninterval = '1s'", "proxy.toml:2: pool.interval: there is no such key; did you mean monitor.interval"),
        (
            "[[auth.users]]\nname = 'a'",
            "proxy.toml:1: auth.users: there is no such key; did you mean [[users]], at top level",
        ),
        ("[users]\nname = 'a'", "proxy.toml:1: users: is a section; write [[users]] for each user"),
        (
            "[[users]]\nname = 'a'\npasswrod = 'x'",
            "proxy.toml:3: users[0].passwrod: there is no such key; did you mean password",
        ),
        ("[pool]\n[pool]", "proxy.toml:2: TOML: duplicate key; see https://toml.io for how a file is written"),
        ("[pool]\nmultiplexing = 'yes'", "proxy.toml:2: pool.multiplexing: is a string; give true or false"),
        (
            "[monitor]\ninterval = 1",
            "proxy.toml:2: monitor.interval: is a number; give a duration in quotes, such as \"500ms\" or \"2m\"",
        ),
        ("[monitor]\npassword = 1", "proxy.toml:2: monitor.password: is a number; give a string in quotes"),
        (
            "[cluster]\nmembers = [1]",
            "proxy.toml:2: cluster.members: is a list of other things; give a list of strings",
        ),
        ("[cluster]\nmembers = 'a'", "proxy.toml:2: cluster.members: is a string; give a list of strings"),
        (
            "[monitor]\ninterval = '1 sec'",
            "proxy.toml:2: monitor.interval: \"1 sec\" is not a duration; give a whole number with ms, s, m or h, such as \"500ms\" or \"2m\"",
        ),
        (
            "[monitor]\ninterval = '1ms'",
            "proxy.toml:2: monitor.interval: \"1ms\" is out of range; give \"10ms\" to \"1h\"",
        ),
        (
            "[monitor]\ninterval = '1s'\ntimeout = '2s'",
            "proxy.toml:3: monitor.timeout: the timeout of 2s is longer than the interval of 1s; give a timeout of at most the interval",
        ),
        (
            "[monitor]\ninterval = '100ms'",
            "proxy.toml:2: monitor.interval: the timeout of 500ms is longer than the interval of 100ms; give a timeout of at most the interval",
        ),
        ("[monitor]\nfall = 0", "proxy.toml:2: monitor.fall: 0 is out of range; give a number from 1 to 1000"),
        ("[monitor]\nrise = -1", "proxy.toml:2: monitor.rise: -1 is out of range; give a number from 1 to 1000"),
        (
            "[monitor]\nuser = ''",
            "proxy.toml:2: monitor.user: is empty or too long; name the account that watches the members",
        ),
        (
            "[runtime]\nthreads = 9999",
            "proxy.toml:2: runtime.threads: 9999 is out of range; give a number from 0 to 1024",
        ),
        (
            "[limits]\nmax_allowed_packet = '2GiB'",
            "proxy.toml:2: limits.max_allowed_packet: \"2GiB\" is out of range; give \"1KiB\" to \"1GiB\"",
        ),
        (
            "[limits]\nmax_allowed_packet = '1GB'",
            "proxy.toml:2: limits.max_allowed_packet: \"1GB\" is not a size; give bytes, or a whole number with KiB, MiB or GiB, such as \"64MiB\"",
        ),
        (
            "[listen]\nread_write = ''",
            "proxy.toml:2: listen.read_write: it cannot be off; give an address such as \"0.0.0.0:3306\"",
        ),
        (
            "[listen]\nread_write = 'localhost'",
            "proxy.toml:2: listen.read_write: \"localhost\" is not an IP address with a port; give one such as \"0.0.0.0:3306\" or \"[::]:3306\"",
        ),
        (
            "[listen]\nread_only = '127.0.0.1:3306'",
            &format!("proxy.toml:2: listen.read_only: {}", port("listen.read_write")),
        ),
        (
            "[listen]\nread_write = '127.0.0.1:3307'",
            "proxy.toml:2: listen.read_write: port 3307 is also that of listen.read_only; give each listener a port of its own",
        ),
        ("[cluster]\nport = 65536", "proxy.toml:2: cluster.port: 65536 is out of range; give a number from 1 to 65535"),
        (
            "[cluster]\nkind = 'replicaton'",
            "proxy.toml:2: cluster.kind: \"replicaton\" is not known; did you mean \"replication\"",
        ),
        ("[auth]\nsource = 'ldap'", "proxy.toml:2: auth.source: \"ldap\" is not known; give one of auto, config"),
        (
            "[auth]\nsource = 'config'",
            "proxy.toml:2: auth.source: there are no [[users]], so nobody could log in; add [[users]]",
        ),
        (
            "[cluster]\nservice = ''",
            "proxy.toml:2: cluster.service: there are no cluster.members either; give one of the two",
        ),
        (
            "[cluster]\nservice = 'mysql:3306'",
            "proxy.toml:2: cluster.service: \"mysql:3306\" is not a DNS name; give a name such as \"mysql\"; cluster.port has the port",
        ),
        (
            "[cluster]\nmembers = [\n'a:1',\n'b:x']",
            "proxy.toml:4: cluster.members: \"b:x\" is not the address of a member; give \"host:port\" for each",
        ),
        (
            "[cluster]\nmembers = ['a', 'a:3306']",
            "proxy.toml:2: cluster.members: a:3306 is there already; give each member once",
        ),
        (
            "[cluster]\nprimary = 'c'\nmembers = ['a', 'b:1']",
            "proxy.toml:2: cluster.primary: \"c\" is not among cluster.members; give one of a:3306, b:1, or \"auto\"",
        ),
        (
            "[cluster]\nmembers = ['a']",
            "proxy.toml: cluster.primary: \"mysql-0.mysql\" is not among cluster.members; give one of a:3306, or \"auto\"",
        ),
        (
            "[cluster]\nkind = 'replication'\nprimary = 'auto'\nprimary_service = 'p'",
            "proxy.toml:4: cluster.primary_service: cluster.primary is \"auto\", so it is not known which member it leads to; name that member in cluster.primary, or leave it out",
        ),
        (
            "[cluster]\nprimary_service = 'p'",
            "proxy.toml:2: cluster.primary_service: it leads to one member only, which other kinds of clusters do not always write to; leave it out, or set cluster.kind = \"replication\"",
        ),
        (
            "[cluster]\nkind = 'replication'\nprimary_service = 'a b'",
            "proxy.toml:3: cluster.primary_service: \"a b\" is not the name of a Service; give a name, or \"host:port\"",
        ),
        (
            "[cluster]\nprimary = ''",
            "proxy.toml:2: cluster.primary: \"\" is not the name of a member; give a member's name, \"host:port\" or \"auto\"",
        ),
        (
            "[cluster]\nkind = 'single'\nmembers = ['a', 'b']",
            "proxy.toml:3: cluster.members: a single member was announced and 2 are given; give one member, or another cluster.kind",
        ),
        (
            "[cluster]\ndns_servers = ['10.0.0.1']",
            "proxy.toml:2: cluster.dns_servers: \"10.0.0.1\" is not an IP address with a port; give \"ip:port\", such as \"10.96.0.10:53\"",
        ),
        (
            "[routing]\ntrusted_functions = ['f()']",
            "proxy.toml:2: routing.trusted_functions: \"f()\" is not the name of a function; give names such as \"my_function\" or \"my_schema.my_function\", without quotes of SQL",
        ),
        ("\n[[users]]\npassword = ''", "proxy.toml:2: users[0].name: is missing; give name = \"…\""),
        ("[[users]]\nname = 'a'", "proxy.toml:1: users[0].password: is missing; give password or password_file"),
        (
            "[[users]]\nname = ''",
            "proxy.toml:2: users[0].name: is empty or too long; give the name of an account of the members",
        ),
        (
            "[[users]]\nname = 'a'\npassword = ''\n[[users]]\nname = 'a'\npassword = ''",
            "proxy.toml:5: users[1].name: there is a user \"a\" already; give each user once",
        ),
        (
            "[[users]]\nname = 'a'\npassword = 'x'\npassword_file = '/y'",
            "proxy.toml:4: users[0].password_file: users[0].password is given too; give one of the two",
        ),
        (
            "[monitor]\npassword_file = '/nonexistent'",
            "proxy.toml:2: monitor.password_file: \"/nonexistent\" cannot be read (No such file or directory (os error 2)); name a file that holds the secret and that this user may read",
        ),
    ];
    for (text, line) in table {
        assert_eq!(complaint(text, &[]), *line, "{text}");
    }
}

#[test]
fn complaints_about_the_environment_name_the_variable() {
    let table = [
        ("MYSQL_PROXY_POOL_MULTIPLEXING", "maybe", "pool.multiplexing: \"maybe\" does not fit; give true or false"),
        ("MYSQL_PROXY_MONITOR_FALL", "0", "monitor.fall: 0 is out of range; give a number from 1 to 1000"),
        (
            "MYSQL_PROXY_POOL_MULTIPLEX",
            "true",
            "environment: there is no such key; did you mean MYSQL_PROXY_POOL_MULTIPLEXING",
        ),
        (
            "MYSQL_PROXY_POOL_COLOUR",
            "red",
            "environment: there is no such key; write MYSQL_PROXY_SECTION_KEY for a key of the configuration",
        ),
        (
            "MYSQL_PROXY_LISTN_READ_WRITE",
            "",
            "environment: there is no such key; did you mean MYSQL_PROXY_LISTEN_READ_WRITE",
        ),
        ("MYSQL_PROXY_USERS_2_NAME", "a", "users[2].name: there are only 0 users before it; the next free number is 0"),
        (
            "MYSQL_PROXY_CLUSTER_MEMBERS",
            "a,b:x",
            "cluster.members: \"b:x\" is not the address of a member; give \"host:port\" for each",
        ),
        ("MYSQL_PROXY_CLUSTER_PORT", "80000", "cluster.port: 80000 is out of range; give a number from 1 to 65535"),
    ];
    for (name, value, line) in table {
        assert_eq!(complaint("", &[(name, value)]), format!("{name}: {line}"));
    }
    assert!(parse("", &[("MYSQL_PROXY_OTHER_THING", "x")]).is_ok());
}

#[test]
fn what_is_not_offered_yet_is_refused_by_name() {
    let table = [
        ("[listen]\nadmin_sql = '127.0.0.1:6032'", "listen.admin_sql"),
        ("[cluster]\nkind = 'group_replication'", "cluster.kind"),
    ];
    for (text, key) in table {
        let line = complaint(text, &[]);
        assert!(line.starts_with(&format!("proxy.toml:2: {key}: ")), "{line}");
        assert!(line.contains("is not offered in this version yet; "), "{line}");
    }
    assert_eq!(parse("[cluster]\nkind = 'galera'", &[]).unwrap().cluster.kind, ClusterKind::Galera);
    assert!(parse("[listen]\nadmin_sql = ''\n[tls.client]\nrequired = false\ncert = ''", &[]).is_ok());
}

#[test]
fn what_clients_are_shown_is_a_pair_or_made() {
    let files = |text: &str| parse(text, &[]).unwrap().tls.client;
    let pair = Certificate::Files { cert: "/c".into(), key: "/k".into() };
    let expected = ClientTls { certificate: pair, ca: Some("/ca".into()), demand: ClientTlsDemand::Required };
    assert_eq!(files("[tls.client]\ncert = '/c'\nkey = '/k'\nca = '/ca'\nrequired = true"), Some(expected));
    let made = |client: &ClientTls| client.certificate == Certificate::Auto;
    assert!(files("[tls.client]\nrequired = true").is_some_and(|client| made(&client)));
    assert!(files("[tls.client]\nca = '/ca'").is_some_and(|client| made(&client) && client.ca.is_some()));
    assert_eq!(files("[tls.client]\ncert = ''"), None);
    let off = "TLS is off for clients (tls.client.cert is empty); give a cert, or leave it out";
    let both = "give both: without a certificate of your own the proxy makes one with its key (cert = \"auto\")";
    let table = [
        ("cert = '/c'", format!("proxy.toml:2: tls.client.cert: there is no key for it; {both}")),
        ("key = '/k'", format!("proxy.toml:2: tls.client.key: there is no certificate for it; {both}")),
        ("cert = ''\nkey = '/k'", format!("proxy.toml:3: tls.client.key: there is no certificate for it; {both}")),
        ("cert = ''\nrequired = true", format!("proxy.toml:3: tls.client.required: {off}")),
        ("cert = ''\nca = '/ca'", format!("proxy.toml:3: tls.client.ca: {off}")),
    ];
    for (text, line) in table {
        assert_eq!(complaint(&format!("[tls.client]\n{text}"), &[]), line);
    }
}

#[test]
fn what_proves_a_member_goes_with_the_mode() {
    let digits = "AB".repeat(32);
    let backend = |text: &str| parse(&format!("[tls.backend]\n{text}"), &[]).unwrap().tls.backend;
    let verify = backend("mode = 'verify_ca'\nca = '/ca'\ncert = '/c'\nkey = '/k'");
    assert_eq!((verify.ca, verify.pair), (Some("/ca".into()), Some(("/c".into(), "/k".into()))));
    let pinned = backend(&format!("mode = 'required'\npin = '{digits}, {}'", digits.to_lowercase()));
    assert_eq!(pinned.pins.len(), 2);
    assert_eq!(backend("mode = 'required'").mode, BackendTlsMode::Required);
    assert!(backend(&format!("mode = 'verify_identity'\npin = '{digits}'")).ca.is_none());
    let table = [
        (
            "mode = 'verify_ca'",
            "2: tls.backend.mode: there is nothing that proves a member; give tls.backend.ca, or the \
          fingerprints of the members' certificates in tls.backend.pin",
        ),
        (
            "ca = '/ca'",
            "2: tls.backend.ca: mode preferred does not look at certificates; give mode = \"verify_ca\" or \
          \"verify_identity\", or no ca",
        ),
        (
            "mode = 'required'\nca = '/ca'",
            "3: tls.backend.ca: mode required does not look at certificates; give mode = \
          \"verify_ca\" or \"verify_identity\", or no ca",
        ),
        (
            "pin = 'AB'",
            "2: tls.backend.pin: \"AB\" is not a SHA-256 fingerprint; give the 64 hexadecimal digits that openssl \
          x509 -noout -fingerprint -sha256 shows",
        ),
        ("cert = '/c'", "2: tls.backend.cert: there is no key for it; give both, or none"),
        ("key = '/k'", "2: tls.backend.key: there is no certificate for it; give both, or none"),
    ];
    for (text, line) in table {
        assert_eq!(complaint(&format!("[tls.backend]\n{text}"), &[]), format!("proxy.toml:{line}"));
    }
    let line = complaint(&format!("[tls.backend]\npin = '{digits}'"), &[]);
    assert!(
        line.ends_with("mode preferred does not look at certificates; give mode = \"required\", or no pin"),
        "{line}"
    );
}

#[test]
fn networks_of_load_balancers_are_read() {
    let config = parse("[listen]\nproxy_protocol_from = ['10.0.0.0/8', 'fd00::1']", &[]).unwrap();
    let shown: Vec<_> = config.listen.proxy_protocol_from.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["10.0.0.0/8", "fd00::1/128"]);
    let line = complaint("[listen]\nproxy_protocol_from = ['balancer']", &[]);
    let right = "give networks such as \"10.0.0.0/8\", or addresses";
    assert_eq!(line, format!("proxy.toml:2: listen.proxy_protocol_from: \"balancer\" is not a network; {right}"));
}

#[test]
fn a_value_with_line_breaks_stays_on_one_line() {
    let line = complaint("[listen]\nread_write = \"a\\nb\\u001b[2J\"", &[]);
    assert_eq!(line.lines().count(), 1);
    assert!(!line.contains(char::is_control), "{line:?}");
}
