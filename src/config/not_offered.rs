//! What the contract names and this version does not do yet. A later version removes rows, nothing else.

use super::ConfigError;
use super::settings::{Settings, Value};

/// A setting that is refused so that it is not silently ignored.
struct NotOffered {
    key: &'static str,
    when: When,
    instead: &'static str,
}

/// Which values are refused.
enum When {
    /// Any text but the empty one.
    NotEmpty,
    /// These words.
    OneOf(&'static [&'static str]),
}

const TABLE: [NotOffered; 2] = [
    NotOffered { key: "listen.admin_sql", when: When::NotEmpty, instead: "leave it out or give \"\"" },
    NotOffered {
        key: "cluster.kind",
        when: When::OneOf(&["group_replication"]),
        instead: "give auto, replication, galera or single",
    },
];

/// The first setting that this version cannot honour is an error.
pub(super) fn refuse(settings: &Settings) -> Result<(), ConfigError> {
    for NotOffered { key, when, instead } in &TABLE {
        let Some(setting) = settings.setting(key) else { continue };
        let asked = match (when, &setting.value) {
            (When::NotEmpty, Value::Text(text)) if !text.is_empty() => format!("{text:?}"),
            (When::OneOf(words), Value::Text(text)) if words.contains(&text.as_str()) => format!("{text:?}"),
            _ => continue,
        };
        return Err(settings.wrong(key, format!("{asked} is not offered in this version yet"), *instead));
    }
    Ok(())
}
