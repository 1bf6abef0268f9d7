//! The stream on a real server: what it delivers, what it confirms, and that it neither hangs nor holds up anyone.

use std::time::Duration;

use walcast::{
    change::{Cell, Entry},
    replication::{Action, Feed, Fresh, Plugin, ReplicationError, prepare},
};

use crate::support::{Cluster, Reader, inserted, plugins, within};

#[tokio::test]
async fn a_commit_is_delivered_once_and_whole() {
    for plugin in plugins() {
        let cluster = Cluster::published(&[]).await;
        let (mut reader, connected) = Reader::connected(cluster.settings(plugin)).await;
        assert_eq!(connected.fresh, Some(Fresh::Created), "{plugin}");
        cluster.sql("BEGIN; INSERT INTO t VALUES (1, 'a'); INSERT INTO t VALUES (2, NULL); COMMIT").await;
        cluster.sql("INSERT INTO t VALUES (3, 'c')").await;
        let (first, commit) = reader.transaction().await;
        assert!(matches!(first.first(), Some(Entry::Begin(begin)) if begin.commit_lsn == commit.commit_lsn));
        assert_eq!(inserted(&first), [("1".into(), "a".into()), ("2".into(), Cell::Null)], "{plugin}");
        let (second, later) = reader.transaction().await;
        assert_eq!(inserted(&second), [("3".into(), "c".into())], "{plugin}");
        assert!(later.commit_lsn >= commit.end_lsn, "{plugin}");
        reader.stop().await.expect("stops");
    }
}

#[tokio::test]
async fn the_rows_of_a_small_transaction_come_together() {
    for plugin in plugins() {
        let cluster = Cluster::published(&[]).await;
        let (mut reader, _) = Reader::connected(cluster.settings(plugin)).await;
        cluster.sql("INSERT INTO t SELECT n, 'x' FROM generate_series(1, 200) n").await;
        let mut batch = reader.batch().await;
        while batch.entries.is_empty() {
            batch = reader.batch().await;
        }
        let ends = (batch.entries.first(), batch.entries.last());
        assert!(matches!(ends, (Some(Entry::Begin(_)), Some(Entry::Commit(_)))), "{plugin}: {}", batch.entries.len());
        reader.stop().await.expect("stops");
    }
}

#[tokio::test]
async fn a_name_in_capitals_is_found() {
    let cluster = Cluster::start(&[]).await;
    cluster.sql("CREATE TABLE t (id int PRIMARY KEY, name text); CREATE PUBLICATION \"Mi\"\"xEd\" FOR TABLE t").await;
    for (plugin, slot) in plugins().into_iter().zip(["a", "b"]) {
        let mut settings = cluster.settings(plugin);
        (settings.publication, settings.slot) = ("Mi\"xEd".to_owned(), slot.to_owned());
        let (mut reader, _) = Reader::connected(settings).await;
        cluster.sql("INSERT INTO t SELECT coalesce(max(id), 0) + 1, 'x' FROM t").await;
        assert_eq!(inserted(&reader.transaction().await.0).len(), 1, "{plugin}");
        reader.stop().await.expect("stops");
    }
}

#[tokio::test]
async fn column_lists_and_operations_are_obeyed_by_wal2json_too() {
    let cluster = Cluster::start(&[]).await;
    let version = "SELECT current_setting('server_version_num')::int >= 150000";
    if cluster.value(version).await.as_deref() == Some("f") {
        return; // Column lists came with 15.
    }
    cluster
        .sql(
            "CREATE TABLE t (id int PRIMARY KEY, secret text, name text, twice int GENERATED ALWAYS AS (id * 2) STORED); \
             CREATE TABLE p (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); \
             CREATE PUBLICATION walcast FOR TABLE t (id, name), p \
             WITH (publish = 'insert,delete', publish_via_partition_root)",
        )
        .await;
    for (plugin, slot) in plugins().into_iter().zip(["a", "b"]) {
        let mut settings = cluster.settings(plugin);
        settings.slot = slot.to_owned();
        let (mut reader, _) = Reader::connected(settings).await;
        cluster
            .sql("BEGIN; INSERT INTO t VALUES (1, 's', 'n'); UPDATE t SET name = 'm'; DELETE FROM t; INSERT INTO p VALUES (1); COMMIT; DELETE FROM p")
            .await;
        let (entries, _) = reader.transaction().await;
        let told: Vec<String> = entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Change(change) => {
                    let columns: Vec<&str> = change.table.columns.iter().map(|column| column.name.as_ref()).collect();
                    Some(format!("{} {}", change.table, columns.join(",")))
                }
                _ => None,
            })
            .collect();
        assert_eq!(told, ["public.t id,name", "public.t id,name", "public.p id"], "{plugin}");
        reader.stop().await.expect("stops");
    }
}

#[tokio::test]
async fn what_is_handed_on_is_confirmed_and_nothing_else() {
    let cluster = Cluster::published(&["wal_sender_timeout = '2s'"]).await;
    let (mut reader, _) = Reader::connected(cluster.settings(Plugin::PgOutput)).await;
    cluster.sql("INSERT INTO t VALUES (1, 'a')").await;
    let (_, commit) = reader.transaction().await;
    // Two more status updates, and the slot must not have moved over the transaction.
    let heard = "SELECT reply_time FROM pg_stat_replication";
    cluster.until("EXISTS (SELECT FROM pg_stat_replication WHERE reply_time IS NOT NULL)").await;
    for _ in 0..2 {
        let before = cluster.value(heard).await.expect("streams");
        cluster.until(&format!("SELECT reply_time > '{before}' FROM pg_stat_replication")).await;
    }
    assert!(cluster.confirmed().await <= commit.commit_lsn);
    reader.progress.handed_on(commit.end_lsn);
    let slot = "pg_replication_slots WHERE slot_name = 'walcast'";
    cluster.until(&format!("SELECT confirmed_flush_lsn >= '{}' FROM {slot}", commit.end_lsn)).await;
    reader.stop().await.expect("stops");
}

#[tokio::test]
async fn what_was_not_handed_on_comes_again() {
    let cluster = Cluster::published(&[]).await;
    let (mut reader, _) = Reader::connected(cluster.settings(Plugin::PgOutput)).await;
    for id in 1..=3 {
        cluster.sql(&format!("INSERT INTO t VALUES ({id}, 'a')")).await;
    }
    let (_, first) = reader.transaction().await;
    reader.transaction().await;
    reader.transaction().await;
    reader.progress.handed_on(first.end_lsn);
    reader.stop().await.expect("stops");
    let (mut again, connected) = Reader::connected(cluster.settings(Plugin::PgOutput)).await;
    assert_eq!((connected.fresh, connected.confirmed), (None, first.end_lsn));
    for id in ["2", "3"] {
        assert_eq!(inserted(&again.transaction().await.0), [(id.into(), "a".into())]);
    }
    again.stop().await.expect("stops");
}

#[tokio::test]
async fn an_idle_database_lets_go_of_the_log_that_others_write() {
    let cluster = Cluster::published(&[]).await;
    cluster.sql("CREATE DATABASE other").await;
    let (mut reader, _) = Reader::connected(cluster.settings(Plugin::PgOutput)).await;
    let other = cluster.connect("other").await;
    other.batch_execute("CREATE TABLE o AS SELECT generate_series(1, 10000)").await.expect("writes");
    let end = cluster.lsn("SELECT pg_current_wal_lsn()").await;
    let slot = "pg_replication_slots WHERE slot_name = 'walcast'";
    cluster.until(&format!("SELECT confirmed_flush_lsn >= '{end}' FROM {slot}")).await;
    // The consumer learns of it too: that is how it knows that it has caught up.
    reader.until(end).await;
    reader.stop().await.expect("stops");
}

#[tokio::test]
async fn catching_up_shows_in_the_batches() {
    let cluster = Cluster::published(&[]).await;
    let (mut reader, connected) = Reader::connected(cluster.settings(Plugin::PgOutput)).await;
    reader.until(connected.wal_end).await;
    reader.stop().await.expect("stops");
}

#[tokio::test]
async fn a_fast_stop_does_not_wait_for_us_although_nothing_is_confirmed() {
    for plugin in plugins() {
        let mut cluster = Cluster::published(&[]).await;
        let (mut reader, _) = Reader::connected(cluster.settings(plugin)).await;
        cluster.sql("INSERT INTO t VALUES (1, 'a')").await;
        reader.transaction().await;
        assert!(cluster.stop_fast(10).await, "{plugin}: pg_ctl stop -m fast did not return");
        // What was not handed on comes again after the restart.
        cluster.start_again().await;
        reader.next_connected().await;
        assert_eq!(inserted(&reader.transaction().await.0).len(), 1, "{plugin}");
        reader.stop().await.expect("stops");
    }
}

#[tokio::test]
async fn a_fast_stop_does_not_wait_for_a_stalled_consumer_either() {
    let mut cluster = Cluster::published(&["wal_sender_timeout = '3s'"]).await;
    let mut reader = Reader::start_with_room(cluster.settings(Plugin::PgOutput), 1);
    reader.next_connected().await;
    cluster.sql("INSERT INTO t SELECT g, repeat('x', 500) FROM generate_series(1, 60000) g").await;
    // The server has more to send than fits on the way, and nobody takes it.
    cluster.until("SELECT sent_lsn < pg_current_wal_lsn() AND state = 'streaming' FROM pg_stat_replication").await;
    assert!(cluster.stop_fast(30).await, "pg_ctl stop -m fast did not return");
    cluster.start_again().await;
    reader.next_connected().await;
    assert_eq!(inserted(&reader.transaction().await.0).len(), 60_000);
    reader.stop().await.expect("stops");
}

#[tokio::test]
async fn a_consumer_that_stalls_longer_than_the_servers_patience_loses_nothing() {
    for plugin in plugins() {
        let cluster = Cluster::published(&["wal_sender_timeout = '2s'"]).await;
        let mut reader = Reader::start_with_room(cluster.settings(plugin), 1);
        reader.next_connected().await;
        cluster.sql("INSERT INTO t SELECT g, repeat('x', 500) FROM generate_series(1, 40000) g").await;
        let pid = cluster.value("SELECT pid FROM pg_stat_replication").await;
        // Time itself is what is tried here.
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(cluster.value("SELECT pid FROM pg_stat_replication").await, pid, "{plugin}");
        assert_eq!(inserted(&reader.transaction().await.0).len(), 40_000, "{plugin}");
        reader.stop().await.expect("stops");
    }
}

#[tokio::test]
async fn cancelling_confirms_and_frees_the_slot_at_once() {
    let cluster = Cluster::published(&[]).await;
    let (mut reader, _) = Reader::connected(cluster.settings(Plugin::PgOutput)).await;
    cluster.sql("INSERT INTO t VALUES (1, 'a')").await;
    let (_, commit) = reader.transaction().await;
    reader.progress.handed_on(commit.end_lsn);
    reader.stop().await.expect("stops");
    assert_eq!(cluster.value("SELECT active FROM pg_replication_slots").await.as_deref(), Some("f"));
    assert!(cluster.confirmed().await >= commit.end_lsn);
}

#[tokio::test]
async fn a_consumer_that_is_gone_ends_the_stream() {
    let cluster = Cluster::published(&[]).await;
    let (mut reader, _) = Reader::connected(cluster.settings(Plugin::PgOutput)).await;
    reader.feed.close();
    cluster.sql("INSERT INTO t VALUES (1, 'a')").await;
    reader.ended().await.expect("ends well");
}

/// Our own walsender may hear late that we are gone, or a DBA moves the slot; who stands by sends all sockets away.
#[tokio::test]
async fn who_has_the_slot_for_a_moment_after_us_is_not_taken_for_another_server() {
    let cluster = Cluster::published(&["log_disconnections = on"]).await;
    cluster.sql("CREATE ROLE ours SUPERUSER LOGIN").await;
    let (mut reader, _) = Reader::connected(cluster.settings_as(Plugin::PgOutput, "user=ours")).await;
    cluster.sql("ALTER ROLE ours NOLOGIN").await;
    cluster.sql("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots").await;
    cluster.until("(SELECT NOT active FROM pg_replication_slots)").await;
    let (other, _) = Reader::connected(cluster.settings(Plugin::PgOutput)).await;
    cluster.sql("ALTER ROLE ours LOGIN").await;
    let is_end = |line: &&str| line.contains("disconnection: ") && line.contains(" user=ours ");
    within("its look at the slot, after the stream", async {
        while cluster.log().lines().filter(is_end).count() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    other.stop().await.expect("stops");
    loop {
        match reader.next().await {
            Feed::Connected(_) => break,
            Feed::Standby => panic!("it was told at the first look"),
            Feed::Lost(_) | Feed::Batch(_) => {}
        }
    }
    reader.stop().await.expect("stops");
}

#[tokio::test]
async fn a_second_server_stands_by_and_takes_over() {
    let cluster = Cluster::published(&[]).await;
    let (mut first, _) = Reader::connected(cluster.settings(Plugin::PgOutput)).await;
    let mut second = Reader::start(cluster.settings(Plugin::PgOutput));
    assert!(matches!(second.next().await, Feed::Standby));
    let prepared = prepare(&cluster.settings(Plugin::PgOutput)).await.expect("an active slot is no error");
    assert_eq!(prepared.fresh, None);
    cluster.sql("INSERT INTO t VALUES (1, 'a')").await;
    let (_, commit) = first.transaction().await;
    first.progress.handed_on(commit.end_lsn);
    first.stop().await.expect("stops");
    cluster.sql("INSERT INTO t VALUES (2, 'b')").await;
    assert!(matches!(second.next().await, Feed::Connected(_)));
    assert_eq!(inserted(&second.transaction().await.0), [("2".into(), "b".into())]);
    second.stop().await.expect("stops");
}

#[tokio::test]
async fn a_connection_that_is_cut_is_made_again() {
    let cluster = Cluster::published(&[]).await;
    let (mut reader, _) = Reader::connected(cluster.settings(Plugin::PgOutput)).await;
    cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_replication").await;
    let lost = loop {
        match reader.next().await {
            Feed::Lost(lost) => break lost,
            Feed::Batch(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(lost.action(), Action::Retry, "{lost}");
    reader.next_connected().await;
    cluster.sql("INSERT INTO t VALUES (1, 'a')").await;
    assert_eq!(inserted(&reader.transaction().await.0).len(), 1);
    reader.stop().await.expect("stops");
}

#[tokio::test]
async fn a_crash_of_the_server_repeats_what_was_not_handed_on() {
    let mut cluster = Cluster::published(&[]).await;
    let (mut reader, _) = Reader::connected(cluster.settings(Plugin::PgOutput)).await;
    cluster.sql("INSERT INTO t VALUES (1, 'a')").await;
    let (_, commit) = reader.transaction().await;
    cluster.crash();
    cluster.start_again().await;
    reader.next_connected().await;
    let (entries, again) = reader.transaction().await;
    assert_eq!((inserted(&entries).len(), again), (1, commit));
    reader.stop().await.expect("stops");
}

#[tokio::test]
async fn what_came_before_an_error_gets_through() {
    let cluster = Cluster::published(&[]).await;
    let connected = prepare(&cluster.settings(Plugin::PgOutput)).await.expect("makes the slot");
    if connected.server_version >= 180_000 {
        return; // It skips what it cannot decode, with a warning.
    }
    cluster.sql("INSERT INTO t VALUES (1, 'a')").await;
    // Where the second row stands there was no publication, though there is one now.
    cluster.sql("DROP PUBLICATION walcast").await;
    cluster.sql("INSERT INTO t VALUES (2, 'b')").await;
    cluster.sql("CREATE PUBLICATION walcast FOR TABLE t").await;
    // `Connected` takes all the room, so that row and error are both in before the row can go out.
    let mut reader = Reader::start_with_room(cluster.settings(Plugin::PgOutput), 1);
    within("Connected", async {
        while reader.feed.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    cluster.until("SELECT count(*) = 0 FROM pg_stat_replication").await;
    reader.next_connected().await;
    assert_eq!(inserted(&reader.transaction().await.0), [("1".into(), "a".into())]);
    reader.stop().await.expect("stops");
}

#[tokio::test]
async fn a_temporary_slot_goes_with_its_connection() {
    let cluster = Cluster::published(&[]).await;
    let mut settings = cluster.settings(Plugin::PgOutput);
    settings.temporary = true;
    let (mut reader, connected) = Reader::connected(settings).await;
    assert_eq!(connected.fresh, Some(Fresh::Created));
    cluster.sql("INSERT INTO t VALUES (1, 'a')").await;
    reader.transaction().await;
    reader.stop().await.expect("stops");
    cluster.until("SELECT count(*) = 0 FROM pg_replication_slots").await;
}

#[tokio::test]
async fn prepare_makes_a_missing_slot_and_leaves_it_free() {
    let cluster = Cluster::start(&[]).await;
    cluster.sql("CREATE PUBLICATION walcast").await;
    let settings = cluster.settings(Plugin::PgOutput);
    let made = prepare(&settings).await.expect("prepares");
    assert_eq!(made.fresh, Some(Fresh::Created));
    assert_eq!(
        made.system_identifier,
        cluster.value("SELECT system_identifier FROM pg_control_system()").await.unwrap()
    );
    let again = prepare(&settings).await.expect("prepares");
    assert_eq!((again.fresh, again.confirmed), (None, made.confirmed));
    // A publication that is changed after the slot was made is obeyed from that place on.
    let (mut reader, _) = Reader::connected(settings).await;
    cluster.sql("CREATE TABLE t (id int PRIMARY KEY, name text); INSERT INTO t VALUES (1, 'unseen')").await;
    cluster.sql("ALTER PUBLICATION walcast ADD TABLE t; INSERT INTO t VALUES (2, 'seen')").await;
    assert_eq!(inserted(&reader.transaction().await.0), [("2".into(), "seen".into())]);
    reader.stop().await.expect("stops");
}

#[tokio::test]
async fn the_first_attempt_fails_at_once_where_nobody_listens() {
    let cluster = Cluster::start(&[]).await;
    assert!(cluster.stop_fast(10).await);
    let refused = within("a refusal", Reader::start(cluster.settings(Plugin::PgOutput)).ended()).await;
    let refused = refused.expect_err("nobody listens");
    assert!(matches!(refused, ReplicationError::Unreachable { .. }), "{refused}");
}
