//! Whether the right member is the primary, and who should refuse writes.
//!
//! Knows who copies from whom, and advises nothing before it does: `read_only=OFF` on a replica, or `ON` on the server
//! whose writes it copies, would make two servers of one.

use super::{Finding, Verdict, finding, title};
use crate::topology::{MemberView, NoPrimary, Role, Unfit, View};
use crate::wire::server::ServerFamily;

const ABOUT: &str = "cluster.primary";

/// Whether there is a primary, and whether it is the one whose writes the others copy.
pub(super) fn primary(view: &View) -> Finding {
    match view.primary() {
        Ok(primary) => assigned(view, primary),
        Err(NoPrimary::NotFound(name)) => {
            let known: Vec<&str> = view.members.iter().map(|member| &*member.member.name).collect();
            let right = format!("name one of {}, or say \"auto\"", known.join(", "));
            finding(Verdict::Wrong, ABOUT, format!("no member is called {name:?}; {right}"))
        }
        Err(NoPrimary::Ambiguous(_)) => finding(Verdict::Wrong, ABOUT, several(view)),
        Err(reason) => finding(Verdict::Wrong, ABOUT, reason.to_string()),
    }
}

fn assigned(view: &View, primary: &MemberView) -> Finding {
    let is_read_only = primary.read_only == Some(true);
    let name = title(primary);
    let source = head(view, primary).filter(|_| !view.is_galera());
    match source {
        Some(source) if is_read_only || source.read_only == Some(false) => {
            let its = if is_read_only { "a read-only replica" } else { "a replica" };
            let name = format!("{name} is {its} that copies from {}", title(source));
            let text =
                format!("{name}; set cluster.primary = \"{}\", and leave read_only as it is", source.member.name);
            finding(Verdict::Wrong, ABOUT, text)
        }
        _ if is_read_only && primary.hides_replication.is_some() => {
            let grant = primary.hides_replication.as_deref().unwrap_or_default();
            let text = format!(
                "{name} is read-only, and the monitor may not see whether it copies from another; run on the primary: {grant}"
            );
            finding(Verdict::Wrong, ABOUT, text)
        }
        _ if is_read_only => finding(
            Verdict::Wrong,
            ABOUT,
            format!("{name} is read-only; set read_only=OFF there, or name another member"),
        ),
        _ => finding(Verdict::Good, ABOUT, name),
    }
}

/// Several are writable, and none is named.
fn several(view: &View) -> String {
    let writable: Vec<&MemberView> = view.members.iter().filter(|member| is_writable(member)).collect();
    let names = writable.iter().map(|member| title(member)).collect::<Vec<_>>().join(" and ");
    let heads: Vec<&&MemberView> = writable.iter().filter(|member| member.sources.is_empty()).collect();
    let hidden = writable.iter().find_map(|member| member.hides_replication.as_deref());
    match (heads.as_slice(), hidden) {
        (_, Some(grant)) => {
            format!(
                "{names} are writable, and the monitor may not see who copies from whom; run on the primary: {grant}"
            )
        }
        ([only], None) => {
            let replicas: Vec<String> = writable
                .iter()
                .filter(|member| member.member.id != only.member.id)
                .map(|member| title(member))
                .collect();
            let (replicas, copy) = (replicas.join(" and "), if replicas.len() == 1 { "copies" } else { "copy" });
            format!("{names} are writable, and {replicas} {copy} from {}: set read_only=ON on {replicas}", title(only))
        }
        ([], None) => format!(
            "{names} are writable and copy from each other; name one of them, and set read_only=ON on all others"
        ),
        (_, None) => format!(
            "{names} are writable, and none of them copies from the other: their data differ; name the one that is \
             right, and make the others anew from it"
        ),
    }
}

/// A replica that takes writes. Who copies from nobody may be the primary that was not named.
pub(super) fn writable(view: &View, member: &MemberView) -> Option<Finding> {
    let copies = !member.sources.is_empty() || member.unfit.is_none();
    let is_replica = !view.is_galera() && member.role == Role::Replica && copies;
    let proper = !matches!(member.unfit, Some(Unfit::Stranger { .. } | Unfit::NoReplication));
    // Without a primary that is told once, in the finding about the primary.
    let told_here = view.assigned_primary.is_ok() && is_replica && proper && is_writable(member);
    let misplaced =
        view.primary().is_ok_and(|primary| head(view, primary).is_some_and(|head| head.member.id == member.member.id));
    let text = "this replica is writable; read_only=ON there keeps stray writes away";
    (told_here && !misplaced).then(|| finding(Verdict::Remark, title(member), text))
}

/// Without GTIDs a session that has written waits longer before a replica may serve it again.
pub(super) fn without_gtids(view: &View) -> Option<Finding> {
    let primary = view.primary().ok()?;
    if view.is_galera() || primary.names_writes || view.members.len() < 2 || primary.read_only.is_none() {
        return None;
    }
    let remedy = match primary.server.as_ref()?.family {
        ServerFamily::MySql => "set gtid_mode=ON and enforce_gtid_consistency=ON on all members",
        ServerFamily::MariaDb => "switch on log_bin there",
    };
    let text = format!(
        "not all of its transactions have a GTID, so a session that has written reads from it until a replica is known to be \
         past that moment; {remedy}"
    );
    Some(finding(Verdict::Remark, title(primary), text))
}

fn is_writable(member: &MemberView) -> bool {
    member.is_up() && member.read_only == Some(false)
}

/// The member at the head of the chain that this one copies from; `None` for one that copies from no member, and where
/// members copy from each other.
fn head<'a>(view: &'a View, member: &MemberView) -> Option<&'a MemberView> {
    let mut at = view.member(*member.sources.first()?)?;
    for _ in &view.members {
        match at.sources.first() {
            _ if at.sources.contains(&member.member.id) => return None,
            None => return Some(at),
            Some(next) => at = view.member(*next)?,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::{Health, Member, MemberId};

    /// Members by what they copy from and whether they are writable; the primary, if one is assigned.
    fn view(members: &[(&[u32], bool)], primary: Option<u32>) -> View {
        let member = |(id, (sources, writable)): (u32, &(&[u32], bool))| {
            let member = Member::new(MemberId(id), &format!("db-{id}"), ([10, 0, 0, id as u8], 3306).into());
            let role = if primary == Some(id) { Role::Primary } else { Role::Replica };
            MemberView {
                health: Health::Up,
                unfit: (sources.is_empty() && role == Role::Replica).then_some(Unfit::NoReplication),
                read_only: Some(!writable),
                sources: sources.iter().map(|id| MemberId(*id)).collect(),
                ..MemberView::unseen(member, role)
            }
        };
        let assigned = primary.map(MemberId).ok_or_else(|| NoPrimary::Ambiguous("…".into()));
        View::new(1, (0..).zip(members).map(member).collect(), assigned)
    }

    fn advice(members: &[(&[u32], bool)], named: Option<u32>) -> (Verdict, String, Vec<u32>) {
        let view = view(members, named);
        let found = primary(&view);
        let told = view.members.iter().filter(|member| writable(&view, member).is_some());
        (found.verdict, found.text, told.map(|member| member.member.id.0).collect())
    }

    #[test]
    fn nobody_is_advised_before_it_is_known_who_copies_from_whom() {
        for (members, named, verdict, part, told) in [
            (&[(&[][..], true), (&[0][..], false)][..], Some(0), Verdict::Good, "db-0", &[][..]),
            (&[(&[], true), (&[0], true)], Some(0), Verdict::Good, "db-0", &[1]),
            (&[(&[], false), (&[0], false)], Some(0), Verdict::Wrong, "set read_only=OFF there", &[]),
            (&[(&[], true), (&[0], false)], Some(1), Verdict::Wrong, "set cluster.primary = \"db-0\"", &[]),
            (&[(&[], true), (&[0], true)], Some(1), Verdict::Wrong, "set cluster.primary = \"db-0\"", &[]),
            (&[(&[], true), (&[0], false), (&[1], false)], Some(2), Verdict::Wrong, "= \"db-0\"", &[]),
            (&[(&[1], true), (&[0], true)], Some(1), Verdict::Good, "db-1", &[0]),
            (&[(&[], true), (&[0], true)], None, Verdict::Wrong, "set read_only=ON on db-1", &[]),
            (&[(&[1], true), (&[], true)], None, Verdict::Wrong, "set read_only=ON on db-0", &[]),
            (&[(&[], true), (&[], true)], None, Verdict::Wrong, "their data differ", &[]),
            (&[(&[1], true), (&[0], true)], None, Verdict::Wrong, "copy from each other", &[]),
        ] {
            let (found, text, remarked) = advice(members, named);
            assert_eq!((found, remarked.as_slice()), (verdict, told), "{members:?} {named:?}: {text}");
            assert!(text.contains(part), "{members:?} {named:?}: {text}");
        }
        let (_, text, _) = advice(&[(&[], true), (&[0], false)], Some(1));
        assert!(!text.contains("read_only=O"), "{text}");
    }
}
