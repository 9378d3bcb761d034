//! Texts of prepared statements. Sessions that prepare the same text under the same settings share what members have
//! prepared for it.

use std::sync::{
    Arc, Mutex, PoisonError, Weak,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use crate::session::Settings;

/// The most bytes that texts of all sessions may have together.
const MAX_BYTES: usize = 256 * 1024 * 1024;
/// The most statements that all sessions may have prepared together.
const MAX_STATEMENTS: usize = 1_048_576;

/// What there is of all sessions together.
#[derive(Debug, Default)]
struct Usage {
    bytes: AtomicUsize,
    statements: AtomicUsize,
    dropped: AtomicU64,
}

/// A statement that is counted until this is dropped.
#[derive(Debug)]
pub struct Counted(Arc<Usage>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.statements.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A text and the settings under which it was prepared: database, SQL mode and character sets change what it means.
#[derive(Debug)]
pub struct StatementText {
    id: u64,
    /// The SQL.
    pub sql: Vec<u8>,
    /// The settings at the time.
    pub settings: Arc<Settings>,
    usage: Arc<Usage>,
}

impl Drop for StatementText {
    fn drop(&mut self) {
        self.usage.bytes.fetch_sub(self.sql.len(), Ordering::Relaxed);
        self.usage.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

impl StatementText {
    /// Different texts have different ids.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }
}

/// The texts in use; equal ones are one.
#[derive(Debug, Default)]
pub struct StatementTexts {
    known: Mutex<HashMap<u64, Vec<Weak<StatementText>>>>,
    next: AtomicU64,
    usage: Arc<Usage>,
}

impl StatementTexts {
    /// The text with these settings.
    pub fn intern(&self, sql: &[u8], settings: &Arc<Settings>) -> Arc<StatementText> {
        let mut hasher = DefaultHasher::new();
        sql.hash(&mut hasher);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Self::sweep(&mut known);
        let same_hash = known.entry(hasher.finish()).or_default();
        // One that nobody has any more keeps its memory for as long as it is known here.
        same_hash.retain(|text| text.strong_count() > 0);
        let found = same_hash
            .iter()
            .filter_map(Weak::upgrade)
            .find(|text| text.sql == sql && (Arc::ptr_eq(&text.settings, settings) || text.settings == *settings));
        found.unwrap_or_else(|| {
            let text = self.alone(sql, settings);
            same_hash.push(Arc::downgrade(&text));
            text
        })
    }

    /// The text as one that is shared with nobody.
    pub fn alone(&self, sql: &[u8], settings: &Arc<Settings>) -> Arc<StatementText> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.usage.bytes.fetch_add(sql.len(), Ordering::Relaxed);
        let (settings, usage) = (Arc::clone(settings), Arc::clone(&self.usage));
        Arc::new(StatementText { id, sql: sql.to_vec(), settings, usage })
    }

    /// Counts a statement of a session.
    pub fn count(&self) -> Counted {
        self.usage.statements.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(&self.usage))
    }

    /// Whether sessions have as much prepared as they may have together.
    pub fn are_full(&self) -> bool {
        let usage = &self.usage;
        usage.bytes.load(Ordering::Relaxed) >= MAX_BYTES || usage.statements.load(Ordering::Relaxed) >= MAX_STATEMENTS
    }

    /// Grows when a text is dropped that no session has any more.
    pub fn dropped(&self) -> u64 {
        self.usage.dropped.load(Ordering::Relaxed)
    }

    /// Drops what no session has any more, once the table has doubled; so its size follows what is in use.
    fn sweep(known: &mut HashMap<u64, Vec<Weak<StatementText>>>) {
        if known.len() == known.capacity() {
            known.retain(|_, texts| {
                texts.retain(|text| text.strong_count() > 0);
                !texts.is_empty()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one_only_under_equal_settings() {
        let texts = StatementTexts::default();
        let plain = Arc::new(Settings::default());
        let in_shop = Arc::new(Settings { database: Some(b"shop".to_vec()), ..Settings::default() });
        let first = texts.intern(b"SELECT 1", &plain);
        assert_eq!(first.id(), texts.intern(b"SELECT 1", &plain).id());
        assert_ne!(first.id(), texts.intern(b"SELECT 1", &in_shop).id());
        assert_ne!(first.id(), texts.intern(b"SELECT 2", &plain).id());
    }

    #[test]
    fn texts_that_are_dropped_leave_the_table() {
        let texts = StatementTexts::default();
        let settings = Arc::new(Settings::default());
        for n in 0..10_000 {
            texts.intern(format!("SELECT {n}").as_bytes(), &settings);
        }
        assert!(texts.known.lock().unwrap().len() < 100);
        assert_eq!((texts.usage.bytes.load(Ordering::Relaxed), texts.dropped()), (0, 10_000));
    }

    #[test]
    fn a_text_that_comes_again_and_again_is_known_once() {
        let texts = StatementTexts::default();
        for n in 0..1_000_u32 {
            let database = Some(n.to_be_bytes().to_vec());
            let settings = Arc::new(Settings { database, ..Settings::default() });
            texts.intern(b"SELECT 1", &settings);
            texts.intern(b"SELECT 1", &Arc::default());
        }
        let known: usize = texts.known.lock().unwrap().values().map(Vec::len).sum();
        assert!(known <= 2, "{known}");
    }
}
