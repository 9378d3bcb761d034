//! Who is connected and how: sessions may share a connection only when all of this is the same.

use std::sync::{
    Arc, Mutex, PoisonError, Weak,
    atomic::{AtomicU64, Ordering},
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
    pub collation: u8,
}

impl Identity {
    /// Its short form.
    #[must_use]
    pub const fn id(&self) -> IdentityId {
        self.id
    }

    fn is(&self, account: &Account, (capabilities, extensions): Wanted, collation: u8) -> bool {
        self.account.user == account.user
            && self.account.password == account.password
            && self.capabilities == capabilities
            && self.extensions == extensions
            && self.collation == collation
    }
}

/// The identities in use; equal ones are one.
#[derive(Debug, Default)]
pub struct Identities {
    known: Mutex<Vec<Weak<Identity>>>,
    next: AtomicU64,
}

impl Identities {
    /// The identity of these properties.
    pub fn intern(&self, account: &Account, wanted: Wanted, collation: u8) -> Arc<Identity> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|identity| identity.strong_count() > 0);
        let found = known.iter().filter_map(Weak::upgrade).find(|it| it.is(account, wanted, collation));
        found.unwrap_or_else(|| {
            let id = IdentityId(self.next.fetch_add(1, Ordering::Relaxed));
            let (capabilities, extensions) = wanted;
            let identity = Arc::new(Identity { id, account: account.clone(), capabilities, extensions, collation });
            known.push(Arc::downgrade(&identity));
            identity
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_identities_are_one_and_others_are_not() {
        let identities = Identities::default();
        let account = |password: &str| Account { user: b"app".to_vec(), password: password.as_bytes().to_vec().into() };
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
}
