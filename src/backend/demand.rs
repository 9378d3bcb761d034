//! What an account demands of the connection by which it is used, besides its password (`REQUIRE`,
//! <https://dev.mysql.com/doc/refman/en/create-user.html>), and what its server demands of all: a member sees the proxy's
//! connection, not the client's.
//!
//! Knows how servers write it. Must not know what a client's connection is like.

use super::{Connection, QueryError};
use crate::wire::server::{ServerFamily, Version, read_version};

/// What an account demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Demand {
    /// Nothing.
    Nothing,
    /// The same as `Encryption`, but of a `MySQL` server and of all accounts (`require_secure_transport`), which is refused by
    /// an error of its own, and behind what the account itself demands.
    SecureTransport,
    /// That nobody else can read it (`REQUIRE SSL`).
    Encryption,
    /// A certificate of an authority that the server trusts (`REQUIRE X509`).
    Certificate,
    /// A certificate of a certain name or issuer, or a cipher: nobody can vouch for another in that.
    Particulars,
}

/// What a statement means that has no `REQUIRE` in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unsaid {
    /// That nothing is demanded.
    Nothing,
    /// That it has not been understood: these servers always say it.
    Unread,
}

/// Quotes as they are read here, and texts that have no quote within a character.
const QUOTING: &str = "SET sql_mode = '', character_set_results = utf8mb4";

impl Connection {
    /// What the account demands that this connection has logged in as. It changes the session's settings: the connection is
    /// for nothing else.
    pub async fn own_demand(&mut self) -> Result<Demand, QueryError> {
        match self.demand_of_account().await? {
            Demand::Nothing => self.demand_of_server().await,
            demand => Ok(demand),
        }
    }

    async fn demand_of_account(&mut self) -> Result<Demand, QueryError> {
        let (family, version) = read_version(&self.greeting().version);
        // https://dev.mysql.com/doc/refman/5.7/en/show-create-user.html, https://mariadb.com/kb/en/show-create-user/
        let (question, unsaid) = match family {
            ServerFamily::MySql if version >= Version(5, 7, 6) => ("SHOW CREATE USER CURRENT_USER()", Unsaid::Unread),
            ServerFamily::MariaDb if version >= Version(10, 2, 0) => {
                ("SHOW CREATE USER CURRENT_USER()", Unsaid::Nothing)
            }
            ServerFamily::MySql | ServerFamily::MariaDb => ("SHOW GRANTS", Unsaid::Nothing),
        };
        self.query(QUOTING).await?;
        let answer = self.query(question).await?;
        let texts = answer.rows.iter().filter_map(|row| row.first()?.as_deref());
        Ok(texts.map(|text| demand_in(text, unsaid)).max().unwrap_or(Demand::Particulars))
    }

    /// What the server demands of all (`require_secure_transport`,
    /// <https://dev.mysql.com/doc/refman/en/server-system-variables.html>): the proxy's own connection may be encrypted
    /// where the client's is not. Older servers have no such variable.
    async fn demand_of_server(&mut self) -> Result<Demand, QueryError> {
        let answer = self.query("SHOW GLOBAL VARIABLES LIKE 'require_secure_transport'").await?;
        let value = answer.rows.first().and_then(|row| row.get(1)?.as_deref());
        let (family, _) = read_version(&self.greeting().version);
        Ok(match (value, family) {
            (None, _) => Demand::Nothing,
            (Some(value), _) if value.eq_ignore_ascii_case(b"OFF") => Demand::Nothing,
            (Some(_), ServerFamily::MySql) => Demand::SecureTransport,
            // MariaDB refuses as if the account demanded it.
            (Some(_), ServerFamily::MariaDb) => Demand::Encryption,
        })
    }
}

/// What stands behind `REQUIRE` in a statement as servers show it.
fn demand_in(statement: &[u8], unsaid: Unsaid) -> Demand {
    let Some(words) = bare_words(statement) else { return Demand::Particulars };
    let mut words = words.into_iter();
    if !words.by_ref().any(|word| word.eq_ignore_ascii_case(b"REQUIRE")) {
        return match unsaid {
            Unsaid::Nothing => Demand::Nothing,
            Unsaid::Unread => Demand::Particulars,
        };
    }
    match words.next() {
        Some(word) if word.eq_ignore_ascii_case(b"NONE") => Demand::Nothing,
        Some(word) if word.eq_ignore_ascii_case(b"SSL") => Demand::Encryption,
        Some(word) if word.eq_ignore_ascii_case(b"X509") => Demand::Certificate,
        _ => Demand::Particulars,
    }
}

/// The words outside of quotes; none if a quote does not close, for then it is unknown which are outside.
fn bare_words(mut rest: &[u8]) -> Option<Vec<&[u8]>> {
    let mut words = Vec::new();
    while let Some((&first, behind)) = rest.split_first() {
        if matches!(first, b'\'' | b'"' | b'`') {
            rest = behind_quote(behind, first)?;
        } else if first.is_ascii_alphanumeric() || first == b'_' {
            let end = rest.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
            let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
            rest = behind;
            words.push(word);
        } else {
            rest = behind;
        }
    }
    Some(words)
}

/// What stands behind the closing quote, if there is one. A quote that is doubled ends one and begins the next, which is the
/// same here.
fn behind_quote(mut text: &[u8], quote: u8) -> Option<&[u8]> {
    while let Some((&byte, behind)) = text.split_first() {
        text = behind;
        if byte == quote {
            return Some(text);
        }
        if byte == b'\\' && quote != b'`' {
            text = text.get(1..).unwrap_or_default();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_servers_show_is_read() {
        let table = [
            // MySQL 9.7.
            (
                "CREATE USER `app`@`%` IDENTIFIED WITH 'caching_sha2_password' AS '$A$005$x\\'REQUIRE SSL y' REQUIRE NONE \
                 PASSWORD EXPIRE DEFAULT ACCOUNT UNLOCK",
                Demand::Nothing,
            ),
            ("CREATE USER `a`@`%` IDENTIFIED WITH 'x' AS 'h' REQUIRE SSL PASSWORD EXPIRE DEFAULT", Demand::Encryption),
            ("CREATE USER `a`@`%` IDENTIFIED WITH 'x' REQUIRE X509 PASSWORD EXPIRE DEFAULT", Demand::Certificate),
            ("CREATE USER `a`@`%` IDENTIFIED WITH 'x' REQUIRE SUBJECT '/CN=x' ISSUER '/CN=y'", Demand::Particulars),
            ("CREATE USER `a`@`%` REQUIRE CIPHER 'x'", Demand::Particulars),
            // MariaDB 10.11.
            ("CREATE USER `app`@`%` IDENTIFIED BY PASSWORD '*00'", Demand::Nothing),
            ("CREATE USER `app`@`%` IDENTIFIED BY PASSWORD '*00' REQUIRE SSL", Demand::Encryption),
            // SHOW GRANTS of MySQL 5.6.
            ("GRANT ALL PRIVILEGES ON *.* TO 'app'@'%' IDENTIFIED BY PASSWORD '*00' REQUIRE X509", Demand::Certificate),
            // Names that say something else.
            ("CREATE USER `x REQUIRE SSL`@`%` IDENTIFIED WITH 'y'", Demand::Nothing),
            ("CREATE USER `x``REQUIRE SSL``\\`@`%` REQUIRE SSL", Demand::Encryption),
            ("GRANT USAGE ON *.* TO 'it''s REQUIRE SSL'@'%'", Demand::Nothing),
        ];
        for (statement, demand) in table {
            assert_eq!(demand_in(statement.as_bytes(), Unsaid::Nothing), demand, "{statement}");
        }
    }

    #[test]
    fn what_is_not_understood_demands_anything() {
        // As servers quote it with NO_BACKSLASH_ESCAPES: a backslash of the salt before a quote of the salt.
        let torn =
            r"CREATE USER `a`@`%` IDENTIFIED WITH 'caching_sha2_password' AS '$A$005$x\''y' REQUIRE SSL PASSWORD";
        let twice = r"CREATE USER `a`@`%` IDENTIFIED WITH 'caching_sha2_password' AS '$A$005$x\''y\''z' REQUIRE SSL";
        for (statement, unsaid) in [
            (torn, Unsaid::Nothing),
            (torn, Unsaid::Unread),
            (twice, Unsaid::Unread),
            ("CREATE USER `a`@`%` IDENTIFIED BY 'x", Unsaid::Nothing),
            // MySQL 5.7.6 and newer always say it.
            ("CREATE USER `a`@`%` IDENTIFIED WITH 'x'", Unsaid::Unread),
        ] {
            assert_eq!(demand_in(statement.as_bytes(), unsaid), Demand::Particulars, "{statement}, {unsaid:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = demand_in(&bytes, Unsaid::Nothing);
        }
    }
}
