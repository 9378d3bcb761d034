//! Chunks of memory for packets. Each thread keeps a small stock, so that an idle connection owns none.

use std::cell::RefCell;

use super::stock::{CHUNK, Stock};

thread_local! {
    static SPARE: RefCell<Stock> = const { RefCell::new(Stock::new()) };
}

/// Bytes that have been received and not yet been consumed.
///
/// Invariant: `start <= end <= bytes.len()`. Without memory (`bytes` empty) until the first byte arrives.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// What is there to read.
    #[must_use]
    pub fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The same, to be changed in place.
    #[must_use]
    pub fn filled_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Number of bytes that are there to read.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether there is nothing to read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Takes bytes off the front; the memory goes back to the stock when nothing is left.
    pub fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.is_empty() && !self.bytes.is_empty() {
            self.give_back();
        }
    }

    /// Room behind the received bytes, at least `min` bytes of it.
    pub fn room(&mut self, min: usize) -> &mut [u8] {
        if self.bytes.is_empty() {
            self.bytes = SPARE.with_borrow_mut(Stock::take).unwrap_or_else(|| vec![0; CHUNK]);
        }
        if self.bytes.len() - self.end < min {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            let wanted = self.end + min;
            if self.bytes.len() < wanted {
                self.bytes.resize(wanted, 0);
            }
        }
        &mut self.bytes[self.end..]
    }

    /// So many bytes of the room have been written.
    pub fn filled_more(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
    }

    /// Appends bytes.
    pub fn extend(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.room(bytes.len())[..bytes.len()].copy_from_slice(bytes);
            self.end += bytes.len();
        }
    }

    /// Moves the first `count` bytes out, with their memory when they are all there is.
    #[must_use]
    pub fn split_off_front(&mut self, count: usize) -> Buffer {
        if count == self.len() {
            return std::mem::take(self);
        }
        let mut front = Buffer::default();
        front.extend(&self.filled()[..count]);
        self.consume(count);
        front
    }

    /// Lets it own no more memory than what is there to read: for who may wait long in the middle of something.
    pub fn tighten(&mut self) {
        if self.len() < self.bytes.len() && !self.is_empty() {
            let left = self.filled().to_vec();
            self.give_back();
            (self.end, self.bytes) = (left.len(), left);
        }
    }

    /// Bytes of memory that it owns.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    fn give_back(&mut self) {
        (self.start, self.end) = (0, 0);
        let bytes = std::mem::take(&mut self.bytes);
        if !bytes.is_empty() {
            // A thread that is ending has no stock any more; the memory is freed then.
            let _ = SPARE.try_with(|spare| spare.borrow_mut().give_back(bytes));
        }
    }
}

impl Drop for Buffer {
    #[inline]
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_buffer_owns_no_memory() {
        let mut buffer = Buffer::default();
        buffer.extend(b"hello");
        buffer.consume(2);
        assert_eq!(buffer.filled(), b"llo");
        buffer.consume(3);
        assert_eq!(buffer.bytes.capacity(), 0);
    }

    #[test]
    fn room_moves_what_is_left_to_the_front_before_it_grows() {
        let mut buffer = Buffer::default();
        buffer.extend(&vec![1; CHUNK]);
        buffer.consume(CHUNK - 1);
        buffer.extend(&[2, 3]);
        assert_eq!(buffer.filled(), [1, 2, 3]);
        assert_eq!(buffer.bytes.len(), CHUNK);
        assert!(buffer.room(2 * CHUNK).len() >= 2 * CHUNK);
        assert_eq!(buffer.filled(), [1, 2, 3]);
    }

    #[test]
    fn who_waits_in_the_middle_owns_no_more_than_what_is_there() {
        let mut buffer = Buffer::default();
        buffer.extend(b"some of it");
        buffer.consume(5);
        buffer.tighten();
        assert_eq!((buffer.filled(), buffer.bytes.capacity()), (b"of it".as_slice(), 5));
        buffer.extend(b" and more");
        assert_eq!(buffer.filled(), b"of it and more");
        buffer.consume(14);
        buffer.tighten();
        assert_eq!(buffer.bytes.capacity(), 0);
    }

    #[test]
    fn the_front_is_split_off() {
        let mut buffer = Buffer::default();
        buffer.extend(b"onetwo");
        assert_eq!(buffer.split_off_front(3).filled(), b"one");
        assert_eq!(buffer.split_off_front(3).filled(), b"two");
        assert!(buffer.is_empty());
    }
}
