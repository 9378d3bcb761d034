//! One command that is to be done at a member, and how it ended.
//!
//! Knows what is to be sent, and what of it is the member's own. Must not know how it is done.

use std::sync::Arc;

use super::incoming::Incoming;
use crate::{
    backend::Reply,
    route::Route,
    sql::{Facts, HeldIds, Statement, held_ids},
    upstream::StatementText,
    wire::{
        Command, HEADER_LEN,
        packet::MessageEnd,
        prepared::{asks_for_cursor, statement_id},
        response::Shape,
    },
};

/// A command to be done at a member.
pub(super) struct Order<'a> {
    /// Where, and why.
    pub route: Route,
    /// Its bytes, as far as they are in memory.
    pub message: &'a [u8],
    /// Where it ends; the rest is streamed.
    pub end: MessageEnd,
    /// What kind of reply comes.
    pub shape: Shape,
    /// What it says, if it is SQL.
    pub statement: Option<(&'a Statement, &'a [u8])>,
    /// The prepared statement whose id stands in the message.
    pub prepared: Option<&'a Arc<StatementText>>,
    /// The statement that is being prepared, and the id that the client gets for it.
    pub preparing: Option<(&'a Arc<StatementText>, u32)>,
    /// That one is a `SET` of user variables.
    pub prepares_set: bool,
    /// A statement of the proxy's own that must run right before.
    pub preface: Option<&'a str>,
    /// It compares connections' ids with the member's own.
    pub ids: Option<&'a Ids>,
    /// It has no reply.
    pub is_silent: bool,
}

/// How a command ended.
#[derive(Debug)]
pub(super) enum Finish {
    /// A member answered, perhaps with an error.
    Replied(Reply),
    /// The command has no reply.
    Silent,
    /// The client was told that no member could serve, or that one refused the session's settings.
    Refused,
    /// The client was told that the member was lost.
    Lost,
}

impl Finish {
    /// The member's answer.
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Finish::Replied(reply) => Some(reply),
            Finish::Silent | Finish::Refused | Finish::Lost => None,
        }
    }
}

/// How one attempt ended.
pub(super) enum Attempt {
    Done(Finish),
    /// The command is tried again, elsewhere.
    Again,
}

impl<'a> Order<'a> {
    /// A command that is complete in memory or begins there.
    pub fn new(route: Route, incoming: &'a Incoming, shape: Shape) -> Self {
        Order {
            route,
            message: incoming.message(),
            end: incoming.end,
            shape,
            statement: None,
            prepared: None,
            preparing: None,
            prepares_set: false,
            preface: None,
            ids: None,
            is_silent: false,
        }
    }

    /// The client's id of the statement that is prepared, or fetched from.
    pub fn statement_id(&self) -> Option<u32> {
        let named =
            || self.message.get(HEADER_LEN..).and_then(statement_id).filter(|_| matches!(self.shape, Shape::Rows));
        self.preparing.map(|(_, id)| id).or_else(named)
    }

    /// Whether its prepared statement gets a cursor, or parameters ahead of its execution.
    pub(super) fn leaves_standing(&self) -> bool {
        let payload = self.message.get(HEADER_LEN..).unwrap_or_default();
        let executes = payload.first() == Some(&(Command::StmtExecute as u8));
        self.is_silent || (executes && asks_for_cursor(payload))
    }

    /// Whether it executes a prepared statement.
    pub const fn executes(&self) -> bool {
        self.prepared.is_some() && matches!(self.shape, Shape::Results | Shape::Cursor)
    }
}

/// What of a statement's ids is the member's own.
#[derive(Clone, Debug)]
pub(super) struct Ids {
    pub held: HeldIds,
    /// Number of the parameters of a prepared statement; none for a text.
    pub params: Option<u16>,
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
