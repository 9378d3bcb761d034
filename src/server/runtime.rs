//! The choice of runtime, in one place.

use std::{io, num::NonZeroUsize};

use tokio::runtime::{Builder, Runtime};

/// One thread: everything on it. More: work-stealing workers, so that a busy client does not slow down those that
/// happen to share its thread; connections to members are shared by all of them.
pub fn runtime(threads: NonZeroUsize) -> io::Result<Runtime> {
    match threads.get() {
        1 => Builder::new_current_thread().enable_all().build(),
        workers => Builder::new_multi_thread().worker_threads(workers).enable_all().build(),
    }
}
