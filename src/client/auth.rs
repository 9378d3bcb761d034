//! Whether a client is who it says: by the password that the proxy knows, else by asking the cluster.

use std::net::SocketAddr;

use zeroize::Zeroizing;

use super::{
    accounts::{Known, Password},
    handshake::{LOGIN_LIMIT, SHARED},
    proxy::Proxy,
    refusal,
};
use crate::{
    backend::{Account, Connection, DialError, DialOptions},
    metrics::AuthFailure,
    net::{PacketError, PacketStream},
    wire::{
        auth::{self, CACHING_SHA2, FAST_AUTH_OK, FULL_AUTH, NATIVE, REQUEST_PUBLIC_KEY},
        err::SqlError,
        greeting::Salt,
        login::{AUTH_MORE_DATA, Login, auth_switch},
    },
};

/// Why a client is not let in.
#[derive(Debug)]
pub(super) enum Denial {
    /// It went away.
    Packet(PacketError),
    /// It is told this.
    Refused(SqlError),
}

impl From<PacketError> for Denial {
    fn from(error: PacketError) -> Self {
        Denial::Packet(error)
    }
}

/// A conversation about a password.
struct Conversation<'a> {
    stream: &'a mut PacketStream,
    seq: &'a mut u8,
    salt: Salt,
    plugin: String,
    response: Vec<u8>,
}

/// Verifies a login or a change of user. `seq` is that of the last packet received, then of the last one sent or
/// received. On success the account with the password that members will be given.
pub(super) async fn verify(
    proxy: &Proxy,
    stream: &mut PacketStream,
    login: &Login,
    salt: Salt,
    seq: &mut u8,
    peer: SocketAddr,
) -> Result<Account, Denial> {
    let plugin = login.plugin.clone().unwrap_or_else(|| NATIVE.to_owned());
    let mut talk = Conversation { stream, seq, salt, plugin, response: login.response.clone() };
    let known = proxy.accounts.find(&login.user);
    let wanted = if matches!(known, Known::AskCluster) { &[CACHING_SHA2][..] } else { &[CACHING_SHA2, NATIVE] };
    if !wanted.contains(&talk.plugin.as_str()) {
        talk.switch_to(CACHING_SHA2).await?;
    } else if talk.plugin == NATIVE && talk.response.is_empty() && has_password(&known) {
        // As servers do for clients of MySQL 5.6 and older, which do not know the greeting's method and say nothing yet.
        talk.switch_to(NATIVE).await?;
    }
    let denied = |talk: &Conversation<'_>| {
        let host = peer.ip().to_string();
        Denial::Refused(refusal::access_denied(&login.user, &host, !talk.response.is_empty()))
    };
    let account = |password: Password| Account { user: login.user.clone(), password };
    match known {
        Known::Configured(password) | Known::Learned(password) if talk.proves(&password) => {
            talk.fast_path_ok().await?;
            Ok(account(password))
        }
        Known::Configured(_) => {
            proxy.metrics.auth_failure(AuthFailure::WrongPassword);
            Err(denied(&talk))
        }
        Known::Nobody => {
            proxy.metrics.auth_failure(AuthFailure::UnknownUser);
            Err(denied(&talk))
        }
        Known::Learned(_) | Known::AskCluster if talk.response.is_empty() => {
            let empty = account(Password::default());
            accepted_by_cluster(proxy, login, &empty).await?;
            Ok(empty)
        }
        Known::Learned(_) | Known::AskCluster => {
            if talk.plugin != CACHING_SHA2 {
                talk.switch_to(CACHING_SHA2).await?;
            }
            let password = talk.full_path(proxy).await?.ok_or_else(|| denied(&talk))?;
            let account = account(password);
            accepted_by_cluster(proxy, login, &account).await?;
            proxy.accounts.learn(&account.user, account.password.clone());
            Ok(account)
        }
    }
}

fn has_password(known: &Known) -> bool {
    matches!(known, Known::Configured(password) if !password.is_empty())
}

impl Conversation<'_> {
    fn proves(&self, password: &Password) -> bool {
        auth::verify(&self.plugin, password, &self.salt, &self.response)
    }

    async fn send(&mut self, payload: &[u8]) -> Result<(), Denial> {
        *self.seq = self.seq.wrapping_add(1);
        Ok(self.stream.write_message(*self.seq, payload).await.map_err(PacketError::Io)?)
    }

    async fn receive(&mut self) -> Result<Vec<u8>, Denial> {
        let (seq, payload) = self.stream.read_packet(LOGIN_LIMIT).await?;
        *self.seq = seq;
        Ok(payload)
    }

    async fn switch_to(&mut self, plugin: &str) -> Result<(), Denial> {
        self.send(&auth_switch(plugin, &self.salt)).await?;
        self.response = self.receive().await?;
        plugin.clone_into(&mut self.plugin);
        Ok(())
    }

    /// `caching_sha2` says so when the fast path succeeded, except for an empty password.
    async fn fast_path_ok(&mut self) -> Result<(), Denial> {
        if self.plugin == CACHING_SHA2 && !self.response.is_empty() {
            self.send(&[AUTH_MORE_DATA, FAST_AUTH_OK]).await?;
        }
        Ok(())
    }

    /// The client sends its password, encrypted with the proxy's public key. `None`: what it sent is no password.
    async fn full_path(&mut self, proxy: &Proxy) -> Result<Option<Password>, Denial> {
        self.send(&[AUTH_MORE_DATA, FULL_AUTH]).await?;
        let mut answer = self.receive().await?;
        if answer == [REQUEST_PUBLIC_KEY] {
            let mut key = vec![AUTH_MORE_DATA];
            key.extend_from_slice(proxy.keys.public_pem().as_bytes());
            self.send(&key).await?;
            answer = self.receive().await?;
        }
        let secret = Zeroizing::new(answer);
        Ok(proxy.keys.decrypt_password(&secret, &self.salt).ok())
    }
}

/// Asks a member whether it lets this account in. Its refusal goes to the client as it is.
async fn accepted_by_cluster(proxy: &Proxy, login: &Login, account: &Account) -> Result<(), Denial> {
    let options = DialOptions {
        connect_timeout: proxy.policy.acquire_timeout,
        capabilities: login.capabilities & SHARED,
        extensions: login.extensions,
        collation: Some(login.collation),
    };
    let addresses = usable_addresses(proxy);
    let mut problems = Vec::new();
    for address in addresses {
        match Connection::dial(address, account, &options).await {
            Ok(connection) => {
                connection.close().await;
                return Ok(());
            }
            Err(DialError::Refused(error)) if is_about_the_account(error.code) => {
                proxy.accounts.forget(&account.user);
                proxy.metrics.auth_failure(AuthFailure::RefusedByMember);
                return Err(Denial::Refused(error));
            }
            Err(DialError::Plugin(plugin)) => {
                proxy.metrics.auth_failure(AuthFailure::Method);
                return Err(Denial::Refused(refusal::unspoken_method(&account.user, &plugin)));
            }
            Err(error) => problems.push(format!("{address}: {error}")),
        }
    }
    let tried = if problems.is_empty() { "no member is up".to_owned() } else { problems.join("; ") };
    Err(Denial::Refused(refusal::no_member(&tried, proxy.policy.acquire_timeout)))
}

/// The primary first: an account that was just made is there, and perhaps not yet on the replicas.
fn usable_addresses(proxy: &Proxy) -> Vec<SocketAddr> {
    let view = proxy.topology.view();
    let primary = view.usable_primary().map(|member| member.member.address);
    let others = view.members.iter().filter(|member| member.is_usable()).map(|member| member.member.address);
    primary.into_iter().chain(others.filter(|address| Some(*address) != primary)).collect()
}

/// 1045 wrong password, 1130 host not allowed, 1698 not by this method, 1820/1862 password expired, 3118 locked.
const fn is_about_the_account(code: u16) -> bool {
    matches!(code, 1044 | 1045 | 1130 | 1251 | 1698 | 1820 | 1862 | 3118 | 4151)
}
