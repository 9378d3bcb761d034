#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::topology::member::{Member, Role};
use crate::topology::state::{DownReason, Health};
use crate::wire::gtid::GtidKind;

fn position(text: &str) -> GtidSet {
    GtidSet::parse(GtidKind::MariaDb, text.as_bytes()).unwrap()
}

fn member(id: u32, role: Role) -> MemberView {
    let member = Member::new(MemberId(id), &format!("mysql-{id}"), ([10, 0, 0, id as u8], 3306).into());
    MemberView { health: Health::Up, unfit: None, ..MemberView::unseen(member, role) }
}

fn replica(id: u32, applied: &str) -> MemberView {
    MemberView { applied: Arc::new(position(applied)), ..member(id, Role::Replica) }
}

fn view(mut replicas: Vec<MemberView>) -> View {
    replicas.push(member(0, Role::Primary));
    View::new(1, replicas, Ok(MemberId(0)))
}

fn picked(view: &View, need: &Freshness<'_>, prefer: Option<u32>, avoid: &[u32]) -> (u32, PickReason) {
    let avoid: Vec<MemberId> = avoid.iter().copied().map(MemberId).collect();
    let pick = view.pick_replica(need, None, prefer.map(MemberId), &avoid).unwrap();
    (pick.member.member.id.0, pick.because)
}

#[test]
fn reads_are_balanced_by_what_is_in_flight_and_equals_take_turns() {
    let view = view(vec![replica(1, ""), replica(2, "")]);
    let mut served = [0, 0, 0];
    for _ in 0..100 {
        served[picked(&view, &Freshness::Any, None, &[]).0 as usize] += 1;
        // Who stays where it was takes nobody's turn.
        picked(&view, &Freshness::Any, Some(1), &[]);
    }
    assert_eq!(served, [0, 50, 50]);
    let _busy = view.member(MemberId(1)).unwrap().member.begin();
    for _ in 0..9 {
        assert_eq!(picked(&view, &Freshness::Any, None, &[]), (2, PickReason::Replica));
    }
}

#[test]
fn a_session_stays_on_its_replica_until_that_is_clearly_busier() {
    let view = view(vec![replica(1, ""), replica(2, "")]);
    let mut busy = Vec::new();
    for _ in 0..=STICKY_SLACK {
        assert_eq!(picked(&view, &Freshness::Any, Some(1), &[]), (1, PickReason::Sticky));
        busy.push(view.member(MemberId(1)).unwrap().member.begin());
    }
    assert_eq!(picked(&view, &Freshness::Any, Some(1), &[]), (2, PickReason::Replica));
    assert_eq!(picked(&view, &Freshness::Any, Some(99), &[]).1, PickReason::Replica, "a member that is gone");
    assert_eq!(picked(&view, &Freshness::Any, Some(0), &[]).1, PickReason::Replica, "the primary is no replica");
}

#[test]
fn a_session_that_may_move_takes_turns_with_those_that_are_as_new() {
    let read = Instant::now();
    let mut view = view(vec![replica(1, ""), replica(2, "")]);
    let pick = |view: &View, seen| {
        let pick =
            view.pick_replica(&Freshness::Any, Some(Seen { member: MemberId(seen), at: read }), None, &[]).unwrap();
        (pick.member.member.id.0, pick.because)
    };
    view.member(MemberId(1)).unwrap().member.take_turn(1);
    assert_eq!(pick(&view, 1), (1, PickReason::Outstayed), "nothing is known of the other");
    assert_eq!(pick(&view, 2), (2, PickReason::Replica), "it is its turn");
    view.members[1].caught_up_to = Some(read);
    view.members[2].caught_up_to = Some(read);
    let mut served = [0, 0, 0];
    (0..100).for_each(|_| served[pick(&view, 1).0 as usize] += 1);
    assert_eq!(served, [0, 50, 50]);
}

#[test]
fn only_replicas_that_have_the_write_serve_it() {
    let view = view(vec![replica(1, "1-1-8"), replica(2, "1-1-9")]);
    let nine = position("1-1-9");
    assert_eq!(picked(&view, &Freshness::Gtid(&nine), Some(1), &[]), (2, PickReason::Replica));
    assert_eq!(picked(&view, &Freshness::Gtid(&nine), None, &[2]), (0, PickReason::NotCaughtUp));
    let ten = position("1-1-10");
    assert_eq!(picked(&view, &Freshness::Gtid(&ten), None, &[]), (0, PickReason::NotCaughtUp));
}

#[test]
fn a_write_without_a_gtid_needs_a_replica_proven_to_be_past_it() {
    let poll = Instant::now();
    let mut caught_up = replica(1, "");
    caught_up.caught_up_to = Some(poll);
    let view = view(vec![caught_up, replica(2, "")]);
    assert_eq!(picked(&view, &Freshness::After(poll), None, &[]), (1, PickReason::Replica));
    let later = Freshness::After(poll + Duration::from_nanos(1));
    assert_eq!(picked(&view, &later, None, &[]), (0, PickReason::NotCaughtUp));
}

#[test]
fn writes_with_and_without_a_gtid_need_a_replica_that_has_both() {
    let poll = Instant::now();
    let members = ["1-1-8", "1-1-9"].map(|applied| replica(if applied == "1-1-8" { 1 } else { 2 }, applied));
    let members = members.map(|member| MemberView { caught_up_to: Some(poll), ..member });
    let (view, nine) = (view(members.to_vec()), position("1-1-9"));
    assert_eq!(picked(&view, &Freshness::GtidAfter(&nine, poll), None, &[]), (2, PickReason::Replica));
    let later = Freshness::GtidAfter(&nine, poll + Duration::from_nanos(1));
    assert_eq!(picked(&view, &later, None, &[]), (0, PickReason::NotCaughtUp));
}

#[test]
fn the_fallback_has_a_name() {
    let down = MemberView { health: Health::Down(DownReason::Connect(String::new())), ..replica(1, "") };
    let limit = Duration::from_secs(10);
    let lagging = MemberView { unfit: Some(Unfit::Lag { lag: limit * 2, max: limit }), ..replica(2, "") };
    let stopped = MemberView { unfit: Some(Unfit::SqlThread { error: String::new() }), ..replica(3, "") };
    for (replicas, avoid, because) in [
        (vec![], &[][..], PickReason::NoReplica),
        (vec![down.clone()], &[], PickReason::NoReplica),
        (vec![stopped], &[], PickReason::NoReplica),
        (vec![down, lagging], &[], PickReason::AllLagging),
        (vec![replica(1, "")], &[1], PickReason::NoReplica),
    ] {
        assert_eq!(picked(&view(replicas), &Freshness::Any, None, avoid), (0, because));
    }
}

#[test]
fn without_anybody_both_reasons_are_told() {
    let down = Health::Down(DownReason::Timeout(Duration::from_millis(500)));
    let primary = MemberView { health: down, ..member(0, Role::Primary) };
    let view = View::new(1, vec![primary], Ok(MemberId(0)));
    let told = view.pick_replica(&Freshness::Any, None, None, &[]).unwrap_err().to_string();
    assert_eq!(told, "no replica can serve (no_replica), and the primary mysql-0 is down: no answer within 500ms");
    assert!(!view.can_serve());
    assert!(View::default().pick_replica(&Freshness::Any, None, None, &[]).is_err());
}

#[test]
fn replicas_serve_while_the_primary_is_down() {
    let primary = MemberView { health: Health::Down(DownReason::Connect(String::new())), ..member(0, Role::Primary) };
    let view = View::new(1, vec![primary, replica(1, "")], Ok(MemberId(0)));
    assert_eq!(picked(&view, &Freshness::Any, None, &[]), (1, PickReason::Replica));
    assert!(view.can_serve() && !view.has_primary());
}

#[test]
fn what_a_session_has_seen_is_not_taken_back() {
    let read = Instant::now();
    let seen = Some(Seen { member: MemberId(1), at: read });
    let mut view = view(vec![replica(1, ""), replica(2, "")]);
    let pick = |view: &View, avoid: &[MemberId]| {
        let pick = view.pick_replica(&Freshness::Any, seen, Some(MemberId(1)), avoid).unwrap();
        (pick.member.member.id.0, pick.because)
    };
    assert_eq!(pick(&view, &[]), (1, PickReason::Sticky));
    assert_eq!(pick(&view, &[MemberId(1)]), (0, PickReason::NotCaughtUp), "nothing is known of the other");
    let busy: Vec<_> = (0..=STICKY_SLACK).map(|_| view.member(MemberId(1)).unwrap().member.begin()).collect();
    assert_eq!(pick(&view, &[]), (1, PickReason::Overloaded), "it would rather be another");
    view.members[2].caught_up_to = Some(read);
    assert_eq!(pick(&view, &[]), (2, PickReason::Replica));
    drop(busy);
    assert_eq!(pick(&view, &[MemberId(1)]), (2, PickReason::Replica));
}

#[test]
fn a_read_waits_for_the_replica_it_knows_unless_that_is_busy_or_slow() {
    let view = view(vec![replica(1, ""), replica(2, "")]);
    let (now, ms) = (Instant::now(), Duration::from_millis);
    let member = |id: u32| view.member(MemberId(id)).unwrap().member.clone();
    let waited_for = |prefer: Option<u32>, avoid: &[MemberId], now| {
        view.worth_waiting_for(prefer.map(MemberId), avoid, now).map(|(id, usual)| (id.0, usual))
    };
    assert_eq!(waited_for(Some(2), &[], now), Some((2, Duration::ZERO)));
    assert_eq!(waited_for(Some(2), &[MemberId(2)], now), Some((1, Duration::ZERO)));
    assert_eq!(waited_for(Some(0), &[MemberId(1), MemberId(2)], now), None, "the primary is no replica");
    member(1).note_pace(ms(4), now);
    member(2).note_pace(ms(9), now);
    assert_eq!(waited_for(Some(2), &[], now), Some((2, ms(9))), "it is not slower by much");
    for _ in 0..10 {
        member(2).note_pace(ms(100), now);
    }
    assert_eq!(waited_for(Some(2), &[], now), Some((1, ms(4))), "a replica that is late is not waited for alone");
    let later = now + ms(600);
    assert_eq!(waited_for(Some(2), &[], later), Some((2, Duration::ZERO)), "after a while it is tried again");
    let _busy: Vec<_> = (0..=STICKY_SLACK).map(|_| member(2).begin()).collect();
    assert_eq!(waited_for(Some(2), &[], later), Some((1, Duration::ZERO)));
}
