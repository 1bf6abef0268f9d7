use serde_json::json;

use super::{Stage, stage};

#[tokio::test]
async fn a_partitioned_table_is_followed_by_its_root() {
    let setup = "CREATE TABLE logs (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day); \
                 CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM ('2026-01-01') TO ('2026-02-01'); \
                 CREATE TABLE logs_2 PARTITION OF logs FOR VALUES FROM ('2026-02-01') TO ('2026-03-01'); \
                 ALTER TABLE logs_1 REPLICA IDENTITY FULL; ALTER TABLE logs_2 REPLICA IDENTITY FULL";
    for plugin in ["pgoutput", "wal2json"] {
        let mut stage = Stage::new(plugin, setup, ", logs WITH (publish_via_partition_root)").await;
        stage.follow_table(json!({ "table": "logs", "filter": "day=gte.2026-01-15" })).await;
        let told = stage
            .told([
                "INSERT INTO logs VALUES (1, '2026-01-01'), (2, '2026-01-20'), (3, '2026-02-01')",
                "DELETE FROM logs WHERE id = 3",
            ])
            .await;
        let expected = [
            r#"insert "2:2026-01-20" {"day":"2026-01-20","id":2}"#,
            r#"insert "3:2026-02-01" {"day":"2026-02-01","id":3}"#,
            r#"delete "3:2026-02-01""#,
        ];
        assert_eq!(told, expected, "{plugin}");
    }
}

#[tokio::test]
async fn what_is_not_published_of_a_table_is_neither_told_nor_asked() {
    let setup = "CREATE TABLE sales.orders (id int PRIMARY KEY, status text, secret text)";
    let setup = format!("CREATE SCHEMA sales; {setup}");
    for plugin in ["pgoutput", "wal2json"] {
        let list = ", sales.orders (id, status) WITH (publish = 'insert, delete')";
        let mut stage = Stage::new(plugin, &setup, list).await;
        let hidden = json!({ "schema": "sales", "table": "orders", "filter": "secret=eq.s" });
        let ack = stage.request("changes:subscribe", hidden).await;
        assert_eq!(ack["error"]["code"], "invalid_payload", "{plugin}: {ack}");
        let open = json!({ "schema": "sales", "table": "orders", "filter": "status=eq.open" });
        stage.follow_table(open).await;
        let told = stage
            .told([
                "INSERT INTO sales.orders VALUES (1, 'open', 's'), (2, 'new', 's')",
                "UPDATE sales.orders SET status = 'open'",
            ])
            .await;
        assert_eq!(told, [r#"insert 1 {"id":1,"status":"open"}"#], "{plugin}");
    }
}

#[tokio::test]
async fn rows_that_a_publication_leaves_out_are_told_to_nobody() {
    // wal2json cannot honour it, and walcast does not start then.
    let setup = "CREATE TABLE orders (id int PRIMARY KEY, status text); ALTER TABLE orders REPLICA IDENTITY FULL";
    let mut stage = Stage::new("pgoutput", setup, ", orders WHERE (status <> 'secret')").await;
    stage.follow_table(json!({ "table": "orders" })).await;
    let told = stage
        .told(["INSERT INTO orders VALUES (1, 'open'), (2, 'secret')", "UPDATE orders SET status = 'secret'"])
        .await;
    assert_eq!(told, [r#"insert 1 {"id":1,"status":"open"}"#, "delete 1"], "Postgres tells who leaves it as deleted");
}

#[tokio::test]
async fn a_table_that_is_published_later_is_told_from_then_on() {
    for plugin in ["pgoutput", "wal2json"] {
        let mut stage = stage(plugin).await;
        // Nobody knows yet what columns it will have.
        stage.follow_table(json!({ "table": "later", "filter": "n=eq.1" })).await;
        stage.follow_table(json!({ "table": "later", "filter": "m=eq.1" })).await;
        let publish = format!("ALTER PUBLICATION {} ADD TABLE later", stage.publication);
        assert_eq!(
            stage
                .told(["CREATE TABLE later (id int PRIMARY KEY, n int); INSERT INTO later VALUES (1, 1)", &publish])
                .await,
            [""; 0]
        );
        if plugin == "wal2json" {
            stage.reconnect().await;
        }
        let told = stage.told(["INSERT INTO later VALUES (2, 1)", "INSERT INTO later VALUES (3, 2)"]).await;
        let expected = [
            r#"insert 2 {"id":2,"n":1}"#,
            r#"insert 2 {"id":2,"n":1} undecided"#,
            r#"insert 3 {"id":3,"n":2} undecided"#,
        ];
        assert_eq!(told, expected, "{plugin}: there is no column m");
    }
}

#[tokio::test]
async fn a_filter_on_a_column_that_is_dropped_lets_all_through_that_nobody_can_decide() {
    for plugin in ["pgoutput", "wal2json"] {
        let mut stage = stage(plugin).await;
        stage.follow_table(json!({ "table": "orders", "filter": "status=eq.open,total=gt.1" })).await;
        let told = stage
            .told([
                "INSERT INTO orders VALUES (1, 'sent', 2)",
                "ALTER TABLE orders DROP COLUMN status",
                "INSERT INTO orders VALUES (2, 2)",
                "INSERT INTO orders VALUES (3, 1)",
                "ALTER TABLE orders ADD COLUMN status text",
                "INSERT INTO orders VALUES (4, 2, 'open'), (5, 2, 'sent')",
            ])
            .await;
        let expected = [r#"insert 2 {"id":2,"total":2} undecided"#, r#"insert 4 {"id":4,"status":"open","total":2}"#];
        assert_eq!(told, expected, "{plugin}");
    }
}

#[tokio::test]
async fn a_table_goes_by_its_name() {
    let mut stage = stage("pgoutput").await;
    stage.follow_table(json!({ "table": "orders" })).await;
    stage.follow_table(json!({ "table": "sales" })).await;
    let told = stage
        .told([
            "ALTER TABLE orders RENAME TO sales; INSERT INTO sales VALUES (1)",
            "ALTER TABLE sales RENAME TO gone; INSERT INTO gone VALUES (2)",
        ])
        .await;
    assert_eq!(told, [r#"insert 1 {"id":1,"status":null,"total":null}"#]);
}
