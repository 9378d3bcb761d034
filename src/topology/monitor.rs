//! The task that keeps the snapshot current: discovery, one prober for each member, and what follows from both.
//!
//! Knows tasks and channels. Must not know what the answers mean.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::announce::announce;
use super::ask::Ask;
use super::cluster::{Cluster, Turnover};
use super::discovery::Discovery;
use super::member::MemberId;
use super::names::Found;
use super::prober::{Checked, Prober};
use super::settings::TopologySettings;
use super::view::View;

/// Checks that wait to be looked at; a prober that finds it full waits.
const QUEUE: usize = 64;

/// The newest snapshot of the cluster, and the tasks that keep it so.
#[derive(Debug)]
pub struct Topology {
    view: ArcSwap<View>,
    changed: watch::Sender<u64>,
    recheck: watch::Sender<u64>,
}

impl Topology {
    /// Starts the tasks; they end with `cancel`. The first snapshot knows nobody.
    pub fn start<A: Ask>(settings: TopologySettings, asker: A, cancel: CancellationToken) -> Arc<Self> {
        let topology = Arc::new(Self::fixed(View::default()));
        let monitor = Monitor::new(Arc::clone(&topology), settings, Arc::new(asker));
        tokio::spawn(async move { cancel.run_until_cancelled_owned(monitor.run()).await });
        topology
    }

    /// A snapshot that nobody replaces, for tests of what reads it.
    #[must_use]
    pub fn fixed(view: View) -> Self {
        let generation = view.generation;
        Self {
            view: ArcSwap::from_pointee(view),
            changed: watch::Sender::new(generation),
            recheck: watch::Sender::new(0),
        }
    }

    /// The newest snapshot. Hold it for one decision, not for long.
    #[must_use]
    pub fn view(&self) -> Guard<Arc<View>> {
        self.view.load()
    }

    /// Tells each new snapshot's generation.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Waits until a snapshot is as wanted, and gives it. Dropping the future ends the waiting.
    pub async fn wait_for(&self, wanted: impl Fn(&View) -> bool) -> Arc<View> {
        let mut changed = self.changed();
        loop {
            changed.borrow_and_update();
            let view = self.view.load_full();
            if wanted(&view) {
                return view;
            }
            if changed.changed().await.is_err() {
                // Cannot be: this topology holds the sender.
                std::future::pending::<()>().await;
            }
        }
    }

    /// A connection to a member failed or was lost: look at DNS and check all members now. Cheap, and never more often
    /// than a part of the interval, so it may be called for each failure.
    pub fn recheck(&self) {
        self.recheck.send_modify(|asked| *asked = asked.wrapping_add(1));
    }

    /// Replaces the snapshot.
    pub fn publish(&self, mut view: View) {
        let generation = view.generation;
        let before = self.view.load();
        // Equals go on taking turns, however rarely one is asked for.
        view.turns = before.turns.load(Ordering::Relaxed).into();
        let view = Arc::new(view);
        announce(&before, &view);
        self.view.store(view);
        self.changed.send_replace(generation);
    }
}

struct Monitor<A: Ask> {
    topology: Arc<Topology>,
    settings: Arc<TopologySettings>,
    asker: Arc<A>,
    cluster: Cluster,
    /// Dropping one stops that member's prober.
    probers: HashMap<MemberId, DropGuard>,
    tasks: JoinSet<()>,
}

impl<A: Ask> Monitor<A> {
    fn new(topology: Arc<Topology>, settings: TopologySettings, asker: Arc<A>) -> Self {
        let cluster = Cluster::new(settings.clone());
        let settings = Arc::new(settings);
        Self { topology, settings, asker, cluster, probers: HashMap::new(), tasks: JoinSet::new() }
    }

    async fn run(mut self) {
        let (found_in, mut found) = mpsc::channel(1);
        let (checked_in, mut checked) = mpsc::channel(QUEUE);
        let discovery = Discovery::new(Arc::clone(&self.settings));
        self.tasks.spawn(discovery.run(found_in, self.topology.recheck.subscribe()));
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
            let run = prober.run(results.clone(), self.topology.recheck.subscribe());
            let stopped = stop.clone();
            self.tasks.spawn(async move {
                stopped.run_until_cancelled_owned(run).await;
            });
            self.probers.insert(member.id, stop.drop_guard());
        }
        self.topology.publish(self.cluster.view());
    }

    fn checked(&mut self, check: Checked) {
        if self.cluster.checked(check) {
            self.topology.publish(self.cluster.view());
        }
    }
}

#[cfg(test)]
#[path = "monitor_tests.rs"]
mod tests;
