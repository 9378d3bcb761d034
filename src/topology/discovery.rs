//! Where the members are: a fixed list or a headless Service, looked up again and again.
//!
//! Knows when to look again, and that an old answer is better than none. Must not know what a member is asked.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::names::{Found, pod_name};
use super::resolve::{DiscoveryError, Resolver};
use super::settings::{HostPort, MemberSource, PrimaryRule, TopologySettings};

/// Names are looked up at most this often, whatever their time to live, and also after a failure.
const SOONEST: Duration = Duration::from_secs(1);
/// And at least this often.
const LATEST: Duration = Duration::from_secs(30);
/// All questions of one look together.
const LOOK_TIMEOUT: Duration = Duration::from_secs(15);

/// Looks members up.
pub struct Discovery {
    settings: Arc<TopologySettings>,
    resolver: Option<Resolver>,
    /// Each name's newest answer, for when the next look fails.
    known: HashMap<HostPort, SocketAddr>,
    last: Found,
}

impl Discovery {
    /// Reads `/etc/resolv.conf`.
    #[must_use]
    pub fn new(settings: Arc<TopologySettings>) -> Self {
        Self { settings, resolver: None, known: HashMap::new(), last: Found::default() }
    }

    /// Sends what is found each time that it changes. A change of `recheck` brings the next look forward, and while somebody is
    /// `missing` one look follows the other: whoever comes back may have another address.
    pub async fn run(
        mut self,
        results: mpsc::Sender<Found>,
        mut recheck: watch::Receiver<u64>,
        mut missing: watch::Receiver<bool>,
    ) {
        let mut sent = None;
        loop {
            let (found, valid_for) = self.look().await;
            if sent.as_ref() != Some(&found) {
                if results.send(found.clone()).await.is_err() {
                    return;
                }
                sent = Some(found);
            }
            if self.is_fixed() {
                return results.closed().await;
            }
            sleep(SOONEST).await;
            tokio::select! {
                () = sleep(valid_for.saturating_sub(SOONEST)) => {}
                asked = recheck.changed() => if asked.is_err() { return },
                told = missing.wait_for(|missing| *missing) => if told.is_err() { return },
            }
        }
    }

    /// One look, and for how long it holds.
    pub async fn look(&mut self) -> (Found, Duration) {
        let mut valid_until = Instant::now() + LATEST;
        let asked = timeout(LOOK_TIMEOUT, self.ask(&mut valid_until)).await;
        let mut found = asked.unwrap_or_else(|_| {
            let mut before = self.last.clone();
            before.note(&format!("DNS takes longer than {LOOK_TIMEOUT:?}"));
            before
        });
        let valid_for = valid_until.saturating_duration_since(Instant::now()).clamp(SOONEST, LATEST);
        found.members.sort_unstable();
        self.last = Found { problem: None, ..found.clone() };
        let retry = if found.problem.is_some() { SOONEST } else { valid_for };
        (found, retry)
    }

    async fn ask(&mut self, valid_until: &mut Instant) -> Found {
        let settings = Arc::clone(&self.settings);
        let mut found = match &settings.members {
            MemberSource::List(list) => self.ask_list(list, valid_until).await,
            MemberSource::Service(service) => self.ask_service(service, valid_until).await,
        };
        if let PrimaryRule::Named(name) = &settings.primary
            && !settings.is_single()
        {
            self.ask_primary(name, &mut found, valid_until).await;
            if let Some(service) = &settings.primary_service {
                self.ask_primary_service(name, service, &mut found, valid_until).await;
            }
        }
        found
    }

    async fn ask_list(&mut self, list: &[HostPort], valid_until: &mut Instant) -> Found {
        let mut found = Found::default();
        for entry in list {
            match self.address(entry, valid_until).await {
                Ok(address) => found.add(&entry.to_string(), address),
                Err(problem) => {
                    found.note(&problem.to_string());
                    if let Some(known) = self.known.get(entry) {
                        found.add(&entry.to_string(), *known);
                    }
                }
            }
        }
        found
    }

    /// By SRV records, else by addresses. A Service of which DNS knows nothing at this moment keeps its members: with
    /// no pod ready there is nothing better to try, and they are checked anyway.
    async fn ask_service(&mut self, service: &HostPort, valid_until: &mut Instant) -> Found {
        let mut found = Found::default();
        let asked = async {
            let resolver = resolver(&mut self.resolver, &self.settings)?;
            if let Ok(pods) = resolver.pods(&service.host, service.port).await {
                *valid_until = pods.valid_until.min(*valid_until);
                for pod in &pods.found {
                    found.add(&pod_name(&pod.target, &service.host), pod.address);
                }
                return Ok(());
            }
            let addresses = resolver.addresses(&service.host).await?;
            *valid_until = addresses.valid_until.min(*valid_until);
            for ip in addresses.found {
                let address = SocketAddr::new(ip, service.port);
                found.add(&address.to_string(), address);
            }
            Ok::<(), DiscoveryError>(())
        };
        if let Err(problem) = asked.await {
            found = self.last.clone();
            found.primary = None;
            found.note(&problem.to_string());
        }
        found
    }

    /// The primary's own name is resolved unless a member bears it already. When that fails, the address it had stays
    /// the primary's as long as a member is there; when DNS cannot be asked at all, in any case.
    async fn ask_primary(&mut self, name: &HostPort, found: &mut Found, valid_until: &mut Instant) {
        if let Some(bearer) = found.bearer(name) {
            found.primary = Some(bearer);
            self.known.insert(name.clone(), bearer);
            return;
        }
        let is_listed = |found: &Found, address| found.members.iter().any(|(_, known)| *known == address);
        match self.address(name, valid_until).await {
            Ok(address) => match &self.settings.members {
                MemberSource::List(_) if !is_listed(found, address) => {}
                MemberSource::List(_) | MemberSource::Service(_) => found.set_primary(name, address),
            },
            Err(problem) => {
                found.note(&problem.to_string());
                let gone = matches!(problem, DiscoveryError::NoSuchName(_));
                if let Some(known) = self.known.get(name).copied()
                    && (is_listed(found, known) || !gone)
                {
                    found.set_primary(name, known);
                }
            }
        }
    }

    /// Where DNS does not say it, the address that the Service had stays: that is what it is for.
    async fn ask_primary_service(
        &mut self,
        name: &HostPort,
        service: &HostPort,
        found: &mut Found,
        valid_until: &mut Instant,
    ) {
        let address = self.address(service, valid_until).await;
        if let Err(problem) = &address {
            found.note(&problem.to_string());
        }
        if let Some(address) = address.ok().or_else(|| self.known.get(service).copied()) {
            found.reach_primary_at(name, address);
        }
    }

    /// The address of one name; of several the one it had before, else the first.
    async fn address(&mut self, entry: &HostPort, valid_until: &mut Instant) -> Result<SocketAddr, DiscoveryError> {
        if let Some(literal) = entry.literal() {
            return Ok(literal);
        }
        let answer = resolver(&mut self.resolver, &self.settings)?.addresses(&entry.host).await?;
        *valid_until = answer.valid_until.min(*valid_until);
        let candidates = || answer.found.iter().map(|ip| SocketAddr::new(*ip, entry.port));
        let known = self.known.get(entry).copied();
        let chosen = candidates().find(|address| Some(*address) == known).or_else(|| candidates().next());
        let address = chosen.ok_or_else(|| DiscoveryError::NoSuchName(entry.host.clone()))?;
        self.known.insert(entry.clone(), address);
        Ok(address)
    }

    /// Whether there is nothing to look up.
    fn is_fixed(&self) -> bool {
        let MemberSource::List(list) = &self.settings.members else { return false };
        let named = match &self.settings.primary {
            PrimaryRule::Named(name) if !self.settings.is_single() => self.last.bearer(name).is_some(),
            PrimaryRule::Named(_) | PrimaryRule::Writable => true,
        };
        let service = self.settings.primary_service.as_ref();
        named
            && service.is_none_or(|entry| entry.literal().is_some())
            && list.iter().all(|entry| entry.literal().is_some())
    }
}

/// The resolver, made when it is first needed and again until that succeeds.
fn resolver<'a>(made: &'a mut Option<Resolver>, settings: &TopologySettings) -> Result<&'a Resolver, DiscoveryError> {
    match made {
        Some(resolver) => Ok(resolver),
        None => Ok(made.insert(Resolver::new(&settings.dns_servers)?)),
    }
}

#[cfg(test)]
#[path = "discovery_tests.rs"]
mod tests;
