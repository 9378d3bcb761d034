use super::*;
use crate::topology::fake::{galera_status, galera_variables};

const CLUSTER: &str = "c45a5f86-e91d-11f1-b250-53bcb105a028";
const OTHER: &str = "00000000-0000-0000-0000-000000000001";

/// A node as the words of a server that runs well, some of them replaced.
fn node(replaced: &[(&str, &str)]) -> Option<Node> {
    Node::read(&galera_variables(replaced), &galera_status(12, replaced))
}

fn word(unfit: Option<&Unfit>) -> &'static str {
    match unfit {
        None => "fit",
        Some(Unfit::NoGalera) => "no galera",
        Some(Unfit::Disconnected) => "disconnected",
        Some(Unfit::NoQuorum { .. }) => "no quorum",
        Some(Unfit::RejectsQueries) => "rejects",
        Some(Unfit::NotSynced { .. }) => "not synced",
        Some(Unfit::NotReady) => "not ready",
        Some(Unfit::Donor) => "donor",
        Some(Unfit::Lag { .. }) => "lag",
        Some(_) => "another",
    }
}

#[test]
fn who_may_serve_and_who_may_take_the_writes() {
    for (replaced, expected, ability) in [
        (&[][..], "fit", Ability::Fit),
        (&[("wsrep_local_state", "2")], "donor", Ability::Donor),
        (&[("wsrep_local_state", "2"), ("wsrep_ready", "OFF")], "not ready", Ability::None),
        (&[("wsrep_local_state", "1"), ("wsrep_ready", "OFF")], "not synced", Ability::None),
        (&[("wsrep_local_state", "3")], "not synced", Ability::None),
        (&[("wsrep_local_state", "5")], "not synced", Ability::None),
        (&[("wsrep_local_state", "")], "not synced", Ability::None),
        (&[("wsrep_ready", "OFF")], "not ready", Ability::None),
        (&[("wsrep_connected", "OFF")], "disconnected", Ability::None),
        (&[("wsrep_cluster_status", "non-Primary"), ("wsrep_local_state", "0")], "no quorum", Ability::None),
        (&[("wsrep_cluster_status", "Disconnected")], "no quorum", Ability::None),
        (&[("wsrep_cluster_status", "")], "no quorum", Ability::None),
        (&[("wsrep_reject_queries", "ALL")], "rejects", Ability::None),
        (&[("wsrep_reject_queries", "ALL_KILL")], "rejects", Ability::None),
    ] {
        let node = node(replaced).unwrap();
        assert_eq!((word(node.complaint().as_ref()), node.ability(false)), (expected, ability), "{replaced:?}");
        let at_most = if ability == Ability::Fit { Ability::ReadOnly } else { Ability::None };
        assert_eq!(node.ability(true), at_most, "{replaced:?}");
    }
}

#[test]
fn only_a_server_with_a_provider_that_is_on_takes_part() {
    for (replaced, takes_part) in [
        (&[][..], true),
        (&[("wsrep_on", "OFF")], false),
        (&[("wsrep_provider", "none")], false),
        (&[("wsrep_provider", "")], false),
    ] {
        assert_eq!(node(replaced).is_some(), takes_part, "{replaced:?}");
    }
    assert_eq!(Node::read(&Answer::default(), &galera_status(12, &[])), None, "a server without the words");
}

#[test]
fn what_is_surely_there_and_what_may_have_been_confirmed() {
    let at = |cluster, sequence| Position::new(cluster, sequence);
    for (committed, checkpoint, applied, confirmed) in [
        ("12", format!("{CLUSTER}:12"), at(CLUSTER, "12"), at(CLUSTER, "12")),
        ("12", format!("{CLUSTER}:15"), at(CLUSTER, "12"), at(CLUSTER, "15")),
        ("12", format!("{CLUSTER}:9"), at(CLUSTER, "12"), at(CLUSTER, "12")),
        ("12", format!("{OTHER}:9"), at(CLUSTER, "12"), at(OTHER, "9")),
        ("12", String::new(), at(CLUSTER, "12"), None),
        ("-1", format!("{CLUSTER}:-1"), None, None),
    ] {
        let words = [("wsrep_last_committed", committed), ("wsrep_checkpoint_position", checkpoint.as_str())];
        let node = node(&words).unwrap();
        assert_eq!((node.applied, node.confirmed), (applied, confirmed), "{words:?}");
    }
}

#[test]
fn positions_are_ordered_within_one_history() {
    let at = |cluster, sequence| Position::new(cluster, sequence).unwrap();
    assert!(at(CLUSTER, "9").covers(&at(CLUSTER, "9")) && at(CLUSTER, "10").covers(&at(CLUSTER, "9")));
    assert!(!at(CLUSTER, "9").covers(&at(CLUSTER, "10")) && !at(OTHER, "10").covers(&at(CLUSTER, "9")));
    assert_eq!((Position::new("", "9"), Position::new(CLUSTER, "")), (None, None));
}

#[test]
fn what_a_reader_lacks_counts_as_lag() {
    let second = Duration::from_secs(1);
    let synced = node(&[]).unwrap();
    for (staleness, primary_is_up, expected) in [
        (None, true, "fit"),
        (Some(second), true, "fit"),
        (Some(second * 11), true, "lag"),
        (Some(second * 11), false, "fit"),
    ] {
        let around = Circumstances { primary_is_up, staleness, cut_off_for: None, max_lag: second * 10 };
        assert_eq!(word(judge(Some(&synced), None, &around).unfit.as_ref()), expected, "{staleness:?} {primary_is_up}");
    }
    let around = Circumstances { primary_is_up: true, staleness: None, cut_off_for: None, max_lag: second };
    assert_eq!(word(judge(None, None, &around).unfit.as_ref()), "no galera");
}

#[test]
fn a_node_of_another_cluster_is_a_stranger() {
    let around = Circumstances { primary_is_up: true, staleness: None, cut_off_for: None, max_lag: Duration::MAX };
    let node = |replaced: &[(&str, &str)]| Node::read(&galera_variables(&[]), &galera_status(7, replaced)).unwrap();
    let (ours, theirs) = (node(&[]), node(&[("wsrep_local_state_uuid", "00000000-0000-0000-0000-000000000001")]));
    assert_eq!(judge(Some(&ours), Some(&ours), &around).unfit, None);
    assert_eq!(judge(Some(&theirs), Some(&ours), &around).unfit.unwrap().reason(), "stranger");
    assert_eq!(judge(Some(&theirs), None, &around).unfit, None, "the primary has not told");
}
