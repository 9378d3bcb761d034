//! What is kept for the client of the statement before when the connection that knew it goes back to the pool: its
//! conditions, and how many rows it found.
//!
//! Knows how to ask for them and how to answer from them. Must not know when a connection goes back.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{
    connections::Used,
    order::Order,
    previous::{ASK_LIMIT, Diagnostics, asks, asks_diagnostics},
    run::{Client, Gone},
    shown::LastRoute,
    texts::StatementText,
};
use crate::{
    backend::Connection,
    metrics::Outcome,
    pool::BackendId,
    route::{Route, Target},
    session::PinReason,
    sql::{
        Dialect, Facts, Kind, ServerKind, Statement,
        previous::{Conditions, Number, ShowConditions, numbers, show_conditions},
    },
    wire::{
        Command, HEADER_LEN, StatusFlags,
        attributes::{Layout, in_front},
        command::message,
        err::SqlError,
        kept_result::{KeptResult, RowEncoding},
    },
};

/// The most bytes of conditions that are kept for a client.
const CONDITIONS_LIMIT: usize = 1024 * 1024;

/// The longest name of a column, in bytes of ASCII.
const LONGEST_NAME: usize = 64;

/// What `SHOW WARNINGS` said.
#[derive(Debug)]
pub(super) struct KeptConditions {
    rows: KeptResult,
    /// `@@warning_count`, which may be more than the rows.
    warnings: u64,
    errors: u64,
}

/// How many rows the statement before found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum FoundRows {
    /// As many as the connection at hand says.
    #[default]
    Anywhere,
    /// This connection knows. It sent so many rows, which is the number but for `SQL_CALC_FOUND_ROWS`.
    On(BackendId, u64),
    /// So many.
    Kept(u64),
}

/// Numbers that must stand in a statement's text in place of those that it asks for, as no connection can be made to say
/// them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    pub row_count: Option<i64>,
    pub found_rows: Option<u64>,
    /// `@@warning_count` and `@@error_count`.
    pub conditions: Option<(u64, u64)>,
}

impl Client {
    /// Asks a connection that is about to go back for what the client may still want to know.
    pub(super) async fn keep_answers(&mut self, used: &mut Used) {
        let id = used.lease.id();
        let conditions = self.previous.has_diagnostics_on(id);
        let found_rows = self.previous.may_be_asked_for_found_rows()
            && matches!(self.previous.found_rows, FoundRows::On(on, _) if on == id);
        let (connection, memory) = used.lease.parts();
        if !(conditions || found_rows) || !connection.is_usable() {
            return;
        }
        memory.row_count = Some(-1);
        // MySQL warns of the question itself.
        memory.has_diagnostics |= found_rows;
        // It leaves the found rows as they are; the other way round MySQL would clear the conditions.
        let mut kept = None;
        if conditions {
            kept = within(ASK_LIMIT, ask_conditions(connection)).await;
        }
        if found_rows
            && connection.is_usable()
            && let Some(said) = within(ASK_LIMIT, ask_found_rows(connection)).await
        {
            self.previous.found_rows = FoundRows::Kept(said);
        }
        if conditions {
            if let Some(kept) = kept.as_mut().filter(|kept| kept.warnings < self.previous.raised.into()) {
                self.count_unlisted(connection, kept).await;
            }
            self.previous.diagnostics = kept.map_or(Diagnostics::Nowhere, |kept| Diagnostics::Kept(Box::new(kept)));
        }
    }

    /// More conditions have been raised than `max_error_count` keeps; or, on `MariaDB`, what ran since has taken them away.
    /// The question finds a row, and takes what its connection found before.
    async fn count_unlisted(&self, connection: &mut Connection, kept: &mut KeptConditions) {
        if self.session.dialect.server == ServerKind::MySql {
            kept.warnings = self.previous.raised.into();
            return;
        }
        if connection.is_usable()
            && let Some((warnings, errors)) = within(ASK_LIMIT, ask_counts(connection)).await
        {
            (kept.warnings, kept.errors) = (warnings, errors);
        }
    }

    /// Conditions that are asked for on a connection which must be changed first (settings, the question prepared) are
    /// kept, as the change may take them away.
    pub(super) async fn keep_before_changes(
        &mut self,
        (question, sql): (&Statement, &[u8]),
        text: Option<&Arc<StatementText>>,
    ) {
        // `GET DIAGNOSTICS`, or several statements in one text, find them nowhere else.
        let shows = show_conditions(sql, question.dialect).is_some();
        let may_move = shows || (question.kind != Kind::Diagnostics && may_hold_numbers(question));
        let Some(side) = self.diagnostics_side().filter(|_| asks_diagnostics(question) && may_move) else { return };
        let last = self.connections.last;
        let Some(mut used) = self.connections.take(side) else { return };
        let (_, memory) = used.lease.parts();
        if !memory.has(&self.session.settings) || text.is_some_and(|text| memory.prepared(text).is_none()) {
            self.keep_answers(&mut used).await;
        }
        self.connections.keep(side, used);
        // That was no statement.
        self.connections.last = last;
    }

    /// Answers `SHOW WARNINGS` and `SHOW ERRORS` from what was kept; false when a connection must be asked.
    pub(super) async fn show_kept(
        &mut self,
        statement: &Statement,
        sql: &[u8],
        encoding: RowEncoding,
    ) -> Result<bool, Gone> {
        let Diagnostics::Kept(kept) = &self.previous.diagnostics else { return Ok(false) };
        if statement.kind != Kind::Diagnostics {
            return Ok(false);
        }
        let Some(ShowConditions::Rows { of, skip, most }) = show_conditions(sql, statement.dialect) else {
            return Ok(false);
        };
        let mut out = Vec::new();
        kept.put(&mut out, (of, skip, most), self.status(), encoding);
        self.stream.write_all(&out).await?;
        self.previous.row_count = -1;
        let route = Route { target: Target::Proxy, ..self.decide(statement, sql) };
        self.count_answer(&route, Outcome::Ok);
        self.last_route = LastRoute { decided: Some((route.target, route.reason)), ..LastRoute::default() };
        Ok(true)
    }

    /// Others have used the connection since: what it finds is theirs.
    pub(super) fn forget_what_others_took(&mut self, used: &mut Used) {
        let is_mine = used.lease.parts().1.last_user == Some(self.registered.handle.id);
        if let FoundRows::On(on, sent) = self.previous.found_rows
            && on == used.lease.id()
            && !is_mine
        {
            self.previous.found_rows = FoundRows::Kept(sent);
        }
    }

    /// The text that must be executed in place of a prepared one that asks for numbers which the connection cannot say.
    pub(super) fn prepared_with_numbers(&self, used: &mut Used, order: &Order<'_>) -> Option<Arc<StatementText>> {
        let (statement, sql) = order.statement?;
        let prepared = order.prepared?;
        // The prepared one may have a cursor, or parameters that were sent ahead.
        let stands =
            [PinReason::OpenCursor, PinReason::LongData].iter().any(|pin| self.session.ledger.pins.contains(*pin));
        if stands || !asks(statement) || !may_hold_numbers(statement) {
            return None;
        }
        let id = used.lease.id();
        let (_, memory) = used.lease.parts();
        let is_mine = memory.last_user == Some(self.registered.handle.id);
        let mut numbers = self.kept_numbers(statement, id);
        let says = memory.row_count.filter(|_| is_mine);
        let wanted = self.previous.row_count;
        if !numbers.is_empty() || (wanted > 0 && says != Some(wanted)) {
            numbers.row_count = Some(wanted);
        }
        let text = numbers.in_text(sql, statement.dialect);
        // It means what the prepared one meant: in its database, under its SQL mode.
        (text != sql).then(|| self.proxy.texts.intern(&text, &prepared.settings))
    }

    /// The numbers that were kept, for a statement that asks this connection for the one before.
    pub(super) fn kept_numbers(&self, statement: &Statement, id: BackendId) -> Numbers {
        let asks = statement.has(Facts::ASKS_FOUND_ROWS);
        let found_rows = match self.previous.found_rows {
            FoundRows::Kept(found) => Some(found),
            FoundRows::On(on, sent) if on != id => Some(sent),
            FoundRows::On(..) | FoundRows::Anywhere => None,
        };
        let found_rows = found_rows.filter(|_| asks);
        let conditions = match &self.previous.diagnostics {
            Diagnostics::Kept(kept) => Some((kept.warnings, kept.errors)),
            _ => None,
        };
        Numbers { row_count: None, found_rows, conditions }
    }
}

impl KeptConditions {
    fn put(
        &self,
        out: &mut Vec<u8>,
        (of, skip, most): (Conditions, u64, u64),
        status: StatusFlags,
        encoding: RowEncoding,
    ) {
        let levels = self.rows.first_columns().enumerate();
        let wanted = levels.filter(|(_, level)| of == Conditions::All || is_error(level)).map(|(at, _)| at);
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let wanted: Vec<usize> = wanted.skip(skip).take(most).collect();
        self.rows.put(out, 1, status, encoding, |at| wanted.binary_search(&at).is_ok());
    }
}

fn is_error(level: &[u8]) -> bool {
    level.eq_ignore_ascii_case(b"error")
}

/// The answer, unless it does not come in time or not at all; a connection that hangs or broke is in flight, and so
/// serves nobody.
async fn within<T>(limit: Duration, answer: impl Future<Output = Option<T>>) -> Option<T> {
    timeout(limit, answer).await.ok().flatten()
}

async fn ask_conditions(connection: &mut Connection) -> Option<KeptConditions> {
    let question = message(Command::Query, b"SHOW WARNINGS");
    let reply = connection.verbatim(&question, CONDITIONS_LIMIT).await.ok()??;
    let rows = KeptResult::read(&reply, connection.capabilities())?;
    let warnings = rows.first_columns().count() as u64;
    let errors = rows.first_columns().filter(|level| is_error(level)).count() as u64;
    Some(KeptConditions { rows, warnings, errors })
}

/// `@@warning_count` and `@@error_count`.
async fn ask_counts(connection: &mut Connection) -> Option<(u64, u64)> {
    let warnings = ask_number(connection, "SHOW COUNT(*) WARNINGS").await?;
    Some((warnings, ask_number(connection, "SHOW COUNT(*) ERRORS").await?))
}

/// The conditions of a connection whose error the client got as another one.
pub(super) async fn keep_replaced(connection: &mut Connection, told: &SqlError) -> Diagnostics {
    let Some(mut kept) = within(ASK_LIMIT, ask_conditions(connection)).await else {
        return Diagnostics::Own(told.clone());
    };
    let (code, message) = (told.code.to_string(), told.message.as_bytes());
    kept.rows.replace_rows(is_error, &[b"Error", code.as_bytes(), message]);
    Diagnostics::Kept(Box::new(kept))
}

async fn ask_found_rows(connection: &mut Connection) -> Option<u64> {
    ask_number(connection, "SELECT FOUND_ROWS()").await
}

async fn ask_number(connection: &mut Connection, question: &str) -> Option<u64> {
    let said = connection.query(question).await.ok()?;
    std::str::from_utf8(said.rows.first()?.first()?.as_deref()?).ok()?.parse().ok()
}

/// Whether numbers may stand in place of what a statement asks for: in one statement of a text that is whole, and not in
/// what is stored.
pub(super) fn may_stand_as_numbers(order: &Order<'_>) -> bool {
    let may = order.statement.is_some_and(|(statement, _)| may_hold_numbers(statement));
    may && order.prepared.is_none() && order.end.is_done()
}

fn may_hold_numbers(statement: &Statement) -> bool {
    matches!(statement.kind, Kind::Read | Kind::Write | Kind::Set | Kind::Do | Kind::Diagnostics)
        && !statement.has(Facts::SEVERAL | Facts::TRUNCATED | Facts::VERSIONED)
        && statement.doubt.is_none()
}

impl Numbers {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Numbers::default()
    }

    /// The message with numbers in place of what it asks for; attributes in front of the text stay.
    pub fn in_place(&self, written: &[u8], dialect: Dialect, layout: Layout) -> Vec<u8> {
        let argument = written.get(HEADER_LEN + 1..).unwrap_or_default();
        let text_at = match layout {
            Layout::Plain => 0,
            Layout::Named => in_front(argument, b"").map_or(0, |front| front.text_at),
        };
        let (attributes, sql) = argument.split_at(text_at);
        let text = self.in_text(sql, dialect);
        message(Command::Query, &[attributes, &text].concat())
    }

    fn in_text(&self, sql: &[u8], dialect: Dialect) -> Vec<u8> {
        if let (Some((warnings, errors)), Some(ShowConditions::Count(of))) =
            (self.conditions, show_conditions(sql, dialect))
        {
            let (count, name) = match of {
                Conditions::All => (warnings, "@@session.warning_count"),
                Conditions::Errors => (errors, "@@session.error_count"),
            };
            return format!("SELECT {} AS `{name}`", unsigned(count, name)).into_bytes();
        }
        let mut out = Vec::with_capacity(sql.len() + 64);
        let mut at = 0;
        for asked in numbers(sql, dialect) {
            let original = asked.span.of(sql);
            let Some(value) = self.value(asked.number, &String::from_utf8_lossy(original)) else { continue };
            out.extend_from_slice(sql.get(at..asked.span.start as usize).unwrap_or_default());
            out.extend_from_slice(value.as_bytes());
            // Servers name no column by more.
            if asked.is_column && original.len() <= LONGEST_NAME {
                out.extend_from_slice(b" AS `");
                out.extend(
                    original
                        .iter()
                        .flat_map(|byte| if *byte == b'`' { b"``".as_slice() } else { std::slice::from_ref(byte) }),
                );
                out.push(b'`');
            }
            at = asked.span.end as usize;
        }
        out.extend_from_slice(sql.get(at..).unwrap_or_default());
        out
    }

    /// An expression that has the value, and of which the servers make the same column as of the `original`.
    fn value(&self, number: Number, original: &str) -> Option<String> {
        let signed = |value: i64| format!("IF(1,{value},{original})");
        match number {
            Number::RowCount => self.row_count.map(signed),
            Number::FoundRows => self.found_rows.map(|found| signed(found.cast_signed())),
            Number::WarningCount => self.conditions.map(|(warnings, _)| unsigned(warnings, original)),
            Number::ErrorCount => self.conditions.map(|(_, errors)| unsigned(errors, original)),
        }
    }
}

fn unsigned(value: u64, original: &str) -> String {
    format!("IF(1,CAST({value} AS UNSIGNED),{original})")
}

/// Whether a `SELECT` finds more rows than it gives.
pub(super) fn counts_all_rows(sql: &[u8]) -> bool {
    /// It stands among the first words.
    const WITHIN: usize = 96;
    const WORD: &[u8] = b"sql_calc_found_rows";
    let start = sql.get(..WITHIN).unwrap_or(sql);
    // By its rare letter: this is looked for in every statement that has rows.
    let begins = memchr::memchr_iter(b'_', start).filter_map(|at| at.checked_sub(b"sql".len()));
    begins.into_iter().any(|at| sql.get(at..at + WORD.len()).is_some_and(|word| word.eq_ignore_ascii_case(WORD)))
}

/// Whether a statement that has no rows changes what `FOUND_ROWS()` gives: one that copies rows, and on `MySQL` some
/// others.
pub(super) fn finds_rows(statement: &Statement, sql: &[u8], server: ServerKind) -> bool {
    let words = crate::sql::details::words::<4>(sql, statement.dialect).map(|word| word.of(sql));
    let [first, ..] = words;
    match server {
        _ if statement.kind == Kind::Ddl => {
            // `CREATE TABLE … SELECT`, on MariaDB
            let selects = || sql.windows(b"select".len()).any(|text| text.eq_ignore_ascii_case(b"select"));
            let makes = server != ServerKind::MySql && words.iter().any(|word| word.eq_ignore_ascii_case(b"table"));
            makes && selects()
        }
        ServerKind::MySql if first.eq_ignore_ascii_case(b"update") || first.eq_ignore_ascii_case(b"do") => true,
        _ => {
            statement.kind == Kind::Write
                && statement.has(Facts::READS_TABLES)
                && !first.eq_ignore_ascii_case(b"delete")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_in_place_of_what_is_asked_behind_any_attributes() {
        let numbers = Numbers { row_count: Some(3), ..Numbers::default() };
        let replaced = |argument: &[u8], layout: Layout| {
            let message = numbers.in_place(&message(Command::Query, argument), Dialect::default(), layout);
            message[HEADER_LEN + 1..].to_vec()
        };
        let expected = b"SELECT IF(1,3,ROW_COUNT()) AS `ROW_COUNT()`";
        assert_eq!(replaced(b"SELECT ROW_COUNT()", Layout::Plain), expected);
        let front = b"\x01\x01\x00\x01\xfe\x00\x01n\x0bROW_COUNT()";
        let with_attributes = [&front[..], b"SELECT ROW_COUNT()"].concat();
        assert_eq!(replaced(&with_attributes, Layout::Named), [&front[..], expected].concat());
    }

    #[test]
    fn a_select_that_counts_all_rows_is_found_in_any_spelling() {
        assert!(counts_all_rows(b"SELECT SQL_CALC_FOUND_ROWS a FROM t LIMIT 1"));
        assert!(counts_all_rows(b"select distinct Sql_Calc_Found_Rows a_b FROM t"));
        assert!(!counts_all_rows(b"SELECT a_b, sql_c FROM t_"));
        assert!(!counts_all_rows(b"_"));
    }

    #[test]
    fn only_what_is_known_is_replaced() {
        let numbers = Numbers { row_count: None, found_rows: Some(7), conditions: Some((2, 1)) };
        let replaced = |sql: &str| String::from_utf8(numbers.in_text(sql.as_bytes(), Dialect::default())).unwrap();
        assert_eq!(
            replaced("SELECT ROW_COUNT(), FOUND_ROWS() AS f, @@local.`error_count`"),
            "SELECT ROW_COUNT(), IF(1,7,FOUND_ROWS()) AS f, IF(1,CAST(1 AS UNSIGNED),@@local.`error_count`) AS \
             `@@local.``error_count```"
        );
        assert_eq!(
            replaced("show count(*) warnings;"),
            "SELECT IF(1,CAST(2 AS UNSIGNED),@@session.warning_count) AS `@@session.warning_count`"
        );
        assert_eq!(replaced("SHOW WARNINGS"), "SHOW WARNINGS");
    }
}
