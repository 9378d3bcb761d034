//! What a server without trackers (MySQL 5.6 and older) does not tell: which variables a statement has set, and whether it
//! has changed the database. The text says which; for the values the server must be asked.
//!
//! Knows statements, and which variables of such servers change together. Must not know how to ask.

use crate::sql::details::{self, Assigned};
use crate::sql::{self, Facts, Kind, Statement, set};

/// What must be asked after a statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Untold {
    /// Names of session variables, in lower case.
    pub variables: Vec<String>,
    /// The default database.
    pub database: bool,
    /// Something else may have been set, nobody knows what.
    pub nameless: bool,
}

/// Variables of which one changes others, as seen on MySQL 5.6.
const TOGETHER: [&[&str]; 4] = [
    &["character_set_connection", "collation_connection"],
    &["character_set_database", "collation_database"],
    &["character_set_server", "collation_server"],
    TRANSACTION,
];

/// What `SET NAMES` sets.
const NAMES: &[&str] =
    &["character_set_client", "character_set_connection", "character_set_results", "collation_connection"];

/// What `SET SESSION TRANSACTION` sets.
const TRANSACTION: &[&str] = &["tx_isolation", "tx_read_only"];

impl Untold {
    /// What this statement may have changed.
    #[must_use]
    pub fn by(statement: &Statement, sql: &[u8]) -> Untold {
        let mut untold = Untold::default();
        let readable = statement.doubt.is_none() && !statement.is_truncated();
        if !statement.has_effects() || !readable {
            return untold;
        }
        if !statement.has(Facts::SEVERAL) {
            untold.one(statement, sql);
            return untold;
        }
        for part in details::parts(sql, statement.dialect).unwrap_or_default() {
            let text = part.of(sql);
            untold.one(&sql::classify(text, &statement.dialect), text);
        }
        untold
    }

    /// Whether nothing was changed that would have to be asked.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Untold::default()
    }

    fn one(&mut self, statement: &Statement, sql: &[u8]) {
        match statement.kind {
            Kind::Set => self.set(statement, sql),
            Kind::Use => self.database = true,
            // The database that is dropped may be the session's.
            Kind::Ddl => self.database |= drops_a_database(statement, sql),
            _ => {}
        }
        self.database |= statement.has(Facts::VERSIONED);
    }

    fn set(&mut self, statement: &Statement, sql: &[u8]) {
        // `SET GLOBAL a = 1, b = 2` sets both for the instance.
        let mut global = false;
        for assignment in details::assignments(sql, statement.dialect) {
            match assignment.assigned {
                Assigned::Global => global = true,
                Assigned::CharacterSets => self.add_all(NAMES),
                Assigned::Transaction => self.add_all(TRANSACTION),
                Assigned::Session(name) if !global => self.variable(name.of(sql)),
                // Without a scope these are for the next transaction only.
                Assigned::Bare(name) if set::is_isolation(name.of(sql)) || set::is_access_mode(name.of(sql)) => {}
                Assigned::Bare(name) => self.variable(name.of(sql)),
                Assigned::Session(_) | Assigned::User(_) => {}
                Assigned::Other => self.nameless = true,
            }
        }
    }

    fn variable(&mut self, name: &[u8]) {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        if name.is_empty() || !name.iter().all(plain) {
            self.nameless = true;
        } else if !set::is_uncarried(name) {
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            match TOGETHER.iter().find(|group| group.contains(&name.as_str())) {
                Some(group) => self.add_all(group),
                None if name == "storage_engine" => self.add("default_storage_engine"),
                None => {
                    self.add(&name);
                    if name == "max_join_size" {
                        self.add("sql_big_selects");
                    }
                }
            }
        }
    }

    fn add_all(&mut self, names: &[&str]) {
        for name in names {
            self.add(name);
        }
    }

    fn add(&mut self, name: &str) {
        if !self.variables.iter().any(|known| known == name) {
            self.variables.push(name.to_owned());
        }
    }
}

fn drops_a_database(statement: &Statement, sql: &[u8]) -> bool {
    let [first, second] = details::words::<2>(sql, statement.dialect);
    let is = |word: &str, span: sql::Span| span.of(sql).eq_ignore_ascii_case(word.as_bytes());
    is("drop", first) && (is("database", second) || is("schema", second))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Dialect, ServerKind, TextEncoding};

    fn by(sql: &str) -> Untold {
        let dialect = Dialect { server: ServerKind::MySql, encoding: TextEncoding::AsciiSafe, ..Dialect::default() };
        Untold::by(&sql::classify(sql.as_bytes(), &dialect), sql.as_bytes())
    }

    #[test]
    fn what_is_set_is_asked() {
        for (sql, names) in [
            ("SET time_zone = '+05:00'", &["time_zone"][..]),
            (
                "set @@SESSION.Sort_Buffer_Size := 1024 * 1024, local `wait_timeout`=5",
                &["sort_buffer_size", "wait_timeout"],
            ),
            ("SET @@sql_mode = CONCAT(@@sql_mode, ',ANSI')", &["sql_mode"]),
            ("SET @x = 1, @@x = 1, x = DEFAULT", &["x"]),
            ("SET NAMES utf8", NAMES),
            (
                "SET a = 1, NAMES utf8 COLLATE utf8_bin, collation_connection = 'x'",
                &["a", NAMES[0], NAMES[1], NAMES[2], NAMES[3]],
            ),
            ("SET CHARACTER SET DEFAULT", NAMES),
            ("SET character_set_results = NULL", &["character_set_results"]),
            ("SET character_set_connection = latin1", &["character_set_connection", "collation_connection"]),
            ("SET storage_engine = MyISAM", &["default_storage_engine"]),
            ("SET max_join_size = 5", &["max_join_size", "sql_big_selects"]),
            ("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY", TRANSACTION),
            ("SET tx_isolation = 'SERIALIZABLE'", TRANSACTION),
            ("/*!40101 SET time_zone = 'SYSTEM' */", &["time_zone"]),
            ("SELECT 1; SET a = 1; DO 1; SET b = (SELECT 2)", &["a", "b"]),
            ("SET @@tx_isolation = 'SERIALIZABLE'", &[]),
            ("SET TRANSACTION READ ONLY", &[]),
            ("SET GLOBAL a = 1, b = 2", &[]),
            ("SET @@global.a = 1", &[]),
            ("SET hot.key_buffer_size = 1", &[]),
            ("SET sql_log_bin = 0", &[]),
            ("SELECT @@time_zone", &[]),
        ] {
            let untold = by(sql);
            assert_eq!(
                (untold.variables, untold.nameless),
                (names.iter().map(|&name| name.into()).collect(), false),
                "{sql}"
            );
        }
        assert!(by("SET `odd name` = 1").nameless);
    }

    #[test]
    fn a_change_of_the_database_is_asked() {
        for (sql, asked) in [
            ("USE a", true),
            ("DROP DATABASE a", true),
            ("DROP SCHEMA IF EXISTS a", true),
            ("SELECT 1; USE a", true),
            ("DROP TABLE a", false),
            ("CREATE DATABASE a", false),
            ("SELECT 1", false),
        ] {
            assert_eq!(by(sql).database, asked, "{sql}");
        }
    }
}
