//! What is committed in Postgres reaches a stock client, over both transports and through both plugins.

use serde_json::{Value, json};

use crate::support::{Client, Database, Server, Sockets, named, users};

const ROWS: &str = r#"[{"id":"r1","components":[{"id":"n1","text":"a"},{"id":"n2","text":"b"}]},{"id":"r2"}]"#;

/// A server on a fresh database and one client.
async fn road(plugin: &str, transport: &str) -> (Database, Server, Sockets, Client) {
    let database = Database::new().await;
    let server = Server::start_with(&database, &["--plugin", plugin]).await;
    let sockets = Sockets::start().await;
    let client = sockets.connect(&server, "reader", transport).await;
    (database, server, sockets, client)
}

/// Every event of the database carries its place, its time and the row's version; returns the rest.
fn stripped(mut payload: Value) -> Value {
    let fields = payload.as_object_mut().expect("an object");
    for (field, shape) in [("offset", "/"), ("timestamp", "Z")] {
        let value = fields.remove(field).unwrap_or_else(|| panic!("no {field}"));
        assert!(value.as_str().is_some_and(|text| text.contains(shape)), "{field}: {value}");
    }
    fields.remove("version");
    payload
}

async fn an_update_arrives_with_exactly_the_changed_columns(plugin: &str, transport: &str) {
    let (database, _server, _sockets, mut client) = road(plugin, transport).await;
    let id = database.component("before", "[]").await;
    client.catch_up(&database).await;
    let ack = client.subscribe(json!({ "componentId": id })).await;
    assert_eq!(ack["room"], format!("component:{id}"));
    assert_eq!(users(&ack), json!([{ "id": "reader", "email": "reader@example.com" }]));

    database
        .sql(&format!("UPDATE components SET name = 'after', updated_by = 'ann', type = type WHERE id = '{id}'"))
        .await;
    let mut event = client.expect("component:updated").await;
    assert!(event["offset"].as_str() > ack["offset"].as_str(), "{event} is not after {ack}");
    assert_eq!(event["version"], 2);
    event["updates"] = named(&event["updates"]);
    let updates = json!({ "name": "after", "updated_by": "ann" });
    assert_eq!(stripped(event), json!({ "componentId": id, "updates": updates, "updatedBy": "ann" }));
}

#[tokio::test]
async fn an_update_arrives_over_websocket_by_pgoutput() {
    an_update_arrives_with_exactly_the_changed_columns("pgoutput", "websocket").await;
}

#[tokio::test]
async fn an_update_arrives_over_polling_by_pgoutput() {
    an_update_arrives_with_exactly_the_changed_columns("pgoutput", "polling").await;
}

#[tokio::test]
async fn an_update_arrives_over_websocket_by_wal2json() {
    an_update_arrives_with_exactly_the_changed_columns("wal2json", "websocket").await;
}

#[tokio::test]
async fn an_update_arrives_over_polling_by_wal2json() {
    an_update_arrives_with_exactly_the_changed_columns("wal2json", "polling").await;
}

#[tokio::test]
async fn an_entity_hears_of_its_components_from_creation_to_deletion() {
    let (database, _server, _sockets, mut client) = road("pgoutput", "websocket").await;
    client.subscribe(json!({ "entityType": "page", "entityId": "1" })).await;
    let id = database.component("new", "[]").await;
    let created = stripped(client.expect("component:created").await);
    assert_eq!(created["component"]["name"], "new");
    assert_eq!(created["component"]["rows"], json!([]));
    assert_eq!(created["component"]["version"], 1);
    assert_eq!((&created["entityType"], &created["entityId"]), (&json!("page"), &json!("1")));
    assert_eq!(created["createdBy"], Value::Null);

    database.sql(&format!("DELETE FROM components WHERE id = '{id}'")).await;
    let deleted = stripped(client.expect("component:deleted").await);
    assert_eq!(deleted, json!({ "componentId": id, "entityType": "page", "entityId": "1", "deletedBy": null }));
}

#[tokio::test]
async fn another_entity_and_another_component_stay_quiet() {
    let (database, _server, _sockets, mut client) = road("pgoutput", "websocket").await;
    let mine = database.component("mine", "[]").await;
    let other = database.component("other", "[]").await;
    client.catch_up(&database).await;
    client.subscribe(json!({ "componentId": mine })).await;
    client.subscribe(json!({ "entityType": "page", "entityId": "2" })).await;
    database.sql(&format!("UPDATE components SET name = 'x' WHERE id = '{other}'")).await;
    database.sql(&format!("UPDATE components SET name = 'y' WHERE id = '{mine}'")).await;
    assert_eq!(client.expect("component:updated").await["componentId"], mine);
}

#[tokio::test]
async fn nested_changes_are_told_as_nested_events() {
    let (database, _server, _sockets, mut client) = road("pgoutput", "websocket").await;
    let id = database.component("c", ROWS).await;
    client.catch_up(&database).await;
    client.subscribe(json!({ "componentId": id })).await;
    let rows = r#"[{"id":"r1","components":[{"id":"n2","text":"B"},{"id":"n3"}]},{"id":"r2"}]"#;
    database.sql(&format!("UPDATE components SET rows = '{rows}', updated_by = 'ann' WHERE id = '{id}'")).await;

    let updated = client.expect("component:updated").await;
    assert_eq!(named(&updated["updates"]), json!({ "updated_by": "ann" }));
    let deleted = stripped(client.expect("component:nested-deleted").await);
    let place = |nested: &str| json!({ "componentId": id, "rowId": "r1", "nestedComponentId": nested });
    let with = |mut base: Value, key: &str, value: Value| {
        base[key] = value;
        base
    };
    assert_eq!(deleted, with(place("n1"), "deletedBy", json!("ann")));
    let updated = stripped(client.expect("component:nested-updated").await);
    assert_eq!(updated, with(with(place("n2"), "updates", json!({ "text": "B" })), "updatedBy", json!("ann")));
    let created = stripped(client.expect("component:nested-created").await);
    let expected = json!({ "componentId": id, "rowId": "r1", "nestedComponent": { "id": "n3" }, "createdBy": "ann" });
    assert_eq!(created, expected);
}

#[tokio::test]
async fn a_socket_in_both_rooms_of_an_event_gets_it_once() {
    let (database, _server, _sockets, mut client) = road("pgoutput", "websocket").await;
    let id = database.component("c", "[]").await;
    client.catch_up(&database).await;
    client.subscribe(json!({ "componentId": id })).await;
    client.subscribe(json!({ "entityType": "page", "entityId": "1" })).await;
    for name in ["one", "two"] {
        database.sql(&format!("UPDATE components SET name = '{name}' WHERE id = '{id}'")).await;
    }
    for name in ["one", "two"] {
        assert_eq!(client.expect("component:updated").await["updates"]["name"], name);
    }
}

#[tokio::test]
async fn set_actor_names_the_writer_of_its_transaction_only() {
    for plugin in ["pgoutput", "wal2json"] {
        let (database, _server, _sockets, mut client) = road(plugin, "websocket").await;
        let id = database.component("c", "[]").await;
        client.catch_up(&database).await;
        client.subscribe(json!({ "componentId": id })).await;
        let update =
            |name: &str| format!("UPDATE components SET name = '{name}', updated_by = 'column' WHERE id = '{id}'");
        database.sql(&format!("BEGIN; SELECT walcast.set_actor('user-42'); {}; COMMIT", update("one"))).await;
        database.sql(&update("two")).await;
        assert_eq!(client.expect("component:updated").await["updatedBy"], "user-42", "{plugin}");
        assert_eq!(client.expect("component:updated").await["updatedBy"], "column", "{plugin}");
    }
}

#[tokio::test]
async fn what_rolled_back_is_never_heard() {
    let (database, _server, _sockets, mut client) = road("pgoutput", "websocket").await;
    let id = database.component("c", "[]").await;
    client.catch_up(&database).await;
    client.subscribe(json!({ "componentId": id })).await;
    let update = |name: &str| format!("UPDATE components SET name = '{name}' WHERE id = '{id}'");
    database.sql(&format!("BEGIN; {}; ROLLBACK", update("rolled back"))).await;
    database
        .sql(&format!(
            "BEGIN; SAVEPOINT s; {}; ROLLBACK TO s; {}; COMMIT",
            update("to the savepoint"),
            update("committed")
        ))
        .await;
    assert_eq!(client.expect("component:updated").await["updates"]["name"], "committed");
}

#[tokio::test]
async fn who_unsubscribed_hears_no_more() {
    let (database, _server, _sockets, mut client) = road("pgoutput", "websocket").await;
    let left = database.component("left", "[]").await;
    let kept = database.component("kept", "[]").await;
    client.catch_up(&database).await;
    for id in [&left, &kept] {
        client.subscribe(json!({ "componentId": id })).await;
    }
    let ack = client.request("component:unsubscribe", json!({ "componentId": left })).await;
    assert_eq!(ack, json!({ "ok": true }));
    for id in [&left, &kept] {
        database.sql(&format!("UPDATE components SET name = 'x' WHERE id = '{id}'")).await;
    }
    assert_eq!(client.expect("component:updated").await["componentId"], kept);
}

#[tokio::test]
async fn truncate_tells_every_room_of_the_table_to_fetch_again() {
    for plugin in ["pgoutput", "wal2json"] {
        let (database, _server, _sockets, mut client) = road(plugin, "websocket").await;
        let id = database.component("c", "[]").await;
        client.catch_up(&database).await;
        client.subscribe(json!({ "componentId": id })).await;
        client.subscribe(json!({ "entityType": "page", "entityId": "9" })).await;
        database.sql("TRUNCATE components").await;
        let mut heard = vec![
            stripped(client.expect("component:resync").await).to_string(),
            stripped(client.expect("component:resync").await).to_string(),
        ];
        heard.sort();
        let mut expected = vec![
            json!({ "componentId": id, "reason": "truncate" }).to_string(),
            json!({ "entityType": "page", "entityId": "9", "reason": "truncate" }).to_string(),
        ];
        expected.sort();
        assert_eq!(heard, expected, "{plugin}");
    }
}

#[tokio::test]
async fn a_transaction_larger_than_what_the_kernel_takes_arrives_whole_and_in_order() {
    let database = Database::new().await;
    let arguments = ["--room-cap", "1000000", "--outbox-bytes", "8MiB", "--compress-above", "1GiB"];
    let server = Server::start_with(&database, &arguments).await;
    let sockets = Sockets::start().await;
    let mut client = sockets.connect(&server, "reader", "websocket").await;
    client.subscribe(json!({ "entityType": "page", "entityId": "big" })).await;
    const ROWS: usize = 3_000;
    database
        .sql(&format!(
            "INSERT INTO components (entity_type, entity_id, type, name) \
             SELECT 'page', 'big', 'text', n::text FROM generate_series(1, {ROWS}) n"
        ))
        .await;
    for n in 1..=ROWS {
        assert_eq!(client.expect("component:created").await["component"]["name"], n.to_string());
    }
}

#[tokio::test]
async fn a_transaction_past_the_cap_of_a_room_becomes_one_resync_there() {
    let (database, _server, _sockets, mut client) = road("pgoutput", "websocket").await;
    let kept = database.component("kept", "[]").await;
    client.catch_up(&database).await;
    client.subscribe(json!({ "entityType": "page", "entityId": "big" })).await;
    client.subscribe(json!({ "componentId": kept })).await;
    database
        .sql(&format!(
            "BEGIN; INSERT INTO components (entity_type, entity_id, type, name) \
             SELECT 'page', 'big', 'text', n::text FROM generate_series(1, 1500) n; \
             UPDATE components SET name = 'heard' WHERE id = '{kept}'; COMMIT"
        ))
        .await;
    for n in 1..=1000 {
        assert_eq!(client.expect("component:created").await["component"]["name"], n.to_string());
    }
    let resync = stripped(client.expect("component:resync").await);
    assert_eq!(resync, json!({ "entityType": "page", "entityId": "big", "reason": "bulk" }));
    assert_eq!(client.expect("component:updated").await["updates"]["name"], "heard", "other rooms are not capped");
    database.sql("DELETE FROM components WHERE entity_id = 'big' AND name = '1'").await;
    client.expect("component:deleted").await;
}

#[tokio::test]
async fn a_rule_takes_effect_at_its_commit() {
    for plugin in ["pgoutput", "wal2json"] {
        let database = Database::new().await;
        database
            .sql(
                "CREATE TABLE orders (id int PRIMARY KEY, status text); ALTER TABLE orders REPLICA IDENTITY FULL; \
                 INSERT INTO orders VALUES (1, 'draft')",
            )
            .await;
        let publication = format!("p_{}", database.name);
        database.sql(&format!("CREATE PUBLICATION {publication} FOR TABLE walcast.rules, orders")).await;
        let server = Server::start_with(&database, &["--plugin", plugin, "--publication", &publication]).await;
        let sockets = Sockets::start().await;
        let mut client = sockets.connect(&server, "reader", "websocket").await;
        for event in ["orders:subscribe", "order:subscribe"] {
            let ack = client.request(event, json!({ "id": 1 })).await;
            assert_eq!(ack["ok"], true, "{ack}");
        }
        // In the rule's own transaction the table still goes under its own name.
        for transaction in [
            "UPDATE orders SET status = 'a'; SELECT walcast.broadcast_table('orders', prefix => 'order'); \
             UPDATE orders SET status = 'b'",
            "UPDATE orders SET status = 'c'",
            "SELECT walcast.unbroadcast_table('orders')",
            "UPDATE orders SET status = 'd'",
        ] {
            database.sql(transaction).await;
        }
        for status in ["a", "b"] {
            let event = stripped(client.expect("orders:updated").await);
            assert_eq!(event, json!({ "id": 1, "updates": { "status": status }, "updatedBy": null }), "{plugin}");
        }
        let event = stripped(client.expect("order:updated").await);
        assert_eq!(event, json!({ "orderId": 1, "updates": { "status": "c" }, "updatedBy": null }), "{plugin}");
        assert_eq!(client.expect("orders:updated").await["updates"]["status"], "d", "{plugin}");
    }
}

#[tokio::test]
async fn a_publication_of_all_tables_does_not_broadcast_what_walcast_keeps() {
    let database = Database::new().await;
    let publication = format!("p_{}", database.name);
    database.sql(&format!("CREATE PUBLICATION {publication} FOR ALL TABLES")).await;
    let server = Server::start_with(&database, &["--publication", &publication]).await;
    let sockets = Sockets::start().await;
    let mut client = sockets.connect(&server, "reader", "websocket").await;
    client.request("walcast.slots:subscribe", json!({ "id": database.name })).await;
    database.sql("UPDATE walcast.slots SET created_at = now()").await;
    client.catch_up(&database).await;
}

#[tokio::test]
async fn a_restart_tells_the_past_by_the_rules_of_the_past() {
    let database = Database::new().await;
    database.sql("CREATE TABLE orders (id int PRIMARY KEY); ALTER TABLE orders REPLICA IDENTITY FULL").await;
    let publication = format!("p_{}", database.name);
    database.sql(&format!("CREATE PUBLICATION {publication} FOR TABLE walcast.rules, components, orders")).await;
    let mut server = Server::start_with(&database, &["--publication", &publication]).await;
    let sockets = Sockets::start().await;
    let mut client = sockets.connect(&server, "reader", "websocket").await;
    let since = client.request("orders:subscribe", json!({ "id": 1 })).await["offset"].clone();
    database.sql("INSERT INTO orders VALUES (1)").await;
    client.expect("orders:created").await;
    server.stop().await;
    // Nobody sees this change of rules happen, and the insert before it is streamed again.
    database.sql("SELECT walcast.broadcast_table('orders', prefix => 'order')").await;
    let server = Server::start_with(&database, &["--publication", &publication]).await;
    let mut client = sockets.connect(&server, "reader", "websocket").await;
    client.emit("orders:subscribe", json!({ "id": 1, "since": since })).await;
    client.expect("orders:created").await;
}

#[tokio::test]
async fn tables_with_composite_keys_odd_names_and_partitions_are_broadcast() {
    for plugin in ["pgoutput", "wal2json"] {
        let database = Database::new().await;
        database
            .sql(
                r#"CREATE TABLE "Mixed Case, 1" ("Key" int, part text, "va.l" numeric, PRIMARY KEY (part, "Key"));
                   CREATE SCHEMA sales;
                   CREATE TABLE sales.parted (id int, region text, note text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
                   CREATE TABLE sales.parted_eu PARTITION OF sales.parted FOR VALUES IN ('eu');
                   CREATE TABLE sales.parted_us PARTITION OF sales.parted FOR VALUES IN ('us');"#,
            )
            .await;
        let publication = format!("p_{}", database.name);
        database
            .sql(&format!(
                r#"CREATE PUBLICATION {publication} FOR TABLE walcast.rules, "Mixed Case, 1", sales.parted
                   WITH (publish_via_partition_root = true)"#
            ))
            .await;
        let server = Server::start_with(&database, &["--plugin", plugin, "--publication", &publication]).await;
        let sockets = Sockets::start().await;
        let mut client = sockets.connect(&server, "reader", "websocket").await;
        for (event, id) in [
            ("Mixed Case, 1:subscribe", "a%3Ab:7"),
            ("sales.parted:subscribe", "1:eu"),
            ("sales.parted:subscribe", "1:us"),
        ] {
            let ack = client.request(event, json!({ "id": id })).await;
            assert_eq!(ack["ok"], true, "{ack}");
        }
        database.sql(r#"INSERT INTO "Mixed Case, 1" VALUES (7, 'a:b', 12345678901234567890.10)"#).await;
        let created = stripped(client.expect("Mixed Case, 1:created").await);
        assert_eq!(created["id"], "a%3Ab:7", "{plugin}");
        assert_eq!(created["record"]["Key"], 7);

        database.sql("INSERT INTO sales.parted VALUES (1, 'eu', 'x'); UPDATE sales.parted SET region = 'us'").await;
        assert_eq!(client.expect("sales.parted:created").await["id"], "1:eu", "{plugin}");
        assert_eq!(client.expect("sales.parted:deleted").await["id"], "1:eu", "{plugin}");
        assert_eq!(client.expect("sales.parted:created").await["id"], "1:us", "{plugin}");
    }
}
