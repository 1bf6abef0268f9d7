//! Sockets that follow tables: `changes:subscribe {schema, table, event, filter}`.

mod comeback;
mod filtered;
mod losses;
mod schemas;

use serde_json::{Value, json};

use crate::support::{Database, Server, Sockets, Stage};

const ORDERS: &str = "CREATE TABLE orders (id int PRIMARY KEY, status text, total numeric); \
                      ALTER TABLE orders REPLICA IDENTITY FULL";

async fn stage(plugin: &str) -> Stage {
    Stage::new(plugin, ORDERS, ", orders").await
}

/// A server that publishes orders, with these arguments besides.
async fn published(plugin: &str, arguments: &[&str]) -> (Database, Server) {
    let database = Database::new().await;
    let publication = format!("p_{}", database.name);
    let setup = format!("{ORDERS}; CREATE PUBLICATION {publication} FOR TABLE walcast.rules, components, orders");
    database.sql(&setup).await;
    let arguments = [&["--plugin", plugin, "--publication", &publication], arguments].concat();
    let server = Server::start_with(&database, &arguments).await;
    (database, server)
}

const LIFE: [&str; 4] = [
    "INSERT INTO orders VALUES (1, 'open', 1.25)",
    "UPDATE orders SET status = 'sent'",
    "UPDATE orders SET id = 2",
    "DELETE FROM orders",
];

#[tokio::test]
async fn whatever_is_done_to_a_table_is_told_once() {
    for plugin in ["pgoutput", "wal2json"] {
        let mut stage = stage(plugin).await;
        stage.follow_table(json!({ "table": "orders" })).await;
        let expected = [
            r#"insert 1 {"id":1,"status":"open","total":1.25}"#,
            r#"update 1 {"id":1,"status":"sent","total":1.25} {"status":"sent"}"#,
            r#"update 2 {"id":2,"status":"sent","total":1.25} {"id":2} 1"#,
            "delete 2",
        ];
        assert_eq!(stage.told(LIFE).await, expected, "{plugin}");
        // A rule says how a table is told in rooms. Who follows the table is told all the same, by its own name.
        let rule = "SELECT walcast.broadcast_table('orders', prefix => 'order', entity => ARRAY['status', 'id'])";
        assert_eq!(stage.told([rule]).await, [""; 0], "{plugin}");
        assert_eq!(stage.told(LIFE).await, expected, "{plugin}");
    }
}

#[tokio::test]
async fn who_asks_for_one_kind_of_change_is_told_no_other() {
    for plugin in ["pgoutput", "wal2json"] {
        for (event, kind) in [("INSERT", "insert"), ("update", "update"), ("Delete", "delete")] {
            let mut stage = stage(plugin).await;
            stage.follow_table(json!({ "schema": "public", "table": "orders", "event": event })).await;
            let told = stage.told(LIFE).await;
            let count = if kind == "update" { 2 } else { 1 };
            assert!(told.len() == count && told.iter().all(|line| line.starts_with(kind)), "{plugin}: {told:?}");
        }
    }
}

#[tokio::test]
async fn an_event_says_what_whose_when_and_where() {
    for plugin in ["pgoutput", "wal2json"] {
        let (database, server) = published(plugin, &[]).await;
        let sockets = Sockets::start().await;
        let mut client = sockets.connect(&server, "ann", "websocket").await;
        client.catch_up(&database).await;
        let ask = json!({ "table": "orders", "filter": "status=eq.open" });
        let ack = client.request("changes:subscribe", ask.clone()).await;
        assert_eq!((&ack["ok"], &ack["resumed"]), (&json!(true), &json!(false)), "{ack}");
        let same = sockets.connect(&server, "bob", "polling").await.request("changes:subscribe", ask).await;
        assert_eq!(same["subscription"], ack["subscription"], "whoever asks the same has the same name for it");
        database
            .sql("BEGIN; SELECT walcast.set_actor('user-42'); INSERT INTO orders VALUES (1, 'open', 2); COMMIT")
            .await;
        let [payload, offset] = &client.expect_arguments("changes:changed", 2).await[..] else { panic!("two") };
        let told = |name: &str| payload[name].as_str().unwrap_or_else(|| panic!("{name} in {payload}"));
        assert_eq!(payload["offset"], *offset);
        assert!(told("offset") > ack["offset"].as_str().expect("an offset") && told("timestamp").ends_with('Z'));
        let expected = json!({
            "subscription": ack["subscription"], "schema": "public", "table": "orders", "event": "insert",
            "id": 1, "record": { "id": 1, "status": "open", "total": 2 }, "actor": "user-42",
            "offset": offset, "timestamp": payload["timestamp"],
        });
        assert_eq!(*payload, expected, "{plugin}");
    }
}

#[tokio::test]
async fn who_leaves_is_told_nothing_more() {
    for plugin in ["pgoutput", "wal2json"] {
        let mut stage = stage(plugin).await;
        let all = stage.follow_table(json!({ "table": "orders" })).await;
        let deletes = stage.follow_table(json!({ "table": "orders", "event": "DELETE" })).await;
        for _ in 0..2 {
            let ack = stage.request("changes:unsubscribe", json!({ "subscription": all })).await;
            assert_eq!(ack, json!({ "ok": true }), "{plugin}");
        }
        assert_eq!(stage.told(LIFE).await, ["delete 2"], "{plugin}");
        stage.request("changes:unsubscribe", json!({ "subscription": deletes })).await;
        assert_eq!(stage.told(LIFE).await, [""; 0], "{plugin}");
    }
}

#[tokio::test]
async fn what_cannot_be_followed_is_refused_and_says_why() {
    let stage = stage("pgoutput").await;
    for (payload, told) in [
        (json!({}), "`table` is missing"),
        (json!({ "table": "orders", "event": "TRUNCATE" }), "INSERT, UPDATE, DELETE or *"),
        (json!({ "table": "orders", "filter": "status" }), "column=operator.value"),
        (json!({ "table": "orders", "filter": "status=ends.n" }), "`ends` is no operator"),
        (json!({ "table": "orders", "filter": "state=eq.open" }), "`state` is no published column of public.orders"),
        (json!({ "table": "orders", "filter": "id=eq.one" }), "`id` is an integer"),
        (json!({ "table": "orders", "filter": "id=like.1%" }), "like is for texts"),
        (json!({ "table": "orders", "filter": [1] }), "`filter` is a text"),
        (json!({ "table": "orders", "since": 1 }), "`since` must be an offset"),
    ] {
        let ack = stage.request("changes:subscribe", payload.clone()).await;
        let error = &ack["error"];
        assert_eq!(error["code"], "invalid_payload", "{payload}: {ack}");
        assert!(error["message"].as_str().is_some_and(|message| message.contains(told)), "{payload}: {error}");
    }
    let ack = stage.request("changes:unsubscribe", json!({})).await;
    assert_eq!(ack["error"]["code"], "invalid_payload");
}

#[tokio::test]
async fn tables_count_with_rooms() {
    let database = Database::new().await;
    let server = Server::start_with(&database, &["--max-rooms", "2"]).await;
    let sockets = Sockets::start().await;
    let ann = sockets.connect(&server, "ann", "websocket").await;
    let ask = |event: &'static str, payload: Value| {
        let ann = &ann;
        async move { ann.request(event, payload).await }
    };
    ann.subscribe(json!({ "componentId": "x" })).await;
    let followed = ask("changes:subscribe", json!({ "table": "a" })).await;
    assert_eq!(ask("changes:subscribe", json!({ "table": "b" })).await["error"]["code"], "forbidden");
    assert_eq!(ask("component:subscribe", json!({ "componentId": "y" })).await["error"]["code"], "forbidden");
    assert_eq!(ask("changes:subscribe", json!({ "table": "a" })).await["ok"], true, "it follows that already");
    ask("changes:unsubscribe", json!({ "subscription": followed["subscription"] })).await;
    assert_eq!(ask("component:subscribe", json!({ "componentId": "y" })).await["ok"], true);
}

#[tokio::test]
async fn a_change_comes_behind_the_rooms_events_of_it_and_before_those_of_the_next() {
    for plugin in ["pgoutput", "wal2json"] {
        let database = Database::new().await;
        let publication = format!("p_{}", database.name);
        database.sql(&format!("CREATE PUBLICATION {publication} FOR TABLE walcast.rules, components")).await;
        let server = Server::start_with(&database, &["--plugin", plugin, "--publication", &publication]).await;
        let sockets = Sockets::start().await;
        let mut client = sockets.connect(&server, "ann", "websocket").await;
        let id = database.component("c", r#"[{"id":"r","components":[{"id":"n","text":"a"}]}]"#).await;
        client.catch_up(&database).await;
        client.subscribe(json!({ "componentId": id })).await;
        let filter = format!("id=eq.{id}");
        client.request("changes:subscribe", json!({ "table": "components", "filter": filter })).await;
        let rows = r#"[{"id":"r","components":[{"id":"n","text":"b"},{"id":"m"}]}]"#;
        database
            .sql(&format!("UPDATE components SET name = 'd', rows = '{rows}'; UPDATE components SET name = 'e'; DELETE FROM components"))
            .await;
        let mut told = Vec::new();
        while told.last().is_none_or(|last| last != "delete") {
            let (event, payload) = client.next().await;
            let name =
                if event == "changes:changed" { payload["event"].as_str().expect("what was done") } else { &event };
            told.push(name.to_owned());
        }
        let expected = [
            "component:updated",
            "update",
            "component:nested-updated",
            "component:nested-created",
            "component:updated",
            "update",
            "component:deleted",
            "delete",
        ];
        assert_eq!(told, expected, "{plugin}");
    }
}

#[tokio::test]
async fn who_writes_is_told_its_own_writes_too() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let sockets = Sockets::start().await;
    let mut client = sockets.connect(&server, "ann", "websocket").await;
    let id = database.component("c", "[]").await;
    client.catch_up(&database).await;
    client.subscribe(json!({ "componentId": id })).await;
    client.request("changes:subscribe", json!({ "table": "components" })).await;
    let ack = client.request("component:update", json!({ "componentId": id, "updates": { "name": "d" } })).await;
    assert_eq!(ack["ok"], true, "{ack}");
    let change = client.expect("changes:changed").await;
    assert_eq!((&change["updates"]["name"], &change["actor"]), (&json!("d"), &json!("ann")));
}

#[tokio::test]
async fn rows_that_are_told_seldom_in_their_rooms_are_told_here_as_they_change() {
    let database = Database::new().await;
    database.sql(&format!("{ORDERS}; CREATE PUBLICATION walcast FOR TABLE walcast.rules, components, orders")).await;
    database.sql("SELECT walcast.broadcast_table('orders', prefix => 'order', throttle_ms => 60000)").await;
    database.sql("INSERT INTO orders VALUES (1, 'open', 0)").await;
    let server = Server::start(&database).await;
    let sockets = Sockets::start().await;
    let mut both = sockets.connect(&server, "ann", "websocket").await;
    let mut table = sockets.connect(&server, "bob", "websocket").await;
    for client in [&mut both, &mut table] {
        client.catch_up(&database).await;
        client.request("changes:subscribe", json!({ "table": "orders" })).await;
    }
    both.request("order:subscribe", json!({ "orderId": 1 })).await;
    for total in 1..=3 {
        database.sql(&format!("UPDATE orders SET total = {total}")).await;
        // Nothing overtakes what the room was to be told.
        assert_eq!(both.expect("order:updated").await["updates"]["total"], total);
        for client in [&mut both, &mut table] {
            assert_eq!(client.expect("changes:changed").await["updates"]["total"], total);
        }
    }
}
