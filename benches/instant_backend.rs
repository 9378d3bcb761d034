//! A server that answers everything at once, alone: `cargo bench --bench instant_backend -- 127.0.0.1:3399`.
//!
//! Knows the command line only.

#[path = "against_haproxy/instant.rs"]
mod instant;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    // `cargo test --all-targets` and test runners start it without an address.
    let Some(address) = arguments.first().filter(|argument| !argument.starts_with('-')) else {
        return ExitCode::SUCCESS;
    };
    match instant::serve(address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{address}: {error}");
            ExitCode::FAILURE
        }
    }
}
