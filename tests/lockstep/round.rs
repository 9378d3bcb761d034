//! Some sessions at once, on databases made anew; a difference stops everything and is shown with the shortest session
//! that has it.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use mysql_proxy::demo::Flavor;
use mysql_proxy::wire::Capabilities;

use super::compare::{Heard, normalise, same, show, without_trackers};
use super::generator::{self, Plan};
use super::random::Random;
use super::session::Session;
use super::shrink::shrink;
use super::support::raw::{USUAL, Who};
use super::world::{self, INTERVAL, MOST, World};

/// What a round has done.
pub struct Round {
    /// A report when something differs.
    pub difference: Option<String>,
    pub sessions: u64,
    pub lines: u64,
}

/// Where a session went another way.
pub struct Difference {
    pub session: usize,
    /// The line.
    pub at: usize,
    pub what: String,
}

/// Runs the round of a seed.
pub fn run(world: &World, seed: u64) -> Round {
    let mut random = Random::new(seed);
    let count = 2 + random.below(MOST - 1);
    // Sessions share connections only when they have logged in alike.
    let who = who(world.flavor, &mut random);
    let plan = |session| generator::session(world.flavor, &world::name(session), &mut random);
    let plans: Vec<Plan> = (0..count).map(plan).collect();
    let found = attempt(world, &who, &plans).into_iter().min_by_key(|found| found.at);
    let difference = found.map(|found| report(world, &who, &plans, &found, seed));
    Round { difference, sessions: count as u64, lines: plans.iter().map(|plan| plan.len() as u64).sum() }
}

fn who(flavor: Flavor, random: &mut Random) -> Who<'static> {
    let mut capabilities = USUAL;
    capabilities.set(Capabilities::DEPRECATE_EOF, random.percent(70));
    capabilities.set(Capabilities::FOUND_ROWS, random.percent(20));
    // MySQL says now and then that something has changed and names nothing; the proxy does not.
    let tracks = random.percent(20) && flavor == Flavor::MariaDb;
    capabilities.set(Capabilities::SESSION_TRACK, tracks);
    let collation = [45, 45, 8, 33, 224][random.below(5)];
    Who { capabilities, collation, ..Who::named("app") }
}

/// Makes the databases anew and runs the sessions at once; gives what differs.
pub fn attempt(world: &World, who: &Who<'static>, plans: &[Plan]) -> Vec<Difference> {
    world.begin(plans.len());
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let run = |(number, plan)| {
            let stop = &stop;
            scope.spawn(move || one(world, who, number, plan, stop))
        };
        let running: Vec<_> = plans.iter().enumerate().map(run).collect();
        running.into_iter().filter_map(|session| session.join().unwrap()).collect()
    })
}

fn one(world: &World, who: &Who<'static>, number: usize, plan: &Plan, stop: &AtomicBool) -> Option<Difference> {
    let database = world::name(number);
    let mut alone = Session::begin(world.alone(), who, &database);
    let mut proxied = Session::begin(world.proxied(), who, &database);
    for (at, line) in plan.iter().enumerate() {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        if line == "@pause" {
            thread::sleep(INTERVAL * 3);
            continue;
        }
        let told_late = tells_late(&plan[..at]);
        let run = |session: &mut Session| {
            let (id, heard) = (session.id(), session.run(line));
            normalise(line, id, if told_late { without_trackers(heard) } else { heard })
        };
        let (expected, heard) = (run(&mut alone), run(&mut proxied));
        if !same(&expected, &heard) {
            stop.store(true, Ordering::Relaxed);
            let route = proxied.say("SHOW PROXY ROUTE");
            return Some(Difference { session: number, at, what: format!("{}\n  {route}", show(&expected, &heard)) });
        }
        if expected.is_err() {
            return None;
        }
    }
    None
}

/// Runs sessions by hand, one after the other (an empty line is between them), and shows what both say. They log in as
/// those of the seed do, if one is given.
pub fn play(world: &World, script: &str, seed: Option<u64>) {
    let who = match seed {
        Some(seed) => {
            let mut random = Random::new(seed);
            random.below(MOST - 1);
            who(world.flavor, &mut random)
        }
        None => Who::named("app"),
    };
    for lines in script.split("\n\n") {
        world.begin(1);
        let [mut alone, mut proxied] =
            [world.alone(), world.proxied()].map(|address| Session::begin(address, &who, &world::name(0)));
        for line in lines.lines() {
            let (expected, heard) = (run_line(&mut alone, line), run_line(&mut proxied, line));
            let verdict = if same(&expected, &heard) { "same" } else { "DIFFERENT" };
            println!("{line}\n  {verdict}: {expected:?}");
            if verdict != "same" {
                println!("  the proxy: {heard:?}\n  {}", proxied.say("SHOW PROXY ROUTE"));
            }
        }
    }
}

fn run_line(session: &mut Session, line: &str) -> Heard {
    let id = session.id();
    normalise(line, id, session.run(line))
}

fn report(world: &World, who: &Who<'static>, plans: &[Plan], found: &Difference, seed: u64) -> String {
    let mut out = String::new();
    let Difference { session, at, what } = found;
    writeln!(out, "seed {seed}, session {session} of {} ({}), line {}:", plans.len(), world.flavor, at + 1).unwrap();
    writeln!(out, "  capabilities {:?}, collation {}", who.capabilities, who.collation).unwrap();
    let until: Plan = plans[*session][..=*at].to_vec();
    writeln!(out, "{}", until.join("\n")).unwrap();
    writeln!(out, "{what}").unwrap();
    eprintln!("{out}");
    out.clear();
    match shrink(world, who, &until) {
        Some((shortest, found)) => {
            writeln!(out, "the same alone, and shorter:").unwrap();
            writeln!(out, "{}\n{}", shortest.join("\n"), found.what).unwrap();
        }
        None => writeln!(out, "alone this session has no difference: it comes from the others").unwrap(),
    }
    out
}

/// Whether `MariaDB` may tell a client that listens to trackers, with a later reply, what was told before: what `SET
/// STATEMENT` has put back, or the database behind a routine or a prepared statement of another one.
fn tells_late(before: &[String]) -> bool {
    let any = |parts: &[&str]| before.iter().any(|line| parts.iter().any(|part| line.contains(part)));
    any(&["SET STATEMENT"]) || (any(&["USE ", "@database"]) && any(&["writes(", "puts(", "made", "CALL ", "@prepare"]))
}
