//! From bytes to a [`Statement`].

use super::connection_id;
use super::dialect::Dialect;
use super::heads;
use super::lex::{Doubt, Kind as Lexeme, MAX_VERSIONED, Reading};
use super::scan::Scan;
use super::statement::{Facts, Kind, Statement};

/// Reads a whole statement, or several of them in one text.
#[must_use]
#[allow(clippy::trivially_copy_pass_by_ref)] // A dialect may grow.
pub fn classify(sql: &[u8], dialect: &Dialect) -> Statement {
    let mut statement = Statement::new(*dialect);
    let versioned = read(sql, *dialect, Reading::default(), &mut statement);
    if versioned != 0 {
        every_reading(sql, &mut statement, versioned);
    }
    statement
}

/// Reads a text of which only the beginning is known: its kind is that of its first word, and it is never a read that
/// may go to a replica.
#[must_use]
#[allow(clippy::trivially_copy_pass_by_ref)]
pub fn classify_prefix(sql: &[u8], dialect: &Dialect) -> Statement {
    let mut statement = classify(sql, dialect);
    statement.facts |= Facts::TRUNCATED | Facts::EFFECTS;
    if statement.doubt == Some(Doubt::Unterminated) {
        statement.doubt = None;
    }
    statement
}

/// One reading of the text, written into an empty statement; gives how many versioned comments it met.
fn read(sql: &[u8], dialect: Dialect, reading: Reading, out: &mut Statement) -> u32 {
    let mut scan = Scan::new(sql, dialect, reading, out);
    scan.first();
    let mut kind = one(&mut scan);
    // A semicolon at the end is no second statement; one before the first word is an error of the server's.
    while scan.prev().is(b';') {
        if scan.step().kind == Lexeme::End {
            break;
        }
        let next = one(&mut scan);
        kind = together(&mut scan, kind, next);
    }
    finish(&mut scan, kind);
    scan.lexer.versioned
}

/// The statement that begins with the token read last, with the facts that follow from its kind.
#[inline]
fn one(scan: &mut Scan<'_>) -> Kind {
    let mut kind = heads::statement(scan);
    if kind == Kind::Read && scan.out.has(Facts::WRITES) {
        kind = Kind::Write;
    }
    // Said of the statement at hand, not of the one behind it.
    scan.out.facts.remove(Facts::WRITES);
    if matches!(kind, Kind::Load | Kind::Call | Kind::Diagnostics | Kind::Compound)
        && !scan.out.user_variables.as_slice().is_empty()
    {
        // `LOAD DATA … (@a)`, `CALL p(@a)`, `GET DIAGNOSTICS @a = …` may assign what they name.
        scan.add(Facts::ASSIGNS);
    }
    let facts = of_kind(kind, scan.out.facts);
    scan.add(facts);
    kind
}

/// The kind of several statements: a read only when each of them is one.
fn together(scan: &mut Scan<'_>, kind: Kind, next: Kind) -> Kind {
    scan.add(Facts::SEVERAL);
    if matches!(kind, Kind::Read | Kind::Metadata) && matches!(next, Kind::Read | Kind::Metadata) {
        Kind::Read
    } else {
        Kind::Several
    }
}

/// What a statement of this kind does beside its text, kind by kind.
#[allow(clippy::match_same_arms)]
fn of_kind(kind: Kind, facts: Facts) -> Facts {
    match kind {
        Kind::Write | Kind::Load => Facts::CHANGES,
        Kind::Call | Kind::Compound | Kind::Unknown => Facts::CHANGES | Facts::EFFECTS,
        Kind::Ddl | Kind::SetAccount => Facts::CHANGES | Facts::COMMITS | Facts::EFFECTS,
        Kind::DropTable => Facts::CHANGES | Facts::COMMITS | Facts::EFFECTS,
        Kind::CreateTemporary | Kind::DropTemporary => Facts::CHANGES | Facts::EFFECTS,
        Kind::Administration => Facts::CHANGES | Facts::COMMITS,
        Kind::LockTables => Facts::CHANGES | Facts::COMMITS | Facts::EFFECTS,
        Kind::BackupLock | Kind::Xa => Facts::CHANGES | Facts::EFFECTS,
        Kind::UnlockTables | Kind::BackupUnlock | Kind::Prepare | Kind::Execute | Kind::Deallocate | Kind::Handler => {
            Facts::EFFECTS
        }
        Kind::Begin => Facts::BEGINS | Facts::EFFECTS,
        Kind::Commit | Kind::Rollback => Facts::ENDS | Facts::EFFECTS,
        Kind::SetTransaction | Kind::Use => Facts::EFFECTS,
        Kind::Diagnostics => Facts::DIAGNOSTICS,
        Kind::Set if facts.contains(Facts::SETS_GLOBAL) => Facts::EFFECTS | Facts::CHANGES,
        Kind::Set => Facts::EFFECTS,
        _ => Facts::empty(),
    }
}

/// Facts that leave something behind, whatever the kind.
const EFFECTIVE: Facts = Facts::ASSIGNS.union(Facts::TAKES_LOCK).union(Facts::ASKS_LOCK).union(Facts::SETS_INSERT_ID);

fn finish(scan: &mut Scan<'_>, kind: Kind) {
    let sql = scan.sql();
    let out = &mut *scan.out;
    out.kind = kind;
    let wishes = scan.lexer.wishes();
    (out.hint, out.after) = (wishes.hint, wishes.after);
    out.doubt = scan.lexer.doubt;
    if kind == Kind::Metadata {
        // `SHOW PROCEDURE STATUS`
        out.facts.remove(Facts::PROCEDURE);
    }
    if out.has(Facts::ASSIGNS) && kind != Kind::Read && out.user_variables.as_slice().is_empty() {
        // `LOAD DATA … INTO TABLE`
        out.facts.remove(Facts::ASSIGNS);
    }
    if out.has(EFFECTIVE) {
        out.facts |= Facts::EFFECTS;
    }
    if kind == Kind::Read
        && out.has(Facts::CONNECTION_ID)
        && let Some(column) = connection_id::alone(sql, out.dialect)
    {
        out.facts |= Facts::CONNECTION_ID_ALONE;
        out.column = column;
    }
}

/// Versioned comments (`/*! … */`) may or may not be code for the server at hand. The statement is a read only if it is
/// one in every reading; otherwise the reading of all of them as code says what it may leave behind.
#[cold]
fn every_reading(sql: &[u8], statement: &mut Statement, versioned: u32) {
    let mut most = versioned;
    let mut reads = statement.is_read();
    let mut facts = statement.facts;
    let mut doubt = statement.doubt;
    let mut mask = 1u8;
    while u32::from(mask) < 1 << most.min(MAX_VERSIONED) {
        let mut next = Statement::new(statement.dialect);
        let met = read(sql, next.dialect, Reading { as_code: mask }, &mut next);
        most = most.max(met);
        reads &= next.is_read();
        facts |= next.facts;
        doubt = doubt.or(next.doubt);
        *statement = merged(statement, next);
        facts |= statement.facts;
        mask += 1;
    }
    if most > MAX_VERSIONED {
        doubt = doubt.or(Some(Doubt::VersionedComments));
    }
    statement.facts = facts;
    // The spans of one reading are not those of another: the member's own answer is corrected by nobody.
    statement.facts.remove(Facts::CONNECTION_ID_ALONE);
    if !reads {
        statement.facts |= Facts::VERSIONED | Facts::EFFECTS;
    }
    statement.doubt = doubt;
}

/// `later` with the names that only `earlier` has.
fn merged(earlier: &Statement, mut later: Statement) -> Statement {
    for span in earlier.user_variables.as_slice() {
        if !later.user_variables.as_slice().contains(span) && !later.user_variables.push(*span) {
            later.facts |= Facts::MANY_VARIABLES;
        }
    }
    for span in earlier.functions.as_slice() {
        if !later.functions.as_slice().contains(span) && !later.functions.push(*span) {
            later.facts |= Facts::MANY_FUNCTIONS;
        }
    }
    for id in earlier.ids.as_slice() {
        if !later.ids.as_slice().contains(id) && !later.ids.push(*id) {
            later.facts |= Facts::MANY_IDS;
        }
    }
    later
}
