//! The database is restored from a copy of its files, slot and all, while walcast runs: the server answers by its name, with
//! the slot at an earlier place. The consumer is told that the database went back and a new history begins, also where the
//! restored one has meanwhile written more than was read before; and nothing of the new history is missed.

use walcast::{
    change::{Commit, Lsn},
    replication::{Fresh, Plugin},
};

use crate::support::{Cluster, Reader, inserted};

/// A reader that has handed on rows 1 to 3, of which the backup has only the first.
async fn read_beyond_a_backup() -> (Cluster, Reader, Commit) {
    let mut cluster = Cluster::published(&[]).await;
    let (mut reader, _) = Reader::connected(cluster.settings(Plugin::PgOutput)).await;
    write(&cluster, 1, "before").await;
    let (_, first) = reader.transaction().await;
    reader.progress.handed_on(first.end_lsn);
    cluster.back_up().await;
    reader.next_connected().await;
    for id in [2, 3] {
        write(&cluster, id, "gone").await;
    }
    let mut last = first;
    while last.end_lsn < cluster.lsn("SELECT pg_current_wal_flush_lsn()").await
        && row(&mut reader, &mut last).await != "3"
    {}
    reader.progress.handed_on(last.end_lsn);
    (cluster, reader, last)
}

async fn write(cluster: &Cluster, id: u32, name: &str) {
    cluster.sql(&format!("INSERT INTO t VALUES ({id}, '{name}')")).await;
}

async fn row(reader: &mut Reader, last: &mut Commit) -> String {
    let (entries, commit) = reader.transaction().await;
    *last = commit;
    inserted(&entries).first().and_then(|(id, _)| id.text().map(str::to_owned)).expect("a row")
}

fn went_back(fresh: Option<Fresh>, read: Lsn) {
    assert!(matches!(fresh, Some(Fresh::WentBack { read: told }) if told >= read), "{fresh:?}, {read} was read");
}

#[tokio::test]
async fn whose_log_ends_before_what_was_read() {
    let (mut cluster, mut reader, last) = read_beyond_a_backup().await;
    cluster.restore();
    cluster.start_again().await;
    let connected = reader.next_connected().await;
    went_back(connected.fresh, last.end_lsn);
    write(&cluster, 2, "new").await;
    let mut commit = last;
    while row(&mut reader, &mut commit).await != "2" {}
    assert!(commit.commit_lsn < last.end_lsn, "its positions are those of what is gone");
    // Nothing is confirmed on the word of the old history.
    assert!(cluster.confirmed().await <= commit.commit_lsn);
    reader.progress.handed_on(commit.end_lsn);
    cluster.until(&format!("SELECT confirmed_flush_lsn >= '{}' FROM pg_replication_slots", commit.end_lsn)).await;
    reader.stop().await.expect("stops");
}

#[tokio::test]
async fn that_has_written_as_much_again() {
    // The same writes, of the same length at the same places, and then more; or from the start others.
    for names in ["gone", "something else"] {
        let (mut cluster, mut reader, last) = read_beyond_a_backup().await;
        cluster.restore();
        // Before the reader can come.
        cluster.start_again_with("-c max_wal_senders=0").await;
        for id in 2..=20 {
            write(&cluster, id, names).await;
        }
        assert!(cluster.lsn("SELECT pg_current_wal_lsn()").await > last.end_lsn);
        assert!(cluster.stop_fast(20).await);
        cluster.start_again().await;
        let fresh = loop {
            if let Some(fresh) = reader.next_connected().await.fresh {
                break fresh;
            }
        };
        went_back(Some(fresh), last.end_lsn);
        // All that was not confirmed before the copy was made comes, as of the new history.
        let mut commit = last;
        while row(&mut reader, &mut commit).await != "2" {}
        for id in 3..=20 {
            assert_eq!(row(&mut reader, &mut commit).await, id.to_string(), "{names}");
        }
        reader.stop().await.expect("stops");
    }
}
