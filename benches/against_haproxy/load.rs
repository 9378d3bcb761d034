//! sysbench: how it is called, and what it says.
//!
//! Knows its flags and its report. Must not know what stands at the address.

use std::error::Error;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use mysql_proxy::demo::Supervised;

use crate::arguments::{Statements, Workload};

const ROWS: &str = "--table-size=10000";
const PATIENCE: Duration = Duration::from_secs(15);

/// One run.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub workload: Workload,
    pub statements: Statements,
    pub threads: usize,
    pub time: Duration,
}

/// What sysbench reports of a run.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    pub queries: f64,
    pub queries_per_second: f64,
    pub p95: Duration,
}

/// Makes and fills the table.
pub fn fill(primary: SocketAddr, folder: &Path) -> Result<(), Box<dyn Error>> {
    let arguments = [Workload::ReadWrite.script().to_owned(), "--threads=1".to_owned()];
    call(primary, &[&arguments[..], &["prepare".to_owned()]].concat(), Duration::from_secs(120), folder).map(drop)
}

/// Runs a workload.
pub fn run(run: Run, address: SocketAddr, folder: &Path) -> Result<Report, Box<dyn Error>> {
    let mode = match run.statements {
        Statements::Text => "--db-ps-mode=disable",
        Statements::Prepared => "--db-ps-mode=auto",
    };
    let apart = if run.workload == Workload::ReadWriteApart { "--skip-trx=on" } else { "--skip-trx=off" };
    let takes_it = run.workload != Workload::PointSelect;
    let mut arguments = vec![
        run.workload.script().to_owned(),
        mode.to_owned(),
        format!("--threads={}", run.threads),
        format!("--time={}", run.time.as_secs()),
        "--percentile=95".to_owned(),
    ];
    arguments.extend(takes_it.then(|| apart.to_owned()));
    if run.workload == Workload::ReadWriteApart {
        // What one thread deletes and inserts another one does between the two.
        arguments.push("--mysql-ignore-errors=1062,1213".to_owned());
    }
    arguments.push("run".to_owned());
    let said = call(address, &arguments, run.time + Duration::from_secs(60), folder)?;
    understand(&said).ok_or_else(|| format!("sysbench's report is not understood:\n{said}").into())
}

fn call(address: SocketAddr, arguments: &[String], limit: Duration, folder: &Path) -> Result<String, Box<dyn Error>> {
    let program = Path::new("/usr/bin/sysbench");
    if !program.is_file() {
        return Err("no sysbench on this machine; install it with: apt-get install sysbench".into());
    }
    let (script, rest) = arguments.split_first().ok_or("no script")?;
    let mut command = vec![
        script.clone(),
        "--db-driver=mysql".to_owned(),
        format!("--mysql-host={}", address.ip()),
        format!("--mysql-port={}", address.port()),
        "--mysql-user=app".to_owned(),
        "--mysql-password=app".to_owned(),
        "--mysql-db=app".to_owned(),
        "--mysql-ssl=off".to_owned(),
        "--tables=1".to_owned(),
        ROWS.to_owned(),
    ];
    command.extend_from_slice(rest);
    let output = folder.join("sysbench.log");
    fs::write(&output, "")?;
    let mut process = Supervised::start(program, command, &output)?;
    let ended = process.wait_for(limit)?;
    let said = fs::read_to_string(&output)?;
    if ended.is_some_and(|status| status.success()) && !said.contains("FATAL") {
        return Ok(said);
    }
    let why: Vec<&str> = said.lines().filter(|line| line.contains("FATAL") || line.contains("error")).take(5).collect();
    Err(format!("sysbench {script} at {address} ended with {ended:?}: {}", why.join("\n")).into())
}

/// `queries: 12345 (1234.50 per sec.)` and `95th percentile: 1.23` milliseconds.
fn understand(said: &str) -> Option<Report> {
    let after = |label: &str| said.lines().find_map(|line| line.trim().strip_prefix(label)).map(str::trim);
    let (queries, rate) = after("queries:")?.split_once('(')?;
    let milliseconds: f64 = after("95th percentile:")?.parse().ok()?;
    Some(Report {
        queries: queries.trim().parse().ok()?,
        queries_per_second: rate.split(' ').next()?.parse().ok()?,
        p95: Duration::from_secs_f64(milliseconds / 1000.0),
    })
}

/// Waits until somebody listens.
pub fn wait_until_open(address: SocketAddr) -> io::Result<()> {
    keep_trying(|| TcpStream::connect_timeout(&address, Duration::from_secs(1)).map(drop))
}

/// What the proxy answers at this path.
pub fn get(admin: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&admin, Duration::from_secs(1))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Waits until `/readyz` says 200.
pub fn wait_until_ready(admin: SocketAddr) -> io::Result<()> {
    keep_trying(|| {
        let answer = get(admin, "/readyz")?;
        let first = answer.lines().next().unwrap_or_default();
        if first.contains(" 200 ") { Ok(()) } else { Err(io::Error::other(format!("/readyz says {first}"))) }
    })
}

fn keep_trying(attempt: impl Fn() -> io::Result<()>) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(20)),
            done => return done,
        }
    }
}
