//! The pure heart of `mysql-proxy explain`: where would this statement go in a session of this state, and why.
//!
//! Knows the names of the `--state` keys. Must not know the command line, files or a cluster.

use std::fmt;

use crate::client::HELD;
use crate::route::{self, Held, Reason, Standing, Target, TrustedFunctions};
use crate::session::{
    Consistency, Isolation, Listener, NextTransaction, PinReason, Pins, Transaction, UserValue, UserVariables,
};
use crate::sql::{self, Dialect, Release, ServerKind, TextEncoding};
use crate::wire::HEADER_LEN;

/// A `--state KEY=VALUE` that means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateError {
    key: String,
    value: Option<String>,
    right: String,
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            None => write!(f, "unknown state `{}`; known are {}", self.key, self.right),
            Some(value) => write!(f, "state `{}` cannot be `{value}`; it is {}", self.key, self.right),
        }
    }
}

impl std::error::Error for StateError {}

/// Where the statement goes, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    target: Target,
    reason: Reason,
    pins: Option<PinReason>,
}

impl Explanation {
    /// Where it goes.
    #[must_use]
    pub fn target(&self) -> Target {
        self.target
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// By what it ties the session to its connection.
    #[must_use]
    pub fn pins(&self) -> Option<PinReason> {
        self.pins
    }

    /// `{"target": …, "reason": …, "pins": …|null}`
    #[must_use]
    pub fn to_json(&self) -> String {
        let pins = self.pins.map_or_else(|| "null".to_owned(), |pin| format!("\"{}\"", pin.name()));
        format!(r#"{{"target": "{}", "reason": "{}", "pins": {pins}}}"#, self.target.name(), self.reason.name())
    }

    /// A line for people.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("target: {}\nreason: {}", self.target.name(), self.reason.name());
        if let Some(pin) = self.pins {
            text.push_str("\npins: ");
            text.push_str(pin.name());
        }
        text
    }
}

/// A session made of `--state` options.
#[derive(Clone, Debug)]
struct Session {
    dialect: Dialect,
    listener: Listener,
    consistency: Consistency,
    transaction: Transaction,
    /// That one has only read so far, on a replica.
    has_only_read: bool,
    splits: bool,
    autocommit: bool,
    isolation: Isolation,
    transaction_read_only: bool,
    next_transaction: NextTransaction,
    pins: Pins,
    user_variables: UserVariables,
    wrote: bool,
    in_system_schema: bool,
}

const KEYS: &str = "transaction, autocommit, transaction_isolation, transaction_read_only, \
     transaction_read_only_next, sql_mode, character_set_client, database, wrote, consistency, listener, pin, \
     user_variable, server, split_transactions";

/// The longest text that is read whole; the header and the command's byte are held with it.
const LONGEST: usize = HELD - HEADER_LEN - 1;

/// The modes of all servers.
const SQL_MODES: [&str; 36] = [
    "ALLOW_INVALID_DATES",
    "ANSI",
    "ANSI_QUOTES",
    "DB2",
    "EMPTY_STRING_IS_NULL",
    "ERROR_FOR_DIVISION_BY_ZERO",
    "HIGH_NOT_PRECEDENCE",
    "IGNORE_BAD_TABLE_OPTIONS",
    "IGNORE_SPACE",
    "MAXDB",
    "MSSQL",
    "MYSQL323",
    "MYSQL40",
    "NO_AUTO_CREATE_USER",
    "NO_AUTO_VALUE_ON_ZERO",
    "NO_BACKSLASH_ESCAPES",
    "NO_DIR_IN_CREATE",
    "NO_ENGINE_SUBSTITUTION",
    "NO_FIELD_OPTIONS",
    "NO_KEY_OPTIONS",
    "NO_TABLE_OPTIONS",
    "NO_UNSIGNED_SUBTRACTION",
    "NO_ZERO_DATE",
    "NO_ZERO_IN_DATE",
    "ONLY_FULL_GROUP_BY",
    "ORACLE",
    "PAD_CHAR_TO_FULL_LENGTH",
    "PIPES_AS_CONCAT",
    "POSTGRESQL",
    "REAL_AS_FLOAT",
    "SIMULTANEOUS_ASSIGNMENT",
    "STRICT_ALL_TABLES",
    "STRICT_TRANS_TABLES",
    "TIME_ROUND_FRACTIONAL",
    "TIME_TRUNCATE_FRACTIONAL",
    "TRADITIONAL",
];

impl Session {
    fn new(consistency: Consistency, splits: bool) -> Session {
        Session {
            dialect: Dialect::default(),
            listener: Listener::ReadWrite,
            consistency,
            transaction: Transaction::None,
            has_only_read: false,
            splits,
            autocommit: true,
            isolation: Isolation::RepeatableRead,
            transaction_read_only: false,
            next_transaction: NextTransaction::default(),
            pins: Pins::default(),
            user_variables: UserVariables::default(),
            wrote: false,
            in_system_schema: false,
        }
    }

    fn set(&mut self, option: &str) -> Result<(), StateError> {
        let Some((key, value)) = option.split_once('=') else {
            let right = "written KEY=VALUE".to_owned();
            return Err(StateError { key: option.to_owned(), value: Some(String::new()), right });
        };
        let (key, value) = (key.trim(), value.trim());
        let lower = value.to_ascii_lowercase();
        let wrong =
            |right: &str| StateError { key: key.to_owned(), value: Some(value.to_owned()), right: right.to_owned() };
        match key {
            "transaction" => {
                self.has_only_read = lower == "split";
                self.transaction = match lower.as_str() {
                    "none" | "no" => Transaction::None,
                    "read_write" | "split" => Transaction::ReadWrite,
                    "read_only" => Transaction::ReadOnly,
                    _ => return Err(wrong("read_write, read_only, split or none")),
                }
            }
            "split_transactions" => self.splits = yes_or_no(&lower).ok_or_else(|| wrong("0 or 1"))?,
            "autocommit" => self.autocommit = yes_or_no(&lower).ok_or_else(|| wrong("0 or 1"))?,
            "transaction_isolation" => {
                self.isolation = Isolation::from_name(value.as_bytes())
                    .ok_or_else(|| wrong("READ-UNCOMMITTED, READ-COMMITTED, REPEATABLE-READ or SERIALIZABLE"))?;
            }
            "transaction_read_only" => {
                self.transaction_read_only = yes_or_no(&lower).ok_or_else(|| wrong("0 or 1"))?;
            }
            "transaction_read_only_next" => {
                self.next_transaction.read_only = Some(yes_or_no(&lower).ok_or_else(|| wrong("0 or 1"))?);
            }
            "sql_mode" => {
                let known = |mode: &str| mode.is_empty() || SQL_MODES.contains(&mode);
                if !value.to_ascii_uppercase().split(',').all(|mode| known(mode.trim())) {
                    return Err(wrong("a list of SQL modes, such as ANSI_QUOTES,NO_BACKSLASH_ESCAPES"));
                }
                self.dialect.apply_sql_mode(value.as_bytes());
            }
            "character_set_client" => {
                self.dialect.encoding = TextEncoding::from_character_set(value.as_bytes());
                // The one that servers have and the proxy does not read.
                if self.dialect.encoding == TextEncoding::Unknown && lower != "swe7" {
                    return Err(wrong("a character set that a client may use, such as utf8mb4, latin1 or gbk"));
                }
            }
            "database" => self.in_system_schema = sql::is_system_schema(value.as_bytes()),
            "wrote" => self.wrote = yes_or_no(&lower).ok_or_else(|| wrong("yes or no"))?,
            "consistency" => {
                self.consistency = match lower.as_str() {
                    "session" => Consistency::Session,
                    "global" => Consistency::Global,
                    "eventual" => Consistency::Eventual,
                    _ => return Err(wrong("session, global or eventual")),
                }
            }
            "listener" => {
                self.listener = match lower.as_str() {
                    "read_write" => Listener::ReadWrite,
                    "read_only" => Listener::ReadOnly,
                    _ => return Err(wrong("read_write or read_only")),
                }
            }
            "pin" => {
                let pin = PinReason::ALL.into_iter().find(|pin| pin.name() == lower);
                let names = || PinReason::ALL.map(PinReason::name).join(", ");
                self.pins.insert(pin.ok_or_else(|| wrong(&format!("one of {}", names())))?);
            }
            "user_variable" => self.set_user_variable(value).ok_or_else(|| wrong("@name:literal or @name:other"))?,
            "server" => {
                self.set_server(&lower)
                    .ok_or_else(|| wrong("mysql or mariadb, also with a version, as in mysql:8.4"))?;
            }
            _ => return Err(StateError { key: key.to_owned(), value: None, right: KEYS.to_owned() }),
        }
        Ok(())
    }

    fn set_server(&mut self, value: &str) -> Option<()> {
        let (name, version) = value.split_once(':').map_or((value, None), |(name, version)| (name, Some(version)));
        self.dialect.server = match name {
            "mysql" => ServerKind::MySql,
            "mariadb" => ServerKind::MariaDb,
            "unknown" => ServerKind::Unknown,
            _ => return None,
        };
        if let Some(version) = version {
            let (major, minor) = version.split_once('.')?;
            let minor = minor.split('.').next()?;
            self.dialect.release = Release(major.parse().ok()?, minor.parse().ok()?);
        }
        Some(())
    }

    fn set_user_variable(&mut self, value: &str) -> Option<()> {
        let (name, what) = value.rsplit_once(':')?;
        let value = match what {
            "literal" => UserValue::Literal(b"1"[..].into()),
            "other" => UserValue::Other,
            _ => return None,
        };
        self.user_variables.set(name.as_bytes(), value).ok()
    }

    /// A read-only transaction runs on a replica unless something else has kept it on the primary.
    fn held(&self) -> Held {
        let free = self.pins.is_empty() && self.isolation != Isolation::Serializable;
        let read_only = self.transaction == Transaction::ReadOnly || self.listener == Listener::ReadOnly;
        if self.has_only_read || (read_only && free) { Held::Replica } else { Held::Primary }
    }

    fn standing<'a>(&'a self, trusted: &'a TrustedFunctions) -> Standing<'a> {
        Standing {
            listener: self.listener,
            consistency: self.consistency,
            transaction: self.transaction,
            autocommit: self.autocommit,
            isolation: self.isolation,
            transaction_read_only: self.transaction_read_only,
            next_transaction: self.next_transaction,
            pins: &self.pins,
            held: self.held(),
            user_variables: &self.user_variables,
            wrote: self.wrote,
            in_system_schema: self.in_system_schema,
            splits: self.splits,
            trusted,
            hint: None,
            has_token: false,
        }
    }
}

fn yes_or_no(value: &str) -> Option<bool> {
    match value {
        "1" | "yes" | "on" | "true" => Some(true),
        "0" | "no" | "off" | "false" => Some(false),
        _ => None,
    }
}

/// Explains `sql` in a session that the `states` (`KEY=VALUE`) describe, otherwise a free one.
///
/// # Errors
/// A state that is not known, or not with that value.
pub fn explain(
    sql: &[u8],
    states: &[String],
    trusted: &[String],
    consistency: Consistency,
    splits: bool,
) -> Result<Explanation, StateError> {
    let mut session = Session::new(consistency, splits);
    for state in states {
        session.set(state)?;
    }
    let trusted = TrustedFunctions::new(trusted);
    // As the proxy does with a command of which it holds the beginning only.
    let statement = match sql.get(..LONGEST) {
        Some(beginning) if beginning.len() < sql.len() => sql::classify_prefix(beginning, &session.dialect),
        _ => sql::classify(sql, &session.dialect),
    };
    let scoped = sql::scoped(sql, &statement);
    let (statement, sql) = scoped.as_ref().map_or((&statement, sql), |scoped| (&scoped.statement, &scoped.sql));
    let route = route::decide(statement, sql, &session.standing(&trusted));
    Ok(Explanation { target: route.target, reason: route.reason, pins: route.pins })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(sql: &str, state: &str) -> Result<String, String> {
        explain(sql.as_bytes(), &[state.to_owned()], &[], Consistency::Session, false)
            .map(|explanation| explanation.to_json())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_answer_is_the_contracts_json() {
        let json = r#"{"target": "primary", "reason": "named_lock", "pins": "get_lock"}"#;
        assert_eq!(ask("SELECT GET_LOCK('a', 1)", "wrote=yes").as_deref(), Ok(json));
        let json = r#"{"target": "replica", "reason": "read", "pins": null}"#;
        assert_eq!(ask("SELECT 1", "server=mysql").as_deref(), Ok(json));
    }

    #[test]
    fn a_wrong_state_names_key_value_and_what_would_be_right() {
        let error = ask("SELECT 1", "transaction=maybe");
        assert_eq!(
            error,
            Err("state `transaction` cannot be `maybe`; it is read_write, read_only, split or none".to_owned())
        );
        let error = ask("SELECT 1", "colour=red");
        assert!(error.is_err_and(|error| error.starts_with("unknown state `colour`; known are transaction")));
        assert!(ask("SELECT 1", "autocommit").is_err());
    }
}
