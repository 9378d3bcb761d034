//! The program: arguments, logging, configuration, one command, exit code.

mod cli;

use std::io::{IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use mysql_proxy::admin::status::{self, Screen, Show, StatusError};
use mysql_proxy::check::{self, Verdict};
use mysql_proxy::config::{self, Config, ConfigError, Environment};
use mysql_proxy::demo::tour::{self, Afterwards};
use mysql_proxy::explain::{self, StateError};
use mysql_proxy::logging::{self, LoggingError};
use mysql_proxy::server;
use tracing::subscriber::NoSubscriber;
use tracing::{info, warn};

use crate::cli::{Check, Cli, Command, ConfigFile, Demo, Explain, ExplainFormat, Status};

/// Gives memory back to the system when clients have left: `docs/decisions/15-allocator.md`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A file of this name is expected to be read by whoever has put it where the program is started.
const STRAY_FILE: &str = "mysql-proxy.toml";

/// Why the program ends with an error; says the exit code.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// Wrong usage or configuration: 2.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// `RUST_LOG` is wrong: 2.
    #[error(transparent)]
    Logging(#[from] LoggingError),
    /// A `--state` that means nothing: 2.
    #[error("--state: {0}")]
    State(#[from] StateError),
    /// The running proxy could not be asked: 1, or 2 if it cannot be asked in this way.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// It went wrong while running: 1.
    #[error("{0:#}")]
    Running(#[from] anyhow::Error),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match start(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            failure.exit_code()
        }
    }
}

fn start(cli: Cli) -> Result<(), Failure> {
    logging::start(cli.log_format.into())?;
    match cli.command {
        Command::Run(file) => {
            let config = load(&file)?;
            tell_source(&file);
            run(&config)
        }
        Command::Check(arguments) => check(&load(&arguments.config)?, &arguments),
        Command::Explain(arguments) => explain(&load(&arguments.config)?, &arguments),
        Command::Status(arguments) => status(&arguments),
        Command::Demo(arguments) => demo(&arguments),
    }
}

fn load(file: &ConfigFile) -> Result<Config, ConfigError> {
    config::load(file.path.as_deref(), &Environment::of_process()?)
}

/// The log's first line: what runs here, and by whose word.
fn tell_source(file: &ConfigFile) {
    let named = file.path.as_deref().unwrap_or(Path::new(config::DEFAULT_FILE));
    let source =
        if named.exists() { named.display().to_string() } else { "none (defaults and environment)".to_owned() };
    let variables = Environment::of_process().map(|variables| variables.names().join(" ")).unwrap_or_default();
    info!(
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        config = source,
        variables,
        "mysql-proxy starts"
    );
    let stray = Path::new(STRAY_FILE);
    let is_the_same = || stray.canonicalize().ok() == named.canonicalize().ok();
    if stray.exists() && !is_the_same() {
        let folder = std::env::current_dir().unwrap_or_default().display().to_string();
        warn!(folder, "{STRAY_FILE} in the working folder is not used; name it with --config");
    }
}

fn run(config: &Config) -> Result<(), Failure> {
    let runtime = server::runtime(config.runtime.worker_threads()).context("cannot start the runtime")?;
    runtime.block_on(server::run(config)).map_err(|error| Failure::Running(error.into()))
}

fn check(config: &Config, arguments: &Check) -> Result<(), Failure> {
    print(config.to_string().as_bytes())?;
    if arguments.connect { connect(config) } else { Ok(()) }
}

/// `check --connect`: one line for each thing that was tried.
fn connect(config: &Config) -> Result<(), Failure> {
    // The lines say all that the log would.
    let _silence = tracing::subscriber::set_default(NoSubscriber::default());
    let runtime = server::runtime(NonZeroUsize::MIN).context("cannot start the runtime")?;
    let findings = runtime.block_on(check::connect(config)).map_err(anyhow::Error::from)?;
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    print(format!("\n{}\n", lines.join("\n")).as_bytes())?;
    match findings.iter().filter(|finding| finding.verdict == Verdict::Wrong).count() {
        0 => Ok(()),
        wrong => Err(Failure::Running(anyhow::anyhow!("{wrong} of {} checks have failed", findings.len()))),
    }
}

fn explain(config: &Config, arguments: &Explain) -> Result<(), Failure> {
    let sql = arguments.statement().context("cannot read the statement from standard input")?;
    let states: Vec<String> = arguments.states.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let routing = &config.routing;
    let trusted = &routing.trusted_functions;
    let explanation = explain::explain(&sql, &states, trusted, routing.consistency, routing.split_transactions)?;
    let answer = match arguments.format {
        ExplainFormat::Text => explanation.to_text(),
        ExplainFormat::Json => explanation.to_json(),
    };
    Ok(print(format!("{answer}\n").as_bytes())?)
}

fn status(arguments: &Status) -> Result<(), Failure> {
    let stdout = std::io::stdout();
    let screen = if stdout.is_terminal() { Screen::Terminal } else { Screen::Other };
    let show = match (arguments.json, arguments.once) {
        (true, _) => Show::Json,
        (false, true) => Show::Table,
        (false, false) => Show::Watch(screen),
    };
    Ok(status::show(&arguments.admin, show, &mut stdout.lock())?)
}

fn demo(arguments: &Demo) -> Result<(), Failure> {
    let afterwards = if arguments.keep { Afterwards::Keep } else { Afterwards::End };
    tour::run(arguments.port, afterwards).map_err(|error| Failure::Running(error.into()))
}

/// To standard output; a reader who has gone away is no failure.
fn print(bytes: &[u8]) -> Result<(), anyhow::Error> {
    match std::io::stdout().lock().write_all(bytes) {
        Err(why) if why.kind() != std::io::ErrorKind::BrokenPipe => Err(why.into()),
        _ => Ok(()),
    }
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Config(_) | Failure::Logging(_) | Failure::State(_) => ExitCode::from(2),
            Failure::Status(why) if why.is_usage() => ExitCode::from(2),
            Failure::Status(_) | Failure::Running(_) => ExitCode::from(1),
        }
    }
}
