//! One session at one place: runs the lines of the little language and gives the packets of their replies.

use std::io;
use std::net::SocketAddr;

use mysql_proxy::wire::Command;
use mysql_proxy::wire::reader::Reader;

use super::support::raw::{Message, Raw, Who};
use super::support::reply::Kind;
use super::support::statement::execution;

/// See the module.
pub struct Session {
    raw: Raw,
    who: Who<'static>,
    /// What the server calls the session's prepared statements; none that could not be prepared.
    prepared: Vec<Option<u32>>,
    /// How many parameters each has.
    parameters: Vec<usize>,
}

/// A statement that was never prepared; both sides are asked for the same.
const UNKNOWN: u32 = 0x7fff_ffff;

impl Session {
    pub fn begin(address: SocketAddr, who: &Who<'static>, database: &str) -> Self {
        let mut raw = Raw::connect(address, &Who { database: Some(database), ..who.clone() }).unwrap();
        raw.patience(std::time::Duration::from_secs(60));
        Self { raw, who: who.clone(), prepared: Vec::new(), parameters: Vec::new() }
    }

    /// The id in the greeting.
    pub const fn id(&self) -> u32 {
        self.raw.id()
    }

    /// Runs a line; gives its reply without the ids of prepared statements, which are the server's choice.
    pub fn run(&mut self, line: &str) -> io::Result<Vec<Message>> {
        match line.strip_prefix('@') {
            None => self.raw.ask(Command::Query, line.as_bytes(), Kind::Results),
            Some(command) => self.command(command),
        }
    }

    /// A line of text about the previous line.
    pub fn say(&mut self, sql: &str) -> String {
        self.raw.try_say(sql).unwrap_or_else(|error| error.to_string())
    }

    fn command(&mut self, line: &str) -> io::Result<Vec<Message>> {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        match command {
            "reset" => self.raw.ask(Command::ResetConnection, b"", Kind::One),
            "ping" => self.raw.ask(Command::Ping, b"", Kind::One),
            "database" => self.raw.ask(Command::InitDb, rest.as_bytes(), Kind::One),
            "fields" => self.raw.ask(Command::FieldList, &[rest.as_bytes(), b"\0"].concat(), Kind::Fields),
            "multi" => self.raw.ask(Command::SetOption, &u16::from(rest == "off").to_le_bytes(), Kind::One),
            "change" => {
                let (user, database) = rest.split_once(' ').unwrap();
                let database = Some(database).filter(|name| *name != "-");
                let changed = self.raw.change_user(&Who { user, password: user, database, ..self.who.clone() });
                let text = changed.map_or_else(|error| error.to_string(), |()| "OK".to_owned());
                Ok(vec![Message { seqs: Vec::new(), payload: text.into_bytes() }])
            }
            "prepare" => self.prepare(rest),
            _ => self.with_statement(command, rest),
        }
    }

    fn prepare(&mut self, sql: &str) -> io::Result<Vec<Message>> {
        let mut reply = self.raw.ask(Command::StmtPrepare, sql.as_bytes(), Kind::Prepare)?;
        let first = &mut reply[0].payload;
        let id = (first[0] == 0).then(|| Reader::new(&first[1..]).u32().unwrap());
        if id.is_some() {
            first[1..5].fill(0);
        }
        self.prepared.push(id);
        self.parameters.push(if id.is_some() { usize::from(u16::from_le_bytes([first[7], first[8]])) } else { 0 });
        Ok(reply)
    }

    fn with_statement(&mut self, command: &str, rest: &str) -> io::Result<Vec<Message>> {
        let mut words = rest.split(' ');
        let nth: usize = words.next().unwrap().parse().unwrap();
        let id = self.prepared.get(nth.wrapping_sub(1)).copied().flatten().unwrap_or(UNKNOWN);
        let mut parameters: Vec<_> = words.map(|word| Some(word.as_bytes()).filter(|word| word != b"NULL")).collect();
        if matches!(command, "execute" | "cursor") {
            // No driver sends fewer than there are.
            let wanted = self.parameters.get(nth.wrapping_sub(1)).copied().unwrap_or(0);
            parameters.resize(parameters.len().max(wanted), None);
        }
        let mut reply = match command {
            "execute" => self.raw.ask(Command::StmtExecute, &execution(id, 0, &parameters), Kind::Results)?,
            "cursor" => self.raw.ask(Command::StmtExecute, &execution(id, 1, &parameters), Kind::Cursor)?,
            "fetch" => {
                let count = 2_u32.to_le_bytes();
                self.raw.ask(Command::StmtFetch, &[id.to_le_bytes(), count].concat(), Kind::Rows)?
            }
            "resetstatement" => self.raw.ask(Command::StmtReset, &id.to_le_bytes(), Kind::One)?,
            "close" => {
                self.raw.close(id);
                Vec::new()
            }
            "long" => {
                let data = parameters.first().copied().flatten().unwrap_or(b"long");
                self.raw.send(Command::StmtSendLongData, &[&id.to_le_bytes()[..], &[0, 0], data].concat())?;
                Vec::new()
            }
            other => panic!("no command {other}"),
        };
        for message in &mut reply {
            without_id(message, id);
        }
        Ok(reply)
    }
}

/// Takes a statement's id out of error 1243, which names it.
fn without_id(message: &mut Message, id: u32) {
    if message.payload.first() == Some(&0xff) {
        let text = String::from_utf8_lossy(&message.payload[1..]).replace(&format!("({id})"), "(n)");
        message.payload.splice(1.., text.into_bytes());
    }
}
