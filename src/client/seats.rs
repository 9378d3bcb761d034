//! How many clients of one user may be connected.
//!
//! Knows names and counts. Must not know why somebody comes or goes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The seats of all users.
#[derive(Debug, Default)]
pub struct Seats {
    taken: Mutex<HashMap<Vec<u8>, usize>>,
}

/// One client's seat; dropping it leaves.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    user: Vec<u8>,
}

impl Seats {
    /// A seat for this user, if there is one: there are `limit` for each; 0: any number. Who came under another limit
    /// counts, too.
    pub fn take(self: &Arc<Self>, user: &[u8], limit: usize) -> Option<Seat> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.get(user).copied().unwrap_or_default();
        if limit > 0 && count >= limit {
            return None;
        }
        taken.insert(user.to_vec(), count + 1);
        Some(Seat { seats: Arc::clone(self), user: user.to_vec() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let user = &self.user;
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(user) {
            *count -= 1;
            if *count == 0 {
                taken.remove(user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_has_so_many_and_who_leaves_makes_room() {
        let seats = Arc::new(Seats::default());
        let first = seats.take(b"app", 2);
        let second = seats.take(b"app", 2);
        assert!(first.is_some() && second.is_some());
        assert!(seats.take(b"app", 2).is_none());
        assert!(seats.take(b"other", 2).is_some());
        drop(first);
        let third = seats.take(b"app", 2);
        assert!(third.is_some() && seats.take(b"app", 2).is_none());
        drop((second, third));
        assert!(seats.taken.lock().unwrap().is_empty(), "nothing stays of who has left");
        let all: Vec<_> = (0..100).map(|_| seats.take(b"app", 0)).collect();
        assert!(all.iter().all(Option::is_some));
        assert!(seats.take(b"app", 100).is_none(), "who came under no limit counts under one");
    }
}
