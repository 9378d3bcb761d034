use super::*;
use crate::topology::fake::{galera_report, report, report_by_position};

#[test]
fn a_replica_has_what_the_newest_covered_poll_had() {
    let mut history = PrimaryHistory::default();
    let polls: Vec<Report> = ["1-1-5", "1-1-6", "1-1-7"].map(|position| report(1, position, None)).into();
    for poll in &polls {
        history.record(poll, Character::Replication);
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
    history.record(&poll, Character::Replication);
    assert_eq!(history.caught_up_to(&report_by_position(2, 1000, true)), Some(poll.begun));
    assert_eq!(history.caught_up_to(&report_by_position(2, 999, true)), None);
    let mut elsewhere = report_by_position(2, 1000, true);
    if let crate::topology::replication::Replication::Channels(channels) = &mut elsewhere.replication {
        channels[0].source.server_id = 9;
    }
    assert_eq!(history.caught_up_to(&elsewhere), None, "the position is one in another server's log");
}

#[test]
fn another_server_as_primary_begins_a_new_history() {
    let mut history = PrimaryHistory::default();
    history.record(&report(1, "1-1-5", None), Character::Replication);
    let poll = report(3, "1-1-9", None);
    history.record(&poll, Character::Replication);
    assert_eq!(history.caught_up_to(&report(2, "1-1-5", Some(0))), None);
}

#[test]
fn the_history_is_bounded() {
    let mut history = PrimaryHistory::default();
    for _ in 0..=MAX_POLLS {
        history.record(&report(1, "1-1-5", None), Character::Replication);
    }
    assert_eq!(history.polls.len(), MAX_POLLS);
}

#[test]
fn staleness_grows_from_the_first_poll_that_shows_something_missing() {
    let mut history = PrimaryHistory::default();
    let first = report(1, "1-1-5", None);
    history.record(&first, Character::Replication);
    let replica = report(2, "1-1-5", Some(0));
    let progress = Progress::default().after(&history, None, &replica);
    assert_eq!(progress.caught_up_to, Some(first.begun));
    assert_eq!(progress.staleness(&replica), Some(Duration::ZERO));

    let second = report(1, "1-1-6", None);
    history.record(&second, Character::Replication);
    history.record(&report(1, "1-1-7", None), Character::Replication);
    let stuck = report(2, "1-1-5", Some(0));
    let progress = progress.after(&history, Some(&replica), &stuck);
    assert_eq!(progress.caught_up_to, Some(first.begun));
    assert_eq!(progress.staleness(&stuck), Some(stuck.begun - second.begun));

    for _ in 0..MAX_POLLS {
        history.record(&report(1, "1-1-8", None), Character::Replication);
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
    history.record(&report(1, "1-1-5", None), Character::Replication);
    let before = report(2, "1-1-5", Some(0));
    let restored = report(2, "1-1-3", Some(0));
    let progress = Progress::default().after(&history, None, &before).after(&history, Some(&before), &restored);
    assert_eq!(progress.caught_up_to, None);
    assert_eq!(progress.staleness(&restored), None);

    let mut history = PrimaryHistory::default();
    history.record(&report_by_position(1, 1000, false), Character::Replication);
    let (before, restored) = (report_by_position(2, 1000, true), report_by_position(2, 400, true));
    let progress = Progress::default().after(&history, None, &before).after(&history, Some(&before), &restored);
    assert_eq!(progress.caught_up_to, None);
}

#[test]
fn in_a_galera_cluster_what_a_reader_surely_has_is_compared_with_what_the_writer_may_have_confirmed() {
    const CLUSTER: &str = "c45a5f86-e91d-11f1-b250-53bcb105a028";
    let mut history = PrimaryHistory::default();
    // A transaction is confirmed to its client while one before it has not left its group commit.
    let checkpoint = format!("{CLUSTER}:12");
    let poll = galera_report(10, &[("wsrep_checkpoint_position", &checkpoint)]);
    history.record(&poll, Character::Galera);
    let ahead = format!("{CLUSTER}:15");
    for (sequence, checkpoint, proven) in [(10, "", false), (11, ahead.as_str(), false), (12, "", true), (13, "", true)]
    {
        let reader = galera_report(sequence, &[("wsrep_checkpoint_position", checkpoint)]);
        let expected = proven.then_some(poll.begun);
        assert_eq!(history.caught_up_to(&reader), expected, "{sequence} {checkpoint}");
    }
    let elsewhere = galera_report(99, &[("wsrep_local_state_uuid", "00000000-0000-0000-0000-000000000001")]);
    assert_eq!(history.caught_up_to(&elsewhere), None, "another cluster's sequence");
    assert_eq!(history.caught_up_to(&report(2, "0-1-900", Some(0))), None, "GTIDs say nothing here");
}

#[test]
fn a_galera_writer_that_does_not_say_what_it_confirmed_proves_nothing() {
    let mut history = PrimaryHistory::default();
    history.record(&galera_report(10, &[("wsrep_checkpoint_position", "")]), Character::Galera);
    assert_eq!(history.caught_up_to(&galera_report(99, &[])), None);
}

#[test]
fn a_galera_node_that_has_less_than_before_proves_nothing() {
    let mut history = PrimaryHistory::default();
    history.record(&galera_report(5, &[]), Character::Galera);
    let (before, restored) = (galera_report(5, &[]), galera_report(3, &[]));
    let progress = Progress::default().after(&history, None, &before);
    assert!(progress.caught_up_to.is_some());
    assert_eq!(progress.after(&history, Some(&before), &restored).caught_up_to, None);
}
