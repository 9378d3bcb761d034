//! Sixty-four bytes at a time: which of them are of which class, as bits.
//!
//! Bit `i` of a map speaks of byte `i`. Knows bytes alone: whether one stands in a string is for
//! [`skim`](super::skim) to say. Written once for vectors of any width; which instructions the processor has, only
//! the caller knows.

// Whatever touches a vector must become part of the one function that is compiled for the processor's instructions.
#![allow(clippy::inline_always)]

use fearless_simd::prelude::*;
use fearless_simd::{Simd, u8x16, u8x32, u8x64};

/// The number of bytes that are looked at together.
pub(super) const BLOCK: usize = 64;

/// The classes of a block's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// Letters, digits, `_` and everything above 0x7F: what a word is made of, but for `$`.
    pub(super) word: u64,
    /// Digits, which are in `word` as well.
    pub(super) digit: u64,
    pub(super) dot: u64,
    /// `'`
    pub(super) quote: u64,
    /// `-` and `/`: a comment may begin there.
    pub(super) comment: u64,
    /// `,` and `(`.
    pub(super) list: u64,
    pub(super) backslash: u64,
    /// What else may begin something that is no word, number, string or one byte of punctuation:
    /// `"` `` ` `` `#` `$` `(` `:` `;` `@`. To be found fast, `%` and `&` are among them.
    pub(super) special: u64,
}

impl Block {
    /// The block of `sql` that begins at `base`; behind the end of the text there are zeros.
    #[inline(always)]
    pub(super) fn at<S: Simd>(simd: S, sql: &[u8], base: usize) -> Block {
        let rest = sql.get(base..).unwrap_or_default();
        match rest.first_chunk() {
            Some(whole) => Block::whole(simd, whole),
            None if rest.len() <= 16 => Block::last::<S, u8x16<S>, _>(simd, sql, rest),
            None if rest.len() <= 32 => Block::last::<S, u8x32<S>, _>(simd, sql, rest),
            None => Block::last::<S, u8x64<S>, _>(simd, sql, rest),
        }
    }

    /// The block of these bytes.
    #[inline(always)]
    pub(super) fn whole<S: Simd>(simd: S, bytes: &[u8; BLOCK]) -> Block {
        Block::of::<S, u8x64<S>, _>(simd, bytes)
    }

    /// The block of the last bytes of `sql`: seen together with those before them, if there are any, since bytes
    /// copied to a place of their own would have to be waited for.
    #[inline(always)]
    fn last<S, V, const N: usize>(simd: S, sql: &[u8], rest: &[u8]) -> Block
    where
        S: Simd,
        V: SimdInt<S> + SimdBase<S, Element = u8, Array = [u8; N]>,
    {
        match sql.last_chunk() {
            Some(last) => Block::of::<S, V, N>(simd, last).without_first(N - rest.len()),
            None => Block::of::<S, V, N>(simd, &padded(rest)),
        }
    }

    fn without_first(self, bytes: usize) -> Block {
        let rest = |bits: u64| bits.checked_shr(bytes as u32).unwrap_or(0);
        Block {
            word: rest(self.word),
            digit: rest(self.digit),
            dot: rest(self.dot),
            quote: rest(self.quote),
            comment: rest(self.comment),
            list: rest(self.list),
            backslash: rest(self.backslash),
            special: rest(self.special),
        }
    }

    /// For character sets in which 0xA0 is white space.
    #[inline(always)]
    pub(super) fn without_0xa0<S: Simd>(self, simd: S, bytes: &[u8; BLOCK]) -> Block {
        let bytes = u8x64::load_array_ref(simd, bytes);
        Block { word: self.word & !is(simd, bytes, 0xa0).to_bitmask(), ..self }
    }

    #[inline(always)]
    fn of<S, V, const N: usize>(simd: S, bytes: &[u8; N]) -> Block
    where
        S: Simd,
        V: SimdInt<S> + SimdBase<S, Element = u8, Array = [u8; N]>,
    {
        let bytes = V::load_array_ref(simd, bytes);
        let digit = within(simd, bytes, b'0', b'9');
        let letter = within(simd, bytes | 0x20, b'a', b'z');
        let beyond_ascii = bytes.max(V::splat(simd, 0x80)).simd_eq(bytes);
        Block {
            word: (digit | letter | beyond_ascii | is(simd, bytes, b'_')).to_bitmask(),
            digit: digit.to_bitmask(),
            dot: is(simd, bytes, b'.').to_bitmask(),
            quote: is(simd, bytes, b'\'').to_bitmask(),
            // Two bytes that differ in one bit are told with one question.
            comment: is(simd, bytes | 0x02, b'/').to_bitmask(),
            list: is(simd, bytes | 0x04, b',').to_bitmask(),
            backslash: is(simd, bytes, b'\\').to_bitmask(),
            special: special(simd, bytes).to_bitmask(),
        }
    }
}

/// Up to as many bytes, with zeros behind.
#[inline(always)]
pub(super) fn padded<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut padded = [0; N];
    padded[..bytes.len()].copy_from_slice(bytes);
    padded
}

#[inline(always)]
fn is<S: Simd, V: SimdBase<S, Element = u8>>(simd: S, bytes: V, byte: u8) -> V::Mask {
    bytes.simd_eq(V::splat(simd, byte))
}

#[inline(always)]
fn special<S: Simd, V: SimdInt<S> + SimdBase<S, Element = u8>>(simd: S, bytes: V) -> V::Mask {
    let colon_or_semicolon = is(simd, bytes | 0x01, b';');
    let at_or_backtick = is(simd, bytes | 0x20, b'`');
    let others = within(simd, bytes, b'"', b'(') & !is(simd, bytes, b'\'');
    colon_or_semicolon | at_or_backtick | others
}

/// The bytes from `low` to `high`: moved down to zero, they are their own minimum with the width.
#[inline(always)]
fn within<S: Simd, V: SimdInt<S> + SimdBase<S, Element = u8>>(simd: S, bytes: V, low: u8, high: u8) -> V::Mask {
    let moved = bytes - V::splat(simd, low);
    moved.min(V::splat(simd, high - low)).simd_eq(moved)
}

#[cfg(test)]
mod tests {
    use fearless_simd::dispatch;

    use super::super::skim::levels;
    use super::*;

    /// What every level says, which must be the same.
    fn block(sql: &[u8], base: usize) -> Block {
        let seen: Vec<Block> =
            levels().into_iter().map(|level| dispatch!(level, simd => Block::at(simd, sql, base))).collect();
        assert!(seen.iter().all(|block| *block == seen[0]), "{}", sql.escape_ascii());
        seen[0]
    }

    #[test]
    fn every_byte_at_every_place_is_of_its_class() {
        for byte in 0..=u8::MAX {
            for len in [5, 16, 31, BLOCK - 1, BLOCK] {
                for at in 0..len {
                    let mut bytes = vec![b' '; len];
                    bytes[at] = byte;
                    let block = block(&bytes, 0);
                    let is = |class: bool| u64::from(class) << at;
                    assert_eq!(block.word, is(byte.is_ascii_alphanumeric() || byte == b'_' || byte > 0x7f), "{byte}");
                    assert_eq!(block.digit, is(byte.is_ascii_digit()), "{byte}");
                    assert_eq!(block.dot, is(byte == b'.'), "{byte}");
                    assert_eq!(block.quote, is(byte == b'\''), "{byte}");
                    assert_eq!(block.comment, is(b"-/".contains(&byte)), "{byte}");
                    assert_eq!(block.list, is(b",(".contains(&byte)), "{byte}");
                    assert_eq!(block.backslash, is(byte == b'\\'), "{byte}");
                    assert_eq!(block.special, is(b"\"`#$%&(@:;".contains(&byte)), "{byte}");
                }
            }
        }
    }

    #[test]
    fn behind_the_end_there_is_nothing() {
        assert_eq!(block(b"ab", 0).word, 0b11);
        assert_eq!(block(b"ab", 2), Block::default());
        assert_eq!(block(b"ab", 9), Block::default());
    }

    #[test]
    fn white_space_of_latin1_is_in_no_word() {
        let sql = b"a\xa0b";
        for level in levels() {
            let block = dispatch!(level, simd => Block::at(simd, sql, 0).without_0xa0(simd, &padded(sql)));
            assert_eq!(block.word, 0b101);
        }
    }

    #[test]
    fn what_stands_in_front_of_the_last_block_is_not_part_of_it() {
        let sql: Vec<u8> = (0..200).map(|at| b"a1.'-,\\(@ \xe9$"[at * 7 % 12]).collect();
        for len in 0..sql.len() {
            let sql = &sql[..len];
            for base in len.saturating_sub(BLOCK)..=len {
                assert_eq!(block(sql, base), block(&sql[base..], 0), "{base} of {len}");
            }
        }
    }
}
