//! What happens when something goes wrong: members that die, freeze or are missing, clients that are refused, killed or
//! speak nonsense, a proxy that is told to stop.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accounts;
mod bounds;
mod clients;
mod crowd;
mod ending;
mod hostile;
mod ids;
mod kill;
mod leaving;
mod logins;
mod lost_members;
mod memory;
mod missing_members;
mod soak;
mod strangers;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod told;
