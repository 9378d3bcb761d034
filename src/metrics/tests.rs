use super::*;

const NAMES: RouteNames = RouteNames { targets: &["primary", "replica"], reasons: &["write", "plain_read"] };

struct Members(Vec<MemberRow>);

impl Scrape for Members {
    fn members(&self) -> Vec<MemberRow> {
        self.0.clone()
    }
}

fn row(name: &str, up: bool) -> MemberRow {
    let lag = up.then_some(Duration::from_millis(1500));
    MemberRow {
        name: name.to_owned(),
        role: "replica",
        up,
        why_not: (!up).then_some("down"),
        lag,
        in_use: 2,
        idle: 3,
        changing: 1,
        queries: 4,
        problem: None,
        remark: None,
    }
}

fn lines(metrics: &Metrics, about: &str) -> Vec<String> {
    let text = metrics.render(&Members(vec![row("mysql-1", true)]));
    let mut lines: Vec<String> = text.lines().filter(|line| line.starts_with(about)).map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn statements_of_all_threads_are_added_up() {
    let metrics = Metrics::new(NAMES);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    metrics.query(1, 1, Outcome::Ok);
                    metrics.query_duration(1, Duration::from_micros(70));
                }
                metrics.query(0, 0, Outcome::Lost);
            });
        }
    });
    assert_eq!(
        lines(&metrics, "mysql_proxy_queries_total"),
        [
            "mysql_proxy_queries_total{target=\"primary\",reason=\"write\",outcome=\"lost\"} 8",
            "mysql_proxy_queries_total{target=\"replica\",reason=\"plain_read\",outcome=\"ok\"} 8000",
        ]
    );
    let name = "mysql_proxy_query_duration_seconds";
    assert_eq!(
        lines(&metrics, &format!("{name}_bucket{{target=\"replica\",le=\"0.00005\"}}"))[0].rsplit(' ').next(),
        Some("0")
    );
    assert_eq!(
        lines(&metrics, &format!("{name}_bucket{{target=\"replica\",le=\"0.0001\"}}"))[0].rsplit(' ').next(),
        Some("8000")
    );
    assert_eq!(
        lines(&metrics, &format!("{name}_sum{{target=\"replica\"}}")),
        [format!("{name}_sum{{target=\"replica\"}} 0.56")]
    );
    let totals = metrics.query_totals();
    assert_eq!(totals.by_target, [("primary", 8), ("replica", 8000)]);
    assert_eq!(totals.by_outcome[Outcome::Ok.index()], ("ok", 8000));
    assert_eq!(totals.by_outcome[Outcome::Lost.index()], ("lost", 8));
}

#[test]
fn gauges_go_down_again() {
    let metrics = Metrics::new(NAMES);
    let client = metrics.client_opened();
    let held = metrics.held();
    metrics.pinned(PinReason::GetLock);
    metrics.pinned(PinReason::GetLock);
    metrics.unpinned(PinReason::GetLock);
    assert_eq!(lines(&metrics, "mysql_proxy_client_connections "), ["mysql_proxy_client_connections 1"]);
    assert_eq!(lines(&metrics, "mysql_proxy_held_statements "), ["mysql_proxy_held_statements 1"]);
    let pinned = "mysql_proxy_pinned_sessions{reason=\"get_lock\"}";
    assert_eq!(lines(&metrics, pinned), [format!("{pinned} 1")]);
    let pins = "mysql_proxy_pins_total{reason=\"get_lock\"}";
    assert_eq!(lines(&metrics, pins), [format!("{pins} 2")]);
    drop((client, held));
    assert_eq!(lines(&metrics, "mysql_proxy_client_connections "), ["mysql_proxy_client_connections 0"]);
    assert_eq!(lines(&metrics, "mysql_proxy_held_statements "), ["mysql_proxy_held_statements 0"]);
}

#[test]
fn what_has_not_happened_yet_is_there_with_zero() {
    let metrics = Metrics::new(NAMES);
    for (name, count) in [
        ("mysql_proxy_pins_total", PinReason::ALL.len()),
        ("mysql_proxy_pinned_sessions", PinReason::ALL.len()),
        ("mysql_proxy_client_connections_total", ClientOutcome::ALL.len()),
        ("mysql_proxy_causal_reads_total", CausalRead::ALL.len()),
        ("mysql_proxy_ignored_hints_total", IgnoredHint::ALL.len()),
        ("mysql_proxy_retries_total", RetryVerdict::ALL.len()),
        ("mysql_proxy_config_reloads_total", ReloadOutcome::ALL.len()),
        ("mysql_proxy_auth_failures_total", AuthFailure::ALL.len()),
        ("mysql_proxy_bytes_total", Side::ALL.len() * Direction::ALL.len()),
    ] {
        let lines = lines(&metrics, &format!("{name}{{"));
        assert_eq!(lines.len(), count, "{name}");
        assert!(lines.iter().all(|line| line.ends_with("} 0")), "{lines:?}");
    }
}

#[test]
fn members_are_told_as_they_are_now_and_once_a_name() {
    let metrics = Metrics::new(NAMES);
    let text = metrics.render(&Members(vec![row("mysql-2", false), row("mysql-1", true), row("mysql-2", true)]));
    for line in [
        "mysql_proxy_member_up{member=\"mysql-1\",role=\"replica\"} 1",
        "mysql_proxy_member_up{member=\"mysql-2\",role=\"replica\"} 1",
        "mysql_proxy_member_lag_seconds{member=\"mysql-1\"} 1.5",
        "mysql_proxy_member_serves_reads{member=\"mysql-1\",reason=\"\"} 1",
        "mysql_proxy_backend_connections{member=\"mysql-1\",state=\"in_use\"} 2",
        "mysql_proxy_backend_connections{member=\"mysql-1\",state=\"idle\"} 3",
        "mysql_proxy_member_queries_total{member=\"mysql-1\"} 4",
    ] {
        assert_eq!(text.lines().filter(|it| *it == line).count(), 1, "{line}\n{text}");
    }
    let without = metrics.render(&Members(Vec::new()));
    assert!(!without.contains("mysql-1"), "{without}");
}

#[test]
fn bytes_have_a_side_and_a_direction() {
    let metrics = Metrics::new(NAMES);
    metrics.bytes(Side::Client, Direction::In, 10);
    metrics.bytes(Side::Backend, Direction::Out, 7);
    let counted: Vec<String> =
        lines(&metrics, "mysql_proxy_bytes_total").into_iter().filter(|line| !line.ends_with(" 0")).collect();
    assert_eq!(
        counted,
        [
            "mysql_proxy_bytes_total{side=\"backend\",direction=\"out\"} 7",
            "mysql_proxy_bytes_total{side=\"client\",direction=\"in\"} 10",
        ]
    );
}
