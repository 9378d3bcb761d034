//! Where a value was written.

/// Where a value was written. The order is the order of precedence: the environment beats the file beats the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere: it is the default.
    Default,
    /// This line of the file, counted from 1.
    Line(usize),
    /// This environment variable.
    Variable(String),
}

impl Place {
    /// Whether somebody wrote the value down.
    pub(super) fn is_given(&self) -> bool {
        *self != Place::Default
    }
}
