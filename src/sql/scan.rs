//! The facts of a text: which functions it calls, variables it names, rows it locks.
//!
//! Looks at each token once, whatever the statement. Must not know what the first word means.

use super::dialect::Dialect;
use super::functions::{self, Arguments, Function};
use super::keywords;
use super::lex::{Kind as Lexeme, Lexer, Reading, Token};
use super::schemas;
#[cfg(test)]
use super::skim;
use super::span::Span;
use super::statement::{Facts, IdSpan, IdUse, Kind, Statement};
use super::variables::{self, Variable};

/// Reads tokens and writes what it notices into a [`Statement`].
pub(super) struct Scan<'a> {
    pub(super) lexer: Lexer<'a>,
    pub(super) out: &'a mut Statement,
    /// The last two tokens, the newer one at `newest`: nothing is copied from token to token.
    last_kinds: [Lexeme; 2],
    last_spans: [Span; 2],
    newest: usize,
    /// What stood before the last dot.
    qualifier: Span,
}

/// The longest list of arguments that is read ahead, in tokens: each call in it is read ahead as well.
const FAR: u32 = 64;

/// Fewer bytes than this between two places are not worth skimming.
const CROWDED: usize = 32;

impl<'a> Scan<'a> {
    pub(super) fn new(sql: &'a [u8], dialect: Dialect, reading: Reading, out: &'a mut Statement) -> Self {
        Scan {
            lexer: Lexer::new(sql, dialect, reading),
            out,
            last_kinds: [Lexeme::End; 2],
            last_spans: [Span::EMPTY; 2],
            newest: 0,
            qualifier: Span::EMPTY,
        }
    }

    pub(super) fn sql(&self) -> &'a [u8] {
        self.lexer.sql()
    }

    pub(super) fn add(&mut self, facts: Facts) {
        self.out.facts |= facts;
    }

    /// The bytes of a token.
    pub(super) fn text(&self, token: Token) -> &'a [u8] {
        token.span.of(self.sql())
    }

    /// The token before the one being looked at.
    #[inline]
    pub(super) fn prev(&self) -> Token {
        let at = self.newest & 1;
        Token { kind: self.last_kinds[at], span: self.last_spans[at] }
    }

    #[inline]
    fn before(&self) -> Token {
        let at = (self.newest & 1) ^ 1;
        Token { kind: self.last_kinds[at], span: self.last_spans[at] }
    }

    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn remember(&mut self, token: Token) {
        self.newest = (self.newest & 1) ^ 1;
        self.last_kinds[self.newest & 1] = token.kind;
        self.last_spans[self.newest & 1] = token.span;
    }

    /// Forgets the last tokens: others stand before the next one.
    pub(super) fn forget(&mut self) {
        self.last_kinds = [Lexeme::End; 2];
    }

    /// The first token, noted.
    #[inline]
    pub(super) fn first(&mut self) {
        match self.lexer.select() {
            Some(select) => self.remember(select),
            None => self.advance_once(),
        }
    }

    /// The next token, noted.
    #[inline]
    pub(super) fn step(&mut self) -> Token {
        self.advance_once();
        self.prev()
    }

    // Returns nothing: a token put together in memory must be waited for, while its parts can be read one by one.
    #[inline(never)]
    fn advance_once(&mut self) {
        self.advance();
    }

    /// [`step`](Self::step) for the loop: the kind alone.
    #[inline(always)]
    #[allow(clippy::inline_always)] // One loop reads nearly all tokens of nearly all statements.
    fn advance(&mut self) -> Lexeme {
        let token = self.lexer.next();
        match token.kind {
            Lexeme::Word => {
                let bytes = token.span.of(self.lexer.sql());
                if keywords::may_end(bytes, bytes.len()) {
                    self.word(bytes);
                }
            }
            Lexeme::Punctuation(b'(') => self.call(token),
            Lexeme::Punctuation(b'.') => self.dot(),
            Lexeme::UserVariable => self.user_variable(token.span),
            Lexeme::SystemVariable => {
                let name = self.system_variable(token);
                self.remember(name);
                return Lexeme::SystemVariable;
            }
            Lexeme::Assign => self.add(Facts::ASSIGNS),
            _ => {}
        }
        self.remember(token);
        token.kind
    }

    /// The next token without noting it, and without moving.
    pub(super) fn peek(&self) -> Token {
        self.lexer.clone().next()
    }

    /// Whether the next token is `word`; if so, it is taken.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let found = self.peek().is_word(self.sql(), word);
        if found {
            self.step();
        }
        found
    }

    /// To the end of the statement: a semicolon or the end of the text.
    #[inline]
    pub(super) fn rest(&mut self) -> Token {
        self.advance_to_end();
        self.prev()
    }

    /// [`rest`](Self::rest) of a statement of this kind.
    #[inline]
    pub(super) fn rest_of(&mut self, kind: Kind) -> Kind {
        self.advance_to_end();
        kind
    }

    /// [`everything`](Self::everything) of a statement of this kind.
    pub(super) fn everything_of(&mut self, kind: Kind) -> Kind {
        self.everything();
        kind
    }

    #[inline(never)]
    fn advance_to_end(&mut self) {
        #[cfg(test)]
        if skim::is_off() {
            return self.advance_token_by_token();
        }
        let mut patience = 0;
        loop {
            let start = self.lexer.at();
            let place = self.skim();
            // Where places are crowded, going from token to token is faster.
            let until = place + patience;
            patience = if place - start < CROWDED { (2 * patience + 8).min(4 * CROWDED) } else { 0 };
            while self.lexer.at() <= until || self.lexer.is_inside_word() {
                if matches!(self.advance(), Lexeme::End | Lexeme::Punctuation(b';')) {
                    return;
                }
            }
        }
    }

    /// What [`advance_to_end`](Self::advance_to_end) must agree with.
    #[cfg(test)]
    fn advance_token_by_token(&mut self) {
        while !matches!(self.advance(), Lexeme::End | Lexeme::Punctuation(b';')) {}
    }

    /// To the end of the text.
    pub(super) fn everything(&mut self) -> Token {
        loop {
            let token = self.step();
            if token.kind == Lexeme::End {
                return token;
            }
        }
    }

    fn prev_is(&self, word: &str) -> bool {
        self.prev().is_word(self.sql(), word)
    }

    #[inline(never)]
    fn word(&mut self, bytes: &[u8]) {
        let is = |word: &str| bytes.eq_ignore_ascii_case(word.as_bytes());
        let dotted = self.prev().is(b'.');
        match (bytes[0] | 0x20, bytes.len()) {
            (b'f', 4) if is("from") => self.add(Facts::READS_TABLES),
            (b't', 5) if is("table") => self.add(Facts::READS_TABLES),
            (b'w', 4) if is("with") => self.add(Facts::WITH),
            (b's', 5) if is("share") && self.prev_is("for") => self.add(Facts::LOCKS_ROWS),
            (b'u', 6) if is("update") => {
                if self.prev_is("for") {
                    self.add(Facts::LOCKS_ROWS);
                } else if !dotted {
                    self.add(Facts::WRITES);
                }
            }
            (b'd', 6) if is("delete") && !dotted => self.add(Facts::WRITES),
            (b'l', 4) if is("lock") && !dotted => self.add(Facts::LOCKS_ROWS),
            (b'p', 9) if is("procedure") && !dotted => self.add(Facts::PROCEDURE),
            // As functions these two are followed by a parenthesis.
            (b'i', 6) if is("insert") && !dotted => self.write_or_function(),
            (b'r', 7) if is("replace") && !dotted => self.write_or_function(),
            (b'i', 4) if is("into") && !dotted => self.into(),
            (b'v', 5) if is("value") && (self.prev_is("next") || self.prev_is("previous")) => self.add(Facts::SEQUENCE),
            (b'n' | b'c', 7) if dotted && (is("nextval") || is("currval")) && self.lexer.dialect().oracle => {
                self.add(Facts::SEQUENCE);
            }
            _ => {}
        }
    }

    fn write_or_function(&mut self) {
        if !self.peek().is(b'(') {
            self.add(Facts::WRITES);
        }
    }

    fn into(&mut self) {
        let next = self.peek();
        let file = next.is_word(self.sql(), "outfile") || next.is_word(self.sql(), "dumpfile");
        if file {
            self.add(Facts::INTO_FILE);
        } else if next.kind == Lexeme::UserVariable || !self.out.has(Facts::WRITES) {
            self.add(Facts::ASSIGNS);
        }
    }

    #[inline]
    fn call(&mut self, paren: Token) {
        if self.prev().kind == Lexeme::Word || self.prev().kind == Lexeme::Quoted {
            self.call_of_name(paren);
        }
    }

    fn call_of_name(&mut self, paren: Token) {
        let name = self.prev();
        if self.before().is(b'.') {
            self.unknown_function(Span { start: self.qualifier.start, end: name.span.end });
            return;
        }
        if name.kind == Lexeme::Quoted {
            self.unknown_function(name.span);
            return;
        }
        let dialect = self.lexer.dialect();
        let (end, start) = (name.span.end, paren.span.start);
        // A comment is no white space to IGNORE_SPACE.
        let adjacent = end == start || (dialect.ignore_space && self.lexer.is_space(end, start));
        match functions::look_up(self.text(name), adjacent, dialect.server, dialect.release) {
            Function::Plain => {}
            Function::PlainWith(needed) if self.has_arguments(needed) => {}
            Function::PlainWith(_) => self.unknown_function(name.span),
            Function::Unknown => self.unknown_function(name.span),
            Function::TakesLock => self.add(Facts::TAKES_LOCK),
            Function::AsksLock => {
                let holder = name.is_word(self.sql(), "is_used_lock");
                self.add(if holder { Facts::ASKS_LOCK | Facts::HOLDS_IDS } else { Facts::ASKS_LOCK });
            }
            Function::Sequence => self.add(Facts::SEQUENCE),
            Function::Instance => {
                let thread = name.is_word(self.sql(), "ps_thread_id");
                self.add(if thread { Facts::INSTANCE | Facts::HOLDS_IDS } else { Facts::INSTANCE });
            }
            Function::PreviousStatement => {
                let found = name.is_word(self.sql(), "found_rows");
                self.add(if found { Facts::ASKS_FOUND_ROWS } else { Facts::empty() });
                self.add(Facts::PREVIOUS | Facts::ASKS_COUNTS);
            }
            Function::LastInsertId => {
                let setter = !self.peek().is(b')');
                self.add(if setter { Facts::SETS_INSERT_ID } else { Facts::PREVIOUS | Facts::ASKS_INSERT_ID });
            }
            Function::ConnectionId => {
                let close = self.peek();
                if close.is(b')') {
                    self.own_id(Span { start: name.span.start, end: close.span.end });
                }
            }
        }
    }

    /// A name before a parenthesis that is no built-in function: a call, or the name of columns that are listed.
    fn unknown_function(&mut self, name: Span) {
        // `) AS t (a, b)`, `) t (a, b)`: behind a complete operand no call can stand. `doc, '$[*]' COLUMNS (`
        let operand =
            self.before().is(b')') || self.before().kind == Lexeme::Text || self.before().is_word(self.sql(), "as");
        let json_table = self.prev_is("json_table")
            && (self.before().is_word(self.sql(), "from")
                || self.before().is_word(self.sql(), "join")
                || self.has_columns());
        if operand || json_table || (self.out.has(Facts::WITH) && self.is_column_list()) {
            return;
        }
        self.add(Facts::UNKNOWN_FUNCTION);
        if !self.out.functions.push(name) {
            self.add(Facts::MANY_FUNCTIONS);
        }
    }

    /// Whether names alone stand up to the closing parenthesis, and `AS (` behind it: `WITH t (a, b) AS (`.
    fn is_column_list(&self) -> bool {
        let mut ahead = self.lexer.clone();
        loop {
            let name = ahead.next();
            if !matches!(name.kind, Lexeme::Word | Lexeme::Quoted) {
                return false;
            }
            let next = ahead.next();
            if next.is(b')') {
                return ahead.next().is_word(self.sql(), "as") && ahead.next().is(b'(');
            }
            if !next.is(b',') {
                return false;
            }
        }
    }

    /// Whether a path and `COLUMNS` stand in the parentheses that have just been opened, which no call has.
    fn has_columns(&self) -> bool {
        let mut ahead = self.lexer.clone();
        let (mut depth, mut path) = (0u32, false);
        for _ in 0..FAR {
            let token = ahead.next();
            match token.kind {
                Lexeme::Punctuation(b'(') => depth += 1,
                Lexeme::Punctuation(b')') if depth == 0 => return false,
                Lexeme::Punctuation(b')') => depth -= 1,
                Lexeme::Word if depth == 0 && path && token.is_word(self.sql(), "columns") => {
                    return ahead.next().is(b'(');
                }
                Lexeme::End => return false,
                _ => {}
            }
            path = token.kind == Lexeme::Text;
        }
        false
    }

    /// Whether such arguments stand up to the closing parenthesis.
    fn has_arguments(&self, needed: Arguments) -> bool {
        if needed != Arguments::Two {
            return needed == Arguments::Any || !self.peek().is(b')');
        }
        let mut ahead = self.lexer.clone();
        let (mut depth, mut commas) = (0u32, 0u32);
        for _ in 0..FAR {
            match ahead.next().kind {
                Lexeme::Punctuation(b'(') => depth += 1,
                Lexeme::Punctuation(b')') if depth == 0 => return commas == 1,
                Lexeme::Punctuation(b')') => depth -= 1,
                Lexeme::Punctuation(b',') if depth == 0 => commas += 1,
                Lexeme::End => return false,
                _ => {}
            }
        }
        false
    }

    fn own_id(&mut self, span: Span) {
        self.add(Facts::CONNECTION_ID);
        self.id(IdSpan { span, id_use: IdUse::Own });
    }

    pub(super) fn id(&mut self, id: IdSpan) {
        if !self.out.ids.push(id) {
            self.add(Facts::MANY_IDS);
        }
    }

    fn dot(&mut self) {
        self.qualifier = self.prev().span;
        if matches!(self.prev().kind, Lexeme::Word | Lexeme::Quoted) {
            let name = schemas::unquoted(self.text(self.prev()));
            if schemas::is_instance(name) {
                self.add(if schemas::holds_ids(name) { Facts::INSTANCE | Facts::HOLDS_IDS } else { Facts::INSTANCE });
            } else if name.eq_ignore_ascii_case(b"information_schema") {
                let table = self.peek();
                if schemas::is_instance_view(schemas::unquoted(self.text(table))) {
                    self.add(Facts::INSTANCE | Facts::HOLDS_IDS);
                }
            }
        }
    }

    fn user_variable(&mut self, span: Span) {
        let known = self.out.user_variables.as_slice();
        let name = span.of(self.sql());
        if !known.iter().any(|other| other.of(self.sql()).eq_ignore_ascii_case(name))
            && !self.out.user_variables.push(span)
        {
            self.add(Facts::MANY_VARIABLES);
        }
    }

    /// `@@name`, `@@scope.name`; gives the last token of it.
    fn system_variable(&mut self, sign: Token) -> Token {
        let mut name = self.lexer.next();
        let text = self.text(name);
        let is = |word: &str| text.eq_ignore_ascii_case(word.as_bytes());
        let mut instance = false;
        let session = is("session") || is("local");
        if (session || is("global") || is("persist") || is("persist_only")) && self.peek().is(b'.') {
            self.lexer.next();
            name = self.lexer.next();
            instance = !session;
        }
        if self.peek().is(b'.') {
            instance = true;
        }
        let variable = if instance || !matches!(name.kind, Lexeme::Word | Lexeme::Quoted) {
            Variable::Instance
        } else {
            variables::read(schemas::unquoted(self.text(name)), self.lexer.dialect().server)
        };
        match variable {
            Variable::Session => {}
            Variable::Instance => self.add(Facts::INSTANCE),
            Variable::PreviousStatement => self.add(Facts::PREVIOUS | Facts::ASKS_INSERT_ID),
            Variable::Diagnostics => self.add(Facts::DIAGNOSTICS),
            Variable::ConnectionId => {
                self.remember(sign);
                self.own_id(Span { start: sign.span.start, end: name.span.end });
            }
        }
        Token { kind: Lexeme::SystemVariable, span: Span { start: sign.span.start, end: name.span.end } }
    }
}
