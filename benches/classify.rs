//! How long it takes to read a statement and decide. `cargo bench --bench classify`

use divan::{Bencher, black_box};
use mysql_proxy::route::{Held, Standing, TrustedFunctions, decide};
use mysql_proxy::session::{Consistency, Isolation, Listener, NextTransaction, Pins, Transaction, UserVariables};
use mysql_proxy::sql::{Dialect, classify};

const POINT: &str = "SELECT c FROM sbtest1 WHERE id=5043";
const SELECT: &str = "SELECT o.id, o.created_at, o.total, c.name, c.email FROM orders AS o INNER JOIN customers AS c \
    ON c.id = o.customer_id WHERE o.status = 'shipped' AND o.total > 100.50 ORDER BY o.created_at DESC LIMIT 20";
const FUNCTIONS: &str =
    "SELECT COUNT(*), MAX(total), DATE_FORMAT(created_at, '%Y-%m') FROM orders WHERE created_at > NOW()";
const INSERT: &str = "INSERT INTO orders (id, customer_id, status, total) VALUES (1, 2, 'new', 3.50), (2, 3, 'new', 4)";

fn main() {
    divan::main();
}

#[divan::bench(args = [POINT, SELECT, FUNCTIONS, INSERT])]
fn read(bencher: Bencher<'_, '_>, sql: &str) {
    let dialect = Dialect::default();
    bencher.bench(|| classify(black_box(sql.as_bytes()), &dialect));
}

#[divan::bench(args = [POINT, SELECT, FUNCTIONS, INSERT])]
fn read_and_decide(bencher: Bencher<'_, '_>, sql: &str) {
    let dialect = Dialect::default();
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
        trusted: &trusted,
        hint: None,
    };
    bencher.bench(|| {
        let statement = classify(black_box(sql.as_bytes()), &dialect);
        decide(&statement, sql.as_bytes(), black_box(&standing))
    });
}
