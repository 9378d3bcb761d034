//! Where connections' ids stand in a statement that reads them from the server's own tables, or asks who holds a named
//! lock; and which columns of its result are such an answer.
//!
//! Reads the text a second time, which only such statements are worth. Must not know whose the ids are.

use super::details::{Tokens, is_end};
use super::dialect::Dialect;
use super::lex::{Kind as Lexeme, Token};
use super::span::Span;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldIds {
    /// Numbers of 32 bits that may be ids of a proxy's.
    pub numbers: Vec<(Span, u32)>,
    /// `CONNECTION_ID()` or `@@pseudo_thread_id` alone in a select list, without an alias of its own.
    pub own_columns: Vec<Span>,
    /// Those columns of the result, counted from zero, that `IS_USED_LOCK()` alone gives.
    pub lock_columns: Vec<usize>,
}

/// Where in the select list of the outermost `SELECT` the reading is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    Before,
    In(usize),
    /// Behind it, or behind a `*`, which stands for any number of columns.
    Behind,
}

/// Finds what stands in the text.
#[must_use]
pub fn held_ids(sql: &[u8], dialect: Dialect) -> HeldIds {
    let mut tokens = Tokens::new(sql, dialect);
    let mut found = HeldIds::default();
    // One for each parenthesis that is open, and the statement itself.
    let (mut outer, mut list, mut begins_item) = (Vec::new(), List::Before, false);
    loop {
        let token = tokens.next();
        let in_list = matches!(list, List::In(_));
        let begins = std::mem::replace(&mut begins_item, token.is(b',') || token.is_word(sql, "select")) && in_list;
        match token.kind {
            Lexeme::End => return found,
            Lexeme::Number => found.numbers.extend(id(token.span.of(sql)).map(|id| (token.span, id))),
            Lexeme::Punctuation(b'(') => outer.push(std::mem::replace(&mut list, List::Before)),
            Lexeme::Punctuation(b')') => list = outer.pop().unwrap_or(List::Behind),
            Lexeme::Punctuation(b',') => {
                if let List::In(column) = &mut list {
                    *column += 1;
                }
            }
            Lexeme::Punctuation(b'*') if begins => list = List::Behind,
            Lexeme::Punctuation(b';') => list = List::Behind,
            Lexeme::Word if list == List::Before && token.is_word(sql, "select") => list = List::In(0),
            Lexeme::Word if in_list && is_clause(sql, token) => list = List::Behind,
            Lexeme::SystemVariable if begins => found.own_columns.extend(own_variable(&tokens, sql, token)),
            Lexeme::Word if begins && token.is_word(sql, "connection_id") => {
                found.own_columns.extend(own_call(&tokens, sql, token));
            }
            Lexeme::Word if begins && token.is_word(sql, "is_used_lock") => {
                if let List::In(column) = list
                    && outer.is_empty()
                    && is_call_alone(&tokens, sql)
                {
                    found.lock_columns.push(column);
                }
            }
            _ => {}
        }
    }
}

/// No proxy's id is smaller.
const SMALLEST: u32 = 1 << 30;

/// A number that may be an id of a proxy's.
fn id(written: &[u8]) -> Option<u32> {
    let number: u32 = std::str::from_utf8(written).ok()?.parse().ok()?;
    (number >= SMALLEST).then_some(number)
}

fn is_clause(sql: &[u8], token: Token) -> bool {
    ["from", "into", "where", "limit", "union", "order", "group", "having", "for", "procedure"]
        .iter()
        .any(|clause| token.is_word(sql, clause))
}

/// Whether an item of a select list ends before this token, so that it has no alias.
fn ends_item(sql: &[u8], next: Token) -> bool {
    is_end(next) || next.is(b',') || next.is(b')') || next.is_word(sql, "from")
}

fn own_call(tokens: &Tokens<'_>, sql: &[u8], name: Token) -> Option<Span> {
    let mut ahead = tokens.clone();
    ahead.next().is(b'(').then_some(())?;
    let close = ahead.next();
    (close.is(b')') && ends_item(sql, ahead.peek())).then_some(Span { start: name.span.start, end: close.span.end })
}

fn own_variable(tokens: &Tokens<'_>, sql: &[u8], sign: Token) -> Option<Span> {
    let mut ahead = tokens.clone();
    let mut name = ahead.next();
    if name.is_word(sql, "session") || name.is_word(sql, "local") {
        ahead.next();
        name = ahead.next();
    }
    (name.is_word(sql, "pseudo_thread_id") && ends_item(sql, ahead.peek()))
        .then_some(Span { start: sign.span.start, end: name.span.end })
}

/// Whether a call of the name read last is a whole item of a select list, with or without an alias.
fn is_call_alone(tokens: &Tokens<'_>, sql: &[u8]) -> bool {
    if !tokens.peek().is(b'(') {
        return false;
    }
    let mut ahead = tokens.clone();
    let mut depth = 0u32;
    loop {
        let token = ahead.next();
        match token.kind {
            Lexeme::End => return false,
            Lexeme::Punctuation(b'(') => depth += 1,
            Lexeme::Punctuation(b')') if depth <= 1 => break,
            Lexeme::Punctuation(b')') => depth -= 1,
            _ => {}
        }
    }
    let next = ahead.peek();
    let operator =
        ["is", "in", "between", "like", "div", "mod", "and", "or", "xor", "not", "rlike", "regexp", "collate"];
    ends_item(sql, next)
        || matches!(next.kind, Lexeme::Text | Lexeme::Quoted)
        || (next.kind == Lexeme::Word && !operator.iter().any(|word| next.is_word(sql, word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(sql: &str) -> (Vec<u32>, Vec<String>, Vec<usize>) {
        let found = held_ids(sql.as_bytes(), Dialect::default());
        let own = |span: &Span| String::from_utf8_lossy(span.of(sql.as_bytes())).into_owned();
        let numbers = found.numbers.iter().map(|(_, number)| *number).collect();
        (numbers, found.own_columns.iter().map(own).collect(), found.lock_columns)
    }

    #[test]
    fn ids_are_found_where_they_stand() {
        let gh_ost =
            "select id from information_schema.processlist where id != connection_id() and 2155872257 in (0, id)";
        assert_eq!(found(gh_ost), (vec![2_155_872_257], vec![], vec![]));
        let strings = "SELECT '2155872257', 2155872257 -- 2155872258\n, 5, 99999999999";
        assert_eq!(found(strings).0, [2_155_872_257]);
    }

    #[test]
    fn own_ids_are_shown_only_as_columns_without_a_name() {
        let own = |sql: &str| found(sql).1;
        assert_eq!(own("SELECT CONNECTION_ID( ), id FROM p"), ["CONNECTION_ID( )"]);
        assert_eq!(own("SELECT id, connection_id() FROM p WHERE id = CONNECTION_ID()"), ["connection_id()"]);
        assert_eq!(own("SELECT @@session.pseudo_thread_id, 1"), ["@@session.pseudo_thread_id"]);
        assert_eq!(own("SELECT * FROM (SELECT 1, CONNECTION_ID()) x"), ["CONNECTION_ID()"]);
        assert!(own("SELECT CONNECTION_ID() = id FROM p").is_empty());
        assert!(own("SELECT CONCAT('a', CONNECTION_ID(), 'b')").is_empty());
        assert!(own("INSERT INTO t VALUES (1, CONNECTION_ID(), 2)").is_empty());
        assert!(own("SELECT a FROM t ORDER BY a, CONNECTION_ID(), b").is_empty());
        assert!(own("SELECT IS_USED_LOCK('x') = CONNECTION_ID()").is_empty());
    }

    #[test]
    fn columns_that_name_the_holder_of_a_lock_are_counted() {
        let columns = |sql: &str| found(sql).2;
        assert_eq!(columns("SELECT IS_USED_LOCK('x')"), [0]);
        assert_eq!(columns("SELECT 1, f(1, 2), is_used_lock(concat('a', 'b')) AS holder, IS_USED_LOCK('y') h"), [2, 3]);
        assert_eq!(columns("SELECT IS_USED_LOCK(name) FROM t"), [0]);
        for none in [
            "SELECT IS_USED_LOCK('x') = 5",
            "SELECT IS_USED_LOCK('x') IS NULL",
            "SELECT 1 + IS_USED_LOCK('x')",
            "SELECT *, IS_USED_LOCK('x') FROM t",
            "SELECT (SELECT IS_USED_LOCK('x'))",
            "SELECT 1 FROM t WHERE IS_USED_LOCK('x') IN (1, IS_USED_LOCK('y'))",
        ] {
            assert!(columns(none).is_empty(), "{none}");
        }
    }
}
