use std::time::Duration;

use super::*;
use crate::topology::member::Member;
use crate::topology::member_id::MemberId;
use crate::topology::state::DownReason;

fn member(id: u32, role: Role, health: Health) -> MemberView {
    let member = Member::new(MemberId(id), &format!("mysql-{id}"), ([10, 0, 0, id as u8], 3306).into());
    let unfit = (health != Health::Up).then_some(Unfit::Unseen).filter(|_| role == Role::Replica);
    MemberView { health, unfit, ..MemberView::unseen(member, role) }
}

fn cluster(replica: MemberView) -> View {
    View::new(1, vec![member(0, Role::Primary, Health::Up), replica], Ok(MemberId(0)))
}

fn told(before: &View, now: &View) -> Vec<String> {
    changes(before, now).into_iter().map(|change| change.text).collect()
}

#[test]
fn a_change_is_told_once() {
    let up = || cluster(member(1, Role::Replica, Health::Up));
    let down = || cluster(member(1, Role::Replica, Health::Down(DownReason::Timeout(Duration::from_millis(500)))));
    assert_eq!(told(&up(), &up()), [""; 0]);
    assert_eq!(told(&up(), &down()), ["mysql-1 (10.0.0.1:3306) is down: no answer within 500ms"]);
    assert_eq!(told(&down(), &down()), [""; 0]);
    assert_eq!(told(&down(), &up()), ["mysql-1 (10.0.0.1:3306) is up", "mysql-1 (10.0.0.1:3306) serves reads"]);
}

#[test]
fn a_primary_that_is_down_is_called_so_and_it_is_said_what_follows() {
    let primary = |health| {
        let members = vec![member(0, Role::Primary, health), member(1, Role::Replica, Health::Up)];
        View::new(1, members, Ok(MemberId(0)))
    };
    let down = primary(Health::Down(DownReason::Timeout(Duration::from_millis(500))));
    let text = told(&primary(Health::Up), &down).remove(0);
    assert!(
        text.starts_with("the primary mysql-0 (10.0.0.0:3306) is down: no answer within 500ms; writes wait"),
        "{text}"
    );
    assert_eq!(told(&down, &primary(Health::Up))[0], "the primary mysql-0 (10.0.0.0:3306) is up");
}

#[test]
fn lag_is_told_when_it_begins_and_when_it_ends_not_as_it_grows() {
    let lagging = |seconds| {
        let unfit = Some(Unfit::Lag { lag: Duration::from_secs(seconds), max: Duration::from_secs(10) });
        cluster(MemberView { unfit, ..member(1, Role::Replica, Health::Up) })
    };
    let fine = || cluster(member(1, Role::Replica, Health::Up));
    assert_eq!(
        told(&fine(), &lagging(11)),
        [
            "mysql-1 (10.0.0.1:3306) serves no reads: it is 11s behind, more than 10s (monitor.max_lag, or four fifths of it before it serves again)"
        ]
    );
    assert_eq!(told(&lagging(11), &lagging(12)), [""; 0]);
    assert_eq!(told(&lagging(12), &fine()), ["mysql-1 (10.0.0.1:3306) serves reads"]);
}

#[test]
fn a_read_only_primary_is_told_with_its_remedy() {
    let mut now = cluster(member(1, Role::Replica, Health::Up));
    now.members[0].read_only = Some(true);
    let texts = told(&cluster(member(1, Role::Replica, Health::Up)), &now);
    assert_eq!(texts.len(), 1);
    assert!(texts[0].contains("read-only") && texts[0].contains("cluster.primary"), "{texts:?}");
}

#[test]
fn members_and_the_primary_come_and_go() {
    let full = cluster(member(1, Role::Replica, Health::Unknown));
    let alone = View::new(2, vec![member(1, Role::Replica, Health::Up)], Err(NoPrimary::NotFound("mysql-0".into())));
    assert_eq!(
        told(&full, &alone),
        [
            "mysql-0 (10.0.0.0:3306) is no longer a member",
            "mysql-1 (10.0.0.1:3306) is up",
            "there is no primary: no member is called \"mysql-0\" (cluster.primary)",
        ]
    );
    assert_eq!(told(&View::default(), &View::default()), [""; 0]);
}

#[test]
fn a_failed_lookup_is_told_and_its_end_as_well() {
    let failing = View { discovery_problem: Some("DNS has no address for mysql".into()), ..View::default() };
    assert_eq!(
        told(&View::default(), &failing),
        ["looking up the members failed, the last known ones stay: DNS has no address for mysql"]
    );
    assert_eq!(told(&failing, &View::default()), ["looking up the members works again"]);
}
