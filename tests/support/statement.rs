//! Prepared statements of the raw client: parameters as text, rows as bytes.

use std::io;

use mysql_proxy::wire::Command;
use mysql_proxy::wire::err::SqlError;
use mysql_proxy::wire::reader::{Reader, put_lenenc_bytes};

use super::raw::{Message, Raw};
use super::reply::Kind;

const VAR_STRING: u8 = 0xfd;

impl Raw {
    /// Prepares a statement; gives its id.
    pub fn prepare(&mut self, sql: &str) -> Result<u32, SqlError> {
        self.try_prepare(sql).unwrap()
    }

    /// The same, when the connection may break.
    pub fn try_prepare(&mut self, sql: &str) -> io::Result<Result<u32, SqlError>> {
        let reply = self.ask(Command::StmtPrepare, sql.as_bytes(), Kind::Prepare)?;
        let first = &reply[0].payload;
        Ok(SqlError::parse(first).map_or_else(|| Ok(Reader::new(&first[1..]).u32().unwrap()), Err))
    }

    /// Executes it with parameters that are text or NULL.
    pub fn execute(&mut self, id: u32, parameters: &[Option<&[u8]>]) -> io::Result<Vec<Message>> {
        self.ask(Command::StmtExecute, &execution(id, 0, parameters), Kind::Results)
    }

    /// The first column of every row of an execution, which must be text; or the error.
    pub fn execute_text(&mut self, id: u32, parameters: &[&str]) -> Result<Vec<String>, SqlError> {
        let parameters: Vec<_> = parameters.iter().map(|text| Some(text.as_bytes())).collect();
        let reply = self.execute(id, &parameters).unwrap();
        if let Some(error) = reply.last().and_then(|last| SqlError::parse(&last.payload)) {
            return Err(error);
        }
        let column_count = usize::from(reply[0].payload[0]);
        let rows = reply.iter().skip(1 + column_count).filter(|message| message.payload[0] == 0);
        let text = |row: &Message| {
            let bitmap = (column_count + 9) / 8;
            let value = Reader::new(&row.payload[1 + bitmap..]).lenenc_bytes().unwrap_or_default();
            String::from_utf8_lossy(value).into_owned()
        };
        Ok(rows.map(text).collect())
    }

    /// Closes a statement; there is no answer.
    pub fn close(&mut self, id: u32) {
        self.send(Command::StmtClose, &id.to_le_bytes()).unwrap();
    }
}

/// The argument of an execution with parameters that are text or NULL, with `flags` (1: a cursor).
pub fn execution(id: u32, flags: u8, parameters: &[Option<&[u8]>]) -> Vec<u8> {
    let mut out = id.to_le_bytes().to_vec();
    out.push(flags);
    out.extend_from_slice(&1_u32.to_le_bytes());
    if parameters.is_empty() {
        return out;
    }
    let mut nulls = vec![0_u8; parameters.len().div_ceil(8)];
    for (at, _) in parameters.iter().enumerate().filter(|(_, value)| value.is_none()) {
        nulls[at / 8] |= 1 << (at % 8);
    }
    out.extend_from_slice(&nulls);
    out.push(1);
    for _ in parameters {
        out.extend_from_slice(&[VAR_STRING, 0]);
    }
    parameters.iter().flatten().for_each(|value| put_lenenc_bytes(&mut out, value));
    out
}
