//! Pieces of a text by position, and small lists of them that never allocate.

/// From `start` up to, not including, `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// Behind the last byte.
    pub end: u32,
}

impl Span {
    /// At the start, without a byte.
    pub const EMPTY: Span = Span { start: 0, end: 0 };

    /// A packet is never longer than a `u32` can say.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Span {
        Span { start: start as u32, end: end as u32 }
    }

    /// The bytes of `sql` that it names; none if they do not exist.
    #[must_use]
    pub fn of(self, sql: &[u8]) -> &[u8] {
        sql.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// The number of bytes.
    #[must_use]
    pub const fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// Whether it has no byte.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// Up to `N` values, kept in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Few<T, const N: usize> {
    values: [T; N],
    len: u8,
}

impl<T: Copy + Default, const N: usize> Default for Few<T, N> {
    fn default() -> Self {
        Few { values: [T::default(); N], len: 0 }
    }
}

impl<T: Copy, const N: usize> Few<T, N> {
    /// Adds a value; false when there is no room.
    #[must_use]
    pub fn push(&mut self, value: T) -> bool {
        match self.values.get_mut(self.len as usize) {
            Some(place) => {
                *place = value;
                self.len += 1;
                true
            }
            None => false,
        }
    }

    /// The values.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        self.values.get(..self.len as usize).unwrap_or_default()
    }
}
