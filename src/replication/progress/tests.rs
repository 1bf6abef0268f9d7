use super::*;
use crate::change::{Begin, Commit, Timestamp};

/// Connected at 100, with the server's log ending at 1000.
fn connected() -> Progress {
    let progress = Progress::new();
    assert_eq!(progress.connected(Lsn(100), Lsn(1000), false), None);
    progress.begin();
    progress
}

/// The transaction that ends at `lsn`, and commits 5 before that.
fn ending(lsn: u64) -> Landmark {
    let (commit_lsn, committed_at) = (Lsn(lsn - 5), Timestamp::default());
    Landmark::new(&Begin { commit_lsn, committed_at, xid: 1 }, &Commit { commit_lsn, end_lsn: Lsn(lsn) })
}

#[test]
fn a_connection_confirms_what_the_slot_has() {
    assert_eq!(connected().confirmed(), Lsn(100));
}

#[test]
fn a_transaction_is_confirmed_when_it_is_handed_on_and_not_before() {
    let progress = connected();
    progress.committed(ending(200));
    progress.committed(ending(300));
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
    progress.committed(ending(200));
    progress.quiet(Lsn(500));
    assert_eq!(progress.confirmed(), Lsn(100));
    progress.handed_on(Lsn(200));
    assert_eq!(progress.confirmed(), Lsn(500));
}

#[test]
fn a_keepalive_does_not_wait_for_the_transactions_after_it() {
    let progress = connected();
    progress.quiet(Lsn(500));
    progress.committed(ending(700));
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
    progress.committed(ending(300));
    progress.handed_on(Lsn(300));
    progress.handed_on(Lsn(200));
    progress.quiet(Lsn(250));
    assert_eq!(progress.confirmed(), Lsn(300));
    assert_eq!(progress.connected(Lsn(200), Lsn(1000), false), None);
    assert_eq!(progress.confirmed(), Lsn(300));
}

#[test]
fn after_a_reconnect_what_was_handed_on_counts_once_it_has_come_again() {
    let progress = connected();
    progress.committed(ending(400));
    // The connection breaks before the consumer is done, and Postgres starts again at 100.
    assert_eq!(progress.connected(Lsn(100), Lsn(1000), false), None);
    progress.begin();
    progress.handed_on(Lsn(400));
    progress.committed(ending(300));
    progress.quiet(Lsn(350));
    assert_eq!(progress.confirmed(), Lsn(100));
    progress.committed(ending(400));
    assert_eq!(progress.confirmed(), Lsn(400));
}

#[test]
fn the_slot_is_not_moved_before_the_log_has_shown_to_be_the_same() {
    let progress = connected();
    progress.committed(ending(800));
    progress.handed_on(Lsn(800));
    progress.quiet(Lsn(900));
    assert_eq!(progress.connected(Lsn(200), Lsn(1000), false), None);
    assert_eq!((progress.confirmed(), progress.tellable()), (Lsn(900), Lsn(200)));
    progress.committed(ending(700));
    assert_eq!(progress.tellable(), Lsn(200));
    progress.committed(ending(800));
    assert_eq!(progress.tellable(), Lsn(900));
    assert_eq!(progress.connected(Lsn(200), Lsn(1000), false), None);
    progress.committed(ending(803));
    assert_eq!(progress.tellable(), Lsn(200));
}

#[test]
fn a_log_that_ends_before_what_was_read_starts_anew() {
    let progress = connected();
    progress.committed(ending(800));
    progress.handed_on(Lsn(800));
    assert_eq!(progress.connected(Lsn(50), Lsn(600), false), Some(Lsn(800)));
    progress.begin();
    assert_eq!(progress.confirmed(), Lsn(50));
    progress.committed(ending(700));
    assert_eq!(progress.confirmed(), Lsn(50));
}

#[test]
fn a_log_that_lacks_what_was_read_starts_anew_although_it_goes_on_as_far() {
    let progress = connected();
    progress.committed(ending(800));
    progress.handed_on(Lsn(800));
    assert_eq!(progress.connected(Lsn(100), Lsn(1000), false), None);
    progress.begin();
    progress.committed(ending(700));
    assert_eq!(progress.went_back(), None);
    progress.committed(ending(803));
    assert_eq!(progress.went_back(), Some(Lsn(800)));
    assert_eq!(progress.connected(Lsn(100), Lsn(1000), false), Some(Lsn(800)));
    progress.begin();
    assert_eq!((progress.went_back(), progress.confirmed()), (None, Lsn(100)));
    progress.committed(ending(700));
    assert_eq!((progress.went_back(), progress.confirmed()), (None, Lsn(100)));
}

#[test]
fn a_new_slot_starts_anew() {
    let progress = connected();
    progress.committed(ending(800));
    progress.handed_on(Lsn(800));
    assert_eq!(progress.connected(Lsn(300), Lsn(1000), true), None);
    progress.begin();
    progress.committed(ending(500));
    assert_eq!(progress.confirmed(), Lsn(300));
}

#[test]
fn what_is_said_of_an_earlier_connection_does_not_count() {
    let progress = connected();
    progress.committed(ending(800));
    progress.connected(Lsn(50), Lsn(600), false);
    progress.connected(Lsn(50), Lsn(600), false);
    progress.begin();
    progress.committed(ending(500));
    progress.handed_on(Lsn(800));
    progress.keep_from(Some(Lsn(795)));
    assert_eq!(progress.confirmed(), Lsn(50));
    progress.begin();
    progress.handed_on(Lsn(500));
    assert_eq!(progress.confirmed(), Lsn(500));
}

/// May hold back 200.
fn keeping() -> Progress {
    let progress = Progress::new();
    progress.bound(200);
    progress.connected(Lsn(100), Lsn(100), false);
    progress.begin();
    progress
}

#[test]
fn what_is_kept_is_not_confirmed() {
    let progress = keeping();
    for end in [150, 200] {
        progress.committed(ending(end));
        progress.keep_from(Some(Lsn(145)));
        progress.handed_on(Lsn(end));
    }
    progress.quiet(Lsn(250));
    assert_eq!(progress.confirmed(), Lsn(145));
    progress.keep_from(Some(Lsn(195)));
    assert_eq!(progress.confirmed(), Lsn(195));
    progress.keep_from(None);
    assert_eq!(progress.confirmed(), Lsn(250));
    progress.keep_from(Some(Lsn(195)));
    assert_eq!(progress.confirmed(), Lsn(250), "what was let go does not come back");
}

#[test]
fn the_bound_overrules_what_is_kept() {
    let progress = keeping();
    progress.committed(ending(150));
    progress.keep_from(Some(Lsn(145)));
    progress.handed_on(Lsn(150));
    progress.quiet(Lsn(345));
    assert_eq!(progress.confirmed(), Lsn(145));
    progress.quiet(Lsn(400));
    assert_eq!(progress.confirmed(), Lsn(200));
    // Also where the rest of the log is known of, and has not come.
    progress.connected(Lsn(200), Lsn(900), false);
    progress.begin();
    progress.committed(ending(500));
    progress.handed_on(Lsn(500));
    assert_eq!(progress.confirmed(), Lsn(500));
}

#[test]
fn the_bound_does_not_overrule_what_is_not_handed_on() {
    let progress = keeping();
    progress.committed(ending(150));
    progress.quiet(Lsn(900));
    assert_eq!(progress.confirmed(), Lsn(100));
}

#[test]
fn what_is_kept_stays_kept_over_a_reconnect() {
    let progress = keeping();
    progress.committed(ending(150));
    progress.keep_from(Some(Lsn(145)));
    progress.handed_on(Lsn(150));
    progress.connected(Lsn(145), Lsn(200), false);
    progress.begin();
    progress.committed(ending(150));
    progress.quiet(Lsn(200));
    assert_eq!(progress.confirmed(), Lsn(145));
}

#[tokio::test]
async fn whoever_waits_for_more_is_woken_by_it() {
    let progress = connected();
    progress.committed(ending(200));
    let ((), ()) = tokio::join!(progress.tellable_beyond(Lsn(100)), async { progress.handed_on(Lsn(200)) });
    assert_eq!(progress.confirmed(), Lsn(200));
}
