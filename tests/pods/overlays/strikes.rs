//! `kill -9` at every so manieth command of a script, one after another.
//!
//! Knows how to make a container start and to stop it at a command. Must not know what must hold afterwards.

use std::time::{Duration, Instant};

use crate::harness::{Ending, Pods, Volume};
use crate::mariadb::COME_UP;

/// What is struck: a pod, its container, and about how many commands the script has.
pub struct Target {
    pub pod: &'static str,
    pub container: &'static str,
    pub commands: u32,
    /// Whether the pod begins with its volume or without.
    pub volume: Volume,
}

/// How many strikes; `make chaos-pods` wants more.
pub fn count(at_least: usize) -> usize {
    std::env::var("MYSQL_PROXY_PODS_KILLS").map_or(at_least, |kills| kills.parse().unwrap())
}

/// Whether a cluster's day ends here: `make chaos-pods`, and `MYSQL_PROXY_TEST_LONG=1`, want all of it.
pub fn day_ends() -> bool {
    let wanted = ["MYSQL_PROXY_PODS_KILLS", "MYSQL_PROXY_TEST_LONG"];
    let long = wanted.iter().any(|name| std::env::var(name).is_ok_and(|value| !value.is_empty() && value != "0"));
    if !long {
        println!("==> the rest of its days: make chaos-pods");
    }
    !long
}

/// Strikes one target after the other, at commands that differ each time; between two strikes all are ready again. How
/// many hit a script before it was done.
pub fn strike(pods: &Pods, targets: &[Target], strikes: usize) -> usize {
    let mut hits = 0;
    for number in 0..strikes {
        let Target { pod, container, commands, volume } = &targets[number % targets.len()];
        // Every command comes first once before any comes again.
        let round = u32::try_from(number / targets.len()).unwrap();
        let command = (round * 37 + commands / 3) % commands;
        pods.arm_successor(pod, container, command);
        pods.delete(pod, Ending::Crash, *volume);
        let deadline = Instant::now() + COME_UP;
        let mut fate = "was done before";
        while !pods.is_ready(pod) {
            if pods.is_stopped(pod, container) {
                assert!(pods.kill(pod, container), "{container} of {pod} has ended by itself");
                fate = "killed";
                hits += 1;
                break;
            }
            assert!(Instant::now() < deadline, "{pod} is not ready after {container} was armed at {command}");
            std::thread::sleep(Duration::from_millis(20));
        }
        println!("    {container} of {pod} at command {command}: {fate}");
        std::thread::sleep(Duration::from_secs(1));
        pods.wait_ready("mysql", COME_UP);
    }
    hits
}
