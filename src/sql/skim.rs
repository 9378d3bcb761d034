//! Over the stretches of a statement that say nothing: names, numbers, plain strings and punctuation.
//!
//! Most of a statement is such a stretch. A block of bytes at a time is turned into bits, of which those are left that
//! may begin or end something that matters; only there tokens are read one by one. Where to stop is a question of
//! bytes, what to do there is the scan's: this must give the facts that reading every token gives, and stopping too
//! often is no error.

// What touches a vector must become part of the function that is compiled for the processor's instructions.
#![allow(clippy::inline_always)]

use fearless_simd::{Level, Simd, dispatch};

use super::block::{BLOCK, Block, padded};
use super::bytes::Class;
use super::dialect::{Dialect, TextEncoding};
use super::functions::{self, Function};
use super::keywords::{self, Weight};
use super::lex::{Kind as Lexeme, Token};
use super::quiet::{self, Rules};
use super::scan::Scan;
use super::schemas;
use super::span::Span;
use super::stretch::{Places, Stretch};

/// How many pieces are read again in front of a stop: what a token means may depend on the three before it.
const CONTEXT: usize = 4;

impl Scan<'_> {
    /// Goes on to a place that may matter, and stands a few tokens before it; gives the place. Facts that need no
    /// looking around are noted on the way.
    #[inline(never)]
    pub(super) fn skim(&mut self) -> usize {
        let level = level();
        dispatch!(narrow(level), simd => self.skim_with(level, simd))
    }

    #[inline(always)]
    fn skim_with<S: Simd>(&mut self, level: Level, simd: S) -> usize {
        let mut stretch = Stretch::new(self.lexer.at());
        if self.lexer.in_versioned() {
            // `*/` ends that, which is no token.
            return stretch.from;
        }
        let Dialect { encoding, no_backslash_escapes, .. } = self.lexer.dialect();
        let rules = Rules { latin1: encoding == TextEncoding::Latin1, escapes: !no_backslash_escapes };
        while stretch.at() <= self.sql().len() {
            let mut places = stretch.places(&self.block(simd, stretch.base, rules), rules.escapes);
            let is_quiet = places.all & places.others == 0;
            while places.all != 0 {
                let place = places.all.trailing_zeros();
                places.all &= places.all - 1;
                if self.matters(&mut stretch, &places, place) {
                    return self.stop(&mut stretch, &places, place);
                }
            }
            if places.in_long_text {
                return self.stop_at_text(&stretch);
            }
            stretch.go_on(&places);
            if is_quiet {
                quiet::pass_over(level, self.sql(), &mut stretch, rules);
            }
        }
        if stretch.is_in_text() {
            return self.stop_at_text(&stretch);
        }
        self.lexer.jump(self.sql().len());
        self.sql().len()
    }

    #[inline(always)]
    fn block<S: Simd>(&self, simd: S, base: usize, rules: Rules) -> Block {
        let block = Block::at(simd, self.sql(), base);
        if !rules.latin1 {
            return block;
        }
        let rest = self.sql().get(base..).unwrap_or_default();
        block.without_0xa0(simd, &rest.first_chunk().copied().unwrap_or_else(|| padded(rest)))
    }

    /// Whether reading on token by token from here may tell something.
    #[inline(always)]
    fn matters(&mut self, stretch: &mut Stretch, places: &Places, place: u32) -> bool {
        let at = stretch.base + place as usize;
        let is_in = |bits: u64| bits >> place & 1 != 0;
        if is_in(places.word_ends)
            && keywords::may_end(self.sql(), at)
            && self.word_matters(self.word_start(stretch, places, place), at)
        {
            return true;
        }
        is_in(places.others) && self.other_matters(stretch, places, place)
    }

    /// [`matters`](Self::matters) of what is no end of a word.
    #[inline]
    fn other_matters(&mut self, stretch: &mut Stretch, places: &Places, place: u32) -> bool {
        let at = stretch.base + place as usize;
        match self.byte(at) {
            b'(' => !self.opens_list(at) && self.call_matters(stretch, places, place),
            b'.' => self.dot_matters(self.word_start(stretch, places, place), at),
            b'-' => self.byte(at + 1) == b'-',
            b'/' => self.byte(at + 1) == b'*',
            b':' => self.byte(at + 1) == b'=',
            b'%' | b'&' => false,
            b';' | b'\'' | b'"' | b'`' | b'@' | b'#' | b'$' | b'\\' => true,
            _ if self.byte(at.wrapping_sub(1)) != b'.' => self.may_be_number(stretch, places, place),
            _ => place == 0 || self.may_be_number(stretch, places, place - 1),
        }
    }

    /// Where the word that ends in front of `place` begins; of a longer one than a block, the last part.
    #[inline(always)]
    fn word_start(&self, stretch: &Stretch, places: &Places, place: u32) -> usize {
        match places.word_start(place) {
            Some(start) => stretch.base + start as usize,
            None => self.start_before_block(stretch, stretch.base + place as usize),
        }
    }

    #[inline(never)]
    fn start_before_block(&self, stretch: &Stretch, end: usize) -> usize {
        self.before_all(stretch.from.max(end.saturating_sub(BLOCK)), end, |class, _| class.in_word())
    }

    /// Whether the word that ends in front of `place` begins with a digit, or is too long to tell.
    #[inline(never)]
    fn may_be_number(&self, stretch: &Stretch, places: &Places, place: u32) -> bool {
        let start = self.word_start(stretch, places, place);
        self.byte(start).is_ascii_digit() || start + BLOCK <= stretch.base + place as usize
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
        stretch.end(places, place);
        let floor = stretch.floor();
        let paren = stretch.base + place as usize;
        let end = self.before_space(floor, paren);
        if end == floor {
            return stretch.text().is_none() && matches!(self.prev().kind, Lexeme::Word | Lexeme::Quoted);
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
        stretch.end(places, place);
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
            && let Some((start, end)) = stretch.text()
        {
            self.remember(Token { kind: Lexeme::Text, span: Span::new(start, end) });
        }
        self.lexer.jump(start);
        at
    }

    /// Stands before the last string. No token looks further back than to a string.
    fn stop_at_text(&mut self, stretch: &Stretch) -> usize {
        let start = stretch.text().map_or(stretch.from, |(start, _)| start);
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

/// For a few blocks vectors of 512 bits cost more than they save.
#[cfg(target_arch = "x86_64")]
#[inline]
fn narrow(level: Level) -> Level {
    level.as_avx2().map_or(level, Level::Avx2)
}

#[cfg(not(target_arch = "x86_64"))]
fn narrow(level: Level) -> Level {
    level
}

/// The instructions that the processor has, found out once.
#[cfg(not(test))]
#[inline]
fn level() -> Level {
    Level::new()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
use tests::level;
#[cfg(test)]
pub(super) use tests::{is_off, levels};
