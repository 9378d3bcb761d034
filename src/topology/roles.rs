//! Who the primary is.
//!
//! PURE. Knows the rule and what the members say of themselves. Must not know how they were asked.
//!
//! A named primary stays the primary whatever it says: when it is read-only, writes get its own error, which tells the
//! application and its operator the truth, and nothing is written anywhere else. With `auto` the proxy never guesses:
//! two writable members are a mistake that writing to either would make worse.
//!
//! In a Galera cluster all members are writable, and writes to two of them at once may collide. So all proxies must
//! choose the same one, also one that has just started: the named one if it is fit, else the first by name that is.
//! Nothing else counts, above all not who it was before.

use std::sync::Arc;

use super::galera::{Ability, Node};
use super::member::Member;
use super::member_id::MemberId;
use super::names;
use super::state::{Health, Unfit};
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
    /// It is about to end.
    pub leaving: bool,
    /// What it said last of its Galera cluster.
    pub galera: Option<&'a Node>,
}

impl Candidate<'_> {
    fn is_writable(&self) -> bool {
        *self.health == Health::Up && self.read_only == Some(false)
    }

    /// Whether it can be the one that writes in a Galera cluster. Who does not let the monitor look any more (`Blind`)
    /// stays what it is and becomes nothing new.
    fn ability(&self, previous: Option<MemberId>) -> Ability {
        let counts = match self.health {
            Health::Up => true,
            Health::Blind(_) => previous == Some(self.member.id),
            Health::Unknown | Health::Down(_) => false,
        };
        let node = self.galera.filter(|_| counts);
        let ability = node.map_or(Ability::None, |node| node.ability(self.read_only == Some(true)));
        // Better a donor than one that is about to end.
        if self.leaving { ability.min(Ability::ReadOnly) } else { ability }
    }

    /// Why it cannot, for who finds out that nobody can.
    fn excuse(&self) -> String {
        let why = match self.health {
            Health::Unknown => "it has not been asked yet".to_owned(),
            Health::Down(reason) => reason.to_string(),
            Health::Blind(reason) => reason.to_string(),
            Health::Up => {
                self.galera.map_or(Some(Unfit::NoGalera), Node::complaint).unwrap_or(Unfit::Unseen).to_string()
            }
        };
        format!("{}: {why}", self.member.name)
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
        several => Err(NoPrimary::Ambiguous(names_of(several))),
    }
}

/// The primary of a Galera cluster: the best of those that can take writes; of equals the one that is named, then the
/// first by name. `previous` only bridges the time until a better one that was not asked yet has answered.
pub fn galera(
    members: &[Candidate<'_>],
    named: Option<MemberId>,
    previous: Option<MemberId>,
) -> Result<MemberId, NoPrimary> {
    let mut ranked: Vec<&Candidate<'_>> = members.iter().collect();
    ranked.sort_by(|one, other| {
        let is_other = |candidate: &Candidate<'_>| named != Some(candidate.member.id);
        let by_name = names::in_order(&one.member.name, &other.member.name);
        is_other(one).cmp(&is_other(other)).then(by_name).then(one.member.address.cmp(&other.member.address))
    });
    let ability = |candidate: &Candidate<'_>| candidate.ability(previous);
    let best = ranked.iter().map(|candidate| ability(candidate)).max().unwrap_or(Ability::None);
    let chosen = ranked.iter().position(|candidate| ability(candidate) == best).filter(|_| best > Ability::None);
    let ahead = chosen.filter(|_| best == Ability::Fit).unwrap_or(ranked.len());
    if ranked[..ahead].iter().any(|candidate| *candidate.health == Health::Unknown) {
        let stays = |candidate: &&&Candidate<'_>| Some(candidate.member.id) == previous;
        let kept = ranked.iter().find(stays).filter(|candidate| ability(candidate) > Ability::None);
        return kept.map(|candidate| candidate.member.id).ok_or(NoPrimary::NotSeenYet);
    }
    chosen.map(|at| ranked[at].member.id).ok_or_else(|| {
        NoPrimary::NoneFit(ranked.iter().map(|candidate| candidate.excuse()).collect::<Vec<_>>().join("; ").into())
    })
}

fn names_of(candidates: &[&Candidate<'_>]) -> Arc<str> {
    candidates.iter().map(|candidate| &*candidate.member.name).collect::<Vec<_>>().join(", ").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::fake::{galera_status, galera_variables};
    use crate::topology::state::{BlindReason, DownReason};

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
            .map(|(member, health, read_only)| Candidate {
                member,
                health,
                read_only: *read_only,
                leaving: false,
                galera: None,
            })
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

    /// Of a Galera cluster: `f`it, a `d`onor, `n`on-Primary, `r`ead-only, do`w`n, `b`lind (fit before), `?` not asked, `l`eaving.
    fn choose(members: &str, named: Option<u32>, previous: Option<u32>) -> Result<u32, NoPrimary> {
        let node = |replaced: &[(&str, &str)]| Node::read(&galera_variables(&[]), &galera_status(1, replaced));
        let count = members.len() as u32;
        let states: Vec<(Member, Health, Option<Node>, bool, bool)> = (0..)
            .zip(members.chars())
            .map(|(id, state)| {
                // The last one is the first by name, so that the order of their ids says nothing.
                let name = format!("db-{}", count + 8 - id);
                let member = Member::new(MemberId(id), &name, ([10, 0, 0, id as u8], 3306).into());
                let (health, node) = match state {
                    'd' => (Health::Up, node(&[("wsrep_local_state", "2")])),
                    'n' => (Health::Up, node(&[("wsrep_cluster_status", "non-Primary")])),
                    'w' => (Health::Down(DownReason::Connect(String::new())), node(&[])),
                    'b' => (Health::Blind(BlindReason::TooManyConnections(String::new())), node(&[])),
                    '?' => (Health::Unknown, None),
                    _ => (Health::Up, node(&[])),
                };
                (member, health, node, state == 'r', state == 'l')
            })
            .collect();
        let candidates: Vec<Candidate<'_>> = states
            .iter()
            .map(|(member, health, node, read_only, leaving)| Candidate {
                member,
                health,
                read_only: Some(*read_only),
                leaving: *leaving,
                galera: node.as_ref(),
            })
            .collect();
        galera(&candidates, named.map(MemberId), previous.map(MemberId)).map(|id| id.0)
    }

    #[test]
    fn all_who_see_the_same_galera_cluster_choose_the_same_member() {
        for (members, named, expected) in [
            ("fff", None, 2),
            ("fff", Some(0), 0),
            ("wff", Some(0), 2),
            ("nff", Some(0), 2),
            ("dff", Some(0), 2),
            ("rff", Some(0), 2),
            ("ffw", None, 1),
            ("fwd", Some(1), 0),
            ("wwd", Some(0), 2),
            ("dwd", Some(0), 0),
            ("wwr", Some(0), 2),
            ("rrr", Some(1), 1),
            ("rwd", Some(0), 2),
            ("fff", Some(9), 2),
            ("?ff", None, 2),
            ("ffl", None, 1),
            ("lff", Some(0), 2),
            ("lwd", Some(0), 2),
            ("lww", None, 0),
        ] {
            for previous in [None, Some(0), Some(1), Some(2)] {
                let choice = choose(members, named, previous);
                assert_eq!(choice, Ok(expected), "{members} {named:?} {previous:?}");
            }
        }
    }

    #[test]
    fn who_was_not_asked_yet_is_waited_for_while_it_might_be_the_one() {
        for (members, named, previous, expected) in [
            ("ff?", None, None, Err(NoPrimary::NotSeenYet)),
            ("ff?", None, Some(0), Ok(0)),
            ("fw?", None, Some(1), Err(NoPrimary::NotSeenYet)),
            ("ff?", Some(0), None, Ok(0)),
            ("?ff", Some(0), Some(2), Ok(2)),
            ("?wd", None, None, Err(NoPrimary::NotSeenYet)),
            ("?wd", None, Some(2), Ok(2)),
            ("bff", Some(0), Some(0), Ok(0)),
            ("bff", Some(0), Some(2), Ok(2)),
            ("???", None, None, Err(NoPrimary::NotSeenYet)),
        ] {
            assert_eq!(choose(members, named, previous), expected, "{members} {named:?} {previous:?}");
        }
    }

    #[test]
    fn when_nobody_can_write_each_is_told_with_its_reason() {
        let told = choose("wn", None, Some(0)).unwrap_err().to_string();
        assert!(told.contains("db-9: its part of the Galera cluster has no quorum"), "{told}");
        assert!(told.contains("; db-10: no connection"), "{told}");
    }

    #[test]
    fn a_named_primary_is_whoever_bears_the_name() {
        assert_eq!(named("mysql-0", Some(MemberId(7))), Ok(MemberId(7)));
        assert_eq!(named("mysql-0", None), Err(NoPrimary::NotFound("mysql-0".into())));
    }
}
