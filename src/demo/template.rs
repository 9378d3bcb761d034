//! The data folder of a server that was never started, made once and copied for every member.
//!
//! Knows how each flavor initialises itself, and where a copy is kept for the next cluster. Must not know members.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::{ClusterError, During, last_lines};
use super::flavor::{Flavor, Servers};
use super::folder::{Folder, Owner, random};
use super::settings;

/// Gives a data folder to copy: the kept one, or a new one that is kept when `keep` names a folder for it.
pub(super) fn prepare(servers: &Servers, folder: &Folder, keep: Option<&Path>) -> Result<PathBuf, ClusterError> {
    let kept = keep.map(|shelf| shelf.join(label(servers, folder.owner())));
    if let Some(kept) = kept.as_ref().filter(|kept| kept.is_dir()) {
        return Ok(kept.clone());
    }
    let made = folder.subfolder("template")?;
    let data = made.join("data");
    initialise(servers, folder.owner(), &made, &data)?;
    forget_identity(&data)?;
    if let Some(kept) = kept {
        // A shelf that cannot be written to costs the next cluster some seconds, and this one nothing.
        let _ = put_by(&data, &kept);
    }
    Ok(data)
}

/// Copies a data folder with its owners.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), ClusterError> {
    run(Command::new("cp").args(["-a", "--sparse=always"]).arg(from).arg(to), "cp")
}

fn initialise(servers: &Servers, owner: &Owner, folder: &Path, data: &Path) -> Result<(), ClusterError> {
    match (servers.flavor, &servers.installer) {
        (Flavor::MariaDb, Some(installer)) => {
            run(&mut install_mariadb(installer, owner, folder, data), "mariadb-install-db")
        }
        _ => run(&mut initialise_mysql(servers, owner, folder, data), "mysqld --initialize-insecure"),
    }
}

/// `MySQL` writes the server's UUID down; two members with one UUID refuse to replicate.
fn forget_identity(data: &Path) -> Result<(), ClusterError> {
    let identity = data.join("auto.cnf");
    if identity.exists() {
        fs::remove_file(&identity).during(|| format!("removing {}", identity.display()))?;
    }
    Ok(())
}

fn install_mariadb(installer: &Path, owner: &Owner, folder: &Path, data: &Path) -> Command {
    let mut command = Command::new(installer);
    command.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
    command.args(["--skip-name-resolve", "--innodb-use-native-aio=OFF", "--innodb-log-file-size=16M"]);
    command.arg(argument("datadir", data)).arg(argument("tmpdir", folder));
    command.args(settings::account(owner).map(|line| format!("--{line}")));
    command
}

fn initialise_mysql(servers: &Servers, owner: &Owner, folder: &Path, data: &Path) -> Command {
    let mut command = Command::new(&servers.server);
    command.args(["--no-defaults", "--initialize-insecure", "--disable-log-bin"]);
    command.args(["--innodb-doublewrite=OFF", "--innodb-redo-log-capacity=16M", "--innodb-use-native-aio=OFF"]);
    command.args(["--innodb-data-file-path=ibdata1:12M:autoextend", "--performance-schema=OFF"]);
    command.arg(argument("datadir", data)).arg(argument("tmpdir", folder));
    command.args(
        settings::account(owner).into_iter().chain(settings::where_unpacked(servers)).map(|line| format!("--{line}")),
    );
    command
}

fn argument(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

/// Puts a copy on the shelf in one step, so that others who look for it see all of it or nothing.
fn put_by(data: &Path, kept: &Path) -> Result<(), ClusterError> {
    let new = kept.with_extension(format!("new-{:x}", random()));
    if let Some(shelf) = kept.parent() {
        fs::create_dir_all(shelf).during(|| format!("creating {}", shelf.display()))?;
    }
    copy(data, &new)?;
    // When somebody else was quicker, theirs is as good as ours.
    if fs::rename(&new, kept).is_err() {
        fs::remove_dir_all(&new).during(|| format!("removing {}", new.display()))?;
    }
    Ok(())
}

/// The version, and who owns the files: a template made by root is of no use to anybody else.
fn label(servers: &Servers, owner: &Owner) -> String {
    let owner = match owner {
        Owner::Ourselves => "own",
        Owner::Account { name, .. } => name,
    };
    let version = servers.version.rsplit("Ver ").next().unwrap_or_default();
    let version: String = version.chars().take_while(|c| !c.is_whitespace()).collect();
    format!("{}_{version}_{owner}", servers.flavor)
}

fn run(command: &mut Command, program: &str) -> Result<(), ClusterError> {
    let output = command.output().during(|| format!("starting {program}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let output = last_lines(&String::from_utf8_lossy(&said), 12);
    Err(ClusterError::Program { program: program.to_owned(), output })
}
