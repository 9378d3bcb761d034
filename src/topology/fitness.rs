//! Whether a replica may serve reads.
//!
//! PURE. Knows what the replica said, what is proven of it, and whether the primary lives. Must not know how.
//!
//! While the primary is down its replicas cannot fetch anything, and nothing new exists to be fetched: they keep
//! serving. When it is back they need a moment to connect again (up to their `CONNECT_RETRY`); they keep serving until
//! what is proven of them is older than `max_lag`, or until they should long have connected. One that has given up
//! (error 1236) serves no more, also when nothing new exists: it copies from nobody who has what it has.

use std::time::Duration;

use super::replication::{Channel, Replication, Thread};
use super::state::Unfit;

/// What is known beside the replica's own words.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// Whether the primary answers.
    pub primary_is_up: bool,
    /// How old the newest state of the primary is that the replica provably has; zero if it has the newest one seen.
    pub staleness: Option<Duration>,
    /// For how long it has not fetched although the primary answers.
    pub cut_off_for: Option<Duration>,
    /// What is allowed.
    pub max_lag: Duration,
}

/// The usual `CONNECT_RETRY`.
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// What it asks for is not in its source's binary log: only an operator can help it.
const ER_SOURCE_FATAL_ERROR_READING_BINLOG: u64 = 1236;

/// How far behind a replica is, and why it may not serve reads if it may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitness {
    /// `None` if nobody can tell.
    pub lag: Option<Duration>,
    /// `None` for a replica that serves reads.
    pub unfit: Option<Unfit>,
}

/// How far behind a replica may be: one that was too late returns at four fifths of it, so that it does not come and go where
/// it hovers about the limit.
#[must_use]
pub fn allowed_lag(max_lag: Duration, was_late: bool) -> Duration {
    if was_late { max_lag / 5 * 4 } else { max_lag }
}

/// Judges a replica.
#[must_use]
pub fn judge(replication: &Replication, around: &Circumstances) -> Fitness {
    let channels = match replication {
        Replication::None => return Fitness { lag: None, unfit: Some(Unfit::NoReplication) },
        Replication::Denied { grant } => {
            return Fitness { lag: None, unfit: Some(Unfit::Privilege { grant: grant.clone() }) };
        }
        Replication::Channels(channels) => channels,
    };
    let lag = lag(channels, around);
    let unfit = stopped_sql(channels).or_else(|| stopped_io(channels, lag, around)).or_else(|| behind(lag, around));
    Fitness { lag, unfit }
}

/// What is proven, else what the replica says. Its own word misleads both ways: it says 0 as long as it has not noticed
/// that its source is out of reach, and decades for a session that wrote under `SET timestamp`.
fn lag(channels: &[Channel], around: &Circumstances) -> Option<Duration> {
    let told = channels
        .iter()
        .map(|channel| channel.behind)
        .try_fold(Duration::ZERO, |worst, behind| Some(worst.max(behind?)));
    let proven = if around.primary_is_up { around.staleness } else { None };
    proven.or(told)
}

fn stopped_sql(channels: &[Channel]) -> Option<Unfit> {
    channels.iter().find_map(|channel| match &channel.sql {
        Thread::Running => None,
        Thread::Stopped { error, .. } => Some(Unfit::SqlThread { error: error.clone() }),
    })
}

fn stopped_io(channels: &[Channel], lag: Option<Duration>, around: &Circumstances) -> Option<Unfit> {
    let is_near = lag.is_some_and(|lag| lag <= around.max_lag);
    channels.iter().find_map(|channel| match &channel.io {
        Thread::Running => None,
        Thread::Stopped { .. }
            if !has_given_up(channel) && !has_waited(channel, around) && (!around.primary_is_up || is_near) =>
        {
            None
        }
        Thread::Stopped { state, error } => Some(Unfit::IoThread { state: state.clone(), error: error.clone() }),
    })
}

fn has_given_up(channel: &Channel) -> bool {
    let stopped = matches!(&channel.io, Thread::Stopped { state, .. } if state.eq_ignore_ascii_case("no"));
    stopped && channel.io_error == ER_SOURCE_FATAL_ERROR_READING_BINLOG
}

/// Whether a replica that is not behind, as far as can be seen, should long have connected again.
fn has_waited(channel: &Channel, around: &Circumstances) -> bool {
    let patience = around.max_lag + channel.connect_retry.min(LONGEST_RETRY);
    around.primary_is_up && around.cut_off_for.is_some_and(|waited| waited > patience)
}

fn behind(lag: Option<Duration>, around: &Circumstances) -> Option<Unfit> {
    match lag {
        Some(lag) if lag > around.max_lag => Some(Unfit::Lag { lag, max: around.max_lag }),
        None if around.primary_is_up => Some(Unfit::LagUnknown),
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::replication::{Source, UsingGtid};
    use crate::wire::gtid::GtidSet;

    fn channel(io: &str, sql: &str, behind: Option<u64>) -> Channel {
        let thread = |state: &str| match state {
            "Yes" => Thread::Running,
            "1236" => Thread::Stopped { state: "No".into(), error: "fatal".into() },
            _ => Thread::Stopped { state: state.into(), error: "why".into() },
        };
        Channel {
            io: thread(io),
            sql: thread(sql),
            behind: behind.map(Duration::from_secs),
            source: Source { server_id: 1, ..Source::default() },
            io_error: if io == "1236" { 1236 } else { 0 },
            connect_retry: Duration::from_secs(60),
            retrieved: GtidSet::new(),
            applied_to: None,
            using_gtid: UsingGtid::Other,
        }
    }

    fn word(fitness: &Fitness) -> &'static str {
        match fitness.unfit {
            None => "fit",
            Some(Unfit::SqlThread { .. }) => "sql",
            Some(Unfit::IoThread { .. }) => "io",
            Some(Unfit::Lag { .. }) => "lag",
            Some(Unfit::LagUnknown) => "unknown",
            Some(Unfit::NoReplication) => "none",
            Some(Unfit::Privilege { .. }) => "privilege",
            Some(Unfit::Unseen) => "unseen",
            Some(_) => "another",
        }
    }

    #[test]
    fn who_may_serve() {
        for (io, sql, behind, staleness, primary_is_up, expected, lag) in [
            ("Yes", "Yes", Some(0), Some(0), true, "fit", Some(0)),
            ("Yes", "Yes", Some(0), None, true, "fit", Some(0)),
            ("Yes", "Yes", Some(10), None, true, "fit", Some(10)),
            ("Yes", "Yes", Some(11), None, true, "lag", Some(11)),
            ("Yes", "Yes", Some(0), Some(11), true, "lag", Some(11)),
            ("Yes", "Yes", Some(795_182_066), Some(0), true, "fit", Some(0)),
            ("Yes", "Yes", None, Some(3), true, "fit", Some(3)),
            ("Yes", "Yes", None, None, true, "unknown", None),
            ("Yes", "No", Some(0), Some(0), true, "sql", Some(0)),
            ("Yes", "No", None, None, false, "sql", None),
            ("Connecting", "Yes", None, Some(2), true, "fit", Some(2)),
            ("Connecting", "Yes", None, Some(11), true, "io", Some(11)),
            ("No", "Yes", None, None, true, "io", None),
            ("Connecting", "Yes", None, None, false, "fit", None),
            ("Connecting", "Yes", None, Some(3600), false, "fit", None),
            ("Yes", "Yes", Some(3600), None, false, "lag", Some(3600)),
            ("1236", "Yes", None, Some(0), true, "io", Some(0)),
            ("1236", "Yes", None, Some(0), false, "io", None),
        ] {
            let seconds = |n: Option<u64>| n.map(Duration::from_secs);
            let max_lag = Duration::from_secs(10);
            let around = Circumstances { primary_is_up, staleness: seconds(staleness), cut_off_for: None, max_lag };
            let fitness = judge(&Replication::Channels(vec![channel(io, sql, behind)]), &around);
            assert_eq!((word(&fitness), fitness.lag), (expected, seconds(lag)), "{io} {sql} {behind:?} {staleness:?}");
        }
    }

    #[test]
    fn who_should_long_have_connected_again_serves_no_more() {
        for (io, waited, primary_is_up, expected) in [
            ("Connecting", Some(69), true, "fit"),
            ("Connecting", Some(71), true, "io"),
            ("No", Some(71), true, "io"),
            ("Yes", Some(71), true, "fit"),
            ("Connecting", Some(71), false, "fit"),
            ("Connecting", None, true, "fit"),
        ] {
            let around = Circumstances {
                primary_is_up,
                staleness: Some(Duration::ZERO),
                cut_off_for: waited.map(Duration::from_secs),
                max_lag: Duration::from_secs(10),
            };
            let fitness = judge(&Replication::Channels(vec![channel(io, "Yes", None)]), &around);
            assert_eq!(word(&fitness), expected, "{io} {waited:?} {primary_is_up}");
        }
    }

    #[test]
    fn the_worst_channel_counts() {
        let around =
            Circumstances { primary_is_up: true, staleness: None, cut_off_for: None, max_lag: Duration::from_secs(10) };
        let both = vec![channel("Yes", "Yes", Some(0)), channel("Yes", "Yes", Some(99))];
        assert_eq!(word(&judge(&Replication::Channels(both), &around)), "lag");
    }

    #[test]
    fn who_does_not_replicate_or_may_not_be_seen_serves_nothing() {
        let around = Circumstances {
            primary_is_up: true,
            staleness: Some(Duration::ZERO),
            cut_off_for: None,
            max_lag: Duration::MAX,
        };
        assert_eq!(word(&judge(&Replication::None, &around)), "none");
        assert_eq!(word(&judge(&Replication::Denied { grant: String::new() }, &around)), "privilege");
    }
}
