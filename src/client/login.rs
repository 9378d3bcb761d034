//! What all parts of a login agree on.

use std::net::SocketAddr;

use super::proxy::Proxy;
use crate::{
    session::Listener,
    wire::{
        Capabilities,
        auth::{CACHING_SHA2, NATIVE},
        server::{ServerFamily, Version},
    },
};

/// The longest packet of a login, in bytes; connection attributes alone may have 64 KiB.
pub(super) const LOGIN_LIMIT: usize = 128 * 1024;

/// What a member's connection must share with the client's.
pub(super) const SHARED: Capabilities = Capabilities::FOUND_ROWS
    .union(Capabilities::NO_SCHEMA)
    .union(Capabilities::ODBC)
    .union(Capabilities::LOCAL_FILES)
    .union(Capabilities::IGNORE_SPACE)
    .union(Capabilities::INTERACTIVE)
    .union(Capabilities::MULTI_STATEMENTS)
    .union(Capabilities::DEPRECATE_EOF)
    .union(Capabilities::QUERY_ATTRIBUTES);

/// Where a client comes from.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// Its address.
    pub peer: SocketAddr,
    /// The port it came in by.
    pub listener: Listener,
}

/// The authentication method that suits the cluster: what members greet with, if it is one of ours.
pub(super) fn login_method(proxy: &Proxy) -> &'static str {
    let view = proxy.topology.view();
    let Some(server) = view.server() else { return CACHING_SHA2 };
    match server.plugin.as_str() {
        NATIVE => NATIVE,
        CACHING_SHA2 => CACHING_SHA2,
        _ if server.family == ServerFamily::MariaDb || server.version < Version(8, 0, 0) => NATIVE,
        _ => CACHING_SHA2,
    }
}
