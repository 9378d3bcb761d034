//! sysbench's own `oltp_read_write` in a pod of its own, through the proxy's Service by its name.
//!
//! Knows how it is started, told to end, and what its report says. Must not know what happens to the servers meanwhile.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::harness::{Pods, StandIn};
use crate::support::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);

/// What goes into a kustomization: first among `resources`, then the rest, and the files.
pub const RESOURCE: &str = "  - sysbench.yaml\n";
pub const GENERATOR: &str = "  - name: sysbench-until-told\n    files:\n      - run.sh\n      - until_told.lua\n";
pub const FILES: [(&str, &str); 3] = [
    ("sysbench.yaml", include_str!("sysbench/deployment.yaml")),
    ("run.sh", include_str!("sysbench/run.sh")),
    ("until_told.lua", include_str!("sysbench/until_told.lua")),
];
/// Its tables, and how many rows each has before and after every transaction.
pub const TABLES: &str = "app.sbtest1, app.sbtest2";
pub const ROWS: &str = "SELECT (SELECT COUNT(*) FROM app.sbtest1), (SELECT COUNT(*) FROM app.sbtest2)";

/// The image.
pub fn image() -> StandIn {
    StandIn::slim().link("sysbench", "/.machine/sysbench")
}

/// Whether this machine has it.
pub fn is_here() -> bool {
    Path::new("/usr/bin/sysbench").exists()
}

/// A run of it.
pub struct Sysbench<'a> {
    pods: &'a Pods,
    pod: String,
}

impl<'a> Sysbench<'a> {
    /// Makes the tables, and runs from here on.
    pub fn start(pods: &'a Pods) -> Self {
        pods.scale("sysbench", 1);
        let pod = pods.names_of("sysbench").remove(0);
        let sysbench = Self { pods, pod };
        wait_for("sysbench runs", PATIENCE, || sysbench.seconds() > 1);
        sysbench
    }

    fn log(&self) -> String {
        self.pods.log(&self.pod, "sysbench")
    }

    /// For how many seconds it has reported.
    fn seconds(&self) -> usize {
        self.log().lines().filter(|line| line.starts_with("[ ")).count()
    }

    /// It has had no error so far but deadlocks, which are among its own transactions.
    pub fn is_unharmed(&self) {
        let errors = errors(&self.log());
        assert!(errors.keys().all(|error| error.starts_with("1213 ")), "{errors:?}");
    }

    /// Ends it; it must have run all the time, and been served.
    pub fn stop(self) {
        self.has_not_given_up();
        self.pods.exec(&self.pod, "sysbench", &["touch", "/tmp/stop"]);
        let ended = |log: &str| log.contains("sysbench has ended by itself");
        wait_for("sysbench ends", PATIENCE, || ended(&self.log()) || self.restarts() > 0);
        self.has_not_given_up();
        let log = self.log();
        println!(
            "    sysbench: {} transactions, connected again {} times ({} more in vain); its longest time without a transaction: {} s of {} s",
            figure(&log, "transactions"),
            log.matches("has connected again").count(),
            log.matches("cannot connect: ").count(),
            longest_pause(&log),
            self.seconds()
        );
        for (error, count) in errors(&log) {
            println!("      {count} x {error}");
        }
        assert!(figure(&log, "transactions") > 100, "sysbench was hardly served:\n{log}");
        self.pods.scale("sysbench", 0);
    }

    /// Its container does not end before it is told to.
    fn has_not_given_up(&self) {
        let log = self.log();
        let said: Vec<&str> = log.lines().filter(|line| !line.starts_with("[ ")).collect();
        assert_eq!(self.restarts(), 0, "sysbench has given up after {} s:\n{}", self.seconds(), said.join("\n"));
    }

    fn restarts(&self) -> u32 {
        self.pods.restarts(&self.pod, "sysbench")
    }
}

/// After what it went on, and how often: numbers and texts, without addresses and times.
fn errors(log: &str) -> BTreeMap<String, usize> {
    let mut errors = BTreeMap::new();
    for error in log.lines().filter_map(|line| line.strip_prefix("goes on after error ")) {
        let (code, text) = error.split_once(' ').unwrap();
        let text = text.split(|c: char| c == '(' || c.is_ascii_digit()).next().unwrap();
        *errors.entry(format!("{code} {text}")).or_default() += 1;
    }
    errors
}

/// A number of the report.
fn figure(log: &str, name: &str) -> usize {
    let line = log.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_else(|| panic!("no {name} in:\n{log}"))
}

/// The most seconds one after the other that were reported without a transaction.
fn longest_pause(log: &str) -> usize {
    let seconds = log.lines().filter(|line| line.starts_with("[ "));
    let pauses = seconds.map(|line| line.contains(" tps: 0.00 ")).scan(0, |pause, idle| {
        *pause = if idle { *pause + 1 } else { 0 };
        Some(*pause)
    });
    pauses.max().unwrap_or_default()
}
