//! Ctrl-C, and being asked to end: noticed at the next pause, so that everything is taken down in order.
//!
//! Knows signals. Must not know what is being interrupted.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::TourError;

/// How long the orderly way down may take. Servers and folder end with this process in any case.
const PATIENCE: Duration = Duration::from_secs(15);

/// Whether somebody wants the end.
#[derive(Clone, Debug, Default)]
pub(super) struct Interrupt {
    asked: Arc<(Mutex<bool>, Condvar)>,
}

impl Interrupt {
    /// From now on signals are noticed here. A second one ends the process at once.
    pub(super) fn watch() -> io::Result<Self> {
        let interrupt = Self::default();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let mut signals = runtime.block_on(async { Signals::new() })?;
        let watched = interrupt.clone();
        thread::spawn(move || {
            runtime.block_on(signals.next());
            watched.ask();
            let _ = runtime.block_on(async { tokio::time::timeout(PATIENCE, signals.next()).await });
            std::process::exit(1);
        });
        Ok(interrupt)
    }

    /// An error once somebody wants the end.
    pub(super) fn check(&self) -> Result<(), TourError> {
        self.pause(Duration::ZERO)
    }

    /// Sleeps; ends early with an error when somebody wants the end.
    pub(super) fn pause(&self, time: Duration) -> Result<(), TourError> {
        let (asked, news) = &*self.asked;
        let asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        let slept = news.wait_timeout_while(asked, time, |asked| !*asked);
        let (asked, _) = slept.unwrap_or_else(PoisonError::into_inner);
        if *asked { Err(TourError::Interrupted) } else { Ok(()) }
    }

    /// Sleeps until somebody wants the end.
    pub(super) fn wait(&self) {
        let (asked, news) = &*self.asked;
        let asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        drop(news.wait_while(asked, |asked| !*asked).unwrap_or_else(PoisonError::into_inner));
    }

    fn ask(&self) {
        let (asked, news) = &*self.asked;
        *asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        news.notify_all();
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Interrupt;

    #[test]
    fn a_pause_ends_when_somebody_wants_the_end() {
        let interrupt = Interrupt::default();
        assert!(interrupt.check().is_ok());
        assert!(interrupt.pause(Duration::from_millis(5)).is_ok());
        let asker = interrupt.clone();
        let began = Instant::now();
        std::thread::spawn(move || asker.ask());
        assert!(interrupt.pause(Duration::from_secs(60)).is_err());
        interrupt.wait();
        assert!(began.elapsed() < Duration::from_secs(30));
    }
}
