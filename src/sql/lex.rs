//! The lexer: one pass from bytes to tokens, as the servers read them.
//!
//! Knows strings, quoted identifiers, comments, numbers and variables. Must not know what a word means. It copies
//! nothing; where the servers disagree with each other, or a reading would be a guess, it raises a [`Doubt`].

use memchr::{memchr, memchr2};

use super::bytes::{self, Class, Classes};
use super::dialect::{Dialect, ServerKind, TextEncoding};
use super::hint::Wishes;
use super::span::Span;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An identifier or keyword without quotes.
    Word,
    /// An identifier in quotes; the span includes them.
    Quoted,
    /// A string; the span includes its quotes.
    Text,
    Number,
    /// `@name`; the span includes the sign.
    UserVariable,
    /// The two signs of `@@`.
    SystemVariable,
    /// One byte.
    Punctuation(u8),
    /// `:=`
    Assign,
    End,
}

/// A piece of the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

impl Token {
    pub(super) fn is(&self, byte: u8) -> bool {
        self.kind == Kind::Punctuation(byte)
    }

    /// Whether this is `word` (given in lower case) without quotes.
    pub(super) fn is_word(&self, sql: &[u8], word: &str) -> bool {
        self.kind == Kind::Word && self.span.of(sql).eq_ignore_ascii_case(word.as_bytes())
    }
}

/// Why the text cannot be read with certainty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// A string, quoted identifier or comment does not end.
    Unterminated,
    /// The session's character set hides quotes or is not known.
    Encoding,
    /// Tokens that the servers separate in different ways.
    Lexical,
    /// Versioned comments that are nested, too many, or with an odd version.
    VersionedComments,
    /// It could not be found.
    NoText,
}

/// Which of the versioned comments (`/*! … */`), in the order in which they are met, are read as code.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    pub(super) as_code: u8,
}

/// The most versioned comments whose every combination is read.
pub(super) const MAX_VERSIONED: u32 = 3;

/// See the module.
#[derive(Clone)]
pub(super) struct Lexer<'a> {
    sql: &'a [u8],
    at: usize,
    classes: &'static Classes,
    dialect: Dialect,
    reading: Reading,
    /// How many versioned comments were met.
    pub(super) versioned: u32,
    in_versioned: bool,
    after_word: bool,
    started: bool,
    leading: Wishes,
    trailing: Wishes,
    pub(super) doubt: Option<Doubt>,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(sql: &'a [u8], dialect: Dialect, reading: Reading) -> Self {
        let classes = if dialect.encoding == TextEncoding::Latin1 { &bytes::LATIN1 } else { &bytes::ASCII_SAFE };
        let hidden = matches!(dialect.encoding, TextEncoding::Treacherous | TextEncoding::Unknown) && !sql.is_ascii();
        let doubt = (hidden || dialect.encoding == TextEncoding::Unknown).then_some(Doubt::Encoding);
        Lexer {
            sql,
            at: 0,
            classes,
            dialect,
            reading,
            versioned: 0,
            in_versioned: false,
            after_word: false,
            started: false,
            leading: Wishes::default(),
            trailing: Wishes::default(),
            doubt,
        }
    }

    /// The text.
    pub(super) fn sql(&self) -> &'a [u8] {
        self.sql
    }

    /// Where the next token is looked for.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Whether what is read stands in a versioned comment.
    pub(super) fn in_versioned(&self) -> bool {
        self.in_versioned
    }

    /// Whether the next token is the end of a word that has been taken for a number: `FOR` of `1.5FOR`.
    pub(super) fn is_inside_word(&self) -> bool {
        self.at > 0 && self.class(self.at).in_word() && self.class(self.at - 1).in_word()
    }

    /// Goes on at `at`, where a token begins; between here and there are whole tokens, and no comment.
    pub(super) fn jump(&mut self, at: usize) {
        if !self.trailing.is_empty() && (self.at..at).any(|at| self.class(at) != Class::Space) {
            self.trailing = Wishes::default();
        }
        self.after_word &= at == self.at;
        self.at = at;
    }

    /// The first word, if it is `SELECT` at the very beginning: what [`next`](Self::next) gives, but at once.
    #[inline]
    pub(super) fn select(&mut self) -> Option<Token> {
        let (word, rest) = self.sql.split_first_chunk()?;
        (bytes::is_select(*word) && matches!(rest, [b' ' | b'\n', ..])).then_some(())?;
        self.at = word.len();
        self.after_word = true;
        self.started = true;
        Some(Token { kind: Kind::Word, span: Span::new(0, self.at) })
    }

    /// How the text is read.
    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// What comments before the first word ask for, or behind the last; complete only at the end of the text.
    pub(super) fn wishes(&self) -> Wishes {
        self.leading.or(self.trailing)
    }

    /// Whether nothing, or white space and no comment, stands from one place to another.
    pub(super) fn is_space(&self, from: u32, to: u32) -> bool {
        Span { start: from, end: to }.of(self.sql).iter().all(|byte| self.classes[*byte as usize] == Class::Space)
    }

    fn raise(&mut self, doubt: Doubt) {
        if self.doubt.is_none() {
            self.doubt = Some(doubt);
        }
    }

    fn byte(&self, at: usize) -> u8 {
        self.sql.get(at).copied().unwrap_or(0)
    }

    pub(super) fn class(&self, at: usize) -> Class {
        self.sql.get(at).map_or(Class::Punctuation, |byte| self.classes[*byte as usize])
    }

    /// The next token; [`Kind::End`] for ever after the last.
    #[inline(always)]
    #[allow(clippy::inline_always)] // See `Scan::advance`.
    pub(super) fn next(&mut self) -> Token {
        let class = loop {
            let Some(&byte) = self.sql.get(self.at) else { return self.end() };
            let class = self.classes[byte as usize];
            if (class as u8) < Class::Space as u8 {
                break class;
            }
            match class {
                Class::Space => self.at += 1,
                Class::Comment if self.comment(byte) => {}
                Class::Punctuation if self.in_versioned && byte == b'*' && self.byte(self.at + 1) == b'/' => {
                    self.in_versioned = false;
                    self.at += 2;
                }
                _ => break class,
            }
        };
        let start = self.at;
        let kind = match class {
            Class::Letter => self.word(),
            Class::Digit => self.number_or_word(),
            Class::Dollar => self.dollar(),
            Class::Quote => self.quoted(self.byte(start)),
            Class::At => self.variable(),
            Class::Dot => self.dot(),
            Class::Space | Class::Comment | Class::Punctuation => self.punctuation(),
        };
        self.after_word = kind == Kind::Word;
        if kind != Kind::Punctuation(b';') {
            self.trailing = Wishes::default();
            self.started |= kind != Kind::Punctuation(b'(');
        }
        Token { kind, span: Span::new(start, self.at) }
    }

    fn end(&mut self) -> Token {
        if self.in_versioned {
            self.raise(Doubt::Unterminated);
        }
        Token { kind: Kind::End, span: Span::new(self.at, self.at) }
    }

    fn punctuation(&mut self) -> Kind {
        let byte = self.byte(self.at);
        self.at += 1;
        if byte == b'\\' {
            // MariaDB reads `\N` as NULL, at whose end a word may begin.
            self.raise(Doubt::Lexical);
        }
        if byte == b':' && self.byte(self.at) == b'=' {
            self.at += 1;
            return Kind::Assign;
        }
        Kind::Punctuation(byte)
    }

    #[inline]
    fn rest_of_word(&mut self) {
        let rest = self.sql.get(self.at..).unwrap_or_default();
        let classes = self.classes;
        let len = rest.iter().position(|byte| !classes[*byte as usize].in_word());
        self.at += len.unwrap_or(rest.len());
    }

    #[inline]
    fn word(&mut self) -> Kind {
        self.at += 1;
        self.rest_of_word();
        Kind::Word
    }

    /// `$$ … $$` and `$tag$ … $tag$` are strings for `MySQL` 8.1 and later, and words for everybody else.
    fn dollar(&mut self) -> Kind {
        let start = self.at;
        self.word();
        let again = memchr(b'$', &self.sql[start + 1..self.at]).is_some();
        if again && self.dialect.server != ServerKind::MariaDb {
            self.raise(Doubt::Lexical);
        }
        Kind::Word
    }

    fn digits(&mut self) {
        while self.byte(self.at).is_ascii_digit() {
            self.at += 1;
        }
    }

    /// An identifier may begin with digits; a number may be followed at once by a word (`1.5FOR`), which is not read.
    fn number_or_word(&mut self) -> Kind {
        let first = self.at;
        self.digits();
        match self.byte(self.at) {
            b'.' if self.class(self.at + 1) == Class::Dot => Kind::Number,
            b'.' => {
                self.at += 1;
                self.fraction()
            }
            b'e' | b'E' if matches!(self.byte(self.at + 1), b'+' | b'-') => self.exponent(),
            _ if self.class(self.at).in_word() => {
                let start = self.at;
                self.rest_of_word();
                let zero = start == first + 1 && self.sql[first] == b'0';
                let (mark, digits) = (self.sql[start], &self.sql[start + 1..self.at]);
                let number = match mark {
                    b'e' | b'E' => digits.iter().all(u8::is_ascii_digit),
                    b'x' if zero => digits.iter().all(u8::is_ascii_hexdigit),
                    b'b' if zero => digits.iter().all(|digit| matches!(digit, b'0' | b'1')),
                    _ => false,
                };
                if matches!(mark, b'e' | b'E') && !number && digits.first().is_some_and(u8::is_ascii_digit) {
                    // `1e5INTO` is a number and a word; `1e5x` may be a name.
                    self.raise(Doubt::Lexical);
                }
                if number && !digits.is_empty() { Kind::Number } else { Kind::Word }
            }
            _ => Kind::Number,
        }
    }

    fn fraction(&mut self) -> Kind {
        self.digits();
        if matches!(self.byte(self.at), b'e' | b'E') { self.exponent() } else { self.end_of_number() }
    }

    fn exponent(&mut self) -> Kind {
        self.at += 1;
        if matches!(self.byte(self.at), b'+' | b'-') {
            self.at += 1;
        }
        if !self.byte(self.at).is_ascii_digit() {
            self.raise(Doubt::Lexical);
        }
        self.digits();
        self.end_of_number()
    }

    fn end_of_number(&mut self) -> Kind {
        if self.class(self.at).in_word() {
            self.raise(Doubt::Lexical);
        }
        Kind::Number
    }

    fn dot(&mut self) -> Kind {
        let after_word = self.after_word && self.at > 0 && self.class(self.at - 1).in_word();
        self.at += 1;
        if self.byte(self.at).is_ascii_digit() {
            if after_word {
                return Kind::Punctuation(b'.');
            }
            return self.fraction();
        }
        Kind::Punctuation(b'.')
    }

    fn quoted(&mut self, quote: u8) -> Kind {
        let identifier = quote == b'`' || (quote == b'"' && self.dialect.ansi_quotes);
        self.skip_quoted(quote, !identifier && !self.dialect.no_backslash_escapes);
        if identifier { Kind::Quoted } else { Kind::Text }
    }

    /// From the opening quote to behind the closing one; a doubled quote stands for itself.
    fn skip_quoted(&mut self, quote: u8, escapes: bool) {
        self.at += 1;
        loop {
            let rest = self.sql.get(self.at..).unwrap_or_default();
            let found = if escapes { memchr2(quote, b'\\', rest) } else { memchr(quote, rest) };
            let Some(offset) = found else {
                self.at = self.sql.len();
                self.raise(Doubt::Unterminated);
                return;
            };
            self.at += offset;
            if self.sql[self.at] != quote || self.byte(self.at + 1) == quote {
                self.at = (self.at + 2).min(self.sql.len());
            } else {
                self.at += 1;
                return;
            }
        }
    }

    fn variable(&mut self) -> Kind {
        self.at += 1;
        match self.byte(self.at) {
            b'@' => {
                self.at += 1;
                Kind::SystemVariable
            }
            quote @ (b'\'' | b'"' | b'`') => {
                self.skip_quoted(quote, quote != b'`' && !self.dialect.no_backslash_escapes);
                Kind::UserVariable
            }
            _ => {
                while self.byte(self.at) == b'.' || self.class(self.at).in_word() {
                    if !self.byte(self.at).is_ascii() {
                        // Whether it belongs to the name depends on the character set.
                        self.raise(Doubt::Lexical);
                    }
                    self.at += 1;
                }
                Kind::UserVariable
            }
        }
    }

    /// Skips a comment that begins here; false if none does.
    #[inline(never)]
    fn comment(&mut self, byte: u8) -> bool {
        match byte {
            b'#' => self.line_comment(1),
            b'-' if self.byte(self.at + 1) == b'-' => {
                match self.sql.get(self.at + 2) {
                    None => {}
                    Some(b) if b.is_ascii_control() || self.classes[*b as usize] == Class::Space => {}
                    Some(0x80..) if self.dialect.encoding == TextEncoding::Latin1 => self.raise(Doubt::Lexical),
                    Some(_) => return false,
                }
                self.line_comment(2);
            }
            b'/' if self.byte(self.at + 1) == b'*' => match (self.byte(self.at + 2), self.byte(self.at + 3)) {
                (b'!', _) => self.versioned_comment(3),
                (b'M', b'!') => self.versioned_comment(4),
                _ => {
                    let start = self.at + 2;
                    self.skip_block(start, false);
                    let end = self.at.saturating_sub(2).max(start);
                    self.note_hint(Span::new(start, end));
                }
            },
            _ => return false,
        }
        true
    }

    fn line_comment(&mut self, marker: usize) {
        let start = (self.at + marker).min(self.sql.len());
        let end = memchr(b'\n', &self.sql[start..]).map_or(self.sql.len(), |offset| start + offset);
        self.at = end;
        self.note_hint(Span::new(start, end));
    }

    fn note_hint(&mut self, comment: Span) {
        let wishes = if self.started { &mut self.trailing } else { &mut self.leading };
        wishes.note(self.sql, comment);
    }

    /// To behind the `*/` that ends a comment whose content begins at `from`; a skipped versioned comment may hold
    /// whole comments.
    fn skip_block(&mut self, from: usize, nested: bool) {
        self.at = from.min(self.sql.len());
        loop {
            let rest = &self.sql[self.at..];
            let found = if nested { memchr2(b'*', b'/', rest) } else { memchr(b'*', rest) };
            let Some(offset) = found else {
                self.at = self.sql.len();
                self.raise(Doubt::Unterminated);
                return;
            };
            self.at += offset;
            let pair = (self.byte(self.at), self.byte(self.at + 1));
            match pair {
                (b'*', b'/') => {
                    self.at += 2;
                    return;
                }
                (b'/', b'*') => self.skip_block(self.at + 2, false),
                _ => self.at += 1,
            }
        }
    }

    fn versioned_comment(&mut self, marker: usize) {
        let from = self.at + marker;
        let rest = self.sql.get(from..).unwrap_or_default();
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let behind = self.class(from + digits);
        let clear = match digits {
            0 => true,
            5 => !behind.in_word(),
            6 => behind == Class::Space,
            _ => false,
        };
        let number = self.versioned;
        self.versioned += 1;
        if !clear || self.in_versioned || number >= MAX_VERSIONED {
            self.raise(Doubt::VersionedComments);
        }
        if number < MAX_VERSIONED && self.reading.as_code & (1 << number) != 0 {
            self.in_versioned = true;
            self.at = from + digits;
        } else {
            self.skip_block(from + digits, true);
        }
    }
}
