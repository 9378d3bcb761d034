//! Who may come in, and with which password: the configured users, and those that the cluster itself has accepted.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use zeroize::Zeroizing;

/// A password.
pub type Password = Zeroizing<Vec<u8>>;

/// The most accounts that are remembered besides the configured ones.
const MAX_LEARNED: usize = 10_000;

/// Passwords by user.
#[derive(Debug)]
pub struct Accounts {
    configured: HashMap<Vec<u8>, Password>,
    learned: RwLock<HashMap<Vec<u8>, Password>>,
    asks_cluster: bool,
}

/// What is known of a user.
#[derive(Debug, PartialEq, Eq)]
pub enum Known {
    /// The configuration says this password and no other.
    Configured(Password),
    /// The cluster accepted this password earlier; it may have been changed since.
    Learned(Password),
    /// Nothing: the cluster must be asked.
    AskCluster,
    /// Nobody of this name comes in.
    Nobody,
}

impl Accounts {
    /// The configured users; `asks_cluster`: others are let in when a member accepts them.
    #[must_use]
    pub fn new(users: impl IntoIterator<Item = (Vec<u8>, Password)>, asks_cluster: bool) -> Self {
        Accounts { configured: users.into_iter().collect(), learned: RwLock::default(), asks_cluster }
    }

    /// What is known of this user.
    pub fn find(&self, user: &[u8]) -> Known {
        if let Some(password) = self.configured.get(user) {
            return Known::Configured(password.clone());
        }
        if !self.asks_cluster {
            return Known::Nobody;
        }
        let learned = self.learned.read().unwrap_or_else(PoisonError::into_inner);
        learned.get(user).map_or(Known::AskCluster, |password| Known::Learned(password.clone()))
    }

    /// A member has accepted this password.
    pub fn learn(&self, user: &[u8], password: Password) {
        let mut learned = self.learned.write().unwrap_or_else(PoisonError::into_inner);
        if learned.len() < MAX_LEARNED || learned.contains_key(user) {
            learned.insert(user.to_vec(), password);
        }
    }

    /// A member has refused it.
    pub fn forget(&self, user: &[u8]) {
        self.learned.write().unwrap_or_else(PoisonError::into_inner).remove(user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        text.as_bytes().to_vec().into()
    }

    #[test]
    fn configured_users_come_first_and_others_are_learned() {
        let accounts = Accounts::new([(b"app".to_vec(), password("x"))], true);
        accounts.learn(b"app", password("other"));
        assert_eq!(accounts.find(b"app"), Known::Configured(password("x")));
        assert_eq!(accounts.find(b"bob"), Known::AskCluster);
        accounts.learn(b"bob", password("y"));
        assert_eq!(accounts.find(b"bob"), Known::Learned(password("y")));
        accounts.forget(b"bob");
        assert_eq!(accounts.find(b"bob"), Known::AskCluster);
    }

    #[test]
    fn with_configured_users_only_nobody_else_comes_in() {
        assert_eq!(Accounts::new([], false).find(b"bob"), Known::Nobody);
    }
}
