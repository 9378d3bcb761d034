//! What one session has written, as a text that another can bring along: `SHOW PROXY TOKEN` gives it, `proxy:after=TOKEN`
//! takes it.
//!
//! PURE. Knows how it is written. Must not know sessions, nor who has the transactions that it names.
//!
//! `v1.CLUSTER.KIND.TRANSACTIONS`: `MySQL`'s transactions (`o`) and Galera's (`g`) name their cluster themselves; those of
//! `MariaDB` (`m`) are alike in every cluster, so the cluster stands in front, as the proxies' configuration names it.

use std::fmt;
use std::sync::Arc;

use super::galera::Position;
use super::place::Mark;
use crate::wire::gtid::{GtidKind, GtidSet};

/// The longest token that is read, in bytes.
const MAX_TEXT: usize = 64 * 1024;

/// A cluster as the configuration names it; proxies with the same `[cluster]` have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClusterTag(u32);

impl ClusterTag {
    /// Of these names, in any order (FNV-1a, which stays what it is from one version to the next).
    #[must_use]
    pub fn of(mut names: Vec<String>) -> Self {
        names.sort();
        let bytes = names.iter().flat_map(|name| name.bytes().chain([b'\n']));
        Self(bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)))
    }
}

/// What a session has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    cluster: ClusterTag,
    written: Written,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Written {
    Gtids(GtidKind, Arc<GtidSet>),
    Galera(Position),
}

/// Why a text is not a token that counts here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is none.
    #[error("it is not a token of SHOW PROXY TOKEN")]
    Malformed,
    /// It was given for another cluster.
    #[error("it was given by a proxy of another cluster (its [cluster] is another one)")]
    OtherCluster,
}

impl Token {
    /// For what a primary has executed, or what of it is meant. `kind` is how GTIDs are written there. `None` for a place in a
    /// binary log, which means nothing behind a change of the primary.
    #[must_use]
    pub fn new(cluster: ClusterTag, mark: Mark, kind: GtidKind) -> Option<Self> {
        let written = match mark {
            Mark::Gtids(gtids) => Written::Gtids(kind, gtids),
            Mark::Galera(position) => Written::Galera(position),
            Mark::Binlog(_) => return None,
        };
        Some(Self { cluster, written })
    }

    /// What the text of a token names, if it was given in this cluster as far as can be told from it.
    pub fn read(text: &[u8], here: ClusterTag) -> Result<Mark, TokenError> {
        let token = Self::parse(text).ok_or(TokenError::Malformed)?;
        match token.written {
            Written::Gtids(GtidKind::MariaDb, _) if token.cluster != here => Err(TokenError::OtherCluster),
            Written::Gtids(_, gtids) => Ok(Mark::Gtids(gtids)),
            Written::Galera(position) => Ok(Mark::Galera(position)),
        }
    }

    fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let mut parts = text.splitn(4, |byte| *byte == b'.');
        let (version, cluster, kind, written) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = cluster.len() == 8 && cluster.iter().all(u8::is_ascii_hexdigit);
        let cluster = std::str::from_utf8(cluster).ok().filter(|_| version == b"v1" && is_hex)?;
        let gtids = |kind| GtidSet::parse(kind, written).ok().map(|set| Written::Gtids(kind, Arc::new(set)));
        let written = match kind {
            b"m" => gtids(GtidKind::MariaDb)?,
            b"o" => gtids(GtidKind::MySql)?,
            b"g" => Written::Galera(Position::parse(std::str::from_utf8(written).ok()?)?),
            _ => return None,
        };
        Some(Self { cluster: ClusterTag(u32::from_str_radix(cluster, 16).ok()?), written })
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v1.{:08x}.", self.cluster.0)?;
        match &self.written {
            Written::Gtids(GtidKind::MariaDb, gtids) => write!(f, "m.{gtids}"),
            Written::Gtids(GtidKind::MySql, gtids) => write!(f, "o.{gtids}"),
            Written::Galera(position) => write!(f, "g.{position}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MYSQL: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7";
    const GALERA: &str = "6c9f1bb5-ec73-11f1-95a3-5fa295559b0a:9042";

    fn here() -> ClusterTag {
        ClusterTag::of(vec!["mysql:3306".to_owned(), "mysql-0.mysql".to_owned()])
    }

    fn gtids(kind: GtidKind, text: &str) -> Mark {
        Mark::Gtids(Arc::new(GtidSet::parse(kind, text.as_bytes()).unwrap_or_default()))
    }

    #[test]
    fn what_is_written_is_read_again() {
        let position = Mark::Galera(Position::parse(GALERA).unwrap_or_else(|| unreachable!()));
        for (mark, kind) in [
            (gtids(GtidKind::MariaDb, "0-1-7,3-2-9"), GtidKind::MariaDb),
            (gtids(GtidKind::MariaDb, ""), GtidKind::MariaDb),
            (gtids(GtidKind::MySql, MYSQL), GtidKind::MySql),
            (position, GtidKind::MariaDb),
        ] {
            let text = Token::new(here(), mark.clone(), kind).map(|token| token.to_string()).unwrap_or_default();
            assert_eq!(Token::read(text.as_bytes(), here()), Ok(mark), "{text}");
        }
    }

    #[test]
    fn the_order_of_the_names_does_not_matter() {
        let other = ClusterTag::of(vec!["mysql-0.mysql".to_owned(), "mysql:3306".to_owned()]);
        assert_eq!(here(), other);
        assert_ne!(here(), ClusterTag::of(vec!["mysql-0.mysqlmysql:3306".to_owned()]));
    }

    #[test]
    fn nothing_is_guessed() {
        let tag = format!("{:08x}", here().0);
        for text in [
            "",
            "v1",
            "v1..m.0-1-7",
            "v2.TAG.m.0-1-7",
            "v1.TAG.x.0-1-7",
            "v1.TAG.m.0-1",
            "v1.TAG.m",
            "v1.TAG.o.0-1-7",
            "v1.TAG.g.0-1-7",
            "v1.TAG.g.:7",
            "v1.TAG.m.0-1-7 OR 1",
            "0-1-7",
            "v1.+1234567.m.0-1-7",
        ] {
            let text = text.replace("TAG", &tag);
            assert_eq!(Token::read(text.as_bytes(), here()), Err(TokenError::Malformed), "{text}");
        }
        let foreign = "v1.00000000.m.0-1-7";
        assert_eq!(Token::read(foreign.as_bytes(), here()), Err(TokenError::OtherCluster));
        let long = format!("v1.{tag}.m.{}", "0-1-7,".repeat(20_000));
        assert_eq!(Token::read(long.as_bytes(), here()), Err(TokenError::Malformed));
    }
}
