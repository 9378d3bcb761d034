//! Asks a member without trackers what a statement has changed, and takes its answer as if it had been told.

use super::{connections::Used, order::Order, run::Client};
use crate::{
    backend::{Connection, QueryError, Reply},
    session::{PinReason, Untold},
    sql::Facts,
    wire::ok::Change,
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
        match Box::pin(ask(connection, &untold)).await {
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

/// The values; `None` if one of them cannot be said again.
async fn ask(connection: &mut Connection, untold: &Untold) -> Result<Option<Vec<Change>>, QueryError> {
    let mut items: Vec<String> = untold.variables.iter().map(|name| format!("@@session.{name}")).collect();
    if untold.database {
        items.push("DATABASE()".to_owned());
    }
    if items.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let result = connection.query(&format!("SELECT {}", items.join(", "))).await?;
    let Some(row) = result.rows.into_iter().next() else { return Ok(None) };
    let mut changes = Vec::with_capacity(row.len());
    let mut values = row.into_iter();
    for (name, value) in untold.variables.iter().zip(values.by_ref()) {
        if value.is_none() && name != "character_set_results" {
            return Ok(None);
        }
        changes.push(Change::Variable(name.clone().into_bytes(), value.unwrap_or_default()));
    }
    if untold.database {
        changes.push(Change::Schema(values.next().flatten().unwrap_or_default()));
    }
    Ok(Some(changes))
}
