//! `SHOW …`: about schemas and the session, about the instance, or about the previous statement.

use super::heads::Lower;
use super::lex::{Kind as Lexeme, Token};
use super::scan::Scan;
use super::statement::{Facts, Kind};

/// Behind `SHOW`.
pub(super) fn show(scan: &mut Scan<'_>) -> Kind {
    let mut first = scan.step();
    // `SHOW FULL TABLES`, `SHOW EXTENDED FULL COLUMNS`, `SHOW SESSION VARIABLES`
    loop {
        let word = Lower::new(word_of(scan, first));
        match word.as_slice() {
            b"full" | b"extended" | b"session" | b"local" | b"storage" => first = scan.step(),
            _ => break,
        }
    }
    let word = Lower::new(word_of(scan, first));
    match word.as_slice() {
        b"tables" | b"columns" | b"fields" | b"index" | b"indexes" | b"keys" | b"databases" | b"schemas"
        | b"triggers" | b"collation" | b"engines" | b"privileges" | b"grants" | b"sequences" | b"character"
        | b"charset" => Kind::Metadata,
        b"variables" => variables(scan),
        b"create" => {
            if scan.take("event") {
                Kind::Instance
            } else {
                Kind::Metadata
            }
        }
        b"table" => {
            if scan.take("status") {
                Kind::Metadata
            } else {
                Kind::Instance
            }
        }
        b"procedure" | b"function" | b"package" | b"library" => {
            scan.take("body");
            if scan.take("status") { Kind::Metadata } else { Kind::Instance }
        }
        b"warnings" | b"errors" | b"count" => Kind::Diagnostics,
        b"profile" | b"profiles" => Kind::Profile,
        b"proxy" => {
            if scan.take("route") {
                Kind::ShowProxyRoute
            } else if scan.take("token") {
                Kind::ShowProxyToken
            } else {
                Kind::Instance
            }
        }
        b"processlist" => {
            scan.add(Facts::HOLDS_IDS);
            Kind::Instance
        }
        _ => Kind::Instance,
    }
}

fn word_of<'a>(scan: &Scan<'a>, token: Token) -> &'a [u8] {
    if token.kind == Lexeme::Word { scan.text(token) } else { &[] }
}

/// `read_only` differs on a replica by its nature.
fn variables(scan: &mut Scan<'_>) -> Kind {
    let mut ahead = scan.lexer.clone();
    loop {
        let token = ahead.next();
        if token.kind == Lexeme::End || token.is(b';') {
            return Kind::Metadata;
        }
        if matches!(token.kind, Lexeme::Text | Lexeme::Word) && names_read_only(scan.text(token)) {
            return Kind::Instance;
        }
    }
}

/// `_` is also written `\_` or stands for itself as a wild card. `transaction_read_only` is the session's own.
fn names_read_only(text: &[u8]) -> bool {
    let is_at = |at: usize, word: &[u8]| text.get(at..at + word.len()).is_some_and(|w| w.eq_ignore_ascii_case(word));
    let own = b"transaction_";
    (0..text.len()).any(|at| {
        is_at(at, b"read\\_only")
            || (is_at(at, b"read_only") && !at.checked_sub(own.len()).is_some_and(|start| is_at(start, own)))
    })
}
