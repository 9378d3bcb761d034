//! What sessions are made of: a few statements that belong together, in the order that makes sense, and others between.

use std::thread::sleep;
use std::time::{Duration, Instant};

use mysql_proxy::demo::Flavor;

use super::model::Side;
use super::pins::pinned;
use super::session::Session;
use super::statements::{Class, FAILING_READS, FAILING_WRITES, PREPARED_READS, PREPARED_WRITES};
use super::transactions::{
    autocommit_off, next_transaction, read_only_session, read_only_transaction, serializable, transaction,
};

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
    match session.random.below(23) {
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
        18 => read_only_session(session),
        _ if !session.writes => reads(session),
        19 => write(session),
        20 => write_and_read_back(session),
        21 => define(session),
        _ => {
            write(session);
            settle(session);
            reads(session);
        }
    }
}

/// So many statements between the first and the last of something; never what ends it, or pins.
pub fn between(session: &mut Session) {
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

pub fn reads(session: &mut Session) {
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
    if said != "1" {
        session.complain(&format!("a read missed the session's own row: {said}"));
    }
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
            session.model.caught_up();
            return;
        }
        if Instant::now() > deadline {
            session.complain("no replica has caught up");
        }
        sleep(Duration::from_millis(30));
    }
}

fn session_state(session: &mut Session) {
    for _ in 0..=session.random.below(3) {
        session.one_of(Class::Setting);
        session.one_of(Class::Read);
    }
    if session.flavor == Flavor::MariaDb && !session.model.has_written() {
        // Only where a replica serves it: MariaDB tells of its end with a later reply of the connection, and where that is
        // a write, nobody knows what else may have changed.
        session.run(Class::Read, "SET STATEMENT # max_statement_time = 100 FOR SELECT COUNT(*) FROM t");
    }
    session.run(Class::Setting, "SET # @literal = 5");
    let said = session.run(Class::Read, "SELECT # @literal + a FROM t WHERE a = 1");
    if said != "6" {
        session.complain(&format!("the user variable is not 5: {said}"));
    }
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
