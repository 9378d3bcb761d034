//! The running proxy as operators see it.

use std::{
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{task::JoinHandle, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::{Cause, Reloader, ServerError, bind};
use crate::{
    admin::{
        ClientRow, Control, HISTORY_STEP, History, LastReload, Observed, Readiness, Reload, Sample, Summary, http,
    },
    client::{Proxy, handle::Handle},
    config::Config,
    logging::{Events, Line},
    metrics::{MemberRow, Scrape},
    session::Transaction,
    topology::{DrainError, Health, MemberView, Role, View},
};

/// What the admin port shows.
struct Running {
    proxy: Arc<Proxy>,
    reloader: Arc<Reloader>,
    since: Instant,
    history: History,
    events: Events,
}

/// Opens the admin port, if one is configured, and serves it until `stop`, so many connections at once.
pub(super) fn start(
    reloader: &Arc<Reloader>,
    proxy: &Arc<Proxy>,
    connections: usize,
    events: Events,
    stop: CancellationToken,
) -> Result<Option<JoinHandle<()>>, ServerError> {
    let Some(address) = proxy.policy.now().config.listen.admin_http else { return Ok(None) };
    let listener = bind("listen.admin_http", address)?;
    info!(%address, "admin port listening");
    let (proxy, reloader) = (Arc::clone(proxy), Arc::clone(reloader));
    let running = Arc::new(Running { proxy, reloader, since: Instant::now(), history: History::default(), events });
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

fn client_row(handle: &Handle, view: &View, now: Instant) -> ClientRow {
    let glance = handle.glance();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let name = |address| {
        let known = view.members.iter().find(|member| member.member.address == address);
        known.map_or_else(|| address.to_string(), |member| member.member.name.to_string())
    };
    ClientRow {
        id: handle.id.get(),
        user: text(&glance.user),
        address: handle.peer.to_string(),
        database: glance.shown.settings.database.as_deref().map(text),
        state: match (glance.runs, glance.works, glance.shown.transaction) {
            (true, ..) => "running",
            (false, true, _) => "waiting",
            (false, false, Transaction::None) => "idle",
            (false, false, _) => "idle_in_transaction",
        },
        since: now.saturating_duration_since(glance.since),
        connected: now.saturating_duration_since(glance.connected),
        statements: glance.commands,
        member: glance.member.map(name),
        pins: glance.shown.pins.iter().map(|reason| (reason.name(), reason.remedy())).collect(),
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
        self.proxy.policy.now().config.to_string()
    }

    fn clients(&self) -> Vec<ClientRow> {
        let (view, now) = (self.proxy.topology.view(), Instant::now());
        self.proxy.clients.all().iter().map(|handle| client_row(handle, &view, now)).collect()
    }

    fn events(&self) -> Vec<Line> {
        self.events.lines()
    }

    fn history(&self, since: u64) -> Vec<Sample> {
        self.history.since(since)
    }

    fn metrics_text(&self) -> String {
        self.proxy.metrics.render(self)
    }
}

impl Control for Running {
    fn reload(&self) -> Pin<Box<dyn Future<Output = Reload> + Send + '_>> {
        Box::pin(self.reloader.reload(Cause::Operator))
    }

    fn last_reload(&self) -> Option<Arc<LastReload>> {
        self.reloader.last()
    }

    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.proxy.policy.now().config)
    }

    fn drain(&self, member: &str) -> Result<Arc<str>, DrainError> {
        self.proxy.topology.drain(member)
    }

    fn undrain(&self, member: &str) -> Result<Arc<str>, DrainError> {
        self.proxy.topology.undrain(member)
    }
}
