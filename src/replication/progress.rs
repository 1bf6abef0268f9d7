use tokio::sync::watch;

use crate::change::Lsn;

/// How far the log has come in, how far it has been handed on, and what may therefore be confirmed to Postgres.
///
/// The one place that knows. The stream reports what comes in, the consumer what it has handed on:
///
/// ```text
/// stream ── received, committed, quiet ──► Progress ◄── handed_on ── consumer
///    ◄───────────── confirmed ────────────────┘
/// ```
///
/// What is confirmed, Postgres forgets. So it is never more than what was handed on, with one exception: when every
/// transaction that came in has been handed on, the end of the log that a keepalive names is confirmed too. Without
/// it, a database in which nothing is published would hold back the log of all the others.
#[derive(Debug)]
pub struct Progress(watch::Sender<State>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    received: Lsn,
    /// The end of the last whole transaction that came in.
    committed: Lsn,
    handed_on: Lsn,
    quiet: Option<Quiet>,
    confirmed: Lsn,
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

    /// The consumer has safely handed on everything of all transactions that end at or before `end_lsn`
    /// ([`Commit::end_lsn`](crate::change::Commit)), so that Postgres need not send them again.
    pub fn handed_on(&self, end_lsn: Lsn) {
        self.update(|state| state.handed_on = state.handed_on.max(end_lsn));
    }

    pub fn keep_from(&self, _lsn: Lsn) {}

    /// What may be confirmed to Postgres. Within one history of the database it never goes back.
    pub fn confirmed(&self) -> Lsn {
        self.0.borrow().confirmed
    }

    /// How far the log has come in over the present connection.
    pub fn received(&self) -> Lsn {
        self.0.borrow().received
    }

    /// A connection starts to stream from the slot's own position. Transactions that were received and not confirmed
    /// come again. `wal_end` is where the server's log ends; if that lies before what was handed on, the log that we
    /// know is not the server's (restored from a backup, or a standby that was behind), and its positions count
    /// for nothing: then this returns `false`.
    pub(super) fn connected(&self, slot: Lsn, wal_end: Lsn) -> bool {
        let mut same_history = true;
        self.update(|state| {
            same_history = wal_end >= state.handed_on.max(state.confirmed);
            let (handed_on, confirmed) =
                if same_history { (state.handed_on, state.confirmed) } else { (Lsn::ZERO, Lsn::ZERO) };
            *state = State {
                received: slot,
                committed: slot,
                handed_on: handed_on.max(slot),
                quiet: None,
                confirmed: confirmed.max(slot),
            };
        });
        same_history
    }

    /// Something came in, at `lsn`.
    pub(super) fn received_at(&self, lsn: Lsn) {
        self.update(|state| state.received = state.received.max(lsn));
    }

    /// A whole transaction came in; it ends at `end_lsn`.
    pub(super) fn committed(&self, end_lsn: Lsn) {
        self.update(|state| {
            state.received = state.received.max(end_lsn);
            state.committed = state.committed.max(end_lsn);
        });
    }

    /// Outside a transaction a keepalive said that all which commits before `wal_end` has come in.
    pub(super) fn quiet(&self, wal_end: Lsn) {
        self.update(|state| {
            state.received = state.received.max(wal_end);
            state.quiet = Some(Quiet { after: state.committed, end: wal_end });
        });
    }

    /// Waits until more than `lsn` may be confirmed.
    pub(super) async fn confirmed_beyond(&self, lsn: Lsn) {
        // An error would mean that the sender is gone, and `self` holds it.
        let _ = self.0.subscribe().wait_for(|state| state.confirmed > lsn).await;
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        self.0.send_if_modified(|state| {
            let before = state.confirmed;
            change(state);
            state.confirmed = state.confirmed.max(confirmable(state));
            state.confirmed != before
        });
    }
}

fn confirmable(state: &State) -> Lsn {
    let quiet = state.quiet.filter(|quiet| state.handed_on >= quiet.after).map_or(Lsn::ZERO, |quiet| quiet.end);
    // What was handed on over an earlier connection counts again when this one has come as far.
    hold_back(state.handed_on.max(quiet).min(state.received))
}

/// From "handed on" to "confirm": the place for a window of log that Postgres keeps for us to read again.
fn hold_back(handed_on: Lsn) -> Lsn {
    handed_on
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Connected at 100, with the server's log ending at 1000.
    fn connected() -> Progress {
        let progress = Progress::new();
        assert!(progress.connected(Lsn(100), Lsn(1000)));
        progress
    }

    #[test]
    fn a_connection_confirms_what_the_slot_has() {
        assert_eq!(connected().confirmed(), Lsn(100));
    }

    #[test]
    fn a_transaction_is_confirmed_when_it_is_handed_on_and_not_before() {
        let progress = connected();
        progress.committed(Lsn(200));
        progress.committed(Lsn(300));
        assert_eq!(progress.confirmed(), Lsn(100));
        progress.handed_on(Lsn(200));
        assert_eq!(progress.confirmed(), Lsn(200));
        progress.handed_on(Lsn(300));
        assert_eq!(progress.confirmed(), Lsn(300));
    }

    #[test]
    fn an_idle_database_confirms_the_keepalives() {
        let progress = connected();
        progress.quiet(Lsn(500));
        assert_eq!(progress.confirmed(), Lsn(500));
        progress.quiet(Lsn(600));
        assert_eq!(progress.confirmed(), Lsn(600));
    }

    #[test]
    fn a_keepalive_waits_for_the_transactions_before_it() {
        let progress = connected();
        progress.committed(Lsn(200));
        progress.quiet(Lsn(500));
        assert_eq!(progress.confirmed(), Lsn(100));
        progress.handed_on(Lsn(200));
        assert_eq!(progress.confirmed(), Lsn(500));
    }

    #[test]
    fn a_keepalive_does_not_wait_for_the_transactions_after_it() {
        let progress = connected();
        progress.quiet(Lsn(500));
        progress.committed(Lsn(700));
        assert_eq!(progress.confirmed(), Lsn(500));
        progress.quiet(Lsn(900));
        assert_eq!(progress.confirmed(), Lsn(500));
    }

    #[test]
    fn what_comes_in_confirms_nothing() {
        let progress = connected();
        progress.received_at(Lsn(900));
        assert_eq!((progress.received(), progress.confirmed()), (Lsn(900), Lsn(100)));
    }

    #[test]
    fn it_never_goes_back() {
        let progress = connected();
        progress.committed(Lsn(300));
        progress.handed_on(Lsn(300));
        progress.handed_on(Lsn(200));
        progress.quiet(Lsn(250));
        assert_eq!(progress.confirmed(), Lsn(300));
        assert!(progress.connected(Lsn(200), Lsn(1000)));
        assert_eq!(progress.confirmed(), Lsn(300));
    }

    #[test]
    fn after_a_reconnect_what_was_handed_on_counts_once_it_has_come_again() {
        let progress = connected();
        progress.committed(Lsn(400));
        // The connection breaks before the consumer is done, and Postgres starts again at 100.
        assert!(progress.connected(Lsn(100), Lsn(1000)));
        progress.handed_on(Lsn(400));
        assert_eq!(progress.confirmed(), Lsn(100));
        progress.committed(Lsn(300));
        assert_eq!(progress.confirmed(), Lsn(300));
        progress.quiet(Lsn(350));
        progress.committed(Lsn(400));
        assert_eq!(progress.confirmed(), Lsn(400));
    }

    #[test]
    fn a_log_that_ends_before_what_was_handed_on_starts_anew() {
        let progress = connected();
        progress.committed(Lsn(800));
        progress.handed_on(Lsn(800));
        assert!(!progress.connected(Lsn(50), Lsn(600)));
        assert_eq!(progress.confirmed(), Lsn(50));
        progress.committed(Lsn(700));
        assert_eq!(progress.confirmed(), Lsn(50));
    }

    #[tokio::test]
    async fn whoever_waits_for_more_is_woken_by_it() {
        let progress = connected();
        progress.committed(Lsn(200));
        let ((), ()) = tokio::join!(progress.confirmed_beyond(Lsn(100)), async { progress.handed_on(Lsn(200)) });
        assert_eq!(progress.confirmed(), Lsn(200));
    }
}
