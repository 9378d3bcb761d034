//! Looks at every member all the time, as an application could that goes past the proxy: whoever serves must serve
//! what is right.
//!
//! Knows what holds of a member that serves. Must not know what happens to it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::harness::Pods;
use crate::load::connect;

const EXECUTED: &str = "SELECT REPLACE(@@global.gtid_executed, '\n', '')";

/// A watch; a member that serves what is wrong makes it panic.
#[derive(Default)]
pub struct Watch {
    stop: AtomicBool,
    looks: AtomicUsize,
}

impl Watch {
    /// Until it is told to stop.
    pub fn run(&self, pods: &Pods) {
        while !self.stop.load(Ordering::Relaxed) {
            for member in pods.names_of("mysql") {
                self.look(pods, &member);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        println!("    {} looks at members that served", self.looks.load(Ordering::Relaxed));
    }

    /// Ends it when the value is dropped, also by a panic.
    pub fn until_dropped(&self) -> Until<'_> {
        Until(self)
    }

    /// Whatever it cannot finish says nothing: the member may end at any moment.
    fn look(&self, pods: &Pods, member: &str) -> Option<()> {
        let address = pods.try_address(member, 3306)?;
        let mut raw = connect(address)?;
        let writable = raw.try_say("SELECT @@global.super_read_only").ok()? == "0";
        let baseline = raw.try_say("SELECT COUNT(*), SUM(id) FROM baseline").ok()?;
        // First the replica, then the primary, which then has at least as much.
        let has = raw.try_say(EXECUTED).ok()?;
        if baseline.starts_with("ERROR") || has.starts_with("ERROR") {
            // It was closed meanwhile.
            return None;
        }
        assert_eq!(baseline, "1000 499500", "{member} serves without what it must have");
        assert!(!writable || member == "mysql-0", "{member} is writable");
        self.looks.fetch_add(1, Ordering::Relaxed);
        if member != "mysql-0" {
            let mut primary = connect(pods.try_address("mysql-0", 3306)?)?;
            // What waits for an acknowledgement is executed on a replica first.
            let deadline = Instant::now() + Duration::from_secs(5);
            while primary.try_say(&format!("SELECT GTID_SUBSET('{has}', @@global.gtid_executed)")).ok()? == "0" {
                let all = primary.try_say(EXECUTED).ok()?;
                assert!(Instant::now() < deadline, "{member} serves what mysql-0 has not: {has} against {all}");
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        Some(())
    }
}

/// See [`Watch::until_dropped`].
pub struct Until<'a>(&'a Watch);

impl Drop for Until<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}
