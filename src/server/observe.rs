//! The running proxy as operators see it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{task::JoinHandle, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::{ServerError, bind};
use crate::{
    admin::{HISTORY_STEP, History, Observed, Readiness, Sample, Summary, http},
    client::Proxy,
    config::Config,
    metrics::{MemberRow, Scrape},
    topology::{Health, MemberView, Role},
};

/// What the admin port shows.
struct Running {
    proxy: Arc<Proxy>,
    config: String,
    since: Instant,
    history: History,
}

/// Opens the admin port, if one is configured, and serves it until `stop`, so many connections at once.
pub(super) fn start(
    config: &Config,
    proxy: &Arc<Proxy>,
    connections: usize,
    stop: CancellationToken,
) -> Result<Option<JoinHandle<()>>, ServerError> {
    let Some(address) = config.listen.admin_http else { return Ok(None) };
    let listener = bind("listen.admin_http", address)?;
    info!(%address, "admin port listening");
    let running = Arc::new(Running {
        proxy: Arc::clone(proxy),
        config: config.to_string(),
        since: Instant::now(),
        history: History::default(),
    });
    Ok(Some(tokio::spawn(async move {
        let observed = Arc::clone(&running) as Arc<dyn Observed>;
        let served = tokio::select! {
            served = http::serve(listener, connections, observed, stop) => served,
            () = running.keep_history() => Ok(()),
        };
        if let Err(error) = served {
            error!(%error, "the admin port has failed");
        }
    })))
}

impl Scrape for Running {
    fn members(&self) -> Vec<MemberRow> {
        self.proxy.topology.view().members.iter().map(|member| self.row(member)).collect()
    }
}

impl Running {
    /// Takes its samples without an end.
    async fn keep_history(&self) {
        let mut step = tokio::time::interval(HISTORY_STEP);
        step.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut before, mut since) = (self.proxy.metrics.counted(), step.tick().await);
        loop {
            let now = step.tick().await;
            let counted = self.proxy.metrics.counted();
            let pace = counted.since(&before, now.duration_since(since));
            self.history.push(Sample::new(&pace, &self.members(), self.proxy.clients.len()));
            (before, since) = (counted, now);
        }
    }

    fn row(&self, view: &MemberView) -> MemberRow {
        let pool = self.proxy.pools.member(view.member.address);
        let counts = pool.counts();
        let problem = match &view.health {
            Health::Down(reason) => Some(reason.to_string()),
            Health::Blind(reason) => Some(reason.to_string()),
            Health::Up if view.role == Role::Primary && view.read_only == Some(true) => {
                Some("it is the primary and read-only: writes get its error 1290".to_owned())
            }
            _ => view.unfit.as_ref().map(ToString::to_string),
        };
        MemberRow {
            name: view.member.name.to_string(),
            role: view.role.as_str(),
            up: view.is_up(),
            why_not: view.why_not(),
            lag: view.lag,
            in_use: counts.in_use,
            idle: counts.idle,
            changing: counts.changing,
            queries: pool.exchanges(),
            problem,
            remark: view.doubt.as_ref().map(ToString::to_string),
        }
    }
}

impl Observed for Running {
    fn readiness(&self) -> Readiness {
        if self.proxy.drain.is_cancelled() {
            return Readiness::Draining;
        }
        let view = self.proxy.topology.view();
        match view.primary() {
            Ok(_) => Readiness::Ready,
            Err(why) if view.can_serve() => Readiness::ReadOnly(why.to_string()),
            Err(why) => Readiness::NoMember(why.to_string()),
        }
    }

    fn summary(&self) -> Summary {
        let uptime: Duration = self.since.elapsed();
        Summary { uptime, clients: self.proxy.clients.len(), queries: self.proxy.metrics.query_totals() }
    }

    fn config_text(&self) -> String {
        self.config.clone()
    }

    fn history(&self, since: u64) -> Vec<Sample> {
        self.history.since(since)
    }

    fn metrics_text(&self) -> String {
        self.proxy.metrics.render(self)
    }
}
