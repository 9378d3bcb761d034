//! How members are reached: through TLS or not, and what each must prove before it is told anything
//! (`page_protocol_connection_phase`, "SSL Exchange").
//!
//! Knows what members are called, as their certificates may say. Must not know how members are found.

use std::{
    collections::{HashMap, HashSet},
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use rustls::{AlertDescription, pki_types::ServerName};
use tracing::{info, warn};

use super::DialError;
use crate::{
    net::{
        PacketError, PacketStream,
        tls::{Connector, Untrusted},
    },
    wire::{Capabilities, login::Login},
};

/// The most members of which the log is told that they are reached in clear.
const MOST_TOLD: usize = 256;
/// How long a member is reached in clear that cannot do the TLS that is spoken here.
const TRY_AGAIN: Duration = Duration::from_secs(600);
/// The same where TLS failed for another reason, at first; it is doubled each time, up to the former.
const TRY_AGAIN_SOON: Duration = Duration::from_secs(10);

/// How much is asked of members.
#[derive(Debug)]
pub enum Secrecy {
    /// All is said in clear, and it is one's own: no client's words go this way.
    Unneeded,
    /// All is said in clear.
    None,
    /// TLS where a member offers it.
    Preferred(Connector),
    /// TLS, or nothing is said.
    Required(Connector),
}

/// TLS failed with a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Failing {
    since: Instant,
    /// How long it is reached in clear.
    pause: Duration,
}

impl Failing {
    /// Again, if it failed before.
    fn new(now: Instant, error: &io::Error, before: Option<Self>) -> Self {
        let pause = if is_incapable(error) {
            TRY_AGAIN
        } else {
            before.map_or(TRY_AGAIN_SOON, |before| (before.pause * 2).min(TRY_AGAIN))
        };
        Failing { since: now, pause }
    }

    fn lasts(self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < self.pause
    }

    /// Whether a failure now would be another one, and not the next.
    fn is_over(self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= self.pause + TRY_AGAIN
    }
}

/// Whether the member has said that it knows no TLS that is spoken here, as one of `MySQL` 5.7 that knows only TLS 1.1. All
/// else may be of a moment, as while it restarts.
fn is_incapable(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(
        error,
        Some(
            rustls::Error::PeerIncompatible(_)
                | rustls::Error::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure)
        )
    )
}

/// Why a member is told nothing.
#[derive(Debug, thiserror::Error)]
pub enum Insecure {
    /// It offers no TLS.
    #[error("it offers no TLS, and tls.backend.mode asks for it")]
    NotOffered,
    /// It is not believed.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
}

/// How all members are reached.
#[derive(Debug)]
pub struct Road {
    secrecy: Secrecy,
    /// The domains in which members' names are looked up, too.
    domains: Vec<String>,
    names: RwLock<HashMap<SocketAddr, Arc<[ServerName<'static>]>>>,
    /// The members with which TLS failed.
    failing: Mutex<HashMap<SocketAddr, Failing>>,
    /// The members of which the log knows that they are reached in clear.
    told: Mutex<HashSet<SocketAddr>>,
}

impl Road {
    /// With this much secrecy. `domains`: where short names are completed.
    #[must_use]
    pub fn new(secrecy: Secrecy, domains: Vec<String>) -> Self {
        Road { secrecy, domains, names: RwLock::default(), failing: Mutex::default(), told: Mutex::default() }
    }

    /// Everything in clear, by who speaks for himself only.
    #[must_use]
    pub fn open() -> Arc<Self> {
        Arc::new(Road::new(Secrecy::Unneeded, Vec::new()))
    }

    /// Whether this member was reached in clear the last time.
    pub fn is_in_clear(&self, address: SocketAddr) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).contains(&address)
    }

    /// These are the members, and what each is called.
    pub fn lead_to(&self, members: &[(String, SocketAddr)]) {
        let names = members.iter().map(|(name, address)| (*address, self.names_of(name, *address))).collect();
        *self.names.write().unwrap_or_else(PoisonError::into_inner) = names;
    }

    /// The name as it is known, the same in each domain in which it is looked up, and the address.
    fn names_of(&self, name: &str, address: SocketAddr) -> Arc<[ServerName<'static>]> {
        let host = name.rsplit_once(':').map_or(name, |(host, _)| host).trim_end_matches('.');
        let whole = self.domains.iter().map(|domain| format!("{host}.{}", domain.trim_end_matches('.')));
        let called = [host.to_owned()].into_iter().chain(whole);
        // An address is one name, and in no domain.
        let called = called.filter(|_| host.parse::<IpAddr>().is_err());
        let mut names: Vec<_> = called.filter_map(|name| ServerName::try_from(name).ok()).collect();
        names.push(ServerName::IpAddress(address.ip().into()));
        names.into()
    }

    fn names(&self, address: SocketAddr) -> Arc<[ServerName<'static>]> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let known = names.get(&address).map(Arc::clone);
        known.unwrap_or_else(|| [ServerName::IpAddress(address.ip().into())].into())
    }

    fn tell_of_clear(&self, address: SocketAddr) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < MOST_TOLD && told.insert(address) {
            let why = match self.secrecy {
                Secrecy::Unneeded => return,
                Secrecy::None => "tls.backend.mode is disabled",
                Secrecy::Preferred(_) | Secrecy::Required(_) => "it offers no TLS",
            };
            info!(member = %address, why, "what clients say goes to this member in clear, also what they say over TLS");
        }
    }

    /// Brings the connection as far as it must be before anything is said. `seq` is that of the next packet; the result is
    /// that of the one behind. The inner error: the connection stands, and this member must not be told anything.
    pub(super) async fn secure(
        &self,
        stream: &mut PacketStream,
        (address, offered): (SocketAddr, Capabilities),
        seq: u8,
        login: &mut Login,
    ) -> Result<(u8, Result<(), Insecure>), DialError> {
        let offers = offered.contains(Capabilities::SSL);
        let connector = match &self.secrecy {
            Secrecy::Required(connector) if offers => connector,
            Secrecy::Preferred(connector) if offers && !self.fails(address) => connector,
            Secrecy::Required(_) => return Ok((seq, Err(Insecure::NotOffered))),
            Secrecy::Unneeded | Secrecy::None | Secrecy::Preferred(_) => {
                self.tell_of_clear(address);
                return Ok((seq, Ok(())));
            }
        };
        let terms = connector.terms().await;
        login.capabilities.insert(Capabilities::SSL);
        stream.write_message(seq, &login.encode_ssl_request()).await.map_err(PacketError::Io)?;
        // Not a name: it would be told to all who listen. It says whose session may be taken up again.
        let whose = ServerName::IpAddress(address.ip().into());
        stream.connect_tls(Arc::clone(&terms.config), whose).await.map_err(|error| self.failed(address, error))?;
        self.told.lock().unwrap_or_else(PoisonError::into_inner).remove(&address);
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).remove(&address);
        let judged = connector.judge(&terms, stream.peer_certificates(), &self.names(address));
        Ok((seq.wrapping_add(1), judged.map_err(Insecure::from)))
    }

    /// Whether this member is not asked for TLS now, with which it failed.
    fn fails(&self, address: SocketAddr) -> bool {
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        failing.get(&address).is_some_and(|failing| failing.lasts(Instant::now()))
    }

    /// A member with which TLS fails is spoken to in clear for a while, where TLS is only preferred.
    fn failed(&self, address: SocketAddr, error: io::Error) -> DialError {
        let is_tls = error.kind() == io::ErrorKind::InvalidData;
        if is_tls && matches!(self.secrecy, Secrecy::Preferred(_)) {
            let now = Instant::now();
            let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
            failing.retain(|_, failing| !failing.is_over(now));
            let before = failing.get(&address).copied();
            // Of several that failed at once the first counts.
            if !before.is_some_and(|before| before.lasts(now)) && (before.is_some() || failing.len() < MOST_TOLD) {
                let now = Failing::new(now, &error, before);
                failing.insert(address, now);
                warn!(
                    member = %address, %error, again_in = ?now.pause,
                    "TLS with this member fails; tls.backend.mode only prefers it, so it is reached in clear"
                );
            }
        }
        DialError::Tls(error)
    }
}

#[cfg(test)]
mod tests {
    use rustls::{InvalidMessage, PeerIncompatible};

    use super::*;

    fn failed(error: rustls::Error, before: Option<Failing>) -> Failing {
        Failing::new(Instant::now(), &io::Error::new(io::ErrorKind::InvalidData, error), before)
    }

    #[test]
    fn only_a_member_that_cannot_do_tls_is_in_clear_for_long() {
        let incapable = [
            rustls::Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13),
            rustls::Error::AlertReceived(AlertDescription::ProtocolVersion),
            rustls::Error::AlertReceived(AlertDescription::HandshakeFailure),
        ];
        for error in incapable {
            assert_eq!(failed(error, None).pause, TRY_AGAIN);
        }
        let passing = || rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType);
        let mut failing = failed(passing(), None);
        assert_eq!(failing.pause, TRY_AGAIN_SOON);
        assert!(failing.lasts(failing.since) && !failing.lasts(failing.since + TRY_AGAIN_SOON));
        for _ in 0..10 {
            let next = failed(passing(), Some(failing));
            assert_eq!(next.pause, (failing.pause * 2).min(TRY_AGAIN));
            failing = next;
        }
        assert_eq!(failing.pause, TRY_AGAIN);
    }
}
