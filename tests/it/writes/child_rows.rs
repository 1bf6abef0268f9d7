//! Nested components that are rows of their own: the same events write them.

use serde_json::{Value, json};

use super::error;
use crate::support::{Client, Database, Server, Sockets, plugins};

struct Parts {
    database: Database,
    _server: Server,
    _sockets: Sockets,
    writer: Client,
    reader: Client,
}

async fn parts(plugin: &str) -> Parts {
    let database = Database::new().await;
    database
        .sql(
            "CREATE TABLE parts (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, parent int REFERENCES parts, place text, \
               kind text NOT NULL, owner text NOT NULL, label text, size int, v bigint NOT NULL DEFAULT 1, made_by text, by text); \
             ALTER TABLE parts REPLICA IDENTITY FULL; SELECT walcast.keep_version('parts', 'v'); \
             SELECT walcast.broadcast_table('parts', prefix => 'part', entity => ARRAY['kind', 'owner'], actor => 'by', \
               creator => 'made_by', version => 'v', nested => '{\"parent\": \"parent\", \"row\": \"place\"}', \
               writable => ARRAY['label', 'size'])",
        )
        .await;
    let publication = format!("p_{}", database.name);
    database.sql(&format!("CREATE PUBLICATION {publication} FOR TABLE walcast.rules, parts")).await;
    let server = Server::start_with(&database, &["--plugin", plugin, "--publication", &publication]).await;
    let sockets = Sockets::start().await;
    let writer = sockets.connect(&server, "ann", "websocket").await;
    let reader = sockets.connect(&server, "bob", "websocket").await;
    for client in [&writer, &reader] {
        let ack = client.request("part:subscribe", json!({ "entityType": "page", "entityId": "1" })).await;
        assert_eq!(ack["ok"], true);
    }
    Parts { database, _server: server, _sockets: sockets, writer, reader }
}

async fn ok(client: &Client, event: &str, payload: Value) -> Value {
    let ack = client.request(event, payload).await;
    assert_eq!(ack["ok"], true, "{event}: {ack}");
    ack
}

#[tokio::test]
async fn nested_events_write_child_rows() {
    for plugin in plugins() {
        let Parts { database, mut writer, mut reader, _server, _sockets } = parts(&plugin.to_string()).await;
        let top = json!({ "entityType": "page", "entityId": "1", "part": { "label": "top" } });
        let parent = ok(&writer, "part:create", top).await["partId"].clone();
        for client in [&mut writer, &mut reader] {
            assert_eq!(client.expect("part:created").await["partId"], parent);
        }
        let nested = json!({ "partId": parent, "rowId": "r1", "nestedComponent": { "label": "child" } });
        let ack = ok(&writer, "part:nested-create", nested).await;
        let child = ack["nestedComponentId"].clone();
        assert_eq!(ack, json!({ "ok": true, "nestedComponentId": child, "version": 1 }));
        for client in [&mut writer, &mut reader] {
            let told = client.expect("part:nested-created").await;
            assert_eq!((&told["partId"], &told["rowId"], &told["createdBy"]), (&parent, &json!("r1"), &json!("ann")));
            let nested = &told["nestedComponent"];
            assert_eq!((&nested["id"], &nested["label"], &nested["made_by"]), (&child, &json!("child"), &json!("ann")));
        }
        let at = |more: Value| {
            let mut payload = json!({ "partId": parent, "rowId": "r1", "nestedComponentId": child });
            payload.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            payload
        };
        let updates = json!({ "label": null, "size": 3 });
        let ack = ok(&writer, "part:nested-update", at(json!({ "updates": updates, "version": 1 }))).await;
        let told = reader.expect("part:nested-updated").await;
        assert_eq!((&ack["version"], &told["version"], &told["nestedComponentId"]), (&json!(2), &json!(2), &child));
        assert_eq!(told["updates"], json!({ "label": null, "size": 3, "v": 2 }));
        assert_eq!(ack["updates"], json!({ "v": 2 }));

        let stale = writer.request("part:nested-update", at(json!({ "updates": { "size": 4 }, "version": 1 }))).await;
        assert_eq!(error(&stale, "conflict")["current"], json!({ "version": 2, "size": 3 }));
        for (event, payload, code) in [
            ("part:nested-update", at(json!({ "updates": { "by": "eve" } })), "invalid_payload"),
            ("part:nested-update", at(json!({ "updates": { "size": "large" } })), "invalid_payload"),
            ("part:nested-update", at(json!({ "updates": { "size": 1 }, "rowId": "r2" })), "not_found"),
            ("part:nested-update", at(json!({ "updates": { "size": 1 }, "partId": 99 })), "not_found"),
            ("part:nested-delete", at(json!({ "nestedComponentId": 99 })), "not_found"),
            ("part:nested-create", json!({ "partId": 99, "rowId": "r1", "nestedComponent": {} }), "not_found"),
            (
                "part:nested-create",
                json!({ "partId": parent, "rowId": "r1", "nestedComponent": { "id": 9 } }),
                "invalid_payload",
            ),
            // It has a child.
            ("part:delete", json!({ "partId": parent }), "invalid_payload"),
        ] {
            error(&writer.request(event, payload).await, code);
        }
        let ack = ok(&writer, "part:nested-delete", at(json!({}))).await;
        assert_eq!(ack, json!({ "ok": true, "version": 2 }));
        for client in [&mut writer, &mut reader] {
            let told = client.expect("part:nested-deleted").await;
            assert_eq!((&told["nestedComponentId"], &told["version"]), (&child, &json!(2)));
        }
        ok(&writer, "part:delete", json!({ "partId": parent, "version": 1 })).await;
        assert_eq!(database.value::<i64>("SELECT count(*) FROM parts").await, 0);
    }
}
