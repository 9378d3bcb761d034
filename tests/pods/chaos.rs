//! `kill -9` at a command of a script that chance chooses.
//!
//! Knows the base's containers and how to make each of them start. Must not know what must hold afterwards.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, Instant};

use crate::harness::{Ending, Pods, Volume};
use crate::support::wait_for;

/// For a container to reach its command, or to be done.
const PATIENCE: Duration = Duration::from_secs(90);

/// A source of chance; a run says its seed and can be repeated with `MYSQL_PROXY_PODS_SEED`.
pub struct Chaos(u64);

/// What is struck: the pods that it may be, the container, about how many commands its script has, and how it starts.
struct Target {
    pods: &'static [&'static str],
    container: &'static str,
    commands: u32,
    start: Start,
}

enum Start {
    /// A pod begins with an empty volume.
    EmptyPod,
    /// A pod begins with the volume that it had.
    Pod,
    /// The container is killed, and starts again.
    Container,
}

/// In turns, so that a short run has something of everything.
const TARGETS: [Target; 7] = [
    Target { pods: &["mysql-1", "mysql-2"], container: "provision", commands: 300, start: Start::EmptyPod },
    Target { pods: &["mysql-1", "mysql-2"], container: "steward", commands: 250, start: Start::Container },
    Target { pods: &["mysql-0", "mysql-1", "mysql-2"], container: "mysql", commands: 45, start: Start::Container },
    Target { pods: &["mysql-0"], container: "steward", commands: 150, start: Start::Container },
    Target { pods: &["mysql-0"], container: "provision", commands: 300, start: Start::EmptyPod },
    Target { pods: &["mysql-0", "mysql-1", "mysql-2"], container: "configure", commands: 25, start: Start::Pod },
    Target { pods: &["mysql-1", "mysql-2"], container: "steward", commands: 250, start: Start::Pod },
];

impl Chaos {
    pub fn new() -> Self {
        let given = std::env::var("MYSQL_PROXY_PODS_SEED").ok().map(|seed| seed.parse().unwrap());
        let seed = given.unwrap_or_else(|| RandomState::new().build_hasher().finish() >> 1);
        println!("    seed {seed}");
        Self(seed | 1)
    }

    /// A number below `limit` (xorshift).
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as u32 % limit
    }

    /// Kills one script at one command.
    pub fn strike(&mut self, pods: &Pods, number: usize) {
        let target = &TARGETS[(number - 1) % TARGETS.len()];
        let pod = target.pods[self.below(target.pods.len() as u32) as usize];
        let command = self.below(target.commands);
        let container = target.container;
        match target.start {
            Start::Container => pods.arm(pod, container, command),
            Start::EmptyPod | Start::Pod => pods.arm_successor(pod, container, command),
        }
        match target.start {
            Start::EmptyPod => pods.delete(pod, Ending::Crash, Volume::Lost),
            Start::Pod => pods.delete(pod, Ending::Crash, Volume::Kept),
            Start::Container => {
                let before = pods.restarts(pod, container);
                assert!(pods.kill(pod, container), "{container} of {pod} does not run");
                wait_for("the next start", PATIENCE, || pods.restarts(pod, container) > before);
            }
        }
        let deadline = Instant::now() + PATIENCE;
        let mut fate = "was done before";
        while !pods.is_ready(pod) || container == "steward" {
            if pods.is_stopped(pod, container) {
                // It may have come there before its start was noticed.
                wait_for("it is killed", PATIENCE, || pods.kill(pod, container));
                fate = "killed";
                break;
            }
            if Instant::now() > deadline {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        println!("    {number}: {container} of {pod} at command {command}: {fate}");
    }
}
