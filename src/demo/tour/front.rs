//! The proxy in front of the cluster: a process of its own, as in real life, with a configuration file to read.
//!
//! Knows the keys of that file. Must not know what is asked of the proxy.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use super::TourError;
use super::ports::Ports;
use super::visitor::Visitor;
use crate::demo::error::tail;
use crate::demo::{Cluster, Supervised};

/// How long the proxy may take to let somebody in.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often other ports are tried, and what the proxy says when one is taken.
const ATTEMPTS: usize = 10;
const PORT_TAKEN: &str = "cannot listen on";

/// The running proxy; dropping it asks it to end, and insists after a while.
#[derive(Debug)]
pub(super) struct Front {
    process: Supervised,
    read_write: SocketAddr,
    read_only: SocketAddr,
    admin_http: SocketAddr,
    configuration: PathBuf,
    log: PathBuf,
}

impl Front {
    /// Starts the proxy and waits until it serves. Between our letting go of the ports and its taking them somebody else
    /// may be quicker: then others are tried, except for the port that is wanted.
    pub(super) fn start(cluster: &Cluster, mut ports: Ports, wanted: Option<u16>) -> Result<Self, TourError> {
        for _ in 1..ATTEMPTS {
            match Self::start_at(cluster, ports) {
                Err(TourError::Proxy(said)) if said.contains(PORT_TAKEN) => ports = Ports::reserve(wanted)?,
                started => return started,
            }
        }
        Self::start_at(cluster, ports)
    }

    /// Writes the configuration into the cluster's folder and starts the proxy with it.
    fn start_at(cluster: &Cluster, ports: Ports) -> Result<Self, TourError> {
        let [read_write, read_only, admin_http] = ports.addresses();
        let configuration = cluster.folder().join("mysql-proxy.toml");
        let log = cluster.folder().join("mysql-proxy.log");
        fs::write(&configuration, of_cluster(cluster, &ports.addresses()))?;
        let program = env::current_exe()?;
        drop(ports);
        let process = Supervised::start(Path::new("env"), arguments(&program, &configuration), &log)?;
        let mut front = Self { process, read_write, read_only, admin_http, configuration, log };
        front.wait_until_it_serves()?;
        Ok(front)
    }

    /// The port that splits.
    pub(super) const fn read_write(&self) -> SocketAddr {
        self.read_write
    }

    /// The port that reads only.
    pub(super) const fn read_only(&self) -> SocketAddr {
        self.read_only
    }

    /// Metrics and health.
    pub(super) const fn admin_http(&self) -> SocketAddr {
        self.admin_http
    }

    /// The file it was started with.
    pub(super) fn configuration(&self) -> &Path {
        &self.configuration
    }

    /// What it writes down.
    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    fn wait_until_it_serves(&mut self) -> Result<(), TourError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match Visitor::connect(self.read_write) {
                Ok(_) => return Ok(()),
                Err(_) if self.process.ended()?.is_some() => return Err(TourError::Proxy(tail(&self.log))),
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // It drains. Whatever happens here, the process ends when the field is dropped.
        let _ = self.process.stop(Duration::from_secs(5));
    }
}

/// `env -u …`: settings of this process's environment are meant for a proxy of somebody else's.
fn arguments(program: &Path, configuration: &Path) -> Vec<std::ffi::OsString> {
    let mut arguments = Vec::new();
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MYSQL_PROXY_")) {
        arguments.extend(["-u".into(), name]);
    }
    arguments.extend([program.into(), "run".into(), "--config".into(), configuration.into()]);
    arguments
}

fn of_cluster(cluster: &Cluster, [read_write, read_only, admin_http]: &[SocketAddr; 3]) -> String {
    let members: Vec<String> = cluster.members().iter().map(|member| format!("\"{}\"", member.address())).collect();
    let (members, primary) = (members.join(", "), cluster.primary().address());
    format!(
        r#"[listen]
read_write = "{read_write}"
read_only  = "{read_only}"
admin_http = "{admin_http}"
[cluster]
members = [{members}]
primary = "{primary}"
[monitor]
user     = "proxy"
password = "proxy"
interval = "250ms"
timeout  = "250ms"
[[users]]
name     = "app"
password = "app"
"#
    )
}
