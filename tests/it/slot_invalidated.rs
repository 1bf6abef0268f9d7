//! Postgres gives the slot up, since it held back more log than `max_slot_wal_keep_size`: what it held is gone for good. So it
//! is made anew without a human, within seconds, and the consumer is told that a new history begins, and why.

use std::time::{Duration, Instant};

use walcast::{
    change::Lsn,
    replication::{Connected, Fresh, Plugin, prepare},
};

use crate::support::{Cluster, Reader, inserted, within};

/// Running again takes no longer.
const SECONDS: Duration = Duration::from_secs(5);

/// Few and small segments, of which a slot may hold none back.
async fn stingy() -> Cluster {
    Cluster::published(&["max_slot_wal_keep_size = '1MB'", "max_wal_size = '32MB'", "min_wal_size = '32MB'"]).await
}

/// Writes and removes log until the slot that stood at `confirmed` is lost; its reader may have made it anew by then.
async fn lose_the_slot(cluster: &Cluster, confirmed: Lsn) {
    let still =
        format!("SELECT wal_status <> 'lost' AND confirmed_flush_lsn = '{confirmed}' FROM pg_replication_slots");
    within("the slot's loss", async {
        while cluster.value(&still).await.as_deref() == Some("t") {
            cluster.sql("SELECT pg_logical_emit_message(false, 'filler', repeat('x', 1000000))").await;
            cluster.sql("SELECT pg_switch_wal()").await;
            cluster.sql("CHECKPOINT").await;
        }
    })
    .await;
}

fn was_invalidated(connected: &Connected, at_least: Lsn) {
    let Some(Fresh::Invalidated { reason, after }) = &connected.fresh else { panic!("{connected:?}") };
    let reasons = ["its log was removed", "wal_removed"];
    assert!(reasons.contains(&reason.as_str()), "{reason}");
    assert!(*after >= at_least && *after < connected.confirmed, "{connected:?}");
}

#[tokio::test]
async fn matrix_a_slot_invalidated_while_nobody_reads_it() {
    let cluster = stingy().await;
    let settings = cluster.settings(Plugin::PgOutput);
    let made = prepare(&settings).await.expect("makes the slot");
    lose_the_slot(&cluster, made.confirmed).await;
    let prepared = prepare(&settings).await.expect("makes it anew");
    was_invalidated(&prepared, made.confirmed);
    assert_eq!(prepare(&settings).await.expect("it is there").fresh, None);
    let (mut reader, connected) = Reader::connected(settings).await;
    assert_eq!(connected.fresh, None, "whoever prepared it was told");
    cluster.sql("INSERT INTO t VALUES (1, 'a')").await;
    assert_eq!(inserted(&reader.transaction().await.0), [("1".into(), "a".into())]);
    reader.stop().await.expect("stops");
}

#[tokio::test]
async fn matrix_a_slot_invalidated_while_it_is_read() {
    let cluster = stingy().await;
    let (mut reader, first) = Reader::connected(cluster.settings(Plugin::PgOutput)).await;
    // It is never handed on, so the slot stays where it is.
    cluster.sql("INSERT INTO t VALUES (1, 'a')").await;
    reader.transaction().await;
    lose_the_slot(&cluster, first.confirmed).await;
    let mut connected = reader.next_connected().await;
    while connected.fresh.is_none() {
        // It was back before Postgres had given the slot up.
        connected = reader.next_connected().await;
    }
    was_invalidated(&connected, first.confirmed);
    // A checkpoint that the log's size asked for may have taken the new slot too; what is written before the next is not in it.
    cluster.until("(SELECT active AND wal_status <> 'lost' FROM pg_replication_slots)").await;
    cluster.sql("INSERT INTO t VALUES (2, 'b')").await;
    while reader.next_connected_or_transaction().await.is_none_or(|entries| inserted(&entries).is_empty()) {}
    reader.stop().await.expect("stops");
}

#[tokio::test]
async fn a_slot_invalidated_in_a_long_absence_is_running_again_within_seconds() {
    let mut cluster = stingy().await;
    let (mut reader, first) = Reader::connected(cluster.settings(Plugin::PgOutput)).await;
    cluster.sql("INSERT INTO t VALUES (1, 'a')").await;
    reader.transaction().await;
    // Nobody may replicate, and the reader asks ever more rarely.
    cluster.crash();
    cluster.start_again_with("-c max_wal_senders=0").await;
    lose_the_slot(&cluster, first.confirmed).await;
    assert!(cluster.stop_fast(20).await);
    cluster.start_again().await;
    let began = Instant::now();
    was_invalidated(&reader.next_connected().await, first.confirmed);
    assert!(began.elapsed() < SECONDS, "{:?}", began.elapsed());
    cluster.sql("INSERT INTO t VALUES (2, 'b')").await;
    assert_eq!(inserted(&reader.transaction().await.0), [("2".into(), "b".into())]);
    reader.stop().await.expect("stops");
}
