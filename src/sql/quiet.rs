//! Over the blocks of a long text in which there is no place that may matter.
//!
//! That is nearly all of a long `INSERT`. Must not know what matters at a place, but for how a keyword may end.

// What touches a vector must become part of the function that is compiled for the processor's instructions.
#![allow(clippy::inline_always)]

use fearless_simd::{Level, Simd, dispatch};

use super::block::{BLOCK, Block};
use super::keywords;
use super::stretch::{Places, Stretch};

/// In fewer bytes than this, coming here costs more than it saves.
const WORTHWHILE: usize = 4 * BLOCK;

/// How the bytes are read.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    /// 0xA0 is white space.
    pub(super) latin1: bool,
    /// A backslash hides a quote.
    pub(super) escapes: bool,
}

/// Goes on to the first whole block that has a place where something may matter, or behind the last whole one.
#[inline(always)]
pub(super) fn pass_over(level: Level, sql: &[u8], stretch: &mut Stretch, rules: Rules) {
    if stretch.base + WORTHWHILE <= sql.len() {
        pass_over_blocks(level, sql, stretch, rules);
    }
}

#[inline(never)]
fn pass_over_blocks(level: Level, sql: &[u8], stretch: &mut Stretch, rules: Rules) {
    // Asked here: a question about the rules in the loop would cost more than the block.
    if rules.latin1 {
        dispatch!(level, simd => pass_over_with::<_, true>(simd, sql, stretch, rules.escapes));
    } else {
        dispatch!(level, simd => pass_over_with::<_, false>(simd, sql, stretch, rules.escapes));
    }
}

// A loop of its own, in which no function is called: so what vectors are compared with stays in registers.
#[inline(always)]
fn pass_over_with<S: Simd, const LATIN1: bool>(simd: S, sql: &[u8], stretch: &mut Stretch, escapes: bool) {
    while let Some(bytes) = sql.get(stretch.base..).and_then(|rest| rest.first_chunk()) {
        let mut block = Block::whole(simd, bytes);
        if LATIN1 {
            block = block.without_0xa0(simd, bytes);
        }
        let mut next = stretch.clone();
        let places = next.places(&block, escapes);
        if places.in_long_text || may_matter(sql, next.base, &places) {
            return;
        }
        next.go_on(&places);
        *stretch = next;
    }
}

/// Whether there is a place that is not just behind a word that ends as no keyword does.
#[inline(always)]
fn may_matter(sql: &[u8], base: usize, places: &Places) -> bool {
    let mut ends = places.all & places.word_ends;
    let mut found = places.all & places.others;
    while ends != 0 {
        found |= u64::from(keywords::may_end(sql, base + ends.trailing_zeros() as usize));
        ends &= ends - 1;
    }
    found != 0
}
