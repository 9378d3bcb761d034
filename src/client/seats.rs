//! How many clients of one user may be connected.
//!
//! Knows names and counts. Must not know why somebody comes or goes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The seats of all users.
#[derive(Debug)]
pub struct Seats {
    /// For each user; 0: any number, and nobody is counted.
    limit: usize,
    taken: Mutex<HashMap<Vec<u8>, usize>>,
}

/// One client's seat; dropping it leaves.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    /// None where nobody is counted.
    user: Option<Vec<u8>>,
}

impl Seats {
    /// So many for each user; 0: any number.
    #[must_use]
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Seats { limit, taken: Mutex::default() })
    }

    /// A seat for this user, if there is one.
    pub fn take(self: &Arc<Self>, user: &[u8]) -> Option<Seat> {
        if self.limit == 0 {
            return Some(Seat { seats: Arc::clone(self), user: None });
        }
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(user.to_vec()).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(Seat { seats: Arc::clone(self), user: Some(user.to_vec()) })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(user) = &self.user else { return };
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
        let seats = Seats::new(2);
        let first = seats.take(b"app");
        let second = seats.take(b"app");
        assert!(first.is_some() && second.is_some());
        assert!(seats.take(b"app").is_none());
        assert!(seats.take(b"other").is_some());
        drop(first);
        let third = seats.take(b"app");
        assert!(third.is_some() && seats.take(b"app").is_none());
        drop((second, third));
        assert!(seats.taken.lock().unwrap().is_empty(), "nothing stays of who has left");
        let any = Seats::new(0);
        let all: Vec<_> = (0..100).map(|_| any.take(b"app")).collect();
        assert!(all.iter().all(Option::is_some) && any.taken.lock().unwrap().is_empty());
    }
}
