//! `mysql-proxy demo`: a real cluster on this machine with the proxy in front, and a walk past what it does.
//!
//! Knows the order of the walk and how it ends: whatever happens, the servers, the proxy and the folder are gone
//! afterwards. Must not know how anything is shown or asked; that is in the files beside it.

mod chapters;
mod front;
mod interrupt;
mod page;
mod picture;
mod ports;
mod stage;
mod visitor;
mod witness;
mod words;

use std::io;
use std::net::SocketAddr;

use self::front::Front;
use self::interrupt::Interrupt;
use self::page::Page;
use self::ports::Ports;
use self::stage::Stage;
use super::{Cluster, ClusterError, Flavor, Options};
use crate::backend::{DialError, QueryError};

/// What happens when the walk is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// Everything ends.
    End,
    /// Everything runs on until Ctrl-C.
    Keep,
}

/// Why the walk did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum TourError {
    /// The servers.
    #[error("{0}")]
    Cluster(#[from] ClusterError),
    /// The wanted port is taken.
    #[error("cannot listen on {address}: {source}; give another --port, or none for one that is free")]
    Port {
        /// Where the proxy was to listen.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The proxy did not start, or ended.
    #[error("the proxy does not serve: {0}")]
    Proxy(String),
    /// The proxy could not be reached.
    #[error("cannot connect to the proxy at {address}: {source}")]
    Dial {
        /// Where it listens.
        address: SocketAddr,
        /// What happened.
        source: DialError,
    },
    /// A statement of the walk was refused.
    #[error("`{sql}` failed: {source}")]
    Statement {
        /// The statement.
        sql: String,
        /// What happened.
        source: QueryError,
    },
    /// Something that was promised did not come.
    #[error("{0} did not happen within {1:?}")]
    TooSlow(&'static str, std::time::Duration),
    /// Ctrl-C, or the request to end.
    #[error("interrupted; everything that was started has been stopped and removed")]
    Interrupted,
    /// Standard output cannot be written, or signals cannot be waited for.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Starts everything, walks through it, and takes it down again. Blocks.
pub fn run(port: Option<u16>, afterwards: Afterwards) -> Result<(), TourError> {
    let walked = walk(port, afterwards);
    match walked {
        // Whoever read has seen enough.
        Err(TourError::Io(why)) if why.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

fn walk(port: Option<u16>, afterwards: Afterwards) -> Result<(), TourError> {
    let ports = Ports::reserve(port)?;
    let interrupt = Interrupt::watch()?;
    let mut page = Page::of_process();
    picture::show(&mut page)?;
    let options = Options { general_log: true, ..Options::new(flavor()?) };
    page.line(&format!("Starting a primary and two replicas of {} in a temporary folder …", options.flavor))?;
    let cluster = Cluster::start(&options)?;
    interrupt.check()?;
    let front = Front::start(&cluster, ports, port)?;
    picture::cluster(&mut page, &cluster, &front)?;
    let mut stage = Stage::new(page, interrupt, cluster, front)?;
    chapters::all(&mut stage)?;
    stage.how_to_connect(afterwards)?;
    if afterwards == Afterwards::Keep {
        stage.wait_for_end();
    }
    stage.leave()
}

/// What `MYSQLD` names, else Debian's own servers, else whatever is here; with nothing, what to do about Debian's.
fn flavor() -> Result<Flavor, ClusterError> {
    let is_named = std::env::var_os("MYSQLD").is_some_and(|value| !value.is_empty());
    if is_named {
        return Ok(Flavor::MySql.find()?.flavor);
    }
    let missing = match Flavor::MariaDb.find() {
        Ok(servers) => return Ok(servers.flavor),
        Err(missing) => missing,
    };
    Ok(Flavor::MySql.find().map_err(|_| missing)?.flavor)
}
