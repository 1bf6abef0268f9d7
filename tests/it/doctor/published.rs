//! What is published, and how.

use super::{BOUND, Healthy, as_walcast, doctor, set_up};
use crate::support::Cluster;

/// Lists of columns and row filters came with 15.
const VERSION: &str = "SELECT current_setting('server_version_num')";

#[tokio::test]
async fn the_publication_is_missing_or_says_too_little() {
    let cluster = Cluster::start(&[BOUND]).await;
    set_up(&cluster).await;
    let dsn = as_walcast(&cluster);
    assert!(doctor(&dsn, &[]).await.named("publication").is_empty());
    cluster.sql("ALTER PUBLICATION walcast DROP TABLE components").await;
    doctor(&dsn, &[]).await.one("publication", "warning", &["is empty", "nothing is broadcast"]);
    cluster.sql("ALTER PUBLICATION walcast DROP TABLE walcast.rules").await;
    let report = doctor(&dsn, &[]).await;
    let remedy =
        report.one("publication", "error", &["lacks walcast.rules"])["remedy"].as_str().expect("SQL").to_owned();
    doctor(&cluster.dsn_text(""), &[]).await.one("publication", "warning", &["lacks walcast.rules", "walcast serve"]);
    cluster.sql(&remedy).await;
    cluster.sql("ALTER PUBLICATION walcast ADD TABLE components").await;
    assert!(doctor(&dsn, &[]).await.named("publication").is_empty());
    cluster.sql("ALTER PUBLICATION walcast SET (publish = 'insert, update')").await;
    let report = doctor(&dsn, &[]).await;
    cluster.sql(report.one("publication", "warning", &["every DELETE"])["remedy"].as_str().expect("SQL")).await;
    assert!(doctor(&dsn, &[]).await.named("publication").is_empty());

    cluster.sql("DROP PUBLICATION walcast").await;
    let report = doctor(&dsn, &[]).await;
    cluster.sql(report.one("publication", "error", &["is missing"])["remedy"].as_str().expect("SQL")).await;
    doctor(&dsn, &[]).await.one("publication", "warning", &["is empty"]);
    doctor(&cluster.dsn_text(""), &["--publication", "other"]).await.one(
        "publication",
        "warning",
        &["other is missing"],
    );
}

#[tokio::test]
async fn the_replica_identity_tells_too_little() {
    let healthy = Healthy::new().await;
    let sql = async |statements: &str| healthy.cluster.sql(statements).await;
    sql("CREATE TABLE t (id int PRIMARY KEY, name text); GRANT SELECT ON t TO walcast").await;
    sql("ALTER PUBLICATION walcast ADD TABLE t").await;
    let name = "replica_identity";
    for (severity, breaking, words) in [
        ("warning", "ALTER TABLE t REPLICA IDENTITY DEFAULT", "public.t is not FULL"),
        ("warning", "ALTER TABLE t REPLICA IDENTITY USING INDEX t_pkey", "public.t is not FULL"),
        ("error", "ALTER TABLE t REPLICA IDENTITY NOTHING", "public.t is NOTHING"),
        ("error", "ALTER TABLE t REPLICA IDENTITY DEFAULT; ALTER TABLE t DROP CONSTRAINT t_pkey", "no primary key"),
    ] {
        healthy.breaks_and_mends(name, severity, breaking, &[words]).await;
    }
    // Postgres does refuse what the finding says it refuses.
    sql("INSERT INTO t VALUES (1, 'a'); ALTER TABLE t REPLICA IDENTITY NOTHING").await;
    healthy.doctor().await.one(name, "error", &["refuses the application's UPDATEs"]);
    let refused = healthy.cluster.client.batch_execute("UPDATE t SET name = 'b'").await.expect_err("is refused");
    assert_eq!(refused.code().map(|code| code.code()), Some("55000"), "{refused:?}");
    sql("ALTER TABLE t REPLICA IDENTITY FULL").await;

    if healthy.cluster.value(VERSION).await.as_deref() >= Some("150000") {
        sql("ALTER TABLE t ADD PRIMARY KEY (id)").await;
        let listed = "ALTER PUBLICATION walcast DROP TABLE t; ALTER PUBLICATION walcast ADD TABLE t (id)";
        healthy.breaks_and_mends(name, "error", listed, &["leaves out name of public.t"]).await;
        sql("ALTER PUBLICATION walcast DROP TABLE t; ALTER PUBLICATION walcast ADD TABLE t (id, name)").await;
        assert!(healthy.doctor().await.named(name).is_empty(), "all of its columns are listed");
    }
    sql("CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id); \
         CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (9)")
    .await;
    healthy.breaks_and_mends(name, "warning", "ALTER PUBLICATION walcast ADD TABLE parted", &["public.part "]).await;
}

#[tokio::test]
async fn nothing_names_the_rows_of_a_table() {
    let healthy = Healthy::new().await;
    healthy.cluster.sql("CREATE TABLE t (a int NOT NULL UNIQUE, b int); ALTER TABLE t REPLICA IDENTITY FULL").await;
    healthy.cluster.sql("ALTER PUBLICATION walcast ADD TABLE t").await;
    let report = healthy.doctor().await;
    report.one("primary_key", "error", &["public.t has neither", "broadcast_table('public.t'"]);
    assert!(report.named("rules").is_empty(), "it is said once: {report:?}");
    healthy.cluster.sql("SELECT walcast.broadcast_table('public.t', prefix => 'thing', id => 'a')").await;
    assert!(healthy.doctor().await.named("primary_key").is_empty());
    healthy.cluster.sql("SELECT walcast.unbroadcast_table('public.t'); ALTER TABLE t ADD PRIMARY KEY (a)").await;
    assert!(healthy.doctor().await.named("primary_key").is_empty());
}

#[tokio::test]
async fn a_rule_cannot_be_followed() {
    let healthy = Healthy::new().await;
    let sql = async |statements: &str| healthy.cluster.sql(statements).await;
    sql("CREATE TABLE t (id int PRIMARY KEY, who text, doc jsonb); ALTER TABLE t REPLICA IDENTITY FULL").await;
    sql("GRANT SELECT ON t TO walcast").await;
    sql("SELECT walcast.broadcast_table('t', prefix => 'thing', id => 'id', actor => 'who', \
         nested => '{\"column\": \"doc\", \"children\": \"parts\"}')")
    .await;
    let name = "rules";
    healthy.breaks_and_mends(name, "warning", "SELECT", &["public.t is of a table that publication walcast"]).await;
    for (breaking, words, mending) in [
        ("ALTER TABLE t RENAME who TO whom", "names column who", "ALTER TABLE t RENAME whom TO who"),
        ("ALTER TABLE t RENAME id TO ident", "its id is in column id", "ALTER TABLE t RENAME ident TO id"),
        (
            "ALTER TABLE t ALTER doc TYPE text",
            "neither json nor jsonb",
            "ALTER TABLE t ALTER doc TYPE jsonb USING doc::jsonb",
        ),
        (
            "UPDATE walcast.rules SET nested = '{\"column\": 1, \"children\": \"x\"}' WHERE prefix = 'thing'",
            "the rule of table public.t cannot be read",
            "UPDATE walcast.rules SET nested = NULL WHERE prefix = 'thing'",
        ),
    ] {
        if breaking.starts_with("UPDATE") {
            sql("ALTER TABLE walcast.rules DROP CONSTRAINT rules_nested_check").await;
        }
        sql(breaking).await;
        let report = healthy.doctor().await;
        report.one(name, "error", &[words, "public.t"]);
        sql(mending).await;
        let report = healthy.doctor().await;
        assert!(report.named(name).is_empty(), "{breaking}: {report:?}");
    }
    // A table that is gone leaves its rule behind.
    sql("DROP TABLE t").await;
    healthy.doctor().await.one(name, "warning", &["unbroadcast_table('public', 't')"]);
    // A table without a rule whose name is the prefix of another's.
    sql("CREATE TABLE component (id int PRIMARY KEY); ALTER PUBLICATION walcast ADD TABLE component").await;
    let report = healthy.doctor().await;
    assert!(report.named(name).iter().all(|finding| finding["severity"] == "warning"), "{report:?}");
}

#[tokio::test]
async fn wal2json_cannot_honour_a_row_filter() {
    let cluster = Cluster::start(&[BOUND]).await;
    if cluster.value(VERSION).await.as_deref() < Some("150000") {
        return; // There are none.
    }
    set_up(&cluster).await;
    cluster.sql("ALTER PUBLICATION walcast SET TABLE walcast.rules, components WHERE (name <> 'draft')").await;
    let dsn = as_walcast(&cluster);
    let report = doctor(&dsn, &["--plugin", "wal2json"]).await;
    report.one("row_filters", "error", &["public.components", "use plugin pgoutput"]);
    assert!(doctor(&dsn, &[]).await.named("row_filters").is_empty());
    cluster.sql("ALTER PUBLICATION walcast SET TABLE walcast.rules, components").await;
    assert!(doctor(&dsn, &["--plugin", "wal2json"]).await.named("row_filters").is_empty());
}
