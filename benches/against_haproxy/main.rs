//! The proxy beside `HAProxy` in TCP mode, in front of the same servers, under the same load, in the same minutes.
//!
//! Everything is interleaved: each round measures every target, beginning with another one each time. `--self-check`
//! compares `HAProxy` with itself; until that comes out near 1.0, nothing else from this machine is to be believed.
//! Everything that is started ends with this program, however it ends.

mod arguments;
mod backend;
mod behind_writes;
mod instant;
mod load;
mod measure;
mod report;
mod target;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread::available_parallelism;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arguments::{Arguments, SystemCalls};
use backend::Servers;
use load::Run;
use report::Series;
use target::Target;

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` says --bench; test runners that start every target do not.
    if !given.iter().any(|flag| flag == "--bench") {
        return ExitCode::SUCCESS;
    }
    if given.iter().any(|flag| flag == "--help") {
        println!("{}", arguments::USAGE);
        return ExitCode::SUCCESS;
    }
    let done = match given.iter().position(|flag| flag == "--serve-instant") {
        Some(at) => instant::serve(given.get(at + 1).map_or("", |address| address)).map_err(Into::into),
        None => Arguments::parse(given).and_then(|arguments| compare(&arguments)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let folder = folder()?;
    let servers = Servers::start(arguments, &folder)?;
    let targets = arguments.targets.iter().map(|&kind| Target::start(kind, &servers, arguments, &folder));
    let targets = targets.collect::<Result<Vec<_>, _>>()?;
    let mut all = Vec::new();
    for &workload in &arguments.workloads {
        for &threads in &arguments.threads {
            let run = Run { workload, statements: arguments.statements, threads, time: arguments.time };
            all.extend(measure(run, &targets, arguments, &folder)?);
        }
    }
    let text = format!("{}\n{}", heading(arguments), report::table(&all));
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let file = folder.join(format!("against_haproxy-{seconds}.md"));
    fs::write(&file, &text)?;
    println!("{text}\nwritten to {}", file.display());
    Ok(())
}

/// All rounds under one load.
fn measure(run: Run, targets: &[Target], arguments: &Arguments, folder: &Path) -> Result<Vec<Series>, Box<dyn Error>> {
    let series = |target: &Target| Series {
        workload: run.workload,
        threads: run.threads,
        kind: target.kind,
        samples: Vec::new(),
        system_calls: None,
    };
    let mut all: Vec<Series> = targets.iter().map(series).collect();
    let short = Run { time: Duration::from_secs(1), ..run };
    for target in targets {
        load::run(short, target.address, folder)?;
    }
    for round in 0..arguments.rounds {
        for turn in 0..targets.len() {
            let at = (round + turn) % targets.len();
            let sample = measure::sample(run, &targets[at], folder)?;
            eprintln!("{} {} {} {sample:?}", run.workload.name(), run.threads, targets[at].kind.name());
            all[at].samples.push(sample);
        }
    }
    if arguments.system_calls == SystemCalls::Count {
        let short = Run { time: Duration::from_secs(3), ..run };
        for (series, target) in all.iter_mut().zip(targets) {
            series.system_calls = measure::system_calls(short, target, folder)?;
        }
    }
    Ok(all)
}

fn heading(arguments: &Arguments) -> String {
    let cores = available_parallelism().map_or(0, std::num::NonZero::get);
    format!(
        "{:?} backend, {} ({} replicas behind the proxy), {:?} statements; {} cores, {} thread(s) each for HAProxy and the \
         proxy; {} rounds of {} s; median (lowest–highest). {}.\n",
        arguments.backend,
        arguments.flavor,
        arguments.replicas,
        arguments.statements,
        cores,
        arguments.proxy_threads,
        arguments.rounds,
        arguments.time.as_secs(),
        haproxy_version(),
    )
}

fn haproxy_version() -> String {
    let output = Command::new("/usr/sbin/haproxy").arg("-v").output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    said.split(" - ").next().unwrap_or_default().trim().to_owned()
}

/// `target/bench` of this package, wherever the target folder is.
fn folder() -> Result<PathBuf, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
