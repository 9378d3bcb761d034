//! Asks a member without trackers what a statement has changed, and takes its answer as if it had been told.

use super::{connections::Used, logged_in::Client, request::Order};
use crate::{
    backend::Reply,
    session::{PinReason, Untold},
    sql::Facts,
    upstream::ask_untold,
};

/// Statements that may run triggers or stored functions, which may set variables.
pub(super) const MAY_HIDE: Facts =
    Facts::CHANGES.union(Facts::UNKNOWN_FUNCTION).union(Facts::MANY_FUNCTIONS).union(Facts::SEVERAL);

impl Client {
    /// To be called when the reply is complete. A `SET` that fails sets nothing: all of it is checked first. Gives
    /// whether anything was asked, by a question that has a row for its answer.
    pub(super) async fn ask_untold(&mut self, used: &mut Used, order: &Order<'_>, reply: &mut Reply) -> bool {
        let Some((statement, sql)) = order.statement else { return false };
        let (connection, memory) = used.lease.parts();
        if memory.has_trackers {
            return false;
        }
        memory.may_hide |= statement.has(MAY_HIDE);
        if reply.error.is_some() && !statement.has(Facts::SEVERAL) {
            return false;
        }
        let mut untold = Untold::by(statement, sql);
        if untold.is_nothing() {
            return false;
        }
        if untold.database {
            // They follow the database.
            let follow = ["character_set_database", "collation_database"];
            let carried = |name: &&str| self.session.settings.variables.contains_key(name.as_bytes());
            untold.variables.extend(follow.iter().filter(|name| carried(name)).map(|&name| name.to_owned()));
        }
        match Box::pin(ask_untold(connection, &untold)).await {
            Ok(Some(changes)) if !untold.nameless => reply.changes.extend(changes),
            answer => {
                if let Ok(Some(changes)) = answer {
                    reply.changes.extend(changes);
                }
                memory.has_leftovers = true;
                self.session.ledger.pins.insert(PinReason::UnknownState);
            }
        }
        true
    }
}
