#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::{GtidError, GtidKind, GtidSet, MAX_TEXT, Origins};

const A: &str = "43ffca67-e4da-11f1-a042-02fc00000001";
const B: &str = "53ffca67-e4da-11f1-a042-02fc00000001";

fn mysql(text: &str) -> GtidSet {
    GtidSet::parse(GtidKind::MySql, text.replace('A', A).replace('B', B).as_bytes()).unwrap()
}

fn mariadb(text: &str) -> GtidSet {
    GtidSet::parse(GtidKind::MariaDb, text.as_bytes()).unwrap()
}

#[test]
fn mysql_texts_are_read_and_printed() {
    for (text, printed) in [
        ("", ""),
        (" \n", ""),
        ("A:1-8", "A:1-8"),
        ("A:1-8,\nB:5", "A:1-8,B:5"),
        ("B:5 , A:1 - 8", "A:1-8,B:5"),
        ("A:7:1-5", "A:1-5:7"),
        ("A:1-3:4-6", "A:1-6"),
        ("A:1-3,A:2-9", "A:1-9"),
        ("A:1:Tag_1:1-3:7:other:2", "A:1,A:other:2,A:tag_1:1-3:7"),
        ("A:tag:1-3", "A:tag:1-3"),
        ("A:5-3", ""),
        (",,A:1,", "A:1"),
    ] {
        assert_eq!(mysql(text).to_string(), printed.replace('A', A).replace('B', B), "{text}");
    }
}

#[test]
fn a_uuid_may_be_in_upper_case_and_without_dashes() {
    for text in ["43FFCA67E4DA11F1A04202FC00000001:1", "43FFCA67-E4DA-11F1-A042-02FC00000001:1"] {
        assert_eq!(GtidSet::parse(GtidKind::MySql, text.as_bytes()), Ok(mysql("A:1")));
    }
}

#[test]
fn mariadb_texts_are_read_and_printed() {
    for (text, printed) in [
        ("", ""),
        ("1-1-8", "1-1-8"),
        ("1-1-8,0-3-2", "0-3-2,1-1-8"),
        (" 1-1-8 ,\n0-3-2", "0-3-2,1-1-8"),
        ("1-1-8,1-2-9,1-3-4", "1-2-9"),
        ("4294967295-4294967295-18446744073709551615", "4294967295-4294967295-18446744073709551615"),
    ] {
        assert_eq!(mariadb(text).to_string(), printed, "{text}");
    }
}

#[test]
fn wrong_texts_are_named() {
    use GtidKind::{MariaDb, MySql};
    for (kind, text, error) in [
        (MySql, "x".to_owned(), GtidError::Uuid),
        (MySql, "1-1-8".to_owned(), GtidError::Uuid),
        (MySql, A.to_owned(), GtidError::Number),
        (MySql, format!("{A}:"), GtidError::Number),
        (MySql, format!("{A}:0"), GtidError::Number),
        (MySql, format!("{A}:1-"), GtidError::Number),
        (MySql, format!("{A}:1-2-3"), GtidError::Number),
        (MySql, format!("{A}:99999999999999999999"), GtidError::Number),
        (MySql, format!("{A}:9223372036854775807"), GtidError::Number),
        (MySql, format!("{A}:1:tag"), GtidError::Number),
        (MySql, format!("{A}:t-g:1"), GtidError::Tag),
        (MySql, format!("{A}:{}:1", "t".repeat(33)), GtidError::Tag),
        (MariaDb, "1-1".to_owned(), GtidError::Triple),
        (MariaDb, "1-1-1-1".to_owned(), GtidError::Triple),
        (MariaDb, "1--1".to_owned(), GtidError::Triple),
        (MariaDb, "4294967296-1-1".to_owned(), GtidError::Triple),
        (MariaDb, format!("{A}:1"), GtidError::Triple),
        (MariaDb, " ".repeat(MAX_TEXT + 1), GtidError::TooLong),
    ] {
        assert_eq!(GtidSet::parse(kind, text.as_bytes()), Err(error), "{text}");
    }
}

#[test]
fn covering() {
    for (set, other, covers) in [
        ("", "", true),
        ("A:1", "", true),
        ("", "A:1", false),
        ("A:1-8", "A:8", true),
        ("A:1-8", "A:9", false),
        ("A:1-8", "A:8-9", false),
        ("A:1-3:5-8", "A:2-6", false),
        ("A:1-3:5-8", "A:1:5:7-8", true),
        ("A:2-8", "A:1", false),
        ("A:1-8", "B:1", false),
        ("A:1-8", "A:tag:1", false),
        ("A:1-8:tag:1-2", "A:tag:2", true),
        ("A:1-8,B:1", "A:3,B:1", true),
    ] {
        assert_eq!(mysql(set).covers(&mysql(other)), covers, "{set} {other}");
    }
    for (set, other, covers) in [
        ("1-1-8", "1-2-8", true),
        ("1-1-8", "1-1-9", false),
        ("1-1-8", "0-1-1", false),
        ("0-1-1,1-1-8", "1-3-2", true),
        ("1-1-8", "", true),
    ] {
        assert_eq!(mariadb(set).covers(&mariadb(other)), covers, "{set} {other}");
    }
    assert!(!mysql("A:1-8").covers(&mariadb("1-1-1")), "the two notations never cover each other");
}

#[test]
fn merging() {
    for (set, other, merged) in [
        ("A:1-3", "A:4", "A:1-4"),
        ("A:1-3", "A:5", "A:1-3:5"),
        ("A:1-3:5", "A:4", "A:1-5"),
        ("A:5", "A:1-9", "A:1-9"),
        ("B:1", "A:1", "A:1,B:1"),
        ("", "A:1", "A:1"),
    ] {
        let mut set = mysql(set);
        set.merge(&mysql(other));
        assert_eq!(set, mysql(merged));
    }
    let mut position = mariadb("1-1-8");
    position.merge(&mariadb("1-2-9,0-1-1"));
    assert_eq!(position, mariadb("0-1-1,1-2-9"));
}

#[test]
fn a_bounded_merge_fills_the_oldest_gaps() {
    let mut set = mysql("A:3:5:9");
    set.merge_bounded(&mysql("A:12"), 3);
    assert_eq!(set, mysql("A:3-5:9:12"));
    set.merge_bounded(&mysql("A:20"), 1);
    assert_eq!(set, mysql("A:3-20"));
}

#[test]
fn unknown_domains_are_added_and_known_ones_kept() {
    let mut position = mariadb("1-1-8");
    position.add_unknown_domains(&mariadb("1-2-99,5-2-3"));
    assert_eq!(position, mariadb("1-1-8,5-2-3"));
}

fn any_mysql() -> impl Strategy<Value = GtidSet> {
    let interval = (1u64..40, 0u64..6).prop_map(|(first, more)| format!("{first}-{}", first + more));
    let server = (prop::sample::select(vec!["A", "B", "A:t", "B:u"]), prop::collection::vec(interval, 1..5));
    prop::collection::vec(server, 0..5).prop_map(|servers| {
        let texts: Vec<String> =
            servers.into_iter().map(|(uuid, parts)| format!("{uuid}:{}", parts.join(":"))).collect();
        mysql(&texts.join(","))
    })
}

fn any_mariadb() -> impl Strategy<Value = GtidSet> {
    prop::collection::vec((0u32..4, 1u32..3, 0u64..20), 0..5).prop_map(|triples| {
        let texts: Vec<String> = triples.into_iter().map(|(d, s, n)| format!("{d}-{s}-{n}")).collect();
        mariadb(&texts.join(","))
    })
}

fn any_set() -> impl Strategy<Value = GtidSet> {
    (any_mysql(), any_mariadb()).prop_map(|(mut set, other)| {
        set.merge(&other);
        set
    })
}

proptest! {
    #[test]
    fn a_merge_covers_both_and_is_the_least_that_does(a in any_set(), b in any_set(), c in any_set()) {
        let mut merged = a.clone();
        merged.merge(&b);
        prop_assert!(merged.covers(&a) && merged.covers(&b) && a.covers(&a));
        prop_assert_eq!(c.covers(&a) && c.covers(&b), c.covers(&merged));
        if a.covers(&b) {
            prop_assert!(merged.covers(&a) && a.covers(&merged));
        }
    }

    #[test]
    fn merging_has_no_order(a in any_mysql(), b in any_mysql()) {
        let (mut ab, mut ba) = (a.clone(), b.clone());
        ab.merge(&b);
        ba.merge(&a);
        prop_assert_eq!(&ab, &ba);
        ab.merge(&b);
        prop_assert_eq!(ab, ba);
    }

    #[test]
    fn covering_is_transitive(a in any_set(), b in any_set(), c in any_set()) {
        if a.covers(&b) && b.covers(&c) {
            prop_assert!(a.covers(&c));
        }
    }

    #[test]
    fn a_bounded_merge_never_asks_for_less(a in any_set(), b in any_set(), n in 0usize..4) {
        let (mut exact, mut bounded) = (a.clone(), a);
        exact.merge(&b);
        bounded.merge_bounded(&b, n);
        prop_assert!(bounded.covers(&exact));
    }

    #[test]
    fn what_is_printed_reads_back(a in any_mysql(), b in any_mariadb()) {
        prop_assert_eq!(&GtidSet::parse(GtidKind::MySql, a.to_string().as_bytes()).unwrap(), &a);
        prop_assert_eq!(&GtidSet::parse(GtidKind::MariaDb, b.to_string().as_bytes()).unwrap(), &b);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = GtidSet::parse(GtidKind::MySql, &bytes);
        let _ = GtidSet::parse(GtidKind::MariaDb, &bytes);
    }

    #[test]
    fn nearly_right_texts_are_read_or_refused(text in "[0-9a-f:_,. -]{0,80}") {
        let _ = GtidSet::parse(GtidKind::MySql, format!("{A}:{text}").as_bytes());
        let _ = GtidSet::parse(GtidKind::MariaDb, text.as_bytes());
    }
}

#[test]
fn what_was_lost_between_two_words_of_one_server() {
    for (replica, old, new, lost) in [
        ("A:1-8", "A:1-8", "A:1-8", ""),
        ("A:1-8", "A:1-8", "A:1-9", ""),
        ("A:1-8", "A:1-8", "", "A:1-8"),
        ("A:1-8", "A:1-8", "A:1-3", "A:4-8"),
        ("A:1-8", "A:1-8", "B:1-3", "A:1-8"),
        ("A:1-5,B:1-2", "A:1-8", "A:1-3", "A:4-5"),
        ("A:1-20", "A:1-4:8-12", "A:2-3:9", "A:1:4:8:10-12"),
        ("B:1-2", "A:1-8", "A:1-3", ""),
    ] {
        assert_eq!(mysql(replica).lost(&mysql(old), &mysql(new)), mysql(lost), "{replica} {old} {new}");
    }
    for (replica, old, new, lost) in [
        ("1-1-8", "1-1-8", "1-1-9", ""),
        ("1-1-8", "1-1-8", "1-1-1", "1-1-8"),
        ("1-1-8", "1-1-8", "", "1-1-8"),
        ("1-1-1", "1-1-8", "1-1-1", ""),
        ("1-1-8,2-1-5", "1-1-8,2-1-5", "1-1-9", ""),
        ("1-1-8,2-1-5", "1-1-8,2-1-5", "1-1-3", "1-1-8,2-1-5"),
        ("3-3-9", "1-1-8", "", ""),
    ] {
        assert_eq!(mariadb(replica).lost(&mariadb(old), &mariadb(new)), mariadb(lost), "{replica} {old} {new}");
    }
}

#[test]
fn a_mariadb_server_misses_what_another_history_has() {
    let state: &[&[u8]] = &[b"1-1-40,1-2-30", b"1-2-30", b"1-1-40"];
    for (position, missing) in [
        ("0-8-7", Some("0-8-7")),
        ("1-1-40", None),
        ("1-2-30", None),
        ("1-1-41", Some("1-1-41")),
        ("1-2-31", Some("1-2-31")),
        ("1-9-5", Some("1-9-5")),
        ("0-1-7", Some("0-1-7")),
        ("0-9-7", None),
        ("", None),
    ] {
        let position = mariadb(position);
        assert_eq!(Origins::read(1, state).unwrap().misses(&position, 8).as_deref(), missing, "{position}");
        assert_eq!(Origins::read(1, &[]).unwrap().misses(&position, 8), None, "nothing is known");
    }
    assert!(Origins::read(1, &[b"x"]).is_err());
}
