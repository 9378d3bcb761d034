//! What operators see of the running proxy, and the page and the command that show it.
//!
//! Knows HTTP, JSON and tables. Must not know how the proxy does its work: it asks through [`Observed`], and changes
//! nothing.
//!
//! ```text
//! running proxy ─ Observed ─▶ http ─ report (JSON) ─▶ fetch ─▶ status ─ table ─▶ terminal
//!                                  ─ history (JSON) ─▶ page ─▶ browser
//! ```

mod fetch;
mod history;
pub mod http;
mod listener;
mod observed;
mod page;
mod report;
pub mod status;
mod table;

pub use fetch::FetchError;
pub use history::{History, STEP as HISTORY_STEP, Sample};
pub use observed::{Observed, Readiness, Summary};
pub use report::{MemberReport, QueryReport, StatusReport};
