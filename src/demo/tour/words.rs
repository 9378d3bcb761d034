//! The proxy's reasons in whole sentences.
//!
//! Knows the names that `SHOW PROXY ROUTE` uses. A name without a sentence is shown as it is.

use super::visitor::Went;

/// Why the statement went where it went.
pub(super) fn sentence(went: &Went) -> &'static str {
    match (went.target.as_str(), went.member_reason.as_deref()) {
        ("replica", Some("not_caught_up")) => "no replica is known to have your write yet: never an older answer",
        ("replica", Some("no_replica" | "all_lagging")) => "no replica can serve just now",
        _ => of_reason(&went.reason),
    }
}

fn of_reason(reason: &str) -> &'static str {
    match reason {
        "read" => "only reads, so any healthy replica may answer",
        "metadata" => "about schemas, which every member has",
        "write" => "changes data",
        "ddl" => "changes a schema",
        "locking_read" => "locks the rows that it reads",
        "instance_state" => "about the server itself: a replica would give another answer",
        "hint_primary" => "the comment asks for it",
        "transaction_control" => "opens or ends a transaction",
        "in_transaction" => "a transaction is open: everything until its end",
        "session_state" => "runs once; its value is carried to every connection used later",
        "temporary_table" => "temporary tables live on one connection",
        "pinned" => "the session is tied to the connection that has its temporary table",
        "previous_statement" => "about the statement before: the connection that ran it",
        _ => "",
    }
}
