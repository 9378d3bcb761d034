//! What sessions say, by class. `#` is where the marker stands, `{n}` a small number, `{d}` the session's database;
//! `mysql|` and `mariadb|` say whose a statement is. All succeed, and none of them begins or ends anything.

use mysql_proxy::demo::Flavor;

/// What a statement is by its text alone: the rows of the routing table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Reads tables.
    Read,
    /// Reads no table, so that no transaction begins with it.
    Constant,
    /// Schema objects and the session.
    Metadata,
    /// Locks rows.
    Locking,
    /// Tells of the instance.
    Instance,
    /// Calls what may be a stored function that writes; this one does not.
    UnknownFunction,
    /// Takes or asks for a named lock.
    NamedLock,
    /// For the primary for other reasons; changes nothing that is replicated.
    Other,
    /// Writes.
    Write,
    /// Several in one text, and one of them writes.
    Several,
    /// Changes schemas, and commits by itself.
    Ddl,
    /// Calls a procedure.
    Call,
    /// Changes the session by literals.
    Setting,
    /// Changes the session by an expression.
    Expression,
    /// A read with a hint for the primary.
    HintPrimary,
    /// What may run on a replica with a hint for one.
    HintReplica,
    /// Asks about the statement before.
    Previous,
    /// Begins or ends a transaction, or moves within one.
    Transaction,
    /// Begins or ends a pin.
    Pin,
    /// Is the proxy's to answer.
    Proxy,
}

const READS: &[&str] = &[
    "SELECT # a, b FROM t ORDER BY a LIMIT 3",
    "select # count(*) from t where b = 'INSERT'",
    "SELECT # t.a FROM t JOIN u USING (a)",
    "SELECT # a FROM t WHERE a = {n}",
    "SELECT # MAX(a), MIN(b), 'FOR UPDATE' FROM t",
    "(SELECT # a FROM t LIMIT 1) UNION (SELECT a FROM u LIMIT 1)",
    "WITH # q AS (SELECT a FROM t) SELECT COUNT(*) FROM q",
    "SELECT # a FROM v LIMIT 2",
    "/* of the shop */ SELECT # COUNT(*) FROM t",
    "SELECT # /*!50000 a, */ b FROM t LIMIT 1",
    "SELECT # COUNT(*) FROM t; SELECT 2",
    "SELECT # (SELECT COUNT(*) FROM t), NOW(), VERSION(), DATABASE()",
    "mysql|TABLE # u",
];

const CONSTANTS: &[&str] = &[
    "SELECT # 1",
    "SELECT # @@sql_mode, @@autocommit",
    "SELECT # {n} + 1, 'x'; SELECT 2",
    "SELECT # RAND() < 2, UUID() <> ''",
    "SELECT # @never_set",
    "SELECT # CONNECTION_ID() + 0",
];

const METADATA: &[&str] = &[
    "SHOW # TABLES",
    "SHOW # FULL COLUMNS FROM t",
    "SHOW # CREATE TABLE t",
    "SHOW # INDEX FROM u",
    "SHOW # VARIABLES LIKE 'sql_mode'",
    "SHOW # CHARACTER SET LIKE 'utf8mb4'",
    "DESCRIBE # t",
    "EXPLAIN # SELECT a FROM t",
    "CHECKSUM # TABLE u",
    "SELECT # COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()",
];

const LOCKING: &[&str] = &[
    "SELECT # a FROM t WHERE a = {n} FOR UPDATE",
    "SELECT # a FROM t WHERE a = {n} for/**/update",
    "SELECT # COUNT(*) FROM t LOCK IN SHARE MODE",
    "SELECT # a FROM (SELECT a FROM t FOR UPDATE) AS d LIMIT 1",
    "SELECT # 1; SELECT a FROM t WHERE a = 1 FOR UPDATE",
    "/* proxy:replica */ SELECT # a FROM t WHERE a = {n} FOR UPDATE",
    "mysql|SELECT # a FROM t WHERE a = {n} FOR SHARE",
];

const INSTANCE: &[&str] = &[
    "SELECT # @@global.read_only",
    "SELECT # @@log_bin, 1",
    "SHOW # PROCESSLIST",
    "SHOW # GLOBAL STATUS LIKE 'Uptime'",
    "SELECT # COUNT(*) > 0 FROM information_schema.processlist",
    "mysql|SELECT # LENGTH(@@gtid_executed) > 0",
    "mariadb|SELECT # LENGTH(@@gtid_binlog_pos) > 0",
];

const UNKNOWN_FUNCTIONS: &[&str] = &[
    "SELECT # plain({n})",
    "SELECT # {d}.plain(1), a FROM t LIMIT 1",
    "SELECT # `plain`(2)",
    "SELECT # 1; SELECT plain(1)",
];

const NAMED_LOCKS: &[&str] =
    &["SELECT # IS_FREE_LOCK('{d}')", "SELECT # RELEASE_LOCK('{d}-none')", "SELECT # IS_USED_LOCK('{d}') IS NULL"];

const OTHERS: &[&str] = &[
    "DO # 1",
    "EXPLAIN # UPDATE t SET c = 1 WHERE a = 1",
    "SELECT # LAST_INSERT_ID({n})",
    "SELECT # LOAD_FILE('/nowhere') IS NULL",
    "SELECT # a FROM t /*!99999 FOR UPDATE */ LIMIT 1",
    "CHECK # TABLE u",
];

const WRITES: &[&str] = &[
    "INSERT # INTO t (b) VALUES ('SELECT')",
    "insert # into t (b, c) values ('x', {n}), ('y', {n})",
    "INSERT # IGNORE INTO t VALUES ({n}, 'x', 1)",
    "INSERT # INTO t (c) SELECT a FROM u",
    "REPLACE # INTO t VALUES ({n}, 'y', 2)",
    "UPDATE # t SET c = c + 1 WHERE a = {n}",
    "UPDATE # t JOIN u USING (a) SET t.c = u.a",
    "DELETE # FROM t WHERE a > 3 AND c = {n}",
    "/* of the shop */ UPDATE # t SET b = 'z' WHERE a = {n}",
    "/* proxy:replica */ UPDATE # t SET b = 'w' WHERE a = {n}",
    "SELECT # writes({n})",
    "mysql|WITH # q AS (SELECT 1 AS i) UPDATE t, q SET c = i WHERE a = {n}",
    "mariadb|INSERT # INTO t (b) VALUES ('r') RETURNING a, b",
    "mariadb|SELECT # NEXTVAL(sq)",
];

/// Within a read-only transaction they take it with them to the primary, so they are not said there.
const SEVERAL: &[&str] = &[
    "SELECT # 1; INSERT INTO t (b) VALUES ('second')",
    "UPDATE # t SET c = 2 WHERE a = {n}; SELECT COUNT(*) FROM t",
    "SELECT # a FROM t LIMIT 1; DELETE FROM t WHERE a > 3 AND c = {n}; SELECT 2",
];

const DDL: &[&str] = &[
    "CREATE # TABLE IF NOT EXISTS made (a INT PRIMARY KEY)",
    "DROP # TABLE IF EXISTS made",
    "ALTER # TABLE u COMMENT 'read me {n}'",
    "TRUNCATE # TABLE x",
    "CREATE # OR REPLACE VIEW w AS SELECT a FROM t",
    "CREATE # TABLE IF NOT EXISTS copied AS SELECT a FROM u",
];

const CALLS: &[&str] = &["CALL # nothing()", "CALL # puts({n})", "CALL # {d}.puts(1)"];

const SETTINGS: &[&str] = &[
    "SET # NAMES utf8mb4",
    "SET # sql_mode = 'TRADITIONAL'",
    "SET # time_zone = '+03:00'",
    "SET # SESSION group_concat_max_len = 10{n}",
    "SET # @literal = {n}, @text = 'x'",
    "SET # sql_select_limit = 50",
    "USE # {d}",
];

const EXPRESSIONS: &[&str] =
    &["SET # sql_mode = CONCAT(@@sql_mode, '')", "SET # group_concat_max_len = @@group_concat_max_len + {n}"];

const HINTS_FOR_THE_PRIMARY: &[&str] = &[
    "/* proxy:primary */ SELECT # a FROM t",
    "SELECT # COUNT(*) FROM t -- proxy:primary",
    "/*PROXY:PRIMARY*/ SHOW # TABLES",
    "/* proxy:primary */ SELECT # 1",
];

const HINTS_FOR_A_REPLICA: &[&str] = &[
    "/* proxy:replica */ SELECT # a FROM t",
    "/* proxy:replica */ SELECT # plain(1)",
    "SELECT # COUNT(*) FROM t /* proxy:replica */",
    "-- proxy:replica\nSELECT # 1",
];

const PROXY: &[&str] = &["SELECT # CONNECTION_ID()", "SELECT # CONNECTION_ID() AS id", "SELECT # @@pseudo_thread_id"];

/// What fails, and says so to the client; everywhere in the same way.
pub const FAILING_READS: &[(Class, &str)] = &[
    (Class::Read, "SELECT # a FROM missing"),
    (Class::Read, "SELECT # nonsense FROM t"),
    (Class::Metadata, "SHOW # CREATE TABLE missing"),
    (Class::UnknownFunction, "SELECT # missing(1)"),
    (Class::Locking, "SELECT # a FROM missing FOR UPDATE"),
];

/// The same of sessions that write.
pub const FAILING_WRITES: &[(Class, &str)] = &[
    (Class::Write, "INSERT # INTO t (a) VALUES (1)"),
    (Class::Write, "UPDATE # missing SET a = 1"),
    (Class::Call, "CALL # missing()"),
];

/// Binary prepared statements; their last parameter is the marker, so that each execution has its own.
pub const PREPARED_READS: &[(Class, &str)] = &[
    (Class::Read, "SELECT b FROM t WHERE b <> ?"),
    (Class::Read, "SELECT COUNT(*), 'UPDATE' FROM t JOIN u USING (a) WHERE b = ?"),
    (Class::Locking, "SELECT b FROM t WHERE b = ? FOR UPDATE"),
    (Class::UnknownFunction, "SELECT CONCAT(?, plain(1))"),
];

/// The same of sessions that write.
pub const PREPARED_WRITES: &[(Class, &str)] = &[
    (Class::Write, "INSERT INTO t (b) VALUES (?)"),
    (Class::Write, "UPDATE t SET c = 7 WHERE b = ?"),
    (Class::Write, "REPLACE INTO t (a, b) VALUES (2, ?)"),
];

/// The statements of a class that a flavor has.
pub fn of(class: Class, flavor: Flavor) -> Vec<&'static str> {
    let all = match class {
        Class::Read => READS,
        Class::Constant => CONSTANTS,
        Class::Metadata => METADATA,
        Class::Locking => LOCKING,
        Class::Instance => INSTANCE,
        Class::UnknownFunction => UNKNOWN_FUNCTIONS,
        Class::NamedLock => NAMED_LOCKS,
        Class::Other => OTHERS,
        Class::Write => WRITES,
        Class::Several => SEVERAL,
        Class::Ddl => DDL,
        Class::Call => CALLS,
        Class::Setting => SETTINGS,
        Class::Expression => EXPRESSIONS,
        Class::HintPrimary => HINTS_FOR_THE_PRIMARY,
        Class::HintReplica => HINTS_FOR_A_REPLICA,
        Class::Proxy => PROXY,
        Class::Previous | Class::Transaction | Class::Pin => &[],
    };
    let mine = |line: &&'static str| match line.split_once('|') {
        Some(("mysql", rest)) => (flavor == Flavor::MySql).then_some(rest),
        Some(("mariadb", rest)) => (flavor == Flavor::MariaDb).then_some(rest),
        _ => Some(*line),
    };
    all.iter().filter_map(mine).collect()
}
