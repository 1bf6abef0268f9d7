//! Versions grow by one with every write, whoever makes it.

use serde_json::json;

use super::Desk;
use crate::support::{Cluster, Database, walcast};

#[tokio::test]
async fn every_update_counts_one_whatever_it_says_of_the_version() {
    let mut desk = Desk::new().await;
    let id = desk.component("[]").await;
    for (set, version) in [("name = 'a'", 2), ("name = name", 3), ("version = 99", 4), ("version = version + 1", 5)] {
        desk.database.sql(&format!("UPDATE components SET {set} WHERE id = '{id}'")).await;
        assert_eq!(desk.reader.expect("component:updated").await["version"], version);
    }
    let ack =
        desk.write("component:update", json!({ "componentId": id, "updates": { "name": "b" }, "version": 5 })).await;
    assert_eq!(ack["version"], 6);
    // The time of the last write is kept likewise, unless a write sets it.
    let is_now = format!("SELECT updated_at = now() FROM components WHERE id = '{id}'");
    let (set, kept) = ("UPDATE components SET name = 'c'", "UPDATE components SET updated_at = '2020-01-01'");
    desk.database
        .sql(&format!("BEGIN; {set}; CREATE TEMP TABLE is_now AS {is_now} AS yes; COMMIT").replace(" AS yes", ""))
        .await;
    assert!(desk.database.value::<bool>("SELECT * FROM is_now").await);
    desk.database.sql(kept).await;
    assert!(desk.database.value::<bool>("SELECT bool_and(updated_at = '2020-01-01') FROM components").await);
}

#[tokio::test]
async fn concurrent_writers_are_all_counted() {
    let database = Database::new().await;
    let id = database.component("c", "[]").await;
    let mut writers = Vec::new();
    for _ in 0..4 {
        let (client, id) = (database.connect().await, id.clone());
        writers.push(tokio::spawn(async move {
            for _ in 0..50 {
                client
                    .batch_execute(&format!("UPDATE components SET name = 'x' WHERE id = '{id}'"))
                    .await
                    .expect("updates");
            }
        }));
    }
    for writer in writers {
        writer.await.expect("writes");
    }
    assert_eq!(database.value::<i64>("SELECT version FROM components").await, 201);
}

#[tokio::test]
async fn keep_version_installs_it_on_any_table_and_says_what_it_lacks() {
    let database = Database::new().await;
    database
        .sql(
            "CREATE TABLE orders (id int PRIMARY KEY, \"Rev\" int, at timestamp, note text); INSERT INTO orders VALUES (1); \
             CREATE TABLE parts (id int, v bigint DEFAULT 1) PARTITION BY RANGE (id); \
             CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10); INSERT INTO parts VALUES (1)",
        )
        .await;
    for (call, words) in [
        ("walcast.keep_version('orders')", "no column version"),
        ("walcast.keep_version('orders', 'Rev', 'never')", "no column never"),
        ("walcast.keep_version('orders', 'note')", "of type text"),
    ] {
        let refused = database.client.batch_execute(&format!("SELECT {call}")).await.expect_err(call);
        let said = refused.as_db_error().expect("an error of Postgres").message().to_owned();
        assert!(said.contains(words), "{call}: {said}");
    }
    // Twice is once.
    for _ in 0..2 {
        database.sql("SELECT walcast.keep_version('orders', 'Rev', 'at'), walcast.keep_version('parts', 'v')").await;
    }
    database.sql("UPDATE orders SET note = 'a'; UPDATE orders SET note = 'b'; UPDATE parts SET id = 2").await;
    assert_eq!(database.value::<i32>("SELECT \"Rev\" FROM orders WHERE at IS NOT NULL").await, 2);
    assert_eq!(database.value::<i64>("SELECT v FROM parts").await, 2);
}

/// A large value that a write does not touch stays where it is, so the log needs not repeat it.
#[tokio::test]
async fn counting_does_not_rewrite_what_is_out_of_line() {
    let database = Database::new().await;
    database
        .sql(
            "ALTER TABLE components ALTER data SET STORAGE EXTERNAL; \
             INSERT INTO components (entity_type, entity_id, type, data) \
             SELECT 'page', '1', 'text', jsonb_build_object('text', repeat('x', 100000))",
        )
        .await;
    let size = "SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE oid = 'components'::regclass";
    let before: i64 = database.value(size).await;
    for _ in 0..20 {
        database.sql("UPDATE components SET name = name || 'x'").await;
    }
    assert_eq!(database.value::<i64>(size).await, before);
}

#[tokio::test]
async fn a_database_that_was_migrated_before_gets_them_and_no_second_broadcast_table() {
    let cluster = Cluster::start(&[]).await;
    let migrate = || async {
        let output = walcast().args(["migrate", "--database-url", &cluster.dsn_text("")]).output().await.expect("runs");
        assert!(output.status.success(), "{output:?}");
    };
    migrate().await;
    // As it was before sockets could write.
    cluster
        .sql(
            "CREATE FUNCTION walcast.broadcast_table(target regclass, prefix text, id text DEFAULT NULL, entity text[] DEFAULT NULL, \
               actor text DEFAULT NULL, creator text DEFAULT NULL, version text DEFAULT NULL, nested jsonb DEFAULT NULL) \
             RETURNS void LANGUAGE sql AS ''; UPDATE walcast.applied_sql SET hash = 'old' WHERE name = 'functions/broadcast_table'",
        )
        .await;
    migrate().await;
    let functions = "SELECT count(*) FROM pg_proc WHERE proname = 'broadcast_table'";
    assert_eq!(cluster.value(functions).await.as_deref(), Some("1"));
    cluster.sql("CREATE TABLE t (id int PRIMARY KEY); SELECT walcast.broadcast_table('t', prefix => 'thing')").await;
    let stand_in = "SELECT prosrc !~ 'next_version' FROM pg_proc WHERE proname = 'bump_version'";
    assert_eq!(cluster.value(stand_in).await.as_deref(), Some("f"));
}
