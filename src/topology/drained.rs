//! Members that an operator keeps new work away from, until the operator gives them back.
//!
//! PURE. Knows names, and which members may be drained. Must not know how work is kept away (`cluster`, `pick`), nor who asks.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::member::Role;
use super::settings::HostPort;
use super::view::{MemberView, View};

/// The names of members that are drained: a pod that comes back under its name and another address is the same one.
pub type Drained = BTreeSet<Arc<str>>;

/// Why a member is not drained, or not given back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrainError {
    /// Nobody is called so.
    #[error("no member is called {name:?}; there are: {members}")]
    NoSuchMember {
        /// What was asked for.
        name: String,
        /// Who is there.
        members: String,
    },
    /// The name is that of several members.
    #[error("more than one member is called {name:?}: {members}")]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// Whose it is.
        members: String,
    },
    /// Writes could go nowhere else.
    #[error(
        "{name} is the primary and no other member can take its writes, so it is not drained: make another member the primary \
         first; to restart it, have its host take the lock mysql-proxy.leaving there (docs/kubernetes.md), and writes wait for it"
    )]
    Primary {
        /// The member.
        name: Arc<str>,
    },
    /// It serves as before.
    #[error("{name} is not drained")]
    NotDrained {
        /// The member.
        name: String,
    },
}

/// The member of this name, if it may be drained. In a Galera cluster another node takes the writes; elsewhere nobody could.
pub fn drainable<'a>(view: &'a View, name: &str) -> Result<&'a MemberView, DrainError> {
    let member = find(view, name)?;
    let others = || view.members.iter().any(|other| other.member.id != member.member.id && other.serves_reads());
    if member.role == Role::Primary && !(view.is_galera() && others()) {
        return Err(DrainError::Primary { name: Arc::clone(&member.member.name) });
    }
    Ok(member)
}

/// The member that is meant: by its whole name or address, else by its host's name alone, or the first part of it.
fn find<'a>(view: &'a View, name: &str) -> Result<&'a MemberView, DrainError> {
    let exactly = |member: &&MemberView| {
        member.member.name.eq_ignore_ascii_case(name) || member.member.address.to_string() == name
    };
    if let Some(member) = view.members.iter().find(exactly) {
        return Ok(member);
    }
    let is_meant = |member: &&MemberView| {
        let host = HostPort::parse(&member.member.name, 0).map(|it| it.host).unwrap_or_default();
        let rest = host.get(..name.len()).filter(|start| start.eq_ignore_ascii_case(name)).and(host.get(name.len()..));
        rest.is_some_and(|rest| !name.is_empty() && (rest.is_empty() || rest.starts_with('.')))
    };
    let meant: Vec<&MemberView> = view.members.iter().filter(is_meant).collect();
    match meant[..] {
        [member] => Ok(member),
        [] => Err(DrainError::NoSuchMember { name: name.to_owned(), members: names(view.members.iter()) }),
        _ => Err(DrainError::Ambiguous { name: name.to_owned(), members: names(meant.into_iter()) }),
    }
}

/// The name under which a member is drained that is to be given back. It may be gone by now.
pub fn drained_as(drained: &Drained, view: &View, name: &str) -> Result<Arc<str>, DrainError> {
    let known = find(view, name).ok().map(|member| Arc::clone(&member.member.name));
    let found = known.filter(|known| drained.contains(known)).or_else(|| drained.get(name).cloned());
    found.ok_or_else(|| DrainError::NotDrained { name: name.to_owned() })
}

fn names<'a>(members: impl Iterator<Item = &'a MemberView>) -> String {
    members.map(|member| &*member.member.name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::character::Character;
    use crate::topology::member::Member;
    use crate::topology::member_id::MemberId;
    use crate::topology::state::Health;

    /// A primary and two replicas.
    fn view(names: [&str; 3]) -> View {
        let member = |(id, name): (u32, &str)| {
            let role = if id == 0 { Role::Primary } else { Role::Replica };
            let member = Member::new(MemberId(id), name, ([10, 0, 0, id as u8], 3306).into());
            MemberView { health: Health::Up, unfit: None, ..MemberView::unseen(member, role) }
        };
        View::new(1, (0..).zip(names).map(member).collect(), Ok(MemberId(0)))
    }

    #[test]
    fn members_are_meant_by_any_name_that_is_theirs_alone() {
        let pods = view(["mysql-0.mysql", "mysql-1.mysql", "mysql-10.mysql"]);
        let listed = view(["db:1", "db:2", "10.0.0.9:3306"]);
        for (view, name, meant) in [
            (&pods, "mysql-1.mysql", Ok(1)),
            (&pods, "MYSQL-1", Ok(1)),
            (&pods, "mysql-10", Ok(2)),
            (&pods, "10.0.0.2:3306", Ok(2)),
            (
                &pods,
                "mysql",
                Err("no member is called \"mysql\"; there are: mysql-0.mysql, mysql-1.mysql, mysql-10.mysql"),
            ),
            (&pods, "", Err("no member is called \"\"; there are: mysql-0.mysql, mysql-1.mysql, mysql-10.mysql")),
            (&listed, "db:2", Ok(1)),
            (&listed, "db", Err("more than one member is called \"db\": db:1, db:2")),
        ] {
            let found = find(view, name).map(|member| member.member.id.0).map_err(|error| error.to_string());
            assert_eq!(found, meant.map_err(str::to_owned), "{name}");
        }
    }

    #[test]
    fn a_primary_is_drained_only_where_another_member_can_take_its_writes() {
        let mut view = view(["a", "b", "c"]);
        assert!(drainable(&view, "b").is_ok());
        assert_eq!(drainable(&view, "a").unwrap_err(), DrainError::Primary { name: "a".into() });
        view.character = Character::Galera;
        assert!(drainable(&view, "a").is_ok());
        view.members.truncate(1);
        assert!(drainable(&view, "a").is_err());
    }

    #[test]
    fn who_is_gone_can_be_given_back() {
        let view = view(["a", "b.x", "c"]);
        let drained = Drained::from(["b.x".into(), "gone".into()]);
        assert_eq!(drained_as(&drained, &view, "b").unwrap().as_ref(), "b.x");
        assert_eq!(drained_as(&drained, &view, "gone").unwrap().as_ref(), "gone");
        assert_eq!(drained_as(&drained, &view, "c").unwrap_err().to_string(), "c is not drained");
    }
}
