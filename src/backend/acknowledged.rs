//! Messages of the proxy's own that are answered with OK or EOF, and what these tell of the session.
//!
//! Knows which of them leave what the client may ask for next as it is. Seen on MariaDB 10.11 and MySQL 9.7:
//!
//! | message | `ROW_COUNT()` after it | `FOUND_ROWS()` | warnings |
//! |---|---|---|---|
//! | `COM_PING` | 0 | stays | stay |
//! | `COM_SET_OPTION` | -1 | stays | stay |
//! | `SET name = value` | 0 | stays | are cleared |

use super::{Connection, QueryError, Reply};
use crate::{
    net::PacketError,
    wire::{
        Capabilities, Command, Header,
        command::message,
        err::SqlError,
        response::{Need, Response, Seen, Shape},
    },
};

/// The longest acknowledgement, in bytes.
const ACKNOWLEDGEMENT_LIMIT: usize = 8 * 1024 * 1024;

/// Whether a connection takes several statements in one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MultiStatements {
    /// It does.
    On,
    /// It does not.
    Off,
}

impl Connection {
    /// Asks how the session stands after an error, whose packet tells neither status nor changes. `MySQL` tells in
    /// the reply to `COM_PING` what changed before the error, `MariaDB` only the status. What the error left for the
    /// client to ask for stays: `COM_SET_OPTION`, which sets what is set already, makes `ROW_COUNT()` -1 again.
    pub async fn standing(&mut self, is: MultiStatements) -> Result<Reply, QueryError> {
        self.acknowledged(&[message(Command::Ping, &[]), set_option(is)]).await
    }

    /// Makes `ROW_COUNT()` 0, as after a statement that changed no rows.
    pub async fn count_no_rows(&mut self) -> Result<(), QueryError> {
        self.acknowledged(&[message(Command::Ping, &[])]).await.map(drop)
    }

    /// Makes `ROW_COUNT()` -1, as after a statement that has rows for its answer, or an error.
    pub async fn count_as_rows(&mut self, is: MultiStatements) -> Result<(), QueryError> {
        self.acknowledged(&[set_option(is)]).await.map(drop)
    }

    /// Sends all messages in one write and gives what all the replies told; the first error is given when all have
    /// come.
    pub async fn acknowledged(&mut self, messages: &[Vec<u8>]) -> Result<Reply, QueryError> {
        self.begin()?;
        let bytes: Vec<u8> = messages.iter().flat_map(|message| self.own(message).into_owned()).collect();
        self.stream.write_all(&bytes).await.map_err(PacketError::Io)?;
        let mut reply = Reply::default();
        let mut refused = None;
        for _ in messages {
            let (seq, payload) = self.stream.read_packet(ACKNOWLEDGEMENT_LIMIT).await?;
            match read(&payload, seq, self.capabilities)? {
                Seen::Ok(ok) => reply.learn(&ok),
                Seen::Eof { status, .. } => reply.status = Some(status),
                Seen::Err(payload) => refused = refused.or_else(|| SqlError::parse(payload)),
                _ => return Err(QueryError::Protocol("not an acknowledgement".into())),
            }
        }
        self.in_flight = false;
        refused.map_or(Ok(reply), |error| Err(QueryError::Sql(error)))
    }
}

/// A message that makes `ROW_COUNT()` -1 and nothing else, where the option is set already.
#[must_use]
pub fn set_option(is: MultiStatements) -> Vec<u8> {
    // `MYSQL_OPTION_MULTI_STATEMENTS_ON` is 0 (`enum_mysql_set_option`).
    let option: u16 = match is {
        MultiStatements::On => 0,
        MultiStatements::Off => 1,
    };
    message(Command::SetOption, &option.to_le_bytes())
}

fn read(payload: &[u8], seq: u8, capabilities: Capabilities) -> Result<Seen<'_>, QueryError> {
    let mut response = Response::new(Shape::Acknowledgement, capabilities);
    let header = Header { len: payload.len(), seq };
    if response.on_header(header, payload.first().copied()) == Need::Skip {
        return Err(QueryError::Protocol("not an acknowledgement".into()));
    }
    response.on_payload(payload).map_err(|error| QueryError::Protocol(error.to_string()))
}
