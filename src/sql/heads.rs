//! From the first words of a statement to its kind.
//!
//! Each function here begins behind the word that named it and reads as much as it needs; the rest of the statement is
//! read for facts by [`Scan::rest`].

use super::bytes::is_select;
use super::dialect::ServerKind;
use super::lex::Kind as Lexeme;
use super::scan::Scan;
use super::statement::{Facts, IdSpan, IdUse, Kind};
use super::{describe, set, show};

/// A word in lower case, in place.
pub(super) struct Lower {
    bytes: [u8; 16],
    len: usize,
}

impl Lower {
    /// Longer words than any that is looked for give the empty word.
    pub(super) fn new(word: &[u8]) -> Lower {
        let mut bytes = whole(word).to_le_bytes();
        bytes.make_ascii_lowercase();
        Lower { bytes, len: if word.len() > 16 { 0 } else { word.len() } }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Up to sixteen bytes as one number, the first byte lowest. Two halves that overlap are put together: bytes written
/// to memory one by one would have to be waited for before they can be read together.
fn whole(word: &[u8]) -> u128 {
    if let (Some(first), Some(last)) = (word.first_chunk(), word.last_chunk()) {
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        return if word.len() > 16 { 0 } else { u128::from(first) | u128::from(last) << (8 * (word.len() - 8)) };
    }
    if let (Some(first), Some(last)) = (word.first_chunk(), word.last_chunk()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return u128::from(first) | u128::from(last) << (8 * (word.len() - 4));
    }
    word.iter().rev().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

/// The kind of the statement that begins with the token read last; reads up to its end.
pub(super) fn statement(scan: &mut Scan<'_>) -> Kind {
    let mut first = scan.prev();
    let mut parentheses = false;
    while first.is(b'(') {
        parentheses = true;
        first = scan.step();
    }
    if first.kind == Lexeme::End || first.is(b';') {
        return if parentheses { Kind::Unknown } else { Kind::Empty };
    }
    if first.kind != Lexeme::Word {
        return scan.rest_of(Kind::Unknown);
    }
    let bytes = scan.text(first);
    if bytes.try_into().is_ok_and(is_select) {
        return read(scan);
    }
    let word = Lower::new(bytes);
    let word = word.as_slice();
    if parentheses && !matches!(word, b"with" | b"table" | b"values") {
        return scan.rest_of(Kind::Unknown);
    }
    let kind = match word {
        b"table" | b"values" | b"with" => return read(scan),
        b"insert" | b"update" | b"delete" | b"replace" | b"import" => Kind::Write,
        b"show" => show::show(scan),
        b"explain" | b"desc" | b"describe" => return describe::explain(scan),
        b"analyze" => return describe::analyze(scan),
        b"set" => return set::set(scan),
        b"help" | b"checksum" => Kind::Metadata,
        b"use" => Kind::Use,
        b"begin" => return begin(scan),
        b"start" => start(scan),
        b"commit" => return end_of_transaction(scan, Kind::Commit),
        b"rollback" => return rollback(scan),
        b"savepoint" | b"release" => Kind::Savepoint,
        b"load" => Kind::Load,
        b"call" => Kind::Call,
        b"do" => Kind::Do,
        b"create" => return create(scan),
        b"drop" => drop(scan),
        b"alter" => return stored_program(scan),
        b"truncate" | b"rename" | b"grant" | b"revoke" => Kind::Ddl,
        b"lock" => lock(scan),
        b"unlock" => unlock(scan),
        b"flush" => return flush(scan),
        b"backup" => backup(scan),
        b"prepare" => Kind::Prepare,
        b"execute" => {
            if scan.take("immediate") {
                scan.add(Facts::CLOSES);
            }
            Kind::Execute
        }
        b"deallocate" => Kind::Deallocate,
        b"handler" => return handler(scan),
        b"xa" => xa(scan),
        b"kill" => kill(scan),
        b"get" => Kind::Diagnostics,
        b"declare" | b"if" | b"loop" | b"while" | b"repeat" | b"case" | b"for" => {
            return scan.everything_of(Kind::Compound);
        }
        b"optimize" | b"repair" | b"check" | b"cache" | b"purge" | b"reset" | b"install" | b"uninstall" | b"clone"
        | b"change" | b"stop" | b"restart" | b"shutdown" | b"binlog" => Kind::Administration,
        _ if scan.peek().is(b':') => return scan.everything_of(Kind::Compound),
        _ => Kind::Unknown,
    };
    scan.rest_of(kind)
}

/// `SELECT` and its like. `WITH` may turn out to write.
#[inline]
fn read(scan: &mut Scan<'_>) -> Kind {
    scan.rest_of(Kind::Read)
}

fn begin(scan: &mut Scan<'_>) -> Kind {
    let next = scan.step();
    let work = next.is_word(scan.sql(), "work");
    let next = if work { scan.step() } else { next };
    let is_oracle = scan.lexer.dialect().oracle;
    match next.kind {
        // A block that never ends: the server's error, which ends no transaction.
        Lexeme::End if is_oracle => Kind::Unknown,
        Lexeme::End => Kind::Begin,
        _ if next.is(b';') && !is_oracle => Kind::Begin,
        _ => scan.everything_of(Kind::Compound),
    }
}

fn start(scan: &mut Scan<'_>) -> Kind {
    if !scan.take("transaction") {
        return Kind::Administration;
    }
    access_mode(scan);
    Kind::Begin
}

/// Notes `READ ONLY` and `READ WRITE` up to the end of the statement, which is not taken.
pub(super) fn access_mode(scan: &mut Scan<'_>) {
    loop {
        let next = scan.peek();
        if next.kind == Lexeme::End || next.is(b';') {
            return;
        }
        scan.step();
        if next.is_word(scan.sql(), "read") {
            if scan.take("only") {
                scan.add(Facts::READ_ONLY);
            } else if scan.take("write") {
                scan.add(Facts::READ_WRITE);
            }
        }
    }
}

/// `[WORK] [AND [NO] CHAIN] [[NO] RELEASE]`
fn end_of_transaction(scan: &mut Scan<'_>, kind: Kind) -> Kind {
    let mut no = false;
    loop {
        let token = scan.step();
        if token.kind == Lexeme::End || token.is(b';') {
            return kind;
        }
        if !no && token.is_word(scan.sql(), "release") {
            scan.add(Facts::RELEASE);
        }
        no = token.is_word(scan.sql(), "no");
    }
}

fn rollback(scan: &mut Scan<'_>) -> Kind {
    scan.take("work");
    if scan.take("to") {
        scan.add(Facts::CLOSES);
        return scan.rest_of(Kind::Savepoint);
    }
    end_of_transaction(scan, Kind::Rollback)
}

/// `CREATE …`: a temporary table, or a stored program whose body may hold semicolons.
fn create(scan: &mut Scan<'_>) -> Kind {
    if scan.take("or") {
        scan.take("replace");
    }
    if scan.take("temporary") {
        return scan.rest_of(Kind::CreateTemporary);
    }
    stored_program(scan)
}

/// Reads on for `PROCEDURE`, `FUNCTION`, `TRIGGER`, `EVENT` or `PACKAGE`: then the text is one statement to its end.
fn stored_program(scan: &mut Scan<'_>) -> Kind {
    loop {
        let token = scan.step();
        if token.kind == Lexeme::End || token.is(b';') {
            return Kind::Ddl;
        }
        if token.kind == Lexeme::Word {
            let word = Lower::new(scan.text(token));
            if matches!(word.as_slice(), b"procedure" | b"function" | b"trigger" | b"event" | b"package" | b"library") {
                return scan.everything_of(Kind::Ddl);
            }
            if matches!(word.as_slice(), b"table" | b"view" | b"index" | b"user" | b"database" | b"schema") {
                return scan.rest_of(Kind::Ddl);
            }
        }
    }
}

fn drop(scan: &mut Scan<'_>) -> Kind {
    if scan.take("temporary") {
        Kind::DropTemporary
    } else if scan.take("table") || scan.take("tables") {
        Kind::DropTable
    } else if scan.take("prepare") {
        Kind::Deallocate
    } else {
        Kind::Ddl
    }
}

fn lock(scan: &mut Scan<'_>) -> Kind {
    if scan.take("instance") { Kind::BackupLock } else { Kind::LockTables }
}

fn unlock(scan: &mut Scan<'_>) -> Kind {
    if scan.take("instance") { Kind::BackupUnlock } else { Kind::UnlockTables }
}

/// `FLUSH …`; with `READ LOCK` or `FOR EXPORT` it locks tables until `UNLOCK TABLES`.
fn flush(scan: &mut Scan<'_>) -> Kind {
    let mut tables = false;
    let mut kind = Kind::Administration;
    loop {
        let token = scan.step();
        if token.kind == Lexeme::End || token.is(b';') {
            return kind;
        }
        tables |= token.is_word(scan.sql(), "tables") || token.is_word(scan.sql(), "table");
        if tables && (token.is_word(scan.sql(), "with") || token.is_word(scan.sql(), "for")) {
            scan.add(Facts::FLUSHES);
            kind = Kind::LockTables;
        }
    }
}

fn backup(scan: &mut Scan<'_>) -> Kind {
    if scan.take("unlock") || (scan.take("stage") && scan.take("end")) { Kind::BackupUnlock } else { Kind::BackupLock }
}

fn handler(scan: &mut Scan<'_>) -> Kind {
    loop {
        let token = scan.step();
        if token.kind == Lexeme::End || token.is(b';') {
            return Kind::Handler;
        }
        if token.is_word(scan.sql(), "close") && scan.prev().kind == Lexeme::Word {
            let next = scan.peek();
            if next.kind == Lexeme::End || next.is(b';') {
                scan.add(Facts::CLOSES);
            }
        }
    }
}

/// `XA …`; what ends a transaction, or asks for those that wait, begins none.
fn xa(scan: &mut Scan<'_>) -> Kind {
    if scan.take("commit") || scan.take("rollback") || scan.take("recover") {
        scan.add(Facts::CLOSES);
    }
    Kind::Xa
}

/// `KILL [HARD|SOFT] [CONNECTION|QUERY [ID]] n`, `KILL … USER u`
fn kill(scan: &mut Scan<'_>) -> Kind {
    scan.add(Facts::KILLS);
    let soft = scan.take("soft");
    if soft {
        scan.add(Facts::KILL_SOFT);
    }
    if (soft || scan.take("hard")) && scan.lexer.dialect().server == ServerKind::MySql {
        // A syntax error there.
        scan.add(Facts::KILL_OTHER);
    }
    if scan.take("query") {
        scan.add(Facts::KILL_QUERY);
    } else {
        scan.take("connection");
    }
    let token = scan.step();
    let known = match token.kind {
        Lexeme::Number => true,
        _ if token.is(b'?') => true,
        Lexeme::Word => {
            // `CONNECTION_ID()`: the call has been noted as this session's own id.
            scan.step();
            let close = scan.step();
            close.is(b')') && scan.out.has(Facts::CONNECTION_ID)
        }
        _ => false,
    };
    if known && token.kind != Lexeme::Word {
        scan.id(IdSpan { span: token.span, id_use: IdUse::Kill });
    }
    let next = scan.peek();
    if !known || !(next.kind == Lexeme::End || next.is(b';')) {
        scan.add(Facts::KILL_OTHER);
    }
    Kind::Kill
}
