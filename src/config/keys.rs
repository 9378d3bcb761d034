//! The table of keys: every name, what is written there, and its default. Everything that lists keys reads this table.

/// One key.
pub(super) struct Key {
    /// `section.key`, as in errors.
    pub(super) path: &'static str,
    /// What is written there.
    pub(super) kind: Kind,
}

/// What is written for a key, with its default.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// A string.
    Text(&'static str),
    /// A string such as `"500ms"`.
    Duration(&'static str),
    /// A string such as `"64MiB"`, or a number of bytes.
    Size(&'static str),
    /// A whole number.
    Number(i64),
    /// `true` or `false`.
    Flag(bool),
    /// A list of strings, empty by default.
    List,
    /// A string that must not be shown, empty by default.
    Secret,
}

/// Every key that stands in a section.
pub(super) const KEYS: [Key; 49] = [
    key("listen.read_write", Kind::Text("0.0.0.0:3306")),
    key("listen.read_only", Kind::Text("0.0.0.0:3307")),
    key("listen.admin_http", Kind::Text("0.0.0.0:9090")),
    key("listen.admin_sql", Kind::Text("")),
    key("listen.proxy_protocol_from", Kind::List),
    key("runtime.threads", Kind::Number(0)),
    key("cluster.kind", Kind::Text("auto")),
    key("cluster.service", Kind::Text("mysql")),
    key("cluster.members", Kind::List),
    key("cluster.port", Kind::Number(3306)),
    key("cluster.primary", Kind::Text("mysql-0.mysql")),
    key("cluster.primary_service", Kind::Text("")),
    key("cluster.dns_servers", Kind::List),
    key("monitor.user", Kind::Text("proxy")),
    key("monitor.password", Kind::Secret),
    key("monitor.password_file", Kind::Text("")),
    key("monitor.interval", Kind::Duration("1s")),
    key("monitor.timeout", Kind::Duration("500ms")),
    key("monitor.fall", Kind::Number(3)),
    key("monitor.rise", Kind::Number(2)),
    key("monitor.max_lag", Kind::Duration("10s")),
    key("monitor.follow_interval", Kind::Duration("1ms")),
    key("auth.source", Kind::Text("auto")),
    key("auth.recheck", Kind::Duration("5s")),
    key("routing.consistency", Kind::Text("session")),
    key("routing.causal_wait", Kind::Duration("50ms")),
    key("routing.fallback_limit", Kind::Number(0)),
    key("routing.split_transactions", Kind::Flag(false)),
    key("routing.trusted_functions", Kind::List),
    key("pool.max_backend_connections", Kind::Number(200)),
    key("pool.multiplexing", Kind::Flag(true)),
    key("pool.acquire_timeout", Kind::Duration("10s")),
    key("pool.idle_timeout", Kind::Duration("60s")),
    key("pool.connect_timeout", Kind::Duration("2s")),
    key("limits.max_client_connections", Kind::Number(10_000)),
    key("limits.max_connections_per_user", Kind::Number(0)),
    key("limits.client_read_timeout", Kind::Duration("60s")),
    key("limits.client_write_timeout", Kind::Duration("60s")),
    key("limits.drain_timeout", Kind::Duration("30s")),
    key("limits.max_allowed_packet", Kind::Size("1GiB")),
    key("tls.client.cert", Kind::Text("auto")),
    key("tls.client.key", Kind::Text("")),
    key("tls.client.ca", Kind::Text("")),
    key("tls.client.required", Kind::Flag(false)),
    key("tls.backend.mode", Kind::Text("preferred")),
    key("tls.backend.ca", Kind::Text("")),
    key("tls.backend.cert", Kind::Text("")),
    key("tls.backend.key", Kind::Text("")),
    key("tls.backend.pin", Kind::Text("")),
];

/// The keys of each of `[[users]]`. They have no default.
pub(super) const USER_KEYS: [Key; 3] =
    [key("name", Kind::Text("")), key("password", Kind::Secret), key("password_file", Kind::Text(""))];

/// The list of tables that stands at top level.
pub(super) const USERS: &str = "users";

/// The path of a key of the user at `index`, as in errors: `users[0].name`.
pub(super) fn user_path(index: usize, name: &str) -> String {
    format!("{USERS}[{index}].{name}")
}

/// The key of this path.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// Whether keys stand below this path: `listen`, `tls`, `tls.client`.
pub(super) fn is_section(path: &str) -> bool {
    KEYS.iter().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// What may stand directly in this section; the top level is `""`.
pub(super) fn names_in(section: &str) -> Vec<&'static str> {
    let below = |key: &Key| match section {
        "" => Some(key.path),
        _ => key.path.strip_prefix(section)?.strip_prefix('.'),
    };
    let mut names: Vec<_> = KEYS.iter().filter_map(below).filter_map(|rest| rest.split('.').next()).collect();
    names.dedup();
    names.extend(section.is_empty().then_some(USERS));
    names
}

/// The last part of a path.
pub(super) fn leaf(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

const fn key(path: &'static str, kind: Kind) -> Key {
    Key { path, kind }
}

#[cfg(test)]
mod tests {
    use super::{KEYS, Kind, USER_KEYS};

    const MANUAL: &str = include_str!("../../docs/configuration.md");

    /// The section of the manual whose headline names `[section]`.
    fn chapter(section: &str) -> &'static str {
        let heading = format!("`[{section}]`");
        let chapters = MANUAL.split("\n## ");
        chapters.skip(1).find(|chapter| chapter.lines().next().is_some_and(|line| line.contains(&heading))).unwrap()
    }

    #[test]
    fn the_manual_has_every_key_with_default_and_variable() {
        for key in &KEYS {
            let default = match key.kind {
                Kind::Text(text) | Kind::Duration(text) | Kind::Size(text) => format!("\"{text}\""),
                Kind::Number(number) => number.to_string(),
                Kind::Flag(flag) => flag.to_string(),
                Kind::List => "[]".to_owned(),
                Kind::Secret => "\"\"".to_owned(),
            };
            let (section, name) = key.path.rsplit_once('.').unwrap();
            let begin = format!("| `{name}` | `{default}` | ");
            let variable = format!("| `MYSQL_PROXY_{}` | ", key.path.replace('.', "_").to_uppercase());
            let row = chapter(section).lines().find(|line| line.starts_with(&begin) && line.contains(&variable));
            assert!(row.is_some(), "docs/configuration.md: no row {begin}… {variable}…");
        }
        for key in &USER_KEYS {
            assert!(chapter("[users]").contains(&format!("`MYSQL_PROXY_USERS_n_{}`", key.path.to_uppercase())));
        }
    }
}
