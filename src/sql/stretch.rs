//! A stretch of text, block by block: where in it something may matter, and what reaches from block to block.
//!
//! All of it is arithmetic on the bits of [`Block`]: words, numbers and plain strings (`'…'`) are told apart by what
//! stands beside what. Must not know which words matter.

// Part of the loop over the blocks: see `quiet`.
#![allow(clippy::inline_always)]

use super::block::{BLOCK, Block};

/// How many bytes of a block stand in the next one as well: what a byte follows is seen there.
const SEEN: usize = 2;

/// What a stretch is known to hold up to the block at hand.
#[derive(Clone)]
pub(super) struct Stretch {
    /// Where it begins: at a token.
    pub(super) from: usize,
    /// The block's first byte.
    pub(super) base: usize,
    /// The bytes of the block that have not been looked at yet.
    fresh: u64,
    /// Whether the block begins inside a string: 0 or 1.
    in_text: u64,
    /// The quotes that open a string, and all of them.
    opening: Last,
    quotes: Last,
}

/// The last block that had any bit of a kind.
#[derive(Clone, Copy)]
struct Last {
    base: usize,
    bits: u64,
}

/// The places of a block where something may matter.
pub(super) struct Places {
    pub(super) all: u64,
    /// Behind a word of four bytes or more.
    pub(super) word_ends: u64,
    /// The rest of them.
    pub(super) others: u64,
    /// The bytes that are in words.
    word: u64,
    /// The quotes, and those that open a string.
    pub(super) quotes: u64,
    opening: u64,
    /// A string that began in another block does not end here, or has a backslash.
    pub(super) in_long_text: bool,
}

/// The bits below `place`.
const fn below(place: u32) -> u64 {
    (1 << place) - 1
}

/// The highest set bit.
const fn highest(bits: u64) -> usize {
    (u64::BITS - 1 - bits.leading_zeros()) as usize
}

/// Whether each byte is in a string behind it: every quote changes that for all that follow.
#[inline(always)]
const fn in_text_after(quotes: u64, in_text: u64) -> u64 {
    let mut bits = quotes;
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^= bits << 32;
    bits ^ in_text.wrapping_neg()
}

impl Last {
    const NONE: Last = Last { base: 0, bits: 0 };

    #[inline(always)]
    fn or(self, base: usize, bits: u64) -> Last {
        if bits == 0 { self } else { Last { base, bits } }
    }

    /// The last place of all.
    fn place(self) -> Option<usize> {
        (self.bits != 0).then(|| self.base + highest(self.bits))
    }
}

impl Places {
    /// Where the word that ends in front of `place` begins, if that is in the block.
    #[inline(always)]
    pub(super) fn word_start(&self, place: u32) -> Option<u32> {
        let gap = !self.word & below(place);
        (gap != 0).then(|| u64::BITS - gap.leading_zeros())
    }
}

impl Stretch {
    pub(super) fn new(from: usize) -> Stretch {
        Stretch { from, base: from, fresh: u64::MAX, in_text: 0, opening: Last::NONE, quotes: Last::NONE }
    }

    /// The first byte that has not been looked at.
    #[inline(always)]
    pub(super) fn at(&self) -> usize {
        self.base + self.fresh.trailing_zeros() as usize
    }

    /// Whether the block begins inside a string.
    pub(super) fn is_in_text(&self) -> bool {
        self.in_text != 0
    }

    /// The places of the block. A backslash hides quotes if `escapes`.
    #[inline(always)]
    pub(super) fn places(&mut self, block: &Block, escapes: bool) -> Places {
        let Block { word, digit, dot, list, .. } = *block;
        let after_word = word << 1;
        let after_pair = after_word & word << 2;
        let after_digit = digit << 1;
        // What stands in front of the first bytes may be part of a word as well.
        let after_four = after_pair & (after_pair << 2 | below(4));
        // No keyword ends with a digit, and most numbers end with one.
        let word_ends = !word & after_four & !after_digit;
        // A dot behind an alias of one letter is the usual one, and says nothing.
        let dots = dot & (after_pair & !after_digit | !after_word);
        // `1e5`, `0x1f`, `1.5FOR`: what follows a digit, or a digit and a dot, must be looked at.
        let after_number = word & !digit & (after_digit | dot << 1 & digit << 2);
        // A parenthesis behind a comma or another one opens no call, and `-1` is no comment.
        let lists = list & list << 1;
        let comments = block.comment & !(word >> 1);

        let others = dots | after_number | comments | block.backslash | block.special & !lists;
        let all = (word_ends | others) & self.fresh;
        let quotes = block.quote & self.fresh;
        let mut places = Places { all, word_ends, others, word, quotes, opening: 0, in_long_text: false };
        if quotes != 0 || self.in_text != 0 {
            let backslashes = if escapes { block.backslash & self.fresh } else { 0 };
            self.leave_out_texts(&mut places, block.quote << 1, backslashes);
        }
        places
    }

    /// Takes out the places in strings. A string in which a backslash stands is a place itself, and the last one.
    #[inline(always)]
    fn leave_out_texts(&mut self, places: &mut Places, after_quote: u64, backslashes: u64) {
        let quotes = places.quotes;
        let after = in_text_after(quotes, self.in_text);
        // From behind the opening quote to the closing one.
        let inside = after << 1 | self.in_text;
        // A quote behind a quote doubles it: the string goes on.
        places.opening = quotes & after & !after_quote;
        places.all &= !inside;
        places.in_long_text = quotes == 0;
        let escapes = backslashes & inside;
        if escapes != 0 {
            let opening = places.opening & below(escapes.trailing_zeros());
            if opening == 0 {
                places.all = 0;
                places.in_long_text = true;
            } else {
                let opening = 1 << highest(opening);
                places.all = places.all & (opening - 1) | opening;
                places.others |= opening;
            }
        }
        self.in_text = after >> 63;
    }

    /// Goes on to the next block.
    #[inline(always)]
    pub(super) fn go_on(&mut self, places: &Places) {
        self.opening = self.opening.or(self.base, places.opening);
        self.quotes = self.quotes.or(self.base, places.quotes);
        self.base += BLOCK - SEEN;
        self.fresh = u64::MAX << SEEN;
    }

    /// Ends it at a place of the block.
    pub(super) fn end(&mut self, places: &Places, place: u32) {
        self.opening = self.opening.or(self.base, places.opening & below(place));
        self.quotes = self.quotes.or(self.base, places.quotes & below(place));
    }

    /// The last string, from its opening quote to behind the last one seen.
    pub(super) fn text(&self) -> Option<(usize, usize)> {
        let last = self.quotes.place()?;
        Some((self.opening.place().unwrap_or(self.from), last + 1))
    }

    /// Behind the last string, or where the stretch begins: nothing in front of it may be told apart again.
    pub(super) fn floor(&self) -> usize {
        self.text().map_or(self.from, |(_, end)| end)
    }
}
