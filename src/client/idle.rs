//! Between two commands: how long a client may be idle, and when it is sent away. Servers close an idle connection without a
//! word: an error that nobody has asked for is taken for the answer to the next command. (`MySQL` tells 4031 when
//! `wait_timeout` has passed.)
//!
//! Knows clocks, and tokens. Must not know what a command says.

use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{
    behind::Behind,
    handle::Handle,
    incoming::Incoming,
    memory::{LONGEST, seconds},
    previous::LINGER,
    refusal,
    run::{Client, Gone, Way},
};
use crate::{net::Expects, session::Settings, wire::server::tells_idle_end};

/// The least room for a command.
const ROOM: usize = 4 * 1024;

/// Who is idle for so long while the proxy drains lies in a pool, which sees that the connection has ended before it gives it
/// away. So long a client that has just come may take for what its driver asks at first.
pub const QUIET: Duration = Duration::from_secs(1);

/// How long the next command of a transaction is waited for when the drain's deadline has passed, to be told of it.
pub const LAST_WORD: Duration = Duration::from_secs(1);

/// Ends a client that is idle for too long.
///
/// The timer is not set anew with each command: when it strikes, the time since the last one is what counts.
#[derive(Debug)]
pub(super) struct IdleClock {
    timer: Option<Pin<Box<Sleep>>>,
    /// When the last command had been answered.
    since: Instant,
    /// What that command has left.
    pub behind: Behind,
    /// Besides the timer, what ends a client between two commands.
    ends: Option<Box<Ends>>,
    /// Who is woken by all of these; none while they must be looked at anew.
    woken: Option<Waker>,
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
    fn begin_anew(&mut self) {
        (self.since, self.woken) = (Instant::now(), None);
    }

    /// Whether it may be time for the client to end, which is then to be looked at closely. Otherwise the task is woken when it
    /// may be. `limit`: how long the client may be idle, asked when that may have changed.
    fn is_due(
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
    async fn elapsed(&mut self, since: Instant, limit: Duration) {
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

/// Returns when a client that has been idle since then is sent away by a drain: once it is idle for a while, or, when there is
/// no more time for that, right behind the reply to its last command (`may_hurry`). Whoever asks for the connection's state
/// before the next command then sees its end. At any other moment its next command and the end would meet on their way.
async fn sent_away(drain: &CancellationToken, hurry: &CancellationToken, since: Instant, may_hurry: bool) {
    drain.cancelled().await;
    if !(may_hurry && hurry.is_cancelled()) {
        sleep_until(since + QUIET).await;
    }
}

/// Why a client's wait for a command has ended.
enum Waited {
    Command(Option<Incoming>),
    /// It was killed, or the drain's deadline has passed.
    Ended,
    Drained,
    TooLong,
    Lingered,
}

/// The client does not simply wait.
struct NotPlainly;

impl Client {
    /// The next command; `None` when the client has left or is sent away. `after`: how the last one was done.
    pub(super) async fn next_command(&mut self, after: Way) -> Result<Option<Incoming>, Gone> {
        if after == Way::Long {
            self.idle_clock.begin_anew();
        }
        if self.previous.lingers_since.is_none()
            && !self.may_unpin()
            && let Ok(incoming) = self.plainly_next_command().await
        {
            return Ok(incoming?);
        }
        Box::pin(self.next_command_at_length()).await
    }

    /// Waits for a command that comes as a whole.
    async fn plainly_next_command(&mut self) -> Result<io::Result<Option<Incoming>>, NotPlainly> {
        let mut expects = Expects::Nothing;
        poll_fn(|cx| {
            let polled = self.poll_command(cx, expects);
            expects = Expects::Bytes;
            polled
        })
        .await
    }

    fn poll_command(
        &mut self,
        cx: &mut Context<'_>,
        expects: Expects,
    ) -> Poll<Result<io::Result<Option<Incoming>>, NotPlainly>> {
        loop {
            if let Some(incoming) = Incoming::at_once(&mut self.stream) {
                return Poll::Ready(Ok(Ok(Some(incoming))));
            }
            if !self.stream.inbox().is_empty() {
                // The rest of it has its time.
                return Poll::Ready(Err(NotPlainly));
            }
            match self.stream.poll_expected(cx, ROOM, expects) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(Ok(None))),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Ok(Err(error))),
                Poll::Pending => break,
            }
        }
        let may_stop = !self.session.is_tied();
        let (usual, settings) = (self.wait_timeout, &self.session.settings);
        let limit = || idle_limit(settings, usual);
        if self.idle_clock.is_due(cx, &self.registered.handle, may_stop, limit) {
            return Poll::Ready(Err(NotPlainly));
        }
        Poll::Pending
    }

    /// The same whatever happens meanwhile.
    async fn next_command_at_length(&mut self) -> Result<Option<Incoming>, Gone> {
        let (stop, kill) = (self.registered.handle.stop.clone(), self.registered.handle.kill.clone());
        let since = self.idle_clock.since;
        let limit = idle_limit(&self.session.settings, self.wait_timeout);
        self.idle_clock.woken = None;
        // Whether its reply is just behind it, nothing more belongs to it, and its driver has had its first questions answered.
        let mut may_hurry =
            since >= self.came + QUIET && self.idle_clock.behind.is_end_of_unit(self.session.autocommit);
        loop {
            // A client in the middle of a transaction may finish it while the proxy drains.
            let may_stop = !self.session.is_tied();
            let may_unpin = self.may_unpin();
            let waited = tokio::select! {
                biased;
                incoming = Incoming::read(&mut self.stream) => Waited::Command(incoming?),
                () = kill.cancelled() => Waited::Ended,
                () = sent_away(&stop, &self.proxy.hurry, since, may_hurry), if may_stop => Waited::Drained,
                () = self.idle_clock.elapsed(since, limit) => Waited::TooLong,
                () = tokio::time::sleep(LINGER), if self.previous.lingers_since.is_some() || may_unpin => Waited::Lingered,
            };
            match waited {
                Waited::Command(incoming) => return Ok(incoming),
                Waited::Ended if !may_stop && self.is_over() => return self.tell_of_the_end().await,
                Waited::Ended | Waited::Drained => return Ok(None),
                Waited::TooLong => return self.end_idle().await,
                Waited::Lingered => {}
            }
            may_hurry = false;
            if may_unpin {
                self.unpin().await;
            } else if !self.may_linger_on() {
                self.end_lingering().await;
            }
        }
    }

    /// As the server does.
    async fn end_idle(&mut self) -> Result<Option<Incoming>, Gone> {
        if self.proxy.topology.view().server().is_some_and(|server| tells_idle_end(&server.version_text)) {
            self.refuse(0, &refusal::idle_for_too_long()).await?;
        }
        Ok(None)
    }

    /// Whether the proxy waits for its clients no longer.
    pub(super) fn is_over(&self) -> bool {
        self.proxy.drain.is_cancelled() && self.registered.handle.kill.is_cancelled()
    }

    /// A client in a transaction that goes on after the drain's deadline gets its end for an answer.
    async fn tell_of_the_end(&mut self) -> Result<Option<Incoming>, Gone> {
        if let Ok(Ok(Some(mut incoming))) = timeout(LAST_WORD, Incoming::read(&mut self.stream)).await {
            self.answer_error(&mut incoming, &refusal::draining()).await?;
        }
        Ok(None)
    }
}

/// How long a client may be idle: its session's `wait_timeout`, which was `interactive_timeout` if it has logged in as
/// interactive.
fn idle_limit(settings: &Settings, usual: Duration) -> Duration {
    let set = settings.variables.get(b"wait_timeout".as_slice());
    set.map_or(usual, |value| seconds(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_time_since_the_last_command_counts() {
        let mut clock = IdleClock::default();
        let limit = Duration::from_secs(1);
        for _ in 0..8 {
            // A command every 200 ms.
            let waited = timeout(limit / 5, clock.elapsed(Instant::now(), limit)).await;
            assert!(waited.is_err());
        }
        for limit in [limit, limit / 5] {
            let since = Instant::now();
            clock.elapsed(since, limit).await;
            assert!((limit..limit * 3).contains(&since.elapsed()), "{:?}, not {limit:?}", since.elapsed());
        }
        let since = Instant::now();
        let waited = timeout(limit / 5, clock.elapsed(since, Duration::MAX)).await;
        assert!(waited.is_err(), "there is a limit that never comes");
    }

    #[tokio::test]
    async fn a_drain_sends_away_who_is_idle_and_in_a_hurry_who_has_just_been_served() {
        let moment = QUIET / 20;
        let [drain, hurry] = [(); 2].map(|()| CancellationToken::new());
        let stays = async |since: Instant, may_hurry| {
            timeout(moment, sent_away(&drain, &hurry, since, may_hurry)).await.is_err()
        };
        let long_ago = Instant::now();
        tokio::time::sleep(QUIET).await;
        assert!(stays(long_ago, true).await, "the proxy does not drain");
        drain.cancel();
        assert!(!stays(long_ago, true).await, "it has been idle for long");
        let waits = sent_away(&drain, &hurry, Instant::now(), true);
        tokio::pin!(waits);
        assert!(timeout(moment, &mut waits).await.is_err(), "it may say something soon");
        hurry.cancel();
        assert!(timeout(moment, &mut waits).await.is_err(), "it may say something just now");
        assert!(!stays(Instant::now(), true).await, "it has had its reply");
        assert!(stays(Instant::now(), false).await, "its driver has not had its first questions answered");
    }

    #[test]
    fn a_timeout_is_read() {
        assert_eq!([seconds(b"28800"), seconds(b"1")], [28_800, 1].map(Duration::from_secs));
        assert_eq!([seconds(b"0"), seconds(b""), seconds(b"x")], [LONGEST; 3]);
    }
}
