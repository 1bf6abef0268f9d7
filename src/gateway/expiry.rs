use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, SystemTime},
};

use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use super::session::Session;
use crate::hub::SocketId;

/// When the tokens of all sockets expire, watched by one task.
pub struct Expiries {
    watch: Arc<Watch>,
    _task: AbortOnDropHandle<()>,
}

struct Watch {
    grace: Duration,
    timers: Mutex<Timers>,
    /// There may be a timer now that is due before all others.
    changed: Notify,
}

/// Times are milliseconds since 1970, by the clock that tokens go by.
#[derive(Default)]
struct Timers {
    of: HashMap<SocketId, u64>,
    queue: BTreeMap<(u64, SocketId), Timer>,
}

struct Timer {
    session: Weak<Session>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Valid,
    /// Its client was told, and has until then to show another token.
    Told,
}

/// The clock is looked at so often: it may be set, and it goes on while the machine sleeps.
const LOOK: Duration = Duration::from_secs(10);

impl Expiries {
    /// `grace`: how long a socket whose token has expired may stay. Call it in a runtime.
    pub fn watch(grace: Duration) -> Self {
        let watch = Arc::new(Watch { grace, timers: Mutex::default(), changed: Notify::new() });
        let task = AbortOnDropHandle::new(tokio::spawn(run(watch.clone())));
        Expiries { watch, _task: task }
    }

    pub fn grace(&self) -> Duration {
        self.watch.grace
    }

    /// The socket's token expires then, in seconds since 1970, whatever it did before; `None`: never.
    pub fn set(&self, socket: SocketId, session: Weak<Session>, exp: Option<u64>) {
        let mut timers = self.watch.timers();
        timers.remove(socket);
        if let Some(exp) = exp {
            timers.put(exp.saturating_mul(1_000), socket, Timer { session, stage: Stage::Valid });
            drop(timers);
            self.watch.changed.notify_one();
        }
    }

    pub fn forget(&self, socket: SocketId) {
        self.watch.timers().remove(socket);
    }
}

impl Watch {
    fn timers(&self) -> MutexGuard<'_, Timers> {
        self.timers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Timers {
    fn put(&mut self, at: u64, socket: SocketId, timer: Timer) {
        self.of.insert(socket, at);
        self.queue.insert((at, socket), timer);
    }

    fn remove(&mut self, socket: SocketId) -> Option<Timer> {
        let at = self.of.remove(&socket)?;
        self.queue.remove(&(at, socket))
    }

    /// Takes out what is due. Who was valid until now has the grace before it.
    fn take_due(&mut self, now: u64, grace: Duration) -> Vec<(Weak<Session>, Stage)> {
        let mut due = Vec::new();
        while let Some(((_, socket), _)) = self.queue.first_key_value().filter(|((at, _), _)| *at <= now) {
            let socket = *socket;
            let Some(Timer { session, stage }) = self.remove(socket) else { break };
            due.push((session.clone(), stage));
            if stage == Stage::Valid {
                let until = now.saturating_add(millis(grace));
                self.put(until, socket, Timer { session, stage: Stage::Told });
                // Without any grace this is due as well; told first, ended in the next round.
                if grace.is_zero() {
                    break;
                }
            }
        }
        due
    }

    fn next(&self) -> Option<u64> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }
}

async fn run(watch: Arc<Watch>) {
    loop {
        let due = watch.timers().take_due(now(), watch.grace);
        for (session, stage) in due {
            match (session.upgrade(), stage) {
                (Some(session), Stage::Valid) => session.tell_expired(),
                (Some(session), Stage::Told) => session.end_expired(now()),
                (None, _) => {}
            }
        }
        let wait = watch.timers().next().map_or(LOOK, |at| Duration::from_millis(at.saturating_sub(now())));
        tokio::select! {
            () = tokio::time::sleep(wait.min(LOOK)) => {}
            () = watch.changed.notified() => {}
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, millis)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
