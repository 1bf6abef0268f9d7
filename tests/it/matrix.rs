//! A wide smoke of the main road through pgoutput: `make test-matrix` runs it on each supported Postgres.

use serde_json::{Value, json};

use crate::support::{Client, Database, Server, Sockets, named};

async fn updated(client: &mut Client) -> Value {
    client.expect("component:updated").await["updates"].clone()
}

#[tokio::test]
async fn matrix_the_main_road() {
    let database = Database::new().await;
    database
        .sql(
            "CREATE TABLE orders (id int, region text, note text, kept text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
             CREATE TABLE orders_eu PARTITION OF orders FOR VALUES IN ('eu');",
        )
        .await;
    let publication = format!("p_{}", database.name);
    database
        .sql(&format!(
            "CREATE PUBLICATION {publication} FOR TABLE walcast.rules, components, orders WITH (publish_via_partition_root = true)"
        ))
        .await;
    let mut server = Server::start_with(&database, &["--publication", &publication]).await;
    let sockets = Sockets::start().await;
    for transport in ["websocket", "polling"] {
        let mut client = sockets.connect(&server, "reader", transport).await;
        let id = database.component("c", r#"[{"id":"r","components":[{"id":"n","text":"a"}]}]"#).await;
        client.catch_up(&database).await;
        client.subscribe(json!({ "componentId": id })).await;
        client.subscribe(json!({ "entityType": "page", "entityId": "1" })).await;
        let one = format!("WHERE id = '{id}'");

        database
            .sql(&format!("BEGIN; SELECT walcast.set_actor('ann'); UPDATE components SET name = 'x' {one}; COMMIT"))
            .await;
        let event = client.expect("component:updated").await;
        assert_eq!((named(&event["updates"]), &event["updatedBy"]), (json!({ "name": "x" }), &json!("ann")));

        let values = r#"'{"n": 12345678901234567890.10, "t": [true, null]}'"#;
        database
            .sql(&format!("UPDATE components SET data = {values}, updated_at = '2026-01-02 03:04:05.6+00' {one}"))
            .await;
        let updates = updated(&mut client).await;
        assert_eq!(updates["updated_at"], "2026-01-02 03:04:05.6+00");
        assert_eq!(updates["data"]["t"], json!([true, null]));

        let rows = r#"[{"id":"r","components":[{"id":"n","text":"b"},{"id":"m"}]}]"#;
        database.sql(&format!("UPDATE components SET rows = '{rows}' {one}")).await;
        assert_eq!(named(&updated(&mut client).await), json!({}));
        assert_eq!(client.expect("component:nested-updated").await["updates"], json!({ "text": "b" }));
        assert_eq!(client.expect("component:nested-created").await["nestedComponent"], json!({ "id": "m" }));

        database
            .sql(&format!("ALTER TABLE components ADD COLUMN extra int; UPDATE components SET extra = 7 {one}"))
            .await;
        assert_eq!(named(&updated(&mut client).await), json!({ "extra": 7 }));
        database.sql(&format!("ALTER TABLE components DROP COLUMN extra; DELETE FROM components {one}")).await;
        assert_eq!(client.expect("component:deleted").await["componentId"], id);

        database.sql("TRUNCATE components").await;
        for _ in 0..2 {
            assert_eq!(client.expect("component:resync").await["reason"], "truncate");
        }

        let ack = client.request("orders:subscribe", json!({ "id": "1:eu" })).await;
        assert_eq!(ack["ok"], true, "{ack}");
        database.sql("INSERT INTO orders VALUES (1, 'eu', 'n', repeat('toast', 3000))").await;
        assert_eq!(client.expect("orders:created").await["record"]["note"], "n");
        database.sql("UPDATE orders SET note = 'm'").await;
        let updates = client.expect("orders:updated").await["updates"].clone();
        assert_eq!(updates["note"], "m", "the old row is not known: every column that the log has");
        database.sql("DELETE FROM orders").await;
        assert_eq!(client.expect("orders:deleted").await["id"], "1:eu");
    }
    assert_eq!(server.stop().await, Some(0));
}
