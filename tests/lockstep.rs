//! Random sessions, run line by line on one plain server and through the proxy on a cluster with the same data: every
//! packet of every reply must be the same. Two to eight sessions at once share a small pool, so that state which leaks
//! from one to another shows.
//!
//! `MYSQL_PROXY_LOCKSTEP_SESSIONS` says how many sessions, `MYSQL_PROXY_LOCKSTEP_SEED` with which seed to begin,
//! `MYSQL_PROXY_LOCKSTEP_KEEP_GOING=1` to show all differences instead of stopping at the first;
//! `MYSQL_PROXY_LOCKSTEP_SCRIPT` names a file with sessions of your own, whose replies are shown. Seeds
//! that have found something are in `data/lockstep-seeds.txt` and always run. A difference is shown with its seed and
//! with the shortest session that was found to have it, in the language of `data/state.txt`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "lockstep/compare.rs"]
mod compare;
#[path = "lockstep/generator.rs"]
mod generator;
#[path = "lockstep/random.rs"]
mod random;
#[path = "lockstep/round.rs"]
mod round;
#[path = "lockstep/session.rs"]
mod session;
#[path = "lockstep/settings.rs"]
mod settings;
#[path = "lockstep/shrink.rs"]
mod shrink;
#[path = "lockstep/statements.rs"]
mod statements;
mod support;
#[path = "lockstep/world.rs"]
mod world;

use std::str::FromStr;
use std::time::Instant;

use mysql_proxy::demo::Flavor;
use support::on_both;
use world::{Transactions, World};

on_both!(random_sessions_are_the_same_as_on_one_server, random_sessions_are_the_same_with_split_transactions,);

/// What the normal run does: about 20 seconds, and half of it with split transactions.
const SHORT: u64 = 60;

fn random_sessions_are_the_same_as_on_one_server(flavor: Flavor) {
    run_all(flavor, Transactions::Whole);
}

fn random_sessions_are_the_same_with_split_transactions(flavor: Flavor) {
    run_all(flavor, Transactions::Split);
}

fn run_all(flavor: Flavor, transactions: Transactions) {
    let Some(world) = World::start(flavor, transactions) else { return };
    if let Ok(script) = std::env::var("MYSQL_PROXY_LOCKSTEP_SCRIPT") {
        let seed = from_environment("MYSQL_PROXY_LOCKSTEP_SEED");
        return round::play(&world, &std::fs::read_to_string(script).unwrap(), seed);
    }
    let known = if transactions == Transactions::Split { Vec::new() } else { known_seeds(flavor) };
    let keep_going = from_environment::<u8>("MYSQL_PROXY_LOCKSTEP_KEEP_GOING").is_some();
    let mut differences = 0;
    // The short form tells what a seed shows again: on a busy machine a session may be later than its connection waits.
    let is_short = std::env::var_os("MYSQL_PROXY_LOCKSTEP_SESSIONS").is_none();
    let again = |seed| (0..2).any(|_| round::run(&world, seed).difference.is_some());
    let mut run = |seed| {
        let round = round::run(&world, seed);
        if let Some(report) = round.difference.as_ref().filter(|_| !is_short || again(seed)) {
            assert!(keep_going, "{report}");
            eprintln!("{report}");
            differences += 1;
        }
        round
    };
    for &seed in &known {
        run(seed);
    }
    let sessions = from_environment("MYSQL_PROXY_LOCKSTEP_SESSIONS")
        .unwrap_or(if transactions == Transactions::Split { SHORT / 2 } else { SHORT });
    let first = from_environment("MYSQL_PROXY_LOCKSTEP_SEED").unwrap_or(1);
    let began = Instant::now();
    let (mut done, mut lines, mut seed) = (0, 0, first);
    let mut told = began;
    while done < sessions {
        let round = run(seed);
        (done, lines, seed) = (done + round.sessions, lines + round.lines, seed + 1);
        if told.elapsed().as_secs() >= 30 {
            told = Instant::now();
            eprintln!("{flavor}: {done} sessions, {lines} lines, seeds {first} to {}", seed - 1);
        }
    }
    eprintln!(
        "{flavor}: {done} sessions of {lines} lines, {differences} differences, seeds {first} to {} and {} known ones, in {:?}",
        seed - 1,
        known.len(),
        began.elapsed()
    );
    assert_eq!(differences, 0);
}

fn from_environment<T: FromStr>(name: &str) -> Option<T> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is not a number")))
}

/// Lines are `seed`, `mariadb: seed` or `mysql: seed`, with what was found behind it.
fn known_seeds(flavor: Flavor) -> Vec<u64> {
    let lines = include_str!("data/lockstep-seeds.txt").lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mine = lines.filter_map(|line| match (flavor, line.split_once(": ")) {
        (Flavor::MariaDb, Some(("mariadb", rest))) | (Flavor::MySql, Some(("mysql", rest))) => Some(rest),
        (_, Some(("mariadb" | "mysql", _))) => None,
        _ => Some(line),
    });
    mine.map(|line| line.split(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("no seed: {line}"))).collect()
}
