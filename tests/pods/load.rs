//! Applications: they write all the time, and remember what was acknowledged.
//!
//! Knows one table. Must not know what happens to the servers meanwhile.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::support::raw::{Raw, Who};

/// The application's account.
pub fn application() -> Who<'static> {
    Who { password: "change-me-application", ..Who::named("app") }
}

/// A connection to whoever serves there; none while nobody does.
pub fn connect(address: SocketAddr) -> Option<Raw> {
    let mut raw = Raw::try_connect(address, &application()).ok()?.ok()?;
    raw.patience(Duration::from_secs(30));
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
                let mut since = Instant::now();
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
                }
            }));
        }
        load
    }

    /// How many writes were acknowledged so far.
    pub fn written(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// A write that has been acknowledged just now.
    pub fn latest(&self) -> Option<u64> {
        let id = self.latest.load(Ordering::Relaxed);
        (id != 0).then_some(id)
    }

    /// Ends it; all that was acknowledged.
    pub fn stop(mut self) -> BTreeSet<u64> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        let (acknowledged, failures) = (self.acknowledged.lock().unwrap().clone(), self.failures.lock().unwrap());
        let last = failures.last().map(|error| format!(", such as: {error}")).unwrap_or_default();
        println!(
            "    {} writes acknowledged, {} failed{last}; longest time without one: {:?}",
            acknowledged.len(),
            failures.len(),
            self.longest.lock().unwrap()
        );
        acknowledged
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn write(connection: &mut Option<Raw>, address: SocketAddr, id: u64) -> Result<(), String> {
    if connection.is_none() {
        *connection = Some(connect(address).ok_or("no connection")?);
    }
    let raw = connection.as_mut().ok_or("no connection")?;
    // Every third in a transaction, with a read in between.
    let statements: &[String] = &if id.is_multiple_of(3) {
        vec![
            "BEGIN".to_owned(),
            format!("INSERT INTO writes VALUES ({id}, REPEAT('x', 100))"),
            format!("UPDATE counters SET n = n + 1 WHERE id = {}", id % 7),
            "COMMIT".to_owned(),
        ]
    } else {
        vec![format!("INSERT INTO writes VALUES ({id}, 'one')")]
    };
    for statement in statements {
        let said = raw.try_say(statement).map_err(|error| format!("{statement}: {error}"))?;
        if said != "OK" {
            return Err(format!("{statement}: {said}"));
        }
    }
    Ok(())
}
