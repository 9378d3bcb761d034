//! Members made of tables, for tests.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::ask::{Answer, Ask, AskError, Converse};
use super::galera::Node;
use super::probe::Report;
use super::replication::{BinlogPosition, Channel, Replication, Source, Thread, UsingGtid};
use super::state::ServerInfo;
use crate::wire::Capabilities;
use crate::wire::gtid::{GtidKind, GtidSet, Origins};
use crate::wire::server::read_version;

/// What a member answers, by the beginning of the question.
pub type Answers = Vec<(&'static str, Result<Answer, AskError>)>;

/// Members by address; one that is missing refuses connections.
#[derive(Clone, Debug, Default)]
pub struct FakeMembers(pub Arc<Mutex<HashMap<SocketAddr, (&'static str, Answers)>>>);

/// A connection to one of them.
#[derive(Debug)]
pub struct FakeConversation {
    pub version: &'static str,
    pub answers: Answers,
    pub asked: Vec<String>,
    home: Option<(FakeMembers, SocketAddr)>,
}

impl FakeConversation {
    pub fn new(version: &'static str, answers: Answers) -> Self {
        Self { version, answers, asked: Vec::new(), home: None }
    }
}

impl Ask for FakeMembers {
    type Conversation = FakeConversation;

    async fn connect(&self, address: SocketAddr) -> Result<FakeConversation, AskError> {
        let members = self.0.lock().unwrap();
        let (version, answers) = members.get(&address).ok_or_else(|| AskError::Connect("refused".to_owned()))?;
        let home = Some((self.clone(), address));
        Ok(FakeConversation { version, answers: answers.clone(), asked: Vec::new(), home })
    }
}

impl Converse for FakeConversation {
    fn server(&self) -> ServerInfo {
        let (family, version) = read_version(self.version);
        let capabilities = Capabilities::empty();
        ServerInfo {
            version_text: self.version.into(),
            version,
            family,
            capabilities,
            extensions: crate::wire::Extensions::empty(),
            collation: 45,
            plugin: "caching_sha2_password".into(),
            status: crate::wire::StatusFlags::AUTOCOMMIT,
            autocommit: true,
            isolation: String::new(),
            server_id: 0,
        }
    }

    async fn close(self) {}

    async fn query(&mut self, sql: &str) -> Result<Answer, AskError> {
        self.asked.push(sql.to_owned());
        if let Some((members, address)) = &self.home {
            let members = members.0.lock().unwrap();
            let (_, answers) = members.get(address).ok_or_else(|| AskError::Lost("gone".to_owned()))?;
            self.answers.clone_from(answers);
        }
        let unknown = || AskError::Server { code: 1064, message: format!("no answer to {sql}") };
        self.answers.iter().find(|(question, _)| sql.starts_with(question)).ok_or_else(unknown)?.1.clone()
    }
}

/// A row with its columns' names.
pub fn row(columns: &[(&str, &str)]) -> Answer {
    Answer {
        columns: columns.iter().map(|(name, _)| (*name).to_owned()).collect(),
        rows: vec![columns.iter().map(|(_, value)| Some(value.as_bytes().to_vec())).collect()],
    }
}

/// A table of names and values, some of them replaced.
fn table(usual: &[(&str, &str)], replaced: &[(&str, &str)]) -> Answer {
    let named = |name: &str| replaced.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
    let rows = usual.iter().map(|(name, value)| (*name, named(name).unwrap_or(value)));
    let bytes = |text: &str| Some(text.as_bytes().to_vec());
    Answer {
        columns: vec!["Variable_name".to_owned(), "Value".to_owned()],
        rows: rows.map(|(name, value)| vec![bytes(name), bytes(value)]).collect(),
    }
}

/// The variables of a Galera node that is as it should be, some of them replaced.
pub fn galera_variables(replaced: &[(&str, &str)]) -> Answer {
    let usual = [
        ("wsrep_on", "ON"),
        ("wsrep_provider", "/usr/lib/galera/libgalera_smm.so"),
        ("wsrep_reject_queries", "NONE"),
        ("wsrep_sst_method", "rsync"),
    ];
    table(&usual, replaced)
}

/// The status of a Galera node that is as it should be, at this place in the order of transactions.
pub fn galera_status(sequence: u64, replaced: &[(&str, &str)]) -> Answer {
    const CLUSTER: &str = "c45a5f86-e91d-11f1-b250-53bcb105a028";
    let (committed, checkpoint) = (sequence.to_string(), format!("{CLUSTER}:{sequence}"));
    let usual = [
        ("wsrep_local_state_uuid", CLUSTER),
        ("wsrep_last_committed", &*committed),
        ("wsrep_checkpoint_position", &*checkpoint),
        ("wsrep_local_state", "4"),
        ("wsrep_local_state_comment", "Synced"),
        ("wsrep_cluster_status", "Primary"),
        ("wsrep_connected", "ON"),
        ("wsrep_ready", "ON"),
    ];
    table(&usual, replaced)
}

/// What a Galera node answers whose own binary log is at `position`.
pub fn galera_node(position: &str, sequence: u64, replaced: &[(&str, &str)]) -> Answers {
    let state = [("server_id", "1"), ("read_only", "0"), ("log_bin", "1"), ("slave_pos", ""), ("binlog_pos", position)];
    vec![
        ("SELECT", Ok(row(&state))),
        ("SHOW GLOBAL VARIABLES", Ok(galera_variables(replaced))),
        ("SHOW GLOBAL STATUS", Ok(galera_status(sequence, replaced))),
        ("SHOW ALL SLAVES STATUS", Ok(Answer::default())),
    ]
}

/// What a check of a Galera node finds.
pub fn galera_report(sequence: u64, replaced: &[(&str, &str)]) -> Report {
    let galera = Node::read(&galera_variables(replaced), &galera_status(sequence, replaced));
    Report { galera, ..report(9, "0-1-900", None) }
}

/// What a server answers that was built with Galera and does not use it.
fn without_galera() -> (&'static str, Result<Answer, AskError>) {
    ("SHOW GLOBAL VARIABLES", Ok(galera_variables(&[("wsrep_on", "OFF"), ("wsrep_provider", "none")])))
}

/// What a `MariaDB` primary answers.
pub fn mariadb_primary(position: &str) -> Answers {
    let state = [("server_id", "1"), ("read_only", "0"), ("log_bin", "1"), ("slave_pos", ""), ("binlog_pos", position)];
    vec![("SELECT", Ok(row(&state))), ("SHOW ALL SLAVES STATUS", Ok(Answer::default())), without_galera()]
}

/// What a `MariaDB` replica answers.
pub fn mariadb_replica(position: &str, behind: &str) -> Answers {
    let state =
        [("server_id", "2"), ("read_only", "1"), ("log_bin", "1"), ("slave_pos", position), ("binlog_pos", position)];
    let status = [
        ("Slave_IO_Running", "Yes"),
        ("Slave_SQL_Running", "Yes"),
        ("Seconds_Behind_Master", behind),
        ("Master_Server_Id", "1"),
    ];
    vec![("SELECT", Ok(row(&state))), ("SHOW ALL SLAVES STATUS", Ok(row(&status))), without_galera()]
}

/// What a check of a `MariaDB` member finds; a replica if `behind` is given.
pub fn report(server_id: u64, position: &str, behind: Option<u64>) -> Report {
    let set = Arc::new(GtidSet::parse(GtidKind::MariaDb, position.as_bytes()).unwrap());
    let channel = |behind| Channel {
        io: Thread::Running,
        sql: Thread::Running,
        behind: Some(std::time::Duration::from_secs(behind)),
        source: Source { host: "10.0.0.0".into(), port: 3306, uuid: None, server_id: 1 },
        io_error: 0,
        connect_retry: std::time::Duration::from_secs(1),
        retrieved: GtidSet::new(),
        applied_to: None,
        using_gtid: UsingGtid::Other,
    };
    let mut server = FakeConversation::new("10.11.19-MariaDB", Vec::new()).server();
    server.server_id = server_id;
    Report {
        begun: Instant::now(),
        finished: Instant::now(),
        server: Arc::new(server),
        uuid: None,
        max_connections: 151,
        origins: Some(Arc::new(Origins::read(server_id, &[position.as_bytes()]).unwrap())),
        replicas_connected: None,
        read_only: behind.is_some(),
        leaving: false,
        executed: Some(Arc::clone(&set)),
        applied: set,
        binlog_end: None,
        galera: None,
        replication: behind.map_or(Replication::None, |behind| Replication::Channels(vec![channel(behind)])),
    }
}

/// The same where there are no GTIDs.
pub fn report_by_position(server_id: u64, offset: u64, replica: bool) -> Report {
    let position = BinlogPosition::new("bin.000001", offset);
    let mut report = report(server_id, "", replica.then_some(0));
    report.executed = None;
    report.origins = None;
    report.binlog_end.clone_from(&position);
    if let Replication::Channels(channels) = &mut report.replication {
        channels[0].applied_to = position;
    }
    report
}

/// What a check of a `MySQL` member finds: its number is the last of its UUID, `A` to `D` in sets are those of 1 to 4; a
/// replica if the number of a source is given.
pub fn mysql_report(server_id: u64, executed: &str, source: Option<u64>) -> Report {
    let set = Arc::new(mysql_set(executed));
    let mut report = report(server_id, "", source.map(|_| 0));
    let mut server = FakeConversation::new("9.7.0", Vec::new()).server();
    server.server_id = server_id;
    report.server = Arc::new(server);
    report.uuid = Some(uuid(server_id).into());
    report.origins = None;
    report.executed = Some(Arc::clone(&set));
    report.applied = set;
    if let (Replication::Channels(channels), Some(source)) = (&mut report.replication, source) {
        channels[0].source = Source { host: "db".into(), port: 3306, uuid: Some(uuid(source)), server_id: source };
    }
    report
}

/// The UUID of a server of this id.
pub fn uuid(server_id: u64) -> String {
    format!("43ffca67-e4da-11f1-a042-02fc000000{server_id:02}")
}

/// A set in which `A` to `D` stand for UUIDs.
pub fn mysql_set(text: &str) -> GtidSet {
    let spelled = |text: String, (letter, id)| text.replace(letter, &uuid(id));
    let text = [("A", 1), ("B", 2), ("C", 3), ("D", 4)].into_iter().fold(text.to_owned(), spelled);
    GtidSet::parse(GtidKind::MySql, text.as_bytes()).unwrap()
}
