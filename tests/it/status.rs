//! `walcast.status`: how the broadcast stands, in plain SQL.

use crate::support::{Database, Server};

/// One column of the row of a name.
async fn status(database: &Database, name: &str, column: &str) -> Option<String> {
    let query = format!("SELECT ({column})::text FROM walcast.status WHERE name = '{name}'");
    database.client.query_opt(&query, &[]).await.unwrap_or_else(|error| panic!("{query}: {error:?}"))?.get(0)
}

#[tokio::test]
async fn slots_with_their_lag_and_the_log_they_hold() {
    let database = Database::new().await;
    let mut server = Server::start(&database).await;
    let slot = async |column: &str| status(&database, &database.name, column).await.unwrap_or_default();
    assert_eq!(slot("(kind, state, plugin, wal_status)").await, "(slot,active,pgoutput,reserved)");
    assert_eq!(slot("pid = (SELECT active_pid FROM pg_replication_slots s WHERE s.slot_name = name)").await, "true");
    let known = "lag_bytes >= 0 AND held_bytes >= lag_bytes AND remark IS NULL";
    assert_eq!(slot(known).await, "true");
    assert_eq!(server.stop().await, Some(0));
    let idle = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = current_database() AND active";
    while database.value::<i64>(idle).await > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(slot("(state, pid, remark)").await, "(inactive,,\"nobody reads from it, and it holds the log back\")");
    let before: i64 = slot("held_bytes").await.parse().expect("a number");
    database.sql("SELECT pg_logical_emit_message(true, 'filler', repeat('x', 100000))").await;
    let after: i64 = slot("held_bytes").await.parse().expect("a number");
    assert!(after >= before + 100_000, "{before} {after}");
    database.sql("SELECT pg_drop_replication_slot(current_database())").await;
    assert_eq!(slot("(state, held_bytes, remark)").await, "(missing,,\"walcast serve makes it when it starts\")");
}

#[tokio::test]
async fn what_is_published_with_its_rule_and_what_the_replica_identity_costs() {
    let database = Database::new().await;
    database
        .sql(
            "CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE plain (a int); CREATE TABLE unheard (id int PRIMARY KEY); \
             CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id); \
             CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (9); ALTER TABLE part REPLICA IDENTITY FULL; \
             CREATE PUBLICATION walcast FOR TABLE walcast.rules, components, orders, plain, parted \
             WITH (publish_via_partition_root = true); \
             CREATE PUBLICATION another FOR TABLE unheard",
        )
        .await;
    let row = "(kind, state, publication, prefix, replica_identity)";
    let table = async |name: &str, column: &str| status(&database, name, column).await;
    assert_eq!(table("public.components", row).await.as_deref(), Some("(table,published,walcast,component,full)"));
    assert_eq!(table("public.components", "remark").await, None);
    assert_eq!(table("public.orders", row).await.as_deref(), Some("(table,published,walcast,,default)"));
    let remark = table("public.orders", "remark").await.unwrap_or_default();
    assert!(remark.contains("updates name all columns"), "{remark}");
    let remark = table("public.plain", "remark").await.unwrap_or_default();
    assert!(remark.contains("refuses its UPDATEs"), "{remark}");
    assert_eq!(table("public.parted", row).await.as_deref(), Some("(table,published,walcast,,full)"));
    assert_eq!(table("public.unheard", row).await, None, "a publication without the rules is another's");
    assert_eq!(table("walcast.rules", row).await, None);
}

#[tokio::test]
async fn who_is_granted_it_reads_it_and_nobody_else() {
    let database = Database::new().await;
    let role = format!("reader_{}", database.name);
    database.sql(&format!("CREATE ROLE {role}; GRANT USAGE ON SCHEMA walcast TO {role}; SET ROLE {role}")).await;
    let refused = database.client.query("SELECT * FROM walcast.status", &[]).await.expect_err("is refused");
    assert_eq!(refused.code().map(|code| code.code()), Some("42501"), "{refused:?}");
    database.sql(&format!("RESET ROLE; GRANT SELECT ON walcast.status TO {role}; SET ROLE {role}")).await;
    database.client.query("SELECT * FROM walcast.status", &[]).await.expect("reads");
    let commented = "SELECT obj_description('walcast.status'::regclass) LIKE 'How the broadcast stands%'";
    database.sql("RESET ROLE").await;
    assert!(database.value::<bool>(commented).await);
    database.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}
