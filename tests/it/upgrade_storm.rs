//! Many stock clients go over from polling to their WebSockets at once while events are published: each hears every event
//! after the offset of its ack, in order, once.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use crate::support::{Database, Server, token, within};

const CLIENTS: usize = 200;
const EVENTS: usize = 5_000;
/// What a client does that publishes more: it subscribes, and it goes over.
const STEPS: usize = 2 * CLIENTS;

#[tokio::test]
async fn each_of_200_clients_that_upgrade_under_load_hears_every_event_in_order_once() {
    let database = Database::new().await;
    // What one process of 200 clients does not read at once is to wait: this is not about slow clients.
    let id = database.component("c", "[]").await;
    database.free_versions().await;
    database.sql("UPDATE components SET version = 0").await;
    let server = Server::start_with(&database, &["--outbox-bytes", "64MiB", "--stall-timeout", "5m"]).await;
    let order = json!({
        "url": server.url(), "token": token("ann"), "clients": CLIENTS,
        "ids": { "componentId": id }, "count": EVENTS,
    });
    let mut storm = Command::new("node")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/js/storm.mjs"))
        .arg(order.to_string())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("node runs");
    let mut said = BufReader::new(storm.stdout.take().expect("piped")).lines();

    let (mut steps, mut published, mut heard) = (0, 0, 0);
    loop {
        let line = within("a word of the clients", said.next_line()).await.expect("reads").expect("they live");
        let line: Value = serde_json::from_str(&line).expect("JSON");
        if line["done"].is_object() {
            assert_eq!(line["done"]["problems"], json!([]));
            // Without these it would be no storm. A client in four goes over when it likes.
            for what in ["polled", "late"] {
                let count = line["done"][what].as_u64().expect("a number");
                assert!(count >= CLIENTS as u64 * 3 / 4, "{what}: {count}");
            }
            return;
        }
        steps += usize::from(line["step"].is_string());
        heard = line["heard"].as_u64().unwrap_or(heard);
        let due = EVENTS * steps / STEPS + usize::from(line["all"] == true);
        // More only when the last came through: one process of so many clients must find the time to upgrade, too.
        if due > published && heard == published as u64 {
            publish(&database, &id, published + 1, due).await;
            published = due;
        }
    }
}

/// One transaction for each event.
async fn publish(database: &Database, id: &str, from: usize, to: usize) {
    database
        .sql(&format!(
            "DO $$ BEGIN FOR n IN {from}..{to} LOOP UPDATE components SET version = n WHERE id = '{id}'; COMMIT; END LOOP; END $$"
        ))
        .await;
}
