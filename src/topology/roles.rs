//! Who the primary is.
//!
//! PURE. Knows the rule and what the members say of themselves. Must not know how they were asked.
//!
//! A named primary stays the primary whatever it says: when it is read-only, writes get its own error, which tells the
//! application and its operator the truth, and nothing is written anywhere else. With `auto` the proxy never guesses:
//! two writable members are a mistake that writing to either would make worse.

use std::sync::Arc;

use super::member::{Member, MemberId};
use super::state::Health;
use super::view::NoPrimary;

/// What decides a member's role.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Who.
    pub member: &'a Member,
    /// Whether it answers.
    pub health: &'a Health,
    /// What it said last.
    pub read_only: Option<bool>,
}

impl Candidate<'_> {
    fn is_writable(&self) -> bool {
        *self.health == Health::Up && self.read_only == Some(false)
    }
}

/// The primary when the configuration names it: `named` is the member that bears the name now.
pub fn named(name: &str, named: Option<MemberId>) -> Result<MemberId, NoPrimary> {
    named.ok_or_else(|| NoPrimary::NotFound(name.into()))
}

/// The primary of a cluster of one server.
pub fn single(members: &[Candidate<'_>]) -> Result<MemberId, NoPrimary> {
    members.first().map(|only| only.member.id).ok_or(NoPrimary::NotSeenYet)
}

/// The primary when it is whoever is writable.
///
/// `previous` stays while it alone is writable, also while a member that has just appeared was not asked yet, and
/// while it is down and no other took its place (so that the reason why there is no primary can be told).
pub fn writable(members: &[Candidate<'_>], previous: Option<MemberId>) -> Result<MemberId, NoPrimary> {
    let writable: Vec<&Candidate<'_>> = members.iter().filter(|candidate| candidate.is_writable()).collect();
    let unseen = members.is_empty() || members.iter().any(|candidate| *candidate.health == Health::Unknown);
    match writable.as_slice() {
        [one] if !unseen || previous == Some(one.member.id) => Ok(one.member.id),
        [] | [_] if unseen => Err(NoPrimary::NotSeenYet),
        [] => members
            .iter()
            .find(|candidate| Some(candidate.member.id) == previous && *candidate.health != Health::Up)
            .map(|candidate| candidate.member.id)
            .ok_or(NoPrimary::NoneWritable),
        several => Err(NoPrimary::Ambiguous(names(several))),
    }
}

fn names(candidates: &[&Candidate<'_>]) -> Arc<str> {
    candidates.iter().map(|candidate| &*candidate.member.name).collect::<Vec<_>>().join(", ").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::state::DownReason;

    /// `w`ritable, `r`ead-only, `d`own (writable before), `?` not asked yet.
    fn decide(members: &str, previous: Option<u32>) -> Result<u32, NoPrimary> {
        let states: Vec<(Member, Health, Option<bool>)> = (0..)
            .zip(members.chars())
            .map(|(id, state)| {
                let member = Member::new(MemberId(id), &format!("m{id}"), ([10, 0, 0, id as u8], 3306).into());
                match state {
                    'w' => (member, Health::Up, Some(false)),
                    'r' => (member, Health::Up, Some(true)),
                    'd' => (member, Health::Down(DownReason::Connect(String::new())), Some(false)),
                    _ => (member, Health::Unknown, None),
                }
            })
            .collect();
        let candidates: Vec<Candidate<'_>> = states
            .iter()
            .map(|(member, health, read_only)| Candidate { member, health, read_only: *read_only })
            .collect();
        writable(&candidates, previous.map(MemberId)).map(|id| id.0)
    }

    #[test]
    fn the_one_writable_member_is_the_primary() {
        for (members, previous, primary) in [
            ("", None, Err(NoPrimary::NotSeenYet)),
            ("???", None, Err(NoPrimary::NotSeenYet)),
            ("w??", None, Err(NoPrimary::NotSeenYet)),
            ("wr?", Some(0), Ok(0)),
            ("wrr", None, Ok(0)),
            ("rwr", Some(0), Ok(1)),
            ("rrr", None, Err(NoPrimary::NoneWritable)),
            ("rrr", Some(0), Err(NoPrimary::NoneWritable)),
            ("drr", Some(0), Ok(0)),
            ("drr", None, Err(NoPrimary::NoneWritable)),
            ("dwr", Some(0), Ok(1)),
            ("dr?", Some(0), Err(NoPrimary::NotSeenYet)),
            ("wwr", None, Err(NoPrimary::Ambiguous("m0, m1".into()))),
            ("wwr", Some(0), Err(NoPrimary::Ambiguous("m0, m1".into()))),
            ("ww?", None, Err(NoPrimary::Ambiguous("m0, m1".into()))),
        ] {
            assert_eq!(decide(members, previous), primary, "{members} {previous:?}");
        }
    }

    #[test]
    fn a_named_primary_is_whoever_bears_the_name() {
        assert_eq!(named("mysql-0", Some(MemberId(7))), Ok(MemberId(7)));
        assert_eq!(named("mysql-0", None), Err(NoPrimary::NotFound("mysql-0".into())));
    }
}
