//! What stands behind everything that is compared: a real cluster, or the server that answers at once.
//!
//! Knows how to start it and fill its table. Must not know who will ask it.

use std::error::Error;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use mysql_proxy::demo::{Cluster, Options, Supervised, free_addresses};

use crate::arguments::{Arguments, Backend};
use crate::load;

/// Room for the connections and the table, so that no server setting is what gets measured.
const ROOM: &str = "\
max-connections=1000
thread-cache-size=256
table-open-cache=2000
innodb-buffer-pool-size=128M
";

/// The servers; gone when dropped.
pub struct Servers {
    members: Vec<SocketAddr>,
    running: Running,
}

enum Running {
    Cluster { _it: Cluster },
    Instant { _it: Supervised },
}

impl Servers {
    pub fn start(arguments: &Arguments, folder: &Path) -> Result<Self, Box<dyn Error>> {
        match arguments.backend {
            Backend::Real => Self::cluster(arguments, folder),
            Backend::Instant => Self::instant(folder),
        }
    }

    pub fn primary(&self) -> SocketAddr {
        self.members[0]
    }

    /// The `[cluster]` section for the proxy.
    pub fn section(&self) -> String {
        let mut section = format!("[cluster]\nprimary = \"{}\"\nmembers = [", self.primary());
        for member in &self.members {
            let _ = write!(section, "\"{member}\", ");
        }
        section.push_str("]\n");
        if matches!(self.running, Running::Instant { .. }) {
            section.push_str("kind = \"single\"\n");
        }
        section
    }

    fn cluster(arguments: &Arguments, folder: &Path) -> Result<Self, Box<dyn Error>> {
        let options = Options {
            replicas: arguments.replicas,
            extra_cnf: ROOM.to_owned(),
            templates: Some(folder.join("templates")),
            ..Options::new(arguments.flavor)
        };
        let cluster = Cluster::start(&options)?;
        load::fill(cluster.primary().address(), folder)?;
        for replica in 1..=arguments.replicas {
            cluster.catch_up(replica, Duration::from_secs(60))?;
        }
        let members = cluster.members().iter().map(mysql_proxy::demo::Member::address).collect();
        Ok(Self { members, running: Running::Cluster { _it: cluster } })
    }

    /// This program again, in a process of its own.
    fn instant(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let members = free_addresses(1)?;
        let arguments = ["--bench".to_owned(), "--serve-instant".to_owned(), members[0].to_string()];
        let process = Supervised::start(&std::env::current_exe()?, arguments, &folder.join("instant.log"))?;
        load::wait_until_open(members[0])?;
        Ok(Self { members, running: Running::Instant { _it: process } })
    }
}
