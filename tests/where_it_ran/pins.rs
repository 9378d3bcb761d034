//! What ties a session to its connection: how it begins, what may be said meanwhile, how it ends.

use super::blocks::{between, reads};
use super::session::Session;
use super::statements::Class;
use super::transactions::finish;

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

pub fn pinned(session: &mut Session) {
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
