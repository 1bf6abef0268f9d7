//! The role that sockets act as, and row-level security.

use super::Healthy;

#[tokio::test]
async fn the_role_of_clients_can_do_too_much() {
    let healthy = Healthy::new().await;
    let name = "client_role";
    healthy.cluster.sql("CREATE ROLE high BYPASSRLS; CREATE ROLE owner; ALTER TABLE components OWNER TO owner").await;
    for (severity, breaking, words) in [
        ("error", "ALTER ROLE walcast_client SUPERUSER", "walcast_client is SUPERUSER"),
        ("error", "ALTER ROLE walcast_client BYPASSRLS", "walcast_client is BYPASSRLS"),
        ("error", "GRANT high TO walcast_client", "is a member of high, which is BYPASSRLS"),
        (
            "error",
            "ALTER TABLE components OWNER TO walcast_client",
            "owns, or is a member of who owns, public.components",
        ),
        ("warning", "ALTER ROLE walcast_client LOGIN", "can log in"),
    ] {
        healthy.breaks_and_mends(name, severity, breaking, &[words]).await;
    }
    healthy.cluster.sql("ALTER TABLE components OWNER TO owner; GRANT owner TO walcast_client").await;
    healthy.doctor().await.one(name, "error", &["member of who owns", "public.components"]);
}

#[tokio::test]
async fn a_table_with_row_level_security_is_told_to_everyone() {
    let healthy = Healthy::new().await;
    healthy.cluster.sql("ALTER TABLE components ENABLE ROW LEVEL SECURITY").await;
    let report = healthy.doctor().await;
    assert_eq!(report.code, Some(1));
    let words = ["public.components", "does not obey it yet", "every socket", "DROP TABLE \"public\".\"components\""];
    report.one("row_security", "error", &words);
    report.one("row_security", "warning", &["no policy"]);
    healthy.cluster.sql("CREATE POLICY everyone ON components USING (true)").await;
    let report = healthy.doctor().await;
    assert_eq!(report.named("row_security").len(), 1, "{report:?}");
    healthy.cluster.sql("ALTER TABLE components DISABLE ROW LEVEL SECURITY").await;
    assert!(healthy.doctor().await.named("row_security").is_empty());

    // One partition is enough.
    healthy
        .cluster
        .sql(
            "CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id); \
             CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (9); \
             ALTER TABLE part ENABLE ROW LEVEL SECURITY; ALTER PUBLICATION walcast ADD TABLE parted",
        )
        .await;
    healthy.doctor().await.one("row_security", "error", &["public.parted"]);
}
