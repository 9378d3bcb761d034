//! Probes, executed as they are declared.
//!
//! Knows the kinds of probes, their turns and thresholds. Must not know what follows from them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Probe;

use super::pod::Container;

/// What a probe came to.
pub enum Verdict {
    /// It succeeded.
    Success,
    /// It failed as often as it may; the last reason.
    Failure(String),
    /// The container has ended meanwhile.
    Ended,
}

/// Until it succeeds, or has failed too often in a row.
pub fn until_success(probe: &Probe, container: &Container, is_alive: &dyn Fn() -> bool) -> Verdict {
    let mut failures = 0;
    turns(
        probe,
        is_alive,
        &mut |verdict: Result<(), String>| match verdict {
            Ok(()) => Some(Verdict::Success),
            Err(why) => {
                failures += 1;
                (failures >= probe.failure_threshold.unwrap_or(3)).then_some(Verdict::Failure(why))
            }
        },
        container,
    )
}

/// Until it has failed too often in a row.
pub fn until_failure(probe: &Probe, container: &Container, is_alive: &dyn Fn() -> bool) -> Verdict {
    let mut failures = 0;
    turns(
        probe,
        is_alive,
        &mut |verdict: Result<(), String>| match verdict {
            Ok(()) => {
                failures = 0;
                None
            }
            Err(why) => {
                failures += 1;
                (failures >= probe.failure_threshold.unwrap_or(3)).then_some(Verdict::Failure(why))
            }
        },
        container,
    )
}

/// As long as the container lives; tells each change.
pub fn each_turn(probe: &Probe, container: &Container, is_alive: &dyn Fn() -> bool, set: &dyn Fn(bool)) {
    let (mut successes, mut failures) = (0, 0);
    turns(
        probe,
        is_alive,
        &mut |verdict: Result<(), String>| {
            if verdict.is_ok() {
                (successes, failures) = (successes + 1, 0);
                if successes >= probe.success_threshold.unwrap_or(1) {
                    set(true);
                }
            } else {
                (successes, failures) = (0, failures + 1);
                if failures >= probe.failure_threshold.unwrap_or(3) {
                    set(false);
                }
            }
            None
        },
        container,
    );
}

fn turns(
    probe: &Probe,
    is_alive: &dyn Fn() -> bool,
    judge: &mut dyn FnMut(Result<(), String>) -> Option<Verdict>,
    container: &Container,
) -> Verdict {
    let seconds = |value: Option<i32>, default: u64| Duration::from_secs(value.map_or(default, |value| value as u64));
    let mut next = Instant::now() + seconds(probe.initial_delay_seconds, 0);
    loop {
        while Instant::now() < next {
            if !is_alive() {
                return Verdict::Ended;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        next = Instant::now() + seconds(probe.period_seconds, 10);
        let outcome = once(probe, container, seconds(probe.timeout_seconds, 1));
        if !is_alive() {
            return Verdict::Ended;
        }
        if let Some(verdict) = judge(outcome) {
            return verdict;
        }
    }
}

fn once(probe: &Probe, container: &Container, limit: Duration) -> Result<(), String> {
    if let Some(exec) = &probe.exec {
        let pid = container.pid().ok_or("it does not run")?;
        let output = container.launch.exec(pid, exec.command.as_deref().unwrap_or_default(), limit);
        let output = output.map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned();
        return if output.status.success() { Ok(()) } else { Err(format!("{}: {said}", output.status)) };
    }
    if let Some(get) = &probe.http_get {
        let address = SocketAddr::from((container.address, container.port(&get.port)));
        let status =
            status_of(address, get.path.as_deref().unwrap_or("/"), limit).map_err(|error| error.to_string())?;
        return if (200..400).contains(&status) { Ok(()) } else { Err(format!("status {status}")) };
    }
    if let Some(tcp) = &probe.tcp_socket {
        let address = SocketAddr::from((container.address, container.port(&tcp.port)));
        return TcpStream::connect_timeout(&address, limit).map(drop).map_err(|error| error.to_string());
    }
    Err("this harness has no probe of this kind".into())
}

fn status_of(address: SocketAddr, path: &str, limit: Duration) -> std::io::Result<u16> {
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0; 64];
    let length = stream.read(&mut answer)?;
    let text = String::from_utf8_lossy(&answer[..length]);
    text.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| std::io::Error::other("no status"))
}
