//! How long a client has been idle, and what ends it then.
//!
//! Knows clocks, and tokens. Must not know what ends with the client.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Waker},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{behind::Behind, handle::Handle};
use crate::upstream::LONGEST;

/// Ends a client that is idle for too long.
///
/// The timer is not set anew with each command: when it strikes, the time since the last one is what counts.
#[derive(Debug)]
pub(super) struct IdleClock {
    timer: Option<Pin<Box<Sleep>>>,
    /// When the last command had been answered.
    pub since: Instant,
    /// What that command has left.
    pub behind: Behind,
    /// Besides the timer, what ends a client between two commands.
    ends: Option<Box<Ends>>,
    /// Who is woken by all of these; none while they must be looked at anew.
    pub woken: Option<Waker>,
}

/// What is waited for while a client is idle. Both stay registered while its commands are done, as waiting anew each time costs
/// more than many a command.
#[derive(Debug)]
struct Ends {
    kill: Pin<Box<WaitForCancellationFutureOwned>>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Default for IdleClock {
    fn default() -> Self {
        IdleClock { timer: None, since: Instant::now(), behind: Behind::default(), ends: None, woken: None }
    }
}

impl IdleClock {
    /// The last command, which changed nothing of how long the client may be idle, had been answered then.
    pub fn rest_since(&mut self, since: std::time::Instant) {
        self.since = since.into();
    }

    /// The last command may have changed everything.
    pub fn begin_anew(&mut self) {
        (self.since, self.woken) = (Instant::now(), None);
    }

    /// Whether it may be time for the client to end, which is then to be looked at closely. Otherwise the task is woken when it
    /// may be. `limit`: how long the client may be idle, asked when that may have changed.
    pub fn is_due(
        &mut self,
        cx: &mut Context<'_>,
        handle: &Handle,
        may_stop: bool,
        limit: impl FnOnce() -> Duration,
    ) -> bool {
        if self.woken.as_ref().is_some_and(|woken| woken.will_wake(cx.waker())) {
            let is_late = self.timer.as_ref().is_some_and(|timer| timer.is_elapsed());
            return is_late || handle.is_doomed() || (may_stop && handle.stop.is_cancelled());
        }
        let ends = self.ends.get_or_insert_with(|| {
            let of = |token: &CancellationToken| Box::pin(token.clone().cancelled_owned());
            Box::new(Ends { kill: of(&handle.kill), stop: of(&handle.stop) })
        });
        // Who has ended already wakes nobody any more, which matters once it may stop; it is asked for then.
        let killed = ends.kill.as_mut().poll(cx).is_ready();
        let stopped = handle.stop.is_cancelled() || ends.stop.as_mut().poll(cx).is_ready();
        let is_late = pin!(self.elapsed(self.since, limit())).poll(cx).is_ready();
        self.woken = Some(cx.waker().clone());
        is_late || killed || (stopped && may_stop)
    }

    /// Returns when `limit` has passed since `since`. Cancel safe.
    pub async fn elapsed(&mut self, since: Instant, limit: Duration) {
        let end = since + limit.min(LONGEST);
        loop {
            match &mut self.timer {
                Some(timer) if !timer.is_elapsed() && timer.deadline() <= end => {}
                Some(timer) => timer.as_mut().reset(end),
                None => self.timer = Some(Box::pin(sleep_until(end))),
            }
            if let Some(timer) = &mut self.timer {
                timer.as_mut().await;
            }
            if Instant::now() >= end {
                return;
            }
        }
    }
}
