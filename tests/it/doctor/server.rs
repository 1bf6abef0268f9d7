//! The server and its settings, walcast's schema, and the role that logs in.

use super::{BOUND, Healthy, as_walcast, doctor, set_up};
use crate::support::{Cluster, plugins, walcast};

#[tokio::test]
async fn the_log_does_not_say_enough() {
    let mut cluster = Cluster::start(&[BOUND, "wal_level = replica"]).await;
    set_up(&cluster).await;
    let report = doctor(&as_walcast(&cluster), &[]).await;
    let remedy =
        report.one("wal_level", "error", &["wal_level is replica"])["remedy"].as_str().expect("SQL").to_owned();
    // `wal_level` stands in the file as well, which what is set by SQL overrules.
    cluster.sql(&remedy).await;
    assert!(cluster.stop_fast(20).await);
    cluster.start_again().await;
    let report = doctor(&as_walcast(&cluster), &[]).await;
    assert!(report.named("wal_level").is_empty(), "{report:?}");
}

#[tokio::test]
async fn slots_and_senders_are_taken() {
    let healthy = Healthy::with(&["max_replication_slots = 1", "max_wal_senders = 1"], &[]).await;
    assert_eq!(healthy.doctor().await.findings, Vec::<serde_json::Value>::new(), "both are ours");
    let report = doctor(&as_walcast(&healthy.cluster), &["--slot", "another"]).await;
    report.one("capacity", "error", &["all 1 replication slots", "max_replication_slots = 6"]);
    report.one("capacity", "error", &["all 1 WAL senders", "max_wal_senders = 6"]);
}

#[tokio::test]
async fn the_log_that_is_held_back_has_no_bound_or_too_small_a_one() {
    let healthy = Healthy::new().await;
    for (size, severity, words) in [
        ("-1", "warning", "nothing bounds"),
        ("64MB", "error", "64.0 MiB, and WALCAST_REPLAY_BYTES has 64.0 MiB"),
        ("100MB", "warning", "100.0 MiB"),
    ] {
        // What is set by SQL is there as soon as the server has read it.
        healthy.cluster.sql(&format!("ALTER SYSTEM SET max_slot_wal_keep_size = '{size}'")).await;
        healthy.cluster.sql("SELECT pg_reload_conf()").await;
        healthy.cluster.until(&format!("current_setting('max_slot_wal_keep_size') = '{size}'")).await;
        let report = healthy.doctor().await;
        let finding = report.one("keep_size", severity, &[words, "max_slot_wal_keep_size = '1024MB'"]);
        if size == "-1" {
            assert_eq!(report.code, Some(0), "a warning is no error: {finding}");
        }
    }
    let small = doctor(&as_walcast(&healthy.cluster), &["--replay-bytes", "1MiB"]).await;
    assert!(small.named("keep_size").is_empty(), "100 MB are plenty for 1 MiB: {small:?}");
}

#[tokio::test]
async fn the_plugin_is_not_installed_or_not_allowed() {
    let cluster = Cluster::start(&[BOUND]).await;
    set_up(&cluster).await;
    let dsn = as_walcast(&cluster);
    cluster.sql("ALTER SYSTEM SET dynamic_library_path = '/nonexistent'").await;
    cluster.sql("SELECT pg_reload_conf()").await;
    cluster.until("current_setting('dynamic_library_path') = '/nonexistent'").await;
    let report = doctor(&dsn, &["--plugin", "wal2json"]).await;
    report.one("plugin", "error", &["could not access file", "-wal2json"]);
    assert!(doctor(&dsn, &[]).await.named("plugin").is_empty(), "pgoutput is part of Postgres");
    assert_eq!(cluster.value("SELECT count(*) FROM pg_replication_slots").await.as_deref(), Some("0"));

    if plugins().len() < 2 {
        return;
    }
    let cluster = Cluster::start(&[BOUND]).await;
    set_up(&cluster).await;
    let dsn = as_walcast(&cluster);
    // It is loaded before Postgres waits for whoever writes.
    let writer = cluster.connect("postgres").await;
    writer.batch_execute("BEGIN; SELECT pg_current_xact_id()").await.expect("writes");
    assert!(doctor(&dsn, &["--plugin", "wal2json"]).await.named("plugin").is_empty());
    writer.batch_execute("ROLLBACK").await.expect("ends");
    assert!(doctor(&dsn, &["--plugin", "wal2json"]).await.named("plugin").is_empty());
    assert_eq!(cluster.value("SELECT count(*) FROM pg_replication_slots").await.as_deref(), Some("0"));
    if cluster.value("SELECT name FROM pg_settings WHERE name = 'output_plugin_libraries'").await.is_some() {
        cluster.sql("ALTER SYSTEM SET output_plugin_libraries = pgoutput, test_decoding").await;
        cluster.sql("SELECT pg_reload_conf()").await;
        cluster.until("current_setting('output_plugin_libraries') !~ 'wal2json'").await;
        let report = doctor(&dsn, &["--plugin", "wal2json"]).await;
        report.one(
            "plugin",
            "error",
            &["may not be used", "output_plugin_libraries = pgoutput, test_decoding, wal2json"],
        );
    }
    cluster.sql("ALTER ROLE walcast NOREPLICATION").await;
    let report = doctor(&dsn, &["--plugin", "wal2json"]).await;
    report.one("plugin", "warning", &["is not known"]);
}

#[tokio::test]
async fn the_schema_is_not_this_version_s() {
    let healthy = Healthy::new().await;
    let owner = healthy.cluster.dsn_text("");
    healthy.cluster.sql("UPDATE walcast.applied_sql SET hash = 'another' WHERE name = 'views/status'").await;
    healthy.doctor().await.one("migrations", "warning", &["functions or views", "walcast migrate"]);
    let output = walcast().args(["migrate", "--database-url", &owner]).output().await.expect("runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "applied views/status\n", "{output:?}");
    assert!(healthy.doctor().await.named("migrations").is_empty());

    healthy.cluster.sql("INSERT INTO walcast.schema_history VALUES (9999, 'later', now()::text, '1')").await;
    healthy.doctor().await.one("migrations", "error", &["newer walcast", "9999"]);
    healthy.cluster.sql("DELETE FROM walcast.schema_history WHERE version > 1").await;
    healthy.doctor().await.one("migrations", "error", &["migration 1 of", "walcast migrate"]);
    healthy.cluster.sql("DROP SCHEMA walcast CASCADE").await;
    let report = healthy.doctor().await;
    report.one("migrations", "error", &["migration 0 of"]);
    report.one("publication", "error", &["lacks walcast.rules"]);
}

#[tokio::test]
async fn the_role_lacks_a_privilege() {
    let healthy = Healthy::new().await;
    healthy.cluster.sql("CREATE SCHEMA shop CREATE TABLE orders (id int PRIMARY KEY, status text)").await;
    healthy.cluster.sql("ALTER TABLE shop.orders REPLICA IDENTITY FULL").await;
    healthy.cluster.sql("ALTER PUBLICATION walcast ADD TABLE shop.orders").await;
    let report = healthy.doctor().await;
    report.one("privileges", "warning", &["USAGE on schema shop", "HTTP"]);
    report.one("privileges", "warning", &["SELECT on table shop.orders"]);
    healthy.cluster.sql("GRANT USAGE ON SCHEMA shop TO walcast").await;
    let name = "privileges";
    healthy.breaks_and_mends(name, "warning", "SELECT", &["SELECT on table shop.orders"]).await;

    let rule = "SELECT walcast.broadcast_table('shop.orders', prefix => 'order', writable => ARRAY['status'])";
    healthy.breaks_and_mends(name, "error", rule, &["DELETE, INSERT, UPDATE on table shop.orders", "rule"]).await;
    for (breaking, words) in [
        ("REVOKE USAGE ON SCHEMA walcast FROM walcast", "USAGE on schema walcast"),
        ("REVOKE SELECT ON walcast.rules FROM walcast", "SELECT on table walcast.rules"),
        ("REVOKE UPDATE, INSERT ON walcast.mutations FROM walcast", "INSERT, UPDATE on table walcast.mutations"),
        ("REVOKE EXECUTE ON FUNCTION walcast.set_actor FROM walcast", "EXECUTE on function walcast.set_actor"),
        ("REVOKE UPDATE ON components FROM walcast", "UPDATE on table public.components"),
        ("ALTER ROLE walcast NOREPLICATION", "role walcast may not replicate"),
    ] {
        healthy.breaks_and_mends(name, "error", breaking, &[words]).await;
    }
}
