use super::*;
use crate::topology::fake::{FakeConversation, galera_node, mariadb_primary, mariadb_replica, row};
use crate::topology::state::Unfit;

const MARIADB: &str = "10.11.19-MariaDB";
const A: &str = "43ffca67-e4da-11f1-a042-02fc00000001:1-8";

fn denied() -> Result<Answer, AskError> {
    Err(AskError::Server { code: 1227, message: "Access denied".to_owned() })
}

fn mysql_state(gtid_mode: &str) -> Answer {
    row(&[
        ("server_id", "2"),
        ("account", "proxy@10.%"),
        ("read_only", "1"),
        ("log_bin", "1"),
        ("gtid_mode", gtid_mode),
        ("gtid_executed", if gtid_mode == "ON" { A } else { "" }),
    ])
}

#[tokio::test]
async fn a_mariadb_primary() {
    let report = probe(&mut FakeConversation::new(MARIADB, mariadb_primary("1-1-8")), ClusterKind::Auto).await.unwrap();
    assert_eq!((report.server.server_id, report.read_only), (1, false));
    assert_eq!(report.executed.unwrap().to_string(), "1-1-8");
    assert_eq!(report.replication, Replication::None);
}

#[tokio::test]
async fn a_mariadb_replica_is_believed_in_what_it_applied_not_in_its_own_writes() {
    for (using, current, applied) in [
        ("Slave_Pos", "1-3-10", "1-1-8"),
        ("Current_Pos", "1-3-10", "1-1-8"),
        ("Current_Pos", "1-1-8,5-3-2", "1-1-8,5-3-2"),
    ] {
        let mut answers = mariadb_replica("1-1-8", "0");
        let state = [("read_only", "1"), ("log_bin", "1"), ("slave_pos", "1-1-8"), ("current_pos", current)];
        answers[0].1 = Ok(row(&state));
        answers[1].1 = Ok(row(&[("Slave_IO_Running", "Yes"), ("Using_Gtid", using)]));
        let report = probe(&mut FakeConversation::new(MARIADB, answers), ClusterKind::Auto).await.unwrap();
        assert_eq!(report.applied.to_string(), applied, "{using} {current}");
    }
}

#[tokio::test]
async fn each_version_is_asked_in_its_own_words() {
    for (version, mode, questions) in [
        ("9.7.4", "ON", &["SHOW REPLICA STATUS"][..]),
        ("9.7.4", "OFF", &["SHOW REPLICA STATUS", "SHOW BINARY LOG STATUS"]),
        ("8.0.36", "OFF", &["SHOW REPLICA STATUS", "SHOW MASTER STATUS"]),
        ("8.0.21", "ON", &["SHOW SLAVE STATUS"]),
        ("5.6.51", "OFF", &["SHOW SLAVE STATUS", "SHOW MASTER STATUS"]),
        ("10.11.19-MariaDB", "ON", &["SHOW ALL SLAVES STATUS", "SHOW GLOBAL STATUS LIKE 'Slaves_connected'"]),
    ] {
        let answers = vec![("SELECT", Ok(mysql_state(mode))), ("SHOW", Ok(Answer::default()))];
        let mut member = FakeConversation::new(version, answers);
        probe(&mut member, ClusterKind::Replication).await.unwrap();
        assert_eq!(member.asked[1..], *questions, "{version} {mode}");
    }
}

#[tokio::test]
async fn gtids_prove_something_only_where_every_transaction_has_one() {
    for (mode, proves) in [("ON", true), ("ON_PERMISSIVE", false), ("OFF", false)] {
        let answers = vec![
            ("SELECT", Ok(mysql_state(mode))),
            ("SHOW REPLICA STATUS", Ok(Answer::default())),
            ("SHOW BINARY LOG STATUS", Ok(row(&[("File", "bin.000001"), ("Position", "2227")]))),
        ];
        let report = probe(&mut FakeConversation::new("9.7.4", answers), ClusterKind::Auto).await.unwrap();
        assert_eq!(report.executed.is_some(), proves, "{mode}");
        assert_eq!(report.binlog_end, BinlogPosition::new("bin.000001", 2227).filter(|_| !proves), "{mode}");
    }
}

#[tokio::test]
async fn a_missing_privilege_is_an_answer_with_its_remedy() {
    for (version, grant) in [
        ("9.7.4", "GRANT REPLICATION CLIENT ON *.* TO 'proxy'@'10.%'"),
        ("10.11.19-MariaDB", "GRANT BINLOG MONITOR, SLAVE MONITOR ON *.* TO 'proxy'@'10.%'"),
        ("10.4.1-MariaDB", "GRANT REPLICATION CLIENT ON *.* TO 'proxy'@'10.%'"),
    ] {
        let answers = vec![("SELECT", Ok(mysql_state("ON"))), ("SHOW", denied())];
        let report = probe(&mut FakeConversation::new(version, answers), ClusterKind::Replication).await.unwrap();
        assert_eq!(report.replication, Replication::Denied { grant: grant.to_owned() });
    }
}

#[tokio::test]
async fn nonsense_and_errors_fail_the_check() {
    let broken = || Err(AskError::Server { code: 1194, message: "crashed".to_owned() });
    for answers in [
        vec![("SELECT", broken())],
        vec![("SELECT", Ok(Answer::default()))],
        vec![("SELECT", Ok(row(&[("gtid_executed", "x")]))), ("SHOW", Ok(Answer::default()))],
        vec![("SELECT", Ok(mysql_state("ON"))), ("SHOW", broken())],
    ] {
        assert!(probe(&mut FakeConversation::new("9.7.4", answers), ClusterKind::Auto).await.is_err());
    }
}

#[tokio::test]
async fn galera_is_asked_where_it_may_be_and_replication_where_it_may_be() {
    const VARIABLES: &str = "SHOW GLOBAL VARIABLES LIKE 'wsrep%'";
    const STATUS: &str = "SHOW GLOBAL STATUS LIKE 'wsrep%'";
    const REPLICAS: &str = "SHOW ALL SLAVES STATUS";
    const CONNECTED: &str = "SHOW GLOBAL STATUS LIKE 'Slaves_connected'";
    let off = [("wsrep_on", "OFF")];
    for (kind, version, replaced, questions) in [
        (ClusterKind::Auto, MARIADB, &[][..], &[VARIABLES, STATUS, REPLICAS][..]),
        (ClusterKind::Auto, MARIADB, &off, &[VARIABLES, REPLICAS, CONNECTED]),
        (ClusterKind::Galera, MARIADB, &[], &[VARIABLES, STATUS]),
        (ClusterKind::Galera, MARIADB, &off, &[VARIABLES]),
        (ClusterKind::Galera, "8.0.36", &[], &[]),
        (ClusterKind::Replication, MARIADB, &[], &[REPLICAS, CONNECTED]),
        (ClusterKind::Single, MARIADB, &[], &[REPLICAS, CONNECTED]),
    ] {
        let mut member = FakeConversation::new(version, galera_node("0-1-8", 12, replaced));
        let report = probe(&mut member, kind).await.unwrap();
        assert_eq!(member.asked[1..], *questions, "{kind:?} {version} {replaced:?}");
        assert_eq!(report.galera.is_some(), questions.contains(&STATUS), "{kind:?} {version} {replaced:?}");
    }
}

#[tokio::test]
async fn a_galera_node_without_quorum_answers_and_says_so() {
    let answers = galera_node("0-1-8", 12, &[("wsrep_cluster_status", "non-Primary"), ("wsrep_ready", "OFF")]);
    let report = probe(&mut FakeConversation::new(MARIADB, answers), ClusterKind::Galera).await.unwrap();
    assert_eq!(report.galera.unwrap().complaint(), Some(Unfit::NoQuorum { component: "non-Primary".to_owned() }));
}

#[tokio::test]
async fn a_check_never_waits_for_a_galera_node_to_catch_up() {
    for (kind, version, asked) in [
        (ClusterKind::Galera, MARIADB, &["SET SESSION wsrep_sync_wait = 0"][..]),
        (ClusterKind::Auto, MARIADB, &["SET SESSION wsrep_sync_wait = 0"]),
        (ClusterKind::Auto, "9.7.4", &[]),
        (ClusterKind::Replication, MARIADB, &[]),
    ] {
        for answer in [Ok(Answer::default()), Err(AskError::Server { code: 1193, message: String::new() })] {
            let mut member = FakeConversation::new(version, vec![("SET", answer)]);
            open(&mut member, kind).await.unwrap();
            assert_eq!(member.asked, asked, "{kind:?} {version}");
        }
    }
    let lost = Err(AskError::Lost("gone".to_owned()));
    assert!(open(&mut FakeConversation::new(MARIADB, vec![("SET", lost)]), ClusterKind::Auto).await.is_err());
}
