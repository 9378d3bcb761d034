//! Spare chunks of memory, of each thread its own: what is busy now takes from it, what has become idle gives back.
//!
//! Knows how many were needed lately, so that what a busy moment has left does not stay. Must not know what chunks are for.

/// Bytes of a chunk: one read or write of a busy connection.
pub(super) const CHUNK: usize = 32 * 1024;
/// Chunks that a thread keeps at most.
const MOST: usize = 64;
/// After so many that were given back, those that nobody has taken meanwhile are freed.
const LOOK: u16 = 256;

/// The spare chunks of one thread.
#[derive(Debug)]
pub(super) struct Stock {
    spare: Vec<Vec<u8>>,
    /// The fewest that were spare since the last look.
    untouched: usize,
    given_back: u16,
}

impl Stock {
    pub(super) const fn new() -> Self {
        Self { spare: Vec::new(), untouched: 0, given_back: 0 }
    }

    /// A spare one, if there is any; its bytes may be anything.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        let chunk = self.spare.pop();
        self.untouched = self.untouched.min(self.spare.len());
        chunk
    }

    /// Keeps a chunk for the next who takes one. Whatever is no chunk, or too much, is freed.
    pub(super) fn give_back(&mut self, chunk: Vec<u8>) {
        if chunk.len() != CHUNK {
            return;
        }
        self.given_back += 1;
        if self.given_back == LOOK {
            self.free_untouched();
        }
        if self.spare.len() < MOST {
            self.spare.push(chunk);
        }
    }

    fn free_untouched(&mut self) {
        let needed = self.spare.len().saturating_sub(self.untouched);
        self.spare.truncate(needed);
        (self.untouched, self.given_back) = (needed, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk() -> Vec<u8> {
        vec![0; CHUNK]
    }

    /// So many are in use at a time, and then all are given back.
    fn busy(stock: &mut Stock, at_a_time: usize) {
        let taken: Vec<_> = (0..at_a_time).map(|_| stock.take().unwrap_or_else(chunk)).collect();
        for chunk in taken {
            stock.give_back(chunk);
        }
    }

    #[test]
    fn what_a_busy_moment_leaves_is_freed_and_what_is_needed_stays() {
        let mut stock = Stock::new();
        busy(&mut stock, 100);
        assert_eq!(stock.spare.len(), MOST);
        for _ in 0..2 * LOOK {
            busy(&mut stock, 3);
        }
        assert_eq!(stock.spare.len(), 3);
        let before: Vec<_> = stock.spare.iter().map(Vec::as_ptr).collect();
        for _ in 0..LOOK {
            busy(&mut stock, 3);
        }
        assert!(stock.spare.iter().all(|chunk| before.contains(&chunk.as_ptr())), "the same ones, again and again");
    }

    #[test]
    fn only_chunks_are_kept() {
        let mut stock = Stock::new();
        stock.give_back(Vec::new());
        stock.give_back(vec![0; CHUNK + 1]);
        assert_eq!(stock.spare.len(), 0);
    }
}
