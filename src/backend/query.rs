//! Questions that the proxy asks on its own account: small text results, read whole.

use std::borrow::Cow;

use super::Connection;
use crate::{
    net::PacketError,
    wire::{
        Command, Header,
        attributes::{Layout, without_any},
        command::message,
        err::SqlError,
        packet::put_message,
        prepared::execute_with_strings,
        response::{Need, Response, Seen, Shape},
        resultset::{binary_row, column_name, column_type, text_row},
    },
};

/// The longest packet of an answer that the proxy reads for itself, in bytes.
const ANSWER_LIMIT: usize = 8 * 1024 * 1024;
/// The most rows that it keeps.
const ROW_LIMIT: usize = 10_000;

/// Of a column's flags: its numbers have no sign.
const UNSIGNED_FLAG: u16 = 32;

/// The answer to a question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResultSet {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows of texts; `None` is NULL.
    pub rows: Vec<Vec<Option<Vec<u8>>>>,
    expected: usize,
    types: Vec<u8>,
    unsigned: Vec<bool>,
    encoding: RowEncoding,
    prepared: Option<u32>,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum RowEncoding {
    /// In reply to a text.
    #[default]
    Text,
    /// In reply to a prepared statement.
    Binary,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The member answered with this error; the connection is fine.
    #[error("{0}")]
    Sql(SqlError),
    /// The connection is broken.
    #[error("connection lost: {0}")]
    Broken(#[from] PacketError),
    /// The answer is not the protocol; the connection must not be used again.
    #[error("not the MySQL protocol: {0}")]
    Protocol(String),
}

impl ResultSet {
    /// The protocol type of a column (`enum_field_types`).
    #[must_use]
    pub fn column_type(&self, at: usize) -> Option<u8> {
        self.types.get(at).copied()
    }

    /// Whether a column's numbers have no sign.
    #[must_use]
    pub fn is_unsigned(&self, at: usize) -> Option<bool> {
        self.unsigned.get(at).copied()
    }

    /// The value in the named column of the first row, names compared without case.
    #[must_use]
    pub fn value(&self, column: &str) -> Option<&[u8]> {
        let at = self.columns.iter().position(|name| name.eq_ignore_ascii_case(column))?;
        self.rows.first()?.get(at)?.as_deref()
    }
}

impl Connection {
    /// Sends one message and gives the reply as it came, byte for byte; none if it is longer than `limit` bytes.
    pub async fn verbatim(&mut self, message: &[u8], limit: usize) -> Result<Option<Vec<u8>>, QueryError> {
        self.begin()?;
        self.stream.write_all(&self.own(message)).await.map_err(PacketError::Io)?;
        let mut response = Response::new(Shape::Results, self.capabilities);
        let mut bytes = Vec::new();
        let mut seq = 0;
        while !response.is_done() {
            let (_, payload) = self.stream.read_packet(ANSWER_LIMIT).await?;
            seq = put_message(&mut bytes, seq.max(1), &payload);
            bytes.truncate(limit + 1);
            let header = Header { len: payload.len(), seq };
            if response.on_header(header, payload.first().copied()) == Need::Whole {
                response.on_payload(&payload).map_err(|error| QueryError::Protocol(error.to_string()))?;
            }
        }
        self.in_flight = false;
        Ok((bytes.len() <= limit).then_some(bytes))
    }

    /// Runs one statement of the proxy's own and reads its last result whole.
    pub async fn query(&mut self, sql: &str) -> Result<ResultSet, QueryError> {
        self.ask(&message(Command::Query, sql.as_bytes()), Shape::Results).await
    }

    /// Sends one message and reads its reply.
    pub async fn ask(&mut self, message: &[u8], shape: Shape) -> Result<ResultSet, QueryError> {
        self.begin()?;
        self.stream.write_all(&self.own(message)).await.map_err(PacketError::Io)?;
        self.answer(shape, RowEncoding::Text).await
    }

    /// Executes a prepared statement with strings for its parameters; reads columns that are integers or strings.
    pub async fn execute(&mut self, statement: u32, parameters: &[&[u8]]) -> Result<ResultSet, QueryError> {
        let layout = Layout::of(self.capabilities);
        let message = message(Command::StmtExecute, &execute_with_strings(statement, parameters, layout));
        self.begin()?;
        self.stream.write_all(&message).await.map_err(PacketError::Io)?;
        self.answer(Shape::Results, RowEncoding::Binary).await
    }

    /// A message of the proxy's own, with an empty block of attributes where this connection wants one.
    pub(super) fn own<'a>(&self, message: &'a [u8]) -> Cow<'a, [u8]> {
        without_any(message, Layout::of(self.capabilities)).map_or(Cow::Borrowed(message), Cow::Owned)
    }

    /// Sends messages that have no reply.
    pub async fn tell(&mut self, messages: &[u8]) -> Result<(), QueryError> {
        self.begin()?;
        self.stream.write_all(messages).await.map_err(PacketError::Io)?;
        self.in_flight = false;
        Ok(())
    }

    /// Prepares a statement; gives the member's id.
    pub async fn prepare(&mut self, sql: &[u8]) -> Result<u32, QueryError> {
        let result = self.ask(&message(Command::StmtPrepare, sql), Shape::Prepare).await?;
        result.prepared.ok_or_else(|| QueryError::Protocol("a prepare reply without an id".into()))
    }

    /// Reads the reply to a message that has been sent.
    async fn answer(&mut self, shape: Shape, encoding: RowEncoding) -> Result<ResultSet, QueryError> {
        let mut response = Response::new(shape, self.capabilities);
        let mut result = ResultSet { encoding, ..ResultSet::default() };
        let mut refused = None;
        while !response.is_done() {
            let (seq, payload) = self.stream.read_packet(ANSWER_LIMIT).await?;
            let header = Header { len: payload.len(), seq };
            match response.on_header(header, payload.first().copied()) {
                Need::Skip => result.take(&payload)?,
                Need::Whole => {
                    let seen =
                        response.on_payload(&payload).map_err(|error| QueryError::Protocol(error.to_string()))?;
                    match seen {
                        Seen::Err(payload) => refused = SqlError::parse(payload),
                        Seen::ColumnCount(count) => result.begin(count),
                        Seen::Prepared(prepared) => result.prepared = Some(prepared.statement_id),
                        _ => {}
                    }
                }
            }
        }
        self.in_flight = false;
        match refused {
            Some(error) => Err(QueryError::Sql(error)),
            None => Ok(result),
        }
    }

    /// Sends several messages in one write and reads their replies one after the other; the first error is given
    /// once all replies have come.
    pub async fn ask_all(&mut self, messages: &[(Vec<u8>, Shape)]) -> Result<Vec<ResultSet>, QueryError> {
        self.begin()?;
        let bytes: Vec<u8> = messages.iter().flat_map(|(message, _)| self.own(message).into_owned()).collect();
        self.stream.write_all(&bytes).await.map_err(PacketError::Io)?;
        let mut results = Vec::with_capacity(messages.len());
        let mut refused = None;
        for (_, shape) in messages {
            match self.answer(*shape, RowEncoding::Text).await {
                Ok(result) => results.push(result),
                Err(QueryError::Sql(error)) => refused = refused.or(Some(error)),
                Err(broken) => return Err(broken),
            }
            self.in_flight = true;
        }
        self.in_flight = false;
        refused.map_or(Ok(results), |error| Err(QueryError::Sql(error)))
    }
}

impl ResultSet {
    fn begin(&mut self, columns: u64) {
        self.columns = Vec::with_capacity(columns.min(4096) as usize);
        self.types.clear();
        self.unsigned.clear();
        self.rows.clear();
        self.expected = columns as usize;
    }

    /// Takes a packet that the reply's state let pass: a column definition first, then rows.
    fn take(&mut self, payload: &[u8]) -> Result<(), QueryError> {
        if self.prepared.is_some() {
            return Ok(());
        }
        let malformed = || QueryError::Protocol(format!("malformed row or column of {} bytes", payload.len()));
        if self.columns.len() < self.expected {
            let name = column_name(payload).ok_or_else(malformed)?;
            self.columns.push(String::from_utf8_lossy(name).into_owned());
            let (kind, flags) = column_type(payload).ok_or_else(malformed)?;
            self.types.push(kind);
            self.unsigned.push(flags & UNSIGNED_FLAG != 0);
        } else if self.rows.len() < ROW_LIMIT {
            let row = match self.encoding {
                RowEncoding::Text => text_row(payload, self.expected),
                RowEncoding::Binary => binary_row(payload, &self.types),
            };
            self.rows.push(row.ok_or_else(malformed)?);
        }
        Ok(())
    }
}
