//! Every setting as it was written, with its place; and the plain questions that one asks of it.
//!
//! Knows types and ranges, and words the complaints about them. Must not know what a particular key means.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::choice::Choice;
use super::keys::{KEYS, Kind};
use super::nearest::nearest;
use super::place::Place;
use super::units::{parse_duration, show_duration};
use super::{ByteSize, ConfigError, Secret};

/// A value in the form of its [`Kind`].
pub(super) enum Value {
    /// Also durations and sizes.
    Text(String),
    Number(i64),
    Flag(bool),
    List(Vec<Item>),
    Secret(Secret),
}

/// One string of a list.
pub(super) struct Item {
    pub(super) text: String,
    pub(super) place: Place,
}

/// A value and its place.
pub(super) struct Setting {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// All settings, by path.
pub(super) struct Settings {
    file: String,
    by_path: BTreeMap<String, Setting>,
    users: Vec<Place>,
}

impl Settings {
    /// Nothing is given yet.
    pub(super) fn with_defaults(file: &str) -> Settings {
        let default = |kind| Setting { value: Value::default_of(kind), place: Place::Default };
        let by_path = KEYS.iter().map(|key| (key.path.to_owned(), default(key.kind))).collect();
        Settings { file: file.to_owned(), by_path, users: Vec::new() }
    }

    /// Writes a value down; what was there is forgotten.
    pub(super) fn set(&mut self, path: &str, value: Value, place: Place) {
        self.by_path.insert(path.to_owned(), Setting { value, place });
    }

    /// One more of `[[users]]`.
    pub(super) fn add_user(&mut self, place: Place) {
        self.users.push(place);
    }

    /// Where each of `[[users]]` begins.
    pub(super) fn users(&self) -> &[Place] {
        &self.users
    }

    /// Where the value was written.
    pub(super) fn place(&self, path: &str) -> Place {
        self.by_path.get(path).map_or(Place::Default, |setting| setting.place.clone())
    }

    /// What was written, if anything was.
    pub(super) fn setting(&self, path: &str) -> Option<&Setting> {
        self.by_path.get(path)
    }

    /// A complaint about a key, at the place of its value.
    pub(super) fn wrong(&self, path: &str, wrong: impl AsRef<str>, right: impl AsRef<str>) -> ConfigError {
        self.wrong_at(&self.place(path), path, wrong, right)
    }

    /// A complaint about a key, at a place of its own.
    pub(super) fn wrong_at(
        &self,
        place: &Place,
        path: &str,
        wrong: impl AsRef<str>,
        right: impl AsRef<str>,
    ) -> ConfigError {
        ConfigError::new(&self.file, place, path, wrong, right)
    }

    pub(super) fn text(&self, path: &str) -> Result<&str, ConfigError> {
        match self.value(path)? {
            Value::Text(text) => Ok(text),
            other => Err(self.wrong_kind(path, other, "a string in quotes")),
        }
    }

    pub(super) fn list(&self, path: &str) -> Result<&[Item], ConfigError> {
        match self.value(path)? {
            Value::List(items) => Ok(items),
            other => Err(self.wrong_kind(path, other, "a list of strings")),
        }
    }

    pub(super) fn flag(&self, path: &str) -> Result<bool, ConfigError> {
        match self.value(path)? {
            Value::Flag(flag) => Ok(*flag),
            other => Err(self.wrong_kind(path, other, "true or false")),
        }
    }

    pub(super) fn secret(&self, path: &str) -> Result<&Secret, ConfigError> {
        match self.value(path)? {
            Value::Secret(secret) => Ok(secret),
            other => Err(self.wrong_kind(path, other, "a string in quotes")),
        }
    }

    pub(super) fn number<N: TryFrom<i64>>(&self, path: &str, range: RangeInclusive<i64>) -> Result<N, ConfigError> {
        let number = match self.value(path)? {
            Value::Number(number) => *number,
            other => return Err(self.wrong_kind(path, other, "a whole number")),
        };
        let fits = range.contains(&number).then(|| N::try_from(number).ok()).flatten();
        fits.ok_or_else(|| {
            let right = format!("give a number from {} to {}", range.start(), range.end());
            self.wrong(path, format!("{number} is out of range"), right)
        })
    }

    pub(super) fn duration(&self, path: &str, range: RangeInclusive<Duration>) -> Result<Duration, ConfigError> {
        let text = self.text(path)?;
        let Some(duration) = parse_duration(text) else {
            let wrong = format!("{text:?} is not a duration");
            return Err(self.wrong(path, wrong, "give a whole number with ms, s, m or h, such as \"500ms\" or \"2m\""));
        };
        if range.contains(&duration) {
            return Ok(duration);
        }
        let right = format!("give \"{}\" to \"{}\"", show_duration(*range.start()), show_duration(*range.end()));
        Err(self.wrong(path, format!("{text:?} is out of range"), right))
    }

    pub(super) fn size(&self, path: &str, range: RangeInclusive<ByteSize>) -> Result<ByteSize, ConfigError> {
        let text = self.text(path)?;
        let Some(size) = ByteSize::parse(text) else {
            let wrong = format!("{text:?} is not a size");
            return Err(self.wrong(
                path,
                wrong,
                "give bytes, or a whole number with KiB, MiB or GiB, such as \"64MiB\"",
            ));
        };
        if range.contains(&size) {
            return Ok(size);
        }
        let right = format!("give \"{}\" to \"{}\"", range.start(), range.end());
        Err(self.wrong(path, format!("{text:?} is out of range"), right))
    }

    pub(super) fn choice<C: Choice>(&self, path: &str) -> Result<C, ConfigError> {
        let text = self.text(path)?;
        C::of(text).ok_or_else(|| {
            let words: Vec<&str> = C::ALL.iter().map(|choice| choice.word()).collect();
            let right = match nearest(text, words.iter().copied()) {
                Some(word) => format!("did you mean {word:?}"),
                None => format!("give one of {}", words.join(", ")),
            };
            self.wrong(path, format!("{text:?} is not known"), right)
        })
    }

    fn value(&self, path: &str) -> Result<&Value, ConfigError> {
        let setting = self.by_path.get(path).map(|setting| &setting.value);
        setting.ok_or_else(|| self.wrong(path, "is missing", "give it"))
    }

    fn wrong_kind(&self, path: &str, found: &Value, wanted: &str) -> ConfigError {
        self.wrong(path, format!("is {}", found.noun()), format!("give {wanted}"))
    }
}

impl Value {
    fn default_of(kind: Kind) -> Value {
        match kind {
            Kind::Text(text) | Kind::Duration(text) | Kind::Size(text) => Value::Text(text.to_owned()),
            Kind::Number(number) => Value::Number(number),
            Kind::Flag(flag) => Value::Flag(flag),
            Kind::List => Value::List(Vec::new()),
            Kind::Secret => Value::Secret(Secret::default()),
        }
    }

    fn noun(&self) -> &'static str {
        match self {
            Value::Text(_) | Value::Secret(_) => "a string",
            Value::Number(_) => "a number",
            Value::Flag(_) => "true or false",
            Value::List(_) => "a list",
        }
    }
}

impl Kind {
    /// What is to be written, for complaints.
    pub(super) fn wanted(self) -> &'static str {
        match self {
            Kind::Text(_) | Kind::Secret => "a string in quotes",
            Kind::Duration(_) => "a duration in quotes, such as \"500ms\" or \"2m\"",
            Kind::Size(_) => "a size, such as \"64MiB\" or a number of bytes",
            Kind::Number(_) => "a whole number",
            Kind::Flag(_) => "true or false",
            Kind::List => "a list of strings",
        }
    }
}
