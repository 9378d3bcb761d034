//! The environment → settings: `MYSQL_PROXY_SECTION_KEY`.
//!
//! Knows how keys are spelled as variables, and which variables of the same beginning are not meant for us: Kubernetes
//! announces every Service to every pod, and ours is called `mysql-proxy`.

use super::keys::{self, KEYS, Key, Kind, USER_KEYS, USERS};
use super::nearest::nearest;
use super::place::Place;
use super::settings::{Item, Settings, Value};
use super::{ConfigError, Secret};

const PREFIX: &str = "MYSQL_PROXY_";

/// The variable that names the file; read by the command line.
const FILE_VARIABLE: &str = "MYSQL_PROXY_CONFIG";

/// The variables that may configure the proxy.
#[derive(Clone, Default)]
pub struct Environment {
    variables: Vec<(String, String)>,
}

impl Environment {
    /// Those of this process.
    pub fn of_process() -> Result<Environment, ConfigError> {
        let mut variables = Vec::new();
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
            let value = value.into_string().map_err(|_| {
                let place = Place::Variable(name.to_owned());
                ConfigError::new("", &place, "environment", "the value is not UTF-8", "give UTF-8 text")
            })?;
            variables.push((name.to_owned(), value));
        }
        Ok(Environment::of(variables))
    }

    /// What they are called. Their values may be secret.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.variables.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// None.
    #[must_use]
    pub fn empty() -> Environment {
        Environment::default()
    }

    /// These.
    pub fn of<N: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (N, V)>) -> Environment {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        let mut variables: Vec<_> = variables.filter(|(name, _)| name.starts_with(PREFIX)).collect();
        // Users in the order of their numbers: each must find those before it.
        variables.sort_by_cached_key(|(name, _)| (user_key(name).map(|(index, _)| index), name.clone()));
        Environment { variables }
    }

    /// Overrides what the file says.
    pub(super) fn read_into(&self, settings: &mut Settings) -> Result<(), ConfigError> {
        for (name, value) in self.variables.iter().filter(|(name, value)| !is_foreign(name, value)) {
            let place = Place::Variable(name.clone());
            if let Some(key) = KEYS.iter().find(|key| variable(key.path) == *name) {
                let value = read(settings, key.path, key.kind, value, &place)?;
                settings.set(key.path, value, place);
            } else if let Some((index, key)) = user_key(name) {
                set_user(settings, index, key, value, place)?;
            } else if let Some(complaint) = complaint(settings, name, &place) {
                return Err(complaint);
            }
        }
        Ok(())
    }
}

/// The variable of a key.
fn variable(path: &str) -> String {
    PREFIX.to_owned() + &path.replace('.', "_").to_ascii_uppercase()
}

/// `MYSQL_PROXY_USERS_<index>_<KEY>`.
fn user_key(name: &str) -> Option<(usize, &'static Key)> {
    let rest = name.strip_prefix(&variable(USERS))?.strip_prefix('_')?;
    let (index, key) = rest.split_once('_')?;
    let key = USER_KEYS.iter().find(|known| known.path.to_ascii_uppercase() == key)?;
    Some((index.parse().ok()?, key))
}

fn set_user(settings: &mut Settings, index: usize, key: &Key, text: &str, place: Place) -> Result<(), ConfigError> {
    let path = keys::user_path(index, key.path);
    let known = settings.users().len();
    if index > known {
        let right = format!("the next free number is {known}");
        return Err(settings.wrong_at(&place, &path, format!("there are only {known} users before it"), right));
    }
    let value = read(settings, &path, key.kind, text, &place)?;
    if index == known {
        settings.add_user(place.clone());
    }
    settings.set(&path, value, place);
    Ok(())
}

fn read(settings: &Settings, path: &str, kind: Kind, text: &str, place: &Place) -> Result<Value, ConfigError> {
    let value = match kind {
        Kind::Text(_) | Kind::Duration(_) | Kind::Size(_) => Some(Value::Text(text.to_owned())),
        Kind::Secret => Some(Value::Secret(Secret::new(text))),
        Kind::Number(_) => text.trim().parse().ok().map(Value::Number),
        Kind::Flag(_) => text.trim().parse().ok().map(Value::Flag),
        Kind::List => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Some(Value::List(items.map(|item| Item { text: item.to_owned(), place: place.clone() }).collect()))
        }
    };
    let wrong = || settings.wrong_at(place, path, format!("{text:?} does not fit"), format!("give {}", kind.wanted()));
    value.ok_or_else(wrong)
}

/// An unknown variable is an error when it begins like a section, or looks like a slip of the pen.
fn complaint(settings: &Settings, name: &str, place: &Place) -> Option<ConfigError> {
    let known: Vec<String> = KEYS.iter().map(|key| variable(key.path)).collect();
    let near = nearest(name, known.iter().map(String::as_str));
    let sections = keys::names_in("").into_iter().map(|section| variable(section) + "_");
    let begins_like_ours = sections.into_iter().any(|section| name.starts_with(&section));
    let right = match near {
        Some(near) => format!("did you mean {near}"),
        None if begins_like_ours => "write MYSQL_PROXY_SECTION_KEY for a key of the configuration".to_owned(),
        None => return None,
    };
    Some(settings.wrong_at(place, "environment", "there is no such key", right))
}

/// `MYSQL_PROXY_CONFIG`, and what Kubernetes sets for the Service `mysql-proxy` and for others whose names begin so:
/// `…_SERVICE_HOST`, `…_SERVICE_PORT[_NAME]`, `…_PORT`, `…_PORT_3306_TCP[_ADDR|_PORT|_PROTO]`.
fn is_foreign(name: &str, value: &str) -> bool {
    let is_url = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    name == FILE_VARIABLE
        || name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || name == "MYSQL_PROXY_PORT"
        || (name.ends_with("_PORT") && is_url)
        || is_port_link(name)
}

/// `…_PORT_<number>_<PROTOCOL>…`
fn is_port_link(name: &str) -> bool {
    name.match_indices("_PORT_").any(|(at, found)| {
        let mut parts = name[at + found.len()..].split('_');
        let number = parts.next().is_some_and(|part| part.parse::<u16>().is_ok());
        number && parts.next().is_some_and(|part| matches!(part, "TCP" | "UDP" | "SCTP"))
    })
}

#[cfg(test)]
mod tests {
    use super::is_foreign;

    #[test]
    fn tells_service_links_from_keys() {
        for (name, value) in [
            ("MYSQL_PROXY_CONFIG", "/etc/x.toml"),
            ("MYSQL_PROXY_PORT", "tcp://10.0.0.1:3306"),
            ("MYSQL_PROXY_SERVICE_HOST", "10.0.0.1"),
            ("MYSQL_PROXY_SERVICE_PORT", "3306"),
            ("MYSQL_PROXY_SERVICE_PORT_MYSQL_RO", "3307"),
            ("MYSQL_PROXY_PORT_3306_TCP", "tcp://10.0.0.1:3306"),
            ("MYSQL_PROXY_PORT_3306_TCP_ADDR", "10.0.0.1"),
            ("MYSQL_PROXY_PORT_3306_TCP_PROTO", "tcp"),
            ("MYSQL_PROXY_CLUSTER_PORT", "tcp://10.0.0.2:3306"),
            ("MYSQL_PROXY_CLUSTER_PORT_3306_TCP_PORT", "3306"),
        ] {
            assert!(is_foreign(name, value), "{name}");
        }
        for name in ["MYSQL_PROXY_CLUSTER_PORT", "MYSQL_PROXY_LISTEN_READ_WRITE", "MYSQL_PROXY_CLUSTER_PORTS"] {
            assert!(!is_foreign(name, "3306"), "{name}");
        }
    }
}
