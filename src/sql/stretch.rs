//! A stretch of text, block by block: where in it something may matter, and what reaches from block to block.
//!
//! All of it is arithmetic on the bits of [`Block`]: words, numbers and plain strings (`'…'`) are told apart by what
//! stands beside what. Must not know which words matter.

use super::block::{BLOCK, Block};

/// What a stretch is known to hold up to the block at hand.
pub(super) struct Stretch {
    /// Where it begins: at a token.
    pub(super) from: usize,
    /// The block's first byte.
    pub(super) base: usize,
    /// The block before, for what reaches from there into this one.
    before: Runs,
    /// Where the word begins that reaches into the block.
    word_start: usize,
    /// Whether the block begins inside a string: 0 or 1.
    pub(super) in_text: u64,
    /// The last byte of the block before is a quote: 0 or 1.
    after_quote: u64,
    /// The last string: its opening quote and the last quote seen.
    pub(super) text: Option<(usize, usize)>,
}

/// Runs of bytes in a block, each bit at the last byte of one.
#[derive(Clone, Copy, Default)]
struct Runs {
    word: u64,
    /// Two bytes of a word, and four.
    pair: u64,
    four: u64,
    digit: u64,
    /// Two bytes of a word, of which the last is no digit.
    lettered: u64,
    /// A dot behind a digit.
    fraction: u64,
}

/// The places of a block where something may matter.
pub(super) struct Places {
    pub(super) all: u64,
    /// Behind a word of four bytes or more.
    pub(super) word_ends: u64,
    /// The rest of them.
    pub(super) others: u64,
    /// The bytes that are in words.
    pub(super) word: u64,
    /// The quotes, and those that open a string.
    pub(super) quotes: u64,
    pub(super) opening: u64,
    /// A backslash stands in the string in which the block begins.
    pub(super) escaped: bool,
}

/// `bits`, moved up by `by`; what falls out of the block before comes in.
const fn carried(bits: u64, before: u64, by: u32) -> u64 {
    bits << by | before >> (u64::BITS - by)
}

/// The bits below `place`.
pub(super) const fn below(place: u32) -> u64 {
    (1 << place) - 1
}

/// The highest set bit.
const fn highest(bits: u64) -> usize {
    (u64::BITS - 1 - bits.leading_zeros()) as usize
}

/// Whether each byte is in a string behind it: every quote changes that for all that follow.
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

impl Stretch {
    pub(super) fn new(from: usize) -> Stretch {
        Stretch { from, base: from, before: Runs::default(), word_start: from, in_text: 0, after_quote: 0, text: None }
    }

    /// The places of the block, of which `backslashes` gives those bytes.
    #[inline]
    pub(super) fn places(&mut self, block: &Block, backslashes: impl FnOnce() -> u64) -> Places {
        let before = self.before;
        let Block { word, digit, .. } = *block;
        let pair = word & carried(word, before.word, 1);
        let lettered = pair & !digit;
        let fraction = block.dot & carried(digit, before.digit, 1);
        let four = pair & carried(pair, before.pair, 2);

        // No keyword ends with a digit, and most numbers end with one.
        let four = four & !digit;
        let word_ends = !word & carried(four, before.four, 1);
        // A dot behind an alias of one letter is the usual one, and says nothing.
        let dots = block.dot & (carried(lettered, before.lettered, 1) | !carried(word, before.word, 1));
        // `1e5`, `0x1f`, `1.5FOR`: what follows a digit, or a digit and a dot, must be looked at.
        let after_digit = word & !digit & (carried(digit, before.digit, 1) | carried(fraction, before.fraction, 1));
        self.before = Runs { word, pair, four, digit, lettered, fraction };

        let others = dots | after_digit | block.special;
        let all = word_ends | others;
        let mut places = Places { all, word_ends, others, word, quotes: block.quote, opening: 0, escaped: false };
        if block.quote != 0 || self.in_text != 0 {
            self.leave_out_texts(&mut places, backslashes());
        } else {
            self.after_quote = 0;
        }
        places
    }

    /// Takes out the places in strings. A string in which a backslash stands is a place itself, and the last one.
    fn leave_out_texts(&mut self, places: &mut Places, backslashes: u64) {
        let quotes = places.quotes;
        let after = in_text_after(quotes, self.in_text);
        // From behind the opening quote to the closing one.
        let inside = after << 1 | self.in_text;
        // A quote behind a quote doubles it: the string goes on.
        places.opening = quotes & after & !(quotes << 1 | self.after_quote);
        places.all &= !inside;
        let escapes = backslashes & inside;
        if escapes != 0 {
            let opening = places.opening & below(escapes.trailing_zeros());
            if opening == 0 {
                places.all = 0;
                places.escaped = true;
            } else {
                let opening = 1 << highest(opening);
                places.all = places.all & (opening - 1) | opening;
            }
        }
        self.in_text = after >> 63;
        self.after_quote = quotes >> 63;
    }

    /// Where the word that ends in front of `place` begins.
    #[inline]
    pub(super) fn word_start(&self, word: u64, place: u32) -> usize {
        let gap = !word & below(place);
        if gap == 0 { self.word_start } else { self.base + highest(gap) + 1 }
    }

    /// Notes the last string that begins below `place`.
    pub(super) fn note_text(&mut self, places: &Places, below: u64) {
        let quotes = places.quotes & below;
        if quotes == 0 {
            return;
        }
        let opening = places.opening & below;
        let start = match (opening, self.text) {
            (0, Some((start, _))) => start,
            (0, None) => self.from,
            _ => self.base + highest(opening),
        };
        self.text = Some((start, self.base + highest(quotes)));
    }

    /// Goes on to the next block.
    #[inline]
    pub(super) fn go_on(&mut self, places: &Places) {
        self.note_text(places, u64::MAX);
        let (word, next) = (places.word, self.base + BLOCK);
        if word >> 63 == 0 {
            self.word_start = next;
        } else if word != u64::MAX {
            self.word_start = self.base + highest(!word) + 1;
        }
        self.base = next;
    }

    /// Behind the last string, or where the stretch begins: nothing in front of it may be told apart again.
    pub(super) fn floor(&self) -> usize {
        self.text.map_or(self.from, |(_, last)| last + 1)
    }
}
