//! Who fetches and then subscribes from the offset of the answer misses nothing.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use serde_json::{Value, json};

use super::{PAGE_1, fetch, poll};
use crate::support::{Client, Cluster, Database, Server, Sockets};

const ROUNDS: usize = 12;
const LAST: &str = "the last";

/// The rows of an entity, by their ids: fetched, and kept right by events.
struct Replica {
    client: Client,
    rows: BTreeMap<String, Value>,
}

impl Replica {
    async fn fetch(server: &Server, sockets: &Sockets) -> Replica {
        let fetched = fetch(server, PAGE_1).await;
        let client = sockets.connect(server, "ann", "websocket").await;
        let since = fetched.header("walcast-offset").expect("an offset");
        let ack = client.subscribe(json!({ "entityType": "page", "entityId": "1", "since": since })).await;
        assert_eq!(ack["resumed"], true, "{ack}");
        let rows = fetched.json()["rows"].as_array().expect("rows").clone();
        let rows = rows.into_iter().map(|row| (row["id"].as_str().expect("an id").to_owned(), row)).collect();
        Replica { client, rows }
    }

    /// Applies what it is told up to the row that is called [`LAST`].
    async fn follow(&mut self) {
        loop {
            let (event, mut payload) = self.client.next().await;
            let id = payload["componentId"].as_str().unwrap_or_else(|| panic!("{event} {payload}")).to_owned();
            match event.as_str() {
                "component:created" => {
                    let row = payload["component"].take();
                    let is_last = row["name"] == LAST;
                    self.rows.insert(id, row);
                    if is_last {
                        return;
                    }
                }
                "component:updated" => {
                    if let (Some(row), Value::Object(updates)) = (self.rows.get_mut(&id), payload["updates"].take()) {
                        row.as_object_mut().expect("an object").extend(updates);
                    }
                }
                "component:deleted" => drop(self.rows.remove(&id)),
                other => panic!("{other} {payload}"),
            }
        }
    }
}

#[tokio::test]
async fn a_fetch_and_a_subscription_from_its_offset_miss_nothing() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let sockets = Sockets::start().await;
    let writer = database.connect().await;
    let writing = tokio::spawn(async move {
        let mut random = SmallRng::seed_from_u64(7);
        let mut ids: Vec<u32> = Vec::new();
        let id = |n: u32| format!("00000000-0000-0000-0000-{n:012}");
        for n in 0..3_000 {
            let known = ids.choose(&mut random).copied();
            let write = match (random.random_range(0..10), known) {
                (0, Some(known)) if ids.len() > 5 => {
                    ids.retain(|id| *id != known);
                    format!("DELETE FROM components WHERE id = '{}'", id(known))
                }
                (1..9, Some(known)) => {
                    format!("UPDATE components SET name = '{n}', version = version + 1 WHERE id = '{}'", id(known))
                }
                _ => {
                    ids.push(n);
                    let insert = "INSERT INTO components (id, entity_type, entity_id, type) VALUES";
                    format!("{insert} ('{}', 'page', '1', 'text')", id(n))
                }
            };
            writer.batch_execute(&write).await.expect("writes");
        }
    });
    let mut replicas = Vec::new();
    for _ in 0..ROUNDS {
        replicas.push(Replica::fetch(&server, &sockets).await);
    }
    writing.await.expect("no panic");
    database.component(LAST, "[]").await;
    let truth = fetch(&server, &format!("{PAGE_1}&limit=500")).await;
    assert_eq!(truth.json()["next"], Value::Null);
    let truth = truth.json()["rows"].as_array().expect("rows").clone();
    for mut replica in replicas {
        replica.follow().await;
        assert_eq!(replica.rows.into_values().collect::<Vec<_>>(), truth);
    }
}

/// A transaction is in the log before anybody sees what it did: here for as long as a standby does not answer.
#[tokio::test]
async fn what_was_told_and_cannot_be_seen_yet_is_behind_the_offset() {
    let cluster = Cluster::start(&["synchronous_standby_names = 'nobody'", "synchronous_commit = local"]).await;
    let server = Server::start_on(&cluster.dsn_text(""), "walcast", &["--migrate"]).await;
    let insert = "INSERT INTO components (entity_type, entity_id, type, name) VALUES ('page', '1', 'text', 'before')";
    cluster.sql(insert).await;
    let sockets = Sockets::start().await;
    let room = json!({ "entityType": "page", "entityId": "1" });
    let mut first = sockets.connect(&server, "ann", "websocket").await;
    first.subscribe(room.clone()).await;
    let before = fetch(&server, PAGE_1).await;

    let writer = cluster.connect("postgres").await;
    writer.batch_execute("SET synchronous_commit = on").await.expect("sets");
    let pid: i32 = writer.query_one("SELECT pg_backend_pid()", &[]).await.expect("a pid").get(0);
    let committing = tokio::spawn(async move { writer.batch_execute("UPDATE components SET name = 'after'").await });
    let told = first.expect("component:updated").await["offset"].as_str().expect("an offset").to_owned();
    // Others commit after it, and are seen before it.
    cluster.sql(&insert.replace("before", "another")).await;
    first.expect("component:created").await;

    let fetched = fetch(&server, PAGE_1).await;
    let mut names = fetched.all("name");
    names.sort_by_key(Value::to_string);
    assert_eq!(names, ["another", "before"]);
    let offset = fetched.header("walcast-offset").expect("an offset");
    assert!(offset < told.as_str(), "{offset} {told}");
    let again = poll(&server, PAGE_1, fetched.tag()).await;
    assert_eq!((again.status, again.header("walcast-offset")), (304, Some(offset)));
    let mut second = sockets.connect(&server, "ben", "websocket").await;
    let ack = second.subscribe(json!({ "entityType": "page", "entityId": "1", "since": offset })).await;
    assert_eq!(ack["resumed"], true, "{ack}");
    assert_eq!(second.expect("component:updated").await["updates"]["name"], "after");

    cluster.sql(&format!("SELECT pg_cancel_backend({pid})")).await;
    committing.await.expect("no panic").expect("it is committed, if only here");
    let after = fetch(&server, PAGE_1).await;
    assert!(after.header("walcast-offset") >= Some(told.as_str()), "{after:?}");
    assert_ne!(after.tag(), before.tag());
}
