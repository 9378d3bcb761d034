//! `SELECT CONNECTION_ID()` and `SELECT @@pseudo_thread_id` with nothing else: the proxy knows the answer.

use super::dialect::Dialect;
use super::lex::{Kind as Lexeme, Lexer, Reading, Token};
use super::span::Span;

/// The name of the only column, if the text is nothing but such a `SELECT`.
pub(super) fn alone(sql: &[u8], dialect: Dialect) -> Option<Span> {
    let mut lexer = Lexer::new(sql, dialect, Reading::default());
    lexer.next().is_word(sql, "select").then_some(())?;
    let first = lexer.next();
    let last = match first.kind {
        Lexeme::SystemVariable => variable(&mut lexer, sql)?,
        Lexeme::Word if first.is_word(sql, "connection_id") => {
            lexer.next().is(b'(').then_some(())?;
            let close = lexer.next();
            close.is(b')').then_some(close)?
        }
        _ => return None,
    };
    let mut name = Span { start: first.span.start, end: last.span.end };
    let mut next = lexer.next();
    if next.is_word(sql, "as") {
        next = lexer.next();
        is_name(next).then_some(())?;
    }
    if is_name(next) {
        if next.kind == Lexeme::Word && is_clause(next.span.of(sql)) {
            return None;
        }
        name = next.span;
        next = lexer.next();
    }
    while next.is(b';') {
        next = lexer.next();
    }
    (next.kind == Lexeme::End).then_some(name)
}

fn variable(lexer: &mut Lexer<'_>, sql: &[u8]) -> Option<Token> {
    let mut name = lexer.next();
    if name.is_word(sql, "session") || name.is_word(sql, "local") {
        lexer.next().is(b'.').then_some(())?;
        name = lexer.next();
    }
    name.is_word(sql, "pseudo_thread_id").then_some(name)
}

fn is_name(token: Token) -> bool {
    matches!(token.kind, Lexeme::Word | Lexeme::Quoted | Lexeme::Text)
}

/// Words that cannot be an alias.
fn is_clause(word: &[u8]) -> bool {
    ["from", "limit", "union", "into", "where", "for", "lock", "order", "group", "having", "procedure"]
        .iter()
        .any(|clause| word.eq_ignore_ascii_case(clause.as_bytes()))
}
