//! The primary's pod is replaced, and its successor has another address, while DNS still tells the old one.
//!
//! Knows what is timed, and how long it may take. Must not know how the address becomes known.

use std::time::{Duration, Instant};

use crate::base::{all_equal, on, start};
use crate::harness::{Ending, Pods, Volume};
use crate::load::Load;

/// What `kubeadm` has `CoreDNS` say.
const DNS_REMEMBERS: Duration = Duration::from_secs(30);
/// From the moment that the new server answers.
const LIMIT: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(120);

/// What one replacement took.
#[derive(Clone, Copy, Default)]
struct Durations {
    /// Until the old pod had gone.
    ending: Duration,
    /// From then on until the new pod's server answered.
    starting: Duration,
    /// From then on until a write was acknowledged by the proxies.
    first_write: Duration,
    /// From the server's first answer until every replica had that write.
    replication: Duration,
}

/// Replaces the primary so many times in each way, and prints the medians.
pub fn primary_moves(pods: &Pods, load: &Load, times: usize) {
    pods.dns_remembers_for(DNS_REMEMBERS);
    for ending in [Ending::Graceful, Ending::Crash] {
        let all: Vec<Durations> = (0..times).map(|_| replace(pods, load, ending)).collect();
        let median = |part: fn(&Durations) -> Duration| {
            let mut sorted: Vec<Duration> = all.iter().map(part).collect();
            sorted.sort_unstable();
            sorted[sorted.len() / 2].as_secs_f64()
        };
        println!(
            "    {ending:?}: the old pod ends in {:.1} s, the new server answers after {:.1} s, the first write after {:.1} s \
             more, replicas have it {:.1} s after the server's answer (median of {times})",
            median(|one| one.ending),
            median(|one| one.starting),
            median(|one| one.first_write),
            median(|one| one.replication)
        );
        for one in &all {
            assert!(one.first_write <= LIMIT, "a write {:?} after the server answered", one.first_write);
            assert!(one.replication <= LIMIT, "replicas {:?} after the server answered", one.replication);
        }
    }
    pods.dns_remembers_for(Duration::ZERO);
}

/// Five times each, for the manual.
#[test]
fn how_long_the_primary_is_away() {
    if !crate::support::long() {
        println!("SKIPPED: how_long_the_primary_is_away: MYSQL_PROXY_TEST_LONG is not set");
        return;
    }
    let Some(pods) = start("how_long_the_primary_is_away") else { return };
    let load = Load::start(pods.service("mysql-proxy", 3306), 2, 1);
    primary_moves(&pods, &load, 5);
    all_equal(&pods, &load.stop());
}

fn replace(pods: &Pods, load: &Load, ending: Ending) -> Durations {
    let before = load.written();
    wait(|| load.written() > before + 20);
    let begun = Instant::now();
    pods.delete("mysql-0", ending, Volume::Kept);
    let ended = Instant::now();
    let answers = || {
        let script = ". /scripts/ground.sh; here 'DO 0'";
        pods.try_exec("mysql-0", "mysql", &["bash", "-c", script]).is_ok_and(|output| output.status.success())
    };
    wait(answers);
    let answered = Instant::now();
    let before = load.written();
    wait(|| load.written() > before);
    let written = Instant::now();
    let write = load.latest().unwrap();
    let has_it = |member: &str| on(pods, member, &format!("SELECT COUNT(*) FROM app.writes WHERE id = {write}")) == "1";
    wait(|| has_it("mysql-1") && has_it("mysql-2"));
    let replicated = Instant::now();
    pods.wait_ready("mysql", PATIENCE);
    Durations {
        ending: ended - begun,
        starting: answered - ended,
        first_write: written - answered,
        replication: replicated - answered,
    }
}

fn wait(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
