//! Connections' ids in statements and replies. `CONNECTION_ID()` is the proxy's id; but a statement that reads ids from
//! the server's own tables, or asks who holds a lock, is run with the member's ids, and its rows are shown with the
//! proxy's.
//!
//! Knows which ids stand for each other. Must not know how rows are written.

use std::collections::HashMap;

use super::{connections::Used, order::Order, run::Client};
use crate::{
    backend::Translation,
    sql::{Facts, HeldIds, IdUse, Kind, Span, Statement, held_ids},
    wire::{
        HEADER_LEN,
        attributes::Layout,
        id_columns::{Encoding, Shown},
        packet::put_message,
        parameters::parameters,
    },
};

/// The longest message whose parameters are looked through for ids, in bytes.
const LONGEST: usize = 1024 * 1024;

/// What of a statement's ids is the member's own.
#[derive(Clone, Debug)]
pub(super) struct Ids {
    held: HeldIds,
    /// Number of the parameters of a prepared statement; none for a text.
    params: Option<u16>,
}

impl Ids {
    /// In a text that is sent once, or in one that has been prepared.
    pub fn of(statement: &Statement, sql: &[u8], params: Option<u16>) -> Self {
        let mut held = held_ids(sql, statement.dialect);
        if statement.has(Facts::SEVERAL) {
            // Columns of which result nobody knows.
            held.lock_columns.clear();
        }
        Ids { held, params }
    }
}

impl Client {
    /// Whether a statement compares ids with those of the server's own tables, so that they must be the member's.
    pub(super) fn holds_ids(&self, statement: &Statement) -> bool {
        let unqualified = self.session.in_system_schema && statement.has(Facts::READS_TABLES);
        // What is stored (a view, a procedure) keeps its words.
        (statement.has(Facts::HOLDS_IDS) || unqualified) && statement.kind != Kind::Ddl
    }

    /// Whose the connections to the member are.
    pub(super) fn translation(&self, used: &mut Used, ids: &Ids) -> Translation {
        let users = self.proxy.clients.users_of(used.address).into_iter();
        let shown: HashMap<u32, Shown> = users
            .map(|(thread_id, user)| {
                let (host, host_alone) = (user.peer.to_string(), user.peer.ip().to_string());
                (thread_id, Shown { id: user.id.get(), host, host_alone })
            })
            .collect();
        let encoding = if ids.params.is_some() { Encoding::Binary } else { Encoding::Text };
        let member = used.lease.parts().0.capabilities();
        Translation::new(shown, ids.held.lock_columns.clone(), encoding, member)
    }

    /// The message with the member's ids; none if it stays as it is.
    pub(super) fn with_member_ids(&self, order: &Order<'_>, ids: &Ids, translation: &Translation) -> Option<Vec<u8>> {
        match ids.params {
            None => self.text_with_member_ids(order, ids, translation),
            Some(params) => self.parameters_with_member_ids(order.message, params, translation),
        }
    }

    fn text_with_member_ids(&self, order: &Order<'_>, ids: &Ids, translation: &Translation) -> Option<Vec<u8>> {
        let (_, sql) = order.statement?;
        let front = order.message.strip_suffix(sql)?;
        let numbers = ids.held.numbers.iter().filter_map(|(span, number)| {
            translation.thread_of(*number).map(|thread_id| (*span, thread_id.to_string().into_bytes()))
        });
        let columns = ids.held.own_columns.iter().map(|span| (*span, self.own_column(span.of(sql))));
        let mut others: Vec<(Span, Vec<u8>)> = numbers.chain(columns).collect();
        if others.is_empty() {
            return None;
        }
        others.sort_by_key(|(span, _)| span.start);
        let payload = [front.get(HEADER_LEN..).unwrap_or_default(), &replaced(sql, &others)].concat();
        let mut message = Vec::with_capacity(payload.len() + HEADER_LEN);
        put_message(&mut message, 0, &payload);
        Some(message)
    }

    fn parameters_with_member_ids(&self, message: &[u8], params: u16, translation: &Translation) -> Option<Vec<u8>> {
        let payload = message.get(HEADER_LEN..).filter(|_| message.len() <= LONGEST)?;
        let found = parameters(payload, params, Layout::of(self.login.capabilities))?;
        let mut changed: Option<Vec<u8>> = None;
        // From the last one on, so that those in front stay where they are.
        for parameter in found.into_iter().rev().flatten() {
            let number = parameter.number(payload).and_then(|number| u32::try_from(number).ok());
            if let Some(thread_id) = number.and_then(|number| translation.thread_of(number)) {
                changed = Some(parameter.with_number(changed.as_deref().unwrap_or(payload), thread_id));
            }
        }
        let payload = changed?;
        let mut message = Vec::with_capacity(payload.len() + HEADER_LEN);
        put_message(&mut message, 0, &payload);
        Some(message)
    }

    /// The text with this session's own id in it as a number; where ids are compared, only as a column of its own.
    pub(super) fn with_ids(&self, statement: &Statement, sql: &[u8]) -> Vec<u8> {
        let compares = self.holds_ids(statement);
        let held = held_ids(sql, statement.dialect);
        let mut others = Vec::new();
        for id in statement.ids.as_slice() {
            let (written, start) = (id.span.of(sql), id.span.start as usize);
            match id.id_use {
                IdUse::Own if held.own_columns.contains(&id.span) => others.push((id.span, self.own_column(written))),
                IdUse::Own if compares => {}
                // One of several statements: the member's to do, and the id its own.
                IdUse::Own if is_killed(sql.get(..start).unwrap_or_default()) => {}
                IdUse::Own => others.push((id.span, self.registered.handle.id.get().to_string().into_bytes())),
                IdUse::Explain => {
                    let thread_id = self.member_thread(written);
                    others.extend(thread_id.map(|thread_id| (id.span, thread_id.to_string().into_bytes())));
                }
                IdUse::Kill => {}
            }
        }
        replaced(sql, &others)
    }

    /// The own id as a column that keeps its name.
    fn own_column(&self, written: &[u8]) -> Vec<u8> {
        let mut out = format!("{} AS `", self.registered.handle.id.get()).into_bytes();
        out.extend(written.iter().filter(|&&byte| byte != b'`'));
        out.push(b'`');
        out
    }
}

/// The text with these in place of what stands there, in order.
fn replaced(sql: &[u8], others: &[(Span, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(sql.len() + 32);
    let mut at = 0;
    for (span, other) in others {
        out.extend_from_slice(sql.get(at..span.start as usize).unwrap_or_default());
        out.extend_from_slice(other);
        at = span.end as usize;
    }
    out.extend_from_slice(sql.get(at..).unwrap_or_default());
    out
}

/// Whether connection ids in the text must be replaced. What is stored (a view, a procedure) keeps its words.
pub(super) fn names_ids(statement: &Statement) -> bool {
    !statement.ids.as_slice().is_empty() && statement.kind != Kind::Ddl
}

/// Whether a `KILL` stands before.
fn is_killed(before: &[u8]) -> bool {
    let word = before.trim_ascii_end().rsplit(|byte| !byte.is_ascii_alphanumeric()).next().unwrap_or_default();
    [&b"kill"[..], b"query", b"connection", b"soft", b"hard"].iter().any(|verb| word.eq_ignore_ascii_case(verb))
}
