//! A real primary and its replicas on loopback, in a temporary folder, gone when the value is dropped.
//!
//! Knows the order in which servers are made, started, joined and stopped. Must not know the proxy.
//!
//! Member 0 is the primary. Accounts, each with its name as password: `app` (everything on ordinary databases, but
//! refused by a read-only replica), `proxy` (the monitor: may only look at replication), `admin` (everything); root
//! comes in through the socket. There is an empty database `app`.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::addresses::free_addresses;
use super::error::{ClusterError, During};
use super::flavor::{Flavor, Servers};
use super::folder::Folder;
use super::member::{Member, Role};
use super::supervised::Signal;
use super::{replication, settings, template};

/// What kind of cluster to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose servers.
    pub flavor: Flavor,
    /// How many replicas.
    pub replicas: usize,
    /// How much later the replicas apply everything; whole seconds.
    pub delay: Option<Duration>,
    /// Whether every member writes down all statements it gets.
    pub general_log: bool,
    /// More lines for every member's `my.cnf`; they win over ours.
    pub extra_cnf: String,
    /// Where initialised data folders are kept for the next cluster; none: nothing is kept.
    pub templates: Option<PathBuf>,
}

impl Options {
    /// Two replicas, no delay, no general log, nothing kept.
    #[must_use]
    pub const fn new(flavor: Flavor) -> Self {
        Self { flavor, replicas: 2, delay: None, general_log: false, extra_cnf: String::new(), templates: None }
    }
}

/// A running cluster. Dropping it stops every server and removes the folder.
#[derive(Debug)]
pub struct Cluster {
    flavor: Flavor,
    members: Vec<Member>,
    template: PathBuf,
    // After the members: their servers end before their files go.
    folder: Folder,
}

impl Cluster {
    /// Finds the servers, starts them, makes the accounts, and waits until every replica has them.
    pub fn start(options: &Options) -> Result<Self, ClusterError> {
        let servers = Arc::new(options.flavor.find()?);
        let folder = Folder::create()?;
        let template = template::prepare(&servers, &folder, options.templates.as_deref())?;
        let mut cluster = Self { flavor: options.flavor, members: Vec::new(), template, folder };
        for (index, address) in free_addresses(options.replicas + 1)?.into_iter().enumerate() {
            let member = cluster.make(index, address, &servers, options)?;
            template::copy(&cluster.template, &member.data())?;
            cluster.members.push(member);
        }
        cluster.serve()?;
        cluster.join(options.delay)?;
        Ok(cluster)
    }

    /// Whose servers these are.
    #[must_use]
    pub const fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// The temporary folder that holds everything.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// All members, the primary first.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// One member; 0 is the primary.
    #[must_use]
    pub fn member(&self, index: usize) -> &Member {
        &self.members[index]
    }

    /// The primary.
    #[must_use]
    pub fn primary(&self) -> &Member {
        self.member(0)
    }

    /// Runs statements as root through a member's socket; gives the rows as text.
    pub fn sql(&self, index: usize, statement: &str) -> Result<Vec<Vec<String>>, ClusterError> {
        self.members[index].ask(statement)
    }

    /// Asks a member to stop, and waits until it has.
    pub fn stop(&mut self, index: usize) -> Result<(), ClusterError> {
        self.members[index].stop()
    }

    /// Ends a member as a crash would.
    pub fn kill(&mut self, index: usize) -> Result<(), ClusterError> {
        self.members[index].kill()
    }

    /// Sends a member's process a signal, to freeze and thaw it.
    pub fn signal(&mut self, index: usize, signal: Signal) -> Result<(), ClusterError> {
        self.members[index].signal(signal)
    }

    /// Starts a member again, at its address, after stopping it if it runs; waits until it serves.
    pub fn restart(&mut self, index: usize) -> Result<(), ClusterError> {
        let member = &mut self.members[index];
        if member.pid().is_some() {
            member.stop()?;
        }
        member.launch()?;
        member.wait_until_serving()
    }

    /// Starts a member again, at its address, on an empty data folder: it has the accounts, and nothing in its binary log.
    pub fn make_anew(&mut self, index: usize) -> Result<(), ClusterError> {
        let member = &mut self.members[index];
        if member.pid().is_some() {
            member.kill()?;
        }
        let data = member.data();
        fs::remove_dir_all(&data).during(|| format!("removing {}", data.display()))?;
        template::copy(&self.template, &data)?;
        member.launch()?;
        member.wait_until_serving()?;
        self.sql(index, &format!("SET sql_log_bin=0;{}", replication::accounts(self.flavor))).map(drop)
    }

    /// Makes a replica apply everything this much later; whole seconds, zero for at once.
    pub fn set_delay(&self, index: usize, delay: Duration) -> Result<(), ClusterError> {
        self.sql(index, &replication::delay(self.flavor, delay)).map(drop)
    }

    /// Waits until a replica has applied all that the primary has written by now.
    pub fn catch_up(&self, index: usize, limit: Duration) -> Result<(), ClusterError> {
        let position = self.sql(0, replication::position(self.flavor))?.concat().concat();
        let answer = self.sql(index, &replication::wait_for(self.flavor, &position, limit))?;
        if answer.concat().first().is_some_and(|text| text == "0") {
            return Ok(());
        }
        Err(ClusterError::TooSlow { member: index, what: "applying the primary's writes", within: limit })
    }

    fn make(
        &self,
        index: usize,
        address: SocketAddr,
        servers: &Arc<Servers>,
        options: &Options,
    ) -> Result<Member, ClusterError> {
        let folder = self.folder.subfolder(&index.to_string())?;
        let mut member = Member::new(index, address, folder, Arc::clone(servers));
        if options.general_log {
            member = member.with_general_log();
        }
        member.write_configuration(&settings::of_member(servers, &member, self.folder.owner(), &options.extra_cnf))?;
        Ok(member)
    }

    fn serve(&mut self) -> Result<(), ClusterError> {
        self.members.iter_mut().try_for_each(Member::launch)?;
        self.members.iter_mut().try_for_each(Member::wait_until_serving)
    }

    fn join(&self, delay: Option<Duration>) -> Result<(), ClusterError> {
        self.sql(0, &replication::accounts(self.flavor))?;
        let follow = replication::follow(self.flavor, self.primary().address());
        let replicas = || self.members.iter().filter(|member| member.role() == Role::Replica);
        for replica in replicas() {
            replica.ask(&follow)?;
        }
        for replica in replicas() {
            self.catch_up(replica.index(), Duration::from_secs(30))?;
            delay.map_or(Ok(()), |delay| self.set_delay(replica.index(), delay))?;
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // All at once; each is waited for when its own value is dropped.
        self.members.iter_mut().for_each(Member::let_go);
    }
}
