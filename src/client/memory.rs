//! What sessions remember of a pooled connection: the settings it has, and the statements prepared on it.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::{Arc, Weak},
    time::Duration,
};

use super::{bring::waits_for_sync, by_id::ById, registry::ClientId, texts::StatementText};
use crate::session::Settings;

/// The most statements kept prepared on one connection; beyond, the one used longest ago is closed.
const MAX_PREPARED: usize = 512;
/// The most ids that are remembered of replies: what was made long before is then taken for another session's.
const MAX_TOLD_IDS: usize = 16;
/// Statements that are closed in one write, if there is no other occasion.
const MANY_TO_CLOSE: usize = 16;
/// The longest time that a server knows.
pub const LONGEST: Duration = Duration::from_secs(31_536_000);

/// Travels with a connection through the pool.
#[derive(Debug, Default)]
pub struct Memory {
    /// What the connection has now.
    pub settings: Arc<Settings>,
    /// How far it is from being usable.
    pub condition: Condition,
    /// Character sets of a fresh connection, which a reset may not bring back.
    pub baseline: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The SQL mode of a fresh connection.
    pub sql_mode: Vec<u8>,
    /// How long a fresh session may be idle (`wait_timeout`); zero until it is known.
    pub wait_timeout: Duration,
    /// Whether the member tells changes of the session.
    pub has_trackers: bool,
    /// Something may stand on it that its session does not know of: once let go, it must be reset.
    pub has_leftovers: bool,
    /// `SET STATEMENT … FOR` ran on it. `MariaDB` tells what that put back with a later reply, which then seems to tell of
    /// its own statement: once let go, it must be reset.
    pub tells_late: bool,
    /// Triggers or stored functions may have set something on it that no member told: it must be reset before another
    /// session uses it.
    pub may_hide: bool,
    /// It was reset: `MariaDB` (10.11.19) then takes the connection for one of its own threads, and `wsrep_sync_wait` has no
    /// effect on it any more.
    pub ignores_sync_wait: bool,
    /// The session that used it last.
    pub last_user: Option<ClientId>,
    /// What `LAST_INSERT_ID()` gives here, while it is the last user's own.
    pub insert_id: Option<u64>,
    /// Whether [`insert_id`](Self::insert_id) may be an id that a statement gave itself, which is not `LAST_INSERT_ID()`,
    /// while that is what another session left.
    pub insert_id_is_unsure: bool,
    /// The ids that replies have told since then, the newest last: one of them is `LAST_INSERT_ID()` if the member says so.
    pub told_insert_ids: VecDeque<u64>,
    /// What `ROW_COUNT()` gives here, while it is the last user's own.
    pub row_count: Option<i64>,
    /// Warnings or an error of a statement may stand here; statements without a table leave them on `MariaDB`.
    pub has_diagnostics: bool,
    prepared: ById<u64, Prepared>,
    /// Those of them that have a cursor open, or parameters sent ahead: they must not be closed.
    standing: HashSet<u64>,
    clock: u64,
    closing: Vec<u32>,
    /// What was dropped of all texts when those that are prepared here were looked through.
    swept: u64,
}

/// What must be done before the connection may serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Just logged in: tracking must be switched on.
    #[default]
    Fresh,
    /// Its settings are those in [`Memory::settings`].
    Known,
    /// The session has changed what the trackers tell: they must be set again.
    Untracked,
    /// It may carry anything: it must be reset.
    Tainted,
}

#[derive(Debug)]
struct Prepared {
    text: Weak<StatementText>,
    member_id: u32,
    used: u64,
    /// The client with whose parameter types it was executed last.
    typed_by: Option<ClientId>,
}

/// Whether an execution says of which types its parameters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Types {
    /// There are no parameters.
    None,
    /// It does.
    Sent,
    /// They are those of the last execution.
    LeftOut,
}

impl Memory {
    /// What `character_set_client` is on the connection.
    pub fn client_character_set(&self) -> Option<&[u8]> {
        let name = b"character_set_client".as_slice();
        self.settings.variables.get(name).or_else(|| self.baseline.get(name)).map(Vec::as_slice)
    }

    /// What `LAST_INSERT_ID()` gives is no longer known, or known for sure.
    pub fn know_insert_id(&mut self, id: Option<u64>) {
        self.insert_id = id;
        self.insert_id_is_unsure = false;
        self.told_insert_ids.clear();
    }

    /// A reply told an id, which the statement may have given itself; gives whether it is the first.
    pub fn told_insert_id(&mut self, id: u64) -> bool {
        let is_first = self.insert_id.is_none();
        self.insert_id_is_unsure |= is_first;
        self.insert_id = Some(id);
        if self.insert_id_is_unsure && self.told_insert_ids.back() != Some(&id) {
            if self.told_insert_ids.len() == MAX_TOLD_IDS {
                self.told_insert_ids.pop_front();
            }
            self.told_insert_ids.push_back(id);
        }
        is_first
    }

    /// The member's id of a statement that is prepared here.
    pub fn prepared(&mut self, text: &StatementText) -> Option<u32> {
        self.clock += 1;
        let prepared = self.prepared.get_mut(&text.id())?;
        prepared.used = self.clock;
        prepared.typed_by = None;
        Some(prepared.member_id)
    }

    /// The same for a client that has executed it here with parameters of the same types before, or sends types along.
    pub fn prepared_for(&mut self, text: &StatementText, client: ClientId, types: Types) -> Option<u32> {
        self.clock += 1;
        let prepared = self.prepared.get_mut(&text.id())?;
        prepared.used = self.clock;
        if types == Types::Sent {
            prepared.typed_by = Some(client);
        }
        Some(prepared.member_id)
    }

    /// It has been executed here with the parameter types that this client sent last.
    pub fn has_types(&mut self, text: &StatementText, client: ClientId) {
        if let Some(prepared) = self.prepared.get_mut(&text.id()) {
            prepared.typed_by = Some(client);
        }
    }

    /// Whether a connection of the pool's can serve a session with these settings at once: nothing must be said to it before.
    #[must_use]
    pub fn is_ready(&self, wanted: &Arc<Settings>) -> bool {
        let unclean = self.has_leftovers || self.tells_late || self.has_many_to_close();
        let cannot_wait = || self.ignores_sync_wait && waits_for_sync(wanted);
        self.has(wanted) && !unclean && !cannot_wait()
    }

    /// Whether a statement can be executed here as the client has sent it.
    #[must_use]
    pub fn has_prepared(&self, text: &StatementText, client: ClientId, types: Types) -> bool {
        self.prepared.get(&text.id()).is_some_and(|it| types != Types::LeftOut || it.typed_by == Some(client))
    }

    /// A statement has been prepared here. Statements that no session has any more, and the oldest beyond the bound,
    /// are to be closed.
    pub fn remember(&mut self, text: &Arc<StatementText>, member_id: u32) {
        self.clock += 1;
        let prepared = Prepared { text: Arc::downgrade(text), member_id, used: self.clock, typed_by: None };
        if let Some(before) = self.prepared.get_mut(&text.id()) {
            // The same text once more: the first may have a cursor, or data sent ahead.
            before.used = self.clock;
            self.closing.push(member_id);
            return;
        }
        self.prepared.insert(text.id(), prepared);
        self.forget_dead();
        while self.prepared.len() > MAX_PREPARED
            && let Some(oldest) = self.oldest_but(text.id())
        {
            self.forget(oldest);
        }
    }

    fn forget_dead(&mut self) {
        let is_dead = |it: &Prepared| it.text.strong_count() == 0;
        let dead: Vec<u64> = self.prepared.iter().filter(|(_, it)| is_dead(it)).map(|(id, _)| *id).collect();
        for id in dead {
            self.forget(id);
        }
    }

    /// The statement used longest ago of those that may be closed.
    fn oldest_but(&self, kept: u64) -> Option<u64> {
        let may_close = |id: &u64| *id != kept && !self.standing.contains(id);
        let closable = self.prepared.iter().filter(|(id, _)| may_close(id));
        closable.min_by_key(|(_, it)| it.used).map(|(id, _)| *id)
    }

    /// The member has as many statements as it allows: all that need not stand here are to be closed. Whether there is one.
    pub fn shed(&mut self) -> bool {
        while let Some(oldest) = self.oldest_but(u64::MAX) {
            self.forget(oldest);
        }
        !self.closing.is_empty()
    }

    /// A statement gets a cursor, or parameters ahead of its execution.
    pub fn stands(&mut self, text_id: u64) {
        self.standing.insert(text_id);
    }

    /// It has neither any more.
    pub fn stands_no_more(&mut self, text_id: u64) {
        self.standing.remove(&text_id);
    }

    /// Whether texts have been dropped since it was last looked which of them are prepared here.
    #[must_use]
    pub fn may_have_dead(&self, dropped: u64) -> bool {
        !self.closing.is_empty() || (self.swept != dropped && !self.prepared.is_empty())
    }

    /// What no session has any more is to be closed.
    pub fn sweep(&mut self, dropped: u64) {
        self.swept = dropped;
        self.forget_dead();
    }

    /// A statement is to be closed here.
    pub fn forget(&mut self, text_id: u64) {
        self.standing.remove(&text_id);
        if let Some(prepared) = self.prepared.remove(&text_id) {
            self.closing.push(prepared.member_id);
        }
    }

    /// Whether so many statements wait to be closed that it is worth a write of its own.
    #[must_use]
    pub fn has_many_to_close(&self) -> bool {
        self.closing.len() >= MANY_TO_CLOSE
    }

    /// Statements to be closed at the member with the next command.
    pub fn take_closing(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.closing)
    }

    /// The connection was reset: nothing is prepared any more, and the settings are a fresh connection's but for the
    /// database and the role.
    pub fn was_reset(&mut self) {
        self.ignores_sync_wait = true;
        self.prepared.clear();
        self.standing.clear();
        self.closing.clear();
        self.know_insert_id(None);
        self.row_count = None;
        self.has_leftovers = false;
        self.tells_late = false;
        self.may_hide = false;
        self.last_user = None;
        self.has_diagnostics = false;
        let Settings { database, role, multi_statements, .. } = Settings::clone(&self.settings);
        self.settings = Arc::new(Settings { database, role, multi_statements, ..Settings::default() });
    }

    /// The session lets the connection go.
    pub fn let_go(&mut self) {
        self.standing.clear();
        if self.has_leftovers || self.tells_late {
            self.condition = Condition::Tainted;
        }
    }

    /// After what time without a command the member ends the connection.
    #[must_use]
    pub fn idle_limit(&self) -> Duration {
        match self.settings.variables.get(b"wait_timeout".as_slice()) {
            Some(value) => seconds(value),
            None if self.wait_timeout.is_zero() => LONGEST,
            None => self.wait_timeout,
        }
    }

    /// Whether the connection has just these settings.
    #[must_use]
    pub fn has(&self, wanted: &Arc<Settings>) -> bool {
        self.condition == Condition::Known && (Arc::ptr_eq(&self.settings, wanted) || self.settings == *wanted)
    }
}

/// The value of a timeout in seconds; 0, and what is no number, never ends.
#[must_use]
pub fn seconds(value: &[u8]) -> Duration {
    let seconds = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0);
    if seconds == 0 { LONGEST } else { Duration::from_secs(seconds) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::texts::StatementTexts;

    #[test]
    fn statements_that_nobody_has_are_closed() {
        let (texts, settings) = (StatementTexts::default(), Arc::new(Settings::default()));
        let mut memory = Memory::default();
        let first = texts.intern(b"SELECT 1", &settings);
        memory.remember(&first, 10);
        assert_eq!(memory.prepared(&first), Some(10));
        drop(first);
        memory.remember(&texts.intern(b"SELECT 2", &settings), 11);
        assert_eq!(memory.take_closing(), [10]);
    }

    #[test]
    fn the_same_text_prepared_again_leaves_the_first_its_cursor() {
        let text = StatementTexts::default().intern(b"SELECT 1", &Arc::new(Settings::default()));
        let mut memory = Memory::default();
        memory.remember(&text, 10);
        memory.remember(&text, 11);
        assert_eq!((memory.prepared(&text), memory.take_closing()), (Some(10), vec![11]));
    }

    #[test]
    fn the_number_of_prepared_statements_is_bounded() {
        let (texts, settings) = (StatementTexts::default(), Arc::new(Settings::default()));
        let mut memory = Memory::default();
        let all: Vec<_> = (0..=MAX_PREPARED).map(|n| texts.intern(n.to_string().as_bytes(), &settings)).collect();
        for (n, text) in all.iter().enumerate() {
            memory.remember(text, n as u32);
        }
        assert_eq!(memory.take_closing(), [0]);
        assert_eq!(memory.prepared(&all[0]), None);
    }

    #[test]
    fn what_stands_is_not_closed_for_others() {
        let (texts, settings) = (StatementTexts::default(), Arc::new(Settings::default()));
        let mut memory = Memory::default();
        let all: Vec<_> = (0..=MAX_PREPARED).map(|n| texts.intern(n.to_string().as_bytes(), &settings)).collect();
        memory.remember(&all[0], 0);
        memory.stands(all[0].id());
        for (n, text) in all.iter().enumerate().skip(1) {
            memory.remember(text, n as u32);
        }
        assert_eq!((memory.prepared(&all[0]), memory.take_closing()), (Some(0), vec![1]));
        assert!(memory.shed());
        assert_eq!((memory.prepared.len(), memory.take_closing().len()), (1, MAX_PREPARED - 1));
        memory.let_go();
        assert!(memory.shed() && memory.prepared.is_empty());
    }

    #[test]
    fn what_was_dropped_is_found() {
        let (texts, settings) = (StatementTexts::default(), Arc::new(Settings::default()));
        let mut memory = Memory::default();
        let text = texts.intern(b"SELECT 1", &settings);
        memory.remember(&text, 7);
        assert!(!memory.may_have_dead(texts.dropped()));
        drop(text);
        assert!(memory.may_have_dead(texts.dropped()));
        memory.sweep(texts.dropped());
        assert_eq!(memory.take_closing(), [7]);
        assert!(!memory.may_have_dead(texts.dropped()));
    }
}
