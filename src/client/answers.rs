//! Statements that the proxy answers itself.

use super::{
    incoming::Incoming,
    refusal,
    registry::{ClientId, Handle},
    run::{Client, Gone},
};
use crate::{
    backend::{Connection, DialOptions},
    route::{Answer, KillId},
    sql::ServerKind,
    wire::{
        Capabilities, Extensions,
        err::SqlError,
        resultset::{ColumnType, TextResult},
    },
};

impl Client {
    /// Answers; false when a member must answer after all.
    pub(super) async fn answer(&mut self, incoming: &mut Incoming, answer: Answer) -> Result<bool, Gone> {
        match answer {
            Answer::ConnectionId { column } => {
                let written = column.of(incoming.sql());
                let name: Vec<u8> = written.iter().copied().filter(|byte| !b"`'\"".contains(byte)).collect();
                let id = self.registered.handle.id.get().to_string();
                let limit = self.session.settings.variables.get(&b"sql_select_limit"[..]);
                let rows = u64::from(limit.is_none_or(|limit| limit != b"0"));
                let kind = match self.session.dialect.server {
                    ServerKind::MariaDb => ColumnType::UnsignedInt,
                    _ => ColumnType::Unsigned,
                };
                let table = TextResult::new(&[(&name, kind)]);
                let table = if rows == 0 { table } else { table.row(&[Some(id.as_bytes())]) };
                self.previous.answered(rows, self.session.dialect.server);
                self.show(incoming, &table).await?;
            }
            Answer::ShowProxyRoute => {
                let table = self.last_route.table(self.session.causality.gtids());
                self.show(incoming, &table).await?;
            }
            Answer::Kill { query, id } => {
                let id = match id {
                    KillId::Own => Some(self.registered.handle.id.get()),
                    KillId::Number(span) => number(span.of(incoming.sql())),
                };
                let handle = id.and_then(|id| self.proxy.clients.find(ClientId::from_number(id)));
                let Some(handle) = handle else { return Ok(false) };
                self.kill(incoming, &handle, query).await?;
            }
            Answer::RefuseReadOnly | Answer::RefuseInReadOnlyTransaction => {
                return self.refuse_by_answer(incoming, answer).await;
            }
        }
        Ok(true)
    }

    /// The refusals among the answers; false for the others.
    pub(super) async fn refuse_by_answer(&mut self, incoming: &mut Incoming, answer: Answer) -> Result<bool, Gone> {
        let error = match answer {
            Answer::RefuseReadOnly => refusal::read_only_listener(),
            Answer::RefuseInReadOnlyTransaction => refusal::in_read_only_transaction(self.session.dialect.server),
            _ => return Ok(false),
        };
        self.answer_error(incoming, &error).await?;
        Ok(true)
    }

    /// `COM_PROCESS_KILL`.
    pub(super) async fn process_kill(&mut self, incoming: &mut Incoming) -> Result<(), Gone> {
        let id = incoming.argument().first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes));
        match id.and_then(|id| self.proxy.clients.find(ClientId::from_number(id))) {
            Some(handle) => self.kill(incoming, &handle, false).await,
            None => self.answer_error(incoming, &unknown_thread(id.unwrap_or(0))).await,
        }
    }

    async fn show(&mut self, incoming: &mut Incoming, table: &TextResult) -> Result<(), Gone> {
        incoming.discard_rest(&mut self.stream).await?;
        let mut out = Vec::new();
        self.previous.row_count = -1;
        table.put(&mut out, incoming.reply_seq(), (self.login.capabilities, self.login.extensions), self.status());
        Ok(self.stream.write_all(&out).await?)
    }

    /// Kills the statement that runs for a client, on a connection of its own and with the rights of who asks.
    async fn kill(&mut self, incoming: &mut Incoming, target: &Handle, query_only: bool) -> Result<(), Gone> {
        incoming.discard_rest(&mut self.stream).await?;
        if target.id == self.registered.handle.id {
            return self.kill_self(incoming, query_only).await;
        }
        let running = target.aim();
        if let Some(running) = running {
            let options = DialOptions {
                connect_timeout: self.proxy.policy.acquire_timeout,
                capabilities: Capabilities::empty(),
                extensions: Extensions::empty(),
                collation: None,
            };
            let what = if query_only { "KILL QUERY" } else { "KILL" };
            let sql = format!("{what} {}", running.thread_id);
            let outcome = match Connection::dial(running.address, &self.account, &options).await {
                Ok(mut connection) => connection.query(&sql).await.map(drop).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(problem) = outcome {
                let error = SqlError::proxy(1095, *b"HY000", &format!("cannot kill {}: {problem}", target.id.get()));
                return self.answer_error(incoming, &error).await;
            }
        } else if target.user != self.account.user {
            let text = format!("you are not the owner of connection {}, which is idle", target.id.get());
            return self.answer_error(incoming, &SqlError::proxy(1095, *b"HY000", &text)).await;
        }
        if !query_only {
            target.kill.cancel();
        }
        self.acknowledge(incoming.reply_seq()).await
    }

    /// A session that kills itself gets what a server gives: error 1317.
    async fn kill_self(&mut self, incoming: &mut Incoming, query_only: bool) -> Result<(), Gone> {
        if !query_only {
            self.registered.handle.kill.cancel();
        }
        let message = "Query execution was interrupted".to_owned();
        self.answer_error(incoming, &SqlError { code: 1317, state: *b"70100", message }).await
    }
}

fn number(written: &[u8]) -> Option<u32> {
    std::str::from_utf8(written).ok()?.parse().ok()
}

fn unknown_thread(id: u32) -> SqlError {
    SqlError { code: 1094, state: *b"HY000", message: format!("Unknown thread id: {id}") }
}
