//! The command line, exactly as the contract has it.
//!
//! Knows names and forms of arguments. Must not know what the commands do.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use mysql_proxy::logging;

/// One MySQL endpoint in front of a primary and its replicas.
#[derive(Debug, Parser)]
#[command(name = "mysql-proxy", version, disable_help_subcommand = true, propagate_version = true)]
pub struct Cli {
    /// How log lines look; they go to standard error, filtered by `RUST_LOG`
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the proxy
    Run(ConfigFile),
    /// Validate the configuration and print what is in effect, with the secrets masked
    Check(Check),
    /// Tell where a statement would go, and why, without a cluster
    Explain(Explain),
    /// Show members, roles, lag, connections and QPS of a running proxy
    Status(Status),
    /// Start a real primary and two replicas on this machine with the proxy in front, and show around
    Demo(Demo),
}

/// Which configuration.
#[derive(Debug, Args)]
pub struct ConfigFile {
    /// The configuration file [default: /etc/mysql-proxy/mysql-proxy.toml]
    #[arg(long = "config", value_name = "FILE", env = "MYSQL_PROXY_CONFIG")]
    pub path: Option<PathBuf>,
}

/// `check`
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    pub config: ConfigFile,
    /// Also try DNS, the members and the accounts
    #[arg(long)]
    pub connect: bool,
}

/// `explain`
#[derive(Debug, Args)]
pub struct Explain {
    #[command(flatten)]
    pub config: ConfigFile,
    /// How the answer looks
    #[arg(long, value_enum, default_value_t = ExplainFormat::Text)]
    pub format: ExplainFormat,
    /// What the session has set up before, such as wrote=yes; may be repeated
    #[arg(long = "state", value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub states: Vec<(String, String)>,
    /// The statement; several words are joined by blanks, and `-` reads it from standard input as it is
    #[arg(required = true, value_name = "SQL")]
    pub sql: Vec<OsString>,
}

/// `status`
#[derive(Debug, Args)]
pub struct Status {
    /// Where the running proxy answers HTTP
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9090")]
    pub admin: String,
    /// Print once and end
    #[arg(long)]
    pub once: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `demo`
#[derive(Debug, Args)]
pub struct Demo {
    /// Leave everything running at the end
    #[arg(long)]
    pub keep: bool,
    /// The proxy's port; a free one is taken when none is given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
}

/// `--log-format`
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// `explain --format`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExplainFormat {
    /// For people
    Text,
    /// `{"target": …, "reason": …, "pins": …}`
    Json,
}

impl Explain {
    /// The bytes of the statement.
    pub fn statement(&self) -> std::io::Result<Vec<u8>> {
        if self.sql == ["-"] {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes)?;
            return Ok(bytes);
        }
        Ok(self.sql.join(OsStr::new(" ")).as_bytes().to_vec())
    }
}

impl From<LogFormat> for logging::LogFormat {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => logging::LogFormat::Text,
            LogFormat::Json => logging::LogFormat::Json,
        }
    }
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("give KEY=VALUE, such as transaction=read_write".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Cli, Command, ExplainFormat};

    fn parse(line: &[&str]) -> Result<Command, clap::Error> {
        Cli::try_parse_from(["mysql-proxy"].iter().chain(line)).map(|cli| cli.command)
    }

    #[test]
    fn is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn explain_takes_states_and_a_statement_in_any_form() {
        for line in [
            &["explain", "--state", "wrote=yes", "--format", "json", "SELECT 1"][..],
            &["explain", "--format=json", "--state=wrote=yes", "--", "SELECT", "1"],
            &["explain", "SELECT 1", "--state", "wrote=yes", "--format", "json"],
        ] {
            let Ok(Command::Explain(explain)) = parse(line) else { panic!("{line:?}") };
            assert_eq!(explain.states, [("wrote".to_owned(), "yes".to_owned())]);
            assert_eq!(explain.format, ExplainFormat::Json);
            assert_eq!(explain.statement().ok(), Some(b"SELECT 1".to_vec()));
        }
        let Ok(Command::Explain(comment)) = parse(&["explain", "--", "-- c\nSELECT 1"]) else { panic!() };
        assert_eq!(comment.statement().ok(), Some(b"-- c\nSELECT 1".to_vec()));
    }

    #[test]
    fn states_may_hold_further_equals_signs() {
        let Ok(Command::Explain(explain)) = parse(&["explain", "--state", "a=b=c", "-"]) else { panic!() };
        assert_eq!(explain.states, [("a".to_owned(), "b=c".to_owned())]);
        assert!(parse(&["explain", "--state", "a", "SELECT 1"]).is_err());
        assert!(parse(&["explain"]).is_err());
    }

    #[test]
    fn status_and_demo() {
        assert!(matches!(parse(&["status", "--once", "--json"]), Ok(Command::Status(s)) if s.once && s.json));
        assert!(matches!(parse(&["demo", "--keep", "--port", "4000"]), Ok(Command::Demo(d)) if d.port == Some(4000)));
        assert!(parse(&["demo", "--port", "0"]).is_err());
    }
}
