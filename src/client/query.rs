//! `COM_QUERY`: classify once, decide once, then act.

use tokio::time::timeout;

use super::{
    connections::Side,
    incoming::Incoming,
    memory::Condition,
    order::Order,
    previous::{ASK_LIMIT, asks},
    run::{Client, Gone},
    settle::give_back,
    shown::LastRoute,
};
use crate::{
    metrics::Outcome,
    route::{Answer, Held, Route, Standing, Target, decide},
    session::{Isolation, NextTransaction, PinReason},
    sql::{Facts, Hint, IdUse, Kind, Statement, classify, classify_prefix, scoped},
    wire::{
        Command,
        attributes::{Layout, Unclear, in_front},
        command::message,
        kept_result::RowEncoding,
        packet::MessageEnd,
        response::Shape,
    },
};

/// The query attribute that says where a statement is to be run, like the comment `proxy:primary`.
pub(super) const ROUTE_ATTRIBUTE: &[u8] = b"proxy.route";

impl Client {
    /// `COM_QUERY`.
    pub(super) async fn query(&mut self, incoming: &mut Incoming) -> Result<(), Gone> {
        let (statement, hint) = self.read_query(incoming);
        let statement = write_scopes(statement, incoming);
        if asks(&statement) {
            self.keep_before_changes((&statement, incoming.sql()), None).await;
            if !incoming.is_partial() && self.show_kept(&statement, incoming.sql(), RowEncoding::Text).await? {
                return Ok(());
            }
        } else if !statement.has(Facts::ASKS_INSERT_ID) {
            self.ask_what_waits().await;
        }
        let route = self.decide_hinted(&statement, incoming.sql(), hint);
        if let Some(answer) = route.answer
            && self.answer(incoming, answer).await?
        {
            let refused = matches!(answer, Answer::RefuseReadOnly | Answer::RefuseInReadOnlyTransaction);
            self.count_answer(&route, if refused { Outcome::Refused } else { Outcome::Ok });
            if answer != Answer::ShowProxyRoute {
                self.last_route = LastRoute { decided: Some((route.target, route.reason)), ..LastRoute::default() };
            }
            return Ok(());
        }
        if !names_ids(&statement) || incoming.is_partial() {
            return self.run_query(&route, &statement, incoming).await;
        }
        let attributes = incoming.argument().get(..incoming.sql_at).unwrap_or_default();
        let rewritten = self.with_ids(&statement, incoming.sql());
        let message = message(Command::Query, &[attributes, &rewritten].concat());
        let mut end = MessageEnd::default();
        end.advance(&message);
        let order = Order { message: &message, end, ..Order::new(route, incoming, Shape::Results) };
        self.run_statement(&route, order, &statement, incoming.sql()).await.map(drop)
    }

    async fn run_query(&mut self, route: &Route, statement: &Statement, incoming: &Incoming) -> Result<(), Gone> {
        let order = Order::new(*route, incoming, Shape::Results);
        self.run_statement(route, order, statement, incoming.sql()).await.map(drop)
    }

    /// What a query says, and where its attributes ask for it to be run.
    fn read_query(&self, incoming: &mut Incoming) -> (Statement, Option<Hint>) {
        let mut hint = None;
        if Layout::of(self.login.capabilities) == Layout::Named {
            match in_front(incoming.argument(), ROUTE_ATTRIBUTE) {
                Ok(front) => {
                    hint = front.found.and_then(Hint::from_name);
                    incoming.sql_at = front.text_at;
                }
                // However a server reads it, nothing is left for a text: it gives its error.
                Err(Unclear::Truncated) if !incoming.is_partial() => incoming.sql_at = incoming.argument().len(),
                Err(_) => {
                    // The member may know where the text begins.
                    incoming.sql_at = incoming.argument().len();
                    return (Statement::unreadable(self.session.dialect), None);
                }
            }
        }
        (self.classify(incoming.sql(), incoming.is_partial()), hint)
    }

    /// What a text says.
    pub(super) fn classify(&self, sql: &[u8], is_partial: bool) -> Statement {
        if is_partial { classify_prefix(sql, &self.session.dialect) } else { classify(sql, &self.session.dialect) }
    }

    /// Where it goes.
    pub(super) fn decide(&self, statement: &Statement, sql: &[u8]) -> Route {
        self.decide_hinted(statement, sql, None)
    }

    /// Where it goes when a query attribute asks for something.
    pub(super) fn decide_hinted(&self, statement: &Statement, sql: &[u8], hint: Option<Hint>) -> Route {
        let session = &self.session;
        let on_replica = self.connections.transaction_on_replica;
        let standing = Standing {
            listener: session.listener,
            consistency: session.consistency,
            transaction: session.transaction,
            autocommit: session.autocommit,
            isolation: session.isolation,
            transaction_read_only: session.transaction_read_only,
            next_transaction: session.ledger.next_transaction,
            pins: &session.ledger.pins,
            held: if on_replica { Held::Replica } else { Held::Primary },
            user_variables: &session.ledger.user_variables,
            wrote: !session.causality.is_empty(),
            in_system_schema: session.in_system_schema,
            trusted: &self.proxy.policy.trusted,
            hint,
        };
        decide(statement, sql, &standing)
    }

    /// Runs a statement, text or prepared, with what its route asks for around it.
    pub(super) async fn run_statement(
        &mut self,
        route: &Route,
        mut order: Order<'_>,
        statement: &Statement,
        sql: &[u8],
    ) -> Result<Outcome, Gone> {
        let began = std::time::Instant::now();
        self.last_route = LastRoute { decided: Some((route.target, route.reason)), ..LastRoute::default() };
        if route.ends_transaction {
            // What waits to be asked there must be asked before its connection goes back.
            self.ask_what_waits().await;
            self.commit_on_replica().await;
        }
        let read_only = read_only_transaction(self.session.ledger.next_transaction);
        if route.opens_read_only {
            self.give_up_waiting_transaction().await;
            order.preface = Some(read_only);
        }
        let ends = statement.kind == Kind::Begin || statement.has(Facts::COMMITS);
        let goes_on = statement.kind == Kind::Several || !ends;
        if route.ends_transaction && goes_on {
            // The transaction goes on there: what comes before its COMMIT is not to write.
            order.preface = Some("START TRANSACTION READ ONLY");
        }
        order.statement = Some((statement, sql));
        let before = self.session.ledger.pins.clone();
        let finish = self.run(order).await?;
        self.count(route, &finish, began.elapsed(), &before);
        let done = finish.reply().is_some_and(|reply| reply.error.is_none());
        Ok(if done { Outcome::Ok } else { Outcome::Error })
    }

    /// What commits implicitly ends a read-only transaction on a replica before it runs on the primary.
    async fn commit_on_replica(&mut self) {
        if let Some(mut used) = self.connections.take(Side::Replica) {
            self.keep_answers(&mut used).await;
            let (connection, memory) = used.lease.parts();
            // A connection that hangs stays in flight, and so serves nobody; one that hangs already is asked nothing more.
            // What `completion_type` adds to a COMMIT is not added to an implicit one.
            if connection.is_usable() {
                let commit = connection.query("COMMIT AND NO CHAIN NO RELEASE");
                if !matches!(timeout(ASK_LIMIT, commit).await, Ok(Ok(_))) {
                    memory.condition = Condition::Tainted;
                }
            }
            give_back(used);
        }
        self.connections.transaction_on_replica = false;
        self.session.transaction = crate::session::Transaction::None;
    }

    /// `SET TRANSACTION READ ONLY` has waited on the primary's connection for a transaction that now begins on a
    /// replica.
    async fn give_up_waiting_transaction(&mut self) {
        self.session.ledger.pins.remove(PinReason::NextTransaction);
        if self.session.ledger.pins.is_empty()
            && let Some(mut used) = self.connections.take(Side::Primary)
        {
            self.keep_answers(&mut used).await;
            used.lease.parts().1.condition = Condition::Tainted;
            used.lease.release();
        }
    }

    /// The text with the connection ids in it replaced.
    pub(super) fn with_ids(&self, statement: &Statement, sql: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(sql.len() + 32);
        let mut at = 0;
        for id in statement.ids.as_slice() {
            let (start, end) = (id.span.start as usize, id.span.end as usize);
            let before = sql.get(..start).unwrap_or_default();
            if statement.kind == Kind::Several && is_killed(before) {
                continue;
            }
            out.extend_from_slice(sql.get(at..start).unwrap_or_default());
            out.extend_from_slice(&self.replacement(id.id_use, id.span.of(sql), sql.get(end..).unwrap_or_default()));
            at = end;
        }
        out.extend_from_slice(sql.get(at..).unwrap_or_default());
        out
    }
}

impl Client {
    /// What stands in the place of an id; `behind` is the text behind it.
    fn replacement(&self, id_use: IdUse, written: &[u8], behind: &[u8]) -> Vec<u8> {
        let own = self.registered.handle.id;
        match id_use {
            IdUse::OwnColumn if ends_item(behind) => {
                let mut out = format!("{} AS `", own.get()).into_bytes();
                out.extend(written.iter().filter(|&&byte| byte != b'`'));
                out.push(b'`');
                out
            }
            IdUse::Own | IdUse::OwnColumn => own.get().to_string().into_bytes(),
            IdUse::Kill | IdUse::Explain => {
                self.member_thread(written).map_or_else(|| written.to_vec(), |id| id.to_string().into_bytes())
            }
        }
    }
}

/// Writes the scopes out that a text leaves to the server, where its trackers would not tell what is set.
pub(super) fn write_scopes(statement: Statement, incoming: &mut Incoming) -> Statement {
    let scoped = if incoming.is_partial() { None } else { scoped(incoming.sql(), &statement) };
    let Some(scoped) = scoped else { return statement };
    incoming.replace_sql(&scoped.sql);
    scoped.statement
}

/// Whether connection ids in the text must be replaced. What is stored (a view, a procedure) keeps its words.
pub(super) fn names_ids(statement: &Statement) -> bool {
    !statement.ids.as_slice().is_empty() && statement.kind != Kind::Ddl
}

/// Whether a `KILL` stands before: one of several statements is the member's to do, and the id its own.
fn is_killed(before: &[u8]) -> bool {
    let word = before.trim_ascii_end().rsplit(|byte| !byte.is_ascii_alphanumeric()).next().unwrap_or_default();
    [&b"kill"[..], b"query", b"connection", b"soft", b"hard"].iter().any(|verb| word.eq_ignore_ascii_case(verb))
}

/// Whether an item of a select list ends here, so that it has no alias of its own.
fn ends_item(behind: &[u8]) -> bool {
    let behind = behind.trim_ascii_start();
    matches!(behind.first(), None | Some(b',' | b';'))
        || behind
            .get(..5)
            .is_some_and(|word| word.eq_ignore_ascii_case(b"from ") || word.eq_ignore_ascii_case(b"from\n"))
}

/// The statement that makes the next transaction a read-only one of the wanted isolation.
const fn read_only_transaction(next: NextTransaction) -> &'static str {
    match next.isolation {
        None => "SET TRANSACTION READ ONLY",
        Some(Isolation::ReadUncommitted) => "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED, READ ONLY",
        Some(Isolation::ReadCommitted) => "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY",
        Some(Isolation::RepeatableRead) => "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        Some(Isolation::Serializable) => "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY",
    }
}

/// Whether a statement must go to the primary whatever its route says when it is prepared.
pub(super) const fn prepares_on_replica(route: &Route) -> bool {
    matches!(route.target, Target::Replica)
}
