//! Statements that the proxy answers itself.

use super::{
    commands::plain_route,
    handle::Scope,
    incoming::Incoming,
    kill::{Force, Means, Verdict},
    order::Order,
    refusal,
    run::{Client, Gone},
};
use crate::{
    route::{Answer, KillId, Reason, Target},
    sql::ServerKind,
    wire::{
        response::Shape,
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
                let table = self.last_route.table(self.session.causality.gtids(), &self.session.ledger.pins);
                self.show(incoming, &table).await?;
            }
            Answer::ShowProxyToken => self.show_token(incoming).await?,
            Answer::Kill { id, means } => {
                let means = Means::from(means);
                let verdict = match id {
                    KillId::Own => self.kill_oneself(means.scope),
                    KillId::Number(span) => match number(span.of(incoming.sql())) {
                        Some(id) => self.kill(means, id).await,
                        None => Verdict::Member,
                    },
                    KillId::Parameter => Verdict::Member,
                };
                return self.tell_verdict(incoming, verdict, means.scope).await;
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
        const MEANS: Means = Means { scope: Scope::Connection, force: Force::Hard };
        let id = incoming.argument().first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes));
        let verdict = match id {
            Some(id) => self.kill(MEANS, id).await,
            None => Verdict::Refused(refusal::malformed("COM_PROCESS_KILL")),
        };
        if !self.tell_verdict(incoming, verdict, MEANS.scope).await? {
            let route = plain_route(Target::Primary, Reason::Kill);
            self.run(Order::new(route, incoming, Shape::Acknowledgement)).await?;
        }
        Ok(())
    }

    /// The reply to a `KILL`; false when a member must give it.
    pub(super) async fn tell_verdict(
        &mut self,
        incoming: &mut Incoming,
        verdict: Verdict,
        scope: Scope,
    ) -> Result<bool, Gone> {
        match verdict {
            Verdict::Member => return Ok(false),
            Verdict::Done => {
                incoming.discard_rest(&mut self.stream).await?;
                self.acknowledge(incoming.reply_seq()).await?;
            }
            Verdict::Refused(error) => self.answer_error(incoming, &error).await?,
            Verdict::Oneself(error) => {
                self.released |= scope == Scope::Connection;
                self.answer_error(incoming, &error).await?;
            }
        }
        Ok(true)
    }

    pub(super) async fn show(&mut self, incoming: &mut Incoming, table: &TextResult) -> Result<(), Gone> {
        incoming.discard_rest(&mut self.stream).await?;
        let mut out = Vec::new();
        self.previous.row_count = -1;
        table.put(&mut out, incoming.reply_seq(), (self.login.capabilities, self.login.extensions), self.status());
        Ok(self.stream.write_all(&out).await?)
    }
}

fn number(written: &[u8]) -> Option<u32> {
    std::str::from_utf8(written).ok()?.parse().ok()
}
