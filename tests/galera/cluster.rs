//! Three real MariaDB servers with Galera on loopback, gone when the value is dropped.
//!
//! Knows how a Galera cluster is configured, bootstrapped, joined and left. Must not know the proxy.

use std::fs::{self, Permissions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use mysql_proxy::demo::{Flavor, Servers, Signal, Supervised, free_addresses};

use crate::support::general_log;
use crate::support::wait_for;

/// Where distributions put the provider.
const PROVIDERS: [&str; 3] =
    ["/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so", "/usr/lib/galera-4/libgalera_smm.so"];

/// A node takes its state from another one, over rsync.
const PATIENCE: Duration = Duration::from_secs(90);

const USUAL: &str = "\
log-bin=bin
log-slave-updates=ON
binlog-format=ROW
innodb-autoinc-lock-mode=2
skip-name-resolve
character-set-server=utf8mb4
general-log=ON
wsrep-on=ON
wsrep-cluster-name=test
wsrep-sst-method=rsync
wsrep-slave-threads=1
performance-schema=OFF
innodb-buffer-pool-size=8M
innodb-log-file-size=4M
innodb-log-buffer-size=1M
innodb-use-native-aio=OFF
innodb-flush-log-at-trx-commit=0
sync-binlog=0
aria-pagecache-buffer-size=1M
max-connections=300
query-cache-type=0
";

const ACCOUNTS: &str = "CREATE DATABASE app;
CREATE USER app@'%' IDENTIFIED BY 'app'; GRANT ALL ON app.* TO app@'%';
CREATE USER proxy@'%' IDENTIFIED BY 'proxy';
GRANT SELECT ON mysql.global_priv TO proxy@'%';
CREATE USER admin@'%' IDENTIFIED BY 'admin'; GRANT ALL ON *.* TO admin@'%';";

/// One node.
struct Node {
    address: SocketAddr,
    folder: PathBuf,
    process: Option<Supervised>,
}

/// A running cluster. Node 0 is the one that was there first.
pub struct Galera {
    servers: Servers,
    nodes: Vec<Node>,
    // After the nodes: they end before their files go.
    _folder: tempfile::TempDir,
}

/// A session at a node that holds a lock as long as this lives.
pub struct Lock {
    client: Child,
    input: Option<ChildStdin>,
}

impl Galera {
    /// Starts three nodes; none, with a line that says so, where the servers or the provider are absent.
    pub fn start() -> Option<Self> {
        let Some(provider) = PROVIDERS.iter().map(Path::new).find(|path| path.is_file()) else {
            eprintln!("skipped: no Galera provider on this machine; install it with: apt-get install galera-4 rsync");
            return None;
        };
        let servers = match Flavor::MariaDb.find() {
            Ok(servers) => servers,
            Err(missing) => {
                eprintln!("skipped: {missing}");
                return None;
            }
        };
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let addresses = free_addresses(3).unwrap();
        let nodes = addresses.iter().enumerate().map(|(index, address)| {
            let node = Node { address: *address, folder: folder.path().join(index.to_string()), process: None };
            fs::create_dir(&node.folder).unwrap();
            give_away(&node.folder);
            fs::write(node.folder.join("my.cnf"), configuration(index, &node, &addresses, provider)).unwrap();
            node
        });
        let mut galera = Self { servers, nodes: nodes.collect(), _folder: folder };
        galera.install();
        galera.launch(0, &["--wsrep-new-cluster"]);
        galera.sql(0, ACCOUNTS);
        galera.launch(1, &[]);
        galera.launch(2, &[]);
        Some(galera)
    }

    /// Where the nodes listen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.address).collect()
    }

    /// Where one of them listens.
    pub fn address(&self, index: usize) -> SocketAddr {
        self.nodes[index].address
    }

    /// Runs statements as root through a node's socket; gives the output, lines and tabs as they are.
    pub fn sql(&self, index: usize, statements: &str) -> String {
        self.try_sql(index, statements).unwrap_or_else(|error| panic!("node {index}: {statements}: {error}"))
    }

    fn try_sql(&self, index: usize, statements: &str) -> Result<String, String> {
        let output = self.client(index).args(["--execute", statements]).output().unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    fn client(&self, index: usize) -> Command {
        let mut client = Command::new(&self.servers.client);
        client.args(["--no-defaults", "--protocol=socket", "--user=root", "--batch", "--skip-column-names"]);
        client.arg("--unbuffered").arg(format!("--socket={}", self.nodes[index].folder.join("s").display()));
        client
    }

    /// Takes a lock at a node and says that it has it.
    pub fn lock(&self, index: usize, statement: &str) -> Lock {
        let mut client = self.client(index).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = client.stdin.take().unwrap();
        writeln!(input, "{statement}; SELECT 'locked';").unwrap();
        input.flush().unwrap();
        let mut said = [0; 6];
        std::io::Read::read_exact(client.stdout.as_mut().unwrap(), &mut said).unwrap();
        assert_eq!(&said, b"locked");
        Lock { client, input: Some(input) }
    }

    /// A word of a node's status.
    pub fn status(&self, index: usize, name: &str) -> String {
        let answer = self.try_sql(index, &format!("SHOW GLOBAL STATUS LIKE '{name}'")).unwrap_or_default();
        answer.split('\t').nth(1).unwrap_or_default().to_owned()
    }

    /// Waits until a node is in step with the others.
    pub fn synced(&self, index: usize) {
        wait_for("a node is synced", PATIENCE, || {
            self.status(index, "wsrep_local_state") == "4" && self.status(index, "wsrep_ready") == "ON"
        });
    }

    /// Waits until every node that runs gives the same answer, and gives it.
    pub fn agreed(&self, question: &str) -> String {
        let running: Vec<usize> = (0..self.nodes.len()).filter(|index| self.nodes[*index].process.is_some()).collect();
        let mut answers = Vec::new();
        wait_for("all nodes say the same", PATIENCE, || {
            answers = running.iter().map(|index| self.sql(*index, question)).collect();
            answers.iter().all(|answer| *answer == answers[0])
        });
        answers.swap_remove(0)
    }

    /// Ends a node as a crash would.
    pub fn kill(&mut self, index: usize) {
        let mut process = self.nodes[index].process.take().unwrap();
        process.signal(Signal::Kill).unwrap();
    }

    /// Starts a node again and waits until it is in step.
    pub fn restart(&mut self, index: usize) {
        self.launch(index, &[]);
    }

    /// The statements that an account had run at a node in which the marker stands.
    pub fn run_by(&self, index: usize, account: &str, marker: &str) -> Vec<String> {
        let log = fs::read(self.nodes[index].folder.join("general.log")).unwrap();
        let log = general_log::parse(&String::from_utf8_lossy(&log));
        let mut statements = general_log::statements_of(&log, account);
        statements.retain(|statement| statement.contains(marker));
        statements
    }

    fn launch(&mut self, index: usize, more: &[&str]) {
        let node = &mut self.nodes[index];
        let arguments = [format!("--defaults-file={}", node.folder.join("my.cnf").display())];
        let arguments = arguments.into_iter().chain(more.iter().map(|argument| (*argument).to_owned()));
        let output = node.folder.join("output.log");
        node.process = Some(Supervised::start(&self.servers.server, arguments, &output).unwrap());
        let log = node.folder.join("error.log");
        wait_for("a node joins", PATIENCE, || {
            let ended = self.nodes[index].process.as_mut().unwrap().ended().unwrap();
            assert!(ended.is_none(), "node {index} ended: {}", fs::read_to_string(&log).unwrap_or_default());
            self.status(index, "wsrep_local_state") == "4" && self.status(index, "wsrep_ready") == "ON"
        });
    }

    fn install(&self) {
        let node = &self.nodes[0];
        let mut command = Command::new(self.servers.installer.as_ref().unwrap());
        command.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        command.args(["--skip-name-resolve", "--innodb-use-native-aio=OFF", "--innodb-log-file-size=4M"]);
        command.arg(format!("--datadir={}", node.folder.join("data").display()));
        command.arg(format!("--tmpdir={}", node.folder.display()));
        if is_root() {
            command.arg("--user=mysql");
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Galera {
    fn drop(&mut self) {
        // All at once; each is waited for when its own value is dropped.
        self.nodes.iter_mut().filter_map(|node| node.process.as_mut()).for_each(Supervised::let_go);
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.client.wait();
    }
}

fn configuration(index: usize, node: &Node, all: &[SocketAddr], provider: &Path) -> String {
    let (ip, port) = (node.address.ip(), node.address.port());
    let folder = node.folder.display();
    let cluster: Vec<String> = all.iter().map(|other| format!("{}:{}", other.ip(), port + 1)).collect();
    let user = if is_root() { "user=mysql\n" } else { "" };
    // Without flow control a node that is late is just late. A node that dies is given up after five seconds, as by default:
    // with two, nodes on a busy machine do not hear each other in time, and all of them lose their quorum.
    format!(
        "[mysqld]\n{user}datadir={folder}/data\ntmpdir={folder}\nsocket={folder}/s\npid-file={folder}/pid\n\
         log-error={folder}/error.log\ngeneral-log-file={folder}/general.log\nbind-address={ip}\nport={port}\n\
         server-id={}\nwsrep-provider={}\nwsrep-cluster-address=gcomm://{}\nwsrep-node-name=n{index}\n\
         wsrep-node-address={ip}\nwsrep-node-incoming-address={ip}:{port}\nwsrep-sst-receive-address={ip}:{}\n\
         wsrep-provider-options=\"gcache.size=8M;gcs.fc_limit=100000;gmcast.listen_addr=tcp://{ip}:{};\
         ist.recv_addr={ip}:{};evs.keepalive_period=PT0.5S;evs.suspect_timeout=PT5S;evs.inactive_timeout=PT10S;\
         evs.inactive_check_period=PT0.5S\"\n{USUAL}",
        index + 1,
        provider.display(),
        cluster.join(","),
        port + 3,
        port + 1,
        port + 2,
    )
}

fn is_root() -> bool {
    id("-u", None) == Some(0)
}

fn give_away(path: &Path) {
    if is_root() {
        chown(path, id("-u", Some("mysql")), id("-g", Some("mysql"))).unwrap();
    }
    fs::create_dir(path.join("data")).unwrap();
    if is_root() {
        chown(path.join("data"), id("-u", Some("mysql")), id("-g", Some("mysql"))).unwrap();
    }
}

fn id(flag: &str, account: Option<&str>) -> Option<u32> {
    let output = Command::new("id").arg(flag).args(account).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
