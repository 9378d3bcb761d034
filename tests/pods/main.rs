//! Pods without Kubernetes: what `kubectl apply -k` would send is run on real servers, and then things go wrong.
//!
//! Needs root, namespaces, kubectl and Oracle MySQL; without them the tests are skipped by name.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod base;
mod chance;
#[allow(dead_code)] // others use other parts of it
mod chaos;
#[allow(dead_code)] // others use other parts of it
mod harness;
#[allow(dead_code)] // others use other parts of it
mod load;
mod moving;
#[path = "../support/mod.rs"]
mod support;
mod sysbench;
mod watch;
