//! The process's open files, and who may have how many: clients are refused before members, the monitor or the admin port
//! lack one.
//!
//! Knows the system's limit and shares. Must not know who has a descriptor now.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

use crate::config::{Config, Discovery};

/// Descriptors for the program itself: streams, listeners, runtime, signals, names that are resolved.
const OWN: usize = 20;
/// For each member besides the pool's: the monitor's connections, and short ones that stop a statement.
const BESIDES_POOL: usize = 4;
/// The members that a Service is taken to have.
const MEMBERS_OF_SERVICE: usize = 5;
/// The most connections to the admin port.
const ADMIN: usize = 256;

/// Who may have how many connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shares {
    /// Clients.
    pub clients: usize,
    /// The pool of each member.
    pub each_member: usize,
    /// Peers of the admin port.
    pub admin: usize,
}

/// What is wanted.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    clients: usize,
    each_member: usize,
    members: usize,
}

/// Raises the limit of open files as far as the system allows, and shares them out.
pub(super) fn shares(config: &Config) -> Shares {
    let members = match &config.cluster.discovery {
        Discovery::Service(_) => MEMBERS_OF_SERVICE,
        Discovery::Members(list) => list.len().max(1),
    };
    let wanted = Wanted {
        clients: config.limits.max_client_connections,
        each_member: config.pool.max_backend_connections,
        members,
    };
    let limit = raised();
    let shares = share(limit, wanted);
    let Shares { clients, each_member, .. } = shares;
    if clients < wanted.clients || each_member < wanted.each_member {
        warn!(
            open_files = limit,
            clients,
            each_member,
            "the limit of open files (ulimit -Hn, LimitNOFILE) allows fewer connections than \
             limits.max_client_connections = {} and pool.max_backend_connections = {} ask for; using these",
            wanted.clients,
            wanted.each_member
        );
    } else {
        info!(open_files = limit, "open files suffice for all connections of the configuration");
    }
    shares
}

/// The limit of open files after it was raised to what the system allows.
fn raised() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let highest = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, highest) {
        Ok(()) => limit.maximum,
        Err(error) => {
            warn!(%error, "cannot raise the limit of open files");
            limit.current
        }
    };
    current.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

/// Members get what they may want, but no more than half when there is too little for all.
fn share(limit: usize, wanted: Wanted) -> Shares {
    let admin = ADMIN.min(limit / 16).max(2);
    let rest = limit.saturating_sub(OWN + admin);
    let for_members = (wanted.members.saturating_mul(wanted.each_member.saturating_add(BESIDES_POOL))).min(rest / 2);
    let each_member = (for_members / wanted.members).saturating_sub(BESIDES_POOL).clamp(1, wanted.each_member.max(1));
    Shares { clients: (rest - for_members).clamp(1, wanted.clients.max(1)), each_member, admin }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Wanted = Wanted { clients: 10_000, each_member: 200, members: 3 };

    #[test]
    fn all_get_what_they_want_if_there_is_enough() {
        let enough = Shares { clients: 10_000, each_member: 200, admin: 256 };
        assert_eq!(share(1_048_576, WANTED), enough);
        assert_eq!(share(usize::MAX, WANTED), enough);
    }

    #[test]
    fn clients_get_less_before_members_starve() {
        assert_eq!(share(4_096, WANTED), Shares { clients: 4_096 - 20 - 256 - 612, each_member: 200, admin: 256 });
        assert_eq!(share(1_024, WANTED), Shares { clients: 470, each_member: 152, admin: 64 });
        assert_eq!(share(64, WANTED), Shares { clients: 20, each_member: 2, admin: 4 });
    }

    #[test]
    fn together_they_never_want_more_than_there_is() {
        for limit in 48..5_000 {
            for members in 1..6 {
                let Shares { clients, each_member, admin } = share(limit, Wanted { members, ..WANTED });
                let sum = OWN + admin + clients + members * (each_member + BESIDES_POOL);
                assert!(sum <= limit || each_member == 1, "{sum} of {limit} for {members}");
            }
        }
    }
}
