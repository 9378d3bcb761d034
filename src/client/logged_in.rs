//! A client that has logged in: all that is known of it and its session.
//!
//! Knows values. What is done with them stands in the files that say `impl Client`, each of which imports this one.

use std::{io, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    connections::Connections, handle::Shown, idle_clock::IdleClock, login::Origin, pending_probes::PendingProbes,
    policy::Policy, proxy::Proxy, registry::Registered, shown::LastRoute, statements::PreparedStatements,
};
use crate::{
    backend::Account,
    diagnostics::DiagnosticsArea,
    metrics::CountedPins,
    net::PacketStream,
    pool::{BackendId, Identity},
    session::Session,
    wire::{StatusFlags, greeting::Salt, login::Login},
};

/// A client that has logged in.
pub(super) struct Client {
    pub proxy: Arc<Proxy>,
    /// What counts for the command under way, and for the transaction.
    pub policy: Arc<Policy>,
    pub stream: PacketStream,
    pub login: Login,
    pub account: Account,
    pub identity: Arc<Identity>,
    pub origin: Origin,
    pub registered: Registered,
    pub session: Session,
    pub connections: Connections,
    pub prepared: PreparedStatements,
    pub last_route: LastRoute,
    /// For messages that must be changed before they are sent.
    pub scratch: Vec<u8>,
    /// Status flags of the last reply that a member gave.
    pub last_status: StatusFlags,
    /// What its last statement has left for it to ask for.
    pub previous: DiagnosticsArea<BackendId>,
    /// What a member must still be asked.
    pub unasked: PendingProbes,
    /// The pins that stand, as they are counted.
    pub pins: CountedPins,
    /// What operators see of the session.
    pub shown: Shown,
    /// The connection has been asked for what it is kept for, since the last command.
    pub asked_in_vain: bool,
    /// The last command was tried more than once.
    pub retried: bool,
    /// `COMMIT RELEASE`: the connection ends with the reply.
    pub released: bool,
    /// How long it may be idle, unless its session says otherwise.
    pub wait_timeout: Duration,
    pub idle_clock: IdleClock,
    /// When it has logged in.
    pub came: Instant,
    /// Of the greeting; a change of user answers to it.
    pub salt: Salt,
    /// The collation of its first login.
    pub first_collation: u16,
    /// Changes of user that failed.
    pub failed_changes: u8,
}

/// How a command was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As a plain statement, which leaves the session as it was.
    Short,
    /// As any command.
    Long,
}

/// Why a client's loop ends before the client says goodbye.
#[derive(Debug, thiserror::Error)]
pub enum Gone {
    /// The client's connection broke.
    #[error("the client's connection broke: {0}")]
    Client(#[from] io::Error),
    /// A member was lost in the middle of a packet; nothing sensible can follow on the client's connection.
    #[error("a member was lost in the middle of a packet of its reply")]
    MidPacket,
    /// The client's bytes are not the protocol.
    #[error("the client does not speak the protocol: {0}")]
    Protocol(&'static str),
}
