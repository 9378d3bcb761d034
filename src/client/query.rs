//! `COM_QUERY`: classify once, decide once, then act.

use tokio::time::timeout;

use super::{
    behind::Behind,
    connections::Side,
    ids::{Ids, names_ids},
    incoming::Incoming,
    kill_among::kills_among,
    memory::Condition,
    order::{Finish, Order},
    previous::{ASK_LIMIT, asks},
    run::{Client, Gone},
    settle::{give_back, release},
    shown::LastRoute,
    token::{AFTER_ATTRIBUTE, Brings, token_in},
};
use crate::{
    metrics::Outcome,
    route::{Answer, Held, Leaving, Reason, Route, Standing, Target, decide},
    session::{Isolation, NextTransaction, PinReason},
    sql::{Facts, Hint, Kind, Statement, classify, classify_prefix, scoped},
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

/// What the attributes of a query ask for.
#[derive(Debug, Default)]
struct Asked {
    hint: Option<Hint>,
    token: Option<Vec<u8>>,
}

impl Client {
    /// `COM_QUERY`.
    pub(super) async fn query(&mut self, incoming: &mut Incoming) -> Result<(), Gone> {
        let (statement, asked) = self.read_query(incoming);
        let statement = write_scopes(statement, incoming);
        let token = asked.token.or_else(|| token_in(&statement, incoming.sql()));
        let Some(brings) = self.take_token(token, incoming).await? else { return Ok(()) };
        if asks(&statement) {
            Box::pin(self.keep_before_changes((&statement, incoming.sql()), None)).await;
            if !incoming.is_partial() && Box::pin(self.show_kept(&statement, incoming.sql(), RowEncoding::Text)).await?
            {
                return Ok(());
            }
        } else if !statement.has(Facts::ASKS_INSERT_ID) {
            self.ask_what_waits().await;
        }
        self.idle_clock.behind = Behind::execution_of(statement.kind);
        let route = self.decide_asked(&statement, incoming.sql(), asked.hint, brings);
        if let Some(answer) = route.answer
            && Box::pin(self.answer(incoming, answer)).await?
        {
            let refused = matches!(answer, Answer::RefuseReadOnly | Answer::RefuseInReadOnlyTransaction);
            self.count_answer(&route, if refused { Outcome::Refused } else { Outcome::Ok });
            if !matches!(answer, Answer::ShowProxyRoute | Answer::ShowProxyToken) {
                self.last_route = LastRoute { decided: Some((route.target, route.reason)), ..LastRoute::default() };
            }
            return Ok(());
        }
        if incoming.is_partial() || !(names_ids(&statement) || self.holds_ids(&statement) || kills_among(&statement)) {
            return self.run_query(&route, &statement, incoming).await;
        }
        Box::pin(self.run_with_ids(&route, &statement, incoming)).await
    }

    /// A query in which connections' ids stand.
    async fn run_with_ids(&mut self, route: &Route, statement: &Statement, incoming: &Incoming) -> Result<(), Gone> {
        let (killed, again);
        let (mut statement, mut sql, mut ends) = (statement, incoming.sql(), false);
        if kills_among(statement)
            && let Some(text) = self.kill_among(statement, sql).await
        {
            killed = text;
            again = self.classify(&killed.text, false);
            (statement, sql, ends) = (&again, &killed.text, killed.oneself);
        }
        let ids = self.holds_ids(statement).then(|| Ids::of(statement, sql, None));
        let named = if ids.is_none() && names_ids(statement) { self.with_ids(statement, sql) } else { sql.to_vec() };
        let attributes = incoming.argument().get(..incoming.sql_at).unwrap_or_default();
        let message = message(Command::Query, &[attributes, &named].concat());
        let mut end = MessageEnd::default();
        end.advance(&message);
        let order = Order { message: &message, end, ids: ids.as_ref(), ..Order::new(*route, incoming, Shape::Results) };
        let outcome = self.run_statement(route, order, statement, sql).await?;
        self.released |= ends && outcome == Outcome::Error;
        Ok(())
    }

    async fn run_query(&mut self, route: &Route, statement: &Statement, incoming: &Incoming) -> Result<(), Gone> {
        let order = Order::new(*route, incoming, Shape::Results);
        self.run_statement(route, order, statement, incoming.sql()).await.map(drop)
    }

    /// What a query says, and what its attributes ask for.
    fn read_query(&self, incoming: &mut Incoming) -> (Statement, Asked) {
        let mut asked = Asked::default();
        if Layout::of(self.login.capabilities) == Layout::Named {
            match in_front(incoming.argument(), ROUTE_ATTRIBUTE) {
                Ok(front) => {
                    asked.hint = front.found.and_then(Hint::from_name);
                    asked.token = token_in_front(incoming.argument());
                    incoming.sql_at = front.text_at;
                }
                // However a server reads it, nothing is left for a text: it gives its error.
                Err(Unclear::Truncated) if !incoming.is_partial() => incoming.sql_at = incoming.argument().len(),
                Err(_) => {
                    // The member may know where the text begins.
                    incoming.sql_at = incoming.argument().len();
                    return (Statement::unreadable(self.session.dialect), Asked::default());
                }
            }
        }
        (self.classify(incoming.sql(), incoming.is_partial()), asked)
    }

    /// What a text says.
    pub(super) fn classify(&self, sql: &[u8], is_partial: bool) -> Statement {
        if is_partial { classify_prefix(sql, &self.session.dialect) } else { classify(sql, &self.session.dialect) }
    }

    /// Where it goes.
    pub(super) fn decide(&self, statement: &Statement, sql: &[u8]) -> Route {
        self.decide_asked(statement, sql, None, Brings::Nothing)
    }

    /// Where it goes when a query attribute asks for something, or a token came with it.
    pub(super) fn decide_asked(&self, statement: &Statement, sql: &[u8], hint: Option<Hint>, brings: Brings) -> Route {
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
            splits: self.proxy.policy.split_transactions,
            trusted: &self.proxy.policy.trusted,
            hint,
            has_token: brings == Brings::Token,
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
        let reads_on = route.reason == Reason::SplitTransaction && statement.is_read();
        let leaves = if reads_on && self.has_outlived_its_replica() { Some(Leaving::Moves) } else { route.leaves };
        if leaves.is_some() && reads_on {
            order.route = Route { target: Target::Primary, reason: Reason::InTransaction, ..order.route };
        }
        match leaves {
            // What waits to be asked there must be asked before its connection goes back.
            Some(Leaving::Commits) => {
                self.ask_what_waits().await;
                Box::pin(self.commit_on_replica()).await;
            }
            Some(Leaving::Moves) => {
                if let Err(error) = Box::pin(self.begin_on_primary()).await {
                    Box::pin(self.tell(&mut order, &error)).await?;
                    self.count(route, &Finish::Refused, began.elapsed());
                    return Ok(Outcome::Error);
                }
            }
            None => {}
        }
        if route.opens_read_only {
            order.preface = Some(read_only_transaction(self.session.ledger.next_transaction));
        }
        let ends = statement.kind == Kind::Begin || statement.has(Facts::COMMITS);
        let goes_on = statement.kind == Kind::Several || !ends;
        if route.leaves == Some(Leaving::Commits) && goes_on {
            // The transaction goes on there: what comes before its COMMIT is not to write.
            order.preface = Some("START TRANSACTION READ ONLY");
        }
        order.statement = Some((statement, sql));
        let finish = match self.run(order).await {
            Ok(finish) => finish,
            Err(gone) => {
                self.count_abandoned(route);
                return Err(gone);
            }
        };
        if route.opens_read_only && self.connections.transaction_on_replica {
            // Only now it is known that the statement has opened the transaction that was waited for.
            Box::pin(self.give_up_waiting_transaction()).await;
        }
        self.count(route, &finish, began.elapsed());
        let done = finish.reply().is_some_and(|reply| reply.error.is_none());
        Ok(if done { Outcome::Ok } else { Outcome::Error })
    }

    /// A transaction that is open on a replica ends there before the session goes on on the primary.
    pub(super) async fn commit_on_replica(&mut self) {
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
            release(used.lease);
        }
    }
}

/// The token among the attributes; most queries have none of any name.
fn token_in_front(argument: &[u8]) -> Option<Vec<u8>> {
    in_front(argument, AFTER_ATTRIBUTE).ok()?.found.map(<[u8]>::to_vec)
}

/// Writes the scopes out that a text leaves to the server, where its trackers would not tell what is set.
pub(super) fn write_scopes(statement: Statement, incoming: &mut Incoming) -> Statement {
    let scoped = if incoming.is_partial() { None } else { scoped(incoming.sql(), &statement) };
    let Some(scoped) = scoped else { return statement };
    incoming.replace_sql(&scoped.sql);
    scoped.statement
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
