//! Events as they are dispatched, to who looks.

use serde_json::{Value, json};

use super::look;
use crate::support::{Client, Database, Server, Sockets};

/// Begins to watch, and waits until what is committed from now on is shown.
async fn watch(operator: &Client, lens: Value) {
    let answer = operator.request("inspect", lens).await;
    assert_eq!(answer["ok"], true, "{answer}");
    // The request and this one are taken in their order, in the dispatcher too.
    operator.request("published", Value::Null).await;
}

/// The names and tables of what is shown, up to an event of this name.
async fn shown_until(operator: &mut Client, last: &str) -> Vec<(String, Value)> {
    let mut seen = Vec::new();
    while seen.last().is_none_or(|(name, _)| name != last) {
        let told = operator.until("events").await.remove(0);
        let events = told["events"].as_array().expect("events").clone();
        seen.extend(events.into_iter().map(|event| (event["event"].as_str().expect("a name").to_owned(), event)));
    }
    seen
}

fn names(seen: &[(String, Value)]) -> Vec<&str> {
    seen.iter().map(|(name, _)| name.as_str()).collect()
}

async fn broadcast(database: &Database, room: &str, event: &str) {
    database.sql(&format!("SELECT walcast.broadcast('{room}', '{event}', '{{\"a\": 1}}')")).await;
}

#[tokio::test]
async fn events_are_shown_by_room_and_by_table_and_their_payloads_on_demand() {
    let database = Database::new().await;
    database.sql("CREATE TABLE orders (id int PRIMARY KEY, total int)").await;
    let publication = format!("p_{}", database.name);
    database.sql(&format!("CREATE PUBLICATION {publication} FOR TABLE walcast.rules, components, orders")).await;
    let server = Server::start_with(&database, &["--publication", &publication]).await;
    let sockets = Sockets::start().await;
    let mut operator = look(&sockets, &server).await;

    watch(&operator, json!({})).await;
    let id = database.component("a", "[]").await;
    database.sql("INSERT INTO orders VALUES (7, 987654321)").await;
    broadcast(&database, "user:42", "end:one").await;
    let seen = shown_until(&mut operator, "end:one").await;
    assert_eq!(names(&seen), ["component:created", "orders:created", "end:one"]);
    let order = &seen[1].1;
    assert_eq!((&order["table"], &order["rooms"]), (&json!("public.orders"), &json!(["orders:7"])));
    assert!(order["latencyMs"].is_number() && order["bytes"].as_u64().is_some_and(|bytes| bytes > 20), "{order}");
    assert!(!order.to_string().contains("987654321"), "the payload is told unasked: {order}");
    assert_eq!((&seen[2].1["table"], &seen[2].1["rooms"]), (&Value::Null, &json!(["user:42"])));
    let payload = operator.request("payload", json!({ "offset": order["offset"] })).await;
    assert_eq!(payload["data"]["record"], json!({ "id": 7, "total": 987654321 }), "{payload}");

    watch(&operator, json!({ "table": "orders" })).await;
    database.sql("UPDATE components SET name = 'b'; UPDATE orders SET total = 1").await;
    broadcast(&database, "orders:7", "unheard:one").await;
    database.sql("DELETE FROM orders").await;
    assert_eq!(names(&shown_until(&mut operator, "orders:deleted").await), ["orders:updated", "orders:deleted"]);
    let gone = operator.request("payload", json!({ "offset": order["offset"] })).await;
    assert_eq!((&gone["ok"], gone["error"].is_string()), (&json!(false), true), "of another look: {gone}");

    watch(&operator, json!({ "room": &id[..8] })).await;
    database.sql("INSERT INTO orders VALUES (8, 1)").await;
    database.sql(&format!("UPDATE components SET name = 'c' WHERE id = '{id}'")).await;
    assert_eq!(names(&shown_until(&mut operator, "component:updated").await), ["component:updated"]);
}

#[tokio::test]
async fn an_admin_is_shown_rows_that_policies_hide() {
    let database = Database::new().await;
    let role = format!("client_{}", database.name);
    database.sql(&format!("CREATE ROLE {role} NOLOGIN; GRANT SELECT ON components TO {role}")).await;
    database.sql("ALTER TABLE components ENABLE ROW LEVEL SECURITY").await;
    let server = Server::start_with(&database, &["--client-role", &role]).await;
    let sockets = Sockets::start().await;
    let mut operator = look(&sockets, &server).await;
    watch(&operator, json!({ "table": "public.components" })).await;
    database.component("hidden", "[]").await;
    let seen = shown_until(&mut operator, "component:created").await;
    let payload = operator.request("payload", json!({ "offset": seen[0].1["offset"] })).await;
    assert_eq!(payload["data"]["component"]["name"], "hidden", "{payload}");
    database.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[tokio::test]
async fn what_concerns_a_whole_table_passes_every_filter_and_nothing_is_shown_after_the_end() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let sockets = Sockets::start().await;
    let mut operator = look(&sockets, &server).await;
    watch(&operator, json!({ "table": "elsewhere", "room": "nowhere" })).await;
    database.component("a", "[]").await;
    database.sql("TRUNCATE components").await;
    let seen = shown_until(&mut operator, "component:resync").await;
    assert_eq!(names(&seen), ["component:resync"]);
    assert_eq!(seen[0].1["rooms"], json!(["component:*", "entity:*"]));
    let payload = operator.request("payload", json!({ "offset": seen[0].1["offset"] })).await;
    assert_eq!(payload["data"]["reason"], "truncate", "{payload}");

    watch(&operator, Value::Null).await;
    let mut client = sockets.connect(&server, "ann", "websocket").await;
    client.catch_up(&database).await;
    operator.request("published", Value::Null).await;
    let came = operator.received();
    assert!(came.iter().all(|(event, _)| event == "snapshot"), "{came:?}");
    for wrong in [json!({ "room": 7 }), json!([]), json!("component")] {
        let answer = operator.request("inspect", wrong.clone()).await;
        assert_eq!(answer["ok"], false, "{wrong}");
    }
}

#[tokio::test]
async fn who_does_not_keep_up_with_events_is_told_how_many_were_passed_over() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let sockets = Sockets::start().await;
    let mut operator = look(&sockets, &server).await;
    watch(&operator, json!({})).await;
    let inserts =
        "INSERT INTO components (entity_type, entity_id, type) SELECT 'page', '1', 'x' FROM generate_series(1, 3000)";
    database.sql(inserts).await;
    let (mut shown, mut passed_over) = (0, 0);
    // Only what comes after them tells how many they were.
    while shown + passed_over < 3_000 {
        database.component("after", "[]").await;
        let told = operator.until("events").await.remove(0);
        shown += told["events"].as_array().map_or(0, Vec::len) as u64;
        passed_over += told["passedOver"].as_u64().expect("a count");
    }
    assert!(shown > 0 && passed_over > 0, "{shown} {passed_over}");
}
