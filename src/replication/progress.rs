use tokio::sync::watch;

use super::history::{History, Landmark};
use crate::change::Lsn;

/// How far the log has come in, how far it has been handed on, and what may therefore be confirmed to Postgres.
///
/// The one place that knows. The stream reports what comes in, the consumer what it has handed on and what it wants to
/// have again after a restart:
///
/// ```text
/// stream ── received, committed, quiet ──► Progress ◄── begin, keep_from, handed_on ── consumer
///    ◄───────────── confirmed ────────────────┘ ─────────────── confirmed ───────────────►
/// ```
///
/// What is confirmed, Postgres forgets: after a restart it sends the transactions whose commit record starts at the
/// confirmed position or after it, and no others ([`SnapBuildXactNeedsSkip`][skip]). So what is confirmed is
/// - never more than what was handed on, with one exception: when every transaction that came in has been handed on,
///   the end of the log that a keepalive names is confirmed too. Without it, a database in which nothing is published
///   would hold back the log of all the others;
/// - not more than what the consumer wants to keep, as long as that is within the bound: log that is held back fills the
///   server's disk.
///
/// [skip]: https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/replication/logical/snapbuild.c
#[derive(Debug)]
pub struct Progress(watch::Sender<State>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    received: Lsn,
    /// The end of the last whole transaction that came in over this connection.
    committed: Lsn,
    /// The server's log goes on to here at least.
    wal_end: Lsn,
    handed_on: Lsn,
    keep_from: Option<Lsn>,
    /// How far behind `wal_end` may be confirmed at most, for `keep_from`'s sake.
    replay_bytes: u64,
    quiet: Option<Quiet>,
    confirmed: Lsn,
    /// Where the slot stood when the connection was made.
    slot: Lsn,
    history: History,
    /// Connections that the consumer has not taken up yet. Until then it speaks of an earlier one, and maybe of positions
    /// in another log.
    ahead: usize,
}

/// The log goes on to `end` without a transaction for us after `after`.
#[derive(Clone, Copy, Debug)]
struct Quiet {
    after: Lsn,
    end: Lsn,
}

impl Default for Progress {
    fn default() -> Self {
        Progress(watch::Sender::new(State::default()))
    }
}

impl Progress {
    pub fn new() -> Progress {
        Progress::default()
    }

    /// The consumer takes up a [`Connected`](super::Connected): once for each, in its place between the batches. What it says
    /// from now on is of that connection; what it said before that and after the connection was made does not count.
    pub fn begin(&self) {
        self.update(|state| state.ahead = state.ahead.saturating_sub(1));
    }

    /// The consumer has safely handed on everything of all transactions that end at or before `end_lsn`
    /// ([`Commit::end_lsn`](crate::change::Commit)), so that Postgres need not send them again, unless they are to be
    /// [kept](Self::keep_from).
    pub fn handed_on(&self, end_lsn: Lsn) {
        self.update(|state| {
            if state.ahead == 0 {
                state.handed_on = state.handed_on.max(end_lsn);
            }
        });
    }

    /// Whatever commits at or after `lsn` ([`Commit::commit_lsn`](crate::change::Commit)) is to be sent again after a restart;
    /// `None`: nothing of what was handed on. Say it before the transaction at `lsn` is [handed on](Self::handed_on). It
    /// is overruled where it would hold back more log than [`Settings::replay_bytes`](super::Settings), and nothing
    /// comes back that was let go: what will come is at or after [`confirmed`](Self::confirmed).
    pub fn keep_from(&self, lsn: Option<Lsn>) {
        self.update(|state| {
            if state.ahead == 0 {
                state.keep_from = lsn;
            }
        });
    }

    /// What may be confirmed to Postgres. Every transaction that commits at or after it comes again after a restart.
    /// Within one history of the database it never goes back.
    pub fn confirmed(&self) -> Lsn {
        self.0.borrow().confirmed
    }

    /// How far the log has come in over the present connection.
    pub fn received(&self) -> Lsn {
        self.0.borrow().received
    }

    /// All that commits before here has been handed on, as far as this connection tells.
    pub fn done(&self) -> Lsn {
        self.0.borrow().done()
    }

    /// Sets the bound of what is kept, in bytes of log.
    pub(super) fn bound(&self, replay_bytes: u64) {
        self.update(|state| state.replay_bytes = replay_bytes);
    }

    /// A connection starts to stream from the slot's own position. Transactions that were received and not confirmed
    /// come again. `wal_end` is where the server's log ends. Where the slot is not the one before (`anew`), or the log is
    /// not, positions known from before count for nothing; that the log is not is returned, as how far the other
    /// had been read.
    pub(super) fn connected(&self, slot: Lsn, wal_end: Lsn, anew: bool) -> Option<Lsn> {
        let mut went_back = None;
        self.update(|state| {
            let read = state.history.end().max(state.confirmed);
            let same_log = state.history.resume(slot, wal_end) && read <= wal_end;
            let before = std::mem::take(state);
            *state = State { replay_bytes: before.replay_bytes, ahead: before.ahead + 1, ..State::default() };
            if same_log && !anew {
                (state.handed_on, state.keep_from) = (before.handed_on, before.keep_from);
                (state.confirmed, state.history) = (before.confirmed, before.history);
            }
            (state.slot, state.received, state.committed) = (slot, slot, slot);
            state.wal_end = wal_end.max(slot);
            state.handed_on = state.handed_on.max(slot);
            state.confirmed = state.confirmed.max(slot);
            went_back = (!same_log).then_some(read);
        });
        went_back
    }

    /// Something came in, at `lsn`.
    pub(super) fn received_at(&self, lsn: Lsn) {
        self.update(|state| state.receive(lsn));
    }

    /// A whole transaction came in.
    pub(super) fn committed(&self, transaction: Landmark) {
        self.update(|state| {
            state.history.came(transaction);
            state.receive(transaction.end_lsn);
            state.committed = state.committed.max(transaction.end_lsn);
        });
    }

    /// Outside a transaction a keepalive said that all which commits before `wal_end` has come in.
    pub(super) fn quiet(&self, wal_end: Lsn) {
        self.update(|state| {
            state.history.passed(wal_end);
            state.receive(wal_end);
            state.quiet = Some(Quiet { after: state.committed, end: wal_end });
        });
    }

    /// Whether what comes in has turned out to be another log than the one read before; then up to where that was read.
    pub(super) fn went_back(&self) -> Option<Lsn> {
        let state = self.0.borrow();
        state.history.is_broken().then(|| state.history.end())
    }

    /// What to confirm over the present connection.
    pub(super) fn tellable(&self) -> Lsn {
        self.0.borrow().tellable()
    }

    /// Waits until more than `lsn` is to be confirmed.
    pub(super) async fn tellable_beyond(&self, lsn: Lsn) {
        // An error would mean that the sender is gone, and `self` holds it.
        let _ = self.0.subscribe().wait_for(|state| state.tellable() > lsn).await;
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        self.0.send_if_modified(|state| {
            let before = state.tellable();
            change(state);
            if state.history.is_certain() {
                state.confirmed = state.confirmed.max(state.confirmable());
            }
            state.tellable() != before
        });
    }
}

impl State {
    fn receive(&mut self, lsn: Lsn) {
        self.received = self.received.max(lsn);
        self.wal_end = self.wal_end.max(lsn);
    }

    /// What was read from one log must not move the slot of another.
    fn tellable(&self) -> Lsn {
        if self.history.is_certain() { self.confirmed } else { self.slot }
    }

    fn done(&self) -> Lsn {
        let quiet = self.quiet.filter(|quiet| self.handed_on >= quiet.after).map_or(Lsn::ZERO, |quiet| quiet.end);
        // What was handed on over an earlier connection counts again when this one has come as far.
        self.handed_on.max(quiet).min(self.received)
    }

    fn confirmable(&self) -> Lsn {
        let done = self.done();
        let bound = Lsn(self.wal_end.0.saturating_sub(self.replay_bytes));
        done.min(self.keep_from.unwrap_or(done).max(bound))
    }
}

#[cfg(test)]
mod tests;
