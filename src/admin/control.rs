//! What operators may change in the running proxy: over HTTP, over SQL, by a signal.
//!
//! Knows the questions and how they may be refused. Must not know how they are carried out, nor who may ask.

use std::{pin::Pin, sync::Arc, time::SystemTime};

use crate::{
    config::{Change, Config},
    topology::DrainError,
};

/// What comes of reading the configuration again: what is different, or why nothing is.
pub type Reload = Result<Vec<Change>, ReloadRefused>;

/// Why the configuration of before stays: one line, without secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReloadRefused(pub String);

/// When the configuration was last read again, and what came of it.
#[derive(Clone, Debug)]
pub struct LastReload {
    /// When.
    pub at: SystemTime,
    /// What came of it.
    pub outcome: Reload,
}

/// The running proxy, as operators change it.
pub trait Control: Send + Sync {
    /// Reads the configuration again, checks it whole, and puts it into force, or leaves everything as it is. The changes, of
    /// which those with [`Effect::AtStart`](crate::config::Effect::AtStart) wait for a restart. An empty list: nothing is
    /// different. The log has been told, and the metric counts it.
    fn reload(&self) -> Pin<Box<dyn Future<Output = Reload> + Send + '_>>;

    /// What came of the last time; none: it was never read again.
    fn last_reload(&self) -> Option<Arc<LastReload>>;

    /// The configuration in force.
    fn config(&self) -> Arc<Config>;

    /// Keeps new work away from the member that is called so, until it is given back; what runs there comes to its end. The
    /// member's name.
    ///
    /// # Errors
    /// Nobody is called so, or it is the primary and nobody else could take its writes.
    fn drain(&self, member: &str) -> Result<Arc<str>, DrainError>;

    /// Gives a drained member back. The member's name.
    ///
    /// # Errors
    /// It is not drained.
    fn undrain(&self, member: &str) -> Result<Arc<str>, DrainError>;
}
