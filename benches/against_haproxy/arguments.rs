//! What was asked for on the command line.
//!
//! Knows the flags and their defaults. Must not know how anything is measured.

use std::error::Error;
use std::str::FromStr;
use std::time::Duration;

use mysql_proxy::demo::Flavor;

/// How to call it.
pub const USAGE: &str = "\
cargo bench --bench against_haproxy -- [flags]
  --threads 1,16,64          sysbench's connections
  --seconds 10               of each single measurement
  --rounds 3                 how often everything is measured
  --workloads point_select,read_only,read_write; read_write_apart: without transactions around them
  --targets direct,haproxy,proxy; eventual, at_once: the proxy with that consistency, or without causal_wait
  --proxy-threads 1          threads of HAProxy and of the proxy
  --replicas 0               behind the proxy; with 0 it does the same work as HAProxy
  --flavor mariadb           or mysql
  --backend real             or instant: a server that answers at once (point_select only)
  --prepared                 with prepared statements instead of text
  --system-calls             also count system calls (perf), in a round of their own
  --self-check               HAProxy against a second HAProxy: must come out near 1.0
  --proxy-config 'TOML'      more lines for the proxy's configuration
  --quick                    1 round of 3 seconds with 1 and 16 threads";

/// What sysbench does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    PointSelect,
    ReadOnly,
    ReadWrite,
    /// Each statement by itself: reads may go to replicas.
    ReadWriteApart,
}

/// What sysbench is pointed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Direct,
    HaProxy,
    /// Once more, to see how far a program differs from itself.
    SecondHaProxy,
    Proxy,
    /// Which sees the past: what its own writes cost a session that must see them.
    Eventual,
    /// Whose reads go to the primary at once when no replica has the session's writes.
    AtOnce,
}

/// What stands behind everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Real,
    Instant,
}

/// Text or binary protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statements {
    Text,
    Prepared,
}

/// Whether to attach `perf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemCalls {
    Count,
    Ignore,
}

/// Everything that was asked for.
#[derive(Clone, Debug)]
pub struct Arguments {
    pub threads: Vec<usize>,
    pub time: Duration,
    pub rounds: usize,
    pub workloads: Vec<Workload>,
    pub targets: Vec<Kind>,
    pub proxy_threads: usize,
    pub replicas: usize,
    pub flavor: Flavor,
    pub backend: Backend,
    pub statements: Statements,
    pub system_calls: SystemCalls,
    pub proxy_config: String,
}

impl Default for Arguments {
    fn default() -> Self {
        Self {
            threads: vec![1, 16, 64],
            time: Duration::from_secs(10),
            rounds: 3,
            workloads: vec![Workload::PointSelect, Workload::ReadOnly, Workload::ReadWrite],
            targets: vec![Kind::Direct, Kind::HaProxy, Kind::Proxy],
            proxy_threads: 1,
            replicas: 0,
            flavor: Flavor::MariaDb,
            backend: Backend::Real,
            statements: Statements::Text,
            system_calls: SystemCalls::Ignore,
            proxy_config: String::new(),
        }
    }
}

impl Arguments {
    pub fn parse(given: impl IntoIterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut arguments = Self::default();
        let mut given = given.into_iter();
        while let Some(flag) = given.next() {
            let mut value = || given.next().ok_or_else(|| format!("{flag} needs a value"));
            match &*flag {
                "--threads" => arguments.threads = list(&value()?)?,
                "--seconds" => arguments.time = Duration::from_secs(value()?.parse()?),
                "--rounds" => arguments.rounds = value()?.parse()?,
                "--workloads" => arguments.workloads = list(&value()?)?,
                "--targets" => arguments.targets = list(&value()?)?,
                "--proxy-threads" => arguments.proxy_threads = value()?.parse()?,
                "--replicas" => arguments.replicas = value()?.parse()?,
                "--flavor" => arguments.flavor = flavor(&value()?)?,
                "--backend" => arguments.backend = value()?.parse()?,
                "--prepared" => arguments.statements = Statements::Prepared,
                "--system-calls" => arguments.system_calls = SystemCalls::Count,
                "--self-check" => arguments.targets = vec![Kind::HaProxy, Kind::SecondHaProxy],
                "--proxy-config" => arguments.proxy_config = value()?,
                "--quick" => {
                    (arguments.rounds, arguments.time, arguments.threads) = (1, Duration::from_secs(3), vec![1, 16]);
                }
                "--bench" => {}
                _ => return Err(format!("unknown flag {flag}\n{USAGE}").into()),
            }
        }
        if arguments.backend == Backend::Instant {
            // The answers are always the same: what else a workload asks for would be no workload.
            arguments.workloads = vec![Workload::PointSelect];
        }
        Ok(arguments)
    }
}

impl Workload {
    /// sysbench's script.
    pub const fn script(self) -> &'static str {
        match self {
            Self::PointSelect => "oltp_point_select",
            Self::ReadOnly => "oltp_read_only",
            Self::ReadWrite | Self::ReadWriteApart => "oltp_read_write",
        }
    }

    /// What the table calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadWriteApart => "oltp_read_write --skip-trx=on",
            other => other.script(),
        }
    }
}

impl Kind {
    /// What the table calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::HaProxy => "HAProxy",
            Self::SecondHaProxy => "HAProxy again",
            Self::Proxy => "mysql-proxy",
            Self::Eventual => "mysql-proxy, eventual",
            Self::AtOnce => "mysql-proxy, causal_wait 0s",
        }
    }
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("oltp_").unwrap_or(text) {
            "point_select" => Ok(Self::PointSelect),
            "read_only" => Ok(Self::ReadOnly),
            "read_write" => Ok(Self::ReadWrite),
            "read_write_apart" => Ok(Self::ReadWriteApart),
            _ => Err(format!("no workload {text}")),
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "direct" => Ok(Self::Direct),
            "haproxy" => Ok(Self::HaProxy),
            "haproxy2" => Ok(Self::SecondHaProxy),
            "proxy" => Ok(Self::Proxy),
            "eventual" => Ok(Self::Eventual),
            "at_once" => Ok(Self::AtOnce),
            _ => Err(format!("no target {text}")),
        }
    }
}

impl FromStr for Backend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "real" => Ok(Self::Real),
            "instant" => Ok(Self::Instant),
            _ => Err(format!("no backend {text}")),
        }
    }
}

fn flavor(text: &str) -> Result<Flavor, String> {
    let found = Flavor::ALL.into_iter().find(|flavor| flavor.to_string().eq_ignore_ascii_case(text));
    found.ok_or_else(|| format!("no flavor {text}"))
}

fn list<T: FromStr>(text: &str) -> Result<Vec<T>, T::Err> {
    text.split(',').map(str::parse).collect()
}
