//! Transactions of every kind, with statements between their beginnings and their ends.

use super::blocks::{between, reads};
use super::session::Session;
use super::statements::Class;

pub fn transaction(session: &mut Session) {
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

pub fn finish(session: &mut Session, sql: &str) {
    session.run(Class::Transaction, sql);
    session.model.end();
}

pub fn read_only_transaction(session: &mut Session) {
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

pub fn autocommit_off(session: &mut Session) {
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

/// As drivers begin for those who only read: the first read opens the transaction.
pub fn read_only_session(session: &mut Session) {
    session.run(Class::Setting, "SET # autocommit = 0");
    session.model.autocommit(false);
    session.run(Class::Setting, "SET # SESSION TRANSACTION READ ONLY");
    for _ in 0..=session.random.below(2) {
        session.model.begin_read_only();
        session.run(Class::Read, "SELECT # COUNT(*) FROM t");
        between(session);
        commit_or_roll_back(session);
    }
    if session.random.percent(20) {
        return session.reset();
    }
    session.run(Class::Setting, "SET # SESSION TRANSACTION READ WRITE");
    session.run(Class::Setting, "SET # autocommit = 1");
    session.model.autocommit(true);
    reads(session);
}

pub fn serializable(session: &mut Session) {
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

pub fn next_transaction(session: &mut Session) {
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
