//! What a session has set, in a form that can be carried to another connection.
//!
//! The same type says what a session wants and what a connection has; [`Settings::difference`] is the way from one to
//! the other.

use std::collections::BTreeMap;

use super::user_variables::{is_plain_string, is_untyped_null};

/// The collation that results show in their metadata; their character set is `character_set_results`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ResultsCollation {
    /// That of the connection: as after the login and after `SET NAMES`.
    #[default]
    AsConnection,
    /// The default one of the character set: as after `SET character_set_results`.
    Default,
    /// This one: `collation_connection` has been changed alone since.
    Named(Vec<u8>),
}

/// Settings of a session or of a connection. Variables that are not named have the value of a fresh connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The default database.
    pub database: Option<Vec<u8>>,
    /// System variables by name, with the exact value that the server reported.
    pub variables: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The collation of results.
    pub results: ResultsCollation,
    /// User variables (name without `@`, lower case) with the literal that was assigned, as it stood in the text.
    pub user_variables: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The `SET ROLE` that was said last. No reset takes it back: a connection that has one never serves a session
    /// that has none.
    pub role: Option<Vec<u8>>,
    /// `COM_SET_OPTION`: whether several statements may come in one packet, if it differs from the login.
    pub multi_statements: Option<bool>,
}

/// What must be done to a connection so that it has a session's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// The connection has something that only `COM_RESET_CONNECTION` takes away.
    pub reset: bool,
    /// The `SET ROLE` to say.
    pub role: Option<Vec<u8>>,
    /// The database to change to.
    pub database: Option<Vec<u8>>,
    /// One `SET` statement.
    pub set: Option<Vec<u8>>,
    /// Another, of user variables: a literal is read under the character set and the SQL mode that the first one has set.
    pub set_users: Option<Vec<u8>>,
    /// `COM_SET_OPTION`.
    pub multi_statements: Option<bool>,
}

/// The connection cannot be brought to the wanted settings: there is no way to leave a database, or a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreachable;

/// Variables that give the text of a prepared statement its meaning once and for all, and a string its value.
const MEANING: [&[u8]; 4] =
    [b"sql_mode", b"character_set_client", b"character_set_connection", b"collation_connection"];

impl Settings {
    /// A session's settings with those that gave a text its meaning as they were (`self`) when it was prepared. All
    /// others stay, because setting them may do something: `autocommit=1` commits. Strings would mean something else: they
    /// are said when all is as the session has it again.
    #[must_use]
    pub fn for_preparing(&self, session: &Settings) -> Settings {
        let mut settings = session.clone();
        if session.database.is_some() && self.database.is_some() {
            settings.database.clone_from(&self.database);
        }
        for name in MEANING {
            match self.variables.get(name) {
                Some(value) => drop(settings.variables.insert(name.to_vec(), value.clone())),
                None => drop(settings.variables.remove(name)),
            }
        }
        if !settings.gives_the_same_meaning(session) {
            settings.user_variables.retain(|_, literal| !is_plain_string(literal));
        }
        settings
    }

    /// Whether the text of a string has the same value under these settings as under those.
    fn gives_the_same_meaning(&self, other: &Settings) -> bool {
        MEANING.iter().all(|&name| self.variables.get(name) == other.variables.get(name))
    }

    /// Whether a connection that has these settings can be brought to `wanted`.
    #[must_use]
    pub const fn can_become(&self, wanted: &Settings) -> bool {
        let in_database = self.database.is_none() || wanted.database.is_some();
        let has_role = self.role.is_none() || wanted.role.is_some();
        in_database && has_role && (self.multi_statements.is_none() || wanted.multi_statements.is_some())
    }

    /// From what a connection has (`self`) to what a session wants. `baseline` names the variables of a fresh
    /// connection that a reset does not bring back.
    pub fn difference(
        &self,
        wanted: &Settings,
        baseline: &BTreeMap<Vec<u8>, Vec<u8>>,
    ) -> Result<Difference, Unreachable> {
        if !self.can_become(wanted) {
            return Err(Unreachable);
        }
        let lacks = |name: &Vec<u8>| !wanted.variables.contains_key(name) && !baseline.contains_key(name);
        // A user variable that has had a value keeps its type when it is set to `NULL`.
        let keeps_type = |(name, literal): (&Vec<u8>, &Vec<u8>)| {
            is_untyped_null(literal) && self.user_variables.get(name).is_some_and(|has| !is_untyped_null(has))
        };
        let reset = self.variables.keys().any(lacks)
            || self.user_variables.keys().any(|name| !wanted.user_variables.contains_key(name))
            || wanted.user_variables.iter().any(keeps_type);
        let multi_statements = wanted.multi_statements.filter(|_| self.multi_statements != wanted.multi_statements);
        let role = wanted.role.clone().filter(|_| self.role != wanted.role);
        let database = wanted.database.clone().filter(|_| self.database != wanted.database);
        let (set, set_users) =
            if reset { wanted.set_after_reset(baseline) } else { self.set_towards(wanted, baseline) };
        Ok(Difference { reset, role, database, set, set_users, multi_statements })
    }

    /// Everything that is wanted, for a connection that has just been reset: its variables, and its user variables.
    #[must_use]
    pub fn set_after_reset(&self, baseline: &BTreeMap<Vec<u8>, Vec<u8>>) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
        let mut variables = baseline.clone();
        variables.extend(self.variables.clone());
        (set_variables(variables.iter(), &self.results), set_users(self.user_variables.iter()))
    }

    fn set_towards(
        &self,
        wanted: &Settings,
        baseline: &BTreeMap<Vec<u8>, Vec<u8>>,
    ) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
        let back = baseline
            .iter()
            .filter(|(name, _)| self.variables.contains_key(*name) && !wanted.variables.contains_key(*name));
        let changed = wanted.variables.iter().filter(|(name, value)| self.variables.get(*name) != Some(value));
        let same_meaning = self.gives_the_same_meaning(wanted);
        let has = |(name, literal): &(&Vec<u8>, &Vec<u8>)| {
            self.user_variables.get(*name) == Some(literal) && (same_meaning || !is_plain_string(literal))
        };
        let users = wanted.user_variables.iter().filter(|variable| !has(variable));
        // In the order of names: `character_set_connection` stands before `collation_connection`, which it changes.
        let mut variables: BTreeMap<_, _> = back.chain(changed).collect();
        if self.results != wanted.results || variables.keys().any(|name| NAMES.contains(&name.as_slice())) {
            let all = baseline.iter().chain(&wanted.variables).filter(|(name, _)| NAMES.contains(&name.as_slice()));
            variables.extend(all);
        }
        (set_variables(variables.into_iter(), &wanted.results), set_users(users))
    }
}

fn set_variables<'a>(
    variables: impl Iterator<Item = (&'a Vec<u8>, &'a Vec<u8>)>,
    results: &ResultsCollation,
) -> Option<Vec<u8>> {
    let mut set = SetStatement::default();
    let mut variables: BTreeMap<&[u8], &[u8]> = variables.map(|(name, value)| (&**name, &**value)).collect();
    set.character_sets(&mut variables, results);
    for (name, value) in variables {
        set.variable(name, value);
    }
    set.finish()
}

fn set_users<'a>(user_variables: impl Iterator<Item = (&'a Vec<u8>, &'a Vec<u8>)>) -> Option<Vec<u8>> {
    let mut set = SetStatement::default();
    for (name, literal) in user_variables {
        set.user_variable(name, literal);
    }
    set.finish()
}

/// One `SET` with all its assignments.
#[derive(Default)]
struct SetStatement {
    out: Vec<u8>,
}

impl SetStatement {
    fn begin(&mut self) {
        let start: &[u8] = if self.out.is_empty() { b"SET " } else { b", " };
        self.out.extend_from_slice(start);
    }

    fn names(&mut self, character_set: &[u8], collation: &[u8]) {
        self.begin();
        self.out.extend_from_slice(b"NAMES ");
        put_value(&mut self.out, b"", character_set);
        self.out.extend_from_slice(b" COLLATE ");
        put_value(&mut self.out, b"", collation);
    }

    fn variable(&mut self, name: &[u8], value: &[u8]) {
        self.begin();
        self.out.extend_from_slice(b"SESSION ");
        self.out.extend_from_slice(name);
        self.out.push(b'=');
        put_value(&mut self.out, name, value);
    }

    fn user_variable(&mut self, name: &[u8], literal: &[u8]) {
        self.begin();
        self.out.extend_from_slice(b"@`");
        self.out.extend(name.iter().flat_map(|&byte| std::iter::repeat_n(byte, if byte == b'`' { 2 } else { 1 })));
        self.out.extend_from_slice(b"`=");
        self.out.extend_from_slice(literal);
    }

    /// Takes the variables of [`NAMES`] away where `SET NAMES` says them, with the collation that results show.
    fn character_sets(&mut self, variables: &mut BTreeMap<&[u8], &[u8]>, wanted: &ResultsCollation) {
        let [client, connection, results, collation] = NAMES.map(|name| variables.get(name).copied());
        let (Some(client), Some(connection), Some(results), Some(collation)) = (client, connection, results, collation)
        else {
            return;
        };
        let same = client == connection && connection == results;
        match wanted {
            // `MariaDB` gives parameters the collation that came with the client's character set.
            _ if results.is_empty() && client == connection => {
                self.names(client, collation);
                variables.retain(|name, _| !NAMES.contains(name));
                self.variable(b"character_set_results", results);
            }
            _ if results.is_empty() => {}
            ResultsCollation::AsConnection if connection == results => {
                self.names(results, collation);
                variables.retain(|name, _| !NAMES.contains(name) || (*name == NAMES[0] && client != results));
            }
            ResultsCollation::Default if same => {
                self.names(client, collation);
                variables.retain(|name, _| !NAMES.contains(name));
                self.variable(b"character_set_results", results);
            }
            ResultsCollation::Named(of_results) => {
                self.names(results, of_results);
                variables.remove(b"character_set_results".as_slice());
            }
            ResultsCollation::AsConnection | ResultsCollation::Default => {}
        }
    }

    fn finish(self) -> Option<Vec<u8>> {
        (!self.out.is_empty()).then_some(self.out)
    }
}

/// What `SET NAMES … COLLATE …` sets. Only it gives results the collation that metadata show: `character_set_results`
/// alone brings the character set's default one.
const NAMES: [&[u8]; 4] =
    [b"character_set_client", b"character_set_connection", b"character_set_results", b"collation_connection"];

/// A tracker tells values as text: numbers go back as numbers, because a server refuses a string for them.
fn put_value(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let number = value.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
    let plain = value.iter().all(|&byte| byte != b'\\' && (b' '..=b'~').contains(&byte));
    match (value.is_empty(), number, plain) {
        (true, ..) if name == b"character_set_results" => out.extend_from_slice(b"NULL"),
        (false, true, _) => out.extend_from_slice(value),
        (_, _, true) => {
            out.push(b'\'');
            out.extend(value.iter().flat_map(|&byte| std::iter::repeat_n(byte, if byte == b'\'' { 2 } else { 1 })));
            out.push(b'\'');
        }
        _ => {
            out.extend_from_slice(b"_utf8mb4 0x");
            for byte in value {
                out.extend_from_slice(format!("{byte:02X}").as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Settings {
        let variables = variables.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
        Settings { variables, ..Settings::default() }
    }

    fn set(from: &Settings, to: &Settings, baseline: &Settings) -> (bool, String) {
        let difference = from.difference(to, &baseline.variables).unwrap();
        let both = [difference.set, difference.set_users].into_iter().flatten();
        (difference.reset, both.map(|set| String::from_utf8(set).unwrap()).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn a_role_is_said_again_and_never_inherited() {
        let have = |role: Option<&str>| Settings { role: role.map(Into::into), ..Settings::default() };
        let way = |from: Option<&str>, to: Option<&str>| have(from).difference(&have(to), &BTreeMap::new());
        assert_eq!(way(None, Some("SET ROLE r")).unwrap().role.unwrap(), b"SET ROLE r");
        assert_eq!(way(Some("SET ROLE r"), Some("SET ROLE r")), Ok(Difference::default()));
        assert_eq!(way(Some("SET ROLE r"), None), Err(Unreachable));
    }

    #[test]
    fn only_what_differs_is_set() {
        let none = Settings::default();
        let have = settings(&[("sql_mode", "ANSI_QUOTES"), ("time_zone", "+01:00")]);
        let want = settings(&[("sql_mode", "ANSI_QUOTES"), ("time_zone", "it's"), ("max_join_size", "100")]);
        assert_eq!(
            set(&have, &want, &none),
            (false, "SET SESSION max_join_size=100, SESSION time_zone='it''s'".into())
        );
        assert_eq!(set(&want, &want, &none), (false, String::new()));
    }

    #[test]
    fn what_the_other_session_left_is_reset_and_the_baseline_restored() {
        let baseline = settings(&[("character_set_client", "latin1")]);
        let have = settings(&[("sql_mode", "ANSI_QUOTES")]);
        let want = settings(&[("time_zone", "+01:00")]);
        let expected = "SET SESSION character_set_client='latin1', SESSION time_zone='+01:00'";
        assert_eq!(set(&have, &want, &baseline), (true, expected.into()));
    }

    #[test]
    fn character_sets_go_back_without_a_reset() {
        let baseline = settings(&[("character_set_client", "latin1")]);
        let have = settings(&[("character_set_client", "utf8mb4")]);
        let want = Settings::default();
        assert_eq!(set(&have, &want, &baseline), (false, "SET SESSION character_set_client='latin1'".into()));
    }

    #[test]
    fn what_set_names_can_say_is_said_by_it() {
        let names = |set: &str, collation: &str| {
            settings(&[
                ("character_set_client", set),
                ("character_set_connection", set),
                ("character_set_results", set),
                ("collation_connection", collation),
                ("sql_mode", ""),
            ])
        };
        let (have, mut want) = (names("latin1", "latin1_swedish_ci"), names("latin1", "latin1_german1_ci"));
        let expected = "SET NAMES 'latin1' COLLATE 'latin1_german1_ci'";
        assert_eq!(set(&have, &want, &Settings::default()), (false, expected.into()));
        want.variables.insert(b"character_set_results".to_vec(), b"utf8mb4".to_vec());
        let (_, said) = set(&have, &want, &Settings::default());
        assert!(said.starts_with("SET SESSION character_set_client='latin1', SESSION character_set_co"), "{said}");
    }

    #[test]
    fn results_keep_the_collation_that_they_show() {
        let all = |collation: &str, results: ResultsCollation| Settings {
            results,
            ..settings(&[
                ("character_set_client", "utf8mb4"),
                ("character_set_connection", "utf8mb4"),
                ("character_set_results", "utf8mb4"),
                ("collation_connection", collation),
            ])
        };
        let have = all("utf8mb4_bin", ResultsCollation::AsConnection);
        let (reset, said) = set(&have, &all("utf8mb4_bin", ResultsCollation::Default), &Settings::default());
        let expected = "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_bin', SESSION character_set_results='utf8mb4'";
        assert_eq!((reset, said.as_str()), (false, expected));
        let named = all("utf8mb4_general_ci", ResultsCollation::Named(b"utf8mb4_bin".to_vec()));
        let (_, said) = set(&have, &named, &Settings::default());
        assert!(said.starts_with("SET NAMES 'utf8mb4' COLLATE 'utf8mb4_bin', SESSION character_set_client="), "{said}");
        assert!(said.ends_with("SESSION collation_connection='utf8mb4_general_ci'"), "{said}");
    }

    #[test]
    fn user_variables_are_replayed_and_anothers_are_reset() {
        let mut mine = Settings::default();
        mine.user_variables.insert(b"x`y".to_vec(), b"'lit'".to_vec());
        let none = Settings::default();
        assert_eq!(set(&none, &mine, &none), (false, "SET @`x``y`='lit'".into()));
        assert_eq!(set(&mine, &none, &none), (true, String::new()));
        let mut nothing = Settings::default();
        nothing.user_variables.insert(b"x`y".to_vec(), b"NULL".to_vec());
        assert_eq!(set(&mine, &nothing, &none), (true, "SET @`x``y`=NULL".into()), "it would keep another's type");
        assert_eq!(set(&nothing, &mine, &none), (false, "SET @`x``y`='lit'".into()));
    }

    #[test]
    fn a_string_that_had_another_meaning_is_said_again() {
        let under = |mode: &str, literal: &str| {
            let mut settings = settings(&[("sql_mode", mode)]);
            settings.user_variables.insert(b"x".to_vec(), literal.into());
            settings
        };
        let none = Settings::default();
        let said = |literal| set(&under("", literal), &under("NO_BACKSLASH_ESCAPES", literal), &none);
        let mode = "SET SESSION sql_mode='NO_BACKSLASH_ESCAPES'";
        assert_eq!(said("'a\\\\b'"), (false, format!("{mode}; SET @`x`='a\\\\b'")));
        assert_eq!(said("7"), (false, mode.into()));
        let (then, now) = (under("ANSI_QUOTES", "'a'"), under("", "'a'"));
        assert!(then.for_preparing(&now).user_variables.is_empty(), "it would be said with another meaning");
        assert_eq!(now.for_preparing(&now), now);
    }

    #[test]
    fn a_database_cannot_be_left() {
        let in_shop = Settings { database: Some(b"shop".to_vec()), ..Settings::default() };
        let baseline = BTreeMap::new();
        assert_eq!(in_shop.difference(&Settings::default(), &baseline), Err(Unreachable));
        assert_eq!(Settings::default().difference(&in_shop, &baseline).unwrap().database, Some(b"shop".to_vec()));
    }

    #[test]
    fn a_statement_is_prepared_under_its_own_sql_mode_and_with_everything_else_as_the_session_has_it() {
        let mut then = settings(&[("autocommit", "ON"), ("sql_mode", "ANSI_QUOTES")]);
        let mut now = settings(&[("autocommit", "OFF"), ("sql_mode", ""), ("time_zone", "+01:00")]);
        now.database = Some(b"shop".to_vec());
        let mut expected = now.clone();
        expected.variables.insert(b"sql_mode".to_vec(), b"ANSI_QUOTES".to_vec());
        assert_eq!(then.for_preparing(&now), expected);
        then.database = Some(b"stock".to_vec());
        expected.database.clone_from(&then.database);
        assert_eq!(then.for_preparing(&now), expected);
    }

    #[test]
    fn odd_values_keep_their_bytes() {
        let want = settings(&[("character_set_results", ""), ("init_x", "a\\b"), ("long_query_time", "0.500000")]);
        let expected = "SET SESSION character_set_results=NULL, SESSION init_x=_utf8mb4 0x615C62, SESSION long_query_time=0.500000";
        assert_eq!(set(&Settings::default(), &want, &Settings::default()), (false, expected.into()));
    }
}
