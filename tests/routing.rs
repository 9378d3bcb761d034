//! Runs the tables in `tests/data/routing/`: where every kind of statement goes, in which session state, and why.

#![allow(clippy::expect_used, clippy::panic)] // A test says so when its own table is wrong.

mod routing_tables;

use std::collections::BTreeSet;

use mysql_proxy::explain::explain;
use mysql_proxy::route::Reason;
use mysql_proxy::session::Consistency;
use routing_tables::lines;

#[test]
fn every_line_of_the_tables_holds() {
    let mut wrong = Vec::new();
    for line in lines() {
        let got = match explain(&line.sql, &line.states, &["trusted_total".to_owned()], Consistency::Session) {
            Ok(got) => got,
            Err(error) => {
                wrong.push(format!("{}\n    {error}", line.place));
                continue;
            }
        };
        let pins_hold =
            line.pins.is_none() || line.pins.as_deref() == got.pins().map(mysql_proxy::session::PinReason::name);
        if got.target().name() != line.target || got.reason().name() != line.reason || !pins_hold {
            wrong.push(format!("{}\n    got {}", line.place, got.to_json()));
        }
    }
    assert!(wrong.is_empty(), "{} lines do not hold:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_reason_is_reached() {
    let reached: BTreeSet<String> = lines().into_iter().map(|line| line.reason).collect();
    // Only a text longer than what is kept in memory is too long; `classify_prefix` is tested beside it.
    let missing: Vec<_> = Reason::ALL
        .map(Reason::name)
        .into_iter()
        .filter(|name| *name != "too_long" && !reached.contains(*name))
        .collect();
    assert!(missing.is_empty(), "no line reaches {missing:?}");
}
