//! The TOML file → settings. Knows sections, kinds of values and lines; unknown names are errors.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{self, Key, Kind, USER_KEYS, USERS};
use super::nearest::nearest;
use super::place::Place;
use super::settings::{Item, Settings, Value};
use super::{ConfigError, Secret};

/// Reads a file's text into the settings; the first thing in the file that is wrong is the error.
pub(super) fn read_into(settings: &mut Settings, text: &str) -> Result<(), ConfigError> {
    let lines = Lines { text };
    match DeTable::parse(text) {
        Ok(document) => Reader { settings, lines }.section("", document.get_ref()),
        Err(error) => {
            let place = error.span().map_or(Place::Default, |span| lines.place(span.start));
            Err(settings.wrong_at(&place, "TOML", error.message(), "see https://toml.io for how a file is written"))
        }
    }
}

/// From an offset in the text to its line.
#[derive(Clone, Copy)]
struct Lines<'t> {
    text: &'t str,
}

impl Lines<'_> {
    fn place(self, offset: usize) -> Place {
        let before = self.text.as_bytes().iter().take(offset);
        Place::Line(1 + before.filter(|byte| **byte == b'\n').count())
    }
}

struct Reader<'s, 't> {
    settings: &'s mut Settings,
    lines: Lines<'t>,
}

impl Reader<'_, '_> {
    fn section(&mut self, path: &str, table: &DeTable<'_>) -> Result<(), ConfigError> {
        for (name, value) in in_order(table) {
            let below = if path.is_empty() { name.get_ref().to_string() } else { format!("{path}.{}", name.get_ref()) };
            let place = self.lines.place(name.span().start);
            match keys::find(&below) {
                Some(key) => self.leaf(&below, key, value)?,
                None if keys::is_section(&below) => self.section(&below, self.table(&below, &place, value)?)?,
                None if below == USERS => self.users(&place, value)?,
                None => return Err(self.unknown(path, &below, &place)),
            }
        }
        Ok(())
    }

    fn table<'v>(
        &self,
        path: &str,
        place: &Place,
        value: &'v Spanned<DeValue<'v>>,
    ) -> Result<&'v DeTable<'v>, ConfigError> {
        let wrong =
            || self.settings.wrong_at(place, path, format!("is {}", noun(value.get_ref())), format!("write [{path}]"));
        value.get_ref().as_table().ok_or_else(wrong)
    }

    fn users(&mut self, place: &Place, value: &Spanned<DeValue<'_>>) -> Result<(), ConfigError> {
        let not_users = |reader: &Self, place: &Place, value: &DeValue<'_>| {
            reader.settings.wrong_at(place, USERS, format!("is {}", noun(value)), "write [[users]] for each user")
        };
        let Some(users) = value.get_ref().as_array() else {
            return Err(not_users(self, place, value.get_ref()));
        };
        for (index, user) in users.iter().enumerate() {
            let place = self.lines.place(user.span().start);
            let Some(user) = user.get_ref().as_table() else {
                return Err(not_users(self, &place, user.get_ref()));
            };
            self.user(index, user)?;
            self.settings.add_user(place);
        }
        Ok(())
    }

    fn user(&mut self, index: usize, user: &DeTable<'_>) -> Result<(), ConfigError> {
        for (name, value) in in_order(user) {
            let path = keys::user_path(index, name.get_ref());
            let Some(key) = USER_KEYS.iter().find(|key| key.path == name.get_ref()) else {
                let place = self.lines.place(name.span().start);
                let names = USER_KEYS.map(|key| key.path);
                let right = suggestion(nearest(name.get_ref(), names), USERS, &names);
                return Err(self.settings.wrong_at(&place, &path, "there is no such key", right));
            };
            self.leaf(&path, key, value)?;
        }
        Ok(())
    }

    fn leaf(&mut self, path: &str, key: &Key, value: &Spanned<DeValue<'_>>) -> Result<(), ConfigError> {
        let place = self.lines.place(value.span().start);
        let found = match (key.kind, value.get_ref()) {
            (Kind::Text(_) | Kind::Duration(_) | Kind::Size(_), DeValue::String(text)) => {
                Some(Value::Text(text.to_string()))
            }
            (Kind::Secret, DeValue::String(text)) => Some(Value::Secret(Secret::new(text.as_ref()))),
            (Kind::Size(_), DeValue::Integer(bytes)) => Some(Value::Text(bytes.to_string())),
            (Kind::Flag(_), DeValue::Boolean(flag)) => Some(Value::Flag(*flag)),
            (Kind::Number(_), DeValue::Integer(number)) => {
                i64::from_str_radix(number.as_str(), number.radix()).ok().map(Value::Number)
            }
            (Kind::List, DeValue::Array(items)) => self.items(items).map(Value::List),
            _ => None,
        };
        let wrong = || {
            let wrong = format!("is {}", noun(value.get_ref()));
            self.settings.wrong_at(&place, path, wrong, format!("give {}", key.kind.wanted()))
        };
        let found = found.ok_or_else(wrong)?;
        self.settings.set(path, found, place);
        Ok(())
    }

    fn items(&self, items: &[Spanned<DeValue<'_>>]) -> Option<Vec<Item>> {
        let item = |item: &Spanned<DeValue<'_>>| {
            let text = item.get_ref().as_str()?.to_owned();
            Some(Item { text, place: self.lines.place(item.span().start) })
        };
        items.iter().map(item).collect()
    }

    fn unknown(&self, section: &str, path: &str, place: &Place) -> ConfigError {
        let name = keys::leaf(path);
        let here = keys::names_in(section);
        let elsewhere = keys::KEYS.iter().map(|key| key.path).find(|path| keys::leaf(path) == name);
        let users_elsewhere = (name == USERS).then_some("[[users]], at top level");
        let near = nearest(name, here.iter().copied()).or(users_elsewhere).or(elsewhere);
        self.settings.wrong_at(place, path, "there is no such key", suggestion(near, section, &here))
    }
}

fn suggestion(near: Option<&str>, section: &str, names: &[&str]) -> String {
    match near {
        Some(name) => format!("did you mean {name}"),
        None if section.is_empty() => format!("sections are {}", names.join(", ")),
        None => format!("keys of {section} are {}", names.join(", ")),
    }
}

/// The entries in the order of the file.
fn in_order<'t, 'i>(table: &'t DeTable<'i>) -> Vec<(&'t Spanned<toml::de::DeString<'i>>, &'t Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

fn noun(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list of other things",
        DeValue::Table(_) => "a section",
    }
}
