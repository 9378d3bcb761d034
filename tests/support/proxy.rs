//! The proxy's binary, running in front of a cluster.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mysql_proxy::demo::{Cluster, Member, Signal, Supervised, free_addresses};
use toml::{Table, Value};

const PATIENCE: Duration = Duration::from_secs(15);

/// A running proxy; dropping it asks it to end, and insists after a while.
pub struct Proxy {
    /// The listener that splits.
    pub read_write: SocketAddr,
    /// The listener that reads only from replicas.
    pub read_only: SocketAddr,
    /// The HTTP endpoints.
    pub admin_http: SocketAddr,
    process: Supervised,
    folder: tempfile::TempDir,
}

impl Proxy {
    /// Starts the proxy in front of a cluster and waits until it is ready.
    ///
    /// `adjust` is TOML in the contract's words that is laid over the usual configuration, key by key.
    pub fn start(cluster: &Cluster, adjust: &str) -> Self {
        let mut proxy = Self::launch(cluster, adjust);
        proxy.wait_until_ready();
        proxy
    }

    /// Starts the proxy in front of these members, of which the first is the primary, and waits until it is ready.
    pub fn start_before(members: &[SocketAddr], adjust: &str) -> Self {
        let mut proxy = Self::launch_before(members, adjust);
        proxy.wait_until_ready();
        proxy
    }

    /// Starts the proxy before these members, and has it log all that it can.
    pub fn start_talkative(members: &[SocketAddr], adjust: &str) -> Self {
        let mut proxy = Self::launch_by("RUST_LOG=trace exec \"$0\" \"$@\"", members, adjust);
        proxy.wait_until_ready();
        proxy
    }

    /// Starts the proxy without waiting for it.
    pub fn launch(cluster: &Cluster, adjust: &str) -> Self {
        let members: Vec<SocketAddr> = cluster.members().iter().map(Member::address).collect();
        Self::launch_before(&members, adjust)
    }

    /// The same before members at these addresses, of which the first is the primary.
    pub fn launch_before(members: &[SocketAddr], adjust: &str) -> Self {
        Self::launch_by("exec \"$0\" \"$@\"", members, adjust)
    }

    /// Starts the proxy by a shell, with its limits of open files, and waits until it is ready.
    pub fn start_with_files(cluster: &Cluster, adjust: &str, soft: u32, hard: u32) -> Self {
        let members: Vec<SocketAddr> = cluster.members().iter().map(Member::address).collect();
        let script = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" \"$@\"");
        let mut proxy = Self::launch_by(&script, &members, adjust);
        proxy.wait_until_ready();
        proxy
    }

    fn launch_by(script: &str, members: &[SocketAddr], adjust: &str) -> Self {
        let listen: [SocketAddr; 3] = free_addresses(3).unwrap().try_into().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut configuration = usual(members, &listen);
        lay_over(&mut configuration, adjust.parse().expect("the adjustment is TOML"));
        let file = folder.path().join("mysql-proxy.toml");
        fs::write(&file, configuration.to_string()).unwrap();
        let binary = Path::new(env!("CARGO_BIN_EXE_mysql-proxy"));
        let program: [OsString; 3] = ["-c".into(), script.into(), binary.into()];
        let arguments = program.into_iter().chain(["run".into(), "--config".into(), file.into_os_string()]);
        let process = Supervised::start(Path::new("/bin/sh"), arguments, &folder.path().join("log")).unwrap();
        let [read_write, read_only, admin_http] = listen;
        Self { read_write, read_only, admin_http, process, folder }
    }

    /// Waits until `/readyz` says 200.
    pub fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while http(self.admin_http, "/readyz").is_none_or(|(status, _)| status != 200) {
            let ended = self.process.ended().unwrap();
            assert!(ended.is_none(), "the proxy ended with {ended:?}; its log:\n{}", self.log());
            assert!(Instant::now() < deadline, "the proxy is not ready after {PATIENCE:?}; its log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// All it has logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join("log")).unwrap_or_default()).into_owned()
    }

    /// Its configuration file, to be changed before a `Signal::HangUp`.
    pub fn configuration(&self) -> PathBuf {
        self.folder.path().join("mysql-proxy.toml")
    }

    /// What `/metrics` says of one series (name and labels as they are printed there); zero while it is not there.
    pub fn metric(&self, series: &str) -> f64 {
        let (_, text) = http(self.admin_http, "/metrics").unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    /// Its process.
    pub const fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Sends it a signal.
    pub fn signal(&mut self, signal: Signal) {
        self.process.signal(signal).unwrap();
    }

    /// Waits for its end and gives its exit code.
    pub fn exit_code(&mut self, limit: Duration) -> Option<i32> {
        self.process.wait_for(limit).unwrap().and_then(|status| status.code())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let ended = self.process.stop(PATIENCE);
        if std::thread::panicking() {
            eprintln!("the proxy ended with {ended:?}; its log:\n{}", self.log());
        }
    }
}

fn usual(members: &[SocketAddr], [read_write, read_only, admin_http]: &[SocketAddr; 3]) -> Table {
    let quoted: Vec<String> = members.iter().map(|address| format!("{:?}", address.to_string())).collect();
    let text = format!(
        "[listen]\nread_write = '{read_write}'\nread_only = '{read_only}'\nadmin_http = '{admin_http}'\n\
         admin_sql = ''\n[runtime]\nthreads = 2\n\
         [cluster]\nmembers = [{}]\nprimary = '{}'\n\
         [monitor]\nuser = 'proxy'\npassword = 'proxy'\ninterval = '200ms'\ntimeout = '200ms'\n\
         [[users]]\nname = 'app'\npassword = 'app'\n[[users]]\nname = 'admin'\npassword = 'admin'\n",
        quoted.join(", "),
        members[0],
    );
    text.parse().unwrap()
}

/// Tables are merged, everything else is replaced.
fn lay_over(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay_over(below, above),
            (_, value) => drop(below.insert(key, value)),
        }
    }
}

/// Gets a page: its status and its body; none while nobody listens.
pub fn http(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}
