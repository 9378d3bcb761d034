//! What a member has stored of an account, so that a client can prove itself by a method that does not give its password
//! away.
//!
//! Knows the tables of each server and how they write a method. Must not know who asks, nor keep what it has read.

use zeroize::Zeroizing;

use super::{Connection, QueryError};
use crate::wire::{
    auth::{CACHING_SHA2, NATIVE, NativeHash, SHA256, parse_native_hash},
    server::{ServerFamily, Version, read_version},
};

/// The most accounts of one name, one for each host, that are looked at.
const MOST_HOSTS: usize = 64;
/// What servers before MySQL 4.1 stored.
const OLD_PASSWORD: &str = "mysql_old_password";

/// One way in which an account may prove itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredMethod {
    /// `mysql_native_password` with this hash.
    Native(StoredHash),
    /// No password at all.
    Open,
    /// A method by which the client must tell its password: the stored hash is salted.
    ByPassword,
    /// Another plugin.
    Other(String),
}

/// A hash that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredHash(pub NativeHash);

impl std::fmt::Debug for StoredHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredHash")
    }
}

/// Where a server keeps what accounts prove themselves with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialTable {
    /// `mysql.global_priv`: MariaDB from 10.4 on.
    GlobalPriv,
    /// `mysql.user` with a column `Password` besides: MySQL 5.6, MariaDB before 10.4.
    UserWithPassword,
    /// `mysql.user`: MySQL 5.7.
    User,
    /// The same with `User_attributes`, where the second of two passwords is: MySQL from 8.0.14 on.
    UserWithAttributes,
}

impl CredentialTable {
    /// That of a server; none where no account can have [`NATIVE`] (MySQL from 9.0 on), so that there is nothing to read.
    #[must_use]
    pub fn of(family: ServerFamily, version: Version) -> Option<Self> {
        match family {
            ServerFamily::MariaDb if version >= Version(10, 4, 0) => Some(Self::GlobalPriv),
            ServerFamily::MariaDb => Some(Self::UserWithPassword),
            ServerFamily::MySql if version >= Version(9, 0, 0) => None,
            ServerFamily::MySql if version >= Version(8, 0, 14) => Some(Self::UserWithAttributes),
            ServerFamily::MySql if version >= Version(5, 7, 6) => Some(Self::User),
            ServerFamily::MySql => Some(Self::UserWithPassword),
        }
    }

    /// The right that reading it needs, as the words between GRANT and TO.
    #[must_use]
    pub const fn grant(self) -> &'static str {
        match self {
            Self::GlobalPriv => "SELECT ON mysql.global_priv",
            Self::UserWithPassword => "SELECT (User, plugin, authentication_string, Password) ON mysql.user",
            Self::User => "SELECT (User, plugin, authentication_string) ON mysql.user",
            Self::UserWithAttributes => "SELECT (User, plugin, authentication_string, User_attributes) ON mysql.user",
        }
    }

    /// Plugin, hash and one more hash; or one document.
    const fn question(self) -> &'static str {
        match self {
            Self::GlobalPriv => "SELECT Priv FROM mysql.global_priv WHERE User = ?",
            Self::UserWithPassword => "SELECT plugin, authentication_string, Password FROM mysql.user WHERE User = ?",
            Self::User => "SELECT plugin, authentication_string, NULL FROM mysql.user WHERE User = ?",
            Self::UserWithAttributes => {
                "SELECT plugin, authentication_string, \
                 JSON_UNQUOTE(JSON_EXTRACT(User_attributes, '$.additional_password')) FROM mysql.user WHERE User = ?"
            }
        }
    }
}

impl Connection {
    /// All methods that are stored under a user's name, whatever the host; none when nobody has it, or when the server
    /// has nothing to read. The name is in the character set of this connection.
    pub async fn stored_methods(&mut self, user: &[u8]) -> Result<Vec<StoredMethod>, QueryError> {
        let (family, version) = read_version(&self.greeting().version);
        let Some(table) = CredentialTable::of(family, version) else { return Ok(Vec::new()) };
        let statement = self.prepare(table.question().as_bytes()).await?;
        let answer = self.execute(statement, &[user]).await?;
        let mut methods = Vec::new();
        for row in answer.rows.into_iter().take(MOST_HOSTS) {
            let row: Vec<Zeroizing<Vec<u8>>> =
                row.into_iter().map(|value| Zeroizing::new(value.unwrap_or_default())).collect();
            match (table, row.as_slice()) {
                (CredentialTable::GlobalPriv, [document]) => read_document(document, &mut methods),
                (_, [plugin, hash, more]) => read_columns(plugin, hash, more, &mut methods),
                _ => {}
            }
        }
        Ok(methods)
    }

    /// The account that the member took this connection for, as it is written in a GRANT.
    pub async fn own_account(&mut self) -> Result<String, QueryError> {
        let answer = self.query("SELECT CURRENT_USER()").await?;
        let account = answer.rows.first().and_then(|row| row.first()?.as_deref()).unwrap_or_default();
        let account = String::from_utf8_lossy(account).into_owned();
        let (user, host) = account.rsplit_once('@').unwrap_or((&account, "%"));
        Ok(format!("'{}'@'{}'", user.replace('\'', "''"), host.replace('\'', "''")))
    }
}

/// A row of `mysql.user`. Without a plugin it is [`NATIVE`], whose hash older servers keep in `Password`.
fn read_columns(plugin: &[u8], hash: &[u8], more: &[u8], methods: &mut Vec<StoredMethod>) {
    let plugin = String::from_utf8_lossy(plugin).into_owned();
    if !plugin.is_empty() && plugin != NATIVE {
        methods.push(method(plugin, b""));
        return;
    }
    let both = [hash, more];
    let mut given = both.iter().filter(|hash| !hash.is_empty()).peekable();
    if given.peek().is_none() {
        methods.push(StoredMethod::Open);
    }
    methods.extend(given.map(|hash| method(NATIVE.to_owned(), hash)));
}

/// A document of `mysql.global_priv`: one method, or in `auth_or` several, where one without a plugin stands for that of
/// the document itself.
fn read_document(document: &[u8], methods: &mut Vec<StoredMethod>) {
    let Ok(document) = serde_json::from_slice::<serde_json::Value>(document) else { return };
    if document["is_role"] == true {
        return;
    }
    let one = |of: &serde_json::Value| {
        let plugin = of["plugin"].as_str().unwrap_or(NATIVE).to_owned();
        let hash = of["authentication_string"].as_str().unwrap_or_default();
        match (plugin.as_str(), hash) {
            (NATIVE, "") => StoredMethod::Open,
            (_, hash) => method(plugin, hash.as_bytes()),
        }
    };
    match document["auth_or"].as_array() {
        Some(several) => {
            methods.extend(several.iter().map(|it| one(if it["plugin"].is_null() { &document } else { it })));
        }
        None => methods.push(one(&document)),
    }
}

fn method(plugin: String, hash: &[u8]) -> StoredMethod {
    match plugin.as_str() {
        CACHING_SHA2 | SHA256 => StoredMethod::ByPassword,
        NATIVE => match parse_native_hash(hash) {
            Some(hash) => StoredMethod::Native(StoredHash(hash)),
            // Sixteen digits are those of the old method; any other text ("invalid") fits no password.
            None => StoredMethod::Other(OLD_PASSWORD.to_owned()),
        },
        _ => StoredMethod::Other(plugin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7";

    fn native() -> StoredMethod {
        StoredMethod::Native(StoredHash(parse_native_hash(HASH.as_bytes()).unwrap()))
    }

    fn other(plugin: &str) -> StoredMethod {
        StoredMethod::Other(plugin.to_owned())
    }

    #[test]
    fn documents_of_mariadb_are_read() {
        let own = format!(r#""plugin":"mysql_native_password","authentication_string":"{HASH}""#);
        for (document, expected) in [
            (format!(r#"{{"access":0,{own}}}"#), vec![native()]),
            (r#"{"access":18446744073709551615}"#.into(), vec![StoredMethod::Open]),
            (r#"{"plugin":"mysql_native_password","authentication_string":""}"#.into(), vec![StoredMethod::Open]),
            (format!(r#"{{{own},"auth_or":[{{"plugin":"unix_socket"}},{{}}]}}"#), vec![other("unix_socket"), native()]),
            (
                format!(r#"{{{own},"auth_or":[{{"plugin":"ed25519","authentication_string":"x"}},{{}}]}}"#),
                vec![other("ed25519"), native()],
            ),
            (format!(r#"{{"plugin":"unix_socket","auth_or":[{{}},{{{own}}}]}}"#), vec![other("unix_socket"), native()]),
            (
                r#"{"plugin":"mysql_native_password","authentication_string":"invalid"}"#.into(),
                vec![other(OLD_PASSWORD)],
            ),
            (r#"{"access":0,"is_role":true}"#.into(), vec![]),
            ("[]".into(), vec![StoredMethod::Open]),
            ("no document".into(), vec![]),
        ] {
            let mut methods = Vec::new();
            read_document(document.as_bytes(), &mut methods);
            assert_eq!(methods, expected, "{document}");
        }
    }

    #[test]
    fn rows_of_mysql_are_read() {
        for (plugin, hash, more, expected) in [
            (NATIVE, HASH, "", vec![native()]),
            (NATIVE, "", HASH, vec![native()]),
            (NATIVE, HASH, HASH, vec![native(), native()]),
            ("", "", HASH, vec![native()]),
            ("", "", "", vec![StoredMethod::Open]),
            ("", "", "5d2e19393cc5ef67", vec![other(OLD_PASSWORD)]),
            (CACHING_SHA2, "$A$005$…", "", vec![StoredMethod::ByPassword]),
            (SHA256, "$5$…", "", vec![StoredMethod::ByPassword]),
            ("auth_socket", "", "", vec![other("auth_socket")]),
        ] {
            let mut methods = Vec::new();
            read_columns(plugin.as_bytes(), hash.as_bytes(), more.as_bytes(), &mut methods);
            assert_eq!(methods, expected, "{plugin} {hash} {more}");
        }
    }

    #[test]
    fn the_table_suits_the_server() {
        use CredentialTable::{GlobalPriv, User, UserWithAttributes, UserWithPassword};
        for (text, expected) in [
            ("5.5.5-10.11.19-MariaDB", Some(GlobalPriv)),
            ("10.3.39-MariaDB", Some(UserWithPassword)),
            ("5.6.51", Some(UserWithPassword)),
            ("5.7.44", Some(User)),
            ("8.0.13", Some(User)),
            ("8.4.3", Some(UserWithAttributes)),
            ("9.7.4", None),
        ] {
            let (family, version) = read_version(text);
            assert_eq!(CredentialTable::of(family, version), expected, "{text}");
        }
    }

    #[test]
    fn a_hash_is_never_shown() {
        assert_eq!(format!("{:?}", native()), "Native(StoredHash)");
    }
}
