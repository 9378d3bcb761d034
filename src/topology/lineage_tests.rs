use super::*;
use crate::topology::fake::{mysql_report, mysql_set, report};

const PRIMARY: MemberId = MemberId(0);

/// The kinship of the last of these members; the first is the primary.
fn kinship(reports: &[Option<Report>]) -> Kinship {
    let nodes = nodes(reports);
    let last = MemberId(reports.len() as u32 - 1);
    Lineage::new(&nodes, Some(PRIMARY)).kinship(last, PRIMARY, Evidence::Transactions)
}

fn nodes(reports: &[Option<Report>]) -> Vec<Node<'_>> {
    const NAMES: [&str; 4] = ["db-0.db", "db-1.db", "db-2.db", "db-3.db"];
    let node = |(at, report): (usize, _)| Node {
        id: MemberId(at as u32),
        name: NAMES[at],
        address: ([10, 0, 0, at as u8], 3306).into(),
        report: Option::as_ref(report),
    };
    reports.iter().enumerate().map(node).collect()
}

fn word(kinship: &Kinship) -> &'static str {
    match kinship {
        Kinship::Kin => "kin",
        Kinship::Open => "open",
        Kinship::Unclear(_) => "unclear",
        Kinship::Stranger(_) => "stranger",
        Kinship::OtherHistory(_) => "other history",
        Kinship::Ahead(_) => "ahead",
    }
}

fn change(mut report: Report, change: impl FnOnce(&mut Channel)) -> Report {
    if let Replication::Channels(channels) = &mut report.replication {
        change(&mut channels[0]);
    }
    report
}

fn connecting(report: Report) -> Report {
    change(report, |channel| channel.io = Thread::Stopped { state: "Connecting".into(), error: String::new() })
}

/// From a server of this id, which is at another address than all members.
fn from(report: Report, server_id: u64) -> Report {
    change(report, |channel| {
        channel.source = Source { host: "192.0.2.7".into(), port: 3306, uuid: None, server_id };
    })
}

#[test]
fn mysql_members_are_known_by_their_uuids_wherever_they_are_reached() {
    let fetched = |executed, source, retrieved: &str| {
        change(mysql_report(3, executed, Some(source)), |channel| channel.retrieved = mysql_set(retrieved))
    };
    let primary = || Some(mysql_report(1, "A:1-8", None));
    let relay = |source| Some(mysql_report(2, "A:1-8", source));
    for (reports, expected) in [
        (vec![primary(), Some(mysql_report(2, "A:1-8", Some(1)))], "kin"),
        (vec![primary(), relay(Some(1)), Some(mysql_report(3, "A:1-8", Some(2)))], "kin"),
        (vec![primary(), relay(None), Some(mysql_report(3, "A:1-8", Some(2)))], "stranger"),
        (
            vec![
                primary(),
                Some(mysql_report(2, "A:1-8,D:1-5", Some(4))),
                Some(mysql_report(3, "A:1-8,D:1-5", Some(2))),
            ],
            "stranger",
        ),
        (vec![primary(), relay(Some(3)), Some(mysql_report(3, "A:1-8", Some(2)))], "stranger"),
        (vec![primary(), None, Some(mysql_report(3, "A:1-8,D:1-5", Some(4)))], "open"),
        (vec![primary(), Some(fetched("A:1-8,D:1-5", 4, "D:1-5"))], "stranger"),
        (vec![primary(), Some(mysql_report(3, "A:1-8,D:1-5", Some(4)))], "stranger"),
        (vec![primary(), Some(mysql_report(3, "A:1-8", Some(4)))], "unclear"),
        (vec![primary(), Some(fetched("A:1-8", 4, "A:2-8"))], "kin"),
        (vec![primary(), Some(fetched("A:1-9", 4, "A:2-9"))], "kin"),
        (vec![primary(), Some(fetched("A:1-8,D:1", 4, "A:2-8,D:1"))], "unclear"),
        (vec![primary(), Some(fetched("A:1-8,B:1", 4, "B:1"))], "stranger"),
        (vec![Some(mysql_report(1, "A:1-8,D:1-5", None)), Some(fetched("A:1-8,D:1-9", 4, "D:6-9"))], "stranger"),
        (vec![primary(), Some(connecting(mysql_report(3, "A:1-8,D:1-5", Some(4))))], "open"),
        (vec![primary(), Some(connecting(mysql_report(3, "A:1-8", Some(1))))], "kin"),
        (vec![primary(), Some(mysql_report(3, "A:1-9", Some(1)))], "ahead"),
        (vec![primary(), Some(mysql_report(3, "A:1-8,C:1-3", Some(1)))], "kin"),
        (vec![None, Some(mysql_report(3, "A:1-8", Some(1)))], "open"),
    ] {
        assert_eq!(word(&kinship(&reports)), expected, "{:?}", reports.last());
    }
}

#[test]
fn mariadb_members_are_known_by_their_ids_and_by_what_they_have() {
    let primary = || Some(report(1, "1-1-40", None));
    let relay = |source| Some(from(report(2, "1-1-40", Some(0)), source));
    for (reports, expected) in [
        (vec![primary(), Some(report(2, "1-1-40", Some(0)))], "kin"),
        (vec![primary(), Some(from(report(2, "1-1-38", Some(0)), 1))], "kin"),
        (vec![primary(), Some(report(1, "1-1-40", None)), Some(from(report(3, "1-1-40", Some(0)), 1))], "kin"),
        (vec![primary(), relay(1), Some(from(report(3, "1-1-40", Some(0)), 2))], "kin"),
        (vec![primary(), relay(9), Some(from(report(3, "1-1-40", Some(0)), 2))], "unclear"),
        (vec![primary(), Some(report(2, "1-1-40", None)), Some(from(report(3, "1-1-40", Some(0)), 2))], "stranger"),
        (vec![primary(), Some(from(report(3, "1-1-40", Some(0)), 9))], "unclear"),
        (vec![primary(), None, Some(from(report(3, "1-9-50", Some(0)), 9))], "open"),
        // Another cluster's primary with the same id and domain, with another domain, with another id.
        (vec![primary(), Some(from(report(3, "1-1-41", Some(0)), 1))], "stranger"),
        (vec![primary(), Some(from(report(3, "1-1-8,0-1-5", Some(0)), 1))], "stranger"),
        (vec![primary(), Some(from(report(3, "1-9-30", Some(0)), 9))], "stranger"),
        (vec![primary(), Some(from(report(3, "1-1-40,0-9-30", Some(0)), 9))], "stranger"),
        // What is left of a source of former times is no other history.
        (vec![primary(), Some(from(report(3, "1-1-40,7-7-30", Some(0)), 1))], "kin"),
        (vec![primary(), Some(report(2, "1-1-41", Some(0)))], "other history"),
        // The id is that of the source before, until it has connected.
        (vec![primary(), Some(connecting(from(report(3, "1-1-40", Some(0)), 9)))], "open"),
        (vec![primary(), Some(connecting(from(report(3, "1-1-40", Some(0)), 1)))], "open"),
    ] {
        assert_eq!(word(&kinship(&reports)), expected, "{:?}", reports.last());
    }
}

#[test]
fn one_of_several_sources_is_enough() {
    let mut replica = from(report(3, "1-1-40,9-9-5", Some(0)), 9);
    if let Replication::Channels(channels) = &mut replica.replication {
        let mut second = channels[0].clone();
        second.source.server_id = 1;
        channels.push(second);
    }
    assert_eq!(word(&kinship(&[Some(report(1, "1-1-40", None)), Some(replica)])), "kin");
}

#[test]
fn more_replicas_than_the_primary_has_are_somebody_elses() {
    let primary = |connected| Some(Report { replicas_connected: connected, ..report(1, "1-1-40", None) });
    let sure = || Some(report(2, "1-1-40", Some(0)));
    let claims = || Some(from(report(3, "1-1-12", Some(0)), 1));
    for (reports, expected) in [
        (vec![primary(Some(2)), sure(), claims()], false),
        (vec![primary(Some(1)), sure(), claims()], true),
        (vec![primary(Some(0)), sure(), claims()], true),
        (vec![primary(None), sure(), claims()], false),
        (vec![primary(Some(1)), claims(), claims()], false),
        (vec![primary(Some(0)), claims(), claims()], true),
        (vec![primary(Some(1)), sure(), claims().map(connecting)], false),
    ] {
        let nodes = nodes(&reports);
        assert_eq!(Lineage::new(&nodes, Some(PRIMARY)).is_superfluous(MemberId(2), PRIMARY), expected, "{reports:?}");
        assert!(!Lineage::new(&nodes, Some(PRIMARY)).is_superfluous(PRIMARY, PRIMARY));
    }
}

#[test]
fn the_members_that_one_copies_from_are_found_by_id_address_or_name() {
    let named = |host: &str| {
        let host = host.to_owned();
        connecting(change(report(2, "", Some(0)), |channel| {
            channel.source = Source { host, port: 3306, uuid: None, server_id: 0 };
        }))
    };
    for (replica, expected) in [
        (named("10.0.0.0"), vec![PRIMARY]),
        (named("db-0.db"), vec![PRIMARY]),
        (named("db-0.db.shop.svc.cluster.local"), vec![PRIMARY]),
        (named("db-0.dbx"), vec![]),
        (from(report(2, "", Some(0)), 1), vec![PRIMARY]),
        (mysql_report(2, "", Some(1)), vec![]),
        (report(2, "", None), vec![]),
    ] {
        let reports = [Some(report(1, "1-1-40", None)), Some(replica)];
        let nodes = nodes(&reports);
        assert_eq!(Lineage::new(&nodes, Some(PRIMARY)).sources(MemberId(1)), expected, "{:?}", reports[1]);
    }
}
