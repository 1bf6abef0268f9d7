//! Another database cluster answers where the one before did: the consumer is told, and a new history begins, for positions
//! of one cluster mean nothing in another. The same where walcast was away meanwhile and finds the slot of another.

use walcast::replication::{Fresh, Plugin};

use crate::support::{Cluster, Database, Reader, Server, inserted};

#[tokio::test]
async fn while_walcast_runs() {
    let mut cluster = Cluster::published(&[]).await;
    let (mut reader, first) = Reader::connected(cluster.settings(Plugin::PgOutput)).await;
    cluster.sql("INSERT INTO t SELECT generate_series(1, 100000)").await;
    let (_, commit) = reader.transaction().await;
    reader.progress.handed_on(commit.end_lsn);
    cluster.replace().await;
    cluster.sql("CREATE TABLE t (id int PRIMARY KEY, name text); CREATE PUBLICATION walcast FOR TABLE t").await;
    let connected = reader.next_connected().await;
    assert_ne!(connected.system_identifier, first.system_identifier);
    assert_eq!(connected.fresh, Some(Fresh::OtherCluster { before: first.system_identifier }));
    cluster.sql("INSERT INTO t VALUES (1, 'a')").await;
    let (entries, commit) = reader.transaction().await;
    assert_eq!(inserted(&entries), [("1".into(), "a".into())]);
    assert!(cluster.confirmed().await <= commit.commit_lsn, "nothing is confirmed on the word of the other");
    reader.stop().await.expect("stops");
}

#[tokio::test]
async fn while_walcast_was_away() {
    let database = Database::new().await;
    let epoch = format!("SELECT epoch FROM walcast.slots WHERE slot_name = '{}'", database.name);
    let mut epochs: Vec<String> = Vec::new();
    for _ in 0..3 {
        let mut server = Server::start(&database).await;
        epochs.push(database.value(&epoch).await);
        assert_eq!(server.stop().await, Some(0));
        if epochs.len() == 2 {
            // As pg_upgrade leaves it, which keeps the slot.
            database.sql("UPDATE walcast.slots SET system_identifier = '1'").await;
        }
    }
    assert_eq!(epochs[0], epochs[1]);
    assert_ne!(epochs[1], epochs[2]);
}
