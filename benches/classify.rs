//! How long it takes to read a statement and decide. `cargo bench --bench classify`

use std::fmt;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use mysql_proxy::route::{Held, Standing, TrustedFunctions, decide};
use mysql_proxy::session::{Consistency, Isolation, Listener, NextTransaction, Pins, Transaction, UserVariables};
use mysql_proxy::sql::{Dialect, classify};

const MEBIBYTE: usize = 1 << 20;

/// A statement under the name that stands in the table.
struct Text {
    name: &'static str,
    sql: String,
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} B)", self.name, self.sql.len())
    }
}

fn text(name: &'static str, sql: impl Into<String>) -> Text {
    Text { name, sql: sql.into() }
}

fn short() -> Vec<Text> {
    vec![
        text("point select", "SELECT c FROM sbtest1 WHERE id=5043"),
        text(
            "join",
            "SELECT o.id, o.created_at, o.total, c.name, c.email FROM orders AS o INNER JOIN customers AS c \
             ON c.id = o.customer_id WHERE o.status = 'shipped' AND o.total > 100.50 ORDER BY o.created_at DESC LIMIT 20",
        ),
        text(
            "plain select",
            "SELECT id, customer_id, status, total, created_at, updated_at, note FROM orders WHERE customer_id = 4711 \
             AND status = 'open' AND total > 100 AND created_at > '2024-01-01' ORDER BY created_at DESC LIMIT 50",
        ),
        text(
            "functions",
            "SELECT COUNT(*), MAX(total), DATE_FORMAT(created_at, '%Y-%m') FROM orders WHERE created_at > NOW()",
        ),
        text(
            "insert",
            "INSERT INTO orders (id, customer_id, status, total) VALUES (1, 2, 'new', 3.50), (2, 3, 'new', 4)",
        ),
        text("begin", "BEGIN"),
        text("commit", "COMMIT"),
        text("set names", "SET NAMES utf8mb4"),
    ]
}

fn long() -> Vec<Text> {
    vec![
        text("one blob", blob(usize::MAX)),
        text("one blob, every 64th byte escaped", blob(64)),
        text("rows of numbers and short strings", rows("INSERT INTO orders VALUES ", row)),
        text("rows of numbers", rows("INSERT INTO points VALUES ", numbers)),
        text("every token treacherous", "'a'(`b`.\"c\"@d,--e".repeat(MEBIBYTE / 17)),
    ]
}

fn blob(escaped: usize) -> String {
    let mut sql = String::from("INSERT INTO files (name, body) VALUES ('a', '");
    for at in 1.. {
        if sql.len() >= MEBIBYTE {
            break;
        }
        sql.push_str(if at % escaped == 0 { "\\'" } else { "x" });
    }
    sql + "')"
}

fn rows(head: &str, row: fn(u64) -> String) -> String {
    let mut sql = head.to_owned() + &row(0);
    for id in 1.. {
        if sql.len() >= MEBIBYTE {
            break;
        }
        sql += ",";
        sql += &row(id);
    }
    sql
}

fn row(id: u64) -> String {
    format!("({id},{},'order {id} is new','customer{}@example.com',{}.{:02})", id * 7, id * 3, id % 1000, id % 100)
}

fn numbers(id: u64) -> String {
    format!("({id}, {}, -{}.{:02}, NULL)", id * 7919, id % 1000, id % 100)
}

fn main() {
    divan::main();
}

// Many to a sample: the clock's own reading takes as long as a short statement.
#[divan::bench(args = short(), sample_size = 256)]
fn read(bencher: Bencher<'_, '_>, text: &Text) {
    read_text(bencher, text);
}

#[divan::bench(args = long())]
fn read_long(bencher: Bencher<'_, '_>, text: &Text) {
    read_text(bencher, text);
}

fn read_text(bencher: Bencher<'_, '_>, text: &Text) {
    let dialect = Dialect::default();
    bencher.counter(BytesCount::of_str(&text.sql)).bench(|| classify(black_box(text.sql.as_bytes()), &dialect));
}

#[divan::bench(args = short(), sample_size = 256)]
fn read_and_decide(bencher: Bencher<'_, '_>, text: &Text) {
    let dialect = Dialect::default();
    let sql = text.sql.as_bytes();
    let (pins, user_variables, trusted) = (Pins::default(), UserVariables::default(), TrustedFunctions::default());
    let standing = Standing {
        listener: Listener::ReadWrite,
        consistency: Consistency::Session,
        transaction: Transaction::None,
        autocommit: true,
        isolation: Isolation::RepeatableRead,
        transaction_read_only: false,
        next_transaction: NextTransaction::default(),
        pins: &pins,
        held: Held::Primary,
        user_variables: &user_variables,
        wrote: true,
        in_system_schema: false,
        splits: false,
        trusted: &trusted,
        hint: None,
        has_token: false,
    };
    bencher.bench(|| {
        let statement = classify(black_box(sql), &dialect);
        decide(&statement, sql, black_box(&standing))
    });
}
