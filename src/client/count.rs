//! What is counted for each statement.

use std::time::Duration;

use super::{connections::Side, order::Finish, run::Client};
use crate::{
    metrics::{CausalRead, IgnoredHint, Outcome},
    route::{Freshness, Route},
    sql::Hint,
    topology::PickReason,
};

impl Client {
    /// A statement has ended.
    pub(super) fn count(&mut self, route: &Route, finish: &Finish, took: Duration) {
        let outcome = match finish {
            Finish::Replied(reply) if reply.error.is_some() => Outcome::Error,
            Finish::Replied(_) if self.retried => Outcome::Retried,
            Finish::Replied(_) | Finish::Silent => Outcome::Ok,
            Finish::Refused => Outcome::Refused,
            Finish::Lost => Outcome::Lost,
        };
        let metrics = &self.proxy.metrics;
        metrics.query(route.target as usize, route.reason as usize, outcome);
        self.count_hint(route);
        metrics.query_duration(route.target as usize, took);
    }

    /// The client went away before its statement was answered.
    pub(super) fn count_abandoned(&self, route: &Route) {
        self.proxy.metrics.query(route.target as usize, route.reason as usize, Outcome::Abandoned);
    }

    /// A statement that the proxy answered itself.
    pub(super) fn count_answer(&self, route: &Route, outcome: Outcome) {
        self.proxy.metrics.query(route.target as usize, route.reason as usize, outcome);
        self.count_hint(route);
    }

    fn count_hint(&self, route: &Route) {
        if let Some(hint) = route.hint_ignored {
            self.proxy.metrics.ignored_hint(match hint {
                Hint::Primary => IgnoredHint::Primary,
                Hint::Replica => IgnoredHint::Replica,
            });
        }
    }

    /// A read that must see the session's own writes has found a member.
    pub(super) fn count_causal_read(
        &self,
        side: Side,
        route: &Route,
        because: Option<PickReason>,
        waited: Option<Duration>,
    ) {
        let sees_writes = match route.freshness {
            Freshness::Any => false,
            Freshness::OwnWrites => !self.session.causality.is_empty(),
            Freshness::AllWrites => true,
        };
        if side == Side::Replica && sees_writes {
            let on_primary = because.is_some_and(PickReason::is_fallback);
            self.proxy.metrics.causal_read(match waited {
                _ if on_primary => CausalRead::Primary,
                Some(_) => CausalRead::Waited,
                None => CausalRead::Applied,
            });
        }
    }

    /// Whether a read must see GTIDs that the session has written.
    pub(super) fn awaits_gtid(&self, side: Side, route: &Route) -> bool {
        side == Side::Replica && route.freshness == Freshness::OwnWrites && !self.session.causality.gtids().is_empty()
    }

    /// Counts the session's pins as they stand, and tells of new ones.
    pub(super) fn count_pins(&mut self) {
        let new = self.pins.follow(&self.session.ledger.pins);
        if !new.is_empty() {
            let statement = self.last_route.decided.map_or("command", |(_, reason)| reason.name());
            for reason in new.iter() {
                self.proxy.pin_log.pinned(reason, self.registered.handle.id.get(), &self.account.user, statement);
            }
        }
    }
}
