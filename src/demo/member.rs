//! One server of the cluster: its address, its files, its process.
//!
//! Knows how to start, stop and ask one server. Must not know the other members, nor replication.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::error::{ClusterError, During, tail};
use super::flavor::Servers;
use super::supervised::{Signal, Supervised};

/// How long a server may take to serve, or to stop when asked.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a member is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Member 0 takes the writes.
    Primary,
    /// All others apply them, and refuse writes of their own.
    Replica,
}

/// One server.
#[derive(Debug)]
pub struct Member {
    index: usize,
    address: SocketAddr,
    folder: PathBuf,
    general_log: Option<PathBuf>,
    servers: Arc<Servers>,
    process: Option<Supervised>,
}

impl Member {
    pub(super) fn new(index: usize, address: SocketAddr, folder: PathBuf, servers: Arc<Servers>) -> Self {
        Self { index, address, folder, general_log: None, servers, process: None }
    }

    pub(super) fn with_general_log(mut self) -> Self {
        self.general_log = Some(self.folder.join("general.log"));
        self
    }

    /// Its number: 0 is the primary.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index
    }

    /// What it is for.
    #[must_use]
    pub const fn role(&self) -> Role {
        if self.index == 0 { Role::Primary } else { Role::Replica }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where everything of its own lies.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Its general log, if it writes one.
    #[must_use]
    pub fn general_log(&self) -> Option<&Path> {
        self.general_log.as_deref()
    }

    /// Its error log.
    #[must_use]
    pub fn error_log(&self) -> PathBuf {
        self.folder.join("error.log")
    }

    /// Its Unix socket, where root needs no password.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join("s")
    }

    /// Its configuration file, which a test may change before a restart.
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.folder.join("my.cnf")
    }

    /// Its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Supervised::pid)
    }

    /// Starts the process; it does not serve yet.
    pub(super) fn launch(&mut self) -> Result<(), ClusterError> {
        if self.process.is_some() {
            return Err(ClusterError::State { member: self.index, state: "running" });
        }
        let defaults = format!("--defaults-file={}", self.configuration().display());
        let process = Supervised::start(&self.servers.server, [defaults], &self.folder.join("output.log"))
            .during(|| format!("starting {}", self.servers.server.display()))?;
        self.process = Some(process);
        Ok(())
    }

    /// Waits until it answers statements.
    pub(super) fn wait_until_serving(&mut self) -> Result<(), ClusterError> {
        let deadline = Instant::now() + PATIENCE;
        while self.ask("SELECT 1").is_err() {
            let process = self.running()?;
            let ended = process.ended().during(|| "watching a server".to_owned())?.is_some();
            if ended {
                self.process = None;
                let log = self.error_log();
                return Err(ClusterError::Ended { member: self.index, tail: tail(&log), log });
            }
            if Instant::now() >= deadline {
                return Err(ClusterError::TooSlow { member: self.index, what: "serving", within: PATIENCE });
            }
            thread::sleep(Duration::from_millis(30));
        }
        Ok(())
    }

    /// Asks it to stop, and waits until it has.
    pub(super) fn stop(&mut self) -> Result<(), ClusterError> {
        self.running()?.stop(PATIENCE).during(|| "stopping a server".to_owned())?;
        self.process = None;
        Ok(())
    }

    /// Ends it as a crash would, and waits until it is gone.
    pub(super) fn kill(&mut self) -> Result<(), ClusterError> {
        self.signal(Signal::Kill)?;
        self.process = None;
        Ok(())
    }

    /// Sends its process a signal.
    pub(super) fn signal(&mut self, signal: Signal) -> Result<(), ClusterError> {
        self.running()?.signal(signal).during(|| "signalling a server".to_owned())
    }

    /// Lets the process end without waiting for it.
    pub(super) fn let_go(&mut self) {
        if let Some(process) = &mut self.process {
            process.let_go();
        }
    }

    /// Runs statements as root through the socket; gives the rows as text.
    pub(super) fn ask(&self, statement: &str) -> Result<Vec<Vec<String>>, ClusterError> {
        let mut client = Command::new(&self.servers.client)
            .args(["--no-defaults", "--protocol=socket", "--user=root", "--batch", "--skip-column-names"])
            .args(["--default-character-set=utf8mb4", "--connect-timeout=5"])
            .arg(format!("--socket={}", self.socket().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .during(|| format!("starting {}", self.servers.client.display()))?;
        // A client that could not connect has closed its input; what it says then is the better message.
        let written = client.stdin.take().map_or(Ok(()), |mut input| input.write_all(statement.as_bytes()));
        let output = client.wait_with_output().during(|| "waiting for the client program".to_owned())?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            let statement = statement.chars().take(200).collect();
            return Err(ClusterError::Statement { member: self.index, statement, message });
        }
        written.during(|| "writing to the client program".to_owned())?;
        Ok(rows(&String::from_utf8_lossy(&output.stdout)))
    }

    pub(super) fn write_configuration(&self, text: &str) -> Result<(), ClusterError> {
        let path = self.configuration();
        fs::write(&path, text).during(|| format!("writing {}", path.display()))
    }

    fn running(&mut self) -> Result<&mut Supervised, ClusterError> {
        self.process.as_mut().ok_or(ClusterError::State { member: self.index, state: "not running" })
    }
}

/// The client's batch format: one line a row, tabs between values, `\n \t \0 \\` for what would be in the way.
fn rows(output: &str) -> Vec<Vec<String>> {
    output.lines().map(|line| line.split('\t').map(unescape).collect()).collect()
}

fn unescape(value: &str) -> String {
    let mut plain = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next().map(|escaped| match escaped {
                'n' => '\n',
                't' => '\t',
                '0' => '\0',
                other => other,
            })),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::rows;

    #[test]
    fn rows_come_apart_at_tabs_and_escapes_come_back() {
        assert_eq!(rows("1\tone\\ntwo\n2\ta\\\\b\\tc\n"), vec![vec!["1", "one\ntwo"], vec!["2", "a\\b\tc"]]);
        assert_eq!(rows(""), Vec::<Vec<String>>::new());
    }
}
