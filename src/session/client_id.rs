//! Which client a session belongs to.

/// The proxy's id of a client connection, which is what the client believes its `CONNECTION_ID()` to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(u32);

impl ClientId {
    /// As a number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The id that somebody wrote.
    #[must_use]
    pub const fn from_number(number: u32) -> Self {
        ClientId(number)
    }
}
