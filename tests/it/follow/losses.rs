use serde_json::json;

use super::{ORDERS, Stage, published, stage};
use crate::support::{Database, Server, Sockets};

#[tokio::test]
async fn a_table_that_is_emptied_is_to_be_fetched_again() {
    for plugin in ["pgoutput", "wal2json"] {
        let mut stage = stage(plugin).await;
        stage.follow_table(json!({ "table": "orders", "filter": "id=eq.7" })).await;
        stage.follow_table(json!({ "table": "orders", "event": "INSERT" })).await;
        assert_eq!(stage.told(["TRUNCATE orders"]).await, ["changes:resync orders truncate"], "{plugin}");
    }
}

#[tokio::test]
async fn of_one_transaction_so_much_is_told_and_the_rest_is_to_be_fetched() {
    for plugin in ["pgoutput", "wal2json"] {
        let (database, server) = published(plugin, &["--room-cap", "3"]).await;
        let sockets = Sockets::start().await;
        let mut all = sockets.connect(&server, "ann", "websocket").await;
        let mut some = sockets.connect(&server, "bob", "websocket").await;
        all.catch_up(&database).await;
        all.request("changes:subscribe", json!({ "table": "orders" })).await;
        some.request("changes:subscribe", json!({ "table": "orders", "filter": "id=gte.9" })).await;
        database.sql("INSERT INTO orders SELECT n, 'open', 0 FROM generate_series(1, 10) n").await;
        for id in 1..=3 {
            assert_eq!(all.expect("changes:changed").await["id"], id, "{plugin}");
        }
        let resync = all.expect("changes:resync").await;
        let told = (&resync["schema"], &resync["table"], &resync["reason"]);
        assert_eq!(told, (&json!("public"), &json!("orders"), &json!("bulk")), "{plugin}");
        for id in 9..=10 {
            assert_eq!(some.expect("changes:changed").await["id"], id, "{plugin}: those are not too many");
        }
        database.sql("INSERT INTO orders VALUES (11)").await;
        for client in [&mut all, &mut some] {
            assert_eq!(client.expect("changes:changed").await["id"], 11, "{plugin}");
        }
    }
}

#[tokio::test]
async fn a_change_that_cannot_be_told_is_to_be_fetched() {
    let mut stage = Stage::new("pgoutput", ORDERS, ", orders").await;
    stage.follow_table(json!({ "table": "orders", "filter": "id=eq.1" })).await;
    let rule = "SELECT walcast.broadcast_table('orders', prefix => 'order', actor => 'status')";
    let told = stage.told([rule, "ALTER TABLE orders DROP COLUMN status; INSERT INTO orders VALUES (1, 1)"]).await;
    assert_eq!(told, ["changes:resync orders unreadable"]);
}

#[tokio::test]
async fn where_the_slot_is_another_all_tables_are_to_be_fetched() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let sockets = Sockets::start().await;
    let mut client = sockets.connect(&server, "ann", "websocket").await;
    for table in ["a", "b"] {
        client.request("changes:subscribe", json!({ "table": table })).await;
    }
    // Postgres drops no slot that is being read; should the server be back in between, once more.
    let drop = format!(
        "DO $$ BEGIN PERFORM pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE slot_name = '{0}'; \
         PERFORM pg_drop_replication_slot('{0}'); END $$",
        database.name
    );
    while database.client.batch_execute(&drop).await.is_err() {}
    let mut tables = Vec::new();
    for _ in 0..2 {
        let mut resync = client.expect("changes:resync").await;
        assert_eq!(resync["reason"], "slot lost");
        tables.push(resync["table"].take());
    }
    tables.sort_by_key(ToString::to_string);
    assert_eq!(tables, [json!("a"), json!("b")]);
}
