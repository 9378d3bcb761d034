//! The token, told with the reply to each write: a session tracker for those who ask for it.
//!
//! Knows who has asked, and what the session has written by the names that a reply tells. Must not know how a reply is
//! rewritten.
//!
//! `SET @proxy_track_token = 1` asks for it, as no server has a variable for that. From then on the packet that names a write
//! tells of a system variable `proxy_token`, which does not exist.

use std::{sync::Arc, time::Instant};

use super::run::Client;
use crate::{
    session::Causality,
    topology::{ClusterTag, Mark, Token},
    wire::{Capabilities, gtid::GtidKind, ok::Change, server::ServerFamily},
};

/// The variable that the client is told of.
pub(super) const TOKEN_TRACKER: &[u8] = b"proxy_token";

/// The user variable that asks for it.
const ASKED_BY: &[u8] = b"proxy_track_token";

/// What a session had written before the statement at hand.
#[derive(Debug)]
pub(super) struct TokenTracker {
    cluster: ClusterTag,
    kind: GtidKind,
    before: Causality,
}

impl TokenTracker {
    /// The token behind what a reply has told by now; empty where a write of the session had no name: `SHOW PROXY TOKEN` knows
    /// then.
    pub fn token(&self, told: &[Change]) -> Option<Vec<u8>> {
        let mut written = self.before.clone();
        for change in told {
            if let Change::Gtids(gtids) = change {
                written.wrote(self.kind, gtids, None, Instant::now());
            }
        }
        if written.unknown().is_some() {
            return Some(Vec::new());
        }
        let mark = Mark::Gtids(Arc::new(written.gtids().clone()));
        Token::new(self.cluster, mark, self.kind).map(|token| token.to_string().into_bytes())
    }
}

impl Client {
    /// What tells the client of tokens, if it can be told and has asked.
    pub(super) fn token_tracker(&self) -> Option<TokenTracker> {
        if !self.login.capabilities.contains(Capabilities::SESSION_TRACK) {
            return None;
        }
        let mut literals = self.session.ledger.user_variables.literals();
        if !literals.any(|(name, value)| name.eq_ignore_ascii_case(ASKED_BY) && is_on(value)) {
            return None;
        }
        let view = self.proxy.topology.view();
        let kind = match view.server()?.family {
            ServerFamily::MySql => GtidKind::MySql,
            ServerFamily::MariaDb => GtidKind::MariaDb,
        };
        if view.is_galera() {
            return None;
        }
        Some(TokenTracker { cluster: self.proxy.policy.cluster, kind, before: self.session.causality.clone() })
    }
}

fn is_on(value: &[u8]) -> bool {
    value != b"0" && !value.eq_ignore_ascii_case(b"null") && !value.eq_ignore_ascii_case(b"false")
}
