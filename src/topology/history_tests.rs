use super::*;
use crate::topology::fake::{mysql_report, report, report_by_position};

fn ends(before: &Report, now: &Report) -> Option<Beginning> {
    Footprint::of(before).ended_by(now).map(|(why, _)| why)
}

fn left(before: &Report, now: &Report, replica: &Report) -> Option<String> {
    let (_, lost) = Footprint::of(before).ended_by(now)?;
    lost.in_replica(replica, now).map(|left| left.to_string())
}

#[test]
fn a_history_ends_when_the_same_server_goes_back_or_is_another_one() {
    for (before, now, expected) in [
        (report(1, "1-1-8", None), report(1, "1-1-9", None), false),
        (report(1, "1-1-8", None), report(1, "1-1-8", None), false),
        (report(1, "1-1-8", None), report(1, "1-1-1", None), true),
        (report(1, "1-1-8", None), report(1, "", None), true),
        (report(1, "1-1-8,2-1-5", None), report(1, "1-1-9", None), false),
        (report(1, "1-1-8", None), report(2, "1-1-1", None), false),
        (mysql_report(1, "A:1-8", None), mysql_report(1, "A:1-9", None), false),
        (mysql_report(1, "A:1-8", None), mysql_report(1, "", None), true),
        (mysql_report(1, "A:1-8", None), mysql_report(1, "A:2-9", None), true),
        (mysql_report(1, "A:1-8", None), mysql_report(2, "B:1-9", None), false),
        (report_by_position(1, 1000, false), report_by_position(1, 1001, false), false),
        (report_by_position(1, 1000, false), report_by_position(1, 900, false), true),
    ] {
        assert_eq!(ends(&before, &now).is_some(), expected, "{before:?} {now:?}");
    }
    let rebuilt = Report { uuid: Some("another".into()), ..mysql_report(1, "A:1-9", None) };
    assert_eq!(ends(&mysql_report(1, "A:1-8", None), &rebuilt), Some(Beginning::OtherServer));
}

#[test]
fn two_writers_of_one_domain_are_no_new_history() {
    let origins = |state: &[u8]| Some(Arc::new(Origins::read(1, &[state]).unwrap()));
    let before = Report { origins: origins(b"1-2-50,1-1-39"), ..report(1, "1-2-50", None) };
    let now = Report { origins: origins(b"1-2-50,1-1-40"), ..report(1, "1-1-40", None) };
    assert_eq!(ends(&before, &now), None);
}

#[test]
fn who_has_what_was_lost_is_told_and_stays_so_until_it_has_not() {
    let (before, now) = (mysql_report(1, "A:1-8", None), mysql_report(1, "A:1-3", None));
    assert_eq!(left(&before, &now, &mysql_report(2, "A:1-3", Some(1))), None);
    assert!(left(&before, &now, &mysql_report(2, "A:1-5", Some(1))).is_some_and(|left| left.ends_with(":4-5")));
    let (before, now) = (report(1, "1-1-8", None), report(1, "1-1-1", None));
    assert_eq!(left(&before, &now, &report(2, "1-1-7", Some(0))).as_deref(), Some("1-1-7"));
    let (before, now) = (report_by_position(1, 1000, false), report_by_position(1, 300, false));
    assert_eq!(left(&before, &now, &report_by_position(2, 300, true)), None);
    assert!(left(&before, &now, &report_by_position(2, 900, true)).is_some());

    let leftover = Leftover::Gtids((*report(2, "1-1-7", Some(0)).applied).clone());
    assert!(leftover.is_in(&report(2, "1-1-9", Some(0))));
    assert!(!leftover.is_in(&report(2, "1-1-2", Some(0))));
}
