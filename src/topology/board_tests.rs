use super::*;
use crate::topology::place::Seen;
use crate::wire::gtid::GtidKind;

const PRIMARY: MemberId = MemberId(0);
const REPLICA: MemberId = MemberId(1);
const ALLOWED: Duration = Duration::from_millis(50);

fn gtids(text: &str) -> GtidSet {
    GtidSet::parse(GtidKind::MariaDb, text.as_bytes()).unwrap()
}

fn at(text: &str) -> Mark {
    Mark::Gtids(gtids(text).into())
}

fn written(text: &str) -> Need {
    Need { gtids: gtids(text), ..Need::default() }
}

fn take(wait: &mut Wait<'_>) -> Option<MemberId> {
    let member = wait.served.try_recv().ok();
    wait.is_served |= member.is_some();
    member
}

#[test]
fn one_answer_serves_all_who_waited_for_as_much_and_nobody_else() {
    let board = Board::default();
    let now = Instant::now();
    let mut waits: Vec<_> =
        ["0-1-5", "0-1-7", "0-1-6"].iter().map(|text| board.wait(written(text), None, ALLOWED, now).unwrap()).collect();
    assert_eq!(board.target(REPLICA, None, Some(PRIMARY)), Some(at("0-1-5")), "who has waited longest comes first");
    let place = board.place(at("0-1-6"));
    assert_eq!(board.target(REPLICA, Some(&place), Some(PRIMARY)), Some(at("0-1-7")));
    board.serve(REPLICA, &place, Some(PRIMARY), now);
    assert_eq!(waits.iter_mut().map(take).collect::<Vec<_>>(), [Some(REPLICA), None, Some(REPLICA)]);
    drop(waits);
    assert_eq!(board.target(REPLICA, None, Some(PRIMARY)), None, "who gives up is not asked for any more");
}

#[test]
fn a_write_that_nobody_named_waits_for_what_the_primary_says_afterwards() {
    let board = Board::default();
    let write = Instant::now();
    let (before, later) = (write.checked_sub(Duration::from_millis(1)).unwrap(), write + Duration::from_millis(1));
    let mut wait = board.wait(Need { after: Some(write), ..Need::default() }, None, ALLOWED, write).unwrap();
    assert!(board.mark(PRIMARY, before, at("0-1-8")));
    assert!(board.wants_mark(PRIMARY), "asked before the write");
    assert_eq!(board.target(REPLICA, None, Some(PRIMARY)), None);
    assert!(board.mark(PRIMARY, later, at("0-1-9")));
    assert!(!board.wants_mark(PRIMARY));
    assert_eq!(board.target(REPLICA, None, Some(PRIMARY)), Some(at("0-1-9")));
    board.serve(REPLICA, &board.place(at("0-1-8")), Some(PRIMARY), later);
    assert_eq!(take(&mut wait), None);
    board.serve(REPLICA, &board.place(at("0-1-9")), Some(PRIMARY), later);
    assert_eq!(take(&mut wait), Some(REPLICA));
}

#[test]
fn what_one_primary_said_proves_nothing_of_another() {
    let board = Board::default();
    let now = Instant::now();
    assert!(board.mark(PRIMARY, now, at("0-1-9")));
    let place = board.place(at("0-1-9"));
    let need = Need { after: Some(now), ..Need::default() };
    assert!(place.satisfies(&need, REPLICA, Some(PRIMARY)));
    assert!(!place.satisfies(&need, REPLICA, Some(MemberId(7))) && !place.satisfies(&need, REPLICA, None));
    assert!(board.mark(MemberId(7), now, at("7-7-1")));
    assert_eq!(board.place(at("0-1-9")).caught_up_to, None);
}

#[test]
fn where_reads_wait_in_vain_only_a_trial_waits_now_and_then() {
    let board = Board::default();
    let long_ago = Instant::now().checked_sub(Duration::from_millis(500)).unwrap();
    let mut now = Instant::now() + Duration::from_secs(1);
    drop(board.wait(written("0-1-5"), None, ALLOWED, long_ago));
    assert!(board.usual() > ALLOWED);
    let trial = board.wait(written("0-1-5"), None, ALLOWED, now);
    assert!(trial.is_some() && board.wait(written("0-1-5"), None, ALLOWED, now).is_none(), "one in a while");
    for _ in 0..20 {
        now += TRIAL;
        let _quick = board.wait(written("0-1-5"), None, ALLOWED, now);
        board.serve(REPLICA, &board.place(at("0-1-5")), Some(PRIMARY), now);
    }
    assert!(board.usual() < ALLOWED, "{:?}", board.usual());
}

#[test]
fn one_read_in_vain_sends_nobody_else_to_the_primary() {
    let board = Board::default();
    let now = Instant::now();
    let ago = |time: Duration| now.checked_sub(time).unwrap();
    let _quick = board.wait(written("0-1-5"), None, ALLOWED, ago(Duration::from_millis(5)));
    board.serve(REPLICA, &board.place(at("0-1-5")), Some(PRIMARY), now);
    let in_vain = || drop(board.wait(written("0-1-6"), None, ALLOWED, ago(ALLOWED)));
    in_vain();
    assert!(board.usual() < ALLOWED, "{:?}", board.usual());
    (0..10).for_each(|_| in_vain());
    assert!(board.usual() > ALLOWED, "{:?}", board.usual());
}

#[test]
fn what_was_seen_on_one_replica_is_asked_of_the_primary_for_all_others() {
    let board = Board::default();
    let read = Instant::now();
    let need = Need { gtids: gtids("0-1-5"), seen: Some(Seen { member: REPLICA, at: read }), ..Need::default() };
    let mut wait = board.wait(need.clone(), None, ALLOWED, read).unwrap();
    let other = MemberId(2);
    assert_eq!(board.target(REPLICA, None, Some(PRIMARY)), Some(at("0-1-5")));
    assert_eq!(board.target(other, None, Some(PRIMARY)), None, "the primary must be asked first");
    assert!(board.wants_mark(PRIMARY));
    board.serve(other, &board.place(at("0-1-5")), Some(PRIMARY), read);
    assert_eq!(take(&mut wait), None);
    assert!(board.mark(PRIMARY, read, at("0-1-7")));
    assert_eq!(board.target(other, None, Some(PRIMARY)), Some(at("0-1-7")));
    assert!(board.place(at("0-1-5")).satisfies(&need, REPLICA, Some(PRIMARY)));
    board.serve(other, &board.place(at("0-1-7")), Some(PRIMARY), read);
    assert_eq!(take(&mut wait), Some(other));
}

#[test]
fn a_primary_that_has_less_than_it_had_proves_nothing() {
    let board = Board::default();
    let now = Instant::now();
    assert!(board.mark(PRIMARY, now, at("0-1-9")));
    assert!(!board.mark(PRIMARY, now, at("0-1-2")), "a reset log numbers anew");
    assert_eq!(board.place(at("0-1-9")).caught_up_to, None);
}

#[test]
fn who_asks_for_the_primary_alone_has_no_replica_asked_and_a_new_history_proves_nothing() {
    let board = Board::default();
    let now = Instant::now();
    let demand = board.demand(now).unwrap();
    assert!(board.wants_mark(PRIMARY));
    assert!(board.mark(PRIMARY, now, at("0-1-9")));
    assert!(!board.wants_mark(PRIMARY));
    assert_eq!(board.target(REPLICA, None, Some(PRIMARY)), None);
    assert_eq!(board.newest_mark(PRIMARY), Some((now, at("0-1-9"))));
    assert_eq!(board.newest_mark(REPLICA), None);
    board.begin_anew();
    assert_eq!(board.newest_mark(PRIMARY), None);
    assert!(board.wants_mark(PRIMARY), "it is asked again");
    drop(demand);
    assert!(!board.wants_mark(PRIMARY));
    assert_eq!(board.usual(), Duration::ZERO, "it does not count among reads that wait");
}

#[tokio::test]
async fn one_member_is_asked_first_and_all_of_them_later() {
    let board = Board::default();
    let read = Instant::now();
    let (bell, other) = (board.bell(REPLICA), MemberId(2));
    let mut news = board.news();
    let need = Need { gtids: gtids("0-1-5"), seen: Some(Seen { member: REPLICA, at: read }), ..Need::default() };
    let mut wait = board.wait(need, Some(REPLICA), ALLOWED, read).unwrap();
    timeout(Duration::ZERO, bell.notified()).await.expect("its follower is woken");
    assert!(!news.has_changed().unwrap(), "and no other one");
    assert_eq!(board.target(REPLICA, None, Some(PRIMARY)), Some(at("0-1-5")));
    assert_eq!(board.target(other, None, Some(PRIMARY)), None);
    assert!(!board.wants_mark(PRIMARY), "where it read last nothing is older");
    wait.widen();
    assert!(news.has_changed().unwrap());
    news.borrow_and_update();
    assert!(board.wants_mark(PRIMARY), "what it has seen is older at another one, perhaps");
    assert!(board.mark(PRIMARY, read, at("0-1-5")));
    assert_eq!(board.target(other, None, Some(PRIMARY)), Some(at("0-1-5")));
    board.serve(other, &board.place(at("0-1-5")), Some(PRIMARY), read);
    assert_eq!(take(&mut wait), Some(other));
}

#[tokio::test]
async fn who_waits_alone_for_too_long_waits_for_all() {
    let board = Board::default();
    let mut wait = board.wait(written("0-1-5"), Some(REPLICA), ALLOWED, Instant::now()).unwrap();
    let begun = Instant::now();
    let served = async {
        while board.target(MemberId(2), None, Some(PRIMARY)).is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        board.serve(MemberId(2), &board.place(at("0-1-5")), Some(PRIMARY), Instant::now());
    };
    let (by, ()) = tokio::join!(wait.served(ALLOWED), served);
    assert_eq!(by, Some(MemberId(2)));
    assert!(begun.elapsed() >= ALLOWED);
}

#[test]
fn bells_of_members_that_have_left_are_forgotten() {
    let board = Board::default();
    for number in 0..100 {
        drop(board.bell(MemberId(number)));
    }
    assert_eq!(board.state().bells.len(), 1);
}
