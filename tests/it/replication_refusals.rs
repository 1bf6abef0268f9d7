//! What Postgres refuses, and that each refusal tells an operator what mends it.

use walcast::replication::{Action, Plugin, Settings, prepare};

use crate::support::{Cluster, Reader, plugins};

/// Prepares in vain; the error's text and remedy.
async fn refused(settings: Settings, action: Action) -> (String, String) {
    let error = prepare(&settings).await.expect_err("is refused");
    assert_eq!(error.action(), action, "{error}");
    (error.to_string(), error.remedy().unwrap_or_default())
}

async fn tells(settings: Settings, text: &str, remedy: &str) {
    let (told, mends) = refused(settings, Action::TellOperator).await;
    assert!(told.contains(text), "{told:?} lacks {text:?}");
    assert!(mends.contains(remedy), "{told:?}: {mends:?} lacks {remedy:?}");
}

#[tokio::test]
async fn roles_and_databases_that_may_not() {
    let hba = "host all nobody_from_here 127.0.0.1/32 reject\n";
    let cluster = Cluster::start_with(&[], hba, |_| {}).await;
    cluster.sql("CREATE ROLE plain LOGIN; CREATE ROLE reader LOGIN REPLICATION; CREATE ROLE nologin REPLICATION").await;
    let as_user = |more: &str| cluster.settings_as(Plugin::PgOutput, more);
    tells(as_user("user=ghost"), "28000", "CREATE ROLE \"ghost\" LOGIN REPLICATION").await;
    tells(as_user("user=nologin"), "28000", "ALTER ROLE \"nologin\" LOGIN").await;
    tells(as_user("host=127.0.0.1"), "28000", "pg_hba.conf").await;
    tells(as_user("user=nobody_from_here host=127.0.0.1"), "28000", "pg_hba.conf").await;
    tells(as_user("dbname=shop"), "3D000", "CREATE DATABASE \"shop\"").await;
    tells(as_user("user=plain"), "42501", "REPLICATION").await;
    tells(as_user("user=reader"), "publication `walcast` is missing", "CREATE PUBLICATION \"walcast\"").await;
    cluster.sql("CREATE PUBLICATION walcast").await;
    let mut capitals = as_user("");
    capitals.slot = "Walcast".to_owned();
    tells(capitals, "42602", "lower case").await;
}

#[tokio::test]
async fn wal_level_is_not_logical() {
    let cluster = Cluster::start(&["wal_level = replica"]).await;
    cluster.sql("CREATE PUBLICATION walcast").await;
    tells(cluster.settings(Plugin::PgOutput), "wal_level", "ALTER SYSTEM SET wal_level = logical").await;
}

#[tokio::test]
async fn all_slots_and_all_senders_are_taken() {
    let cluster = Cluster::start(&["max_replication_slots = 1", "max_wal_senders = 1"]).await;
    cluster.sql("CREATE PUBLICATION walcast").await;
    let mut other = cluster.settings(Plugin::PgOutput);
    other.slot = "other".to_owned();
    let (reader, _) = Reader::connected(other).await;
    tells(cluster.settings(Plugin::PgOutput), "53300", "max_wal_senders").await;
    reader.stop().await.expect("stops");
    cluster.until("NOT EXISTS (SELECT FROM pg_stat_get_wal_senders())").await;
    tells(cluster.settings(Plugin::PgOutput), "53400", "max_replication_slots").await;
}

#[tokio::test]
async fn the_plugin_is_not_installed() {
    // A library path without wal2json: the server looks nowhere else.
    let cluster = Cluster::start(&["dynamic_library_path = '/nonexistent'"]).await;
    cluster.sql("CREATE PUBLICATION walcast").await;
    tells(cluster.settings(Plugin::Wal2Json), "58P01", "-wal2json").await;
}

#[tokio::test]
async fn a_slot_that_is_not_ours() {
    let cluster = Cluster::start(&[]).await;
    cluster.sql("CREATE DATABASE shop").await;
    cluster.connect("shop").await.batch_execute("CREATE PUBLICATION walcast").await.expect("creates");
    cluster.sql("SELECT pg_create_physical_replication_slot('physical')").await;
    cluster.sql("CREATE PUBLICATION walcast").await;
    prepare(&cluster.settings(Plugin::PgOutput)).await.expect("makes the slot");
    tells(cluster.settings(Plugin::Wal2Json), "made for plugin pgoutput", "pg_drop_replication_slot('walcast')").await;
    tells(cluster.settings_as(Plugin::PgOutput, "dbname=shop"), "belongs to database `postgres`", "`postgres`").await;
    let mut physical = cluster.settings(Plugin::PgOutput);
    physical.slot = "physical".to_owned();
    tells(physical, "physical slot", "another slot name").await;
}

#[tokio::test]
async fn a_row_filter_that_wal2json_cannot_honour() {
    if !plugins().contains(&Plugin::Wal2Json) {
        return;
    }
    let cluster = Cluster::start(&[]).await;
    cluster.sql("CREATE TABLE draft (id int PRIMARY KEY); CREATE TABLE plain (id int PRIMARY KEY)").await;
    cluster.sql("CREATE PUBLICATION walcast FOR TABLE draft WHERE (id > 1), plain").await;
    tells(cluster.settings(Plugin::Wal2Json), "rows of public.draft,", "pgoutput").await;
    cluster.sql("SELECT pg_drop_replication_slot('walcast')").await;
    prepare(&cluster.settings(Plugin::PgOutput)).await.expect("pgoutput honours it");
}

#[tokio::test]
async fn a_publication_younger_than_the_log_to_be_read() {
    let cluster = Cluster::start(&[]).await;
    cluster.sql("SELECT pg_create_logical_replication_slot('walcast', 'pgoutput')").await;
    cluster.sql("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE PUBLICATION walcast").await;
    let mut reader = Reader::start(cluster.settings(Plugin::PgOutput));
    if reader.next_connected().await.server_version >= 180_000 {
        return; // It warns, and skips what was not published then.
    }
    let lost = loop {
        if let walcast::replication::Feed::Lost(lost) = reader.next().await {
            break lost;
        }
    };
    assert_eq!(lost.action(), Action::TellOperator, "{lost}");
    assert!(lost.remedy().unwrap_or_default().contains("pg_replication_slot_advance"), "{lost}");
    // The remedy mends it, and nothing has to be restarted.
    cluster.until("SELECT NOT active FROM pg_replication_slots").await;
    while cluster
        .client
        .batch_execute("SELECT pg_replication_slot_advance('walcast', pg_current_wal_lsn())")
        .await
        .is_err()
    {}
    cluster.sql("ALTER PUBLICATION walcast ADD TABLE t").await;
    reader.next_connected().await;
    cluster.sql("INSERT INTO t VALUES (2)").await;
    while reader.next_connected_or_transaction().await.is_none() {}
    reader.stop().await.expect("stops");
}

#[tokio::test]
async fn a_server_that_starts_or_stops_is_only_waited_for() {
    let cluster = Cluster::start(&[]).await;
    let settings = cluster.settings(Plugin::PgOutput);
    assert!(cluster.stop_fast(10).await);
    assert_eq!(prepare(&settings).await.expect_err("it is down").action(), Action::Retry);
}
