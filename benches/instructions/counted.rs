//! A program under callgrind, in front of the server.
//!
//! Knows how it is started, and how callgrind is told to begin anew and to write down what it has counted (its manual,
//! "Monitor commands"). Must not know what the program is asked.

use std::{
    collections::HashSet,
    error::Error,
    fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use mysql_proxy::demo::{Supervised, free_addresses};

/// Under callgrind a start takes some seconds.
const START: Duration = Duration::from_secs(60);

/// Who is counted.
#[derive(Clone, Copy, Debug)]
pub enum Kind<'a> {
    /// This program.
    Proxy(&'a str),
    Relay,
    HaProxy,
}

impl Kind<'_> {
    const fn name(self) -> &'static str {
        match self {
            Kind::Proxy(_) => "proxy",
            Kind::Relay => "relay",
            Kind::HaProxy => "haproxy",
        }
    }
}

/// Ends when it is dropped.
pub struct Counted {
    pub address: SocketAddr,
    process: Supervised,
    out: PathBuf,
}

impl Counted {
    pub fn start(kind: Kind<'_>, server: SocketAddr, folder: &Path) -> Result<Self, Box<dyn Error>> {
        let [address, admin] = free_addresses(2)?[..] else { return Err("two addresses were asked for".into()) };
        let name = kind.name();
        let out = folder.join(format!("callgrind.{name}"));
        let mut call = vec!["--tool=callgrind".to_owned(), format!("--callgrind-out-file={}", out.display())];
        let config = folder.join(format!("{name}.conf"));
        let file = config.display().to_string();
        match kind {
            Kind::Proxy(program) => {
                fs::write(&config, proxy_config(address, admin, server))?;
                call.extend([program, "run", "--config", &file].map(str::to_owned));
            }
            Kind::Relay => {
                let program = std::env::current_exe()?.display().to_string();
                call.extend([program, "--serve-relay".to_owned(), address.to_string(), server.to_string()]);
            }
            Kind::HaProxy => {
                fs::write(&config, haproxy_config(address, server))?;
                call.extend(["/usr/sbin/haproxy", "-db", "-f", &file].map(str::to_owned));
            }
        }
        let log = folder.join(format!("{name}.log"));
        let process = Supervised::start(Path::new("/usr/bin/valgrind"), call, &log)
            .map_err(|error| format!("valgrind: {error}; install it with: apt-get install valgrind"))?;
        let mut counted = Counted { address, process, out };
        let ready = matches!(kind, Kind::Proxy(_)).then_some(admin);
        counted.wait(ready).map_err(|error| format!("{error}: {}", fs::read_to_string(&log).unwrap_or_default()))?;
        Ok(counted)
    }

    fn wait(&mut self, ready: Option<SocketAddr>) -> Result<(), Box<dyn Error>> {
        let end = Instant::now() + START;
        while Instant::now() < end {
            if let Some(status) = self.process.ended()? {
                return Err(format!("it has ended ({status})").into());
            }
            let open = TcpStream::connect(self.address).is_ok();
            if open && ready.is_none_or(is_ready) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(100));
        }
        Err("it does not become ready".into())
    }

    /// Begins to count anew.
    pub fn zero(&self) -> Result<(), Box<dyn Error>> {
        self.tell("zero").map(drop)
    }

    /// Writes down what was counted since, for `callgrind_annotate` too.
    pub fn dump(&self, name: &str) -> Result<Counts, Box<dyn Error>> {
        self.tell(&format!("dump {name}"))?;
        let parts = (1..).map(|part| self.out.with_file_name(format!("{}.{part}", file_name(&self.out))));
        let dumped = parts.take_while(|part| part.exists()).last().ok_or("callgrind has written nothing")?;
        let named = self.out.with_file_name(format!("{}.{name}", file_name(&self.out)));
        let text = fs::read_to_string(&dumped)?;
        fs::copy(&dumped, named)?;
        let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
        Ok(Counts { instructions: total.ok_or("callgrind has written no total")?, allocations: allocations(&text) })
    }

    fn tell(&self, command: &str) -> Result<String, Box<dyn Error>> {
        let output = Command::new("vgdb").arg(format!("--pid={}", self.process.pid())).arg(command).output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() { Ok(said) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
    }
}

/// What was counted.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    pub instructions: u64,
    /// Calls of the allocator.
    pub allocations: u64,
}

/// How often the allocator was called. A name stands in the file once, behind its number in parentheses, which stands for it
/// from then on; behind the name of who is called stands how often (callgrind's manual, "Callgrind Format Specification").
fn allocations(text: &str) -> u64 {
    const NAMES: [&str; 6] = ["malloc", "calloc", "realloc", "mallocx", "rallocx", "aligned_alloc"];
    let mut numbers = HashSet::new();
    let (mut called, mut sum) = ("", 0);
    for line in text.lines() {
        let name = line.strip_prefix("cfn=").or_else(|| line.strip_prefix("fn="));
        if let Some((number, name)) = name.map(|name| name.split_once(' ').unwrap_or((name, ""))) {
            if NAMES.iter().any(|known| name.strip_prefix("_rjem_").unwrap_or(name) == *known) {
                numbers.insert(number);
            }
            called = number;
        } else if let Some(calls) = line.strip_prefix("calls=")
            && numbers.contains(called)
        {
            sum += calls.split(' ').next().and_then(|count| count.parse::<u64>().ok()).unwrap_or_default();
        }
    }
    sum
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn is_ready(admin: SocketAddr) -> bool {
    use std::io::{Read, Write};
    let ask = || {
        let mut stream = TcpStream::connect(admin)?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut said = String::new();
        stream.read_to_string(&mut said).map(|_| said.starts_with("HTTP/1.1 200"))
    };
    ask().unwrap_or(false)
}

/// One thread, and a monitor that asks seldom: what it does is none of a statement's.
fn proxy_config(address: SocketAddr, admin: SocketAddr, server: SocketAddr) -> String {
    format!(
        "[listen]\nread_write = \"{address}\"\nread_only = \"\"\nadmin_http = \"{admin}\"\nadmin_sql = \"\"\n\
         [runtime]\nthreads = 1\n[cluster]\nkind = \"single\"\nprimary = \"{server}\"\nmembers = [\"{server}\"]\n\
         [monitor]\nuser = \"proxy\"\npassword = \"proxy\"\ninterval = \"60s\"\ntimeout = \"5s\"\n\
         [pool]\nconnect_timeout = \"10s\"\nacquire_timeout = \"30s\"\n[[users]]\nname = \"app\"\npassword = \"\"\n"
    )
}

fn haproxy_config(address: SocketAddr, server: SocketAddr) -> String {
    format!(
        "global\n  nbthread 1\n  maxconn 4000\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  \
         timeout server 1h\nlisten mysql\n  bind {address}\n  server primary {server}\n"
    )
}
