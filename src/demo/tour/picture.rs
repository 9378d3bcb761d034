//! The idea in one picture, and what was started.

use std::fs;
use std::io;

use super::front::Front;
use super::page::{Ink, Page};
use crate::demo::{Cluster, Role};

const IDEA: &str = "
                                                        ┌───────────┐
                                 writes, transactions   │  primary  │
                              ┌────────────────────────▶│           │──┐
  ┌─────────────┐    ┌────────┴────┐                    └───────────┘  │
  │     your    │    │             │                    ┌───────────┐  │ replication
  │ application │───▶│ mysql-proxy │───── reads ───────▶│ replica 1 │◀─┤
  └─────────────┘    │             │                    └───────────┘  │
    one endpoint,    └────────┬────┘                    ┌───────────┐  │
    nothing changed           └───────── reads ────────▶│ replica 2 │◀─┘
                                                        └───────────┘
";

/// The idea.
pub(super) fn show(page: &mut Page) -> io::Result<()> {
    page.line(IDEA)
}

/// What was started, and the proxy's whole configuration.
pub(super) fn cluster(page: &mut Page, cluster: &Cluster, front: &Front) -> io::Result<()> {
    for member in cluster.members() {
        let process = member.pid().map_or_else(String::new, |pid| format!("   process {pid}"));
        page.line(&format!("  {}  {}{process}", super::page::padded(&name(member.index()), 10), member.address()))?;
    }
    page.line(&format!("  the proxy   {}", front.read_write()))?;
    page.line("")?;
    page.line("The proxy was started with `mysql-proxy run --config mysql-proxy.toml`, which says no more than this:")?;
    page.line("")?;
    for line in fs::read_to_string(front.configuration())?.lines() {
        page.line(&page.ink(Ink::Faint, &format!("    {line}")))?;
    }
    page.line("")?;
    page.line("Now a client connects to the proxy. Below each of its statements: the member that served it, ✓ when")?;
    page.line("that member's own general log (and no other's) has the statement, and the proxy's reason.")
}

/// What a member is called here.
pub(super) fn name(index: usize) -> String {
    match index {
        0 => "primary".to_owned(),
        replica => format!("replica {replica}"),
    }
}

/// Its colour.
pub(super) const fn ink(role: Role) -> Ink {
    match role {
        Role::Primary => Ink::Primary,
        Role::Replica => Ink::Replica,
    }
}
