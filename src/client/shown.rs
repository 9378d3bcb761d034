//! What `SHOW PROXY ROUTE` tells of the session's previous statement.

use std::time::Duration;

use crate::{
    route::{Reason, Target},
    session::{PinReason, Pins},
    topology::PickReason,
    wire::{
        gtid::GtidSet,
        resultset::{ColumnType, TextResult},
    },
};

/// Where the previous statement went, and why.
#[derive(Clone, Debug, Default)]
pub struct LastRoute {
    /// What was decided.
    pub decided: Option<(Target, Reason)>,
    /// The address of the member that served it.
    pub member: Option<std::net::SocketAddr>,
    /// Why this member.
    pub because: Option<PickReason>,
    /// How far behind it was at its last check.
    pub lag: Option<Duration>,
    /// Whether it had to see the session's own writes.
    pub sees_own_writes: bool,
    /// How long it waited for a replica to have what it had to see.
    pub waited: Option<Duration>,
}

impl LastRoute {
    /// One row: target, member, reason, `member_reason`, lag, gtid, how long it waited for a replica to have that, the pins
    /// that hold now and what would end them.
    #[must_use]
    pub fn table(&self, written: &GtidSet, pins: &Pins) -> TextResult {
        let columns = [
            "target",
            "member",
            "reason",
            "member_reason",
            "lag_seconds",
            "gtid",
            "waited_ms",
            "pins",
            "pins_end_with",
        ];
        let columns: Vec<_> = columns.iter().map(|name| (name.as_bytes(), ColumnType::Text)).collect();
        let target = self.decided.map(|(target, _)| target.name().to_owned());
        let reason = self.decided.map(|(_, reason)| reason.name().to_owned());
        let member = self.member.map(|address| address.to_string());
        let because = self.because.map(|because| because.as_str().to_owned());
        let lag = self.lag.map(|lag| lag.as_secs().to_string());
        let gtid = self.sees_own_writes.then(|| written.to_string());
        let waited = self.waited.map(|waited| format!("{:.3}", waited.as_secs_f64() * 1000.0));
        let of_pins = |text: fn(PinReason) -> &'static str| {
            (!pins.is_empty()).then(|| pins.iter().map(text).collect::<Vec<_>>().join("; "))
        };
        let (pinned, remedies) = (of_pins(PinReason::name), of_pins(PinReason::remedy));
        let values = [target, member, reason, because, lag, gtid, waited, pinned, remedies];
        let row: Vec<_> = values.iter().map(|value| value.as_deref().map(str::as_bytes)).collect();
        TextResult::new(&columns).row(&row)
    }
}
