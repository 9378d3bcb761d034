//! Who is connected and how: sessions may share a connection only when all of this is the same.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    backend::Account,
    wire::{Capabilities, Extensions},
};

/// What a client agreed on.
type Wanted = (Capabilities, Extensions);

/// Short for an [`Identity`]; equal ids mean equal identities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdentityId(u64);

/// Account, capabilities and collation of a connection.
#[derive(Debug)]
pub struct Identity {
    id: IdentityId,
    /// Who logs in.
    pub account: Account,
    /// What the client agreed on and a member's connection must share, as it changes replies.
    pub capabilities: Capabilities,
    /// Of MariaDB's, likewise.
    pub extensions: Extensions,
    /// The collation at the login.
    pub collation: u16,
}

impl Identity {
    /// Its short form.
    #[must_use]
    pub const fn id(&self) -> IdentityId {
        self.id
    }

    fn is(&self, account: &Account, (capabilities, extensions): Wanted, collation: u16) -> bool {
        self.account == *account
            && self.capabilities == capabilities
            && self.extensions == extensions
            && self.collation == collation
    }
}

/// The identities of sessions and of connections; equal ones are one. So there are never more than both together.
#[derive(Debug, Default)]
pub struct Identities {
    known: Mutex<HashMap<u64, Vec<Weak<Identity>>>>,
    next: AtomicU64,
    hashes: RandomState,
}

impl Identities {
    /// The identity of these properties.
    pub fn intern(&self, account: &Account, wanted: Wanted, collation: u16) -> Arc<Identity> {
        let (capabilities, extensions) = wanted;
        let hash = self.hashes.hash_one((&account.user, capabilities.bits(), extensions.bits(), collation));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Self::sweep(&mut known);
        let same_hash = known.entry(hash).or_default();
        let found = same_hash.iter().filter_map(Weak::upgrade).find(|it| it.is(account, wanted, collation));
        found.unwrap_or_else(|| {
            same_hash.retain(|identity| identity.strong_count() > 0);
            let id = IdentityId(self.next.fetch_add(1, Ordering::Relaxed));
            let identity = Arc::new(Identity { id, account: account.clone(), capabilities, extensions, collation });
            same_hash.push(Arc::downgrade(&identity));
            identity
        })
    }

    /// Drops what nobody has any more, once the table is full; so its size follows what is in use.
    fn sweep(known: &mut HashMap<u64, Vec<Weak<Identity>>>) {
        if known.len() == known.capacity() {
            known.retain(|_, identities| {
                identities.retain(|identity| identity.strong_count() > 0);
                !identities.is_empty()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_identities_are_one_and_others_are_not() {
        let identities = Identities::default();
        let account = |password: &str| Account::with_password(b"app", password.as_bytes());
        let first = identities.intern(&account("x"), (Capabilities::FOUND_ROWS, Extensions::empty()), 45);
        assert_eq!(
            first.id(),
            identities.intern(&account("x"), (Capabilities::FOUND_ROWS, Extensions::empty()), 45).id()
        );
        assert_ne!(
            first.id(),
            identities.intern(&account("y"), (Capabilities::FOUND_ROWS, Extensions::empty()), 45).id()
        );
        assert_ne!(first.id(), identities.intern(&account("x"), (Capabilities::empty(), Extensions::empty()), 45).id());
        assert_ne!(
            first.id(),
            identities.intern(&account("x"), (Capabilities::FOUND_ROWS, Extensions::empty()), 8).id()
        );
    }
    #[test]
    fn identities_that_nobody_has_leave_the_table() {
        let identities = Identities::default();
        for n in 0..10_000 {
            let account = Account::with_password(format!("user{n}").as_bytes(), b"");
            identities.intern(&account, (Capabilities::empty(), Extensions::empty()), 45);
        }
        assert!(identities.known.lock().unwrap().len() < 100);
    }
}
