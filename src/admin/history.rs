//! What the page's charts show: the last quarter of an hour, a sample each five seconds.
//!
//! Knows samples and their JSON. Must not know where they come from.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::metrics::{MemberRow, Pace};

/// From one sample to the next.
pub const STEP: Duration = Duration::from_secs(5);
/// A quarter of an hour.
const KEPT: usize = 180;

/// The last samples, the oldest first.
#[derive(Debug, Default)]
pub struct History(Mutex<VecDeque<Sample>>);

/// A few seconds of the proxy's life.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// When they ended: milliseconds since 1970.
    pub at: u64,
    /// Statements a second, by target and reason.
    pub queries: BTreeMap<&'static str, BTreeMap<&'static str, f64>>,
    /// What 50, 95 and 99 of 100 statements took at most, in seconds.
    pub latency: Option<[f64; 3]>,
    /// Reads a second that waited for a replica to have what they must see.
    pub causal_waits: f64,
    /// What 95 of 100 of them waited at most, in seconds.
    pub causal_wait: Option<f64>,
    /// Statements that wait for a member.
    pub held: u64,
    /// Client connections.
    pub clients: usize,
    /// Connections to members that sessions use.
    pub in_use: usize,
    /// Connections to members that wait in the pool.
    pub idle: usize,
    /// By member, in seconds, for those that tell.
    pub lag: BTreeMap<String, f64>,
}

impl Sample {
    /// Of what came since the sample before, and what is now.
    #[must_use]
    pub fn new(pace: &Pace, members: &[MemberRow], clients: usize) -> Self {
        let mut queries: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for (target, reason, rate) in &pace.routes {
            queries.entry(*target).or_default().insert(*reason, rounded(*rate));
        }
        let lag = |row: &MemberRow| Some((row.name.clone(), row.lag?.as_secs_f64()));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            at: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            queries,
            latency: pace.durations.map(|each| each.map(|it| it.as_secs_f64())),
            causal_waits: rounded(pace.causal_waits),
            causal_wait: pace.causal_wait.map(|it| it.as_secs_f64()),
            held: pace.held,
            clients,
            in_use: members.iter().map(|row| row.in_use).sum(),
            idle: members.iter().map(|row| row.idle).sum(),
            lag: members.iter().filter(|row| row.up).filter_map(lag).collect(),
        }
    }
}

/// Nobody sees more of a rate.
fn rounded(rate: f64) -> f64 {
    (rate * 10.0).round() / 10.0
}

impl History {
    /// One more; the oldest goes when there are enough.
    pub fn push(&self, sample: Sample) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() >= KEPT {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// Those that are younger than this moment (milliseconds since 1970), the oldest first.
    #[must_use]
    pub fn since(&self, at: u64) -> Vec<Sample> {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        samples.iter().filter(|sample| sample.at > at).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_a_quarter_of_an_hour() {
        let history = History::default();
        for at in 1..=200 {
            history.push(Sample { at, ..Sample::new(&Pace::default(), &[], 0) });
        }
        let all = history.since(0);
        assert_eq!((all.len(), all[0].at), (180, 21));
        assert_eq!(history.since(199).len(), 1);
        assert_eq!(STEP * 180, Duration::from_secs(15 * 60));
    }
}
