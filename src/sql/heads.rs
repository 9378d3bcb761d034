//! From the first words of a statement to its kind.
//!
//! Each function here begins behind the word that named it and reads as much as it needs; the rest of the statement is
//! read for facts by [`Scan::rest`].

use super::lex::{Kind as Lexeme, Token};
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
        let mut bytes = [0; 16];
        let Some(place) = bytes.get_mut(..word.len()) else { return Lower { bytes, len: 0 } };
        place.copy_from_slice(word);
        place.make_ascii_lowercase();
        Lower { bytes, len: word.len() }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// The kind of the statement that begins with `first`; reads up to its end.
#[inline]
pub(super) fn statement(scan: &mut Scan<'_>, mut first: Token) -> Kind {
    let mut parentheses = false;
    while first.is(b'(') {
        parentheses = true;
        first = scan.step();
    }
    if first.kind == Lexeme::End || first.is(b';') {
        return if parentheses { Kind::Unknown } else { Kind::Empty };
    }
    if first.kind != Lexeme::Word {
        return scan.to_end(Kind::Unknown);
    }
    let bytes = scan.text(first);
    if bytes.len() == 6 && bytes.eq_ignore_ascii_case(b"select") {
        return read(scan);
    }
    let word = Lower::new(bytes);
    let word = word.as_slice();
    if parentheses && !matches!(word, b"with" | b"table" | b"values") {
        return scan.to_end(Kind::Unknown);
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
        b"xa" => Kind::Xa,
        b"kill" => kill(scan),
        b"get" => Kind::Diagnostics,
        b"declare" | b"if" | b"loop" | b"while" | b"repeat" | b"case" | b"for" => {
            return scan.to_end_of_text(Kind::Compound);
        }
        b"optimize" | b"repair" | b"check" | b"cache" | b"purge" | b"reset" | b"install" | b"uninstall" | b"clone"
        | b"change" | b"stop" | b"restart" | b"shutdown" | b"binlog" => Kind::Administration,
        _ if scan.peek().is(b':') => return scan.to_end_of_text(Kind::Compound),
        _ => Kind::Unknown,
    };
    scan.to_end(kind)
}

/// `SELECT` and its like. `WITH` may turn out to write.
#[inline]
fn read(scan: &mut Scan<'_>) -> Kind {
    scan.to_end(Kind::Read)
}

fn begin(scan: &mut Scan<'_>) -> Kind {
    let next = scan.step();
    let work = next.is_word(scan.sql(), "work");
    let next = if work { scan.step() } else { next };
    if next.kind == Lexeme::End || next.is(b';') {
        return Kind::Begin;
    }
    scan.to_end_of_text(Kind::Compound)
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
        if !no && token.is_word(scan.sql(), "chain") {
            scan.add(Facts::CHAIN);
        } else if !no && token.is_word(scan.sql(), "release") {
            scan.add(Facts::RELEASE);
        }
        no = token.is_word(scan.sql(), "no");
    }
}

fn rollback(scan: &mut Scan<'_>) -> Kind {
    scan.take("work");
    if scan.take("to") {
        scan.add(Facts::CLOSES);
        return scan.to_end(Kind::Savepoint);
    }
    end_of_transaction(scan, Kind::Rollback)
}

/// `CREATE …`: a temporary table, or a stored program whose body may hold semicolons.
fn create(scan: &mut Scan<'_>) -> Kind {
    if scan.take("or") {
        scan.take("replace");
    }
    if scan.take("temporary") {
        return scan.to_end(Kind::CreateTemporary);
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
                return scan.to_end_of_text(Kind::Ddl);
            }
            if matches!(word.as_slice(), b"table" | b"view" | b"index" | b"user" | b"database" | b"schema") {
                return scan.to_end(Kind::Ddl);
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

/// `KILL [HARD|SOFT] [CONNECTION|QUERY [ID]] n`, `KILL … USER u`
fn kill(scan: &mut Scan<'_>) -> Kind {
    let _ = scan.take("hard") || scan.take("soft");
    let query = scan.take("query");
    if query {
        scan.add(Facts::KILL_QUERY);
    } else {
        scan.take("connection");
    }
    let id_use = if query { IdUse::KillQuery } else { IdUse::Kill };
    let token = scan.step();
    let known = match token.kind {
        Lexeme::Number => true,
        Lexeme::Word => {
            // `CONNECTION_ID()`: the call has been noted as this session's own id.
            scan.step();
            let close = scan.step();
            close.is(b')') && scan.out.has(Facts::CONNECTION_ID)
        }
        _ => false,
    };
    if token.kind == Lexeme::Number {
        scan.id(IdSpan { span: token.span, id_use });
    }
    let next = scan.peek();
    if !known || !(next.kind == Lexeme::End || next.is(b';')) {
        scan.add(Facts::KILL_OTHER);
    }
    Kind::Kill
}
