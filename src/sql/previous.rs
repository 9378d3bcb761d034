//! What a statement asks of the one before, where in its text it does so, and what it takes away of what can be asked.
//!
//! Knows the words of `SHOW WARNINGS` and its like, and which statements clear the conditions of the one before. Must not
//! know who can answer.

use super::details::{Tokens, is_end};
use super::dialect::{Dialect, ServerKind};
use super::lex::{Kind as Lexeme, Token};
use super::schemas::unquoted;
use super::span::Span;
use super::statement::{Facts, Kind, Statement};

/// Of which conditions a `SHOW` speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conditions {
    /// `WARNINGS`: all of them.
    All,
    /// `ERRORS` alone.
    Errors,
}

/// `SHOW WARNINGS`, `SHOW ERRORS`, `SHOW COUNT(*) …`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShowConditions {
    /// Those behind the first `skip`, `most` at most.
    Rows {
        /// Of which.
        of: Conditions,
        /// `LIMIT skip, …`
        skip: u64,
        /// `LIMIT most`
        most: u64,
    },
    /// How many there are.
    Count(Conditions),
}

/// A number that belongs to the statement before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// `ROW_COUNT()`
    RowCount,
    /// `FOUND_ROWS()`
    FoundRows,
    /// `@@warning_count`
    WarningCount,
    /// `@@error_count`
    ErrorCount,
}

/// Where a statement asks for a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// For which.
    pub number: Number,
    /// From the name, or the sign, to the end.
    pub span: Span,
    /// Whether it is an item of a select list without a name of its own.
    pub is_column: bool,
}

/// What a statement that is nothing else than a `SHOW` of conditions asks for.
#[must_use]
pub fn show_conditions(sql: &[u8], dialect: Dialect) -> Option<ShowConditions> {
    let mut tokens = Tokens::new(sql, dialect);
    tokens.take("show").then_some(())?;
    if tokens.take("count") {
        let counts = tokens.next().is(b'(') && tokens.next().is(b'*') && tokens.next().is(b')');
        let of = counts.then(|| conditions(&mut tokens))??;
        return ends(&mut tokens).then_some(ShowConditions::Count(of));
    }
    let of = conditions(&mut tokens)?;
    let (mut skip, mut most) = (0, u64::MAX);
    if tokens.take("limit") {
        most = number(sql, tokens.next())?;
        if tokens.peek().is(b',') {
            tokens.next();
            skip = std::mem::replace(&mut most, number(sql, tokens.next())?);
        } else if tokens.take("offset") {
            skip = number(sql, tokens.next())?;
        }
    }
    ends(&mut tokens).then_some(ShowConditions::Rows { of, skip, most })
}

fn conditions(tokens: &mut Tokens<'_>) -> Option<Conditions> {
    match () {
        () if tokens.take("warnings") => Some(Conditions::All),
        () if tokens.take("errors") => Some(Conditions::Errors),
        () => None,
    }
}

fn number(sql: &[u8], token: Token) -> Option<u64> {
    std::str::from_utf8(token.span.of(sql)).ok()?.parse().ok()
}

fn ends(tokens: &mut Tokens<'_>) -> bool {
    let mut next = tokens.next();
    if next.is(b';') {
        next = tokens.next();
    }
    next.kind == Lexeme::End
}

/// The numbers of the statement before that a statement asks for, in the order of the text.
#[must_use]
pub fn numbers(sql: &[u8], dialect: Dialect) -> Vec<Asked> {
    let mut tokens = Tokens::new(sql, dialect);
    let selects = tokens.peek().is_word(sql, "select");
    let mut found = Vec::new();
    let mut before = tokens.next();
    let mut token = before;
    let mut depth = 0u32;
    let mut in_list = false;
    while token.kind != Lexeme::End {
        match token.kind {
            Lexeme::Punctuation(b'(') => depth += 1,
            Lexeme::Punctuation(b')') => depth = depth.saturating_sub(1),
            Lexeme::Word if depth == 0 && token.is_word(sql, "select") => in_list = true,
            Lexeme::Word if depth == 0 && ends_list(sql, token) => in_list = false,
            _ => {}
        }
        if let Some((number, end)) = number_at(&mut tokens, sql, token) {
            let next = tokens.peek();
            let opens = before.is_word(sql, "select") || before.is(b',');
            let ends = is_end(next) || next.is(b',') || ends_list(sql, next);
            let span = Span { start: token.span.start, end };
            found.push(Asked { number, span, is_column: selects && in_list && depth == 0 && opens && ends });
        }
        before = token;
        token = tokens.next();
    }
    found
}

/// Whether a select list ends before this token.
fn ends_list(sql: &[u8], token: Token) -> bool {
    const WORDS: [&str; 13] = [
        "from",
        "where",
        "group",
        "having",
        "order",
        "limit",
        "into",
        "procedure",
        "for",
        "union",
        "except",
        "intersect",
        "window",
    ];
    WORDS.iter().any(|word| token.is_word(sql, word))
}

/// The number whose name begins with this token, and where it ends.
fn number_at(tokens: &mut Tokens<'_>, sql: &[u8], token: Token) -> Option<(Number, u32)> {
    if token.kind == Lexeme::SystemVariable {
        return variable_at(tokens, sql);
    }
    let number = match () {
        () if token.is_word(sql, "row_count") => Number::RowCount,
        () if token.is_word(sql, "found_rows") => Number::FoundRows,
        () => return None,
    };
    tokens.peek().is(b'(').then(|| tokens.next())?;
    let close = tokens.peek();
    close.is(b')').then(|| tokens.next())?;
    Some((number, close.span.end))
}

/// Behind `@@`: the name, perhaps with a scope of the session.
fn variable_at(tokens: &mut Tokens<'_>, sql: &[u8]) -> Option<(Number, u32)> {
    let mut name = tokens.next();
    if (name.is_word(sql, "session") || name.is_word(sql, "local")) && tokens.peek().is(b'.') {
        tokens.next();
        name = tokens.next();
    }
    let text = unquoted(name.span.of(sql));
    let number = match () {
        () if text.eq_ignore_ascii_case(b"warning_count") => Number::WarningCount,
        () if text.eq_ignore_ascii_case(b"error_count") => Number::ErrorCount,
        () => return None,
    };
    Some((number, name.span.end))
}

/// Whether a statement that raises nothing takes away the conditions of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clears {
    /// It does.
    Surely,
    /// Its text does not tell.
    Perhaps,
    /// It does not.
    Never,
}

/// What a statement does to the conditions of the one before. `MySQL`'s take them away, but for those that show them;
/// `MariaDB`'s where they open tables: `CREATE TABLE` does, `CREATE DATABASE` does not, and of a procedure nobody knows
/// (seen on 10.11).
#[must_use]
pub fn clears_conditions(statement: &Statement, server: ServerKind) -> Clears {
    match statement.kind {
        Kind::Diagnostics => Clears::Never,
        _ if server == ServerKind::MySql => Clears::Surely,
        Kind::Write
        | Kind::Load
        | Kind::ExplainWrite
        | Kind::CreateTemporary
        | Kind::DropTable
        | Kind::DropTemporary
        | Kind::Handler => Clears::Surely,
        Kind::Ddl
        | Kind::Metadata
        | Kind::Instance
        | Kind::Profile
        | Kind::Administration
        | Kind::LockTables
        | Kind::Call
        | Kind::Prepare
        | Kind::Execute
        | Kind::Compound
        | Kind::Several
        | Kind::Unknown => Clears::Perhaps,
        _ if statement.has(Facts::READS_TABLES | Facts::SEQUENCE) => Clears::Surely,
        _ if statement.has(Facts::UNKNOWN_FUNCTION) => Clears::Perhaps,
        _ => Clears::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::super::classify;
    use super::*;

    #[test]
    fn a_show_of_conditions_is_read() {
        let read = |sql: &str| show_conditions(sql.as_bytes(), Dialect::default());
        let rows = |of, skip, most| Some(ShowConditions::Rows { of, skip, most });
        assert_eq!(read("SHOW WARNINGS"), rows(Conditions::All, 0, u64::MAX));
        assert_eq!(read("/* x */ show errors limit 3;"), rows(Conditions::Errors, 0, 3));
        assert_eq!(read("SHOW WARNINGS LIMIT 2, 5"), rows(Conditions::All, 2, 5));
        assert_eq!(read("SHOW WARNINGS LIMIT 5 OFFSET 2"), rows(Conditions::All, 2, 5));
        assert_eq!(read("SHOW COUNT(*) ERRORS"), Some(ShowConditions::Count(Conditions::Errors)));
        for other in ["SHOW WARNINGS; SELECT 1", "SHOW TABLES", "SHOW WARNINGS LIMIT x", "SHOW COUNT(1) ERRORS", "SHOW"]
        {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn numbers_are_found_where_they_stand() {
        let sql = "SELECT ROW_COUNT(), 'row_count()', 1 + FOUND_ROWS ( ), @@session.warning_count AS w, @@`error_count`, @x, \
                   row_count, (SELECT ROW_COUNT())";
        let found: Vec<_> = numbers(sql.as_bytes(), Dialect::default())
            .iter()
            .map(|asked| (asked.number, std::str::from_utf8(asked.span.of(sql.as_bytes())).unwrap(), asked.is_column))
            .collect();
        let expected = [
            (Number::RowCount, "ROW_COUNT()", true),
            (Number::FoundRows, "FOUND_ROWS ( )", false),
            (Number::WarningCount, "@@session.warning_count", false),
            (Number::ErrorCount, "@@`error_count`", true),
            (Number::RowCount, "ROW_COUNT()", false),
        ];
        assert_eq!(found, expected);
        assert!(numbers(b"SELECT @@global.error_count", Dialect::default()).is_empty());
        let columns = |sql: &str| -> Vec<bool> {
            numbers(sql.as_bytes(), Dialect::default()).iter().map(|asked| asked.is_column).collect()
        };
        assert_eq!(columns("SELECT FOUND_ROWS() LIMIT 1"), [true]);
        assert_eq!(columns("SELECT a FROM t ORDER BY a, FOUND_ROWS()"), [false]);
        assert_eq!(columns("SELECT 1 UNION SELECT ROW_COUNT() INTO @x"), [true]);
        assert_eq!(columns("SELECT a, ROW_COUNT() FROM t GROUP BY a, ROW_COUNT()"), [true, false]);
    }

    #[test]
    fn what_surely_opens_tables_clears_on_mariadb() {
        let clears = |sql: &str, server| {
            let dialect = Dialect { server, ..Dialect::default() };
            clears_conditions(&classify(sql.as_bytes(), &dialect), server)
        };
        assert_eq!(clears("CREATE DATABASE x", ServerKind::MariaDb), Clears::Perhaps);
        assert_eq!(clears("CREATE DATABASE x", ServerKind::MySql), Clears::Surely);
        assert_eq!(clears("SHOW COUNT(*) WARNINGS", ServerKind::MySql), Clears::Never);
        assert_eq!(clears("SELECT @@warning_count", ServerKind::MySql), Clears::Surely);
        assert_eq!(clears("SELECT @@warning_count", ServerKind::MariaDb), Clears::Never);
        assert_eq!(clears("SELECT f(1)", ServerKind::MariaDb), Clears::Perhaps);
        assert_eq!(clears("SELECT f(a) FROM t", ServerKind::MariaDb), Clears::Surely);
    }
}
