//! Whoever follows from Python, by the stock `python-socketio` client.

use serde_json::{Value, json};

use crate::support::{Client, Database, Server, Sockets, named, users};

const TRANSPORTS: [&[&str]; 3] = [&["websocket"], &["polling"], &["polling", "websocket"]];

/// The payload of the next event, which must have this name and, as Python's functions take it, one argument. Its offset
/// and the time of its commit are taken out.
async fn told(client: &mut Client, event: &str) -> Value {
    let mut payload = client.expect_arguments(event, 1).await.remove(0);
    let payload_object = payload.as_object_mut().expect("an object");
    let offset = payload_object.remove("offset").expect("an offset");
    assert!(offset.as_str().is_some_and(|offset| offset.contains('/')), "{offset}");
    let timestamp = payload_object.remove("timestamp").expect("a timestamp");
    assert!(timestamp.as_str().is_some_and(|time| time.ends_with('Z') && time.len() == 24), "{timestamp}");
    payload
}

#[tokio::test]
async fn each_transport_hears_exactly_what_changed() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let python = Sockets::python().await;
    for transports in TRANSPORTS {
        let mut client = python.page(&server.url(), transports).await;
        let last = transports.last().expect("a transport");
        assert_eq!(client.transport().await, *last, "{transports:?}");
        client.catch_up(&database).await;
        let ack = client.subscribe(json!({ "entityType": "page", "entityId": "1" })).await;
        assert_eq!((&ack["room"], &ack["resumed"]), (&json!("entity:page:1"), &json!(false)));
        assert_eq!(users(&ack), json!([{ "id": "ann", "email": "ann@example.com" }]));

        let id = database.component("c", "[]").await;
        let record: String =
            database.value(&format!("SELECT to_jsonb(c)::text FROM components c WHERE id = '{id}'")).await;
        let mut record: Value = serde_json::from_str(&record).expect("JSON");
        let created = told(&mut client, "component:created").await;
        // Postgres writes a time in JSON otherwise than as a text.
        for time in ["created_at", "updated_at"] {
            record[time] = created["component"][time].clone();
        }
        let ids = json!({ "componentId": id, "entityType": "page", "entityId": "1" });
        let with = |more: Value| {
            let both = ids.as_object().into_iter().chain(more.as_object()).flatten();
            Value::Object(both.map(|(key, value)| (key.clone(), value.clone())).collect())
        };
        assert_eq!(created, with(json!({ "component": record, "createdBy": null, "version": 1 })));

        database
            .sql(&format!(
                "BEGIN; SELECT walcast.set_actor('bob'); UPDATE components SET name = 'ü' WHERE id = '{id}'; COMMIT"
            ))
            .await;
        let mut updated = told(&mut client, "component:updated").await;
        updated["updates"] = named(&updated["updates"]);
        let updates = json!({ "name": "ü" });
        let expected = json!({ "componentId": id, "updates": updates, "updatedBy": "bob", "version": 2 });
        assert_eq!(updated, expected);

        database.sql(&format!("DELETE FROM components WHERE id = '{id}'")).await;
        let deleted = told(&mut client, "component:deleted").await;
        assert_eq!(deleted, with(json!({ "deletedBy": null, "version": 2 })));
    }
}

#[tokio::test]
async fn a_refusal_is_heard_as_it_is_written() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let python = Sockets::python().await;
    for transport in ["websocket", "polling"] {
        for (auth, message) in [
            (json!({}), "Authentication error: No token provided"),
            (json!({ "token": "nonsense" }), "Authentication error: Invalid token"),
        ] {
            let options = json!({ "transports": [transport], "auth": auth });
            assert_eq!(python.try_connect(&server, options).await.err().as_deref(), Some(message), "{transport}");
        }
    }
    python.connect(&server, "ann", "websocket").await;
}

/// Clients over each transport, of which the server goes as `goes` says: what was missed meanwhile comes from the next.
async fn outlast(goes: impl AsyncFnOnce(Server)) {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let address = server.address.to_string();
    let python = Sockets::python().await;
    let id = database.component("c", "[]").await;
    let mut clients = Vec::new();
    for transports in TRANSPORTS {
        let mut client = python.page(&server.url(), transports).await;
        client.catch_up(&database).await;
        client.subscribe(json!({ "componentId": id })).await;
        clients.push(client);
    }
    let rename = async |name: &str| {
        database.sql(&format!("UPDATE components SET name = '{name}' WHERE id = '{id}'")).await;
    };
    rename("before").await;
    for client in &mut clients {
        assert_eq!(client.names_until("before").await, ["before"]);
    }
    goes(server).await;
    rename("while away").await;
    let _next = Server::start_with(&database, &["--listen", &address]).await;
    rename("after").await;
    for client in &mut clients {
        assert_eq!(client.names_until("after").await, ["while away", "after"]);
    }
}

#[tokio::test]
async fn clients_outlast_a_server_that_is_killed() {
    outlast(Server::kill).await;
}

#[tokio::test]
async fn clients_outlast_a_server_that_stops() {
    outlast(async |mut server| assert_eq!(server.stop().await, Some(0))).await;
}
