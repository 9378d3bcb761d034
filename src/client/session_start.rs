//! What a session begins with: the settings of its login, and what the members say that theirs are.

use super::{login::Origin, proxy::Proxy};
use crate::{
    session::Session,
    sql::{Release, ServerKind, TextEncoding},
    wire::{Capabilities, login::Login, server::ServerFamily},
};

/// A session with the settings of its login.
pub(super) fn new_session(proxy: &Proxy, origin: &Origin, login: &Login) -> Session {
    let view = proxy.topology.view();
    let (server, release) = view.server().map_or((ServerKind::Unknown, Release::UNKNOWN), |server| {
        let kind = match server.family {
            ServerFamily::MySql => ServerKind::MySql,
            ServerFamily::MariaDb => ServerKind::MariaDb,
        };
        (kind, Release(server.version.0, server.version.1))
    });
    // Known once a member has said what the collation of the login means.
    let mut session = Session::new(origin.listener, proxy.policy.now().consistency, server, TextEncoding::Unknown);
    session.start_in(login.database.clone());
    session.dialect.release = release;
    begin(&mut session, proxy);
    session.dialect.ignore_space = login.capabilities.contains(Capabilities::IGNORE_SPACE);
    session
}

/// A session begins with what the members' settings say.
pub(super) fn begin(session: &mut Session, proxy: &Proxy) {
    let view = proxy.topology.view();
    let Some(server) = view.server() else { return };
    session.begin_with(server.autocommit);
    session.begin_at(&server.isolation, proxy.policy.now().split_transactions);
}
