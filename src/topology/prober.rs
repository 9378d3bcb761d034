//! The task that checks one member, again and again, over one kept connection.
//!
//! Knows when to ask and what a failure means for the member's health. Must not know roles or other members.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::ask::{Ask, AskError};
use super::health::{Failure, Hysteresis};
use super::member::MemberId;
use super::probe::{Report, open, probe};
use super::settings::{CheckSettings, ClusterKind};
use super::state::{BlindReason, DownReason, Health};

/// A check that was asked for comes at the earliest this part of the interval after the one before.
const SOONEST: u32 = 5;

const ER_CON_COUNT: u16 = 1040;
const ER_ACCESS_DENIED: u16 = 1045;
const ER_TOO_MANY_USER_CONNECTIONS: u16 = 1203;
const ER_USER_LIMIT_REACHED: u16 = 1226;
const ER_HOST_NOT_PRIVILEGED: u16 = 1130;
const ER_ACCESS_DENIED_NO_PASSWORD: u16 = 1698;

/// What one check found.
#[derive(Debug)]
pub struct Checked {
    /// Of whom.
    pub member: MemberId,
    /// Its health after this check.
    pub health: Health,
    /// What it answered, unless the check failed.
    pub report: Option<Report>,
}

/// Checks one member until dropped or until nobody listens.
pub struct Prober<A: Ask> {
    /// Who.
    pub member: MemberId,
    /// Where.
    pub address: SocketAddr,
    /// With what.
    pub asker: Arc<A>,
    /// As a member of what.
    pub kind: ClusterKind,
    /// When.
    pub settings: CheckSettings,
}

impl<A: Ask> Prober<A> {
    /// Reports each check to `results`; a change of `recheck` brings the next one forward.
    pub async fn run(self, results: mpsc::Sender<Checked>, mut recheck: watch::Receiver<u64>) {
        let mut hysteresis = Hysteresis::new(self.settings.fall, self.settings.rise);
        let mut kept = None;
        loop {
            let begun = Instant::now();
            let outcome = self.check(&mut kept).await;
            let (report, verdict) = match outcome {
                Ok(report) => (Some(report), Ok(())),
                Err(failure) => (None, Err(failure)),
            };
            let health = hysteresis.observe(verdict).clone();
            if results.send(Checked { member: self.member, health, report }).await.is_err() {
                return;
            }
            let soonest = begun + self.settings.interval / SOONEST;
            if !hysteresis.is_rising() {
                tokio::select! {
                    () = sleep_until(begun + self.settings.interval) => {}
                    asked = recheck.changed() => if asked.is_err() { return },
                }
            }
            sleep_until(soonest).await;
        }
    }

    /// One check. A kept connection that turns out to be broken is replaced once before the check fails: the server
    /// may have closed it for its own reasons since.
    async fn check(&self, kept: &mut Option<A::Conversation>) -> Result<Report, Failure> {
        let kept_before = kept.is_some();
        match self.ask(kept).await {
            Err(Failure::Down(DownReason::Lost(_))) if kept_before => self.ask(kept).await,
            outcome => outcome,
        }
    }

    async fn ask(&self, kept: &mut Option<A::Conversation>) -> Result<Report, Failure> {
        let mut conversation = if let Some(kept) = kept.take() {
            kept
        } else {
            let mut fresh = self.within(self.asker.connect(self.address)).await?;
            self.within(open(&mut fresh, self.kind)).await?;
            fresh
        };
        let report = self.within(probe(&mut conversation, self.kind)).await?;
        *kept = Some(conversation);
        Ok(report)
    }

    async fn within<T>(&self, asking: impl Future<Output = Result<T, AskError>>) -> Result<T, Failure> {
        let limit: Duration = self.settings.timeout;
        match timeout(limit, asking).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(failure(error)),
            Err(_) => Err(Failure::Down(DownReason::Timeout(limit))),
        }
    }
}

fn failure(error: AskError) -> Failure {
    match error {
        AskError::Connect(why) => Failure::Down(DownReason::Connect(why)),
        AskError::Timeout(limit) => Failure::Down(DownReason::Timeout(limit)),
        AskError::Account(why) => Failure::Blind(BlindReason::AccessDenied(why)),
        AskError::Lost(why) => Failure::Down(DownReason::Lost(why)),
        AskError::Server { code, ref message } => match code {
            ER_ACCESS_DENIED | ER_ACCESS_DENIED_NO_PASSWORD | ER_HOST_NOT_PRIVILEGED => {
                Failure::Blind(BlindReason::AccessDenied(message.clone()))
            }
            ER_CON_COUNT | ER_TOO_MANY_USER_CONNECTIONS | ER_USER_LIMIT_REACHED => {
                Failure::Blind(BlindReason::TooManyConnections(message.clone()))
            }
            _ => Failure::Down(DownReason::Error(error.to_string())),
        },
    }
}
