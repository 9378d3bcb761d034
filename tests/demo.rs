//! `mysql-proxy demo` from outside: it ends well, names where statements went, and leaves nothing behind.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use mysql_proxy::demo::Flavor;

fn demo(arguments: &[&str], temporary: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mysql-proxy"));
    // Settings for another proxy must not reach the demonstration's.
    command.env("MYSQL_PROXY_MONITOR_FALL", "0").env("TMPDIR", temporary).env_remove("MYSQLD");
    command.arg("demo").args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The servers' account must be able to enter the folder, whoever runs the test.
fn temporary() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::Builder::new().prefix("demo").tempdir_in("/tmp").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn skipped() -> bool {
    let missing = Flavor::MariaDb.find().err();
    missing.inspect(|missing| eprintln!("skipped: {missing}")).is_some()
}

/// Processes whose command line names something in this folder.
fn processes_in(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let lines = fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read(entry.unwrap().path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).filter(|line| line.contains(folder)).collect()
}

fn left_in(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn assert_nothing_is_left(folder: &Path) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !(processes_in(folder).is_empty() && left_in(folder).is_empty()) {
        assert!(Instant::now() < deadline, "left: {:?} {:?}", processes_in(folder), left_in(folder));
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap().success());
}

/// Starts a demonstration, reads its output up to a line that contains `mark`, does `act`, and gives the end.
fn interrupted_at(mark: &str, arguments: &[&str], act: impl FnOnce(&Child, &str)) -> (ExitStatus, String, String) {
    let folder = temporary();
    let mut child = demo(arguments, folder.path()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    while !said.lines().any(|line| line.contains(mark)) {
        assert_ne!(output.read_line(&mut said).unwrap(), 0, "{said}");
    }
    act(&child, &said);
    output.read_to_string(&mut said).unwrap();
    let mut complaint = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    let status = child.wait().unwrap();
    assert_nothing_is_left(folder.path());
    (status, said, complaint)
}

#[test]
fn mariadb_walks_to_the_end_and_leaves_nothing() {
    if !skipped() {
        walks_to_the_end_and_leaves_nothing(|_| {});
    }
}

#[test]
fn mysql_walks_to_the_end_and_leaves_nothing() {
    match Flavor::MySql.find() {
        Ok(servers) => walks_to_the_end_and_leaves_nothing(|demo| {
            demo.env("MYSQLD", servers.server);
        }),
        Err(missing) => eprintln!("skipped: {missing}"),
    }
}

fn walks_to_the_end_and_leaves_nothing(adjust: impl FnOnce(&mut Command)) {
    let folder = temporary();
    let mut demo = demo(&[], folder.path());
    adjust(&mut demo);
    let Output { status, stdout, stderr } = demo.output().unwrap();
    let (said, complaint) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert!(status.success(), "{said}\n{complaint}");
    assert_eq!(complaint, "");
    for expected in [
        "└▶ primary   ✓  write",
        "└▶ primary   ✓  ddl",
        "└▶ primary   ✓  locking_read",
        "└▶ primary   ✓  in_transaction",
        "└▶ primary   ✓  temporary_table",
        "└▶ primary   ✓  pinned",
        "└▶ primary   ✓  hint_primary",
        "SET SESSION time_zone='+09:00'",
        "50 answers, no error: replica",
        "serves reads again",
        "statements, no error.",
        "Removed: ",
    ] {
        assert!(said.contains(expected), "{expected} is not in\n{said}");
    }
    let read_by_a_replica = |line: &str| line.contains("└▶ replica") && line.contains("✓  read ");
    assert!(said.lines().filter(|line| read_by_a_replica(line)).count() >= 5, "{said}");
    assert!(!said.contains('✗') && !said.contains('\x1b'), "{said}");
    assert_nothing_is_left(folder.path());
}

#[test]
fn ctrl_c_takes_everything_down() {
    if skipped() {
        return;
    }
    let (status, _, complaint) = interrupted_at("── 2.", &[], |child, _| signal(child, "INT"));
    assert_eq!(status.code(), Some(1));
    assert_eq!(complaint, "interrupted; everything that was started has been stopped and removed\n");
}

#[test]
fn keeps_everything_up_until_ctrl_c() {
    if skipped() {
        return;
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let (status, said, complaint) = interrupted_at("tail -f", &["--keep", "--port", &port], |child, said| {
        assert!(said.contains(&format!("-P {port} -u app -papp app")), "{said}");
        let reached = Command::new(Flavor::MariaDb.find().unwrap().client)
            .args(["--no-defaults", "-h", "127.0.0.1", "-P", &port, "-u", "app", "-papp", "app"])
            .args(["--batch", "--skip-column-names", "-e", "SELECT name FROM pets WHERE id = 2"])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&reached.stdout), "Lia\n", "{reached:?}");
        signal(child, "INT");
    });
    assert!(status.success(), "{said}\n{complaint}");
}

#[test]
fn dying_takes_everything_along() {
    if skipped() {
        return;
    }
    let (status, ..) = interrupted_at("── 1.", &[], |child, _| signal(child, "KILL"));
    assert!(!status.success());
}

#[test]
fn a_port_in_use_is_1_and_says_so() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = temporary();
    let output = demo(&["--port", &address.port().to_string()], folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let complaint = String::from_utf8(output.stderr).unwrap();
    let expected = format!("cannot listen on {address}: Address already in use");
    assert!(complaint.starts_with(&expected) && complaint.contains("give another --port"), "{complaint}");
    assert_eq!(complaint.lines().count(), 1);
    assert!(output.stdout.is_empty() && left_in(folder.path()).is_empty());
}
