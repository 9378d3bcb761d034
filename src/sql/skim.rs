//! Over the stretches of a statement that say nothing: names, numbers, plain strings and punctuation.
//!
//! Most of a statement is such a stretch. A block of bytes at a time is turned into bits, of which those are left that
//! may begin or end something that matters; only there tokens are read one by one. Where to stop is a question of
//! bytes, what to do there is the scan's: this must give the facts that reading every token gives, and stopping too
//! often is no error.

use super::block::Block;
use super::bytes::Class;
use super::dialect::TextEncoding;
use super::functions::{self, Function};
use super::keywords::{self, Weight};
use super::lex::{Kind as Lexeme, Token};
use super::scan::Scan;
use super::schemas;
use super::span::Span;
use super::stretch::{Places, Stretch, below};

/// How many pieces are read again in front of a stop: what a token means may depend on the three before it.
const CONTEXT: usize = 4;

impl Scan<'_> {
    /// Goes on to a place that may matter, and stands a few tokens before it; gives the place. Facts that need no
    /// looking around are noted on the way.
    #[inline(never)]
    pub(super) fn skim(&mut self) -> usize {
        let mut stretch = Stretch::new(self.lexer.at());
        if self.lexer.in_versioned() {
            // `*/` ends that, which is no token.
            return stretch.from;
        }
        while stretch.base <= self.sql().len() {
            let base = stretch.base;
            let block = self.block(base);
            let in_text = stretch.in_text != 0;
            let mut places = stretch.places(&block, || self.backslashes(base));
            while places.all != 0 {
                let place = places.all.trailing_zeros();
                places.all &= places.all - 1;
                if self.matters(&mut stretch, &places, place) {
                    return self.stop(&mut stretch, &places, place);
                }
            }
            if places.escaped || (in_text && block.quote == 0) {
                return self.stop_at_text(&stretch);
            }
            stretch.go_on(&places);
        }
        if stretch.in_text != 0 {
            return self.stop_at_text(&stretch);
        }
        self.lexer.jump(self.sql().len());
        self.sql().len()
    }

    #[inline]
    fn block(&self, base: usize) -> Block {
        let block = Block::at(self.sql(), base);
        if self.lexer.dialect().encoding == TextEncoding::Latin1 {
            return block.without_0xa0(self.sql(), base);
        }
        block
    }

    /// The backslashes that may hide a quote.
    #[inline]
    fn backslashes(&self, base: usize) -> u64 {
        if self.lexer.dialect().no_backslash_escapes { 0 } else { Block::backslashes(self.sql(), base) }
    }

    /// Whether reading on token by token from here may tell something.
    #[inline]
    fn matters(&mut self, stretch: &mut Stretch, places: &Places, place: u32) -> bool {
        let at = stretch.base + place as usize;
        let is_in = |bits: u64| bits >> place & 1 != 0;
        if is_in(places.word_ends)
            && keywords::may_end(self.sql(), at)
            && self.word_matters(stretch.word_start(places.word, place), at)
        {
            return true;
        }
        if !is_in(places.others) {
            return is_in(places.quotes);
        }
        match self.byte(at) {
            b'(' => !self.opens_list(at) && self.call_matters(stretch, places, place),
            b'.' => self.dot_matters(stretch.word_start(places.word, place), at),
            b'-' => self.byte(at + 1) == b'-',
            b'/' => self.byte(at + 1) == b'*',
            b':' => self.byte(at + 1) == b'=',
            b'%' | b'&' => false,
            b';' | b'"' | b'`' | b'@' | b'#' | b'$' | b'\\' => true,
            _ if self.byte(at.wrapping_sub(1)) != b'.' => {
                self.byte(stretch.word_start(places.word, place)).is_ascii_digit()
            }
            _ => place == 0 || self.byte(stretch.word_start(places.word, place - 1)).is_ascii_digit(),
        }
    }

    fn byte(&self, at: usize) -> u8 {
        self.sql().get(at).copied().unwrap_or(0)
    }

    #[inline(never)]
    fn word_matters(&mut self, start: usize, end: usize) -> bool {
        match keywords::weight(self.sql().get(start..end).unwrap_or_default()) {
            // `from$x` is one word.
            _ if self.byte(end) == b'$' => true,
            Weight::Nothing => false,
            Weight::Fact(fact) => {
                self.add(fact);
                false
            }
            Weight::InContext => true,
        }
    }

    /// Whether the name before a dot is that of a schema of the instance.
    fn dot_matters(&self, start: usize, dot: usize) -> bool {
        let name = self.sql().get(start..dot).unwrap_or_default();
        name.is_empty() || (matches!(name.len(), 3 | 5 | 18) && schemas::is_system_schema(name))
    }

    /// Whether a parenthesis stands behind a comma or another one, as a row of values does.
    #[inline]
    fn opens_list(&self, paren: usize) -> bool {
        let before = |count: usize| self.byte(paren.wrapping_sub(count));
        matches!(if before(1) == b' ' { before(2) } else { before(1) }, b',' | b'(')
    }

    /// Whether a parenthesis may belong to a call of what is no plain built-in function.
    #[inline(never)]
    fn call_matters(&self, stretch: &mut Stretch, places: &Places, place: u32) -> bool {
        stretch.note_text(places, below(place));
        let floor = stretch.floor();
        let paren = stretch.base + place as usize;
        let end = self.before_space(floor, paren);
        if end == floor {
            return stretch.text.is_none() && matches!(self.prev().kind, Lexeme::Word | Lexeme::Quoted);
        }
        let start = self.before_all(floor, end, |class, _| class.in_word());
        if start == end {
            return false;
        }
        let in_front = self.before_space(floor, start);
        if in_front == floor || matches!(self.byte(in_front - 1), b'.') || self.byte(start).is_ascii_digit() {
            return true;
        }
        let dialect = self.lexer.dialect();
        let name = self.sql().get(start..end).unwrap_or_default();
        functions::look_up(name, end == paren || dialect.ignore_space, dialect.server, dialect.release)
            != Function::Plain
    }

    /// Stands some tokens before a place that matters.
    #[inline(never)]
    fn stop(&mut self, stretch: &mut Stretch, places: &Places, place: u32) -> usize {
        stretch.note_text(places, below(place));
        let at = stretch.base + place as usize;
        let floor = stretch.floor();
        let mut start = at;
        for _ in 0..CONTEXT {
            let end = self.before_space(floor, start);
            // Words and dots together: `1.5` is one number.
            start = self.before_all(floor, end, |class, byte| class.in_word() || byte == b'.');
            if start == end {
                start = end.saturating_sub(1).max(floor);
            }
        }
        // What was remembered stands far behind, unless nothing has been skipped.
        if start != stretch.from {
            self.forget();
        }
        if start == floor
            && let Some((start, last)) = stretch.text
        {
            self.remember(Token { kind: Lexeme::Text, span: Span::new(start, last + 1) });
        }
        self.lexer.jump(start);
        at
    }

    /// Stands before the last string. No token looks further back than to a string.
    fn stop_at_text(&mut self, stretch: &Stretch) -> usize {
        let start = stretch.text.map_or(stretch.from, |(start, _)| start);
        self.forget();
        self.lexer.jump(start);
        start
    }

    /// Back over white space, not further than `floor`.
    fn before_space(&self, floor: usize, at: usize) -> usize {
        self.before_all(floor, at, |class, _| class == Class::Space)
    }

    /// Back over bytes of which `over` is true.
    fn before_all(&self, floor: usize, mut at: usize, over: impl Fn(Class, u8) -> bool) -> usize {
        while at > floor && over(self.lexer.class(at - 1), self.byte(at - 1)) {
            at -= 1;
        }
        at
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use tests::is_off;
