//! Reads the configuration again and puts it into force while clients are served: for SIGHUP, for files that change, and for
//! operators who ask.
//!
//! Knows what must be made anew for which setting. Must not know who asks. All of it is read, checked and made before any of
//! it counts; one reload at a time.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::SystemTime};

use arc_swap::ArcSwapOption;
use tokio::sync::watch;
use tracing::{info, warn};

use super::{ServerError, assemble, descriptors};
use crate::{
    admin::{LastReload, Reload, ReloadRefused},
    backend::Secrecy,
    client::{Policy, Proxy},
    config::{Change, Config, Effect, Source},
    metrics::ReloadOutcome,
    net::tls::Acceptor,
    pool::PoolSettings,
    topology::{MonitorAccount, TopologySettings},
};

/// Who wants the configuration to be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// SIGHUP.
    Signal,
    /// A file is another.
    Files,
    /// Somebody with the right to it.
    Operator,
}

/// The one way from files to what is in force.
pub struct Reloader {
    source: Source,
    proxy: Arc<Proxy>,
    monitor: MonitorAccount,
    gate: tokio::sync::Mutex<()>,
    last: ArcSwapOption<LastReload>,
    /// Everything that was read, or should have been, the last time.
    files: watch::Sender<BTreeSet<PathBuf>>,
}

/// What is to be in force next: made, and not yet used.
struct Prepared {
    changes: Vec<Change>,
    policy: Policy,
    pool: PoolSettings,
    topology: TopologySettings,
    secrecy: Secrecy,
}

impl Reloader {
    /// Of what has been started by this source's word.
    #[must_use]
    pub fn new(source: Source, proxy: Arc<Proxy>, monitor: MonitorAccount) -> Self {
        let files = source.load_with_files().1;
        Reloader {
            source,
            proxy,
            monitor,
            gate: tokio::sync::Mutex::default(),
            last: ArcSwapOption::empty(),
            files: watch::Sender::new(files),
        }
    }

    /// What came of the last time.
    #[must_use]
    pub fn last(&self) -> Option<Arc<LastReload>> {
        self.last.load_full()
    }

    /// The files on which the configuration depends, each time that they are others.
    #[must_use]
    pub fn files(&self) -> watch::Receiver<BTreeSet<PathBuf>> {
        self.files.subscribe()
    }

    /// Reads everything again, and puts it into force if all of it is right.
    pub async fn reload(&self, cause: Cause) -> Reload {
        let _one_at_a_time = self.gate.lock().await;
        let (source, running) = (self.source.clone(), self.proxy.policy.keep());
        let read = tokio::task::spawn_blocking(move || {
            let (loaded, files) = source.load_with_files();
            (
                loaded.map_err(|error| ReloadRefused(error.to_string())).and_then(|loaded| prepare(loaded, &running)),
                files,
            )
        });
        let (prepared, files) = read.await.map_err(|error| ReloadRefused(error.to_string()))?;
        self.files.send_if_modified(|known| {
            let is_other = *known != files;
            *known = files;
            is_other
        });
        let outcome = prepared.map(|prepared| self.put_into_force(prepared));
        self.tell(cause, &outcome);
        self.last.store(Some(Arc::new(LastReload { at: SystemTime::now(), outcome: outcome.clone() })));
        outcome
    }

    fn put_into_force(&self, prepared: Prepared) -> Vec<Change> {
        let Prepared { mut changes, policy, pool, topology, secrecy } = prepared;
        let proxy = &self.proxy;
        let other_road = proxy.road.become_as(secrecy);
        if other_road {
            proxy.pools.renew();
            if !changes.iter().any(|change| change.key.starts_with("tls.backend.")) {
                changes.push(replaced_file("tls.backend"));
            }
        }
        let touches = |keys: &[&str]| changes.iter().any(|change| keys.iter().any(|key| change.key.starts_with(key)));
        if other_road || touches(&["monitor.user", "monitor.password", "monitor.timeout"]) {
            let config = &policy.config.monitor;
            self.monitor.become_as(assemble::account(&config.user, &config.password), config.timeout);
        }
        proxy.pools.reconfigure(&pool);
        proxy.topology.reconfigure(topology);
        if other_road || touches(&["monitor."]) {
            proxy.topology.recheck();
        }
        if !changes.is_empty() {
            proxy.policy.publish(policy);
        }
        changes
    }

    fn tell(&self, cause: Cause, outcome: &Reload) {
        match outcome {
            Ok(changes) => {
                let now = |change: &&Change| change.effect == Effect::Now;
                for change in changes.iter().filter(now) {
                    info!(key = change.key, "the configuration has changed: {change}");
                }
                for change in changes.iter().filter(|change| !now(change)) {
                    warn!(key = change.key, "this counts only when the proxy is started again: {change}");
                }
                let in_force = changes.iter().filter(now).count();
                self.proxy.metrics.reload(if in_force > 0 { ReloadOutcome::Ok } else { ReloadOutcome::Unchanged });
                if in_force > 0 || cause != Cause::Files {
                    info!(?cause, changes = in_force, "the configuration was read again");
                }
            }
            Err(error) => {
                self.proxy.metrics.reload(ReloadOutcome::Refused);
                warn!(?cause, %error, "the configuration was read again and is refused; the one in force stays");
            }
        }
    }
}

/// Makes all that the loaded configuration asks for beside what is running.
fn prepare(loaded: Config, running: &Policy) -> Result<Prepared, ReloadRefused> {
    let refused = |error: ServerError| ReloadRefused(error.to_string());
    let mut changes = running.config.changes_to(&loaded);
    let config = Arc::new(loaded.started_as(&running.config));
    let topology = assemble::topology_settings(&config).map_err(refused)?;
    let secrecy = assemble::secrecy(&config.tls.backend).map_err(refused)?;
    let tls = assemble::acceptor(config.tls.client.as_ref()).map_err(refused)?;
    let tls = keep_same(running.tls.as_ref(), tls, &mut changes);
    let shares = descriptors::shares(&config);
    let pool = assemble::pool(&config.pool, shares.each_member);
    Ok(Prepared { policy: assemble::next_policy(&config, shares, tls, running), changes, pool, topology, secrecy })
}

/// What clients are shown stays as long as it is the same, so that they can take up their sessions again.
fn keep_same(
    running: Option<&Arc<Acceptor>>,
    next: Option<Arc<Acceptor>>,
    changes: &mut Vec<Change>,
) -> Option<Arc<Acceptor>> {
    let (Some(before), Some(after)) = (running, &next) else { return next };
    if before.is_as(after) {
        return Some(Arc::clone(before));
    }
    if !changes.iter().any(|change| change.key.starts_with("tls.client.")) {
        changes.push(replaced_file("tls.client.cert"));
    }
    next
}

/// The file is called as before, and what stands in it is something else.
fn replaced_file(key: &str) -> Change {
    let other = Some("certificates or keys in the same files".to_owned());
    Change { key: key.to_owned(), old: other.clone(), new: other, effect: Effect::Now }
}
