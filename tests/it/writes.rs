//! What sockets write: every event of the wire contract, its ack, and what others hear of it.

mod away;
mod child_rows;
mod echo;
mod frontend;
mod mutations;
mod nested_sql;
mod order;
mod refused;
mod replicas;
mod retried;
mod versions;

use serde_json::{Value, json};

use crate::support::{Client, Database, Server, Sockets, plugins};

const ROWS: &str = r#"[{"id":"r1","components":[{"id":"n1","text":"a","old":1},{"id":"n2","text":"b"}]},{"id":"r2"}]"#;

/// A server on a fresh database; one client that writes, and another that listens to all of entity `page 1`.
struct Desk {
    database: Database,
    server: Server,
    sockets: Sockets,
    writer: Client,
    reader: Client,
}

impl Desk {
    async fn new() -> Desk {
        Desk::with(&[], "websocket").await
    }

    async fn with(arguments: &[&str], transport: &str) -> Desk {
        let database = Database::new().await;
        let server = Server::start_with(&database, arguments).await;
        let sockets = Sockets::start().await;
        let writer = sockets.connect(&server, "ann", transport).await;
        let reader = sockets.connect(&server, "bob", transport).await;
        let page = json!({ "entityType": "page", "entityId": "1" });
        for client in [&writer, &reader] {
            client.subscribe(page.clone()).await;
        }
        Desk { database, server, sockets, writer, reader }
    }

    /// A component that both have heard of.
    async fn component(&mut self, rows: &str) -> String {
        let id = self.database.component("before", rows).await;
        for client in [&mut self.writer, &mut self.reader] {
            client.expect("component:created").await;
        }
        id
    }

    /// A write that must succeed; its ack.
    async fn write(&self, event: &str, payload: Value) -> Value {
        let ack = self.writer.request(event, payload).await;
        assert_eq!(ack["ok"], true, "{event}: {ack}");
        ack
    }

    async fn row(&self, id: &str) -> Value {
        self.database.value(&format!("SELECT to_jsonb(c) FROM components c WHERE id = '{id}'")).await
    }

    /// Everything that the writer is sent up to now: nothing but this.
    async fn writer_hears<const N: usize>(&mut self, events: [&str; N]) {
        self.database.sql("INSERT INTO components (entity_type, entity_id, type) VALUES ('page', '1', 'mark')").await;
        let mut heard = Vec::new();
        loop {
            let (event, payload) = self.writer.next().await;
            if payload["component"]["type"] == "mark" {
                break;
            }
            heard.push(event);
        }
        assert_eq!(heard, events);
        self.reader.expect("component:created").await;
    }
}

/// The error of an ack that must be one, with this code.
#[track_caller]
fn error(ack: &Value, code: &str) -> Value {
    assert_eq!((&ack["ok"], &ack["error"]["code"]), (&json!(false), &json!(code)), "{ack}");
    assert!(ack["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{ack}");
    ack["error"].clone()
}

async fn create_is_acked_with_the_id_and_told_to_everyone(arguments: &[&str], transport: &str) {
    let mut desk = Desk::with(arguments, transport).await;
    let component = json!({ "type": "text", "name": "Hello", "data": { "deep": [1, null, "x"] } });
    let ids = json!({ "entityType": "page", "entityId": "1", "component": component });
    let ack = desk.write("component:create", ids).await;
    assert_eq!(ack["version"], 1);
    for client in [&mut desk.writer, &mut desk.reader] {
        let told = client.expect("component:created").await;
        assert_eq!((&told["componentId"], &told["version"]), (&ack["componentId"], &json!(1)));
        assert_eq!((&told["entityType"], &told["entityId"]), (&json!("page"), &json!("1")));
        assert_eq!(told["createdBy"], "ann");
        for name in ["type", "name", "data"] {
            assert_eq!(told["component"][name], component[name], "{told}");
        }
        assert_eq!(
            (&told["component"]["created_by"], &told["component"]["updated_by"]),
            (&json!("ann"), &json!("ann"))
        );
    }
}

#[tokio::test]
async fn create_over_websocket() {
    for plugin in plugins() {
        create_is_acked_with_the_id_and_told_to_everyone(&["--plugin", &plugin.to_string()], "websocket").await;
    }
}

#[tokio::test]
async fn create_over_polling() {
    create_is_acked_with_the_id_and_told_to_everyone(&[], "polling").await;
}

#[tokio::test]
async fn update_is_acked_with_the_version_and_told_to_the_others() {
    for plugin in plugins() {
        let mut desk = Desk::with(&["--plugin", &plugin.to_string()], "websocket").await;
        let id = desk.component("[]").await;
        let updates = json!({ "name": "after", "data": { "x": 1 } });
        let ack = desk.write("component:update", json!({ "componentId": id, "updates": updates, "version": 1 })).await;
        let told = desk.reader.expect("component:updated").await;
        assert_eq!((&ack["version"], &told["version"], &told["updatedBy"]), (&json!(2), &json!(2), &json!("ann")));
        // What the client does not know of its own write its ack says: together they are what the others hear.
        let mut known = updates.as_object().expect("an object").clone();
        known.extend(ack["updates"].as_object().expect("an object").clone());
        assert_eq!(Value::from(known), told["updates"]);
        assert_eq!(ack["updates"]["updated_by"], "ann");
        assert!(ack["updates"].get("name").is_none(), "it knows that: {ack}");
        desk.writer_hears([]).await;
        let row = desk.row(&id).await;
        assert_eq!((&row["name"], &row["version"], &row["updated_by"]), (&json!("after"), &json!(2), &json!("ann")));
        assert_ne!(row["updated_at"], row["created_at"]);
    }
}

#[tokio::test]
async fn delete_is_acked_and_told_to_everyone() {
    let mut desk = Desk::new().await;
    let id = desk.component("[]").await;
    let ack = desk.write("component:delete", json!({ "componentId": id, "version": 1 })).await;
    assert_eq!(ack, json!({ "ok": true }));
    for client in [&mut desk.writer, &mut desk.reader] {
        let told = client.expect("component:deleted").await;
        assert_eq!((&told["componentId"], &told["deletedBy"]), (&json!(id), &json!("ann")));
    }
    let again = desk.writer.request("component:delete", json!({ "componentId": id })).await;
    error(&again, "not_found");
}

#[tokio::test]
async fn nested_create_makes_an_id_and_is_told_to_everyone() {
    let mut desk = Desk::new().await;
    let id = desk.component(ROWS).await;
    for (row, nested) in [("r1", json!({ "text": "c" })), ("r2", json!({ "id": 7, "text": "d" }))] {
        let payload = json!({ "componentId": id, "rowId": row, "nestedComponent": nested });
        let ack = desk.write("component:nested-create", payload).await;
        assert_eq!(desk.reader.expect("component:updated").await["updates"], ack["updates"]);
        for client in [&mut desk.writer, &mut desk.reader] {
            let told = client.expect("component:nested-created").await;
            assert_eq!((&told["rowId"], &told["createdBy"]), (&json!(row), &json!("ann")));
            assert_eq!(told["nestedComponent"]["id"], ack["nestedComponentId"]);
            assert_eq!((&told["nestedComponent"]["text"], &told["version"]), (&nested["text"], &ack["version"]));
        }
    }
    let taken = json!({ "componentId": id, "rowId": "r1", "nestedComponent": { "id": "n1" } });
    error(&desk.writer.request("component:nested-create", taken).await, "invalid_payload");
}

#[tokio::test]
async fn nested_update_merges_members_and_is_told_to_the_others() {
    for plugin in plugins() {
        let mut desk = Desk::with(&["--plugin", &plugin.to_string()], "websocket").await;
        let id = desk.component(ROWS).await;
        let updates = json!({ "text": "A", "old": null, "new": [1] });
        let nested = json!({ "componentId": id, "rowId": "r1", "nestedComponentId": "n1", "updates": updates });
        let ack = desk.write("component:nested-update", nested).await;
        assert_eq!(ack["version"], 2);
        assert_eq!(desk.reader.expect("component:updated").await["updates"], ack["updates"]);
        let told = desk.reader.expect("component:nested-updated").await;
        assert_eq!((&told["updates"], &told["updatedBy"], &told["version"]), (&updates, &json!("ann"), &json!(2)));
        desk.writer_hears([]).await;
        let nested = &desk.row(&id).await["rows"][0]["components"][0];
        assert_eq!(nested, &json!({ "id": "n1", "text": "A", "new": [1] }));
    }
}

#[tokio::test]
async fn nested_delete_is_told_to_everyone() {
    let mut desk = Desk::new().await;
    let id = desk.component(ROWS).await;
    let nested = json!({ "componentId": id, "rowId": "r1", "nestedComponentId": "n1", "version": 1 });
    let ack = desk.write("component:nested-delete", nested).await;
    assert_eq!(desk.reader.expect("component:updated").await["updates"], ack["updates"]);
    for client in [&mut desk.writer, &mut desk.reader] {
        let told = client.expect("component:nested-deleted").await;
        assert_eq!((&told["nestedComponentId"], &told["version"]), (&json!("n1"), &ack["version"]));
        assert_eq!(told["deletedBy"], "ann");
    }
    assert_eq!(desk.row(&id).await["rows"][0]["components"].as_array().expect("an array").len(), 1);
}

#[tokio::test]
async fn values_that_the_database_brings_into_its_own_form_are_in_the_ack_as_the_others_hear_them() {
    let database = Database::new().await;
    database
        .sql(
            "CREATE TYPE mood AS ENUM ('ok', 'sad'); \
             CREATE TABLE things (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz, amount numeric(6, 2), \
               tags text[], flag boolean, feeling mood, bytes bytea, plain json, code char(4), note text, by text, slug text); \
             ALTER TABLE things REPLICA IDENTITY FULL; \
             CREATE FUNCTION slug() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.slug := lower(NEW.note); RETURN NEW; END $$; \
             CREATE TRIGGER slug BEFORE UPDATE ON things FOR EACH ROW EXECUTE FUNCTION slug(); \
             SELECT walcast.broadcast_table('things', prefix => 'thing', actor => 'by', \
               writable => ARRAY['at', 'amount', 'tags', 'flag', 'feeling', 'bytes', 'plain', 'code', 'note'])",
        )
        .await;
    let publication = format!("p_{}", database.name);
    database.sql(&format!("CREATE PUBLICATION {publication} FOR TABLE walcast.rules, things")).await;
    let server = Server::start_with(&database, &["--publication", &publication]).await;
    let sockets = Sockets::start().await;
    let writer = sockets.connect(&server, "ann", "websocket").await;
    let mut reader = sockets.connect(&server, "bob", "websocket").await;
    let ack = writer.request("thing:create", json!({ "thing": { "note": "Hi" } })).await;
    assert_eq!(ack, json!({ "ok": true, "thingId": 1 }));
    reader.request("thing:subscribe", json!({ "thingId": 1 })).await;
    let updates = json!({
        "at": "2026-01-02T03:04:05Z", "amount": 1.005, "tags": ["a", "b,c"], "flag": true, "feeling": "sad",
        "bytes": "\\xDEAD", "plain": { "b": 1, "a": [2] }, "code": "x", "note": "Hello",
    });
    let ack = writer.request("thing:update", json!({ "thingId": 1, "updates": updates })).await;
    // Its creation may still have been on its way when it was subscribed to.
    let told = loop {
        let (event, told) = reader.next().await;
        if event == "thing:updated" {
            break told["updates"].clone();
        }
    };
    let own_forms = json!({
        "at": "2026-01-02 03:04:05+00", "amount": 1.01, "bytes": "\\xdead", "code": "x   ", "slug": "hello",
    });
    assert_eq!(ack["updates"], own_forms, "{ack}");
    for (name, value) in updates.as_object().expect("an object") {
        assert_eq!(&told[name], own_forms.get(name).unwrap_or(value), "{name}");
    }
    assert_eq!(told["slug"], "hello");
}
