//! The task that keeps the snapshot current: discovery, a prober and a follower for each member, and what follows from them.
//!
//! Knows tasks and channels. Must not know what the answers mean.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::ask::Ask;
use super::cluster::{Cluster, Turnover};
use super::discovery::Discovery;
use super::follow::{FollowSettings, Follower};
use super::member_id::MemberId;
use super::names::Found;
use super::prober::{Checked, Prober};
use super::published::Topology;
use super::settings::{CheckSettings, TopologySettings};
use super::state::Health;
use super::view::View;

/// Checks that wait to be looked at; a prober that finds it full waits.
const QUEUE: usize = 64;

/// Starts the tasks that keep a snapshot current; they end with `cancel`. The first snapshot knows nobody.
pub fn start<A: Ask>(settings: TopologySettings, asker: A, cancel: CancellationToken) -> Arc<Topology> {
    let topology = Arc::new(Topology::fixed(View::default()));
    let monitor = Monitor::new(Arc::clone(&topology), settings, Arc::new(asker));
    tokio::spawn(async move { cancel.run_until_cancelled_owned(monitor.run()).await });
    topology
}

struct Monitor<A: Ask> {
    topology: Arc<Topology>,
    settings: Arc<TopologySettings>,
    asker: Arc<A>,
    cluster: Cluster,
    /// Dropping one stops that member's prober and its follower.
    probers: HashMap<MemberId, DropGuard>,
    tasks: JoinSet<()>,
    /// Whether a member does not answer.
    missing: watch::Sender<bool>,
}

impl<A: Ask> Monitor<A> {
    fn new(topology: Arc<Topology>, settings: TopologySettings, asker: Arc<A>) -> Self {
        let cluster = Cluster::new(settings.clone());
        let settings = Arc::new(settings);
        Self {
            topology,
            settings,
            asker,
            cluster,
            probers: HashMap::new(),
            tasks: JoinSet::new(),
            missing: watch::Sender::default(),
        }
    }

    async fn run(mut self) {
        let (found_in, mut found) = mpsc::channel(1);
        let (checked_in, mut checked) = mpsc::channel(QUEUE);
        let discovery = Discovery::new(Arc::clone(&self.settings));
        self.tasks.spawn(discovery.run(found_in, self.topology.recheck.subscribe(), self.missing.subscribe()));
        loop {
            tokio::select! {
                Some(found) = found.recv() => self.discovered(&found, &checked_in),
                Some(check) = checked.recv() => self.checked(check),
                Some(_) = self.tasks.join_next() => {}
                else => return,
            }
        }
    }

    fn discovered(&mut self, found: &Found, results: &mpsc::Sender<Checked>) {
        self.asker.members_are(&found.members);
        let Turnover { joined, left } = self.cluster.discovered(found);
        for id in left {
            self.probers.remove(&id);
        }
        for member in joined {
            let stop = CancellationToken::new();
            let prober = Prober {
                member: member.id,
                address: member.address,
                asker: Arc::clone(&self.asker),
                kind: self.settings.kind,
                settings: self.settings.check,
            };
            self.spawn(&stop, prober.run(results.clone(), self.topology.recheck.subscribe()));
            let CheckSettings { follow_interval: interval, timeout, .. } = self.settings.check;
            let follower = Follower {
                member: member.clone(),
                asker: Arc::clone(&self.asker),
                topology: Arc::clone(&self.topology),
                settings: FollowSettings { interval, timeout },
            };
            self.spawn(&stop, follower.run());
            self.probers.insert(member.id, stop.drop_guard());
        }
        self.publish();
    }

    fn publish(&mut self) {
        let view = self.cluster.view();
        self.missing.send_replace(view.members.iter().any(|member| matches!(member.health, Health::Down(_))));
        self.topology.publish(view);
    }

    fn spawn(&mut self, stop: &CancellationToken, task: impl Future<Output = ()> + Send + 'static) {
        let stop = stop.clone();
        self.tasks.spawn(async move {
            stop.run_until_cancelled_owned(task).await;
        });
    }

    fn checked(&mut self, check: Checked) {
        if self.cluster.checked(check) {
            self.publish();
        }
    }
}

#[cfg(test)]
#[path = "monitor_tests.rs"]
mod tests;
