//! Settings → [`Config`]: what each key means, and what must be true of several together.

mod cluster;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::choice::Choice as _;
use super::keys::user_path;
use super::place::Place;
use super::settings::Settings;
use super::units::show_duration;
use super::{
    Auth, AuthSource, BackendTls, BackendTlsMode, ByteSize, Certificate, ClientTls, ClientTlsDemand, Config,
    ConfigError, Limits, Listen, Monitor, Multiplexing, Network, Pin, Pool, Routing, Runtime, Secret, Tls, User,
    not_offered,
};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The servers' own limits for the length of a user's name: 32 characters at `MySQL`, 128 at `MariaDB`.
const LONGEST_USER_NAME: usize = 128;

/// `tls.client.cert`: the proxy makes a certificate itself.
const AUTO: &str = "auto";

/// Checks everything; the first thing that is wrong is the error.
pub(super) fn validate(settings: &Settings) -> Result<Config, ConfigError> {
    not_offered::refuse(settings)?;
    Ok(Config {
        listen: listen(settings)?,
        runtime: Runtime { threads: settings.number("runtime.threads", 0..=1024)? },
        cluster: cluster::cluster(settings)?,
        monitor: monitor(settings)?,
        auth: auth(settings)?,
        routing: routing(settings)?,
        pool: pool(settings)?,
        limits: limits(settings)?,
        tls: tls(settings)?,
    })
}

fn listen(settings: &Settings) -> Result<Listen, ConfigError> {
    let [read_write, read_only, admin_http, admin_sql] =
        ["listen.read_write", "listen.read_only", "listen.admin_http", "listen.admin_sql"]
            .map(|key| Ok((key, listener(settings, key)?)));
    let listeners = [read_write?, read_only?, admin_http?, admin_sql?];
    let (_, Some(read_write)) = listeners[0] else {
        return Err(settings.wrong(
            "listen.read_write",
            "it cannot be off",
            "give an address such as \"0.0.0.0:3306\"",
        ));
    };
    refuse_clashes(settings, &listeners)?;
    let [_, (_, read_only), (_, admin_http), (_, admin_sql)] = listeners;
    Ok(Listen { read_write, read_only, admin_http, admin_sql, proxy_protocol_from: networks(settings)? })
}

fn networks(settings: &Settings) -> Result<Vec<Network>, ConfigError> {
    const KEY: &str = "listen.proxy_protocol_from";
    let items = settings.list(KEY)?.iter();
    let networks = items.map(|item| {
        let wrong = format!("{:?} is not a network", item.text);
        Network::parse(&item.text).ok_or_else(|| {
            settings.wrong_at(&item.place, KEY, wrong, "give networks such as \"10.0.0.0/8\", or addresses")
        })
    });
    networks.collect()
}

fn listener(settings: &Settings, key: &str) -> Result<Option<SocketAddr>, ConfigError> {
    let text = settings.text(key)?;
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || {
        let wrong = format!("{text:?} is not an IP address with a port");
        settings.wrong(key, wrong, "give one such as \"0.0.0.0:3306\" or \"[::]:3306\"")
    };
    text.parse().map(Some).map_err(|_| wrong())
}

/// Two listeners that the system would not let live side by side.
fn refuse_clashes(settings: &Settings, listeners: &[(&str, Option<SocketAddr>)]) -> Result<(), ConfigError> {
    for (at, (key, address)) in listeners.iter().enumerate() {
        for (other_key, other) in &listeners[..at] {
            let (Some(address), Some(other)) = (address, other) else { continue };
            let overlap = address.ip() == other.ip() || address.ip().is_unspecified() || other.ip().is_unspecified();
            if address.port() == other.port() && address.port() != 0 && overlap {
                // The complaint stands where somebody wrote something.
                let (key, other_key) = if settings.place(key).is_given() { (key, other_key) } else { (other_key, key) };
                let wrong = format!("port {} is also that of {other_key}", address.port());
                return Err(settings.wrong(key, wrong, "give each listener a port of its own"));
            }
        }
    }
    Ok(())
}

fn monitor(settings: &Settings) -> Result<Monitor, ConfigError> {
    let user = settings.text("monitor.user")?;
    if user.is_empty() || user.len() > LONGEST_USER_NAME {
        return Err(settings.wrong(
            "monitor.user",
            "is empty or too long",
            "name the account that watches the members",
        ));
    }
    let interval = settings.duration("monitor.interval", 10 * MILLISECOND..=HOUR)?;
    let timeout = settings.duration("monitor.timeout", MILLISECOND..=HOUR)?;
    if timeout > interval {
        let key = if settings.place("monitor.timeout").is_given() { "monitor.timeout" } else { "monitor.interval" };
        let (shown_timeout, shown_interval) = (show_duration(timeout), show_duration(interval));
        let wrong = format!("the timeout of {shown_timeout} is longer than the interval of {shown_interval}");
        return Err(settings.wrong(key, wrong, "give a timeout of at most the interval"));
    }
    Ok(Monitor {
        user: user.to_owned(),
        password: secret(settings, "monitor.password", "monitor.password_file")?.unwrap_or_default(),
        interval,
        timeout,
        fall: settings.number("monitor.fall", 1..=1000)?,
        rise: settings.number("monitor.rise", 1..=1000)?,
        max_lag: settings.duration("monitor.max_lag", Duration::ZERO..=30 * DAY)?,
        follow_interval: settings.duration("monitor.follow_interval", MILLISECOND..=MINUTE)?,
    })
}

fn auth(settings: &Settings) -> Result<Auth, ConfigError> {
    let source = settings.choice("auth.source")?;
    let recheck = settings.duration("auth.recheck", Duration::ZERO..=DAY)?;
    let users = settings.users().iter().enumerate();
    let users = users.map(|(index, place)| user(settings, index, place)).collect::<Result<Vec<_>, _>>()?;
    let mut names = BTreeSet::new();
    for (index, user) in users.iter().enumerate() {
        if !names.insert(&user.name) {
            let wrong = format!("there is a user {:?} already", user.name);
            return Err(settings.wrong(&user_path(index, "name"), wrong, "give each user once"));
        }
    }
    if source == AuthSource::Config && users.is_empty() {
        return Err(settings.wrong("auth.source", "there are no [[users]], so nobody could log in", "add [[users]]"));
    }
    Ok(Auth { source, recheck, users })
}

fn user(settings: &Settings, index: usize, place: &Place) -> Result<User, ConfigError> {
    let [name_path, password_path, file_path] = ["name", "password", "password_file"].map(|key| user_path(index, key));
    let missing = |path: &str, right| settings.wrong_at(place, path, "is missing", right);
    if settings.setting(&name_path).is_none() {
        return Err(missing(&name_path, "give name = \"…\""));
    }
    let name = settings.text(&name_path)?;
    if name.is_empty() || name.len() > LONGEST_USER_NAME {
        return Err(settings.wrong(&name_path, "is empty or too long", "give the name of an account of the members"));
    }
    let password = secret(settings, &password_path, &file_path)?;
    let password = password.ok_or_else(|| missing(&password_path, "give password or password_file"))?;
    Ok(User { name: name.to_owned(), password })
}

/// A secret may stand in the file, in the environment, or in a file of its own that either of them names.
fn secret(settings: &Settings, path: &str, file_path: &str) -> Result<Option<Secret>, ConfigError> {
    let given = |path: &str| settings.place(path).is_given();
    let by_environment = |path: &str| matches!(settings.place(path), Place::Variable(_));
    let from_file = match (given(path), given(file_path)) {
        (false, false) => return Ok(settings.setting(path).map(|_| Secret::default())),
        (true, true) if by_environment(path) == by_environment(file_path) => {
            return Err(settings.wrong(file_path, format!("{path} is given too"), "give one of the two"));
        }
        (true, true) => by_environment(file_path),
        (_, from_file) => from_file,
    };
    if from_file { read_secret(settings, file_path).map(Some) } else { settings.secret(path).cloned().map(Some) }
}

fn read_secret(settings: &Settings, path: &str) -> Result<Secret, ConfigError> {
    let file = settings.text(path)?;
    let right = "name a file that holds the secret and that this user may read";
    let text = std::fs::read_to_string(file).map(zeroize::Zeroizing::new);
    let text = text.map_err(|why| settings.wrong(path, format!("{file:?} cannot be read ({why})"), right))?;
    let secret = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if secret.is_empty() {
        return Err(settings.wrong(path, format!("{file:?} is empty"), right));
    }
    Ok(Secret::new(secret))
}

fn routing(settings: &Settings) -> Result<Routing, ConfigError> {
    let trusted = settings.list("routing.trusted_functions")?;
    for item in trusted {
        let is_name =
            |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "()`'\"".contains(c));
        if !item.text.split('.').all(is_name) || item.text.split('.').count() > 2 {
            let wrong = format!("{:?} is not the name of a function", item.text);
            let right = "give names such as \"my_function\" or \"my_schema.my_function\", without quotes of SQL";
            return Err(settings.wrong_at(&item.place, "routing.trusted_functions", wrong, right));
        }
    }
    Ok(Routing {
        consistency: settings.choice("routing.consistency")?,
        causal_wait: settings.duration("routing.causal_wait", Duration::ZERO..=MINUTE)?,
        fallback_limit: settings.number("routing.fallback_limit", 0..=100_000)?,
        split_transactions: settings.flag("routing.split_transactions")?,
        trusted_functions: trusted.iter().map(|item| item.text.clone()).collect(),
    })
}

fn pool(settings: &Settings) -> Result<Pool, ConfigError> {
    Ok(Pool {
        max_backend_connections: settings.number("pool.max_backend_connections", 1..=100_000)?,
        multiplexing: if settings.flag("pool.multiplexing")? { Multiplexing::On } else { Multiplexing::Off },
        acquire_timeout: settings.duration("pool.acquire_timeout", MILLISECOND..=HOUR)?,
        idle_timeout: settings.duration("pool.idle_timeout", SECOND..=DAY)?,
        connect_timeout: settings.duration("pool.connect_timeout", MILLISECOND..=5 * MINUTE)?,
    })
}

fn limits(settings: &Settings) -> Result<Limits, ConfigError> {
    let packet = ByteSize::from_bytes(1 << 10)..=ByteSize::from_bytes(1 << 30);
    Ok(Limits {
        max_client_connections: settings.number("limits.max_client_connections", 1..=1_000_000)?,
        max_connections_per_user: settings.number("limits.max_connections_per_user", 0..=1_000_000)?,
        client_read_timeout: settings.duration("limits.client_read_timeout", MILLISECOND..=DAY)?,
        client_write_timeout: settings.duration("limits.client_write_timeout", MILLISECOND..=DAY)?,
        drain_timeout: settings.duration("limits.drain_timeout", Duration::ZERO..=DAY)?,
        max_allowed_packet: settings.size("limits.max_allowed_packet", packet)?,
    })
}

fn tls(settings: &Settings) -> Result<Tls, ConfigError> {
    Ok(Tls { client: client_tls(settings)?, backend: backend_tls(settings)? })
}

fn backend_tls(settings: &Settings) -> Result<BackendTls, ConfigError> {
    let mode = settings.choice("tls.backend.mode")?;
    let ca = path(settings, "tls.backend.ca")?;
    let pins = pins(settings)?;
    let pair = match (path(settings, "tls.backend.cert")?, path(settings, "tls.backend.key")?) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (Some(_), None) => {
            return Err(settings.wrong("tls.backend.cert", "there is no key for it", "give both, or none"));
        }
        (None, Some(_)) => {
            return Err(settings.wrong("tls.backend.key", "there is no certificate for it", "give both, or none"));
        }
    };
    let verifies = matches!(mode, BackendTlsMode::VerifyCa | BackendTlsMode::VerifyIdentity);
    let proven = verifies || mode == BackendTlsMode::Required;
    if verifies && ca.is_none() && pins.is_empty() {
        let instead = "give tls.backend.ca, or the fingerprints of the members' certificates in tls.backend.pin";
        return Err(settings.wrong("tls.backend.mode", "there is nothing that proves a member", instead));
    }
    // What looks like a check and is none is not let pass.
    if !verifies && ca.is_some() {
        let problem = format!("mode {} does not look at certificates", mode.word());
        return Err(settings.wrong(
            "tls.backend.ca",
            problem,
            "give mode = \"verify_ca\" or \"verify_identity\", or no ca",
        ));
    }
    if !proven && !pins.is_empty() {
        let problem = format!("mode {} does not look at certificates", mode.word());
        return Err(settings.wrong("tls.backend.pin", problem, "give mode = \"required\", or no pin"));
    }
    Ok(BackendTls { mode, ca, pair, pins })
}

/// Fingerprints, of each member one, separated by commas or spaces.
fn pins(settings: &Settings) -> Result<Vec<Pin>, ConfigError> {
    let text = settings.text("tls.backend.pin")?;
    let words = text.split([',', ' ']).filter(|word| !word.is_empty());
    let pins = words.map(|word| {
        let instead = "give the 64 hexadecimal digits that openssl x509 -noout -fingerprint -sha256 shows";
        Pin::parse(word)
            .ok_or_else(|| settings.wrong("tls.backend.pin", format!("{word:?} is not a SHA-256 fingerprint"), instead))
    });
    pins.collect()
}

fn client_tls(settings: &Settings) -> Result<Option<ClientTls>, ConfigError> {
    let demand =
        if settings.flag("tls.client.required")? { ClientTlsDemand::Required } else { ClientTlsDemand::Optional };
    let ca = path(settings, "tls.client.ca")?;
    let both = "give both: without a certificate of your own the proxy makes one with its key (cert = \"auto\")";
    let certificate = match (path(settings, "tls.client.cert")?, path(settings, "tls.client.key")?) {
        (Some(cert), None) if cert.as_os_str() == AUTO => Some(Certificate::Auto),
        (Some(cert), Some(key)) if cert.as_os_str() != AUTO => Some(Certificate::Files { cert, key }),
        (Some(_), None) => return Err(settings.wrong("tls.client.cert", "there is no key for it", both)),
        (_, Some(_)) => return Err(settings.wrong("tls.client.key", "there is no certificate for it", both)),
        (None, None) => None,
    };
    if let Some(certificate) = certificate {
        return Ok(Some(ClientTls { certificate, ca, demand }));
    }
    let off = |key| {
        Err(settings.wrong(key, "TLS is off for clients (tls.client.cert is empty)", "give a cert, or leave it out"))
    };
    match (demand, ca) {
        (ClientTlsDemand::Required, _) => off("tls.client.required"),
        (_, Some(_)) => off("tls.client.ca"),
        _ => Ok(None),
    }
}

fn path(settings: &Settings, key: &str) -> Result<Option<PathBuf>, ConfigError> {
    let text = settings.text(key)?;
    Ok((!text.is_empty()).then(|| PathBuf::from(text)))
}
