//! One measurement: sysbench runs, and the kernel says what the process in front has used meanwhile.
//!
//! Knows `/proc` and `perf`. Must not know tables or rounds.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use mysql_proxy::demo::{Signal, Supervised};

use crate::behind_writes::{BehindWrites, Told};
use crate::load::{self, Run};
use crate::target::Target;

/// What one run has shown.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub queries_per_second: f64,
    pub p95: Duration,
    /// Of the process in front; none for the direct way.
    pub cpu_per_query: Option<Duration>,
    /// The reads of sessions that had written; none where the proxy need not look, and of others than the proxy.
    pub behind_writes: Option<BehindWrites>,
}

/// Runs a workload against a target.
pub fn sample(run: Run, target: &Target, folder: &Path) -> Result<Sample, Box<dyn Error>> {
    let told = || target.admin.map(|admin| load::get(admin, "/metrics").map(|text| Told::read(&text))).transpose();
    let told_before = told()?;
    let before = target.pid().map(cpu_time).transpose()?;
    let report = load::run(run, target.address, folder)?;
    let after = target.pid().map(cpu_time).transpose()?;
    let behind_writes = told()?.zip(told_before).and_then(|(after, before)| BehindWrites::between(&before, &after));
    let used = after.zip(before).map(|(after, before)| after.saturating_sub(before));
    let cpu_per_query = used.map(|used| used.div_f64(report.queries));
    Ok(Sample { queries_per_second: report.queries_per_second, p95: report.p95, cpu_per_query, behind_writes })
}

/// Runs a workload with `perf` attached, which slows it: only the count is of use. None for the direct way.
pub fn system_calls(run: Run, target: &Target, folder: &Path) -> Result<Option<f64>, Box<dyn Error>> {
    let Some(pid) = target.pid() else { return Ok(None) };
    let counted = folder.join("perf.txt");
    let pid = pid.to_string();
    let arguments = ["stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p", &pid, "-o"].map(std::ffi::OsStr::new);
    let arguments = arguments.into_iter().chain([counted.as_os_str()]);
    let mut perf = Supervised::start(Path::new("/usr/bin/perf"), arguments, &folder.join("perf.log"))?;
    thread::sleep(Duration::from_millis(500));
    let report = load::run(run, target.address, folder)?;
    perf.signal(Signal::Interrupt)?;
    perf.wait_for(Duration::from_secs(10))?;
    let text = fs::read_to_string(&counted).map_err(|_| "perf counted nothing; is linux-perf installed?")?;
    let line = text.lines().find(|line| line.contains("raw_syscalls")).ok_or("perf counted nothing")?;
    let count: f64 = line.split(',').next().unwrap_or_default().parse().map_err(|_| format!("perf says {line}"))?;
    Ok(Some(count / report.queries))
}

/// User and kernel time of all threads.
fn cpu_time(pid: u32) -> Result<Duration, Box<dyn Error>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may hold anything; the fields behind it begin with the third.
    let (_, fields) = stat.rsplit_once(") ").ok_or("no name in /proc/PID/stat")?;
    let ticks: f64 = fields.split(' ').skip(11).take(2).map(|field| field.parse().unwrap_or(0.0)).sum();
    Ok(Duration::from_secs_f64(ticks / ticks_per_second()?))
}

fn ticks_per_second() -> Result<f64, Box<dyn Error>> {
    let output = Command::new("getconf").arg("CLK_TCK").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}
