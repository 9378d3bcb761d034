//! Before a command: its connection is brought to the session's state; then it is sent, with what stands differently there
//! (ids of statements, numbers of the previous statement) put in its place.
//!
//! Knows what the session needs of a connection. Must not know which member was chosen, nor what becomes of the reply.

use super::{
    bring::{BringError, Held, bring, close_statements, prepared_id},
    connections::Used,
    kept::Numbers,
    memory::{Condition, Memory},
    order::Order,
    refusal,
    run::{Client, Gone},
};
use crate::{
    backend::{Connection, SendError, Translation},
    wire::{HEADER_LEN, attributes::Layout, prepared::put_statement_id},
};

/// What a client keeps of the room for messages that are changed, in bytes.
const KEPT_SCRATCH: usize = 4 * 1024;

/// A connection that may serve.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    /// The member's id of the prepared statement.
    member_id: Option<u32>,
    /// What stands in place of what the statement asks of the one before.
    numbers: Numbers,
}

impl Client {
    /// Brings the connection to the session's settings, to what the previous statement left, and prepares what is
    /// executed.
    pub(super) async fn make_ready(&mut self, used: &mut Used, order: &Order<'_>) -> Result<Ready, BringError> {
        self.catch_up(used).await?;
        self.forget_what_others_took(used);
        let mut with_numbers = self.prepared_with_numbers(used, order);
        let id = used.lease.id();
        let prepared = with_numbers.as_ref().or(order.prepared);
        if prepared.is_some_and(|text| used.lease.parts().1.prepared(text).is_none())
            && self.previous.has_diagnostics_on(id)
        {
            // Preparing takes them away.
            Box::pin(self.keep_answers(used)).await;
            with_numbers = self.prepared_with_numbers(used, order);
        }
        let prepared = with_numbers.as_ref().or(order.prepared);
        let (connection, memory) = used.lease.parts();
        let held = used.held.into();
        self.bring_settings(connection, memory, held).await?;
        let member_id = match prepared {
            Some(text) => {
                let id = Box::pin(prepared_id(connection, memory, text, &self.session.settings, held)).await?;
                if order.leaves_standing() {
                    memory.stands(text.id());
                }
                Some(id)
            }
            None => None,
        };
        if memory.has_many_to_close() {
            Box::pin(close_statements(connection, memory)).await?;
        }
        let numbers = self.bring_previous(used, order).await?;
        if let Some(preface) = order.preface {
            Box::pin(used.lease.parts().0.query(preface)).await?;
        }
        // What comes next would be taken for the reply.
        used.lease.parts().0.check_free()?;
        Ok(Ready { member_id, numbers })
    }

    /// Brings the connection to the session's settings.
    pub(super) async fn bring_settings(
        &self,
        connection: &mut Connection,
        memory: &mut Memory,
        held: Held,
    ) -> Result<(), BringError> {
        if (memory.may_hide || memory.has_leftovers) && memory.last_user != Some(self.registered.handle.id) {
            memory.condition = Condition::Tainted;
        }
        bring(connection, memory, &self.session.settings, held).await
    }

    /// A send that fails is found out by the reply: the member may have said why.
    pub(super) async fn send(
        &mut self,
        used: &mut Used,
        order: &mut Order<'_>,
        ready: Ready,
        translation: Option<&Translation>,
    ) -> Result<(), Gone> {
        used.lease.count_exchange();
        let (connection, _) = used.lease.parts();
        let translated = order.ids.zip(translation);
        let translated = translated.and_then(|(ids, translation)| self.with_member_ids(order, ids, translation));
        let mut message = translated.as_deref().unwrap_or(order.message);
        if let Some(id) = ready.member_id {
            self.scratch.clear();
            self.scratch.extend_from_slice(message);
            put_statement_id(&mut self.scratch[HEADER_LEN..], id);
            message = &self.scratch;
        } else if !ready.numbers.is_empty() {
            let layout = Layout::of(self.login.capabilities);
            self.scratch = ready.numbers.in_place(message, self.session.dialect, layout);
            message = &self.scratch;
        }
        let mut sent = connection.send(message).await;
        if sent.is_ok() && !order.end.is_done() {
            let limit = self.proxy.policy.max_allowed_packet;
            sent = Box::pin(connection.send_rest(&mut self.stream, &mut order.end, limit)).await;
        }
        match sent {
            Err(SendError::Client(error)) => Err(error.into()),
            Err(SendError::TooLong(limit)) => {
                // As a server does: the error, and then the connection is closed.
                self.refuse(order.end.next_seq(), &refusal::packet_too_large(limit)).await?;
                Err(Gone::Protocol("a command longer than limits.max_allowed_packet"))
            }
            Ok(()) | Err(SendError::Member(_)) => {
                self.scratch.clear();
                self.scratch.shrink_to(KEPT_SCRATCH);
                Ok(())
            }
        }
    }
}
