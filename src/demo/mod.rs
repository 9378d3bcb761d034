//! Real servers on this machine, for the demonstration, the end-to-end tests and the benchmark.
//!
//! Knows how to start, stop and throw away a primary with its replicas. Must not know the proxy, but for [`tour`], which
//! shows it: nothing on the data path imports this module. Everything here blocks; asynchronous callers wrap it in
//! `spawn_blocking`.

mod addresses;
pub mod cluster;
mod error;
mod flavor;
mod folder;
mod member;
mod replication;
mod settings;
pub mod supervised;
mod template;
pub mod tour;

pub use addresses::free_addresses;
pub use cluster::{Cluster, Options};
pub use error::ClusterError;
pub use flavor::{Flavor, Missing, Servers};
pub use member::{Member, Role};
pub use supervised::{Signal, Supervised};
