//! Which values are literals, that can be said again on another connection and mean the same.

use super::lex::{Kind as Lexeme, Token};

/// Reads a value token by token: `[(]… [+-]number | [_charset]string [COLLATE name] | word … [)]`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shape {
    state: State,
    depth: u32,
    word_alone: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nothing yet but parentheses.
    #[default]
    Start,
    /// A sign.
    Signed,
    /// An introducer, `DATE`, `N`: a string must follow; alone it is a bare word.
    Introducer,
    /// A string.
    Text,
    /// `COLLATE`: a name must follow.
    Collate,
    /// Complete.
    Done,
    /// Not a literal.
    Other,
}

impl Shape {
    /// The next token of the value.
    pub(super) fn token(&mut self, sql: &[u8], token: Token) {
        self.state = match (self.state, token.kind) {
            (State::Start, Lexeme::Punctuation(b'(')) => {
                self.depth += 1;
                State::Start
            }
            (State::Start | State::Signed, Lexeme::Punctuation(b'+' | b'-')) => State::Signed,
            (State::Start | State::Introducer | State::Text, Lexeme::Text) => {
                self.word_alone = false;
                State::Text
            }
            (State::Introducer, Lexeme::Number) if token.span.of(sql).starts_with(b"0") => {
                self.word_alone = false;
                State::Text
            }
            (State::Start, Lexeme::Word) => first_word(token.span.of(sql), &mut self.word_alone),
            (State::Start, Lexeme::Quoted) => {
                self.word_alone = true;
                State::Done
            }
            (State::Text | State::Done, Lexeme::Word) if token.is_word(sql, "collate") => State::Collate,
            (State::Start | State::Signed, Lexeme::Number)
            | (State::Collate, Lexeme::Word | Lexeme::Text | Lexeme::Quoted) => State::Done,
            (State::Text | State::Done | State::Introducer, Lexeme::Punctuation(b')')) if self.depth > 0 => {
                self.depth -= 1;
                if self.state == State::Introducer { State::Introducer } else { State::Done }
            }
            _ => State::Other,
        };
    }

    /// Whether what was read is a literal, or a bare word (which names a value in `SET name = word`).
    pub(super) fn is_literal(self) -> bool {
        self.depth == 0 && matches!(self.state, State::Text | State::Done | State::Introducer)
    }

    /// Whether it is a literal that a user variable may be given.
    pub(super) fn is_user_literal(self) -> bool {
        self.is_literal() && !self.word_alone
    }
}

fn first_word(word: &[u8], word_alone: &mut bool) -> State {
    let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    if is("null") || is("true") || is("false") {
        return State::Done;
    }
    *word_alone = true;
    if word.first() == Some(&b'_') || is("date") || is("time") || is("timestamp") || is("n") || is("x") || is("b") {
        return State::Introducer;
    }
    State::Done
}
