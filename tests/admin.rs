//! The admin port over a real socket, and the command that asks it; the proxy behind is a stand-in.

#![allow(clippy::unwrap_used)]

mod exposition;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mysql_proxy::admin::{Observed, Readiness, StatusReport, Summary};
use mysql_proxy::metrics::{
    AuthFailure, CausalRead, ClientOutcome, CountedPins, Direction, MemberRow, Metrics, Outcome, ReloadOutcome,
    RetryVerdict, RouteNames, Scrape, Side,
};
use mysql_proxy::session::{PinReason, Pins};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::exposition::Exposition;

const NAMES: RouteNames = RouteNames { targets: &["primary", "replica"], reasons: &["write", "read"] };

struct StandIn {
    metrics: Arc<Metrics>,
    readiness: Mutex<Readiness>,
}

impl Scrape for StandIn {
    fn members(&self) -> Vec<MemberRow> {
        let row = |name: &str, role| MemberRow {
            name: name.to_owned(),
            role,
            up: true,
            why_not: None,
            lag: None,
            in_use: 1,
            idle: 2,
            changing: 0,
            queries: 30,
            problem: None,
            remark: None,
        };
        let lagging = MemberRow {
            lag: Some(Duration::from_millis(12_500)),
            problem: Some("behind by 12.5 s".to_owned()),
            ..row("mysql-1", "replica")
        };
        let down = MemberRow { up: false, ..row("odd\"name\\", "replica") };
        vec![lagging, down, row("mysql-0", "primary")]
    }
}

impl Observed for StandIn {
    fn readiness(&self) -> Readiness {
        self.readiness.lock().unwrap().clone()
    }

    fn summary(&self) -> Summary {
        Summary { uptime: Duration::from_secs(10), clients: 3, queries: self.metrics.query_totals() }
    }

    fn config_text(&self) -> String {
        "[monitor]\nuser = \"proxy\"\npassword = \"********\"\nfall = 3\n".to_owned()
    }

    fn history(&self, _since: u64) -> Vec<mysql_proxy::admin::Sample> {
        Vec::new()
    }

    fn metrics_text(&self) -> String {
        self.metrics.render(self)
    }
}

/// A served stand-in; it ends with this value.
struct Served {
    address: SocketAddr,
    proxy: Arc<StandIn>,
    _runtime: tokio::runtime::Runtime,
}

impl Served {
    fn start() -> Served {
        let metrics = Arc::new(Metrics::new(NAMES));
        (0..40).for_each(|_| metrics.query(0, 0, Outcome::Ok));
        let proxy = Arc::new(StandIn { metrics, readiness: Mutex::new(Readiness::Ready) });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let observed: Arc<dyn Observed> = proxy.clone();
        runtime.spawn(mysql_proxy::admin::http::serve(listener, 256, observed, CancellationToken::new()));
        Served { address, proxy, _runtime: runtime }
    }

    /// Head and body of the answer.
    fn ask(&self, method: &str, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: proxy\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    fn get(&self, path: &str) -> (u16, String) {
        let (head, body) = self.ask("GET", path);
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
    }

    fn json(&self, path: &str) -> Value {
        let (code, body) = self.get(path);
        assert_eq!(code, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }
}

#[test]
fn idle_connections_keep_nobody_out() {
    let served = Served::start();
    let idle: Vec<TcpStream> = (0..600).map(|_| TcpStream::connect(served.address).unwrap()).collect();
    let began = Instant::now();
    assert_eq!(served.get("/healthz"), (200, "ok\n".to_owned()));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    drop(idle);
}

#[test]
fn ready_is_who_can_serve_and_does_not_drain() {
    let served = Served::start();
    for (readiness, code, by_itself, body) in [
        (Readiness::Ready, 200, 200, "ready\n"),
        (Readiness::ReadOnly("mysql-0 is down".to_owned()), 200, 200, "ready, reads only: mysql-0 is down\n"),
        (Readiness::NoMember("a\nb".to_owned()), 503, 200, "not ready: no member can serve: a b\n"),
        (Readiness::Draining, 503, 503, "not ready: draining\n"),
    ] {
        *served.proxy.readiness.lock().unwrap() = readiness;
        assert_eq!(served.get("/readyz"), (code, body.to_owned()));
        assert_eq!(served.get("/readyz?exclude=members"), (by_itself, body.to_owned()));
        assert_eq!(served.get("/readyz?exclude=member"), (code, body.to_owned()));
        assert_eq!(served.get("/healthz"), (200, "ok\n".to_owned()));
    }
}

#[test]
fn other_paths_and_methods_are_refused() {
    let served = Served::start();
    assert_eq!(served.get("/nothing").0, 404);
    assert_eq!(served.get("/api/v1/").0, 404);
    for method in ["POST", "PUT", "DELETE"] {
        let (head, _) = served.ask(method, "/api/v1/config");
        assert!(head.starts_with("HTTP/1.1 405 "), "{head}");
    }
}

#[test]
fn json_tells_status_members_and_configuration() {
    let served = Served::start();
    let status = served.json("/api/v1/status");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["readiness"], "ready");
    assert_eq!((&status["draining"], &status["clients"]), (&json!(false), &json!(3)));
    assert_eq!(status["queries"]["total"], 40);
    assert_eq!(status["queries"]["by_target"], json!({"primary": 40, "replica": 0}));
    assert_eq!(status["queries"]["by_outcome"]["ok"], 40);
    assert_eq!(status["members"], served.json("/api/v1/members"));
    assert_eq!(
        status["members"][1],
        json!({"name": "mysql-1", "role": "replica", "up": true, "lag_seconds": 12.5, "in_use": 1, "idle": 2,
               "queries": 30, "problem": "behind by 12.5 s", "serves_reads": true, "reason": null, "remark": null})
    );
    let config = served.json("/api/v1/config");
    assert_eq!(config, json!({"monitor": {"user": "proxy", "password": "********", "fall": 3}}));

    *served.proxy.readiness.lock().unwrap() = Readiness::Draining;
    assert_eq!(served.json("/api/v1/status")["draining"], true);
}

/// Every metric of the contract and that of ignored hints, with its type and its labels.
const CONTRACT: [(&str, &str, &[&str]); 29] = [
    ("mysql_proxy_queries_total", "counter", &["outcome", "reason", "target"]),
    ("mysql_proxy_member_queries_total", "counter", &["member"]),
    ("mysql_proxy_query_duration_seconds", "histogram", &["target"]),
    ("mysql_proxy_proxy_overhead_seconds", "histogram", &[]),
    ("mysql_proxy_member_up", "gauge", &["member", "role"]),
    ("mysql_proxy_member_lag_seconds", "gauge", &["member"]),
    ("mysql_proxy_member_serves_reads", "gauge", &["member", "reason"]),
    ("mysql_proxy_client_connections", "gauge", &[]),
    ("mysql_proxy_client_connections_total", "counter", &["outcome"]),
    ("mysql_proxy_backend_connections", "gauge", &["member", "state"]),
    ("mysql_proxy_pins_total", "counter", &["reason"]),
    ("mysql_proxy_pinned_sessions", "gauge", &["reason"]),
    ("mysql_proxy_causal_reads_total", "counter", &["how"]),
    ("mysql_proxy_causal_wait_seconds", "histogram", &[]),
    ("mysql_proxy_ignored_hints_total", "counter", &["hint"]),
    ("mysql_proxy_retries_total", "counter", &["verdict"]),
    ("mysql_proxy_held_statements", "gauge", &[]),
    ("mysql_proxy_bytes_total", "counter", &["direction", "side"]),
    ("mysql_proxy_config_reloads_total", "counter", &["outcome"]),
    ("mysql_proxy_auth_failures_total", "counter", &["reason"]),
    ("mysql_proxy_build_info", "gauge", &["commit", "version"]),
    ("process_cpu_seconds_total", "counter", &[]),
    ("process_max_fds", "gauge", &[]),
    ("process_open_fds", "gauge", &[]),
    ("process_resident_memory_bytes", "gauge", &[]),
    ("process_start_time_seconds", "gauge", &[]),
    ("process_threads", "gauge", &[]),
    ("process_virtual_memory_bytes", "gauge", &[]),
    ("process_virtual_memory_max_bytes", "gauge", &[]),
];

#[test]
fn metrics_are_those_of_the_contract_in_a_form_that_prometheus_takes() {
    let served = Served::start();
    let metrics = &served.proxy.metrics;
    let _client = metrics.client_opened();
    let _held = metrics.held();
    metrics.query(1, 1, Outcome::Retried);
    metrics.query_duration(1, Duration::from_micros(300));
    metrics.query_duration(1, Duration::from_secs(100));
    metrics.proxy_overhead(Duration::from_micros(7));
    metrics.bytes(Side::Client, Direction::In, 1 << 40);
    metrics.client(ClientOutcome::Accepted);
    let mut pins = CountedPins::new(Arc::clone(metrics));
    let mut stands = Pins::default();
    stands.insert(PinReason::GetLock);
    pins.follow(&stands);
    metrics.causal_read(CausalRead::Applied);
    metrics.retry(RetryVerdict::Retried);
    metrics.reload(ReloadOutcome::Refused);
    metrics.auth_failure(AuthFailure::WrongPassword);

    let (head, body) = served.ask("GET", "/metrics");
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    let exposition = Exposition::parse(&body).unwrap_or_else(|why| panic!("{why}\n{body}"));
    for (name, kind, labels) in CONTRACT {
        let family = exposition.families.get(name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(family.kind, kind, "{name}");
        assert!(!family.series.is_empty(), "{name} has no series");
        for (series, _) in &family.series {
            let mut found: Vec<&str> = series.labels.keys().map(String::as_str).filter(|it| *it != "le").collect();
            found.sort_unstable();
            assert_eq!(found, labels, "{name}");
        }
    }
    assert_eq!(exposition.families.len(), CONTRACT.len(), "{:?}", exposition.families.keys());

    let value = |name: &str, labels: &[(&str, &str)]| exposition.value(name, labels).unwrap();
    let route = [("target", "replica"), ("reason", "read"), ("outcome", "retried")];
    assert_eq!(value("mysql_proxy_queries_total", &route).to_bits(), 1_f64.to_bits());
    let side = [("side", "client"), ("direction", "in")];
    assert_eq!(value("mysql_proxy_bytes_total", &side).to_bits(), 1_099_511_627_776_f64.to_bits());
    let odd = [("member", "odd\"name\\"), ("role", "replica")];
    assert_eq!(value("mysql_proxy_member_up", &odd).to_bits(), 0_f64.to_bits());
    let replica = [("target", "replica"), ("le", "60")];
    assert_eq!(value("mysql_proxy_query_duration_seconds_bucket", &replica).to_bits(), 1_f64.to_bits());
}

fn status(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mysql-proxy"))
        .env_remove("RUST_LOG")
        .arg("status")
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn status_prints_a_table_or_the_json() {
    let served = Served::start();
    *served.proxy.readiness.lock().unwrap() = Readiness::ReadOnly("mysql-0 is down".to_owned());
    let url = format!("http://{}", served.address);

    let table = status(&["--admin", &url, "--once"]);
    assert_eq!((table.status.code(), text(&table.stderr)), (Some(1), "there is no primary: mysql-0 is down\n"));
    let expected = format!(
        "mysql-proxy {}, up 10s, reads only (mysql-0 is down)
3 clients, 4.0 QPS since the start, 40 statements

MEMBER     ROLE     STATE    LAG  IN USE  IDLE  QUERIES  QPS  PROBLEM
mysql-0    primary  up         -       1     2       30  3.0
mysql-1    replica  up     12.5s       1     2       30  3.0  behind by 12.5 s
odd\"name\\  replica  down       -       1     2       30  3.0
",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(text(&table.stdout), expected);

    let json = status(&["--admin", &url, "--json"]);
    assert_eq!(json.status.code(), Some(0), "{}", text(&json.stderr));
    let report: StatusReport = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((report.readiness.as_str(), report.members.len()), ("read_only", 3));

    *served.proxy.readiness.lock().unwrap() = Readiness::Ready;
    assert_eq!(status(&["--admin", &url, "--once"]).status.code(), Some(0));
}

#[test]
fn status_prints_one_table_after_the_other_and_ends_with_its_reader() {
    let served = Served::start();
    let url = format!("http://{}", served.address);
    let mut watching = Command::new(env!("CARGO_BIN_EXE_mysql-proxy"))
        .args(["status", "--admin", &url])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut heads = BufReader::new(watching.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .filter(|line| line.starts_with("mysql-proxy "));
    assert!(heads.next().is_some() && heads.next().is_some());
    drop(heads);
    assert_eq!(watching.wait().unwrap().code(), Some(0));
}

#[test]
fn status_of_a_proxy_that_is_not_there_is_1_and_says_what_to_do() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for arguments in [&["--once"][..], &["--json"], &[]] {
        let output = status(&[&["--admin", &format!("http://{address}")], arguments].concat());
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(text(&output.stdout), "");
        let expected = format!(
            "no proxy answers at {address}: Connection refused (os error 111); start it with mysql-proxy run, or give \
             the address of its listen.admin_http by --admin http://HOST:PORT\n"
        );
        assert_eq!(text(&output.stderr), expected);
    }
}

#[test]
fn status_of_something_else_is_1_and_a_wrong_url_is_2() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let other = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").unwrap();
        let _ = stream.read(&mut [0; 1024]);
    });
    let output = status(&["--admin", &address.to_string(), "--once"]);
    other.join().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected = format!(
        "what answers at {address} is no mysql-proxy: it answered 403 Forbidden; give the address of its \
         listen.admin_http by --admin\n"
    );
    assert_eq!(text(&output.stderr), expected);

    let output = status(&["--admin", "https://proxy:9090"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        text(&output.stderr),
        "--admin: \"https://proxy:9090\" is no URL of plain HTTP; give one such as http://127.0.0.1:9090\n"
    );
}
