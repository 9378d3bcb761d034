//! The task that checks one member, again and again, over one kept connection.
//!
//! Knows when to ask and what a failure means for the member's health. Must not know roles or other members.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::ask::{Ask, AskError, Converse};
use super::health::{Failure, Hysteresis};
use super::member_id::MemberId;
use super::probe::{Report, open, probe};
use super::settings::{CheckSettings, ClusterKind};
use super::state::{BlindReason, DownReason, Health};

/// A check that was asked for comes at the earliest this part of the interval after the one before.
const SOONEST: u32 = 5;

/// A check that has timed out goes on for this many timeouts before another is begun beside it: a member that hangs must
/// not collect ours. Each time that this does not help it is twice as long.
const LEAST_PATIENCE: u32 = 4;

/// The longest that it becomes.
const MOST_PATIENCE: Duration = Duration::from_secs(60);

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

/// What one check leaves to the next.
struct State<C> {
    /// A connection that can be asked.
    kept: Option<C>,
    /// What was begun and has not ended.
    under_way: Option<UnderWay<C>>,
    /// How long that may go on.
    patience: Duration,
}

/// A part of a check that has begun.
struct UnderWay<C> {
    step: Pin<Box<dyn Future<Output = Result<Step<C>, AskError>> + Send>>,
    begun: Instant,
}

/// How it ends.
enum Step<C> {
    /// There is a connection.
    Connected(C),
    /// It has answered.
    Answered(Box<Report>, C),
}

impl<C> UnderWay<C> {
    fn new(step: impl Future<Output = Result<Step<C>, AskError>> + Send + 'static) -> Self {
        UnderWay { step: Box::pin(step), begun: Instant::now() }
    }
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
        let mut state = State { kept: None, under_way: None, patience: self.first_patience() };
        loop {
            let begun = Instant::now();
            let outcome = self.check(&mut state).await;
            let (report, verdict) = match outcome {
                Ok(report) => (Some(report), Ok(())),
                Err(failure) => (None, Err(failure)),
            };
            let is_gone = matches!(verdict, Err(Failure::Down(DownReason::Connect(_) | DownReason::Lost(_))));
            let health = hysteresis.observe(verdict).clone();
            if results.send(Checked { member: self.member, health, report }).await.is_err() {
                return;
            }
            let soonest = begun + self.settings.interval / SOONEST;
            // Who refuses connections is soon known to be down, who answers again to be up. One that is slow gets its time.
            let hurries = hysteresis.is_rising() || (is_gone && hysteresis.is_falling());
            if !hurries {
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
    async fn check(&self, state: &mut State<A::Conversation>) -> Result<Report, Failure> {
        let kept_before = state.kept.is_some() || state.under_way.is_some();
        let outcome = match self.ask(state).await {
            Err(Failure::Down(DownReason::Lost(_))) if kept_before => self.ask(state).await,
            outcome => outcome,
        };
        if outcome.is_ok() {
            state.patience = self.first_patience();
        }
        outcome
    }

    /// Goes on with what an earlier check has begun, else begins.
    async fn ask(&self, state: &mut State<A::Conversation>) -> Result<Report, Failure> {
        let limit: Duration = self.settings.timeout;
        loop {
            let mut under_way = state.under_way.take().unwrap_or_else(|| self.begin(state.kept.take()));
            match timeout(limit, &mut under_way.step).await {
                Ok(Ok(Step::Connected(conversation))) => {
                    state.under_way = Some(UnderWay::new(self.open(conversation)));
                }
                Ok(Ok(Step::Answered(report, conversation))) => {
                    state.kept = Some(conversation);
                    return Ok(*report);
                }
                Ok(Err(error)) => return Err(failure(error)),
                Err(_) => {
                    if under_way.begun.elapsed() < state.patience {
                        state.under_way = Some(under_way);
                    } else {
                        state.patience = (state.patience * 2).min(MOST_PATIENCE);
                    }
                    return Err(Failure::Down(DownReason::Timeout(limit)));
                }
            }
        }
    }

    fn begin(&self, kept: Option<A::Conversation>) -> UnderWay<A::Conversation> {
        if let Some(conversation) = kept {
            return UnderWay::new(question(conversation, self.kind));
        }
        let (asker, address) = (Arc::clone(&self.asker), self.address);
        UnderWay::new(async move { asker.connect(address).await.map(Step::Connected) })
    }

    fn open(
        &self,
        mut fresh: A::Conversation,
    ) -> impl Future<Output = Result<Step<A::Conversation>, AskError>> + Send + 'static {
        let kind = self.kind;
        async move {
            open(&mut fresh, kind).await?;
            question(fresh, kind).await
        }
    }

    fn first_patience(&self) -> Duration {
        self.settings.timeout * LEAST_PATIENCE
    }
}

async fn question<C: Converse>(mut conversation: C, kind: ClusterKind) -> Result<Step<C>, AskError> {
    let report = probe(&mut conversation, kind).await?;
    Ok(Step::Answered(Box::new(report), conversation))
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::topology::fake::FakeConversation;

    /// A member that accepts and says nothing.
    #[derive(Debug, Default)]
    struct Frozen {
        connections: AtomicUsize,
    }

    impl Ask for Frozen {
        type Conversation = FakeConversation;

        async fn connect(&self, _: SocketAddr) -> Result<FakeConversation, AskError> {
            self.connections.fetch_add(1, Ordering::Relaxed);
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn a_member_that_hangs_does_not_collect_checks() {
        let asker = Arc::new(Frozen::default());
        let prober = Prober {
            member: MemberId(1),
            address: ([10, 0, 0, 1], 3306).into(),
            asker: Arc::clone(&asker),
            kind: ClusterKind::Auto,
            settings: CheckSettings {
                interval: Duration::from_millis(5),
                timeout: Duration::from_millis(2),
                ..CheckSettings::default()
            },
        };
        let (results, mut checked) = mpsc::channel(1);
        let (_wish, wishes) = watch::channel(0);
        tokio::spawn(prober.run(results, wishes));
        for _ in 0..125 {
            let one = checked.recv().await.unwrap();
            assert!(matches!(one.health, Health::Down(DownReason::Timeout(_))), "{one:?}");
        }
        assert!(asker.connections.load(Ordering::Relaxed) < 15, "{asker:?} in 125 checks");
    }
}
