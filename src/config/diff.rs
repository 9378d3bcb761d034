//! What is different between two configurations, key by key, as an operator wants to read it.
//!
//! Knows the rendering of a configuration, which masks secrets, and which keys count from a start only. Must not know how
//! a change is put into force.

use std::collections::BTreeMap;
use std::fmt;

use super::{Config, Listen, Secret};

/// The keys that count from a start only. Everything else counts at once.
const AT_START: [&str; 5] =
    ["listen.read_write", "listen.read_only", "listen.admin_http", "listen.admin_sql", "runtime.threads"];

/// One key whose value is another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Such as `routing.consistency`, or `users.app.password`.
    pub key: String,
    /// As TOML, masked where it is secret; none: it was not given.
    pub old: Option<String>,
    /// Likewise; none: it is not given any more.
    pub new: Option<String>,
    /// From when on it counts.
    pub effect: Effect,
}

/// From when on a change counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// From now on.
    Now,
    /// When the proxy is started again.
    AtStart,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.old, &self.new) {
            (Some(old), Some(new)) if old == new => write!(f, "{}: changed ({new})", self.key),
            (Some(old), Some(new)) => write!(f, "{}: {old} -> {new}", self.key),
            (None, Some(new)) => write!(f, "{}: {new} (new)", self.key),
            (Some(old), None) => write!(f, "{}: {old} (gone)", self.key),
            (None, None) => f.write_str(&self.key),
        }
    }
}

impl Config {
    /// What is different in `next`, by key.
    #[must_use]
    pub fn changes_to(&self, next: &Config) -> Vec<Change> {
        let (old, new) = (self.by_key(), next.by_key());
        let (old_secrets, new_secrets) = (self.secrets(), next.secrets());
        let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
        keys.sort();
        keys.dedup();
        let is_other = |key: &str| old.get(key) != new.get(key) || old_secrets.get(key) != new_secrets.get(key);
        let change = |key: &String| Change {
            key: key.clone(),
            old: old.get(key).cloned(),
            new: new.get(key).cloned(),
            effect: if AT_START.contains(&key.as_str()) { Effect::AtStart } else { Effect::Now },
        };
        keys.into_iter().filter(|key| is_other(key)).map(change).collect()
    }

    /// The same with what counts from a start only as it is in `running`.
    #[must_use]
    pub fn started_as(self, running: &Config) -> Config {
        let Listen { read_write, read_only, admin_http, admin_sql, proxy_protocol_from: _ } = running.listen;
        let listen = Listen { read_write, read_only, admin_http, admin_sql, ..self.listen };
        Config { listen, runtime: running.runtime.clone(), ..self }
    }

    /// Every key that is shown, with its value as TOML.
    fn by_key(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        // The rendering is TOML always: a test sees to it.
        for (name, value) in self.to_string().parse::<toml::Table>().unwrap_or_default() {
            flatten(name, value, &mut all);
        }
        all
    }

    /// Every secret: all look the same where they are shown.
    fn secrets(&self) -> BTreeMap<String, &Secret> {
        let users = self.auth.users.iter().map(|user| (format!("users.{}.password", user.name), &user.password));
        users.chain([("monitor.password".to_owned(), &self.monitor.password)]).collect()
    }
}

/// Users are known by their names: one that is put in front of others is no change of those.
fn flatten(path: String, value: toml::Value, all: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                flatten(format!("{path}.{name}"), value, all);
            }
        }
        toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
            for (index, mut item) in items.into_iter().enumerate() {
                let name = item.as_table_mut().and_then(|table| table.remove("name"));
                let name = name.and_then(|name| name.as_str().map(str::to_owned));
                flatten(format!("{path}.{}", name.unwrap_or_else(|| index.to_string())), item, all);
            }
        }
        value => {
            all.insert(path, value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::{KEYS, Kind};
    use super::super::{Environment, parse};
    use super::*;

    fn config(text: &str) -> Config {
        text.parse().unwrap()
    }

    /// What is logged of the way from one file to another.
    fn told(old: &str, new: &str) -> Vec<String> {
        config(old).changes_to(&config(new)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn one_line_a_key_with_old_and_new_value() {
        let user = |name: &str, password: &str| format!("[[users]]\nname = \"{name}\"\npassword = \"{password}\"\n");
        for (old, new, expected) in [
            (String::new(), String::new(), &[][..]),
            (String::new(), "[routing]\nconsistency = \"session\"".to_owned(), &[]),
            (
                String::new(),
                "[routing]\nconsistency = \"eventual\"\ncausal_wait = \"1s\"".to_owned(),
                &["routing.causal_wait: \"50ms\" -> \"1s\"", "routing.consistency: \"session\" -> \"eventual\""],
            ),
            (
                "[cluster]\nmembers = [\"a:1\"]\nprimary = \"auto\"".to_owned(),
                "[cluster]\nmembers = [\"a:1\", \"b:2\"]\nprimary = \"auto\"".to_owned(),
                &["cluster.members: [\"a:1\"] -> [\"a:1\", \"b:2\"]"],
            ),
            (
                "[cluster]\nprimary = \"auto\"".to_owned(),
                "[cluster]\nmembers = [\"a:1\"]\nprimary = \"auto\"".to_owned(),
                &["cluster.members: [\"a:1\"] (new)", "cluster.service: \"mysql\" (gone)"],
            ),
            (
                "[monitor]\npassword = \"hunter2\"".to_owned(),
                "[monitor]\npassword = \"hunter3\"".to_owned(),
                &["monitor.password: changed (\"********\")"],
            ),
            (
                user("app", "hunter2"),
                user("bob", "hunter3") + &user("app", "hunter4"),
                &["users.app.password: changed (\"********\")", "users.bob.password: \"********\" (new)"],
            ),
            (user("app", "hunter2"), String::new(), &["users.app.password: \"********\" (gone)"]),
            (String::new(), "[runtime]\nthreads = 3".to_owned(), &["runtime.threads: 0 -> 3"]),
        ] {
            assert_eq!(told(&old, &new), expected, "{old:?} -> {new:?}");
        }
    }

    const PIN: &str = "11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11";

    /// Another value than the default, for a key of any kind.
    fn another(path: &str, kind: Kind) -> &'static str {
        match (path, kind) {
            ("listen.proxy_protocol_from", _) => "10.0.0.0/8",
            ("cluster.members", _) => "10.0.0.1:3306",
            ("cluster.dns_servers", _) => "10.0.0.1:53",
            ("cluster.kind", _) => "galera",
            ("auth.source", _) => "config",
            ("routing.consistency", _) => "global",
            ("tls.client.cert", _) => "",
            ("tls.backend.mode", _) => "disabled",
            ("tls.backend.pin", _) => PIN,
            (path, _) if path.starts_with("listen.") => "127.0.0.1:7",
            ("monitor.timeout" | "monitor.follow_interval", _) => "100ms",
            (_, Kind::Duration(_)) => "7s",
            (_, Kind::Size(_)) => "1MiB",
            (_, Kind::Number(_)) => "7",
            (_, Kind::Flag(true)) => "false",
            (_, Kind::Flag(false)) => "true",
            (_, Kind::Text(_) | Kind::Secret | Kind::List) => "other",
        }
    }

    #[test]
    fn no_key_changes_unseen() {
        // What a key needs beside it.
        let around = |path: &str| match path {
            "auth.source" => vec![("MYSQL_PROXY_USERS_0_NAME", "app"), ("MYSQL_PROXY_USERS_0_PASSWORD", "x")],
            "cluster.members" => vec![("MYSQL_PROXY_CLUSTER_PRIMARY", "auto")],
            "cluster.primary_service" => vec![("MYSQL_PROXY_CLUSTER_KIND", "replication")],
            "tls.backend.ca" => {
                vec![("MYSQL_PROXY_TLS_BACKEND_MODE", "verify_ca"), ("MYSQL_PROXY_TLS_BACKEND_PIN", PIN)]
            }
            "tls.backend.pin" => vec![("MYSQL_PROXY_TLS_BACKEND_MODE", "required")],
            _ => Vec::new(),
        };
        for key in KEYS.iter().filter(|key| !key.path.ends_with("_file")) {
            // Together with another key only.
            if ["tls.client.key", "tls.backend.cert", "tls.backend.key"].contains(&key.path) {
                continue;
            }
            let variable = format!("MYSQL_PROXY_{}", key.path.replace('.', "_").to_uppercase());
            let before: Vec<(String, String)> =
                around(key.path).into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let mut after = before.clone();
            after.push((variable, another(key.path, key.kind).to_owned()));
            let read = |variables: Vec<(String, String)>| parse("file", "", &Environment::of(variables));
            let old = read(before).unwrap();
            let Ok(new) =
                read(after).inspect_err(|error| assert!(error.to_string().contains("not offered"), "{error}"))
            else {
                continue;
            };
            let changes = old.changes_to(&new);
            let change = changes.iter().find(|change| change.key == key.path);
            let change = change.unwrap_or_else(|| panic!("{}: {changes:?}", key.path));
            let stays = (change.effect == Effect::AtStart) == (new.clone().started_as(&old) == old);
            assert!(stays, "{change:?}");
        }
    }
}
