//! `SET @@name = …` with the scope written out that it means: `SET @@session.name = …`.
//!
//! Knows which texts can be changed with certainty. Must not know who sends them.

use super::classify::classify;
use super::details::{self, Assigned};
use super::dialect::Dialect;
use super::set::{is_access_mode, is_isolation};
use super::span::Span;
use super::statement::{Facts, Statement};

/// A text as it is sent to a member, if that is another than the client's.
#[derive(Clone, Debug, PartialEq)]
pub struct Scoped {
    /// What it says.
    pub statement: Statement,
    /// The text.
    pub sql: Vec<u8>,
}

/// The text with every scope written out, where a server's tracker would say nothing of what it sets otherwise (see
/// [`Facts::SETS_UNTOLD`]). None if there is nothing to write, or no certainty where.
#[must_use]
pub fn scoped(sql: &[u8], statement: &Statement) -> Option<Scoped> {
    if !statement.has(Facts::SETS_UNTOLD) || !is_certain(sql, statement) {
        return None;
    }
    let places = places(sql, statement)?;
    let mut out = Vec::with_capacity(sql.len() + places.len() * SCOPE.len());
    let mut at = 0;
    for place in places {
        out.extend_from_slice(sql.get(at..place)?);
        out.extend_from_slice(SCOPE);
        at = place;
    }
    out.extend_from_slice(sql.get(at..)?);
    let statement = classify(&out, &statement.dialect);
    Some(Scoped { statement, sql: out })
}

const SCOPE: &[u8] = b"session.";

/// Whether every reading of the text by a server has its variables where this one finds them.
fn is_certain(sql: &[u8], statement: &Statement) -> bool {
    statement.doubt.is_none()
        && !statement.has(Facts::TRUNCATED)
        && (!statement.has(Facts::VERSIONED) || has_whole_comments(sql))
}

/// Whether what stands behind each comment is the same text whether or not the comment is code: no string, comment or
/// statement begins in one and ends outside.
fn has_whole_comments(sql: &[u8]) -> bool {
    let find = |from: usize, mark: &[u8]| Some(from + sql.get(from..)?.windows(2).position(|window| window == mark)?);
    let mut at = 0;
    while let Some(open) = find(at, b"/*") {
        let Some(close) = find(open + 2, b"*/") else { return false };
        if !sql.get(open + 2..close).is_some_and(is_whole) {
            return false;
        }
        at = close + 2;
    }
    true
}

fn is_whole(comment: &[u8]) -> bool {
    let count = |wanted: u8| comment.split(|byte| *byte == wanted).count() - 1;
    let meets = |mark: &[u8]| comment.windows(2).any(|window| window == mark);
    b"'\"`".iter().all(|quote| count(*quote) % 2 == 0)
        && b"\\;#".iter().all(|byte| count(*byte) == 0)
        && !meets(b"--")
        && !meets(b"/*")
}

/// Where the names begin that lack a scope, in order.
fn places(sql: &[u8], statement: &Statement) -> Option<Vec<usize>> {
    if !statement.has(Facts::SEVERAL) {
        return Some(places_in(sql, Span::new(0, sql.len()), statement.dialect).collect());
    }
    let parts = details::parts(sql, statement.dialect)?;
    Some(parts.into_iter().flat_map(|part| places_in(sql, part, statement.dialect)).collect())
}

fn places_in(sql: &[u8], part: Span, dialect: Dialect) -> impl Iterator<Item = usize> {
    let text = part.of(sql);
    let [first] = details::words::<1>(text, dialect);
    let sets = first.of(text).eq_ignore_ascii_case(b"set");
    let all = if sets { details::assignments(text, dialect) } else { Vec::new() };
    all.into_iter().filter_map(move |one| match one.assigned {
        Assigned::Bare(name) if !is_isolation(name.of(text)) && !is_access_mode(name.of(text)) => {
            let quoted = usize::from(!text.get(..name.start as usize)?.ends_with(b"@@"));
            Some(part.start as usize + name.start as usize - quoted)
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{ServerKind, TextEncoding};

    fn written(sql: &str) -> Option<String> {
        let dialect = Dialect { server: ServerKind::MariaDb, encoding: TextEncoding::AsciiSafe, ..Dialect::default() };
        let scoped = scoped(sql.as_bytes(), &classify(sql.as_bytes(), &dialect))?;
        assert!(!scoped.statement.has(Facts::SETS_UNTOLD), "{sql}");
        Some(String::from_utf8(scoped.sql).unwrap())
    }

    #[test]
    fn a_scope_that_is_left_out_is_written() {
        for (sql, expected) in [
            ("SET @@sql_mode = ''", "SET @@session.sql_mode = ''"),
            ("set\n@@SQL_MODE:='@@a'; ", "set\n@@session.SQL_MODE:='@@a'; "),
            ("SET @@`sql_mode` = DEFAULT", "SET @@session.`sql_mode` = DEFAULT"),
            ("/*!40100 SET @@SQL_MODE='' */", "/*!40100 SET @@session.SQL_MODE='' */"),
            (
                "SET @@a = 1/*!40101, @@b='x, @@c = 1' */, @@d = 4",
                "SET @@session.a = 1/*!40101, @@session.b='x, @@c = 1' */, @@session.d = 4",
            ),
            (" /*M!100200 SET @@a = 1*/ ;", " /*M!100200 SET @@session.a = 1*/ ;"),
            (
                "SET @x = @@a, @@b = CONCAT(@@b, ',x'), c = 1, @@local.d = 2, @@e = (SELECT 1, 2)",
                "SET @x = @@a, @@session.b = CONCAT(@@b, ',x'), c = 1, @@local.d = 2, @@session.e = (SELECT 1, 2)",
            ),
            (
                "SET @@autocommit = 1; INSERT INTO t VALUES ('SET @@x = 1'); SELECT @@x = 2",
                "SET @@session.autocommit = 1; INSERT INTO t VALUES ('SET @@x = 1'); SELECT @@x = 2",
            ),
            (
                "SET @@transaction_isolation = 'SERIALIZABLE', @@a = 1",
                "SET @@transaction_isolation = 'SERIALIZABLE', @@session.a = 1",
            ),
        ] {
            assert_eq!(written(sql).as_deref(), Some(expected), "{sql}");
        }
    }

    #[test]
    fn nothing_is_changed_where_nothing_lacks_or_nobody_can_be_sure() {
        for sql in [
            "SET sql_mode = ''",
            "SET @@session.sql_mode = ''",
            "SET @@global.sql_mode = ''",
            "SET @@tx_read_only = 1",
            "SELECT @@sql_mode",
            "SET @x = @@sql_mode",
            "SET @@a = 1 /*!99999 ' */, @x = ', @@b = 1'",
            "SET @@a = 1 /*!99999 -- */, @x = ', @@b = 1'",
            "/*!99999 ; */ SET @@a = 1",
            "SET @@a = 'x",
        ] {
            assert_eq!(written(sql), None, "{sql}");
        }
        let mysql = Dialect { server: ServerKind::MySql, encoding: TextEncoding::AsciiSafe, ..Dialect::default() };
        let sql = b"SET @@sql_mode = ''";
        assert_eq!(scoped(sql, &classify(sql, &mysql)), None);
    }

    proptest::proptest! {
        #[test]
        fn only_scopes_are_added(sql in "(SET |@@|a|=|,|'|`|;| |/\\*!40100 |\\*/|\\(|\\)|@x|SELECT 1|session\\.|--|\\n){0,20}") {
            let dialect = Dialect { server: ServerKind::MariaDb, encoding: TextEncoding::AsciiSafe, ..Dialect::default() };
            if let Some(scoped) = scoped(sql.as_bytes(), &classify(sql.as_bytes(), &dialect)) {
                let text = String::from_utf8(scoped.sql).unwrap();
                proptest::prop_assert_eq!(text.replace("session.", ""), sql.replace("session.", ""));
                proptest::prop_assert_eq!(scoped.statement.kind, classify(sql.as_bytes(), &dialect).kind);
            }
        }
    }
}
