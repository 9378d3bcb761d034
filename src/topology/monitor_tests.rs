use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::topology::fake::{FakeMembers, mariadb_primary, mariadb_replica};
use crate::topology::member::{Member, Role};
use crate::topology::pick::{Freshness, PickReason};
use crate::topology::settings::{CheckSettings, ClusterKind, HostPort, MemberSource, PrimaryRule};
use crate::topology::state::Health;
use crate::topology::view::MemberView;

const VERSION: &str = "10.11.19-MariaDB";

fn address(last: u8) -> SocketAddr {
    ([10, 0, 0, last], 3306).into()
}

fn settings(interval: Duration) -> TopologySettings {
    TopologySettings {
        kind: ClusterKind::Auto,
        members: MemberSource::List(["10.0.0.1", "10.0.0.2"].iter().filter_map(|a| HostPort::parse(a, 3306)).collect()),
        primary: PrimaryRule::Named(HostPort { host: "10.0.0.1".into(), port: 3306 }),
        primary_service: None,
        dns_servers: Vec::new(),
        check: CheckSettings { interval, ..CheckSettings::default() },
    }
}

fn put(members: &FakeMembers, last: u8, answers: crate::topology::fake::Answers) {
    members.0.lock().unwrap().insert(address(last), (VERSION, answers));
}

async fn soon(topology: &Topology, wanted: impl Fn(&View) -> bool) -> Arc<View> {
    timeout(Duration::from_secs(30), topology.wait_for(wanted)).await.unwrap()
}

#[tokio::test]
async fn members_are_followed_from_the_first_check_to_the_last() {
    let members = FakeMembers::default();
    put(&members, 1, mariadb_primary("1-1-8"));
    put(&members, 2, mariadb_replica("1-1-8", "0"));
    let cancel = CancellationToken::new();
    let topology = start(settings(Duration::from_millis(20)), members.clone(), cancel.clone());
    assert!(!topology.view().can_serve());

    let view =
        soon(&topology, |view| view.members.iter().all(|member| member.health == Health::Up) && view.has_primary())
            .await;
    assert_eq!(view.pick_replica(&Freshness::Any, None, None, &[]).unwrap().because, PickReason::Replica);

    members.0.lock().unwrap().remove(&address(2));
    let view = soon(&topology, |view| !view.members[1].is_up()).await;
    assert_eq!(view.pick_replica(&Freshness::Any, None, None, &[]).unwrap().because, PickReason::NoReplica);

    // It has less than before, so nothing is proven of it: its own word counts.
    put(&members, 2, mariadb_replica("1-1-7", "99"));
    let view = soon(&topology, |view| view.members[1].is_up()).await;
    assert_eq!(view.pick_replica(&Freshness::Any, None, None, &[]).unwrap().because, PickReason::AllLagging);

    cancel.cancel();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let last = topology.view().generation;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(topology.view().generation, last, "nothing runs any more");
}

#[tokio::test]
async fn a_recheck_does_not_wait_for_the_interval() {
    let members = FakeMembers::default();
    put(&members, 1, mariadb_primary("1-1-8"));
    put(&members, 2, mariadb_replica("1-1-8", "0"));
    let topology = start(settings(Duration::from_secs(3)), members.clone(), CancellationToken::new());
    let view = soon(&topology, |view| view.members.iter().all(|member| member.health == Health::Up)).await;
    put(&members, 1, mariadb_primary("1-1-9"));
    let begun = tokio::time::Instant::now();
    topology.recheck();
    soon(&topology, |now| now.members.iter().any(|member| member.applied.to_string() == "1-1-9")).await;
    assert!(begun.elapsed() < Duration::from_secs(2) && topology.view().generation > view.generation);
}

#[test]
fn equals_take_turns_from_one_snapshot_to_the_next() {
    let members = [0, 1].map(|id: u8| Member::new(MemberId(id.into()), "replica", address(id)));
    let snapshot = |generation| {
        let replica = |member: &Member| {
            let replica = MemberView::unseen(member.clone(), Role::Replica);
            MemberView { health: Health::Up, unfit: None, ..replica }
        };
        View::new(generation, members.iter().map(replica).collect(), Ok(MemberId(9)))
    };
    let topology = Topology::fixed(snapshot(0));
    let served: Vec<u32> = (1..=6)
        .map(|generation| {
            let view = topology.view();
            let served = view.pick_replica(&Freshness::Any, None, None, &[]).unwrap().member.member.id.0;
            topology.publish(snapshot(generation));
            served
        })
        .collect();
    assert_eq!(served, [0, 1, 0, 1, 0, 1]);
}
