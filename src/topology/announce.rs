//! What changed from one snapshot to the next, in words for the log: once for each change, with what to do about it.
//!
//! Must not know how the snapshots were made.

use std::mem::discriminant;

use tracing::{info, warn};

use super::member::Role;
use super::state::{Health, Unfit};
use super::view::{MemberView, NoPrimary, View};

/// How much an operator should care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// All is well, or well again.
    Info,
    /// Something is missing.
    Warning,
}

/// One change in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// How much it matters.
    pub weight: Weight,
    /// What happened.
    pub text: String,
}

fn good(text: String) -> Change {
    Change { weight: Weight::Info, text }
}

fn bad(text: String) -> Change {
    Change { weight: Weight::Warning, text }
}

/// Logs what changed.
pub fn announce(before: &View, now: &View) {
    for Change { weight, text } in changes(before, now) {
        match weight {
            Weight::Info => info!("{text}"),
            Weight::Warning => warn!("{text}"),
        }
    }
}

/// What changed, in the order in which an operator wants to read it.
#[must_use]
pub fn changes(before: &View, now: &View) -> Vec<Change> {
    let mut changes = Vec::new();
    if before.discovery_problem != now.discovery_problem {
        changes.push(match &now.discovery_problem {
            Some(problem) => bad(format!("looking up the members failed, the last known ones stay: {problem}")),
            None => good("looking up the members works again".to_owned()),
        });
    }
    let gone = before.members.iter().filter(|old| now.member(old.member.id).is_none());
    changes.extend(gone.map(|old| good(format!("{} is no longer a member", title(old)))));
    for view in &now.members {
        match before.member(view.member.id) {
            Some(old) => changes.extend(member_changes((before, old), (now, view))),
            None => changes.push(good(format!("{} is a new member", title(view)))),
        }
    }
    changes.extend(primary_change(before, now));
    changes.extend(history_change(before, now));
    changes
}

fn title(view: &MemberView) -> String {
    let address = view.member.address.to_string();
    if *view.member.name == *address { address } else { format!("{} ({address})", view.member.name) }
}

/// Why it serves no reads, once that says something about the member: before the primary is known every member counts
/// as a replica.
fn complaint<'a>(view: &View, member: &'a MemberView) -> Option<&'a Unfit> {
    member.unfit.as_ref().filter(|_| member.is_up() && view.assigned_primary.is_ok())
}

fn serves(view: &View, member: &MemberView) -> bool {
    member.serves_reads() && view.assigned_primary.is_ok()
}

fn member_changes(before: (&View, &MemberView), after: (&View, &MemberView)) -> Vec<Change> {
    let (old, now) = (before.1, after.1);
    let mut changes = Vec::new();
    let title = title(now);
    if discriminant(&old.health) != discriminant(&now.health) {
        changes.push(match &now.health {
            Health::Unknown => good(format!("{title} has not been asked yet")),
            Health::Up => good(format!("{}{title} is up{}", rank(now), version(now))),
            Health::Blind(reason) => bad(format!("{title} cannot be checked: {reason}")),
            Health::Down(reason) if now.role == Role::Primary && !after.0.is_galera() => bad(format!(
                "the primary {title} is down: {reason}; writes wait for it (pool.acquire_timeout), then get error 9001"
            )),
            Health::Down(reason) => bad(format!("{title} is down: {reason}")),
        });
    }
    let (complained, complains) = (complaint(before.0, old), complaint(after.0, now));
    if let Some(unfit) = complains
        && complained.map(discriminant) != Some(discriminant(unfit))
    {
        changes.push(bad(format!("{title} serves no reads: {unfit}")));
    }
    if serves(after.0, now) && !serves(before.0, old) {
        changes.push(good(format!("{title} serves reads")));
    }
    if let Some(doubt) = now.doubt.as_ref().filter(|_| old.doubt.is_none()) {
        changes.push(bad(format!("{title} serves, and should be looked at: {doubt}")));
    }
    let leaves = |view: &MemberView| view.role == Role::Primary && view.is_up() && view.leaving;
    if leaves(now) && !leaves(old) {
        changes.push(good(format!("the primary {title} is about to end: what begins there waits until it is back")));
    }
    let refuses_writes = |view: &MemberView| view.role == Role::Primary && view.read_only == Some(true);
    if refuses_writes(now) && !refuses_writes(old) {
        changes.push(bad(format!(
            "the primary {title} is read-only: writes get its error 1290; set read_only off there or name another cluster.primary"
        )));
    }
    changes
}

fn rank(view: &MemberView) -> &'static str {
    if view.role == Role::Primary { "the primary " } else { "" }
}

fn version(view: &MemberView) -> String {
    view.server.as_ref().map(|server| format!(", version {}", server.version_text)).unwrap_or_default()
}

fn primary_change(before: &View, now: &View) -> Option<Change> {
    if before.assigned_primary == now.assigned_primary {
        return None;
    }
    match &now.assigned_primary {
        Ok(id) => now.member(*id).map(|view| good(format!("{} is the primary", title(view)))),
        Err(NoPrimary::NotSeenYet) => None,
        Err(reason) => Some(bad(format!("there is no primary: {reason}"))),
    }
}

/// What was learned before counts no longer.
fn history_change(before: &View, now: &View) -> Option<Change> {
    let why = now.beginning.as_ref().filter(|_| before.history != now.history)?;
    let primary = now.assigned_primary.as_ref().ok().and_then(|id| now.member(*id)).map(title).unwrap_or_default();
    Some(bad(format!(
        "a new history begins at the primary {primary}: {why}; replicas that have the old one serve no reads until they are made anew"
    )))
}

#[cfg(test)]
#[path = "announce_tests.rs"]
mod tests;
