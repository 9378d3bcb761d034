use super::*;
use crate::topology::fake::{galera_report, mysql_report, report};
use crate::topology::pick::{Freshness, PickReason};
use crate::topology::settings::{CheckSettings, ClusterKind, HostPort, MemberSource};
use crate::topology::state::DownReason;
use crate::wire::gtid::GtidKind;

fn address(last: u8) -> SocketAddr {
    ([10, 0, 0, last], 3306).into()
}

fn settings(primary: PrimaryRule, members: u8) -> TopologySettings {
    let list = (0..members).map(|last| HostPort { host: address(last).ip().to_string(), port: 3306 }).collect();
    TopologySettings {
        kind: ClusterKind::Auto,
        members: MemberSource::List(list),
        primary,
        primary_service: None,
        dns_servers: Vec::new(),
        check: CheckSettings::default(),
    }
}

fn galera_cluster(kind: ClusterKind) -> Cluster {
    let name = HostPort { host: "mysql-1".into(), port: 3306 };
    let mut cluster = Cluster::new(TopologySettings { kind, ..settings(PrimaryRule::Named(name), 3) });
    cluster.discovered(&found(&[0, 1, 2], Some(1)));
    cluster
}

fn writer(cluster: &mut Cluster) -> Result<u32, NoPrimary> {
    cluster.view().primary().map(|primary| primary.member.id.0)
}

fn readers(cluster: &mut Cluster) -> Vec<u32> {
    let view = cluster.view();
    view.members.iter().filter(|member| member.serves_reads()).map(|member| member.member.id.0).collect()
}

fn found(lasts: &[u8], primary: Option<u8>) -> Found {
    let members = lasts.iter().map(|last| (format!("mysql-{last}"), address(*last))).collect();
    Found { members, primary: primary.map(address), problem: None }
}

fn named_cluster() -> Cluster {
    let name = HostPort { host: "mysql-0".into(), port: 3306 };
    let mut cluster = Cluster::new(settings(PrimaryRule::Named(name), 3));
    cluster.discovered(&found(&[0, 1, 2], Some(0)));
    cluster
}

fn answers(cluster: &mut Cluster, id: u32, report: Report) {
    cluster.checked(Checked { member: MemberId(id), health: Health::Up, report: Some(report) });
}

fn fails(cluster: &mut Cluster, id: u32, health: Health) {
    cluster.checked(Checked { member: MemberId(id), health, report: None });
}

fn down() -> Health {
    Health::Down(DownReason::Connect("refused".into()))
}

fn who_reads(view: &View, position: &str) -> (u32, PickReason) {
    let wanted = GtidSet::parse(GtidKind::MariaDb, position.as_bytes()).unwrap();
    let pick = view.pick_replica(&Freshness::Gtid(&wanted), None, None, &[]).unwrap();
    (pick.member.member.id.0, pick.because)
}

#[test]
fn a_replica_that_was_too_late_returns_at_four_fifths_of_the_limit() {
    let mut cluster = named_cluster();
    answers(&mut cluster, 0, report(1, "1-1-8", None));
    answers(&mut cluster, 2, report(3, "1-1-8", Some(0)));
    for (behind, serves) in [(10, true), (11, false), (10, false), (9, false), (8, true), (9, true), (10, true)] {
        answers(&mut cluster, 1, report(2, "1-1-7", Some(behind)));
        assert_eq!(readers(&mut cluster).contains(&1), serves, "{behind} s");
    }
}

#[test]
fn reads_follow_what_the_replicas_have_applied() {
    let mut cluster = named_cluster();
    answers(&mut cluster, 0, report(1, "1-1-8", None));
    answers(&mut cluster, 1, report(2, "1-1-7", Some(0)));
    answers(&mut cluster, 2, report(3, "1-1-8", Some(0)));
    let view = cluster.view();
    assert_eq!(view.primary().unwrap().member.id, MemberId(0));
    assert_eq!(who_reads(&view, "1-1-8"), (2, PickReason::Replica));
    assert_eq!(who_reads(&view, "1-1-9"), (0, PickReason::NotCaughtUp));
    assert_eq!((view.members[1].caught_up_to, view.members[2].caught_up_to.is_some()), (None, true));
}

#[test]
fn a_failed_check_takes_back_what_was_proven_before_it_takes_the_member_out() {
    let mut cluster = named_cluster();
    answers(&mut cluster, 0, report(1, "1-1-8", None));
    answers(&mut cluster, 1, report(2, "1-1-8", Some(0)));
    fails(&mut cluster, 1, Health::Up);
    let view = cluster.view();
    assert!(view.members[1].serves_reads());
    assert_eq!(who_reads(&view, "1-1-8"), (0, PickReason::NotCaughtUp));
    fails(&mut cluster, 1, down());
    assert_eq!(who_reads(&cluster.view(), "1-1-8"), (0, PickReason::NoReplica));
}

#[test]
fn replicas_serve_on_while_the_primary_is_down() {
    let mut cluster = named_cluster();
    answers(&mut cluster, 0, report(1, "1-1-8", None));
    answers(&mut cluster, 1, report(2, "1-1-8", Some(0)));
    fails(&mut cluster, 0, down());
    let mut cut_off = report(2, "1-1-8", Some(0));
    if let crate::topology::replication::Replication::Channels(channels) = &mut cut_off.replication {
        channels[0].behind = None;
        channels[0].io =
            crate::topology::replication::Thread::Stopped { state: "Connecting".into(), error: String::new() };
    }
    answers(&mut cluster, 1, cut_off);
    let view = cluster.view();
    assert!(view.primary().is_err());
    assert_eq!(who_reads(&view, "1-1-8"), (1, PickReason::Replica));
}

#[test]
fn nothing_begins_at_a_member_that_is_about_to_end() {
    let mut cluster = named_cluster();
    let reports = || [report(1, "1-1-8", None), report(2, "1-1-8", Some(0)), report(3, "1-1-8", Some(0))];
    let leave = |mut reports: [Report; 3], who: &[usize]| {
        for id in who {
            reports[*id].leaving = true;
        }
        reports
    };
    let view = round(&mut cluster, leave(reports(), &[1]));
    assert_eq!((why_not(&view), who_reads(&view, "1-1-8")), ([Some("leaving"), None], (2, PickReason::Replica)));
    let view = round(&mut cluster, leave(reports(), &[0]));
    assert_eq!((why_not(&view), view.open_primary().is_err()), ([None; 2], true));
    // What has begun there goes on: it is still the primary, and answers.
    assert!(view.primary().is_ok() && view.has_primary());
    let view = round(&mut cluster, leave(reports(), &[0, 1, 2]));
    let nobody = view.pick_replica(&Freshness::Any, None, None, &[]).unwrap_err().to_string();
    assert_eq!(nobody, "no replica can serve (no_replica), and the primary mysql-0 is about to end");
    let view = round(&mut cluster, reports());
    assert!(why_not(&view) == [None; 2] && view.open_primary().is_ok());
}

#[test]
fn a_new_address_is_a_new_member_and_an_old_one_stays_itself() {
    let mut cluster = named_cluster();
    let turnover = cluster.discovered(&found(&[1, 2, 9], None));
    assert_eq!(turnover.left, [MemberId(0)]);
    assert_eq!(turnover.joined.iter().map(|member| member.id).collect::<Vec<_>>(), [MemberId(3)]);
    let view = cluster.view();
    assert_eq!(view.primary().unwrap_err(), NoPrimary::NotFound("mysql-0".into()));
    assert!(!cluster.checked(Checked { member: MemberId(0), health: Health::Up, report: None }), "it is gone");
}

#[test]
fn another_primary_makes_what_was_proven_worthless() {
    let mut cluster = Cluster::new(settings(PrimaryRule::Writable, 2));
    cluster.discovered(&found(&[0, 1], None));
    answers(&mut cluster, 0, report(1, "1-1-8", None));
    answers(&mut cluster, 1, report(2, "1-1-8", Some(0)));
    assert!(cluster.view().members[1].caught_up_to.is_some());
    let begun = std::time::Instant::now();
    fails(&mut cluster, 0, down());
    answers(&mut cluster, 1, report(2, "1-1-8", None));
    let view = cluster.view();
    assert_eq!(view.primary().unwrap().member.id, MemberId(1));
    answers(&mut cluster, 0, report(1, "1-1-8", Some(0)));
    assert!(cluster.view().members[0].caught_up_to.unwrap() >= begun, "proven against the new primary");
}

#[test]
fn one_server_is_the_primary_whatever_it_says_and_whatever_the_name() {
    let name = HostPort { host: "mysql-0.mysql".into(), port: 3306 };
    let mut cluster = Cluster::new(settings(PrimaryRule::Named(name), 1));
    cluster.discovered(&found(&[0], None));
    answers(&mut cluster, 0, report(1, "1-1-8", Some(0)));
    let view = cluster.view();
    assert_eq!(view.primary().unwrap().member.id, MemberId(0));
    assert_eq!(who_reads(&view, "1-1-9"), (0, PickReason::NoReplica));
}

#[test]
fn galera_nodes_that_are_fit_serve_and_the_named_one_writes_as_long_as_it_is_fit() {
    let unfit = [("wsrep_local_state", "2")];
    for kind in [ClusterKind::Galera, ClusterKind::Auto] {
        let mut cluster = galera_cluster(kind);
        answers(&mut cluster, 0, galera_report(5, &[]));
        // Others may be no Galera nodes, as far as `auto` knows; then it would be today's primary without replicas.
        assert_eq!(writer(&mut cluster), Err(NoPrimary::NotSeenYet), "{kind:?}");
        answers(&mut cluster, 1, galera_report(5, &[]));
        answers(&mut cluster, 2, galera_report(5, &[]));
        assert_eq!((writer(&mut cluster), readers(&mut cluster)), (Ok(1), vec![0, 2]), "{kind:?}");

        answers(&mut cluster, 0, galera_report(5, &unfit));
        assert_eq!((writer(&mut cluster), readers(&mut cluster)), (Ok(1), vec![2]), "a donor reads nothing");
        fails(&mut cluster, 1, down());
        assert_eq!((writer(&mut cluster), readers(&mut cluster)), (Ok(2), vec![]), "a donor is not the next one");
        answers(&mut cluster, 2, galera_report(5, &[("wsrep_cluster_status", "non-Primary")]));
        assert_eq!((writer(&mut cluster), readers(&mut cluster)), (Ok(0), vec![]), "unless it is the only one");
        answers(&mut cluster, 0, galera_report(5, &[("wsrep_ready", "OFF")]));
        assert!(matches!(writer(&mut cluster), Err(NoPrimary::NoneFit(_))), "{kind:?}");
        answers(&mut cluster, 0, galera_report(5, &[]));
        assert_eq!((writer(&mut cluster), readers(&mut cluster)), (Ok(0), vec![]), "{kind:?}");
        answers(&mut cluster, 1, galera_report(5, &[]));
        assert_eq!((writer(&mut cluster), readers(&mut cluster)), (Ok(1), vec![0]), "the named one is back at once");
    }
}

#[test]
fn a_galera_cluster_stays_one_while_a_member_restarts_without_its_provider() {
    let mut cluster = galera_cluster(ClusterKind::Auto);
    for id in 0..3 {
        answers(&mut cluster, id, galera_report(5, &[]));
    }
    assert!(cluster.view().is_galera());
    fails(&mut cluster, 1, down());
    answers(&mut cluster, 1, report(1, "0-1-900", None));
    let view = cluster.view();
    assert!(view.is_galera());
    assert_eq!(view.members[1].unfit, Some(Unfit::NoGalera));
    assert_eq!((writer(&mut cluster), readers(&mut cluster)), (Ok(0), vec![2]));
}

#[test]
fn members_that_contradict_each_other_are_taken_as_before() {
    let mut cluster = galera_cluster(ClusterKind::Auto);
    answers(&mut cluster, 0, galera_report(5, &[]));
    answers(&mut cluster, 1, report(1, "1-1-8", None));
    answers(&mut cluster, 2, report(2, "1-1-8", Some(0)));
    let view = cluster.view();
    assert_eq!((view.character, view.members[0].unfit.clone()), (Character::Replication, Some(Unfit::NoReplication)));
    assert_eq!((writer(&mut cluster), readers(&mut cluster)), (Ok(1), vec![2]));
    assert_eq!(who_reads(&cluster.view(), "1-1-8"), (2, PickReason::Replica), "by GTID");
}

#[test]
fn the_gtids_of_galera_nodes_are_worth_nothing_and_their_place_in_the_clusters_order_everything() {
    let mut cluster = galera_cluster(ClusterKind::Galera);
    answers(&mut cluster, 0, galera_report(4, &[]));
    answers(&mut cluster, 2, galera_report(5, &[]));
    let wrote = std::time::Instant::now();
    answers(&mut cluster, 1, galera_report(5, &[]));
    let view = cluster.view();
    assert!(!view.names_writes());
    assert_eq!(who_reads(&view, "0-1-1"), (1, PickReason::NotCaughtUp), "every node's log is further than that");
    let serving = |view: &View| view.pick_replica(&Freshness::After(wrote), None, None, &[]).unwrap().member.member.id;
    assert_eq!(serving(&view), MemberId(2));
    fails(&mut cluster, 2, down());
    assert_eq!(serving(&cluster.view()), MemberId(1), "the other lacks something");
    answers(&mut cluster, 0, galera_report(5, &[]));
    assert_eq!(serving(&cluster.view()), MemberId(0));
}

/// Checks of all members, the replicas before the primary.
fn round(cluster: &mut Cluster, reports: [Report; 3]) -> View {
    let [primary, one, two] = reports;
    answers(cluster, 1, one);
    answers(cluster, 2, two);
    answers(cluster, 0, Report { begun: std::time::Instant::now(), ..primary });
    cluster.view()
}

fn why_not(view: &View) -> [Option<&'static str>; 2] {
    [1, 2].map(|id| view.members[id].why_not())
}

#[test]
fn behind_a_new_beginning_nothing_old_is_proof_however_far_the_primary_goes() {
    let mut cluster = named_cluster();
    let old = || report(2, "1-1-8", Some(0));
    let view = round(&mut cluster, [report(1, "1-1-8", None), old(), report(3, "1-1-8", Some(0))]);
    assert_eq!((why_not(&view), view.history), ([None, None], 0));
    let view = round(&mut cluster, [report(1, "1-1-1", None), old(), report(3, "1-1-8", Some(0))]);
    assert_eq!((why_not(&view), view.history), ([Some("other_history"); 2], 1));
    assert_eq!(who_reads(&view, "1-1-1"), (0, PickReason::NoReplica));
    // The third member was made anew; the primary has passed what the second one has.
    let view = round(&mut cluster, [report(1, "1-1-2", None), old(), report(3, "1-1-2", Some(0))]);
    assert_eq!(why_not(&view), [Some("other_history"), None]);
    let view = round(&mut cluster, [report(1, "1-1-90", None), old(), report(3, "1-1-90", Some(0))]);
    assert_eq!(why_not(&view), [Some("other_history"), None]);
    assert_eq!((who_reads(&view, "1-1-4"), view.history), ((2, PickReason::Replica), 1));
}

#[test]
fn a_primary_made_anew_with_another_uuid_begins_a_new_history() {
    let mut cluster = named_cluster();
    let replicas = || [mysql_report(2, "A:1-8", Some(1)), mysql_report(3, "A:1-8", Some(1))];
    let [one, two] = replicas();
    assert_eq!(why_not(&round(&mut cluster, [mysql_report(1, "A:1-8", None), one, two])), [None, None]);
    let [one, two] = replicas();
    let rebuilt = || Report { uuid: Some(crate::topology::fake::uuid(4).into()), ..mysql_report(1, "D:1-2", None) };
    let view = round(&mut cluster, [rebuilt(), one, two]);
    assert_eq!((why_not(&view), view.history), ([Some("other_history"); 2], 1));
    let [one, _] = replicas();
    let view = round(&mut cluster, [rebuilt(), one, mysql_report(3, "D:1-2", Some(4))]);
    assert_eq!(why_not(&view), [Some("other_history"), None]);
}

/// By it sessions and followers know that its numbers have gone back before the next check says so.
#[test]
fn what_a_primary_had_is_known_while_it_does_not_answer() {
    let mut cluster = named_cluster();
    round(&mut cluster, [report(1, "1-1-8", None), report(2, "1-1-8", Some(0)), report(3, "1-1-8", Some(0))]);
    for health in [Health::Up, down()] {
        fails(&mut cluster, 0, health.clone());
        fails(&mut cluster, 1, health);
        let view = cluster.view();
        assert_eq!([0, 1].map(|member: usize| view.members[member].applied.to_string()), ["1-1-8", ""]);
    }
}

#[test]
fn what_may_pass_counts_only_when_it_stays() {
    let mut cluster = named_cluster();
    for (round_number, expected) in [(1, None), (2, None), (3, Some("other_history"))] {
        let ahead = mysql_report(2, "A:1-9", Some(1));
        let view = round(&mut cluster, [mysql_report(1, "A:1-8", None), ahead, mysql_report(3, "A:1-8", Some(1))]);
        assert_eq!(why_not(&view), [expected, None], "{round_number}");
        assert!(view.members[1].applied.is_empty(), "it proves nothing meanwhile");
    }
    let view = round(
        &mut cluster,
        [mysql_report(1, "A:1-9", None), mysql_report(2, "A:1-9", Some(1)), mysql_report(3, "A:1-8", Some(1))],
    );
    assert_eq!(why_not(&view), [None, None]);
}

#[test]
fn a_stranger_and_another_family_serve_nothing_and_who_cannot_be_placed_serves() {
    let mut cluster = named_cluster();
    let stranger = || mysql_report(3, "A:1-8,D:1-2", Some(4));
    let unclear = || mysql_report(2, "A:1-8", Some(9));
    let view = round(&mut cluster, [mysql_report(1, "A:1-8", None), unclear(), stranger()]);
    assert_eq!(why_not(&view), [None, Some("stranger")]);
    assert!(view.members[1].doubt.is_some());
    let view = round(&mut cluster, [mysql_report(1, "A:1-8", None), report(2, "1-1-8", Some(0)), stranger()]);
    assert_eq!(why_not(&view), [Some("other_family"), Some("stranger")]);
    fails(&mut cluster, 0, down());
    answers(&mut cluster, 2, mysql_report(3, "A:1-8", Some(1)));
    assert_eq!(why_not(&cluster.view())[1], None, "what its source is needs no primary that answers");
}
