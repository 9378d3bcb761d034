//! One MySQL endpoint in front of a primary and its replicas.
//!
//! The life of a query: [`server`] accepts, [`client`] reads a command, [`sql`] classifies its bytes once, [`route`] decides
//! once, [`pool`] lends a connection to a member that [`topology`] knows to be fit, [`backend`] relays command and reply by
//! peeking at packet headers ([`net`], [`wire`]), and [`session`] learns from the reply. Around it: [`config`], [`metrics`],
//! [`logging`], [`admin`]; and the commands [`check`], [`explain`] and [`demo`]. `ARCHITECTURE.md` tells more.

pub mod admin;
pub mod backend;
pub mod check;
pub mod client;
pub mod config;
pub mod demo;
pub mod explain;
pub mod logging;
pub mod metrics;
pub mod net;
pub mod pool;
pub mod route;
pub mod server;
pub mod session;
pub mod sql;
pub mod topology;
pub mod wire;
