//! Which server programs this machine has, and what to do about those that are absent.
//!
//! Knows file names, `PATH` and the `MYSQLD` variable. Must not know how servers are configured or started.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Whose server it is: their configuration, initialisation and replication statements differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavor {
    /// `MariaDB`, `mariadbd`.
    MariaDb,
    /// Oracle `MySQL`, `mysqld`.
    MySql,
}

/// The programs of one flavor, found on this machine.
#[derive(Clone, Debug)]
pub struct Servers {
    /// Whose they are.
    pub flavor: Flavor,
    /// What the server says to `--version`.
    pub version: String,
    /// The server program.
    pub server: PathBuf,
    /// A command line client that reaches it.
    pub client: PathBuf,
    /// `mariadb-install-db`; `MySQL` initialises itself.
    pub installer: Option<PathBuf>,
    /// The folder that holds `bin/ plugin/ share/`, when the server is not installed where it was built for.
    pub unpacked: Option<PathBuf>,
}

/// A program that is not on this machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no {flavor} on this machine: {what}; {remedy}")]
pub struct Missing {
    /// Which flavor it belongs to.
    pub flavor: Flavor,
    /// What was looked for, and where.
    pub what: String,
    /// How to get it.
    pub remedy: &'static str,
}

const MARIADB_REMEDY: &str = "install it with: apt-get install mariadb-server mariadb-client";
const MYSQL_REMEDY: &str = "name one with MYSQLD=/path/bin/mysqld (lib/, plugin/ and share/ beside bin/), \
                            or put Oracle's mysqld and mysql on PATH";

impl fmt::Display for Flavor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::MariaDb => "MariaDB",
            Self::MySql => "MySQL",
        })
    }
}

impl Flavor {
    /// Every flavor there is.
    pub const ALL: [Self; 2] = [Self::MariaDb, Self::MySql];

    /// Finds this flavor's programs, or says which one is absent and how to get it.
    pub fn find(self) -> Result<Servers, Missing> {
        match self {
            Self::MariaDb => find_mariadb(),
            Self::MySql => find_mysql(),
        }
    }

    fn missing(self, what: impl Into<String>) -> Missing {
        let remedy = match self {
            Self::MariaDb => MARIADB_REMEDY,
            Self::MySql => MYSQL_REMEDY,
        };
        Missing { flavor: self, what: what.into(), remedy }
    }
}

fn find_mariadb() -> Result<Servers, Missing> {
    let flavor = Flavor::MariaDb;
    let need = |name: &str| on_path(name).ok_or_else(|| flavor.missing(format!("`{name}` is not on PATH")));
    let server = need("mariadbd")?;
    let installer = need("mariadb-install-db")?;
    let client = need("mariadb")?;
    let version = version_of(&server).ok_or_else(|| flavor.missing(cannot_run(&server)))?;
    Ok(Servers { flavor, version, server, client, installer: Some(installer), unpacked: None })
}

fn find_mysql() -> Result<Servers, Missing> {
    let flavor = Flavor::MySql;
    let named = env::var_os("MYSQLD").filter(|value| !value.is_empty()).map(PathBuf::from);
    let server = match &named {
        Some(path) if path.is_file() => path.clone(),
        Some(path) => return Err(flavor.missing(format!("MYSQLD={} is not a file", path.display()))),
        None => on_path("mysqld").ok_or_else(|| flavor.missing("MYSQLD is not set, and no `mysqld` is on PATH"))?,
    };
    let version = version_of(&server).ok_or_else(|| flavor.missing(cannot_run(&server)))?;
    if version.contains("MariaDB") {
        return Err(flavor.missing(format!("`{}` is MariaDB's", server.display())));
    }
    let client = beside(&server, "mysql")
        .or_else(|| on_path("mysql"))
        .ok_or_else(|| flavor.missing("no `mysql` client beside the server or on PATH"))?;
    let unpacked = server.parent().and_then(Path::parent).filter(|base| base.join("plugin").is_dir());
    let unpacked = unpacked.map(Path::to_path_buf);
    Ok(Servers { flavor, version, server, client, installer: None, unpacked })
}

fn cannot_run(server: &Path) -> String {
    format!("`{} --version` does not run", server.display())
}

fn version_of(server: &Path) -> Option<String> {
    let output = Command::new(server).args(["--no-defaults", "--version"]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn beside(program: &Path, name: &str) -> Option<PathBuf> {
    program.parent().map(|folder| folder.join(name)).filter(|path| path.is_file())
}

/// Looks for a program on `PATH`, and where Debian keeps servers that an ordinary user's `PATH` leaves out.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|candidate| candidate.is_file())
}
