//! Who may come in, and with which secret: the configured users, and those that the cluster itself has accepted; and when
//! the cluster last said so.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::{Duration, Instant},
};

use super::verdict::{Judge, Verdict};
use crate::backend::{Account, Demand};

/// The most accounts that are remembered besides the configured ones.
const MAX_LEARNED: usize = 10_000;

/// Accounts by user.
#[derive(Debug)]
pub struct Accounts {
    configured: HashMap<Vec<u8>, Arc<Entry>>,
    learned: RwLock<HashMap<Vec<u8>, Arc<Entry>>>,
    asks_cluster: bool,
}

/// An account with what members last said of it.
#[derive(Debug)]
pub struct Entry {
    /// The account.
    pub account: Account,
    word: Mutex<Word>,
    /// Held by the one who asks; the others who come meanwhile take its answer.
    pub(super) asking: tokio::sync::Mutex<()>,
}

/// What members said of an account.
#[derive(Debug, Default)]
struct Word {
    last: Option<(Instant, Verdict)>,
    /// What it demanded when it was last accepted: also while members cannot be asked.
    demand: Option<Demand>,
}

impl Word {
    fn note(&mut self, at: Instant, verdict: &Verdict) {
        if let Verdict::Accepted(_, demand) = verdict {
            self.demand = Some(*demand);
        }
        self.last = Some((at, verdict.clone()));
    }
}

/// What is known of a user.
#[derive(Debug)]
pub enum Known {
    /// The configuration says this secret and no other.
    Configured(Arc<Entry>),
    /// The cluster accepted this one earlier; it may have been changed since.
    Learned(Arc<Entry>),
    /// Nothing: the cluster must be asked.
    AskCluster,
    /// Nobody of this name comes in.
    Nobody,
}

impl Entry {
    fn new(account: Account) -> Arc<Self> {
        Arc::new(Entry { account, word: Mutex::default(), asking: tokio::sync::Mutex::default() })
    }

    fn word(&self) -> MutexGuard<'_, Word> {
        self.word.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Members were asked, and said this.
    pub(super) fn note(&self, at: Instant, verdict: &Verdict) {
        self.word().note(at, verdict);
    }

    /// What members said after this instant, if they were asked since.
    pub(super) fn since(&self, instant: Instant) -> Option<Verdict> {
        self.word().last.as_ref().filter(|(at, _)| *at >= instant).map(|(_, verdict)| verdict.clone())
    }

    /// What it demanded when members last accepted it.
    pub(super) fn demand(&self) -> Option<Demand> {
        self.word().demand
    }

    /// What members said when they accepted it, no longer ago than `age`. A replica's word counts only while there is no
    /// primary to ask.
    pub(super) fn fresh(&self, now: Instant, age: Duration, has_primary: bool) -> Option<Verdict> {
        let word = self.word();
        let (at, verdict) = word.last.as_ref()?;
        let counts = match verdict {
            Verdict::Accepted(Judge::Primary, _) => true,
            Verdict::Accepted(Judge::Replica, _) => !has_primary,
            _ => false,
        };
        (counts && now.saturating_duration_since(*at) < age).then(|| verdict.clone())
    }
}

impl Accounts {
    /// The configured users; `asks_cluster`: others are let in when a member accepts them.
    #[must_use]
    pub fn new(users: impl IntoIterator<Item = Account>, asks_cluster: bool) -> Self {
        let configured = users.into_iter().map(|account| (account.user.clone(), Entry::new(account))).collect();
        Accounts { configured, learned: RwLock::default(), asks_cluster }
    }

    /// What is known of this user.
    pub fn find(&self, user: &[u8]) -> Known {
        if let Some(entry) = self.configured.get(user) {
            return Known::Configured(Arc::clone(entry));
        }
        if !self.asks_cluster {
            return Known::Nobody;
        }
        let learned = self.learned.read().unwrap_or_else(PoisonError::into_inner);
        learned.get(user).map_or(Known::AskCluster, |entry| Known::Learned(Arc::clone(entry)))
    }

    /// Members have accepted this account.
    pub(super) fn learn(&self, account: &Account, at: Instant, verdict: &Verdict) {
        let mut learned = self.learned.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = learned.get(&account.user).filter(|entry| entry.account == *account) {
            entry.note(at, verdict);
        } else if learned.len() < MAX_LEARNED || learned.contains_key(&account.user) {
            let entry = Entry::new(account.clone());
            entry.note(at, verdict);
            learned.insert(account.user.clone(), entry);
        }
    }

    /// Members refuse what they accepted before. What has been learned since stays.
    pub(super) fn forget(&self, entry: &Arc<Entry>) {
        let mut learned = self.learned.write().unwrap_or_else(PoisonError::into_inner);
        if learned.get(&entry.account.user).is_some_and(|known| Arc::ptr_eq(known, entry)) {
            learned.remove(&entry.account.user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPTED: Verdict = Verdict::Accepted(Judge::Primary, Demand::Nothing);

    fn account(user: &str, password: &str) -> Account {
        Account::with_password(user.as_bytes(), password.as_bytes())
    }

    fn learned(accounts: &Accounts, user: &str) -> Option<Arc<Entry>> {
        match accounts.find(user.as_bytes()) {
            Known::Learned(entry) => Some(entry),
            _ => None,
        }
    }

    #[test]
    fn configured_users_come_first_and_others_are_learned() {
        let accounts = Accounts::new([account("app", "x")], true);
        let now = Instant::now();
        accounts.learn(&account("app", "other"), now, &ACCEPTED);
        assert!(matches!(accounts.find(b"app"), Known::Configured(entry) if entry.account == account("app", "x")));
        assert!(matches!(accounts.find(b"bob"), Known::AskCluster));
        accounts.learn(&account("bob", "y"), now, &ACCEPTED);
        let entry = learned(&accounts, "bob").unwrap();
        assert_eq!(entry.account, account("bob", "y"));
        accounts.forget(&entry);
        assert!(matches!(accounts.find(b"bob"), Known::AskCluster));
    }

    #[test]
    fn what_has_been_learned_since_is_not_forgotten() {
        let accounts = Accounts::new([], true);
        let now = Instant::now();
        accounts.learn(&account("bob", "old"), now, &ACCEPTED);
        let old = learned(&accounts, "bob").unwrap();
        accounts.learn(&account("bob", "new"), now, &ACCEPTED);
        accounts.forget(&old);
        assert_eq!(learned(&accounts, "bob").unwrap().account, account("bob", "new"));
    }

    #[test]
    fn with_configured_users_only_nobody_else_comes_in() {
        assert!(matches!(Accounts::new([], false).find(b"bob"), Known::Nobody));
    }

    #[test]
    fn the_word_of_members_grows_old() {
        let entry = Entry::new(account("bob", "y"));
        let (now, age) = (Instant::now(), Duration::from_secs(5));
        assert!(entry.fresh(now, age, true).is_none(), "nobody was asked");
        entry.note(now, &ACCEPTED);
        assert!(entry.fresh(now, age, true).is_some());
        assert!(entry.fresh(now, Duration::ZERO, true).is_none());
        assert!(entry.fresh(now + age, age, true).is_none());
        entry.note(now, &Verdict::Accepted(Judge::Replica, Demand::Nothing));
        assert!(entry.fresh(now, age, true).is_none(), "a replica may be late");
        assert!(entry.fresh(now, age, false).is_some());
        assert!(entry.since(now).is_some() && entry.since(now + age).is_none());
    }

    #[test]
    fn what_it_demanded_is_known_while_members_cannot_be_asked() {
        let (entry, now) = (Entry::new(account("bob", "y")), Instant::now());
        assert_eq!(entry.demand(), None);
        entry.note(now, &Verdict::Accepted(Judge::Primary, Demand::Encryption));
        entry.note(now, &Verdict::Unreachable("no member is up".to_owned()));
        entry.note(now, &Verdict::Unspoken("ed25519".to_owned()));
        assert_eq!(entry.demand(), Some(Demand::Encryption));
        entry.note(now, &ACCEPTED);
        assert_eq!(entry.demand(), Some(Demand::Nothing));
    }
}
