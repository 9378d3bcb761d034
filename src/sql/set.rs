//! `SET …`: session, global and user variables, names, roles, transactions.

use super::dialect::ServerKind;
use super::heads::{self, Lower};
use super::lex::{Kind as Lexeme, Token};
use super::literal;
use super::scan::Scan;
use super::schemas::unquoted;
use super::statement::{Facts, Kind};

/// Whose variable an assignment sets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Session,
    Global,
}

/// Behind `SET`.
pub(super) fn set(scan: &mut Scan<'_>) -> Kind {
    let next = scan.peek();
    let word = Lower::new(if next.kind == Lexeme::Word { scan.text(next) } else { &[] });
    match word.as_slice() {
        b"statement" => {
            scan.step();
            return statement_for(scan);
        }
        b"password" | b"default" => return scan.rest_of(Kind::SetAccount),
        b"resource" => return scan.rest_of(Kind::Administration),
        b"role" => return scan.rest_of(Kind::Set),
        b"transaction" => {
            scan.step();
            heads::access_mode(scan);
            return scan.rest_of(Kind::SetTransaction);
        }
        _ => {}
    }
    loop {
        let end = assignment(scan);
        if !end.is(b',') {
            // What an expression notes as an assignment by `:=` is this statement's own.
            return Kind::Set;
        }
    }
}

/// `SET STATEMENT name = value, … FOR statement` (`MariaDB`) is routed as the statement.
fn statement_for(scan: &mut Scan<'_>) -> Kind {
    scan.add(Facts::SETS_FOR_ITSELF);
    let mut depth = 0u32;
    loop {
        let token = scan.step();
        match token.kind {
            Lexeme::End | Lexeme::Punctuation(b';') => return Kind::Unknown,
            Lexeme::Punctuation(b'(') => depth += 1,
            Lexeme::Punctuation(b')') => depth = depth.saturating_sub(1),
            Lexeme::Word if depth == 0 && token.is_word(scan.sql(), "for") => {
                let first = scan.step();
                // One in the other, as deep as the text is long, is nobody's habit.
                let nested = first.is_word(scan.sql(), "set");
                return if nested { scan.rest_of(Kind::Unknown) } else { heads::statement(scan) };
            }
            _ => {}
        }
    }
}

/// One `name = value`; gives the token behind it.
fn assignment(scan: &mut Scan<'_>) -> Token {
    let first = scan.lexer.next();
    match first.kind {
        Lexeme::UserVariable => {
            scan.add(Facts::SETS_USER);
            let _ = scan.lexer.next();
            let (shape, end) = value(scan);
            if !shape.is_user_literal() {
                scan.add(Facts::SETS_USER_EXPRESSION);
            }
            end
        }
        Lexeme::SystemVariable | Lexeme::Word | Lexeme::Quoted => system(scan, first),
        Lexeme::End => first,
        _ => {
            scan.add(Facts::SETS_EXPRESSION);
            scan.rest()
        }
    }
}

fn system(scan: &mut Scan<'_>, first: Token) -> Token {
    let mut name = if first.kind == Lexeme::SystemVariable { scan.lexer.next() } else { first };
    let mut scope = Scope::Session;
    let word = Lower::new(scan.text(name));
    match word.as_slice() {
        b"global" | b"persist" | b"persist_only" => {
            scope = Scope::Global;
            name = scan.lexer.next();
        }
        b"session" | b"local" => name = scan.lexer.next(),
        b"names" | b"character" | b"charset" if first.kind == Lexeme::Word => return character_set(scan, name),
        _ => {}
    }
    // `@@session.name`: the dot; `session name`: the name itself.
    if name.is(b'.') {
        name = scan.lexer.next();
    }
    if name.is_word(scan.sql(), "transaction") {
        if scope == Scope::Global {
            scan.add(Facts::SETS_GLOBAL);
        }
        return scan.rest();
    }
    let mut sign = scan.lexer.next();
    if sign.is(b'.') {
        // `hot.key_buffer_size`: structured variables are the instance's.
        scope = Scope::Global;
        scan.lexer.next();
        sign = scan.lexer.next();
    }
    if scope == Scope::Global {
        scan.add(Facts::SETS_GLOBAL);
    }
    if !sign.is(b'=') && sign.kind != Lexeme::Assign {
        scan.add(Facts::SETS_EXPRESSION);
        return if sign.kind == Lexeme::End { sign } else { scan.rest() };
    }
    note_name(scan, scope, name);
    if first.kind == Lexeme::SystemVariable && first_is_bare(scan, first, name) && scope == Scope::Session {
        note_bare(scan, name);
    }
    if first.kind == Lexeme::SystemVariable && word_is_transaction(scan.text(name)) && first_is_bare(scan, first, name)
    {
        scan.add(Facts::SETS_NEXT_TRANSACTION);
    }
    let (shape, end) = value(scan);
    if !shape.is_literal() {
        scan.add(Facts::SETS_EXPRESSION);
    }
    end
}

/// `SET @@transaction_isolation = …` without a scope counts for the next transaction only.
fn word_is_transaction(name: &[u8]) -> bool {
    is_isolation(name) || is_access_mode(name)
}

/// Whether nothing, no scope either, stands between `@@` and the name.
fn first_is_bare(scan: &Scan<'_>, sign: Token, name: Token) -> bool {
    let between = scan.sql().get(sign.span.end as usize..name.span.start as usize);
    between.is_some_and(<[u8]>::is_empty)
}

/// The names of the isolation level's variable.
pub(crate) fn is_isolation(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"transaction_isolation") || name.eq_ignore_ascii_case(b"tx_isolation")
}

/// The names of the access mode's variable.
pub(crate) fn is_access_mode(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"transaction_read_only") || name.eq_ignore_ascii_case(b"tx_read_only")
}

fn note_name(scan: &mut Scan<'_>, scope: Scope, name: Token) {
    if scope == Scope::Global {
        return;
    }
    let name = unquoted(scan.text(name));
    if is_uncarried(name) {
        scan.add(Facts::SETS_UNCARRIED);
    } else if name.get(..14).is_some_and(|start| start.eq_ignore_ascii_case(b"session_track_")) {
        scan.add(Facts::SETS_TRACKING);
    }
}

/// Seen on MariaDB 10.11: its tracker tells of `SET name` and `SET @@session.name`, not of `SET @@name`. So the scope is
/// written out (see [`scoped`](super::scoped)), or the value cannot be carried.
fn note_bare(scan: &mut Scan<'_>, name: Token) {
    if scan.lexer.dialect().server == ServerKind::MariaDb && !word_is_transaction(scan.text(name)) {
        scan.add(Facts::SETS_UNTOLD);
    }
}

/// Settings that tie a session to its connection while they have another value than usual.
pub(crate) fn is_uncarried(name: &[u8]) -> bool {
    UNCARRIED.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// See [`is_uncarried`].
pub(crate) const UNCARRIED: [&str; 12] = [
    "sql_log_bin",
    "gtid_next",
    "gtid_seq_no",
    "gtid_domain_id",
    "server_id",
    "pseudo_thread_id",
    "pseudo_replica_mode",
    "pseudo_slave_mode",
    "profiling",
    "insert_id",
    "rand_seed1",
    "rand_seed2",
];

/// `NAMES x [COLLATE y]`, `CHARACTER SET x`, `CHARSET x`: always values, never expressions.
fn character_set(scan: &mut Scan<'_>, _name: Token) -> Token {
    loop {
        let token = scan.step();
        if token.kind == Lexeme::End || token.is(b';') || token.is(b',') {
            return token;
        }
    }
}

/// A value up to a comma, a semicolon or the end.
fn value(scan: &mut Scan<'_>) -> (literal::Shape, Token) {
    let mut depth = 0u32;
    let mut shape = literal::Shape::default();
    loop {
        let token = scan.step();
        match token.kind {
            Lexeme::End | Lexeme::Punctuation(b';') => return (shape, token),
            Lexeme::Punctuation(b',') if depth == 0 => return (shape, token),
            Lexeme::Punctuation(b'(') => depth += 1,
            Lexeme::Punctuation(b')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        shape.token(scan.sql(), token);
    }
}
