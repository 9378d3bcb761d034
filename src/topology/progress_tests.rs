use super::*;
use crate::topology::fake::{report, report_by_position};

#[test]
fn a_replica_has_what_the_newest_covered_poll_had() {
    let mut history = PrimaryHistory::default();
    let polls: Vec<Report> = ["1-1-5", "1-1-6", "1-1-7"].map(|position| report(1, position, None)).into();
    for poll in &polls {
        history.record(poll);
    }
    for (applied, covered) in [("1-1-4", None), ("1-1-5", Some(0)), ("1-1-6", Some(1)), ("1-1-9", Some(2)), ("", None)]
    {
        let expected = covered.map(|at: usize| polls[at].begun);
        assert_eq!(history.caught_up_to(&report(2, applied, Some(0))), expected, "{applied}");
    }
}

#[test]
fn without_gtids_the_position_in_this_primarys_log_counts() {
    let mut history = PrimaryHistory::default();
    let poll = report_by_position(1, 1000, false);
    history.record(&poll);
    assert_eq!(history.caught_up_to(&report_by_position(2, 1000, true)), Some(poll.begun));
    assert_eq!(history.caught_up_to(&report_by_position(2, 999, true)), None);
    let mut elsewhere = report_by_position(2, 1000, true);
    if let crate::topology::replication::Replication::Channels(channels) = &mut elsewhere.replication {
        channels[0].source_server_id = 9;
    }
    assert_eq!(history.caught_up_to(&elsewhere), None, "the position is one in another server's log");
}

#[test]
fn another_server_as_primary_begins_a_new_history() {
    let mut history = PrimaryHistory::default();
    history.record(&report(1, "1-1-5", None));
    let poll = report(3, "1-1-9", None);
    history.record(&poll);
    assert_eq!(history.caught_up_to(&report(2, "1-1-5", Some(0))), None);
}

#[test]
fn the_history_is_bounded() {
    let mut history = PrimaryHistory::default();
    for _ in 0..=MAX_POLLS {
        history.record(&report(1, "1-1-5", None));
    }
    assert_eq!(history.polls.len(), MAX_POLLS);
}

#[test]
fn staleness_grows_from_the_first_poll_that_shows_something_missing() {
    let mut history = PrimaryHistory::default();
    let first = report(1, "1-1-5", None);
    history.record(&first);
    let replica = report(2, "1-1-5", Some(0));
    let progress = Progress::default().after(&history, None, &replica);
    assert_eq!(progress.caught_up_to, Some(first.begun));
    assert_eq!(progress.staleness(&replica), Some(Duration::ZERO));

    let second = report(1, "1-1-6", None);
    history.record(&second);
    history.record(&report(1, "1-1-7", None));
    let stuck = report(2, "1-1-5", Some(0));
    let progress = progress.after(&history, Some(&replica), &stuck);
    assert_eq!(progress.caught_up_to, Some(first.begun));
    assert_eq!(progress.staleness(&stuck), Some(stuck.begun - second.begun));

    for _ in 0..MAX_POLLS {
        history.record(&report(1, "1-1-8", None));
    }
    let later = report(2, "1-1-5", Some(0));
    let progress = progress.after(&history, Some(&stuck), &later);
    assert_eq!(progress.staleness(&later), Some(later.begun - second.begun), "also when the history has moved on");
    let there = report(2, "1-1-8", Some(0));
    assert_eq!(progress.after(&history, Some(&later), &there).staleness(&there), Some(Duration::ZERO));
}

#[test]
fn a_replica_that_has_less_than_before_proves_nothing() {
    let mut history = PrimaryHistory::default();
    history.record(&report(1, "1-1-5", None));
    let before = report(2, "1-1-5", Some(0));
    let restored = report(2, "1-1-3", Some(0));
    let progress = Progress::default().after(&history, None, &before).after(&history, Some(&before), &restored);
    assert_eq!(progress.caught_up_to, None);
    assert_eq!(progress.staleness(&restored), None);

    let mut history = PrimaryHistory::default();
    history.record(&report_by_position(1, 1000, false));
    let (before, restored) = (report_by_position(2, 1000, true), report_by_position(2, 400, true));
    let progress = Progress::default().after(&history, None, &before).after(&history, Some(&before), &restored);
    assert_eq!(progress.caught_up_to, None);
}
