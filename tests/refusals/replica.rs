//! A read-only replica that notices whatever is more than a read.
//!
//! What it cannot refuse shows otherwise: every row is locked by somebody else, stored functions write with their definer's
//! privileges, and the session's own counters tell which kinds of statements it has run.

use std::collections::BTreeMap;
use std::time::Duration;

use mysql_proxy::demo::{Cluster, Flavor};
use mysql_proxy::wire::Command;
use mysql_proxy::wire::err::SqlError;
use mysql_proxy::wire::server::read_version;

use crate::support;
use crate::support::raw::{Raw, Who};
use crate::support::reply::Kind;

/// How a session's statements are read.
#[derive(Clone, Debug)]
pub struct Reading {
    pub sql_mode: &'static str,
    pub character_set: &'static str,
    pub database: Option<&'static str>,
}

/// A refusal, or what shows that there was something to refuse: read-only, a lock that somebody else holds (1205, 3572), a
/// killed statement (1317), a lock that was never taken.
const FAULTS: [u16; 8] = [1205, 1209, 1223, 1290, 1317, 1792, 1836, 3572];

fn is_fault(error: &SqlError) -> bool {
    FAULTS.contains(&error.code) || (error.code == 1227 && error.message.contains("FILE"))
}

/// Counters of what a read may be, without `Com_`. The last two are what the session itself is asked.
const READS: [&str; 6] = ["select", "checksum", "help", "explain_other", "empty_query", "admin_commands"];

/// Tables and views that the tables of statements name, with a few rows; what only the writes name is not needed.
const SCHEMA: &str = "\
CREATE TABLE t (a INT PRIMARY KEY, b INT, c VARCHAR(100), x INT, doc JSON);\
INSERT INTO t VALUES (1, 1, 'one', 1, '[1]'), (2, 2, 'two', 2, '[2]');\
CREATE TABLE u (a INT PRIMARY KEY, b INT, id INT); INSERT INTO u VALUES (1, 1, 1);\
CREATE TABLE w (a INT, b INT); INSERT INTO w VALUES (1, 1);\
CREATE TABLE orders (id INT PRIMARY KEY, total INT); INSERT INTO orders VALUES (5, 10);\
CREATE VIEW v AS SELECT a FROM t;";

/// Functions that write; some are called as built-in ones are. And how many arguments they want.
const FUNCTIONS: [(&str, usize); 16] = [
    ("f", 0),
    ("g", 1),
    ("h", 1),
    ("my_function", 1),
    ("trusted_total", 1),
    ("now", 0),
    ("count", 1),
    ("sum", 1),
    ("max", 1),
    ("min", 1),
    ("abs", 1),
    ("point", 1),
    ("polygon", 0),
    ("md5", 1),
    ("uuid_to_bin", 1),
    ("any_value", 1),
];

/// See the module.
pub struct Replica {
    flavor: Flavor,
    cluster: Cluster,
    /// Holds every row.
    holder: Raw,
    answered: u64,
}

/// What must be the same before and after.
#[derive(Debug, PartialEq, Eq)]
struct State(BTreeMap<&'static str, String>);

impl Replica {
    pub fn start(flavor: Flavor) -> Option<Self> {
        let cluster = support::cluster(flavor, |options| {
            options.replicas = 1;
            options.extra_cnf.push_str("log-bin-trust-function-creators=ON\n");
        })?;
        let functions = FUNCTIONS.map(|(name, count)| {
            let parameters = ["", "a TEXT"][count];
            format!(
                "CREATE FUNCTION `{name}`({parameters}) RETURNS INT MODIFIES SQL DATA \
                 BEGIN INSERT INTO app.w VALUES (2, 2); RETURN 1; END //\n"
            )
        });
        let sequence = if flavor == Flavor::MariaDb { "CREATE SEQUENCE s;" } else { "" };
        let setup = format!(
            "USE app; {SCHEMA}{sequence}\nDELIMITER //\n{}CREATE PROCEDURE p() INSERT INTO app.w VALUES (3, 3) //\n",
            functions.concat()
        );
        cluster.sql(0, &setup).unwrap();
        cluster.catch_up(1, Duration::from_secs(20)).unwrap();
        if flavor == Flavor::MySql {
            // It refuses locking reads too.
            cluster.sql(1, "SET GLOBAL super_read_only = OFF").unwrap();
        }
        let admin = Who { user: "admin", password: "admin", ..Who::named("admin") };
        let mut holder = Raw::connect(cluster.member(1).address(), &admin).unwrap();
        holder.run("START TRANSACTION");
        for table in ["t", "u", "w", "orders"] {
            let said = holder.say(&format!("SELECT * FROM {table} FOR UPDATE"));
            assert!(!said.contains("ERROR"), "{said}");
        }
        if flavor == Flavor::MySql {
            cluster.sql(1, "SET GLOBAL super_read_only = ON").unwrap();
        }
        Some(Self { flavor, cluster, holder, answered: 0 })
    }

    /// Its family and release, as `explain --state server=…` takes them.
    pub fn server(&self) -> String {
        let family = match self.flavor {
            Flavor::MariaDb => "mariadb",
            Flavor::MySql => "mysql",
        };
        let (_, version) = read_version(&self.holder.greeting.version);
        format!("{family}:{}.{}", version.0, version.1)
    }

    /// The ways in which statements are read here.
    pub fn readings(&self) -> Vec<Reading> {
        let mut modes = vec!["", "STRICT_TRANS_TABLES", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "IGNORE_SPACE", "ANSI"];
        let mut sets = vec!["utf8mb4", "latin1", "gbk", "sjis", "big5", "cp1251", "koi8r", "binary", "euckr", "cp866"];
        match self.flavor {
            Flavor::MariaDb => modes.push("ORACLE"),
            Flavor::MySql => sets.push("gb18030"),
        }
        let both = modes.iter().map(|mode| ("utf8mb4", *mode)).chain(sets.iter().map(|set| (*set, "")));
        let mut readings: Vec<_> =
            both.map(|(character_set, sql_mode)| Reading { sql_mode, character_set, database: None }).collect();
        readings.push(Reading {
            sql_mode: "NO_BACKSLASH_ESCAPES,ANSI_QUOTES",
            character_set: "latin1",
            database: None,
        });
        readings.push(Reading { sql_mode: "", character_set: "utf8mb4", database: Some("information_schema") });
        readings
    }

    /// How many statements had a result without an error.
    pub fn answered(&self) -> u64 {
        self.answered
    }

    fn session(&self, reading: &Reading) -> Raw {
        let mut raw = Raw::app(self.cluster.member(1).address());
        raw.run(match self.flavor {
            Flavor::MariaDb => "SET max_statement_time = 3, lock_wait_timeout = 1, innodb_lock_wait_timeout = 1",
            Flavor::MySql => "SET max_execution_time = 3000, lock_wait_timeout = 1, innodb_lock_wait_timeout = 1",
        });
        if let Some(database) = reading.database {
            raw.run(&format!("USE {database}"));
        }
        raw.run(&format!("SET character_set_client = {}, sql_mode = '{}'", reading.character_set, reading.sql_mode));
        raw
    }

    /// Runs the statements, and tells what they should not have done.
    pub fn feed(&mut self, reading: &Reading, statements: &[Vec<u8>]) -> Vec<String> {
        let mut faults = self.run(reading, statements);
        if faults.iter().any(|fault| fault.statement.is_none()) && statements.len() > 1 {
            // Something was left behind: by which of them?
            faults = statements.iter().flat_map(|sql| self.run(reading, std::slice::from_ref(sql))).collect();
        }
        faults.into_iter().map(|fault| fault.to_string(reading, statements)).collect()
    }

    fn run(&mut self, reading: &Reading, statements: &[Vec<u8>]) -> Vec<Fault> {
        let mut raw = self.session(reading);
        let before = self.state(&mut raw);
        let mut faults = Vec::new();
        for sql in statements {
            let said = match raw.ask(Command::Query, sql, Kind::Results) {
                Ok(reply) => reply.last().and_then(|last| SqlError::parse(&last.payload)),
                Err(error) => {
                    faults.push(Fault { statement: Some(sql.clone()), what: format!("the connection: {error}") });
                    return faults;
                }
            };
            match said {
                None => self.answered += 1,
                Some(error) if is_fault(&error) => {
                    faults.push(Fault { statement: Some(sql.clone()), what: error.to_string() });
                }
                Some(_) => {}
            }
        }
        let after = self.state(&mut raw);
        for (what, was) in &before.0 {
            let is = &after.0[what];
            if was != is {
                let what = format!("{what}: {}", difference(was, is));
                let statement = statements.first().filter(|_| statements.len() == 1).cloned();
                faults.push(Fault { statement, what });
            }
        }
        faults
    }

    fn state(&self, raw: &mut Raw) -> State {
        let ask = |raw: &mut Raw, sql: &str| raw.say(sql).replace('|', "\n");
        let position = match self.flavor {
            Flavor::MariaDb => "SELECT @@global.gtid_binlog_pos",
            Flavor::MySql => "SELECT @@global.gtid_executed",
        };
        let mut state = BTreeMap::new();
        // First of all: later statements would change them.
        state.insert("insert id", ask(raw, "SELECT LAST_INSERT_ID()"));
        state.insert("user variables", ask(raw, "SELECT @x, @y, @z, @a, @b, @c, @d, @e, @n, @old"));
        state.insert("locks", ask(raw, "SELECT RELEASE_ALL_LOCKS()"));
        state.insert("position", ask(raw, position));
        state.insert("rows", ask(raw, "CHECKSUM TABLE app.t, app.u, app.w, app.orders"));
        state.insert("tables", ask(raw, "SHOW TABLES FROM app"));
        state.insert("variables", settled(&ask(raw, "SHOW SESSION VARIABLES")));
        state.insert("commands", commands(&ask(raw, "SHOW SESSION STATUS LIKE 'Com\\_%'")));
        State(state)
    }
}

/// Variables that change by themselves.
fn settled(variables: &str) -> String {
    const RESTLESS: [&str; 10] = [
        "timestamp",
        "statement_id",
        "error_count",
        "warning_count",
        "rand_seed1",
        "rand_seed2",
        "last_insert_id",
        "identity",
        "last_gtid",
        "insert_id",
    ];
    variables.lines().filter(|line| !RESTLESS.iter().any(|name| line.starts_with(name))).collect::<Vec<_>>().join("\n")
}

/// The counters of statements that are no reads.
fn commands(status: &str) -> String {
    let is_read = |line: &&str| {
        let name = line.strip_prefix("Com_").unwrap_or(line).split(' ').next().unwrap_or_default();
        name.starts_with("show_") || READS.contains(&name)
    };
    status.lines().filter(|line| !is_read(line)).collect::<Vec<_>>().join("\n")
}

fn difference(was: &str, is: &str) -> String {
    let lines: Vec<_> = is.lines().filter(|line| !was.lines().any(|other| other == *line)).collect();
    if lines.is_empty() { format!("{was} became {is}") } else { lines.join("; ") }
}

struct Fault {
    statement: Option<Vec<u8>>,
    what: String,
}

impl Fault {
    fn to_string(&self, reading: &Reading, statements: &[Vec<u8>]) -> String {
        let statement = match &self.statement {
            Some(sql) => sql.escape_ascii().to_string(),
            None => format!("one of {} statements, together only", statements.len()),
        };
        format!("{}\n    sql_mode={} character_set={}: {statement}", self.what, reading.sql_mode, reading.character_set)
    }
}
