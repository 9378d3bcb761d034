//! Lets the connection of an idle session go that is kept for nothing but user variables: their values are asked for, and
//! set again on whichever connection comes next.
//!
//! Knows what can be rebuilt. Must not know why a value could not be read from the text.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{connections::Used, run::Client, values};
use crate::{
    session::{PinReason, Settings, Transaction},
    sql::ServerKind,
};

/// How long asking may take while the client is idle.
const PATIENCE: Duration = Duration::from_secs(10);

impl Client {
    /// Whether the session keeps its connection only for what the connection can be asked for.
    pub(super) fn may_unpin(&self) -> bool {
        let pins = &self.session.ledger.pins;
        !pins.is_empty()
            && pins.iter().all(|pin| pin == PinReason::UserVariable)
            && self.session.transaction == Transaction::None
            && self.proxy.policy.multiplexing
            && self.session.dialect.server != ServerKind::Unknown
            && !self.asked_in_vain
            && self.connections.holds(self.pinned_side())
    }

    /// Asks, and gives the connection back if nothing else keeps it. Once in an idle time: what cannot be read now cannot be
    /// read later either.
    pub(super) async fn unpin(&mut self) {
        self.asked_in_vain = true;
        self.ask_what_waits().await;
        let (side, last) = (self.pinned_side(), self.connections.last);
        let Some(mut used) = self.connections.take(side) else { return };
        self.keep_answers(&mut used).await;
        // A connection that hangs or breaks stays in flight: the next statement finds out that what stood on it is lost.
        let _ = timeout(PATIENCE, self.ask_user_variables(&mut used)).await;
        self.connections.keep(side, used);
        self.connections.last = last;
        if self.session.ledger.pins.is_empty() {
            self.settle_kept().await;
        }
        self.count_pins();
    }

    async fn ask_user_variables(&mut self, used: &mut Used) {
        let names: Vec<Vec<u8>> = self.session.ledger.user_variables.unknown().collect();
        let (connection, memory) = used.lease.parts();
        for name in names {
            memory.row_count = Some(-1);
            match values::read(connection, &name).await {
                Ok(values::Value::Literal(literal)) => self.session.know_user_variable(&name, literal),
                Ok(values::Value::Absent) => self.session.miss_user_variable(&name),
                // One is enough to keep the connection.
                Ok(values::Value::Unreadable) | Err(_) => return,
            }
        }
        // The connection has what was asked for; the session may have set something else elsewhere meanwhile.
        let user_variables = self.session.settings.user_variables.clone();
        let has = Settings { user_variables, ..Settings::clone(&memory.settings) };
        memory.settings =
            if has == *self.session.settings { Arc::clone(&self.session.settings) } else { Arc::new(has) };
    }
}
