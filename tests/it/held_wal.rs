//! What the consumer keeps, Postgres sends again after a restart: exactly that, from the slot, which keeps no more log for it
//! than `replay_bytes` and hangs nobody up.

use walcast::{
    change::{Commit, Lsn},
    replication::{Plugin, Settings},
};

use crate::support::{Cluster, Reader, inserted, plugins};

const SEGMENT: u64 = 16 << 20;

fn keeping(cluster: &Cluster, plugin: Plugin, replay_bytes: u64) -> Settings {
    Settings { replay_bytes, ..cluster.settings(plugin) }
}

/// Inserts rows `from..=to`, one a transaction, and hands each on with all from `from` on kept.
async fn keep(cluster: &Cluster, reader: &mut Reader, from: u32, to: u32) -> Vec<Commit> {
    let mut commits: Vec<Commit> = Vec::new();
    for id in from..=to {
        cluster.sql(&format!("INSERT INTO t VALUES ({id}, 'a')")).await;
        let (_, commit) = reader.transaction().await;
        commits.push(commit);
        reader.progress.keep_from(commits.first().map(|first| first.commit_lsn));
        reader.progress.handed_on(commit.end_lsn);
    }
    commits
}

/// Restarts the reader; the ids of the rows that come, up to `new`.
async fn sent_again(cluster: &Cluster, settings: Settings, new: &str) -> Vec<String> {
    let (mut reader, connected) = Reader::connected(settings).await;
    assert_eq!(connected.fresh, None);
    cluster.sql(&format!("INSERT INTO t VALUES ({new}, 'a')")).await;
    let mut ids = Vec::new();
    while ids.last().is_none_or(|id| id != new) {
        let (entries, _) = reader.transaction().await;
        ids.extend(inserted(&entries).iter().filter_map(|(id, _)| id.text().map(str::to_owned)));
    }
    reader.stop().await.expect("stops");
    ids
}

#[tokio::test]
async fn matrix_a_restart_sends_exactly_what_is_kept() {
    for plugin in plugins() {
        let cluster = Cluster::published(&[]).await;
        let settings = keeping(&cluster, plugin, SEGMENT);
        let (mut reader, _) = Reader::connected(settings.clone()).await;
        let commits = keep(&cluster, &mut reader, 1, 4).await;
        // Postgres compares where the commit record starts: from there on it comes, from one byte behind it does not.
        let second = commits[1].commit_lsn;
        reader.progress.keep_from(Some(second));
        reader.stop().await.expect("stops");
        assert_eq!(cluster.confirmed().await, second, "{plugin}: the last word confirms the held-back position");
        assert_eq!(sent_again(&cluster, settings.clone(), "5").await, ["2", "3", "4", "5"], "{plugin}");

        let (reader, _) = Reader::connected(settings.clone()).await;
        let behind = Lsn(commits[2].commit_lsn.0 + 1);
        reader.progress.keep_from(Some(behind));
        reader.progress.handed_on(commits[3].end_lsn);
        let told = format!("SELECT confirmed_flush_lsn = '{behind}' FROM pg_replication_slots");
        cluster.until(&told).await;
        reader.stop().await.expect("stops");
        assert_eq!(sent_again(&cluster, settings, "6").await, ["4", "5", "6"], "{plugin}");
    }
}

#[tokio::test]
async fn held_log_never_passes_the_bound_while_others_write() {
    const BOUND: u64 = 4 << 20;
    let cluster = Cluster::published(&[]).await;
    cluster.sql("CREATE TABLE unpublished (filler text)").await;
    cluster.sql("CREATE DATABASE other").await;
    let other = cluster.connect("other").await;
    other.batch_execute("CREATE TABLE o (filler text)").await.expect("creates");
    let (mut reader, _) = Reader::connected(keeping(&cluster, Plugin::PgOutput, BOUND)).await;
    let kept = keep(&cluster, &mut reader, 1, 1).await[0].commit_lsn;
    let (mut passed, mut written) = (0, 0);
    while written < 3 * SEGMENT + BOUND {
        let insert = "SELECT repeat('x', 1000) FROM generate_series(1, 1000)";
        cluster.sql(&format!("INSERT INTO unpublished {insert}")).await;
        other.batch_execute(&format!("INSERT INTO o {insert}")).await.expect("writes");
        let end = cluster.lsn("SELECT pg_current_wal_flush_lsn()").await;
        reader.until(end).await;
        // As soon as Postgres has heard of what was read; nothing is written meanwhile.
        let most = BOUND + SEGMENT;
        let held = "SELECT pg_current_wal_lsn() - confirmed_flush_lsn";
        cluster.until(&format!("{held} <= {most} FROM pg_replication_slots")).await;
        written = end.0 - kept.0;
        if written < BOUND {
            assert_eq!(reader.progress.confirmed(), kept, "within the bound it is kept");
            passed += 1;
        }
    }
    assert!(passed > 0, "the bound was passed at once");
    assert!(reader.progress.confirmed() > kept, "the consumer learns that it is overruled");
    let end = cluster.lsn("SELECT pg_current_wal_lsn()").await;
    cluster.until(&format!("SELECT '{end}' - confirmed_flush_lsn <= {BOUND} FROM pg_replication_slots")).await;
    reader.stop().await.expect("stops");
}

#[tokio::test]
async fn nothing_is_held_where_nothing_is_kept() {
    let cluster = Cluster::published(&[]).await;
    let (mut reader, _) = Reader::connected(keeping(&cluster, Plugin::PgOutput, SEGMENT)).await;
    keep(&cluster, &mut reader, 1, 2).await;
    reader.progress.keep_from(None);
    cluster.sql("CREATE TABLE unpublished AS SELECT generate_series(1, 10000)").await;
    let end = cluster.lsn("SELECT pg_current_wal_flush_lsn()").await;
    cluster.until(&format!("SELECT confirmed_flush_lsn >= '{end}' FROM pg_replication_slots")).await;
    reader.stop().await.expect("stops");
}

#[tokio::test]
async fn matrix_a_fast_stop_does_not_wait_although_log_is_held_back() {
    for plugin in plugins() {
        let mut cluster = Cluster::published(&["wal_sender_timeout = '1s'"]).await;
        let (mut reader, _) = Reader::connected(keeping(&cluster, plugin, SEGMENT)).await;
        let commits = keep(&cluster, &mut reader, 1, 3).await;
        // The slot has heard of it.
        let kept = commits[0].commit_lsn;
        cluster.until(&format!("SELECT confirmed_flush_lsn = '{kept}' FROM pg_replication_slots")).await;
        assert!(cluster.stop_fast(10).await, "{plugin}: pg_ctl stop -m fast did not return");
        cluster.start_again().await;
        let connected = reader.next_connected().await;
        assert_eq!(connected.fresh, None, "{plugin}: the same history goes on");
        assert!(connected.confirmed <= kept, "{plugin}");
        for (id, commit) in ["1", "2", "3"].into_iter().zip(commits) {
            let (entries, again) = reader.transaction().await;
            assert_eq!((inserted(&entries), again), (vec![(id.into(), "a".into())], commit), "{plugin}");
        }
        reader.stop().await.expect("stops");
    }
}
