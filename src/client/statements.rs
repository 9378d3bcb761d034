//! The prepared statements of one session, by the ids that its client knows.
//!
//! Knows how many there are and what of them stands on a connection, without looking at each. Must not know connections.

use std::sync::Arc;

use super::{
    by_id::ById,
    previous::asks,
    texts::{Counted, StatementText},
};
use crate::{session::PinReason, sql::Statement};

/// The most that one session may have: the servers' usual `max_prepared_stmt_count`, which there is for all together.
pub(super) const MAX_OF_SESSION: usize = 16_382;
/// Tables that are larger and mostly empty give memory back.
const SMALL: usize = 64;

/// The statements that a session has prepared.
#[derive(Debug, Default)]
pub(super) struct PreparedStatements {
    by_id: ById<u32, Prepared>,
    /// How often each text is prepared.
    by_text: ById<u64, u32>,
    cursors: usize,
    long_data: usize,
    questions: usize,
    last_id: u32,
}

#[derive(Debug)]
pub(super) struct Prepared {
    pub what: Arc<What>,
    /// The parameter types of its last execution.
    pub types: Vec<u8>,
    stands: Stands,
}

#[derive(Debug)]
pub(super) struct What {
    pub text: Arc<StatementText>,
    pub statement: Statement,
    pub params: u16,
    _counted: Counted,
}

impl What {
    pub const fn new(text: Arc<StatementText>, statement: Statement, params: u16, counted: Counted) -> Self {
        What { text, statement, params, _counted: counted }
    }
}

/// What a prepared statement has on its connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stands {
    /// A cursor is open.
    pub cursor: bool,
    /// Parameters have been sent ahead.
    pub long_data: bool,
    /// They were sent into a read-only transaction on a replica, with which they end.
    pub on_replica: bool,
}

impl Stands {
    pub const fn nothing(self) -> bool {
        !self.cursor && !self.long_data
    }
}

impl Prepared {
    pub const fn stands(&self) -> Stands {
        self.stands
    }
}

impl PreparedStatements {
    /// Forgets all.
    pub fn clear(&mut self) {
        *self = PreparedStatements { last_id: self.last_id, ..PreparedStatements::default() };
    }

    /// Whether there are as many as there may be.
    pub fn is_full(&self) -> bool {
        self.by_id.len() >= MAX_OF_SESSION
    }

    /// An id that the session has not.
    pub fn new_id(&mut self) -> u32 {
        loop {
            self.last_id = self.last_id.wrapping_add(1).max(1);
            if !self.by_id.contains_key(&self.last_id) {
                return self.last_id;
            }
        }
    }

    /// Whether this text is prepared already.
    pub fn has_text(&self, text: &StatementText) -> bool {
        self.by_text.contains_key(&text.id())
    }

    pub fn insert(&mut self, id: u32, what: What) {
        self.remove(id);
        *self.by_text.entry(what.text.id()).or_default() += 1;
        self.questions += usize::from(asks(&what.statement));
        self.by_id.insert(id, Prepared { what: Arc::new(what), types: Vec::new(), stands: Stands::default() });
    }

    pub fn remove(&mut self, id: u32) -> Option<Prepared> {
        let before = self.stand(id, |_| Stands::default()).unwrap_or_default();
        let mut removed = self.by_id.remove(&id)?;
        removed.stands = before;
        self.questions -= usize::from(asks(&removed.what.statement));
        let text = removed.what.text.id();
        if let Some(count) = self.by_text.get_mut(&text) {
            *count -= 1;
            if *count == 0 {
                self.by_text.remove(&text);
            }
        }
        if self.by_id.capacity() > SMALL && self.by_id.len() < self.by_id.capacity() / 4 {
            self.by_id.shrink_to(self.by_id.len() * 2);
            self.by_text.shrink_to(self.by_text.len() * 2);
        }
        Some(removed)
    }

    pub fn get(&self, id: u32) -> Option<&Prepared> {
        self.by_id.get(&id)
    }

    pub fn types_mut(&mut self, id: u32) -> Option<(&What, &mut Vec<u8>)> {
        self.by_id.get_mut(&id).map(|prepared| (&*prepared.what, &mut prepared.types))
    }

    /// Changes what of a statement stands on its connection; gives what stood before.
    pub fn stand(&mut self, id: u32, change: impl FnOnce(Stands) -> Stands) -> Option<Stands> {
        let prepared = self.by_id.get_mut(&id)?;
        let before = prepared.stands;
        let now = change(before);
        prepared.stands = now;
        self.cursors = self.cursors + usize::from(now.cursor) - usize::from(before.cursor);
        self.long_data = self.long_data + usize::from(now.long_data) - usize::from(before.long_data);
        Some(before)
    }

    /// Whether anything stands for which there is this pin.
    pub const fn any_stands(&self, reason: PinReason) -> bool {
        match reason {
            PinReason::OpenCursor => self.cursors > 0,
            PinReason::LongData => self.long_data > 0,
            _ => false,
        }
    }

    /// Whether one of them asks for what the statement before has left.
    pub const fn any_asks(&self) -> bool {
        self.questions > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        client::texts::StatementTexts,
        session::Settings,
        sql::{Dialect, classify},
    };

    fn what(texts: &StatementTexts, sql: &str) -> What {
        let text = texts.intern(sql.as_bytes(), &Arc::new(Settings::default()));
        let statement = classify(sql.as_bytes(), &Dialect::default());
        What::new(text, statement, 0, texts.count())
    }

    #[test]
    fn what_stands_is_counted() {
        let texts = StatementTexts::default();
        let mut statements = PreparedStatements::default();
        statements.insert(1, what(&texts, "SELECT 1"));
        statements.insert(2, what(&texts, "SELECT ROW_COUNT()"));
        assert!(statements.any_asks() && !statements.any_stands(PinReason::OpenCursor));
        for id in [1, 2] {
            statements.stand(id, |_| Stands { cursor: true, ..Stands::default() });
        }
        statements.stand(1, |stands| Stands { long_data: true, ..stands });
        assert!(statements.remove(1).unwrap().stands().cursor);
        assert!(statements.any_stands(PinReason::OpenCursor) && !statements.any_stands(PinReason::LongData));
        statements.stand(2, |_| Stands::default());
        assert!(!statements.any_stands(PinReason::OpenCursor));
        statements.remove(2);
        assert!(!statements.any_asks());
    }

    #[test]
    fn a_text_is_known_as_long_as_it_is_prepared() {
        let texts = StatementTexts::default();
        let mut statements = PreparedStatements::default();
        let text = what(&texts, "SELECT 1").text;
        for id in [1, 2] {
            statements.insert(id, what(&texts, "SELECT 1"));
        }
        statements.remove(1);
        assert!(statements.has_text(&text));
        statements.remove(2);
        assert!(!statements.has_text(&text));
    }

    #[test]
    fn the_number_is_bounded_and_the_table_shrinks() {
        let texts = StatementTexts::default();
        let mut statements = PreparedStatements::default();
        while !statements.is_full() {
            let id = statements.new_id();
            statements.insert(id, what(&texts, &format!("SELECT {id}")));
        }
        assert_eq!(statements.by_id.len(), MAX_OF_SESSION);
        for id in 1..=MAX_OF_SESSION as u32 {
            statements.remove(id);
        }
        assert!(statements.by_id.capacity() <= SMALL && statements.by_text.capacity() <= SMALL);
    }
}
