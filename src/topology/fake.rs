//! Members made of tables, for tests.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::ask::{Answer, Ask, AskError, Converse};
use super::probe::Report;
use super::replication::{BinlogPosition, Channel, Replication, Thread, UsingGtid};
use super::state::ServerInfo;
use crate::wire::Capabilities;
use crate::wire::gtid::{GtidKind, GtidSet};
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
            server_id: 0,
        }
    }

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

/// What a `MariaDB` primary answers.
pub fn mariadb_primary(position: &str) -> Answers {
    let state = [("server_id", "1"), ("read_only", "0"), ("log_bin", "1"), ("slave_pos", ""), ("binlog_pos", position)];
    vec![("SELECT", Ok(row(&state))), ("SHOW ALL SLAVES STATUS", Ok(Answer::default()))]
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
    vec![("SELECT", Ok(row(&state))), ("SHOW ALL SLAVES STATUS", Ok(row(&status)))]
}

/// What a check of a `MariaDB` member finds; a replica if `behind` is given.
pub fn report(server_id: u64, position: &str, behind: Option<u64>) -> Report {
    let set = Arc::new(GtidSet::parse(GtidKind::MariaDb, position.as_bytes()).unwrap());
    let channel = |behind| Channel {
        io: Thread::Running,
        sql: Thread::Running,
        behind: Some(std::time::Duration::from_secs(behind)),
        source_server_id: 1,
        applied_to: None,
        using_gtid: UsingGtid::Other,
    };
    let mut server = FakeConversation::new("10.11.19-MariaDB", Vec::new()).server();
    server.server_id = server_id;
    Report {
        begun: Instant::now(),
        server: Arc::new(server),
        read_only: behind.is_some(),
        executed: Some(Arc::clone(&set)),
        applied: set,
        binlog_end: None,
        replication: behind.map_or(Replication::None, |behind| Replication::Channels(vec![channel(behind)])),
    }
}

/// The same where there are no GTIDs.
pub fn report_by_position(server_id: u64, offset: u64, replica: bool) -> Report {
    let position = BinlogPosition::new("bin.000001", offset);
    let mut report = report(server_id, "", replica.then_some(0));
    report.executed = None;
    report.binlog_end.clone_from(&position);
    if let Replication::Channels(channels) = &mut report.replication {
        channels[0].applied_to = position;
    }
    report
}
