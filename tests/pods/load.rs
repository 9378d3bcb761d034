//! Applications: they write and read all the time, and remember what was acknowledged.
//!
//! Each has a connection as a driver's pool has: one that is found closed when it is borrowed is replaced without a word;
//! whatever fails after that is the application's. Now and then it lies in the pool for a moment.
//!
//! Knows one table. Must not know what happens to the servers meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::support::raw::{Raw, Who};

/// How long an application uses its connection before that lies in the pool, and for how long it does.
const USE: Duration = Duration::from_secs(2);
const REST: Duration = Duration::from_millis(1300);

/// The application's account.
pub fn application() -> Who<'static> {
    Who { password: "change-me-application", ..Who::named("app") }
}

/// A connection to whoever serves there; none while nobody does.
pub fn connect(address: SocketAddr) -> Option<Raw> {
    let mut raw = Raw::try_connect(address, &application()).ok()?.ok()?;
    raw.patience(Duration::from_secs(90));
    Some(raw)
}

/// Writers and readers; they go on until they are told to stop.
pub struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<BTreeSet<u64>>>,
    latest: Arc<AtomicU64>,
    failures: Arc<Mutex<Vec<String>>>,
    longest: Arc<Mutex<Duration>>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Makes the table, and starts so many writers. Their ids begin at `first` times a million.
    pub fn start(address: SocketAddr, writers: u64, first: u64) -> Self {
        let load = Self {
            stop: Arc::default(),
            acknowledged: Arc::default(),
            latest: Arc::default(),
            failures: Arc::default(),
            longest: Arc::default(),
            threads: Vec::new(),
        };
        let mut load = load;
        for writer in first..first + writers {
            let (stop, latest) = (Arc::clone(&load.stop), Arc::clone(&load.latest));
            let (acknowledged, failures, longest) =
                (Arc::clone(&load.acknowledged), Arc::clone(&load.failures), Arc::clone(&load.longest));
            load.threads.push(std::thread::spawn(move || {
                let mut id = writer * 1_000_000;
                let mut connection = None;
                let (mut since, mut rested) = (Instant::now(), Instant::now());
                while !stop.load(Ordering::Relaxed) {
                    id += 1;
                    match write(&mut connection, address, id) {
                        Ok(()) => {
                            acknowledged.lock().unwrap().insert(id);
                            latest.store(id, Ordering::Relaxed);
                            let mut longest = longest.lock().unwrap();
                            *longest = since.elapsed().max(*longest);
                            since = Instant::now();
                        }
                        Err(error) => {
                            failures.lock().unwrap().push(error);
                            connection = None;
                            std::thread::sleep(Duration::from_millis(50));
                        }
                    }
                    std::thread::sleep(Duration::from_millis(5));
                    if rested.elapsed() > USE && !stop.load(Ordering::Relaxed) {
                        std::thread::sleep(REST);
                        since += REST;
                        rested = Instant::now();
                    }
                }
            }));
        }
        load
    }

    /// How many writes were acknowledged so far.
    pub fn written(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// How many failed so far.
    pub fn failed(&self) -> usize {
        self.failures.lock().unwrap().len()
    }

    /// A write that has been acknowledged just now.
    pub fn latest(&self) -> Option<u64> {
        let id = self.latest.load(Ordering::Relaxed);
        (id != 0).then_some(id)
    }

    /// Ends it; all that was acknowledged. Nothing may have failed.
    pub fn stop_unharmed(self) -> BTreeSet<u64> {
        let failures = Arc::clone(&self.failures);
        let acknowledged = self.stop();
        let failures = failures.lock().unwrap();
        assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
        acknowledged
    }

    /// Ends it; all that was acknowledged.
    pub fn stop(mut self) -> BTreeSet<u64> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        let (acknowledged, failures) = (self.acknowledged.lock().unwrap().clone(), self.failures.lock().unwrap());
        println!(
            "    {} writes acknowledged, {} failed; longest time without one: {:?}",
            acknowledged.len(),
            failures.len(),
            self.longest.lock().unwrap()
        );
        for (kind, count) in kinds(&failures) {
            println!("      {count} x {kind}");
        }
        acknowledged
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Failures without their numbers, and how many there were of each.
fn kinds(failures: &[String]) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for failure in failures {
        let (statement, error) = failure.split_once(": ").unwrap_or(("", failure));
        let statement: String = statement.chars().filter(|letter| !letter.is_ascii_digit()).collect();
        *kinds.entry(format!("{statement}: {error}")).or_default() += 1;
    }
    kinds
}

/// A row: alone or behind a read, or, every third one, in a transaction with a read in between.
fn write(connection: &mut Option<Raw>, address: SocketAddr, id: u64) -> Result<(), String> {
    let counter = id % 7;
    let read = (format!("SELECT id FROM counters WHERE id = {counter}"), counter.to_string());
    let done = |statement: String| (statement, "OK".to_owned());
    let row = done(format!("INSERT INTO writes VALUES ({id}, REPEAT('x', {}))", id % 100));
    let units = match id % 3 {
        0 => {
            let update = done(format!("UPDATE counters SET n = n + 1 WHERE id = {counter}"));
            vec![vec![done("BEGIN".to_owned()), row, read, update, done("COMMIT".to_owned())]]
        }
        1 => vec![vec![row]],
        _ => vec![vec![read], vec![row]],
    };
    units.iter().try_for_each(|unit| run(borrow(connection, address)?, unit))
}

/// For one transaction, or for one statement without.
fn borrow(connection: &mut Option<Raw>, address: SocketAddr) -> Result<&mut Raw, String> {
    connection.take_if(|raw| raw.has_ended());
    match connection {
        Some(raw) => Ok(raw),
        None => Ok(connection.insert(connect(address).ok_or("no connection")?)),
    }
}

fn run(raw: &mut Raw, unit: &[(String, String)]) -> Result<(), String> {
    for (statement, expected) in unit {
        let said = raw.try_say(statement).map_err(|error| format!("{statement}: {error}"))?;
        if said != *expected {
            return Err(format!("{statement}: {said}"));
        }
    }
    Ok(())
}
