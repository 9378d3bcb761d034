//! What an account demands of the connection by which it is used, besides its password (`REQUIRE`,
//! <https://dev.mysql.com/doc/refman/en/create-user.html>): a member sees the proxy's connection, not the client's.
//!
//! Knows how servers write it. Must not know what a client's connection is like.

use super::{Connection, QueryError};
use crate::wire::server::{ServerFamily, Version, read_version};

/// What an account demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Demand {
    /// Nothing.
    Nothing,
    /// That nobody else can read it (`REQUIRE SSL`).
    Encryption,
    /// A certificate of an authority that the server trusts (`REQUIRE X509`).
    Certificate,
    /// A certificate of a certain name or issuer, or a cipher: nobody can vouch for another in that.
    Particulars,
}

impl Connection {
    /// What the account demands that this connection has logged in as.
    pub async fn own_demand(&mut self) -> Result<Demand, QueryError> {
        let (family, version) = read_version(&self.greeting().version);
        let knows_create_user = match family {
            ServerFamily::MySql => version >= Version(5, 7, 6),
            ServerFamily::MariaDb => version >= Version(10, 2, 0),
        };
        let question = if knows_create_user { "SHOW CREATE USER CURRENT_USER()" } else { "SHOW GRANTS" };
        let answer = self.query(question).await?;
        let texts = answer.rows.iter().filter_map(|row| row.first()?.as_deref());
        Ok(texts.map(demand_in).max().unwrap_or(Demand::Nothing))
    }
}

/// What stands behind `REQUIRE` in a statement as servers show it.
fn demand_in(statement: &[u8]) -> Demand {
    let mut words = bare_words(statement);
    if !words.by_ref().any(|word| word.eq_ignore_ascii_case(b"REQUIRE")) {
        return Demand::Nothing;
    }
    match words.next() {
        Some(word) if word.eq_ignore_ascii_case(b"NONE") => Demand::Nothing,
        Some(word) if word.eq_ignore_ascii_case(b"SSL") => Demand::Encryption,
        Some(word) if word.eq_ignore_ascii_case(b"X509") => Demand::Certificate,
        _ => Demand::Particulars,
    }
}

/// The words outside of quotes.
fn bare_words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let (&first, behind) = rest.split_first()?;
            if matches!(first, b'\'' | b'"' | b'`') {
                rest = behind_quote(behind, first);
            } else if first.is_ascii_alphanumeric() || first == b'_' {
                let end = rest.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
                let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
                rest = behind;
                return Some(word);
            } else {
                rest = behind;
            }
        }
    })
}

/// What stands behind the closing quote. A quote that is doubled ends one and begins the next, which is the same here.
fn behind_quote(mut text: &[u8], quote: u8) -> &[u8] {
    while let Some((&byte, behind)) = text.split_first() {
        text = behind;
        if byte == quote {
            break;
        }
        if byte == b'\\' && quote != b'`' {
            text = text.get(1..).unwrap_or_default();
        }
    }
    text
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
            assert_eq!(demand_in(statement.as_bytes()), demand, "{statement}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = demand_in(&bytes);
        }
    }
}
