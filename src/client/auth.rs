//! Whether a client is who it says: by the secret that the proxy knows, else by asking the cluster.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::{
    accounts::{Entry, Known},
    handshake::{LOGIN_LIMIT, login_method},
    lookup::{Stored, look_up},
    proxy::Proxy,
    refusal,
    verdict::{Patience, Verdict, ask, confirm, is_about_the_character_set},
};
use crate::{
    backend::{Account, Demand, StoredMethod},
    metrics::AuthFailure,
    net::{PacketError, PacketStream},
    wire::{
        Capabilities,
        auth::{self, CACHING_SHA2, FAST_AUTH_OK, FULL_AUTH, NATIVE, REQUEST_PUBLIC_KEY, Secret},
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
    /// It can be asked for another method than the one that it chose.
    can_switch: bool,
}

/// One login that is to be judged.
struct Case<'a> {
    proxy: &'a Proxy,
    login: &'a Login,
    peer: SocketAddr,
    /// The most that the client's connection has of what an account may demand.
    standing: Demand,
    patience: Patience,
}

/// Verifies a login or a change of user. `seq` is that of the last packet received, then of the last one sent or
/// received. On success the account with the secret that members will be given.
pub(super) async fn verify(
    proxy: &Proxy,
    stream: &mut PacketStream,
    login: &Login,
    salt: Salt,
    seq: &mut u8,
    peer: SocketAddr,
) -> Result<Account, Denial> {
    let plugin = login.plugin.clone().unwrap_or_else(|| NATIVE.to_owned());
    let can_switch = login.capabilities.contains(Capabilities::PLUGIN_AUTH);
    let standing = standing(stream);
    let mut talk = Conversation { stream, seq, salt, plugin, response: login.response.clone(), can_switch };
    let case = Case { proxy, login, peer, standing, patience: Patience::begin(proxy) };
    let usual = login_method(proxy);
    match proxy.accounts.find(&login.user) {
        Known::Learned(entry) => case.compare(&mut talk, &entry, usual).await,
        Known::AskCluster => case.ask_cluster(&mut talk, None, usual).await,
        Known::Configured(entry) => {
            talk.settle_method(has_password(&entry.account.secret), usual).await?;
            if talk.proves(&entry.account.secret) {
                return case.confirm(&mut talk, &entry).await;
            }
            Err(case.deny(&talk, AuthFailure::WrongPassword))
        }
        Known::Nobody => {
            talk.settle_method(false, usual).await?;
            Err(case.deny(&talk, AuthFailure::UnknownUser))
        }
    }
}

/// A certificate is there only if the authority has vouched for it that `tls.client.ca` names.
fn standing(stream: &PacketStream) -> Demand {
    match (stream.is_encrypted(), stream.peer_certificates()) {
        (true, Some(_)) => Demand::Certificate,
        (true, None) => Demand::Encryption,
        (false, _) => Demand::Nothing,
    }
}

fn has_password(secret: &Secret) -> bool {
    secret.password().is_none_or(|password| !password.is_empty())
}

/// A password that nobody has: a member that is asked with it says no in its own words, and counts the attempt as it would
/// count the client's own.
fn nobodys_password() -> Result<Secret, Denial> {
    let mut password = Zeroizing::new(vec![0; 32]);
    rand::fill(&mut password).map_err(|_| PacketError::Io(std::io::Error::other("no randomness")))?;
    password.iter_mut().for_each(|byte| *byte = *byte % 94 + 33);
    Ok(Secret::Password(password))
}

/// By which method a client can prove itself as one of these accounts, as the server would choose: the client's own if
/// that will do. None when it can by none that is spoken here.
fn method_for(stored: &Stored, given: &str, usual: &'static str) -> Option<&'static str> {
    let Stored::Known(methods) = stored else { return Some(CACHING_SHA2) };
    let native = methods.iter().any(|it| matches!(it, StoredMethod::Native(_) | StoredMethod::Open));
    let by_password = methods.contains(&StoredMethod::ByPassword);
    match (native, by_password) {
        // Nobody of this name: no other way than for somebody.
        _ if methods.is_empty() => Some(usual),
        (true, true) if given == CACHING_SHA2 => Some(CACHING_SHA2),
        (true, _) => Some(NATIVE),
        (false, true) => Some(CACHING_SHA2),
        (false, false) => None,
    }
}

/// Whether it is known that no account of this name has a method that is not ours.
fn has_no_other(stored: &Stored) -> bool {
    let is_other = |method: &StoredMethod| matches!(method, StoredMethod::Other(_));
    matches!(stored, Stored::Known(methods) if !methods.iter().any(is_other))
}

impl Case<'_> {
    /// The client has proven itself; the members must still say that they let the account in.
    async fn confirm(&self, talk: &mut Conversation<'_>, entry: &Arc<Entry>) -> Result<Account, Denial> {
        let verdict = confirm(self.proxy, self.login, entry, self.patience).await;
        self.admit(talk, verdict, entry).await
    }

    async fn admit(&self, talk: &mut Conversation<'_>, verdict: Verdict, entry: &Entry) -> Result<Account, Denial> {
        self.judge(verdict, AuthFailure::RefusedByMember)?;
        talk.fast_path_ok().await?;
        Ok(entry.account.clone())
    }

    /// Members have accepted a secret before.
    async fn compare(
        &self,
        talk: &mut Conversation<'_>,
        entry: &Arc<Entry>,
        usual: &'static str,
    ) -> Result<Account, Denial> {
        if entry.account.secret.password().is_none() && talk.plugin != NATIVE && talk.can_switch {
            talk.switch_to(NATIVE).await?;
        }
        if talk.proves(&entry.account.secret) {
            return self.confirm_learned(talk, entry).await;
        }
        self.ask_cluster(talk, Some(entry), usual).await
    }

    async fn confirm_learned(&self, talk: &mut Conversation<'_>, entry: &Arc<Entry>) -> Result<Account, Denial> {
        let verdict = confirm(self.proxy, self.login, entry, self.patience).await;
        let says_nothing = matches!(&verdict, Verdict::Refused(error) if is_about_the_character_set(error));
        if !says_nothing && matches!(verdict, Verdict::Refused(_) | Verdict::Unspoken(_)) {
            self.proxy.accounts.forget(entry);
        }
        self.admit(talk, verdict, entry).await
    }

    /// Nothing is known of the account, or something else than the client says.
    async fn ask_cluster(
        &self,
        talk: &mut Conversation<'_>,
        learned: Option<&Arc<Entry>>,
        usual: &'static str,
    ) -> Result<Account, Denial> {
        let stored = look_up(self.proxy, self.login, self.patience).await;
        match method_for(&stored, &talk.plugin, usual) {
            // It has no password, whatever the method.
            _ if talk.response.is_empty() && talk.plugin == usual => {}
            Some(method) => talk.go_on_with(method, usual).await?,
            None => {}
        }
        if let Some(entry) = learned.filter(|entry| talk.proves(&entry.account.secret)) {
            return self.confirm_learned(talk, entry).await;
        }
        let (secret, reason) = self.secret(talk, &stored).await?;
        let account = Account { user: self.login.user.clone(), secret };
        let asked = Instant::now();
        let verdict = ask(self.proxy, self.login, (&account, None), self.patience).await;
        if matches!(verdict, Verdict::Unspoken(_)) && has_no_other(&stored) {
            // Servers ask those whom they do not know for any method that somebody has.
            return Err(self.deny(talk, reason));
        }
        self.judge(verdict.clone(), reason)?;
        self.proxy.accounts.learn(&account, asked, &verdict);
        Ok(account)
    }

    /// What the client's answer proves, and what it means when members refuse it.
    async fn secret(&self, talk: &mut Conversation<'_>, stored: &Stored) -> Result<(Secret, AuthFailure), Denial> {
        let methods: &[StoredMethod] = if let Stored::Known(methods) = stored { methods } else { &[] };
        let wrong = match stored {
            Stored::Known(methods) if methods.is_empty() => AuthFailure::UnknownUser,
            Stored::Known(_) => AuthFailure::WrongPassword,
            Stored::Needless | Stored::Unknown => AuthFailure::RefusedByMember,
        };
        if talk.response.is_empty() {
            return Ok((Secret::Password(Zeroizing::default()), wrong));
        }
        if talk.plugin == CACHING_SHA2 {
            return match talk.full_path(self.proxy).await? {
                Told::Password(password) => Ok((Secret::Password(password), wrong)),
                Told::InClear => Err(self.told_in_clear()),
                Told::Nonsense => Err(self.deny(talk, AuthFailure::WrongPassword)),
            };
        }
        let key = methods.iter().find_map(|method| match method {
            StoredMethod::Native(hash) if talk.plugin == NATIVE => {
                auth::native_key(&talk.response, &talk.salt, &hash.0)
            }
            _ => None,
        });
        match key {
            Some(key) => Ok((Secret::Native(key), AuthFailure::RefusedByMember)),
            None => Ok((nobodys_password()?, wrong)),
        }
    }

    /// Counts what members refuse, and has the client told.
    fn judge(&self, verdict: Verdict, reason: AuthFailure) -> Result<(), Denial> {
        match verdict {
            Verdict::Accepted(_, demand) if demand <= self.standing => Ok(()),
            Verdict::Accepted(_, demand) => {
                self.proxy.metrics.auth_failure(AuthFailure::TlsRequired);
                let host = self.peer.ip().to_string();
                Err(Denial::Refused(match demand {
                    Demand::Particulars if self.standing == Demand::Certificate => {
                        refusal::particulars(&self.login.user)
                    }
                    Demand::SecureTransport => refusal::tls_required(),
                    _ => refusal::access_denied(&self.login.user, &host, !self.login.response.is_empty()),
                }))
            }
            Verdict::Refused(error) => {
                // Any other error is about the account, and not about the password.
                let reason = if error.code == 1045 { reason } else { AuthFailure::RefusedByMember };
                self.proxy.metrics.auth_failure(reason);
                Err(Denial::Refused(error))
            }
            Verdict::Unspoken(plugin) => {
                self.proxy.metrics.auth_failure(AuthFailure::Method);
                Err(Denial::Refused(refusal::unspoken_method(&self.login.user, &plugin)))
            }
            Verdict::Unreachable(tried) => Err(Denial::Refused(refusal::no_member(&tried, self.patience.spent()))),
        }
    }

    fn deny(&self, talk: &Conversation<'_>, reason: AuthFailure) -> Denial {
        self.proxy.metrics.auth_failure(reason);
        let host = self.peer.ip().to_string();
        Denial::Refused(refusal::access_denied(&self.login.user, &host, !talk.response.is_empty()))
    }

    /// Whoever listens has the password now: the operator must know.
    fn told_in_clear(&self) -> Denial {
        self.proxy.metrics.auth_failure(AuthFailure::ClearPassword);
        if let Some(more) = self.proxy.clear_passwords.note() {
            tracing::warn!(
                user = %String::from_utf8_lossy(&self.login.user).escape_debug(),
                peer = %self.peer,
                others_since_the_last_word = more,
                "a client sent its password in clear over a connection without TLS, and was refused; change the password"
            );
        }
        Denial::Refused(refusal::password_in_clear())
    }
}

/// What a client has told when it was asked for its password.
enum Told {
    /// The password, encrypted.
    Password(Zeroizing<Vec<u8>>),
    /// The password, for all to read.
    InClear,
    /// Something else.
    Nonsense,
}

impl Conversation<'_> {
    fn proves(&self, secret: &Secret) -> bool {
        secret.verify(&self.plugin, &self.salt, &self.response)
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
        if !self.can_switch {
            return Err(Denial::Refused(refusal::old_client()));
        }
        self.send(&auth_switch(plugin, &self.salt)).await?;
        self.response = self.receive().await?;
        plugin.clone_into(&mut self.plugin);
        Ok(())
    }

    /// Where the password is known, any method will do that is ours.
    async fn settle_method(&mut self, has_password: bool, usual: &'static str) -> Result<(), Denial> {
        match self.plugin.as_str() {
            NATIVE if has_password => self.go_on_with(NATIVE, usual).await,
            NATIVE | CACHING_SHA2 => Ok(()),
            _ => self.switch_to(usual).await,
        }
    }

    /// The method by which this account can be proven. Clients of MySQL 5.6 and older, which do not know the greeting's
    /// method, say nothing yet, and are asked again as servers do.
    async fn go_on_with(&mut self, method: &'static str, usual: &'static str) -> Result<(), Denial> {
        let said_nothing = self.response.is_empty() && method != usual && self.can_switch;
        if self.plugin == method && !said_nothing {
            return Ok(());
        }
        self.switch_to(method).await
    }

    /// `caching_sha2` says so when the fast path succeeded, except for an empty password.
    async fn fast_path_ok(&mut self) -> Result<(), Denial> {
        if self.plugin == CACHING_SHA2 && !self.response.is_empty() {
            self.send(&[AUTH_MORE_DATA, FAST_AUTH_OK]).await?;
        }
        Ok(())
    }

    /// The client sends its password: as it is, with a NUL at its end, where the connection is encrypted, else encrypted with
    /// the proxy's public key. A client that takes the connection for a safe one which is none (a Unix socket in its view)
    /// sends it for all to read.
    async fn full_path(&mut self, proxy: &Proxy) -> Result<Told, Denial> {
        self.send(&[AUTH_MORE_DATA, FULL_AUTH]).await?;
        let mut answer = Zeroizing::new(self.receive().await?);
        if self.stream.is_encrypted() && *answer != [REQUEST_PUBLIC_KEY] {
            // As servers read it: up to its NUL.
            let end = answer.iter().position(|byte| *byte == 0).unwrap_or(answer.len());
            answer.truncate(end);
            return Ok(Told::Password(answer));
        }
        if *answer == [REQUEST_PUBLIC_KEY] {
            let mut key = vec![AUTH_MORE_DATA];
            key.extend_from_slice(proxy.keys.public_pem().as_bytes());
            self.send(&key).await?;
            answer = Zeroizing::new(self.receive().await?);
        }
        match proxy.keys.decrypt_password(&answer, &self.salt) {
            Ok(password) => Ok(Told::Password(password)),
            Err(_) if is_text(&answer) => Ok(Told::InClear),
            Err(_) => Ok(Told::Nonsense),
        }
    }
}

/// Whether these bytes are a text with its NUL, as no encrypted password is but for rare ones.
fn is_text(bytes: &[u8]) -> bool {
    matches!(bytes.split_last(), Some((0, text)) if !text.contains(&0))
}
