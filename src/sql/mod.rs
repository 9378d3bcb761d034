//! PURE. From the bytes of a statement to a [`Statement`]: lexer, classification.
//!
//! The path: `lex` separates the bytes into tokens, `scan` notes the facts in them, `heads` (with `set`, `show`,
//! `describe`) names the kind by the first words, [`classify()`] puts them together. `skim` (with `quiet`, `block`,
//! `stretch`, `keywords`) passes over the bytes of which no fact can come.
//!
//! Knows the lexical rules and the vocabulary of `MySQL` and `MariaDB`. Must not know sessions, members, sockets or
//! configuration; imports nothing of this crate.

mod block;
mod bytes;
mod classify;
mod connection_id;
mod describe;
pub mod details;
mod dialect;
mod functions;
mod heads;
mod held_ids;
mod hint;
mod keywords;
mod lex;
mod literal;
pub mod previous;
mod quiet;
mod scan;
mod schemas;
mod scope;
pub(crate) mod set;
mod show;
mod skim;
mod span;
mod statement;
mod stretch;
mod variables;

pub use classify::{classify, classify_prefix};
pub use dialect::{Dialect, Release, ServerKind, TextEncoding};
pub use functions::{Arguments, BuiltIn, built_ins};
pub use held_ids::{HeldIds, held_ids};
pub use hint::Hint;
pub use lex::Doubt;
pub use schemas::is_system_schema;
pub use scope::{Scoped, scoped};
pub use span::{Few, Span};
pub use statement::{Facts, IdSpan, IdUse, Kind, Statement};
