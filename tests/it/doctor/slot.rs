//! The slot: whose it is, whether it holds, and how much log it keeps on the disk.

use super::{Healthy, as_walcast, doctor, set_up};
use crate::support::{Cluster, plugins, within};

#[tokio::test]
async fn a_slot_that_is_not_there_or_that_nobody_reads() {
    let mut healthy = Healthy::new().await;
    let report = doctor(&as_walcast(&healthy.cluster), &["--slot", "another"]).await;
    report.one("slot", "note", &["another is not there"]);
    assert_eq!(report.code, Some(0));
    assert_eq!(healthy.server.stop().await, Some(0));
    healthy.cluster.until("SELECT NOT active FROM pg_replication_slots").await;
    let report = healthy.doctor().await;
    report.one("slot", "warning", &["nobody reads from slot walcast", "pg_drop_replication_slot('walcast')"]);
}

#[tokio::test]
async fn a_slot_that_is_not_ours() {
    let healthy = Healthy::new().await;
    healthy.cluster.sql("CREATE DATABASE shop").await;
    healthy.cluster.sql("SELECT pg_create_physical_replication_slot('physical')").await;
    let dsn = as_walcast(&healthy.cluster);
    let slot = async |name: &str, words: &[&str]| {
        doctor(&dsn, &["--slot", name]).await.one("slot", "error", words);
    };
    slot("physical", &["physical slot", "another slot name"]).await;
    if plugins().len() > 1 {
        healthy.cluster.sql("SELECT pg_create_logical_replication_slot('json', 'wal2json')").await;
        slot("json", &["made for plugin wal2json, and pgoutput", "pg_drop_replication_slot('json')"]).await;
    }
    let shop = healthy.cluster.dsn_text("dbname=shop");
    let report = doctor(&shop, &[]).await;
    report.one("slot", "error", &["belongs to database `postgres`, not to `shop`"]);
}

/// Writes log, a segment at a time, until a slot has this status.
async fn write_until(cluster: &Cluster, status: &str, checkpoint: bool) {
    within(status, async {
        let asks = "SELECT wal_status FROM pg_replication_slots";
        while cluster.value(asks).await.as_deref() != Some(status) {
            cluster.sql("SELECT pg_logical_emit_message(false, 'filler', repeat('x', 1000000))").await;
            cluster.sql("SELECT pg_switch_wal()").await;
            if checkpoint {
                cluster.sql("CHECKPOINT").await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_slot_that_falls_behind_until_it_is_lost() {
    // Checkpoints, which take the log away, come only when they are asked for.
    let small = ["max_slot_wal_keep_size = '64MB'", "max_wal_size = '10GB'", "checkpoint_timeout = '1h'"];
    let cluster = Cluster::start(&small).await;
    set_up(&cluster).await;
    cluster.sql("SELECT pg_create_logical_replication_slot('walcast', 'pgoutput')").await;
    let dsn = as_walcast(&cluster);
    let arguments = ["--replay-bytes", "1MiB"];
    let report = doctor(&dsn, &arguments).await;
    assert!(report.named("lag").is_empty(), "{report:?}");
    // A segment is 16 MiB: three of four are more than half.
    for _ in 0..3 {
        cluster.sql("SELECT pg_logical_emit_message(false, 'filler', 'x')").await;
        cluster.sql("SELECT pg_switch_wal()").await;
    }
    doctor(&dsn, &arguments).await.one("lag", "warning", &["of at most 64.0 MiB", "start walcast serve"]);
    write_until(&cluster, "unreserved", false).await;
    let report = doctor(&dsn, &arguments).await;
    report.one("slot", "error", &["has fallen behind max_slot_wal_keep_size"]);
    report.one("lag", "error", &["of at most 64.0 MiB"]);
    write_until(&cluster, "lost", true).await;
    let report = doctor(&dsn, &arguments).await;
    report.one("slot", "error", &["has invalidated slot walcast"]);
    assert!(report.named("lag").is_empty(), "it holds nothing any more: {report:?}");
}

#[tokio::test]
async fn log_that_an_open_transaction_keeps_is_found_though_all_is_confirmed() {
    let healthy = Healthy::with(&["max_slot_wal_keep_size = '256MB'"], &["--replay-bytes", "1MiB"]).await;
    let holder = healthy.cluster.connect("postgres").await;
    holder.batch_execute("BEGIN; SELECT pg_current_xact_id()").await.expect("begins");
    for _ in 0..10 {
        healthy.cluster.sql("SELECT pg_logical_emit_message(true, 'filler', 'x')").await;
        healthy.cluster.sql("SELECT pg_switch_wal()").await;
    }
    healthy
        .cluster
        .until("SELECT pg_current_wal_lsn() - confirmed_flush_lsn < 5000000 FROM pg_replication_slots")
        .await;
    let report = doctor(&as_walcast(&healthy.cluster), &["--replay-bytes", "1MiB"]).await;
    report.one("lag", "warning", &["of at most 256.0 MiB", "end the transaction that keeps it", "backend_xid"]);
}
