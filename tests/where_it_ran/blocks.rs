//! What sessions are made of: a few statements that belong together, in the order that makes sense, and others between.

use std::thread::sleep;
use std::time::{Duration, Instant};

use mysql_proxy::demo::Flavor;

use super::model::Side;
use super::session::Session;
use super::statements::{Class, FAILING_READS, FAILING_WRITES, PREPARED_READS, PREPARED_WRITES};

const SOON: Duration = Duration::from_secs(20);

/// Runs a whole session.
pub fn play(session: &mut Session) {
    let length = 18 + session.random.below(14);
    // Those that only read must be on replicas from the first statement on.
    while session.sent.len() < length {
        block(session);
    }
    if session.model.has_written() && session.random.percent(60) {
        settle(session);
        reads(session);
    }
}

fn block(session: &mut Session) {
    match session.random.below(22) {
        0..=2 => reads(session),
        3 => previous(session),
        4 => on_the_primary(session),
        5..=6 => transaction(session),
        7 => read_only_transaction(session),
        8 => autocommit_off(session),
        9 => serializable(session),
        10 => session_state(session),
        11 => prepared(session),
        12 => fresh_from(session),
        13..=15 => pinned(session),
        16 => session.fail(FAILING_READS),
        17 => next_transaction(session),
        _ if !session.writes => reads(session),
        18 => write(session),
        19 => write_and_read_back(session),
        20 => define(session),
        _ => {
            write(session);
            settle(session);
            reads(session);
        }
    }
}

/// So many statements between the first and the last of something; never what ends it, or pins.
fn between(session: &mut Session) {
    for _ in 0..=session.random.below(4) {
        match session.random.below(12) {
            0..=2 => drop(session.one_of(Class::Read)),
            3 => drop(session.one_of(Class::Constant)),
            4 => drop(session.one_of(Class::Metadata)),
            5 => drop(session.one_of(Class::Locking)),
            6 => drop(session.one_of(Class::UnknownFunction)),
            7 => drop(session.one_of(Class::Instance)),
            8 => drop(session.one_of(Class::Setting)),
            9 => session.fail(FAILING_READS),
            10 if !session.prepared.is_empty() => session.execute(),
            _ if session.writes => drop(session.one_of(Class::Write)),
            _ => drop(session.one_of(Class::HintReplica)),
        }
    }
}

fn reads(session: &mut Session) {
    for _ in 0..=session.random.below(4) {
        let classes = [Class::Read, Class::Read, Class::Constant, Class::Metadata, Class::HintReplica, Class::Proxy];
        let class = classes[session.random.below(classes.len())];
        session.one_of(class);
    }
}

/// What belongs to the primary in a free session, and writes nothing: the reads behind it are the replicas' again.
fn on_the_primary(session: &mut Session) {
    let classes = [
        Class::Locking,
        Class::Instance,
        Class::UnknownFunction,
        Class::NamedLock,
        Class::Other,
        Class::HintPrimary,
        Class::Expression,
    ];
    for _ in 0..=session.random.below(3) {
        let class = classes[session.random.below(classes.len())];
        session.one_of(class);
        if session.random.percent(40) {
            session.one_of(Class::Read);
        }
    }
}

/// Those who have asked before have their connection kept; the first time it may be another's by now.
fn previous(session: &mut Session) {
    session.run(Class::Previous, "SELECT # ROW_COUNT()");
    if session.writes && session.random.percent(40) {
        session.send(Class::Write, "INSERT # INTO t (b) VALUES ('x'), ('y')");
        let asks = ["SELECT # LAST_INSERT_ID()", "SELECT # ROW_COUNT()", "SHOW # WARNINGS", "SELECT # @@warning_count"];
        let ask = session.random.pick(&asks);
        session.ask_about_the_last(ask);
    } else {
        session.send(Class::Read, "SELECT # CAST(b AS SIGNED) FROM t LIMIT 2");
        let asks = ["SELECT # FOUND_ROWS()", "SHOW # WARNINGS", "SHOW # COUNT(*) WARNINGS", "SELECT # @@warning_count"];
        let ask = session.random.pick(&asks);
        session.ask_about_the_last(ask);
    }
}

fn write(session: &mut Session) {
    for _ in 0..=session.random.below(3) {
        let class = [Class::Write, Class::Write, Class::Write, Class::Several, Class::Call][session.random.below(5)];
        session.one_of(class);
        if session.random.percent(50) {
            session.one_of(Class::Read);
        }
    }
    if session.random.percent(30) {
        session.fail(FAILING_WRITES);
    }
}

/// Whoever serves the read has the row.
fn write_and_read_back(session: &mut Session) {
    let row = session.next_marker();
    session.run(Class::Write, &format!("INSERT # INTO t (b) VALUES ('{row}')"));
    let said = session.run(Class::Read, &format!("SELECT # COUNT(*) FROM t WHERE b = '{row}'"));
    assert_eq!(said, "1", "a read missed the session's own row:\n{}", session.trail());
}

fn define(session: &mut Session) {
    for _ in 0..=session.random.below(2) {
        session.one_of(Class::Ddl);
        session.one_of(Class::Metadata);
    }
}

/// Reads until a replica serves them: there must be one that has all of the session's writes soon.
fn settle(session: &mut Session) {
    let deadline = Instant::now() + SOON;
    loop {
        session.send(Class::Read, "SELECT # COUNT(*) FROM t");
        let member = session.ask();
        let last = session.sent.last_mut().unwrap();
        if member.is_some_and(|member| member != session.primary) {
            last.place.side = Side::Replica;
            return session.model.caught_up();
        }
        assert!(Instant::now() < deadline, "no replica has caught up:\n{}", session.trail());
        sleep(Duration::from_millis(30));
    }
}

fn transaction(session: &mut Session) {
    session.model.begin();
    let begins = ["BEGIN #", "START # TRANSACTION", "START # TRANSACTION WITH CONSISTENT SNAPSHOT", "BEGIN # WORK"];
    let begins_more = ["SELECT # 1; BEGIN", "BEGIN #; SELECT COUNT(*) FROM t"];
    let begin =
        if session.random.percent(80) { session.random.pick(&begins) } else { session.random.pick(&begins_more) };
    session.run(Class::Transaction, begin);
    between(session);
    if session.random.percent(30) {
        session.run(Class::Transaction, "SAVEPOINT # s");
        between(session);
        session.run(Class::Transaction, "ROLLBACK # TO SAVEPOINT s");
        session.run(Class::Transaction, "RELEASE # SAVEPOINT s");
        // MariaDB gives a transaction a GTID for savepoints and calls of functions, without a single row.
        session.model.may_have_written();
    }
    if session.writes && session.random.percent(25) {
        session.one_of(Class::Several);
    }
    if session.random.percent(15) {
        session.run(Class::Transaction, "COMMIT # AND CHAIN");
        between(session);
    }
    match session.random.below(10) {
        0 if session.writes => {
            // Commits by itself.
            session.one_of(Class::Ddl);
            session.model.end();
        }
        1 => session.reset(),
        2 => session.change_user(),
        3..=4 => finish(session, "ROLLBACK #"),
        _ => finish(session, "COMMIT #"),
    }
    reads(session);
}

fn commit_or_roll_back(session: &mut Session) {
    let end = if session.random.percent(70) { "COMMIT #" } else { "ROLLBACK #" };
    finish(session, end);
}

fn finish(session: &mut Session, sql: &str) {
    session.run(Class::Transaction, sql);
    session.model.end();
}

fn read_only_transaction(session: &mut Session) {
    session.model.begin_read_only();
    let begins = [
        "START # TRANSACTION READ ONLY",
        "START # TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        "START # TRANSACTION /* x */ READ ONLY",
    ];
    let begin = session.random.pick(&begins);
    session.run(Class::Transaction, begin);
    between(session);
    if session.random.percent(20) {
        session.run(Class::Transaction, "COMMIT # AND CHAIN");
        between(session);
    }
    if session.random.percent(20) {
        return named_lock_within(session);
    }
    if session.writes && session.random.percent(20) {
        session.one_of(Class::Ddl);
        session.model.end();
    } else {
        commit_or_roll_back(session);
    }
    reads(session);
}

/// A lock taken within a read-only transaction stands on the primary, and pins when the transaction is over.
fn named_lock_within(session: &mut Session) {
    session.model.pin("get_lock");
    session.run(Class::Pin, "SELECT # GET_LOCK('{d}', 5)");
    session.one_of(Class::Read);
    finish(session, "COMMIT #");
    between(session);
    session.run(Class::Pin, "SELECT # RELEASE_LOCK('{d}')");
    session.model.unpin("get_lock");
    reads(session);
}

fn autocommit_off(session: &mut Session) {
    session.run(Class::Setting, "SET # autocommit = 0");
    session.model.autocommit(false);
    for _ in 0..=session.random.below(2) {
        if session.random.percent(50) {
            session.one_of(Class::Constant);
        }
        // The first one that reads or writes a table opens the transaction.
        session.model.begin();
        session.run(Class::Read, "SELECT # COUNT(*) FROM t");
        between(session);
        commit_or_roll_back(session);
    }
    if session.random.percent(30) {
        session.model.begin();
        session.run(Class::Read, "SELECT # a FROM t LIMIT 1");
        between(session);
    }
    if session.random.percent(20) {
        session.reset();
    } else {
        session.run(Class::Setting, "SET # autocommit = 1");
        session.model.autocommit(true);
    }
    reads(session);
}

fn serializable(session: &mut Session) {
    session.run(Class::Setting, "SET # SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE");
    session.model.serializable(true);
    between(session);
    if session.random.percent(30) {
        session.model.begin_read_only();
        session.run(Class::Transaction, "START # TRANSACTION READ ONLY");
        session.one_of(Class::Read);
        session.one_of(Class::Metadata);
        finish(session, "COMMIT #");
    }
    session.run(Class::Setting, "SET # SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    session.model.serializable(false);
    reads(session);
}

fn next_transaction(session: &mut Session) {
    session.model.pin("next_transaction");
    session.run(Class::Pin, "SET # TRANSACTION ISOLATION LEVEL READ COMMITTED");
    session.model.begin();
    session.run(Class::Transaction, "BEGIN #");
    between(session);
    session.run(Class::Transaction, "COMMIT #");
    session.model.unpin("next_transaction");
    session.model.end();
    reads(session);
}

fn session_state(session: &mut Session) {
    for _ in 0..=session.random.below(3) {
        session.one_of(Class::Setting);
        session.one_of(Class::Read);
    }
    if session.flavor == Flavor::MariaDb && !session.model.has_written() {
        // Only where a replica serves it: MariaDB tells the end of it in a later reply of the connection, to whom it may
        // concern, and with a write in one text with others that pins.
        session.run(Class::Read, "SET STATEMENT # max_statement_time = 100 FOR SELECT COUNT(*) FROM t");
    }
    session.run(Class::Setting, "SET # @literal = 5");
    let said = session.run(Class::Read, "SELECT # @literal + a FROM t WHERE a = 1");
    assert_eq!(said, "6", "{}", session.trail());
    if session.random.percent(20) {
        session.one_of(Class::Expression);
    }
}

fn prepared(session: &mut Session) {
    let among = if session.writes && session.random.percent(50) { PREPARED_WRITES } else { PREPARED_READS };
    let chosen = among[session.random.below(among.len())];
    session.prepare(chosen);
    for _ in 0..=session.random.below(3) {
        session.execute();
        if session.random.percent(40) {
            session.one_of(Class::Read);
        }
    }
}

/// After a reset, or as somebody else.
fn fresh_from(session: &mut Session) {
    if session.random.percent(50) {
        session.reset();
    } else {
        session.change_user();
    }
    reads(session);
}

/// A pin: the name, what begins it, what ends it.
type Pin = (&'static str, &'static str, &'static str);

/// Pins that any statement may come between.
const PINS: [Pin; 9] = [
    ("temporary_table", "CREATE # TEMPORARY TABLE tmp (a INT)", "DROP # TEMPORARY TABLE tmp"),
    ("temporary_table", "CREATE # TEMPORARY TABLE tmp SELECT a FROM t", "DROP # TABLE tmp"),
    ("get_lock", "SELECT # GET_LOCK('{d}', 5)", "SELECT # RELEASE_LOCK('{d}')"),
    ("get_lock", "DO # GET_LOCK('{d}', 5)", "SELECT # RELEASE_ALL_LOCKS()"),
    ("user_variable", "SET # @v = (SELECT MAX(a) FROM t)", "SET # @v = 1"),
    ("user_variable", "SELECT # COUNT(*) INTO @v FROM t", "SET # @v = NULL"),
    ("user_variable", "SELECT # @v := 5", "SET # @v = 'x'"),
    ("prepared_statement", "PREPARE p FROM 'SELECT {p} a FROM t WHERE a > 1'", "DEALLOCATE # PREPARE p"),
    ("session_setting", "SET # pseudo_thread_id = 77", ""),
];

fn pinned(session: &mut Session) {
    match session.random.below(6) {
        0 => locked(session),
        1 => handler(session),
        2 if session.writes && session.random.percent(30) => hidden(session),
        2 => xa(session),
        3 => called(session),
        _ => {
            let pin = PINS[session.random.below(PINS.len())];
            any_pin(session, pin);
        }
    }
    reads(session);
}

fn any_pin(session: &mut Session, (pin, begins, ends): Pin) {
    session.model.pin(pin);
    if pin == "temporary_table" && session.random.percent(30) {
        session.prepare_and_execute(Class::Pin, begins);
    } else {
        session.run(Class::Pin, begins);
    }
    between(session);
    match pin {
        "temporary_table" => drop(session.run(Class::Read, "SELECT # COUNT(*) FROM tmp")),
        "prepared_statement" => drop(session.run(Class::Pin, "EXECUTE # p")),
        "user_variable" => drop(session.run(Class::Read, "SELECT # @v, a FROM t LIMIT 1")),
        _ => {}
    }
    if session.random.percent(25) {
        // A transaction within, and at times the pin is all that is left of it.
        session.model.begin();
        session.run(Class::Transaction, "BEGIN #");
        between(session);
        finish(session, "COMMIT #");
        session.one_of(Class::Read);
    }
    match session.random.below(8) {
        0 => session.reset(),
        1 => session.change_user(),
        _ if ends.is_empty() => session.reset(),
        _ => {
            session.run(Class::Pin, ends);
            session.model.unpin(pin);
        }
    }
}

/// Only what is locked may be used.
fn locked(session: &mut Session) {
    session.model.pin("lock_tables");
    let flush = session.random.percent(30);
    let begins = if flush { "FLUSH # TABLES t, u WITH READ LOCK" } else { "LOCK # TABLES t WRITE, u READ" };
    session.run(Class::Pin, begins);
    for _ in 0..=session.random.below(3) {
        session.run(Class::Read, "SELECT # t.a FROM t LIMIT 1");
        session.run(Class::Constant, "SELECT # @@sql_mode");
        if session.writes && !flush {
            session.run(Class::Write, "UPDATE # t SET c = 1 WHERE a = {n}");
        }
    }
    session.run(Class::Pin, "UNLOCK # TABLES");
    session.model.unpin("lock_tables");
}

fn handler(session: &mut Session) {
    session.model.pin("handler");
    session.run(Class::Pin, "HANDLER # t OPEN AS h");
    session.run(Class::Pin, "HANDLER # h READ FIRST");
    between(session);
    session.run(Class::Pin, "HANDLER # h READ NEXT");
    session.run(Class::Pin, "HANDLER # h CLOSE");
    session.model.unpin("handler");
}

fn xa(session: &mut Session) {
    session.model.pin("xa");
    session.run(Class::Pin, "XA # START '{d}'");
    session.run(Class::Read, "SELECT # COUNT(*) FROM t");
    session.run(Class::Metadata, "SHOW # TABLES");
    if session.writes {
        session.run(Class::Write, "INSERT # INTO t (b) VALUES ('xa')");
    }
    session.run(Class::Pin, "XA # END '{d}'");
    let ends = if session.random.percent(60) { "XA # COMMIT '{d}' ONE PHASE" } else { "XA # ROLLBACK '{d}'" };
    session.run(Class::Pin, ends);
    session.model.unpin("xa");
}

/// What is in a versioned comment may be anything: the session keeps the connection until it is reset.
fn hidden(session: &mut Session) {
    session.model.pin("unknown_state");
    session.run(Class::Write, "SELECT # 1; /*!50000 UPDATE t SET b = 'v' WHERE a = 2 */");
    between(session);
    session.reset();
}

/// A procedure that leaves a variable behind: the session keeps the connection until it is reset.
fn called(session: &mut Session) {
    session.model.pin("stored_procedure");
    session.run(Class::Pin, "CALL # leaves()");
    between(session);
    session.reset();
}
