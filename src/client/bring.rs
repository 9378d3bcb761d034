//! Brings a leased connection to a session's settings.

use std::{collections::BTreeMap, future::Future, io, sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{
    member_errors::is_unprepared,
    memory::{Condition, Memory, seconds},
    takeover::SYNC_WAIT,
    texts::StatementText,
};
use crate::{
    backend::{Connection, Database, MultiStatements, QueryError, Reply, set_option},
    net::PacketError,
    session::{Difference, Settings, Unreachable},
    wire::{Capabilities, Command, command::message, err::SqlError, ok::Change, response::Shape, server::ServerFamily},
};

/// Character sets and the collation of the connection, in the order of [`BASELINE`], the SQL mode, and how long a session may
/// be idle.
const ASK_DEFAULTS: &str = "SELECT @@character_set_client, @@character_set_connection, @@character_set_results, \
                            @@collation_connection, @@sql_mode, @@autocommit, @@wait_timeout";
const BASELINE: [&str; 4] =
    ["character_set_client", "character_set_connection", "character_set_results", "collation_connection"];

const SQL_MODE: &[u8] = b"sql_mode";

/// `ER_MAX_PREPARED_STMT_COUNT_REACHED`: those of all connections of the member together.
const TOO_MANY_PREPARED: u16 = 1461;

/// How long a member may take for it. A reset may undo what somebody else has left; then the connection is closed instead.
const LIMIT: Duration = Duration::from_secs(10);

/// What a fresh connection has.
struct Defaults {
    /// A reset may not bring them back.
    character_sets: BTreeMap<Vec<u8>, Vec<u8>>,
    sql_mode: Vec<u8>,
    autocommit: bool,
    wait_timeout: Duration,
}

/// Why a connection could not be brought to the wanted settings.
#[derive(Debug, thiserror::Error)]
pub enum BringError {
    /// It never can: another connection is needed.
    #[error("the connection cannot come to have what the session has")]
    Unreachable,
    /// The member refuses to prepare a statement. The connection has the session's settings.
    #[error("{0}")]
    Prepare(SqlError),
    /// The member did not come to have what the session has written elsewhere.
    #[error("it has not caught up with the session's writes: {0}")]
    Behind(SqlError),
    /// The member refused a setting, or the connection broke.
    #[error(transparent)]
    Query(#[from] QueryError),
}

impl BringError {
    /// The member does not serve anybody now.
    #[must_use]
    pub const fn is_unprepared(&self) -> bool {
        match self {
            BringError::Behind(_) => true,
            BringError::Query(QueryError::Sql(error)) => is_unprepared(error.code),
            _ => false,
        }
    }
}

impl From<Unreachable> for BringError {
    fn from(_: Unreachable) -> Self {
        BringError::Unreachable
    }
}

/// Whether the session's own state stands on the connection, so that it must not be reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It does.
    Yes,
    /// The connection comes from the pool.
    No,
}

impl From<bool> for Held {
    fn from(held: bool) -> Self {
        if held { Held::Yes } else { Held::No }
    }
}

/// Brings the connection to `wanted`. Costs nothing when it is there already. Cancel safe: an interrupted connection
/// is in flight, and so is never used again.
pub async fn bring(
    connection: &mut Connection,
    memory: &mut Memory,
    wanted: &Arc<Settings>,
    held: Held,
) -> Result<(), BringError> {
    if memory.ignores_sync_wait && held == Held::No && waits_for_sync(wanted) {
        return Err(BringError::Unreachable);
    }
    if memory.has(wanted) {
        return Ok(());
    }
    Box::pin(within_limit(bring_now(connection, memory, wanted, held))).await
}

/// Whether the session has its reads wait for the writes of all nodes of a Galera cluster.
pub(super) fn waits_for_sync(wanted: &Settings) -> bool {
    wanted.variables.get(SYNC_WAIT).is_some_and(|value| value != b"0")
}

/// Work that is given up when the member does not answer; its connection is then in flight, and so never used again.
async fn within_limit<T, E: From<QueryError>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, "the member did not answer in time");
    timeout(LIMIT, work).await.unwrap_or_else(|_| Err(QueryError::Broken(PacketError::Io(late())).into()))
}

async fn bring_now(
    connection: &mut Connection,
    memory: &mut Memory,
    wanted: &Arc<Settings>,
    held: Held,
) -> Result<(), BringError> {
    memory.row_count = None;
    match memory.condition {
        Condition::Fresh | Condition::Untracked => set_up(connection, memory).await?,
        Condition::Tainted => reset(connection, memory).await?,
        Condition::Known => {}
    }
    let mut difference = memory.settings.difference(wanted, &memory.baseline)?;
    // Until all of it is done the connection's settings are not known.
    memory.condition = Condition::Tainted;
    if difference.reset && held == Held::No {
        reset(connection, memory).await?;
        memory.condition = Condition::Tainted;
        if memory.settings.database != wanted.database {
            difference.database.clone_from(&wanted.database);
        }
    }
    if memory.ignores_sync_wait && held == Held::No && waits_for_sync(wanted) {
        return Err(BringError::Unreachable);
    }
    close_statements(connection, memory).await?;
    let messages = messages(difference, memory.client_character_set());
    if !messages.is_empty() {
        connection.ask_all(&messages).await?;
        // Some settings are warned of, and not for the client to see.
        memory.has_diagnostics = true;
    }
    memory.settings = Arc::clone(wanted);
    memory.condition = Condition::Known;
    Ok(())
}

/// The member's id of a statement on a connection that has the session's settings, and has them again afterwards. The
/// statement is prepared here if it is not yet, under the settings that gave its text its meaning.
pub async fn prepared_id(
    connection: &mut Connection,
    memory: &mut Memory,
    text: &Arc<StatementText>,
    session: &Arc<Settings>,
    held: Held,
) -> Result<u32, BringError> {
    if let Some(id) = memory.prepared(text) {
        return Ok(id);
    }
    memory.row_count = None;
    let mut preparing = text.settings.for_preparing(session);
    if session.variables.contains_key(SQL_MODE) {
        // Where the session had not set it yet it had a fresh connection's, which need not be reset for that.
        preparing.variables.entry(SQL_MODE.to_vec()).or_insert_with(|| memory.sql_mode.clone());
    }
    let preparing = Arc::new(preparing);
    if memory.settings.user_variables != preparing.user_variables {
        // Strings are left alone until the session's settings are back, and then said again.
        Arc::make_mut(&mut memory.settings).user_variables.clone_from(&preparing.user_variables);
    }
    match bring(connection, memory, &preparing, held).await {
        // Its database has gone, say. What did come through is taken back: what the session holds here is not lost.
        Err(BringError::Query(QueryError::Sql(error))) if held == Held::Yes => {
            memory.settings = preparing;
            memory.condition = Condition::Known;
            bring(connection, memory, session, held).await?;
            return Err(BringError::Prepare(error));
        }
        brought => brought?,
    }
    let mut prepared = connection.prepare(&text.sql).await;
    if matches!(&prepared, Err(QueryError::Sql(error)) if error.code == TOO_MANY_PREPARED) && memory.shed() {
        close_statements(connection, memory).await?;
        prepared = connection.prepare(&text.sql).await;
    }
    bring(connection, memory, session, held).await?;
    match prepared {
        Ok(id) => {
            memory.remember(text, id);
            Ok(id)
        }
        Err(QueryError::Sql(error)) => Err(BringError::Prepare(error)),
        Err(broken) => Err(broken.into()),
    }
}

fn messages(difference: Difference, client_character_set: Option<&[u8]>) -> Vec<(Vec<u8>, Shape)> {
    let multi =
        difference.multi_statements.map(|on| set_option(if on { MultiStatements::On } else { MultiStatements::Off }));
    // A role may be what opens the database.
    let role = difference.role.map(|sql| message(Command::Query, &sql));
    let database = difference.database.map(|name| enter(&name, client_character_set)).unwrap_or_default();
    let [set, set_users] =
        [difference.set, difference.set_users].map(|set| set.map(|sql| message(Command::Query, &sql)));
    let before = [multi, role].into_iter().flatten();
    let all = before.chain(database).chain([set, set_users].into_iter().flatten());
    all.map(|bytes| (bytes, Shape::Acknowledgement)).collect()
}

/// Enters a database. Its name is known as trackers tell it, in UTF-8, and read under `character_set_client`.
fn enter(name: &[u8], client_character_set: Option<&[u8]>) -> Vec<Vec<u8>> {
    let enter = message(Command::InitDb, name);
    if name.is_ascii() {
        return vec![enter];
    }
    let under =
        |character_set: &[u8]| message(Command::Query, &[b"SET SESSION character_set_client=", character_set].concat());
    let back = client_character_set.filter(|name| name.iter().all(u8::is_ascii_alphanumeric)).map(under);
    [Some(under(b"utf8mb4")), Some(enter), back].into_iter().flatten().collect()
}

/// Enters the database of a login, whose name is in the login's character set, on a connection that still has that. Gives
/// the name as trackers would tell it.
pub async fn enter_at_login(
    connection: &mut Connection,
    memory: &mut Memory,
    name: &[u8],
) -> Result<Vec<u8>, QueryError> {
    memory.condition = Condition::Tainted;
    connection.ask(&message(Command::InitDb, name), Shape::Acknowledgement).await?;
    let result = connection.query("SELECT HEX(CONVERT(DATABASE() USING utf8mb4))").await?;
    let hex = result.rows.first().and_then(|row| row.first()?.as_deref()).unwrap_or_default();
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let name: Vec<u8> = hex.chunks(2).filter_map(digits).collect();
    Arc::make_mut(&mut memory.settings).database = Some(name.clone());
    memory.condition = Condition::Known;
    Ok(name)
}

/// Closes statements that nobody needs any more (`COM_STMT_CLOSE`, which has no reply).
pub async fn close_statements(connection: &mut Connection, memory: &mut Memory) -> Result<(), QueryError> {
    let closing = memory.take_closing();
    if closing.is_empty() {
        return Ok(());
    }
    let bytes: Vec<u8> = closing.iter().flat_map(|id| message(Command::StmtClose, &id.to_le_bytes())).collect();
    connection.tell(&bytes).await
}

/// Switches the trackers on and learns the character sets of a fresh connection.
async fn set_up(connection: &mut Connection, memory: &mut Memory) -> Result<(), QueryError> {
    memory.has_trackers = connection.capabilities().contains(Capabilities::SESSION_TRACK);
    let defaults = track_and_ask(connection).await?;
    if memory.condition == Condition::Fresh {
        commit_by_itself(connection, &defaults).await?;
        memory.baseline = defaults.character_sets;
        memory.sql_mode = defaults.sql_mode;
        memory.wait_timeout = defaults.wait_timeout;
    }
    memory.condition = Condition::Known;
    Ok(())
}

/// Takes everything away that a session left on the connection.
pub async fn clean(connection: &mut Connection, memory: &mut Memory) -> Result<(), QueryError> {
    within_limit(reset(connection, memory)).await
}

/// `COM_RESET_CONNECTION` for the session's own sake; gives the character sets that the member now says.
pub async fn reset_for_session(
    connection: &mut Connection,
    memory: &mut Memory,
) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, QueryError> {
    memory.condition = Condition::Tainted;
    within_limit(async {
        connection.ask(&message(Command::ResetConnection, &[]), Shape::Acknowledgement).await?;
        memory.was_reset();
        Ok(track_and_ask(connection).await?.character_sets)
    })
    .await
}

/// `COM_RESET_CONNECTION` or its like, then what it took away that the proxy needs, and the character sets of the login,
/// which MySQL replaces by its global ones.
async fn reset(connection: &mut Connection, memory: &mut Memory) -> Result<(), QueryError> {
    let database = connection.reset().await?;
    memory.was_reset();
    if database == Database::Left {
        Arc::make_mut(&mut memory.settings).database = None;
    }
    enter_again(connection, memory).await?;
    let defaults = track_and_ask(connection).await?;
    commit_by_itself(connection, &defaults).await?;
    (memory.sql_mode, memory.wait_timeout) = (defaults.sql_mode, defaults.wait_timeout);
    let restore = Settings { variables: memory.baseline.clone(), ..Settings::default() };
    if let (Some(sql), _) = restore.set_after_reset(&BTreeMap::new()) {
        connection.ask(&message(Command::Query, &sql), Shape::Acknowledgement).await?;
    }
    memory.condition = Condition::Known;
    Ok(())
}

/// A session that was told that it begins with `autocommit` off has that among its settings; all others rely on its being
/// on, whatever the member has made of its global one since.
async fn commit_by_itself(connection: &mut Connection, defaults: &Defaults) -> Result<(), QueryError> {
    if defaults.autocommit {
        return Ok(());
    }
    let sql = message(Command::Query, b"SET SESSION autocommit=1");
    connection.ask(&sql, Shape::Acknowledgement).await.map(drop)
}

/// A reset leaves the database where it is, but `character_set_database` is no longer the database's.
async fn enter_again(connection: &mut Connection, memory: &Memory) -> Result<(), QueryError> {
    let Some(name) = &memory.settings.database else { return Ok(()) };
    // The character sets are set again next.
    let messages = enter(name, None).into_iter().map(|bytes| (bytes, Shape::Acknowledgement)).collect::<Vec<_>>();
    match connection.ask_all(&messages).await {
        // It may have been dropped: nobody who wants it will find it.
        Ok(_) | Err(QueryError::Sql(_)) => Ok(()),
        Err(broken) => Err(broken),
    }
}

async fn track_and_ask(connection: &mut Connection) -> Result<Defaults, QueryError> {
    let mut messages = Vec::new();
    if connection.capabilities().contains(Capabilities::SESSION_TRACK) {
        messages.push((message(Command::Query, tracking(connection.family()).as_bytes()), Shape::Acknowledgement));
    }
    messages.push((message(Command::Query, ASK_DEFAULTS.as_bytes()), Shape::Results));
    let results = connection.ask_all(&messages).await?;
    let row = results.last().and_then(|result| result.rows.first());
    let mut values = row.into_iter().flatten().map(|value| value.clone().unwrap_or_default());
    let character_sets = BASELINE.iter().map(|name| name.as_bytes().to_vec()).zip(values.by_ref()).collect();
    let sql_mode = values.next().unwrap_or_default();
    let autocommit = values.next().is_none_or(|value| value != b"0");
    let wait_timeout = seconds(&values.next().unwrap_or_default());
    Ok(Defaults { character_sets, sql_mode, autocommit, wait_timeout })
}

/// MySQL names GTIDs by a tracker of its own, MariaDB by the variable `last_gtid`.
const fn tracking(family: ServerFamily) -> &'static str {
    match family {
        ServerFamily::MySql => {
            "SET SESSION session_track_system_variables='*', SESSION session_track_schema=ON, \
             SESSION session_track_state_change=ON, SESSION session_track_gtids='OWN_GTID'"
        }
        ServerFamily::MariaDb => {
            "SET SESSION session_track_system_variables='*', SESSION session_track_schema=ON, \
             SESSION session_track_state_change=ON"
        }
    }
}

/// What `collation_connection` is now. The question is a `SET` of what is set already, to which the trackers answer: so
/// the client finds counts as they were.
pub async fn ask_collation(connection: &mut Connection) -> Result<Option<Vec<u8>>, QueryError> {
    let sql = b"SET SESSION collation_connection=@@collation_connection";
    let reply = connection.acknowledged(&[message(Command::Query, sql)]).await?;
    Ok(told(reply, b"collation_connection"))
}

/// What `LAST_INSERT_ID()` gives on this connection, asked in the same way; `then` where `ROW_COUNT()` is to be -1
/// afterwards.
pub async fn ask_insert_id(
    connection: &mut Connection,
    then: Option<MultiStatements>,
) -> Result<Option<u64>, QueryError> {
    if !connection.capabilities().contains(Capabilities::SESSION_TRACK) {
        return ask_insert_id_untracked(connection, then).await;
    }
    let question = message(Command::Query, b"SET SESSION last_insert_id=LAST_INSERT_ID()");
    let messages: Vec<Vec<u8>> = std::iter::once(question).chain(then.map(set_option)).collect();
    let value = told(connection.acknowledged(&messages).await?, b"last_insert_id");
    Ok(value.and_then(|digits| std::str::from_utf8(&digits).ok()?.parse().ok()))
}

/// Where there are no trackers to answer.
async fn ask_insert_id_untracked(
    connection: &mut Connection,
    then: Option<MultiStatements>,
) -> Result<Option<u64>, QueryError> {
    let result = connection.query("SELECT LAST_INSERT_ID()").await?;
    if then.is_none() {
        connection.count_no_rows().await?;
    }
    let value = result.rows.first().and_then(|row| row.first()?.as_deref());
    Ok(value.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()))
}

fn told(reply: Reply, wanted: &[u8]) -> Option<Vec<u8>> {
    reply.changes.into_iter().find_map(|change| match change {
        Change::Variable(name, value) if name == wanted => Some(value),
        _ => None,
    })
}

/// Whether `timestamp` follows the clock, rather than standing where the session has set it.
pub async fn clock_runs(connection: &mut Connection) -> Result<bool, QueryError> {
    let ask = || (message(Command::Query, b"SELECT @@timestamp"), Shape::Results);
    let results = connection.ask_all(&[ask(), ask()]).await?;
    Ok(matches!(results.as_slice(), [one, other] if one.rows != other.rows))
}
