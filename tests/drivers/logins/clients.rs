//! The clients: where their programs are, and how each is told to log in once.
//!
//! Knows command lines and what their words look like. Must not know the proxy, nor what is right.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that logs in once.
pub struct Client {
    /// As people call it.
    pub name: &'static str,
    /// How the endpoint and the account are put behind its words.
    form: Form,
    words: Vec<String>,
    /// What has to be on this machine.
    pub needs: PathBuf,
}

/// How a program takes host, port, user and password.
enum Form {
    /// One word each, in this order.
    Plain,
    /// As the servers' own programs do, with words that go behind them.
    Options(&'static [&'static str]),
}

/// How a login ended.
#[derive(Clone, PartialEq, Eq)]
pub enum Outcome {
    In,
    /// In the client's own words, without the names of account and host.
    Refused(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::In => formatter.write_str("in"),
            Self::Refused(why) => formatter.write_str(why),
        }
    }
}

fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/drivers/logins")
}

fn installed() -> PathBuf {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/drivers");
    std::env::var_os("DRIVERS").map_or(usual, PathBuf::from)
}

fn interpreted(name: &'static str, needs: impl Into<PathBuf>, words: &[&str]) -> Client {
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    Client { name, form: Form::Plain, words, needs: needs.into() }
}

fn python(name: &'static str, package: &str, function: &str) -> Client {
    let python = installed().join("python");
    let packages = python.join("lib");
    let versions = packages.read_dir().into_iter().flatten().flatten();
    let found = versions.map(|version| version.path().join("site-packages").join(package)).find(|path| path.exists());
    let program = python.join("bin/python").display().to_string();
    let script = programs().join("login.py").display().to_string();
    interpreted(name, found.unwrap_or_else(|| packages.join(package)), &[&program, &script, function])
}

fn node(name: &'static str, package: &str) -> Client {
    let script = programs().join("login.js").display().to_string();
    interpreted(name, installed().join("node/node_modules").join(package), &["node", &script, package])
}

fn on_path(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let candidates = std::env::split_paths(&path).map(|folder| folder.join(program));
    candidates.into_iter().find(|candidate| candidate.is_file()).unwrap_or_else(|| program.into())
}

/// A server's own program.
fn native(name: &'static str, program: PathBuf, before: &[&str], behind: &'static [&'static str]) -> Client {
    let words = [program.display().to_string()].into_iter().chain(before.iter().map(|word| (*word).to_owned()));
    Client { name, form: Form::Options(behind), words: words.collect(), needs: program }
}

/// All of them, also those that are not here.
pub fn all() -> Vec<Client> {
    let scripts = programs();
    let script = |name: &str| scripts.join(name).display().to_string();
    let (php, perl, ruby) = (script("login.php"), script("login.pl"), script("login.rb"));
    let oracle = std::env::var_os("MYSQLD").map(PathBuf::from).unwrap_or_default();
    let oracle = |program: &str| oracle.with_file_name(program);
    let java_driver = "/usr/share/java/mariadb-java-client.jar";
    let class_path = format!("{}:{java_driver}:/usr/share/java/slf4j-api.jar", installed().join("java").display());
    let go = installed().join("go_login");
    vec![
        native("mariadb", on_path("mariadb"), &[], &["--batch", "--skip-column-names", "--execute=SELECT 1"]),
        native("mariadb-dump", on_path("mariadb-dump"), &[], &["app"]),
        native("mariadb-admin", on_path("mariadb-admin"), &[], &["status"]),
        native("mysql 9.7", oracle("mysql"), &[], &["--batch", "--skip-column-names", "--execute=SELECT 1"]),
        // MariaDB has no histograms of the kind that it asks for.
        native("mysqldump 9.7", oracle("mysqldump"), &["--column-statistics=0"], &["app"]),
        python("PyMySQL", "pymysql", "pymysql"),
        python("PyMySQL alone", "pymysql", "pymysql_alone"),
        python("mysqlclient", "MySQLdb", "mysqlclient"),
        python("mysql-connector-python", "mysql/connector", "connector"),
        node("npm mysql2", "mysql2"),
        node("npm mysql", "mysql"),
        node("npm mariadb", "mariadb"),
        interpreted("go-sql-driver", &go, &[&go.display().to_string()]),
        interpreted("PHP mysqli", on_path("php"), &["php", &php, "mysqli"]),
        interpreted("PHP PDO", on_path("php"), &["php", &php, "pdo"]),
        interpreted("DBD::MariaDB", perl_module("DBD/MariaDB.pm"), &["perl", &perl, "MariaDB"]),
        interpreted("DBD::mysql", perl_module("DBD/mysql.pm"), &["perl", &perl, "mysql"]),
        interpreted("Ruby mysql2", "/usr/lib/ruby/vendor_ruby/mysql2.rb", &["/usr/bin/ruby", &ruby]),
        interpreted(
            "Connector/J",
            java_driver,
            &["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", &class_path, "Login"],
        ),
    ]
}

/// Perl itself knows where it looks.
fn perl_module(name: &str) -> PathBuf {
    let program = "for (@INC) { if (-e \"$_/$ARGV[0]\") { print \"$_/$ARGV[0]\"; last } }";
    let said =
        Command::new("perl").args(["-e", program, name]).output().map(|output| output.stdout).unwrap_or_default();
    let found = String::from_utf8_lossy(&said).into_owned();
    if found.is_empty() { name.into() } else { found.into() }
}

impl Client {
    /// Runs the program once, and waits for it for at most half a minute.
    pub fn log_in(&self, at: SocketAddr, user: &str, password: &str) -> Outcome {
        let (host, port) = (at.ip().to_string(), at.port().to_string());
        let mut command = Command::new("timeout");
        command.args(["30"]).args(&self.words[..1]);
        match self.form {
            Form::Plain => command.args(&self.words[1..]).args([&host, &port, user, password]),
            Form::Options(behind) => command
                .args(["--no-defaults", "--protocol=tcp"])
                .args([format!("--host={host}"), format!("--port={port}")])
                .args([format!("--user={user}"), format!("--password={password}")])
                .args(&self.words[1..])
                .args(behind),
        };
        command.env("NODE_PATH", installed().join("node/node_modules")).env("PYTHONDONTWRITEBYTECODE", "1");
        // Unpacked where it was not built for, Oracle's programs do not find what they would have been installed with.
        let plugins = Path::new(&self.words[0]).parent().and_then(Path::parent).map(|base| base.join("plugin"));
        if let Some(plugins) =
            plugins.filter(|folder| folder.is_dir() && folder.join("mysql_native_password.so").exists())
        {
            command.env("LIBMYSQL_PLUGIN_DIR", plugins);
        }
        let output = command.output().unwrap();
        if output.status.success() {
            return Outcome::In;
        }
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        Outcome::Refused(without_names(&said, user, &host, &port, output.status.code()))
    }
}

/// A statement of Connector/J's that takes long and is cancelled by its own means.
pub fn cancelling() -> Client {
    let mut client = all().pop().expect("Connector/J is the last");
    "Cancel".clone_into(client.words.last_mut().expect("the name of its class"));
    client
}

/// What a client said, in one line, without what differs between two accounts and two endpoints.
fn without_names(said: &str, user: &str, host: &str, port: &str, code: Option<i32>) -> String {
    let warning = "Using a password on the command line interface can be insecure";
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty() && !line.contains(warning));
    let one = lines.collect::<Vec<_>>().join(" / ");
    let one = one.replace(user, "USER").replace(host, "HOST").replace(port, "PORT");
    let one = without_connection_number(&one);
    if one.is_empty() { format!("said nothing, exit {code:?}") } else { one }
}

/// `MariaDB`'s drivers put the connection's number in front: `(conn=5)`, `(conn:5, no: …)`.
fn without_connection_number(said: &str) -> String {
    let Some((before, behind)) = said.split_once("(conn") else { return said.to_owned() };
    let number = |c: char| matches!(c, '=' | ':' | '-') || c.is_ascii_digit();
    format!("{before}(conn{}", without_connection_number(behind.trim_start_matches(number)))
}
