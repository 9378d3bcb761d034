//! The one line that says what is wrong with a configuration.

use thiserror::Error;

use super::place::Place;

/// What is wrong with the configuration, and what would be right. Its `Display` is exactly one line:
/// `file:line: key: what is wrong; what would be right`, with the variable's name in place of `file:line` when the
/// value came from the environment. It never contains a secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{place}: {key}: {wrong}; {right}")]
pub struct ConfigError {
    place: String,
    key: String,
    wrong: String,
    right: String,
}

impl ConfigError {
    /// A complaint about the value of a key.
    pub(super) fn new(file: &str, place: &Place, key: &str, wrong: impl AsRef<str>, right: impl AsRef<str>) -> Self {
        let place = match place {
            Place::Default => file.to_owned(),
            Place::Line(line) => format!("{file}:{line}"),
            Place::Variable(name) => name.clone(),
        };
        ConfigError { place, key: key.to_owned(), wrong: one_line(wrong.as_ref()), right: one_line(right.as_ref()) }
    }

    /// The file itself cannot be read.
    pub(super) fn unreadable_file(name: &str, why: &std::io::Error) -> Self {
        let wrong = format!("the file cannot be read ({why})");
        ConfigError::new(name, &Place::Default, "--config", wrong, "name a TOML file that this user may read")
    }

    /// The key that the complaint is about, such as `monitor.interval`.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// Control characters (a value may hold line breaks) must not break the line or the terminal.
fn one_line(text: &str) -> String {
    text.split(char::is_control).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}
