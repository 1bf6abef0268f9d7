use std::{io, thread};

use tokio::{
    runtime::{Builder, Handle},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// To be called by every other thread: where the processors are busy, as when thousands connect, the road goes first.
///
/// Linux has this by thread; where it is a property of processes nothing is done.
pub fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), BEHIND) {
        tracing::debug!(%error, "a thread cannot give way to others");
    }
}

/// Of what -20 to 19 says: a third of the share of who has 0, and that only where both would run.
#[cfg(target_os = "linux")]
const BEHIND: i32 = 5;

/// The one thread on which a change goes from the log to the sockets. Its stages hand over to each other within it: to wake
/// another thread costs more than what a stage does for a change.
///
/// And the dispatcher's history is most of the memory. The allocator has a region for each thread and gives what is freed in
/// one only to that thread: a task that wanders would leave each of them as large as the history.
pub struct Road {
    runtime: Handle,
    end: CancellationToken,
}

impl Road {
    /// Open until it is dropped; tasks that are not done then are dropped too.
    pub fn open() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let road = Road { runtime: runtime.handle().clone(), end: CancellationToken::new() };
        let end = road.end.clone();
        thread::Builder::new().name("road".into()).spawn(move || runtime.block_on(end.cancelled_owned()))?;
        Ok(road)
    }

    pub fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.runtime.spawn(task)
    }
}

impl Drop for Road {
    fn drop(&mut self) {
        self.end.cancel();
    }
}
