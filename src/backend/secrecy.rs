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

use rustls::pki_types::ServerName;
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
/// How long a member is reached in clear with which TLS failed.
const TRY_AGAIN: Duration = Duration::from_secs(600);

/// How much is asked of members.
#[derive(Debug)]
pub enum Secrecy {
    /// All is said in clear.
    None,
    /// TLS where a member offers it.
    Preferred(Connector),
    /// TLS, or nothing is said.
    Required(Connector),
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
    /// The members with which TLS failed, and when.
    failing: Mutex<HashMap<SocketAddr, Instant>>,
    /// The members of which the log knows that they are reached in clear.
    told: Mutex<HashSet<SocketAddr>>,
}

impl Road {
    /// With this much secrecy. `domains`: where short names are completed.
    #[must_use]
    pub fn new(secrecy: Secrecy, domains: Vec<String>) -> Self {
        Road { secrecy, domains, names: RwLock::default(), failing: Mutex::default(), told: Mutex::default() }
    }

    /// Everything in clear.
    #[must_use]
    pub fn open() -> Arc<Self> {
        Arc::new(Road::new(Secrecy::None, Vec::new()))
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
            let why =
                if matches!(self.secrecy, Secrecy::None) { "tls.backend.mode is disabled" } else { "it offers no TLS" };
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
            Secrecy::None | Secrecy::Preferred(_) => {
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
        let judged = connector.judge(&terms, stream.peer_certificates(), &self.names(address));
        Ok((seq.wrapping_add(1), judged.map_err(Insecure::from)))
    }

    /// Whether it is known that this member offers TLS and cannot do it.
    fn fails(&self, address: SocketAddr) -> bool {
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        failing.get(&address).is_some_and(|at| at.elapsed() < TRY_AGAIN)
    }

    /// A member that cannot do the TLS that it offers, as one of MySQL 5.7 that knows only TLS 1.1, is spoken to in clear the
    /// next time, where TLS is only preferred.
    fn failed(&self, address: SocketAddr, error: io::Error) -> DialError {
        let is_tls = error.kind() == io::ErrorKind::InvalidData;
        if is_tls && matches!(self.secrecy, Secrecy::Preferred(_)) {
            let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
            failing.retain(|_, at| at.elapsed() < TRY_AGAIN);
            if failing.len() < MOST_TOLD && failing.insert(address, Instant::now()).is_none() {
                warn!(member = %address, %error, "TLS with this member fails; tls.backend.mode only prefers it, so it is reached in clear");
            }
        }
        DialError::Tls(error)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::{
        backend::{Account, Connection, DialOptions},
        net::tls::Trust,
        wire::{Extensions, StatusFlags, greeting::Greeting, packet::put_message},
    };

    const SOON: Duration = Duration::from_secs(5);

    fn greeting(offers: Capabilities) -> Vec<u8> {
        let greeting = Greeting {
            version: "9.7.0".into(),
            thread_id: 7,
            salt: *b"12345678abcdefghijkl",
            capabilities: Capabilities::PROTOCOL_41 | Capabilities::PLUGIN_AUTH | offers,
            extensions: Extensions::empty(),
            collation: 45,
            status: StatusFlags::AUTOCOMMIT,
            plugin: "mysql_clear_password".into(),
        };
        let mut out = Vec::new();
        put_message(&mut out, 0, &greeting.encode());
        out
    }

    /// Dials a member that says this at once, and that to whatever it is told; how that ended, and what it was told.
    async fn dialled(road: Arc<Road>, first: Vec<u8>, then: Vec<u8>) -> (DialError, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let member = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(&first).await.unwrap();
            let (mut heard, mut some) = (Vec::new(), [0; 4096]);
            while let Ok(count @ 1..) = stream.read(&mut some).await {
                heard.extend_from_slice(&some[..count]);
                let _ = stream.write_all(&then).await;
            }
            heard
        });
        let (capabilities, extensions) = (Capabilities::empty(), Extensions::empty());
        let options = DialOptions { road, connect_timeout: SOON, capabilities, extensions, collation: None };
        let account = Account::with_password(b"somebody", b"open sesame");
        let error = Connection::dial(address, &account, &options).await.unwrap_err();
        (error, member.await.unwrap())
    }

    fn required() -> Arc<Road> {
        Arc::new(Road::new(Secrecy::Required(Connector::new(Trust::Anybody, None).unwrap()), Vec::new()))
    }

    fn is_told_nothing(heard: &[u8]) -> bool {
        !["somebody", "sesame"].iter().any(|word| heard.windows(word.len()).any(|some| some == word.as_bytes()))
    }

    #[tokio::test]
    async fn a_member_without_tls_is_left_as_nobody() {
        let mut refusal = Vec::new();
        crate::wire::err::SqlError { code: 1045, state: *b"28000", message: "no".into() }.put(&mut refusal, 2);
        let (error, heard) = dialled(required(), greeting(Capabilities::empty()), refusal).await;
        assert!(matches!(error, DialError::Insecure(Insecure::NotOffered)), "{error}");
        // Not hung up upon: it has read a login.
        assert!(heard.len() > 36 && is_told_nothing(&heard), "{}", heard.escape_ascii());
    }

    #[tokio::test]
    async fn a_member_that_means_harm_learns_nothing() {
        let mut go_on_in_clear = Vec::new();
        put_message(&mut go_on_in_clear, 2, b"\xfemysql_clear_password\0\0");
        let mut ok = Vec::new();
        put_message(&mut ok, 2, &[0, 0, 0, 2, 0, 0, 0]);
        let endless = [&[22, 3, 3, 0x40, 0][..], &[2, 0xff, 0xff, 0xff], &[0; 0x4000 - 4]].concat().repeat(8);
        for then in [go_on_in_clear.clone(), ok, vec![0x47; 100_000], endless] {
            let (error, heard) = dialled(required(), greeting(Capabilities::SSL), then).await;
            assert!(matches!(error, DialError::Tls(_)), "{error}");
            assert!(is_told_nothing(&heard), "{}", heard.escape_ascii());
        }
        // Something in clear behind the greeting, to be taken for what is said under encryption.
        let ahead = [greeting(Capabilities::SSL), go_on_in_clear].concat();
        let (error, heard) = dialled(required(), ahead, Vec::new()).await;
        assert!(matches!(error, DialError::Tls(_)) && is_told_nothing(&heard), "{error}");
    }

    #[test]
    fn a_member_is_called_by_its_name_in_each_domain_and_by_its_address() {
        let road = Road::new(Secrecy::None, vec!["default.svc.cluster.local".into(), "cluster.local.".into()]);
        let address: SocketAddr = "10.1.2.3:3306".parse().unwrap();
        let called =
            |name: &str| road.names_of(name, address).iter().map(|name| name.to_str().into_owned()).collect::<Vec<_>>();
        let pod =
            ["mysql-0.mysql", "mysql-0.mysql.default.svc.cluster.local", "mysql-0.mysql.cluster.local", "10.1.2.3"];
        assert_eq!(called("mysql-0.mysql"), pod);
        assert_eq!(called("mysql-0.mysql:3306"), pod);
        assert_eq!(called("10.1.2.3:3306"), ["10.1.2.3"]);
        road.lead_to(&[("mysql-0.mysql".into(), address)]);
        assert_eq!(road.names(address).len(), 4);
        assert_eq!(road.names("10.9.9.9:3306".parse().unwrap()).len(), 1);
    }
}
