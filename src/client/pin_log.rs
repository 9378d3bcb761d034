//! Tells the operator that sessions keep their connections, why, and what would avoid it: for each reason one line a minute
//! at most.
//!
//! Knows when it has spoken last. Must not know what pins.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::session::PinReason;

/// The least time between two lines of the same reason.
const PAUSE: Duration = Duration::from_secs(60);
/// The most reasons that an error names.
const MOST_REASONS: usize = 5;

/// See the module.
#[derive(Debug, Default)]
pub struct PinLog {
    by_reason: Mutex<[Spoken; PinReason::ALL.len()]>,
    exhausted: Mutex<Spoken>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Spoken {
    last: Option<Instant>,
    unsaid: u64,
}

impl Spoken {
    /// Whether it is time for a line; then how many have gone without.
    fn turn(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.duration_since(last) < PAUSE) {
            self.unsaid += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

impl PinLog {
    /// A client's session keeps its connection from now on; `statement` is the reason of the route of what pinned it.
    pub fn pinned(&self, reason: PinReason, client: u32, user: &[u8], statement: &'static str) {
        let mut spoken = self.by_reason.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(unsaid) = spoken[reason as usize].turn(Instant::now()) {
            let user = user.escape_ascii().to_string();
            let (remedy, reason) = (reason.remedy(), reason.name());
            tracing::info!(client, user, reason, statement, remedy, unsaid, "a session keeps its connection");
        }
    }

    /// A statement got no connection while sessions keep theirs.
    pub fn exhausted(&self, member: &str, pins: &[(PinReason, u64)]) {
        let mut spoken = self.exhausted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((first, _)) = pins.first()
            && let Some(unsaid) = spoken.turn(Instant::now())
        {
            let (pinned, remedy) = (named(pins), first.remedy());
            tracing::warn!(member, pinned, remedy, unsaid, "no connection came free while sessions keep theirs");
        }
    }
}

/// The reasons with their number, the most frequent first: `temporary_table 120, get_lock 3`.
pub(super) fn named(pins: &[(PinReason, u64)]) -> String {
    let mut all: Vec<String> =
        pins.iter().take(MOST_REASONS).map(|(reason, count)| format!("{} {count}", reason.name())).collect();
    let more: u64 = pins.iter().skip(MOST_REASONS).map(|(_, count)| count).sum();
    if more > 0 {
        all.push(format!("others {more}"));
    }
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_line_a_minute_and_it_counts_the_others() {
        let (now, mut spoken) = (Instant::now(), Spoken::default());
        assert_eq!(spoken.turn(now), Some(0));
        assert_eq!(spoken.turn(now + PAUSE / 2), None);
        assert_eq!(spoken.turn(now + PAUSE / 2), None);
        assert_eq!(spoken.turn(now + PAUSE), Some(2));
    }

    #[test]
    fn the_text_is_bounded() {
        let all: Vec<_> = PinReason::ALL.map(|reason| (reason, u64::MAX / 100)).into();
        assert!(named(&all).len() < 250, "{}", named(&all));
        assert_eq!(named(&[(PinReason::Xa, 2), (PinReason::GetLock, 1)]), "xa 2, get_lock 1");
    }
}
