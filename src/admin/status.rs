//! `mysql-proxy status`: asks a running proxy and shows what it tells.

use std::io::{self, Write};
use std::time::Duration;

use super::fetch::{FetchError, Origin};
use super::report::StatusReport;
use super::table::{printable, table};

/// From one table to the next.
const REFRESH: Duration = Duration::from_secs(1);
/// To the upper left corner, and empty the rest.
const CLEAR: &str = "\x1b[H\x1b[J";

/// What to show, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// A table each second, until it is interrupted.
    Watch(Screen),
    /// One table.
    Table,
    /// The JSON, once.
    Json,
}

/// What the tables are written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// A terminal: each table takes the place of the one before.
    Terminal,
    /// Something else: one table below the other.
    Other,
}

/// Why `status` ended.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// The proxy could not be asked.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Nothing can be written to the database.
    #[error("there is no primary: {0}")]
    NoPrimary(String),
    /// What was learned could not be written.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

impl StatusError {
    /// Whether the command was called wrongly.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, StatusError::Fetch(FetchError::Url(_)))
    }
}

/// Shows the status of the proxy whose admin port is at `url`. A reader of `to` who has gone away is no failure.
///
/// # Errors
/// The proxy does not answer at the beginning; once it has answered, [`Show::Watch`] waits for it to come back.
pub fn show(url: &str, show: Show, to: &mut impl Write) -> Result<(), StatusError> {
    let origin = Origin::parse(url)?;
    let shown = match show {
        Show::Json => json(&origin, to),
        Show::Table => once(&origin, to),
        Show::Watch(screen) => watch(&origin, screen, to),
    };
    match shown {
        Err(StatusError::Output(why)) if why.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// For scripts: without a primary it is a failure.
fn once(origin: &Origin, to: &mut impl Write) -> Result<(), StatusError> {
    let now = fetch(origin)?;
    write(to, &table(&now, None))?;
    match now.readiness.as_str() {
        "read_only" | "no_member" => Err(StatusError::NoPrimary(printable(&now.reason.unwrap_or_default()))),
        _ => Ok(()),
    }
}

fn json(origin: &Origin, to: &mut impl Write) -> Result<(), StatusError> {
    let text = fetch_text(origin)?;
    parse(origin, &text)?;
    write(to, &format!("{}\n", text.trim_end()))
}

fn watch(origin: &Origin, screen: Screen, to: &mut impl Write) -> Result<(), StatusError> {
    let mut before = fetch(origin)?;
    write(to, &framed(screen, &table(&before, None)))?;
    loop {
        std::thread::sleep(REFRESH);
        match fetch(origin) {
            Ok(now) => {
                write(to, &framed(screen, &table(&now, Some(&before))))?;
                before = now;
            }
            Err(why) => write(to, &framed(screen, &format!("{why}\n")))?,
        }
    }
}

fn framed(screen: Screen, text: &str) -> String {
    match screen {
        Screen::Terminal => format!("{CLEAR}{text}"),
        Screen::Other => format!("{text}\n"),
    }
}

fn write(to: &mut impl Write, text: &str) -> Result<(), StatusError> {
    to.write_all(text.as_bytes())?;
    Ok(to.flush()?)
}

fn fetch(origin: &Origin) -> Result<StatusReport, FetchError> {
    parse(origin, &fetch_text(origin)?)
}

fn fetch_text(origin: &Origin) -> Result<String, FetchError> {
    let body = origin.get("/api/v1/status")?;
    String::from_utf8(body).map_err(|_| origin.not_ours("its answer is not UTF-8"))
}

fn parse(origin: &Origin, text: &str) -> Result<StatusReport, FetchError> {
    serde_json::from_str(text).map_err(|why| origin.not_ours(format!("its answer is not that of a status: {why}")))
}
