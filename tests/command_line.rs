//! The program as a process: exit codes, what goes to standard output, what to standard error.

#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn program(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mysql-proxy"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MYSQL_PROXY_") {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_LOG").envs(variables.iter().copied()).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A configuration file in a folder that goes with it.
struct ConfigFile {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl ConfigFile {
    fn holding(text: &str) -> ConfigFile {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proxy.toml");
        std::fs::write(&path, text).unwrap();
        ConfigFile { _folder: folder, path }
    }

    fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

#[test]
fn check_prints_what_is_in_effect_with_secrets_masked() {
    let file = ConfigFile::holding("[monitor]\npassword = 'hunter2'");
    let output = program(&["check", "--config", file.path()], &[("MYSQL_PROXY_MONITOR_FALL", "7")]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let shown = stdout(&output);
    assert!(shown.parse::<toml::Table>().is_ok(), "{shown}");
    assert!(shown.contains("fall = 7") && shown.contains("********") && !shown.contains("hunter2"), "{shown}");
    assert_eq!(stderr(&output), "");
}

#[test]
fn the_file_may_be_named_by_the_environment() {
    let file = ConfigFile::holding("[monitor]\nrise = 9");
    let output = program(&["check"], &[("MYSQL_PROXY_CONFIG", file.path())]);
    assert!(stdout(&output).contains("rise = 9"), "{}", stderr(&output));
}

#[test]
fn a_wrong_configuration_is_2_and_one_line() {
    let file = ConfigFile::holding("[pool]\nmultiplex = true");
    for command in [&["check"][..], &["check", "--connect"], &["run"], &["explain", "SELECT 1"]] {
        let output = program(&[command, &["--config", file.path()]].concat(), &[]);
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        let line = format!("{}:2: pool.multiplex: there is no such key; did you mean multiplexing\n", file.path());
        assert_eq!(stderr(&output), line);
        assert_eq!(stdout(&output), "");
    }
}

#[test]
fn a_file_that_is_not_there_is_2() {
    let output = program(&["check", "--config", "/nonexistent/proxy.toml"], &[]);
    assert_eq!(output.status.code(), Some(2));
    let line = stderr(&output);
    assert!(line.starts_with("/nonexistent/proxy.toml: --config: the file cannot be read"), "{line}");
    assert_eq!(line.lines().count(), 1);
}

#[test]
fn a_wrong_variable_is_2_and_named() {
    let file = ConfigFile::holding("");
    let output = program(&["check", "--config", file.path()], &[("MYSQL_PROXY_POOL_SIZE", "3")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).starts_with("MYSQL_PROXY_POOL_SIZE: environment: there is no such key; "));
}

#[test]
fn wrong_usage_is_2() {
    for arguments in [&[][..], &["fly"], &["run", "--colour"], &["explain"], &["explain", "--state", "x", "SELECT 1"]] {
        let output = program(arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_ne!(stderr(&output), "");
    }
}

#[test]
fn a_wrong_log_filter_is_2() {
    let output = program(&["check"], &[("RUST_LOG", "mysql_proxy=loud")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).starts_with("RUST_LOG: "), "{}", stderr(&output));
    assert_eq!(stderr(&output).lines().count(), 1);
}

#[test]
fn help_and_version_are_0() {
    for arguments in [&["--help"][..], &["--version"], &["run", "--help"], &["explain", "--help"]] {
        let output = program(arguments, &[]);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_ne!(stdout(&output), "");
    }
}

#[test]
fn explain_tells_target_reason_and_pin_without_a_configuration() {
    let text = program(&["explain", "CREATE TEMPORARY TABLE t (a INT)"], &[]);
    assert_eq!(stdout(&text), "target: primary\nreason: temporary_table\npins: temporary_table\n");
    let json = program(&["explain", "--format", "json", "--", "SELECT", "1"], &[]);
    assert_eq!(stdout(&json), "{\"target\": \"replica\", \"reason\": \"read\", \"pins\": null}\n");
    assert_eq!(json.status.code(), Some(0));
}

#[test]
fn explain_follows_states_in_the_order_given() {
    let arguments = ["explain", "--state", "transaction=read_write", "--state", "wrote=yes", "SELECT 1"];
    assert_eq!(stdout(&program(&arguments, &[])), "target: primary\nreason: in_transaction\n");
}

#[test]
fn explain_trusts_the_functions_of_the_configuration() {
    let file = ConfigFile::holding("[routing]\ntrusted_functions = ['total']");
    let ask = |arguments: &[&str]| stdout(&program(&[&["explain"], arguments, &["SELECT total(1)"]].concat(), &[]));
    assert_eq!(ask(&["--config", file.path()]), "target: replica\nreason: read\n");
    assert_eq!(ask(&[]), "target: primary\nreason: unknown_function\n");
}

#[test]
fn explain_reads_any_bytes_from_standard_input() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mysql-proxy"))
        .args(["explain", "--state", "character_set_client=latin1", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"SELECT * FROM t FOR\xa0UPDATE").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(stdout(&output), "target: primary\nreason: locking_read\n");
}

/// Bytes to `explain … -`; its standard output.
fn explained(arguments: &[&str], sql: &[u8]) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mysql-proxy"))
        .args([&["explain"], arguments, &["-"]].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(sql).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", sql.escape_ascii());
    stdout(&output)
}

#[test]
fn explain_answers_in_json_whatever_the_bytes() {
    let json = ["--format", "json"];
    let gbk = ["--format=json", "--state", "character_set_client=gbk"];
    for (arguments, sql, answer) in [
        (&json[..], &b"SELECT '\xff\xfe\x00'"[..], r#"{"target": "replica", "reason": "read", "pins": null}"#),
        (&json, b"", r#"{"target": "primary", "reason": "empty", "pins": null}"#),
        (&json, b"\xff", r#"{"target": "primary", "reason": "unknown_statement", "pins": null}"#),
        (&json, b"-- \nSELECT 1\n", r#"{"target": "replica", "reason": "read", "pins": null}"#),
        (&json, b"SELECT LAST_INSERT_ID()", r#"{"target": "same", "reason": "previous_statement", "pins": null}"#),
        (&json, b"SET @x = 1", r#"{"target": "all", "reason": "session_state", "pins": null}"#),
        (&json, b"KILL 5", r#"{"target": "proxy", "reason": "kill", "pins": null}"#),
        (&json, b"SELECT @x := 1", r#"{"target": "primary", "reason": "assigns_variable", "pins": "user_variable"}"#),
        (&gbk, b"SELECT '\xbf\\' FOR UPDATE", r#"{"target": "primary", "reason": "unreadable_text", "pins": null}"#),
    ] {
        assert_eq!(explained(arguments, sql), format!("{answer}\n"), "{}", sql.escape_ascii());
    }
    let long = [&b"SELECT "[..], &b"1, ".repeat(500_000), b"1"].concat();
    assert_eq!(explained(&[], &long), "target: primary\nreason: too_long\n");
}

#[test]
fn explain_takes_what_follows_two_dashes_as_the_statement() {
    let ask = |arguments: &[&str]| stdout(&program(&[&["explain"], arguments].concat(), &[]));
    assert_eq!(ask(&["--", "SELECT", "1"]), "target: replica\nreason: read\n");
    assert_eq!(ask(&["--", "-- proxy:primary\nSELECT 1"]), "target: primary\nreason: hint_primary\n");
    assert_eq!(ask(&["--", "--state", "x"]), "target: primary\nreason: unknown_statement\n");
    assert_eq!(ask(&["--state", "pin=xa", "--", "SELECT 1"]), "target: primary\nreason: pinned\n");
}

#[test]
fn a_wrong_state_is_2_and_says_what_would_be_right() {
    for (state, complaint) in [
        ("transaction=open", "`transaction` cannot be `open`; it is read_write, read_only, split or none"),
        ("autocommit=2", "`autocommit` cannot be `2`; it is 0 or 1"),
        (
            "transaction_isolation=HIGH",
            "`transaction_isolation` cannot be `HIGH`; it is READ-UNCOMMITTED, READ-COMMITTED, REPEATABLE-READ or SERIALIZABLE",
        ),
        ("transaction_read_only=maybe", "`transaction_read_only` cannot be `maybe`; it is 0 or 1"),
        ("transaction_read_only_next=", "`transaction_read_only_next` cannot be ``; it is 0 or 1"),
        (
            "sql_mode=ANSI,QUOTES",
            "`sql_mode` cannot be `ANSI,QUOTES`; it is a list of SQL modes, such as ANSI_QUOTES,NO_BACKSLASH_ESCAPES",
        ),
        (
            "character_set_client=utf16",
            "`character_set_client` cannot be `utf16`; it is a character set that a client may use, such as utf8mb4, latin1 or gbk",
        ),
        ("wrote=much", "`wrote` cannot be `much`; it is yes or no"),
        ("consistency=strong", "`consistency` cannot be `strong`; it is session, global or eventual"),
        ("listener=write", "`listener` cannot be `write`; it is read_write or read_only"),
        (
            "pin=glue",
            "`pin` cannot be `glue`; it is one of temporary_table, get_lock, prepared_statement, handler, lock_tables, \
             backup_lock, xa, user_variable, session_setting, next_transaction, open_cursor, long_data, \
             stored_procedure, unknown_state",
        ),
        ("user_variable=x:literal", "`user_variable` cannot be `x:literal`; it is @name:literal or @name:other"),
        ("user_variable=@x", "`user_variable` cannot be `@x`; it is @name:literal or @name:other"),
        ("user_variable=@x:5", "`user_variable` cannot be `@x:5`; it is @name:literal or @name:other"),
        (
            "server=postgres",
            "`server` cannot be `postgres`; it is mysql or mariadb, also with a version, as in mysql:8.4",
        ),
        (
            "server=mysql:new",
            "`server` cannot be `mysql:new`; it is mysql or mariadb, also with a version, as in mysql:8.4",
        ),
    ] {
        let output = program(&["explain", "--state", state, "SELECT 1"], &[]);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(stderr(&output), format!("--state: state {complaint}\n"));
        assert_eq!(stdout(&output), "");
    }
    let output = program(&["explain", "--state", "trx=read_write", "SELECT 1"], &[]);
    let known = "transaction, autocommit, transaction_isolation, transaction_read_only, transaction_read_only_next, \
                 sql_mode, character_set_client, database, wrote, consistency, listener, pin, user_variable, server, split_transactions";
    assert_eq!(stderr(&output), format!("--state: unknown state `trx`; known are {known}\n"));
}
