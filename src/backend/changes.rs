//! What the OK packets of one reply have told of the session, of which there may be as many as a text has statements.
//!
//! Knows which of it the newest stands for. Must not know what a session makes of it.

use std::collections::HashSet;

use crate::wire::ok::Change;

/// What is noted before it is looked through for what newer words have replaced, in bytes.
const LOOK_AT: usize = 64 * 1024;
/// The most that may be left then, in bytes: all variables of a server are far less.
const MOST: usize = 1024 * 1024;
/// The most GTIDs of one reply that are remembered one by one.
const MOST_GTIDS: usize = 256;
/// What is kept besides the bytes of a change's own.
const EACH: usize = size_of::<Change>();

/// What a reply's OK packets have told, in the order in which the newest of each kind came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    list: Vec<Change>,
    bytes: usize,
    look_at: usize,
}

impl Changes {
    /// Notes a change.
    pub fn note(&mut self, change: Change) {
        self.bytes += size(&change);
        self.list.push(change);
        if self.bytes > self.look_at.max(LOOK_AT) {
            self.compact();
        }
    }

    /// Whether more was told than any session has.
    #[must_use]
    pub const fn are_too_many(&self) -> bool {
        self.look_at > 2 * MOST
    }

    /// Drops what newer words have replaced.
    fn compact(&mut self) {
        let mut seen = HashSet::new();
        let mut gtids = 0_usize;
        let mut kept: Vec<Change> = Vec::new();
        for change in std::mem::take(&mut self.list).into_iter().rev() {
            let is_new = match &change {
                Change::Variable(name, _) => seen.insert(name.clone()),
                Change::Gtids(_) => {
                    gtids += 1;
                    gtids <= MOST_GTIDS
                }
                Change::Schema(_) => !kept.iter().any(|it| matches!(it, Change::Schema(_))),
                Change::State => !kept.contains(&Change::State),
            };
            if is_new {
                kept.push(change);
            }
        }
        if gtids > MOST_GTIDS {
            // Nobody can read these: some write whose GTID is not known.
            kept.push(Change::Gtids(b"?".to_vec()));
        }
        kept.reverse();
        self.list = kept;
        self.bytes = self.list.iter().map(size).sum();
        self.look_at = 2 * self.bytes;
    }
}

impl std::ops::Deref for Changes {
    type Target = [Change];

    fn deref(&self) -> &[Change] {
        &self.list
    }
}

impl Extend<Change> for Changes {
    fn extend<I: IntoIterator<Item = Change>>(&mut self, changes: I) {
        for change in changes {
            self.note(change);
        }
    }
}

impl IntoIterator for Changes {
    type Item = Change;
    type IntoIter = std::vec::IntoIter<Change>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

const fn size(change: &Change) -> usize {
    EACH + match change {
        Change::Variable(name, value) => name.len() + value.len(),
        Change::Schema(text) | Change::Gtids(text) => text.len(),
        Change::State => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str, value: usize) -> Change {
        Change::Variable(name.as_bytes().to_vec(), value.to_string().into_bytes())
    }

    #[test]
    fn the_newest_word_stands_for_all() {
        let mut changes = Changes::default();
        for n in 0..600_000 {
            changes.note(Change::State);
            changes.note(variable("sql_mode", n));
            changes.note(variable(["a", "b"][n % 2], n));
            changes.note(Change::Gtids(format!("0-1-{n}").into_bytes()));
        }
        assert!(changes.len() < 10_000 && !changes.are_too_many(), "{}", changes.len());
        let last = |name: &str| {
            let named = changes.iter().rev().find_map(|change| match change {
                Change::Variable(it, value) if it == name.as_bytes() => Some(value.clone()),
                _ => None,
            });
            String::from_utf8(named.unwrap()).unwrap()
        };
        assert_eq!((last("sql_mode"), last("a"), last("b")), ("599999".into(), "599998".into(), "599999".into()));
        assert!(changes.contains(&Change::State) && changes.contains(&Change::Gtids(b"?".to_vec())));
    }

    #[test]
    fn a_few_changes_are_as_they_came() {
        let mut changes = Changes::default();
        let told = [variable("a", 1), Change::Schema(b"s".to_vec()), variable("a", 2), Change::State, Change::State];
        changes.extend(told.iter().cloned());
        assert_eq!(&changes[..], told);
    }

    #[test]
    fn a_member_that_tells_without_end_is_found_out() {
        let mut changes = Changes::default();
        let mut told = 0;
        while !changes.are_too_many() {
            changes.note(variable(&format!("name{told}"), told));
            told += 1;
        }
        assert!(changes.bytes < 3 * MOST && told < 100_000, "{} {told}", changes.bytes);
    }
}
