//! The leader is killed (kill -9): a standby serves within five seconds, however long it has stood by and whatever it went
//! through meanwhile.

use std::time::{Duration, Instant};

use walcast::{
    change::Entry,
    replication::{Feed, Plugin},
};

use crate::support::{Cluster, Database, Reader, Server, inserted};

const TAKEOVER: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_standby_serves_within_five_seconds() {
    let database = Database::new().await;
    let leader = Server::start(&database).await;
    let standby = Server::spawn_on(&database.dsn(), &database.name, &[]).await;
    standby.becomes("Standby").await;
    let killed = Instant::now();
    leader.kill().await;
    standby.becomes("Ready").await;
    assert!(killed.elapsed() < TAKEOVER, "{:?}", killed.elapsed());
}

#[tokio::test]
async fn also_a_standby_that_could_not_reach_the_database_for_a_while() {
    let cluster = Cluster::published(&[]).await;
    cluster.sql("CREATE ROLE second SUPERUSER LOGIN").await;
    let (leader, _) = Reader::connected(cluster.settings(Plugin::PgOutput)).await;
    let mut standby = Reader::start(cluster.settings_as(Plugin::PgOutput, "user=second"));
    assert!(matches!(standby.next().await, Feed::Standby));
    cluster.sql("ALTER ROLE second NOLOGIN").await;
    // So often that pauses which double would be ten seconds long.
    for _ in 0..9 {
        assert!(matches!(standby.next().await, Feed::Lost(_)));
    }
    cluster.sql("ALTER ROLE second LOGIN").await;
    let killed = Instant::now();
    leader.stop().await.expect("stops");
    standby.next_connected().await;
    assert!(killed.elapsed() < TAKEOVER, "{:?}", killed.elapsed());
    standby.stop().await.expect("stops");
}

#[tokio::test]
async fn what_the_leader_had_not_handed_on_comes_to_the_standby() {
    let cluster = Cluster::published(&[]).await;
    let (mut leader, _) = Reader::connected(cluster.settings(Plugin::PgOutput)).await;
    let mut standby = Reader::start(cluster.settings(Plugin::PgOutput));
    assert!(matches!(standby.next().await, Feed::Standby));
    cluster.sql("INSERT INTO t VALUES (1, 'a')").await;
    let (_, handed_on) = leader.transaction().await;
    leader.progress.handed_on(handed_on.end_lsn);
    cluster.until(&format!("SELECT confirmed_flush_lsn = '{}' FROM pg_replication_slots", handed_on.end_lsn)).await;
    cluster.sql("INSERT INTO t VALUES (2, 'b')").await;
    leader.transaction().await;
    leader.kill().await;
    let connected = standby.next_connected().await;
    assert_eq!((connected.fresh, connected.confirmed), (None, handed_on.end_lsn));
    let (entries, _) = standby.transaction().await;
    assert!(matches!(entries.first(), Some(Entry::Begin(_))));
    assert_eq!(inserted(&entries), [("2".into(), "b".into())]);
    standby.stop().await.expect("stops");
}

#[tokio::test]
async fn the_standby_has_caught_up_when_it_has_all_that_the_leader_read() {
    let cluster = Cluster::published(&[]).await;
    let (mut leader, _) = Reader::connected(cluster.settings(Plugin::PgOutput)).await;
    cluster.sql("INSERT INTO t VALUES (1, 'a')").await;
    leader.transaction().await;
    // Holds the standby up after its first questions, until the leader has read on and is gone.
    cluster.sql("BEGIN; LOCK pg_publication").await;
    let mut standby = Reader::start(cluster.settings(Plugin::PgOutput));
    cluster.until("EXISTS (SELECT FROM pg_locks WHERE NOT granted)").await;
    let writer = cluster.connect("postgres").await;
    writer.batch_execute("INSERT INTO t VALUES (2, 'b')").await.expect("inserts");
    let (_, read) = leader.transaction().await;
    leader.kill().await;
    cluster.until("NOT EXISTS (SELECT FROM pg_replication_slots WHERE active)").await;
    cluster.sql("COMMIT").await;
    let connected = standby.next_connected().await;
    assert!(connected.wal_end >= read.end_lsn, "{connected:?} after {read:?}");
    standby.stop().await.expect("stops");
}
