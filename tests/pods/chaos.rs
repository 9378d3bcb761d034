//! `kill -9` at a command of a script, or at a moment, that chance chooses.
//!
//! Knows how to make a container start, and to strike it. Must not know what must hold afterwards.

use std::fmt;
use std::time::{Duration, Instant};

use crate::chance::Chance;
use crate::harness::{Ending, Pods, Volume};
use crate::support::wait_for;

/// For a container to reach its command, or to be done.
const PATIENCE: Duration = Duration::from_secs(90);

/// What is struck: the pods that it may be, the container, how it starts, and where in it.
pub struct Target {
    pub pods: &'static [&'static str],
    pub container: &'static str,
    pub start: Start,
    pub strike: Strike,
    pub script: Script,
}

pub enum Strike {
    /// Before one of the script's first commands; of about so many.
    Command(u32),
    /// At a moment within so long after its start, also in the middle of a command.
    Moment(Duration),
}

pub enum Start {
    /// A pod begins, with the volume that it had or with an empty one.
    Pod(Volume),
    /// The container is killed, and starts again.
    Container,
}

/// How a script goes on once its pod is ready.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// It has ended, or has become the server.
    Ends,
    /// It goes on for as long as its pod is there, so that it comes to every command.
    Stays,
}

/// Strikes its targets in turns, so that a short run has something of everything.
pub struct Chaos {
    chance: Chance,
    targets: &'static [Target],
    /// How many strikes hit a script before it was done.
    pub hits: usize,
}

/// How often scripts are killed in the short form of a day.
pub const FEW_KILLS: usize = 3;

/// How often scripts are killed, where `make chaos-pods` or a developer says so.
pub fn wanted_kills() -> Option<usize> {
    let kills = std::env::var("MYSQL_PROXY_PODS_KILLS").ok().filter(|kills| !kills.is_empty())?;
    Some(kills.parse().unwrap())
}

impl Chaos {
    pub fn new(targets: &'static [Target]) -> Self {
        Self { chance: Chance::new(), targets, hits: 0 }
    }

    /// Kills one script.
    pub fn strike(&mut self, pods: &Pods, number: usize) {
        pods.say_if_failed(&self.chance.to_repeat());
        let (target, pod) = self.choose(number);
        let place = self.place(target);
        let before = pods.restarts(pod, target.container);
        match (&target.start, &place) {
            (Start::Container, Place::Command(command)) => pods.arm(pod, target.container, *command),
            (Start::Pod(_), Place::Command(command)) => pods.arm_successor(pod, target.container, *command),
            (_, Place::Moment(_)) => {}
        }
        match target.start {
            Start::Pod(volume) => pods.delete(pod, Ending::Crash, volume),
            Start::Container => {
                assert!(pods.kill(pod, target.container), "{} of {pod} does not run", target.container);
                wait_for("the next start", PATIENCE, || pods.restarts(pod, target.container) > before);
            }
        }
        self.finish(pods, &format!("{number}: "), pod, target, &place);
    }

    /// Kills a script of one of the pods that begin now, for the first time.
    pub fn strike_beginner(&mut self, pods: &Pods, number: usize, begin: impl FnOnce()) {
        pods.say_if_failed(&self.chance.to_repeat());
        let (target, pod) = self.choose(number);
        let place = self.place(target);
        if let Place::Command(command) = place {
            pods.arm_successor(pod, target.container, command);
        }
        begin();
        self.finish(pods, &format!("new {number}: "), pod, target, &place);
    }

    fn choose(&mut self, number: usize) -> (&'static Target, &'static str) {
        let target = &self.targets[(number - 1) % self.targets.len()];
        (target, target.pods[self.chance.below(target.pods.len() as u32) as usize])
    }

    fn place(&mut self, target: &Target) -> Place {
        match target.strike {
            Strike::Command(commands) => Place::Command(self.chance.below(commands)),
            Strike::Moment(limit) => {
                Place::Moment(Duration::from_millis(self.chance.below(limit.as_millis() as u32).into()))
            }
        }
    }

    fn finish(&mut self, pods: &Pods, number: &str, pod: &str, target: &Target, place: &Place) {
        let container = target.container;
        let fate = match place {
            Place::Command(_) => kill_at_command(pods, pod, target),
            Place::Moment(after) => kill_at_moment(pods, pod, container, *after),
        };
        self.hits += usize::from(fate.is_some());
        println!("    {number}{container} of {pod} {place}: {}", fate.unwrap_or_else(|| "not then".into()));
    }
}

enum Place {
    Command(u32),
    Moment(Duration),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(number) => write!(formatter, "at command {number}"),
            Self::Moment(after) => write!(formatter, "after {after:?}"),
        }
    }
}

/// What became of it; none if the script was done before, or did not run.
fn kill_at_command(pods: &Pods, pod: &str, target: &Target) -> Option<String> {
    let deadline = Instant::now() + PATIENCE;
    while (!pods.is_ready(pod) || target.script == Script::Stays) && Instant::now() < deadline {
        if let Some(line) = pods.stopped_at(pod, target.container) {
            // It may have come there before its start was noticed.
            wait_for("it is killed", PATIENCE, || pods.kill(pod, target.container));
            return Some(format!("killed at {line}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

fn kill_at_moment(pods: &Pods, pod: &str, container: &str, after: Duration) -> Option<String> {
    std::thread::sleep(after);
    pods.kill(pod, container).then(|| "killed".into())
}
