//! Instructions per query: what the proxy executes in user space for one statement, counted by callgrind.
//!
//! Unlike time this does not depend on what else the machine does, so a growth of a few hundredths is seen. One proxy with one
//! thread stands in front of a server that answers at once; sixteen sessions say the same statement round by round. Start, logins
//! and the first rounds are not counted. `expected.txt` holds what is to be: more than [`table::ALLOWED`] above it is a failure.

mod counted;
#[path = "../against_haproxy/instant.rs"]
mod instant;
mod load;
mod relay;
mod session;
mod table;

use std::{
    error::Error,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
};

use counted::{Counted, Counts, Kind};
use mysql_proxy::demo::free_addresses;

const USAGE: &str = "\
cargo bench --bench instructions -- [flags]
  --write         write expected.txt anew instead of comparing with it
  --beside        count a bare relay on tokio and HAProxy, too
  --only NAME     only this load
  --program PATH  another proxy, to be compared with this one
  --keep          keep callgrind's files, and say where: callgrind_annotate reads them
";

/// What was asked for on the command line.
#[derive(Default)]
struct Arguments {
    writes: bool,
    beside: bool,
    keeps: bool,
    only: Option<String>,
    program: Option<String>,
}

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let done = match given.iter().position(|flag| flag == "--serve-relay") {
        Some(at) => relay::serve(&given[at + 1..]),
        // Test runners start every target, without `--bench`.
        None if !given.iter().any(|flag| flag == "--bench") => Ok(()),
        None => arguments(&given).and_then(|arguments| count(&arguments)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments(given: &[String]) -> Result<Arguments, Box<dyn Error>> {
    let mut arguments = Arguments::default();
    let mut given = given.iter().map(String::as_str);
    while let Some(flag) = given.next() {
        match flag {
            "--bench" => {}
            "--write" => arguments.writes = true,
            "--beside" => arguments.beside = true,
            "--keep" => arguments.keeps = true,
            "--only" => arguments.only = given.next().map(str::to_owned),
            "--program" => arguments.program = given.next().map(str::to_owned),
            _ => return Err(USAGE.into()),
        }
    }
    Ok(arguments)
}

fn count(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::Builder::new().prefix("mysql-proxy-instructions-").tempdir()?;
    let server = free_addresses(1)?[0];
    thread::spawn(move || instant::serve(&server.to_string()));
    let loads = load::all().into_iter().filter(|load| arguments.only.as_ref().is_none_or(|only| load.name == only));
    let loads: Vec<load::Load> = loads.collect();
    let program = arguments.program.as_deref().unwrap_or(env!("CARGO_BIN_EXE_mysql-proxy"));
    let seen = of_kind(Kind::Proxy(program), server, folder.path(), &loads)?;
    let mut columns = vec![("mysql-proxy", seen.clone())];
    if arguments.beside {
        for (name, kind) in [("relay", Kind::Relay), ("HAProxy", Kind::HaProxy)] {
            columns.push((name, of_kind(kind, server, folder.path(), &loads)?));
        }
    }
    let names: Vec<&str> = loads.iter().map(|load| load.name).collect();
    println!("{}", table::shown(&names, &columns));
    if arguments.keeps {
        println!("callgrind's files are in {}", folder.keep().display());
    }
    let file = expected_file();
    if arguments.writes {
        return Ok(fs::write(&file, table::written(&names, &seen))?);
    }
    table::compare(&fs::read_to_string(&file)?, &names, &seen).map_err(Into::into)
}

/// What one statement costs under each load.
fn of_kind(
    kind: Kind<'_>,
    server: SocketAddr,
    folder: &Path,
    loads: &[load::Load],
) -> Result<Vec<Counts>, Box<dyn Error>> {
    let counted = Counted::start(kind, server, folder)?;
    let one = |load: &load::Load| {
        let mut sessions = load::log_in(counted.address)?;
        load.prepare(&mut sessions)?;
        (0..load::WARM).try_for_each(|_| load.round(&mut sessions))?;
        counted.zero()?;
        (0..load.rounds).try_for_each(|_| load.round(&mut sessions))?;
        let Counts { instructions, allocations } = counted.dump(load.name)?;
        load.finish(&mut sessions)?;
        let statements = (load.rounds * load::SESSIONS) as u64;
        // The monitor allocates, too, now and then.
        Ok(Counts { instructions: instructions / statements, allocations: allocations / statements })
    };
    loads.iter().map(one).collect()
}

fn expected_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/expected.txt")
}
