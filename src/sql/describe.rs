//! `EXPLAIN`, `DESCRIBE`, `ANALYZE`: of a table, of a statement, of another connection.

use super::heads::{self, Lower};
use super::lex::{Kind as Lexeme, Token};
use super::scan::Scan;
use super::statement::{Facts, IdSpan, IdUse, Kind};

/// Behind `EXPLAIN`, `DESC` or `DESCRIBE`.
pub(super) fn explain(scan: &mut Scan<'_>) -> Kind {
    let mut executes = false;
    loop {
        let token = scan.step();
        if token.kind == Lexeme::End || token.is(b';') {
            return Kind::Metadata;
        }
        if token.is(b'(') {
            return of_statement(scan, executes);
        }
        if token.kind != Lexeme::Word {
            return scan.rest_of(Kind::Metadata);
        }
        let word = Lower::new(scan.text(token));
        match word.as_slice() {
            b"analyze" => executes = true,
            b"extended" | b"partitions" if is_statement(scan, scan.peek()) => {}
            b"format" if scan.peek().is(b'=') => {
                scan.step();
                scan.step();
            }
            // `EXPLAIN INTO @x`: the variable has been noted as assigned.
            b"into" => {
                scan.step();
            }
            b"for" => {
                if scan.take("connection") {
                    let id = scan.step();
                    if id.kind == Lexeme::Number {
                        scan.id(IdSpan { span: id.span, id_use: IdUse::Explain });
                    }
                    return scan.rest_of(Kind::ExplainConnection);
                }
                // `EXPLAIN … FOR SCHEMA s statement`
                scan.step();
                scan.step();
            }
            _ if is_statement(scan, token) => return of_statement(scan, executes),
            _ => return scan.rest_of(Kind::Metadata),
        }
    }
}

/// Behind `ANALYZE`: a table's statistics, or `MariaDB`'s way to run and explain a statement.
pub(super) fn analyze(scan: &mut Scan<'_>) -> Kind {
    let mut token = scan.step();
    if token.is_word(scan.sql(), "format") {
        scan.step();
        scan.step();
        token = scan.step();
    }
    let table = token.is_word(scan.sql(), "table");
    if (is_statement(scan, token) && !table) || token.is(b'(') {
        return of_statement(scan, true);
    }
    if token.kind == Lexeme::End || token.is(b';') {
        return Kind::Administration;
    }
    scan.rest_of(Kind::Administration)
}

fn is_statement(scan: &Scan<'_>, token: Token) -> bool {
    let word = Lower::new(if token.kind == Lexeme::Word { scan.text(token) } else { &[] });
    matches!(
        word.as_slice(),
        b"select"
            | b"table"
            | b"values"
            | b"with"
            | b"insert"
            | b"update"
            | b"delete"
            | b"replace"
            | b"alter"
            | b"call"
            | b"create"
            | b"set"
            | b"do"
    )
}

/// The token read last is the statement's first.
fn of_statement(scan: &mut Scan<'_>, executes: bool) -> Kind {
    // `SET STATEMENT … FOR EXPLAIN SET STATEMENT …` without end: no `SET` is explained, so none is followed.
    let is_set = scan.prev().is_word(scan.sql(), "set");
    let kind = if is_set { scan.rest_of(Kind::Unknown) } else { heads::statement(scan) };
    let writes = scan.out.has(Facts::WRITES);
    scan.out.facts.remove(Facts::WRITES);
    match kind {
        Kind::Read if !writes => Kind::Read,
        _ if executes => {
            scan.add(Facts::WRITES);
            Kind::Write
        }
        _ => Kind::ExplainWrite,
    }
}
