//! Details of statements that leave something behind: what a `SET` assigns, which tables a `DROP` names, the parts of
//! several statements.
//!
//! Reads the text a second time, which only such statements are worth. Versioned comments are read as code.

use super::dialect::Dialect;
use super::heads;
use super::lex::{Kind as Lexeme, Lexer, Reading, Token};
use super::literal::Shape;
use super::scan::Scan;
use super::schemas::unquoted;
use super::span::Span;
use super::statement::Statement;

const AS_CODE: Reading = Reading { as_code: u8::MAX };

/// Whom an assignment of `SET` gives a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assigned {
    /// `@name`, with the sign.
    User(Span),
    /// A session variable's name, without `@@`, scope and quotes.
    Session(Span),
    /// `@@name` without a scope, which for the transaction's characteristics means the next transaction only.
    Bare(Span),
    /// `NAMES …`, `CHARACTER SET …`.
    CharacterSets,
    /// `SESSION TRANSACTION …`.
    Transaction,
    /// A variable of the instance: `GLOBAL`, `PERSIST`, a structured one.
    Global,
    /// Something else.
    Other,
}

/// One assignment of `SET`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Whom.
    pub assigned: Assigned,
    /// The value as written.
    pub value: Span,
    /// Whether the value means the same wherever it is said.
    pub literal: bool,
}

/// Tokens of a statement, without facts.
#[derive(Clone)]
pub(super) struct Tokens<'a> {
    lexer: Lexer<'a>,
    sql: &'a [u8],
    /// The end of the last token.
    end: u32,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(sql: &'a [u8], dialect: Dialect) -> Self {
        Tokens { lexer: Lexer::new(sql, dialect, AS_CODE), sql, end: 0 }
    }

    pub(super) fn next(&mut self) -> Token {
        let token = self.lexer.next();
        self.end = token.span.end;
        token
    }

    pub(super) fn peek(&self) -> Token {
        self.lexer.clone().next()
    }

    pub(super) fn take(&mut self, word: &str) -> bool {
        let found = self.peek().is_word(self.sql, word);
        if found {
            self.next();
        }
        found
    }

    /// A name, perhaps with a schema in front; gives the schema and the last part, without quotes.
    fn name(&mut self) -> Option<(Option<Span>, Span)> {
        let first = self.next();
        if !matches!(first.kind, Lexeme::Word | Lexeme::Quoted) {
            return None;
        }
        if !self.peek().is(b'.') {
            return Some((None, bare(self.sql, first.span)));
        }
        self.next();
        let last = self.next();
        Some((Some(bare(self.sql, first.span)), bare(self.sql, last.span)))
    }
}

/// The span without quotes.
fn bare(sql: &[u8], span: Span) -> Span {
    let cut = u32::from(unquoted(span.of(sql)).len() != span.len());
    Span { start: span.start + cut, end: span.end - cut }
}

pub(super) fn is_end(token: Token) -> bool {
    token.kind == Lexeme::End || token.is(b';')
}

/// What a `SET` assigns, in order.
#[must_use]
pub fn assignments(sql: &[u8], dialect: Dialect) -> Vec<Assignment> {
    let mut tokens = Tokens::new(sql, dialect);
    let mut found = Vec::new();
    tokens.take("set");
    loop {
        let (assigned, mut token) = assigned(&mut tokens);
        let start = token.span.start;
        let (mut depth, mut shape, mut end) = (0u32, Shape::default(), start);
        while !is_end(token) && (depth > 0 || !token.is(b',')) {
            match token.kind {
                Lexeme::Punctuation(b'(') => depth += 1,
                Lexeme::Punctuation(b')') => depth = depth.saturating_sub(1),
                _ => {}
            }
            shape.token(sql, token);
            end = token.span.end;
            token = tokens.next();
        }
        let literal = if matches!(assigned, Assigned::User(_)) { shape.is_user_literal() } else { shape.is_literal() };
        found.push(Assignment { assigned, value: Span { start, end }, literal });
        if is_end(token) {
            return found;
        }
    }
}

/// The left side and the sign; gives the first token of the value.
fn assigned(tokens: &mut Tokens<'_>) -> (Assigned, Token) {
    let first = tokens.next();
    let (mut name, mut bare_sign) = (first, false);
    let sql = tokens.sql;
    let among = |token: Token, words: &[&str]| words.iter().any(|word| token.is_word(sql, word));
    if among(first, &["names", "character", "charset"]) {
        return (Assigned::CharacterSets, tokens.next());
    }
    match first.kind {
        Lexeme::UserVariable => {
            tokens.next();
            return (Assigned::User(first.span), tokens.next());
        }
        Lexeme::SystemVariable => {
            name = tokens.next();
            bare_sign = true;
        }
        _ => {}
    }
    let global = among(name, &["global", "persist", "persist_only"]);
    if global || among(name, &["session", "local"]) {
        bare_sign = false;
        name = tokens.next();
        if name.is(b'.') {
            name = tokens.next();
        }
    }
    if !matches!(name.kind, Lexeme::Word | Lexeme::Quoted) || is_end(name) {
        return (Assigned::Other, name);
    }
    if name.is_word(tokens.sql, "transaction") {
        // Its characteristics have commas of their own.
        let mut token = tokens.next();
        while !is_end(token) {
            token = tokens.next();
        }
        return (if global { Assigned::Global } else { Assigned::Transaction }, token);
    }
    let sign = tokens.next();
    if global || sign.is(b'.') {
        return (Assigned::Global, sign);
    }
    if !sign.is(b'=') && sign.kind != Lexeme::Assign {
        return (Assigned::Other, sign);
    }
    let span = bare(tokens.sql, name.span);
    (if bare_sign { Assigned::Bare(span) } else { Assigned::Session(span) }, tokens.next())
}

/// A table's schema, if written, and name.
pub type TableName = (Option<Span>, Span);

/// The table that `CREATE … TEMPORARY TABLE` makes, and whether `IF NOT EXISTS` stands there.
#[must_use]
pub fn created_table(sql: &[u8], dialect: Dialect) -> Option<(TableName, bool)> {
    let mut tokens = Tokens::new(sql, dialect);
    while !tokens.take("temporary") {
        if is_end(tokens.next()) {
            return None;
        }
    }
    tokens.next();
    let careful = tokens.take("if");
    if careful {
        tokens.take("not");
        tokens.take("exists");
    }
    Some((tokens.name()?, careful))
}

/// The tables that `DROP [TEMPORARY] TABLE` names, and whether `IF EXISTS` stands there.
#[must_use]
pub fn dropped_tables(sql: &[u8], dialect: Dialect) -> (Vec<TableName>, bool) {
    let mut tokens = Tokens::new(sql, dialect);
    tokens.take("drop");
    tokens.take("temporary");
    tokens.next();
    let careful = tokens.take("if");
    if careful {
        tokens.take("exists");
    }
    let mut names = Vec::new();
    while let Some(name) = tokens.name() {
        names.push(name);
        if !tokens.next().is(b',') {
            break;
        }
    }
    (names, careful)
}

/// The first `N` words or names of a statement, without quotes; empty where there are fewer.
#[must_use]
pub fn words<const N: usize>(sql: &[u8], dialect: Dialect) -> [Span; N] {
    let mut tokens = Tokens::new(sql, dialect);
    let mut found = [Span::EMPTY; N];
    for place in &mut found {
        let token = tokens.next();
        if !matches!(token.kind, Lexeme::Word | Lexeme::Quoted | Lexeme::Text) {
            break;
        }
        *place = bare(sql, token.span);
    }
    found
}

/// All words of a statement, in lower case; comments and everything else are left out.
#[must_use]
pub fn all_words(sql: &[u8], dialect: Dialect) -> Vec<Vec<u8>> {
    let mut tokens = Tokens::new(sql, dialect);
    let all = std::iter::from_fn(|| Some(tokens.next()).filter(|token| token.kind != Lexeme::End));
    all.filter(|token| token.kind == Lexeme::Word).map(|token| token.span.of(sql).to_ascii_lowercase()).collect()
}

/// A statement that is nothing but `SELECT function(argument, …)` or `DO function(argument, …)`: the function's name and
/// its first argument, if that is a string.
#[must_use]
pub fn lone_call(sql: &[u8], dialect: Dialect) -> Option<(Span, Option<Span>)> {
    let mut tokens = Tokens::new(sql, dialect);
    let head = tokens.next();
    (head.is_word(sql, "select") || head.is_word(sql, "do")).then_some(())?;
    let name = tokens.next();
    (name.kind == Lexeme::Word && tokens.next().is(b'(')).then_some(())?;
    let mut token = tokens.next();
    let mut argument = (token.kind == Lexeme::Text).then_some(token.span);
    let mut second = false;
    while !token.is(b')') {
        if is_end(token) || token.is(b'(') {
            return None;
        }
        // `'a' 'b'` is one string, `'a' || x` is none.
        if !second && token.kind != Lexeme::Text && !token.is(b',') {
            argument = None;
        }
        second |= token.is(b',');
        token = tokens.next();
    }
    let mut next = tokens.next();
    if next.is_word(sql, "as") {
        next = tokens.next();
    }
    if matches!(next.kind, Lexeme::Quoted | Lexeme::Text) || (next.kind == Lexeme::Word && !next.is_word(sql, "from")) {
        next = tokens.next();
    }
    is_end(next).then_some((name.span, argument))
}

/// The user variables that a statement names, with their signs.
#[must_use]
pub fn user_variables(sql: &[u8], dialect: Dialect) -> Vec<Span> {
    let mut tokens = Tokens::new(sql, dialect);
    let all = std::iter::from_fn(|| Some(tokens.next()).filter(|token| token.kind != Lexeme::End));
    all.filter(|token| token.kind == Lexeme::UserVariable).map(|token| token.span).collect()
}

/// The most statements of one text that are told apart.
const MOST_PARTS: usize = 256;

/// The statements of a text that holds several; none if they are too many.
#[must_use]
pub fn parts(sql: &[u8], dialect: Dialect) -> Option<Vec<Span>> {
    let mut whole = Statement::new(dialect);
    let mut scan = Scan::new(sql, dialect, AS_CODE, &mut whole);
    let mut found = Vec::new();
    loop {
        let first = scan.step();
        if first.kind == Lexeme::End {
            return Some(found);
        }
        heads::statement(&mut scan);
        let end = scan.prev();
        if found.len() == MOST_PARTS {
            return None;
        }
        if !end.is(b';') {
            found.push(Span::new(first.span.start as usize, sql.len()));
            return Some(found);
        }
        found.push(Span { start: first.span.start, end: end.span.start });
    }
}

/// The name by which a `HANDLER` statement knows its handler (the alias when it opens one), and whether it opens one.
#[must_use]
pub fn handler(sql: &[u8], dialect: Dialect) -> (Span, bool) {
    let mut tokens = Tokens::new(sql, dialect);
    tokens.take("handler");
    let Some((_, name)) = tokens.name() else { return (Span::EMPTY, false) };
    if !tokens.take("open") {
        return (name, false);
    }
    tokens.take("as");
    (tokens.name().map_or(name, |(_, alias)| alias), true)
}
