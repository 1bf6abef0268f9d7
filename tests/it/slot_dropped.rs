//! Somebody drops the slot: it is made anew without a human, the consumer is told that a new history begins, and changes come
//! again from there.

use walcast::replication::{Fresh, Plugin, prepare};

use crate::support::{Cluster, Reader, inserted};

#[tokio::test]
async fn while_it_is_read() {
    let cluster = Cluster::published(&[]).await;
    let (mut reader, first) = Reader::connected(cluster.settings(Plugin::PgOutput)).await;
    assert_eq!(first.fresh, Some(Fresh::Created));
    // Postgres drops no slot that is being read.
    let drop = "DO $$ BEGIN PERFORM pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots; \
         PERFORM pg_drop_replication_slot('walcast'); END $$";
    // Should the reader be back in between, once more.
    while cluster.client.batch_execute(drop).await.is_err() {}
    let again = loop {
        let connected = reader.next_connected().await;
        if let Some(fresh) = &connected.fresh {
            assert_eq!(*fresh, Fresh::Created);
            break connected;
        }
    };
    assert!(again.confirmed > first.confirmed);
    cluster.sql("INSERT INTO t VALUES (1, 'a')").await;
    let (entries, commit) = reader.transaction().await;
    assert_eq!(inserted(&entries), [("1".into(), "a".into())]);
    reader.progress.handed_on(commit.end_lsn);
    cluster.until(&format!("SELECT confirmed_flush_lsn >= '{}' FROM pg_replication_slots", commit.end_lsn)).await;
    reader.stop().await.expect("stops");
}

#[tokio::test]
async fn while_nobody_reads_it() {
    let cluster = Cluster::published(&[]).await;
    let settings = cluster.settings(Plugin::PgOutput);
    prepare(&settings).await.expect("makes it");
    cluster.sql("SELECT pg_drop_replication_slot('walcast')").await;
    assert_eq!(prepare(&settings).await.expect("makes it again").fresh, Some(Fresh::Created));
}
