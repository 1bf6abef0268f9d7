//! Rows of a table whose rule has `throttle_ms`: their updates are told as fewer, and whoever is told them misses nothing.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use crate::support::{Client, Database, Network, Server, Sockets, token};

/// Hot rows 1 to 3 and cold rows 1 to 3, all of one page.
async fn scene(throttle: u32, arguments: &[&str]) -> (Database, Server, Sockets) {
    let database = Database::new().await;
    database.sql("CREATE PUBLICATION walcast FOR TABLE walcast.rules, components").await;
    for (table, prefix, throttle) in
        [("hot_rows", "hot", format!(", throttle_ms => {throttle}")), ("cold_rows", "cold", String::new())]
    {
        let sql = format!(
            "CREATE TABLE {table} (id int PRIMARY KEY, page text NOT NULL DEFAULT '1', kind text NOT NULL DEFAULT 'page',
                                   a int NOT NULL DEFAULT 0, b int NOT NULL DEFAULT 0);
             ALTER TABLE {table} REPLICA IDENTITY FULL;
             INSERT INTO {table} (id) VALUES (1), (2), (3);
             ALTER PUBLICATION walcast ADD TABLE {table};
             SELECT walcast.broadcast_table('{table}', prefix => '{prefix}', entity => ARRAY['kind', 'page']{throttle});"
        );
        database.sql(&sql).await;
    }
    let server = Server::start_with(&database, arguments).await;
    (database, server, Sockets::start().await)
}

#[tokio::test]
async fn many_updates_of_a_row_are_told_as_few_and_the_last_value_wins() {
    let (database, server, sockets) = scene(500, &[]).await;
    let mut client = sockets.connect(&server, "ann", "websocket").await;
    client.catch_up(&database).await;
    assert_eq!(client.request("hot:subscribe", json!({ "hotId": 1 })).await["ok"], true);
    for n in 1..=100 {
        let column = if n % 2 == 0 { "a" } else { "b" };
        database.sql(&format!("UPDATE hot_rows SET {column} = {n} WHERE id = 1")).await;
    }
    let (mut row, mut told) = (json!({}), 0);
    while row != json!({ "a": 100, "b": 99 }) {
        let event = client.expect("hot:updated").await;
        told += 1;
        if told == 1 {
            assert_eq!(event["updates"], json!({ "b": 1 }), "the first is told at once");
        }
        for (column, value) in event["updates"].as_object().expect("updates") {
            row[column] = value.clone();
        }
    }
    assert!(told < 50, "{told} of 100");
}

#[tokio::test]
async fn nothing_overtakes_what_is_held_back_also_for_who_is_cut_off() {
    let (database, server, sockets) = scene(300, &[]).await;
    let network = Network::start(Some(server.address)).await;
    let options = json!({
        "transports": ["websocket"], "auth": { "token": token("ann") },
        "reconnection": true, "reconnectionDelay": 20, "reconnectionDelayMax": 50,
    });
    let order = json!({ "url": format!("http://{}", network.address), "options": options });
    // One that hears the page, and one that hears some rows by themselves.
    let mut clients = Vec::new();
    for rooms in [
        vec![("hot", json!({ "entityType": "page", "entityId": "1" }))],
        vec![("hot", json!({ "id": 1 })), ("hot", json!({ "id": 2 })), ("cold", json!({ "id": 1 }))],
    ] {
        let mut client = sockets.client(order.clone()).await.expect("connects");
        client.catch_up(&database).await;
        for (prefix, ids) in rooms {
            assert_eq!(client.request(&format!("{prefix}:subscribe"), ids).await["ok"], true);
        }
        clients.push(client);
    }
    let mut random = StdRng::seed_from_u64(7);
    for step in 1..=300 {
        let table = ["hot_rows", "hot_rows", "cold_rows"][random.random_range(0..3)];
        let (column, id) = (["a", "b"][random.random_range(0..2)], random.random_range(1..=3));
        database.sql(&format!("UPDATE {table} SET {column} = {step} WHERE id = {id}")).await;
        match step % 60 {
            0 => network.cut(),
            // Back by now, so that they hear something live before the next cut.
            30 if step > 60 => {
                let back = f64::from(2 * (step / 60));
                server.until_metric("walcast_recoveries_total{recovered=\"yes\"}", |count| count >= back).await;
            }
            _ => {}
        }
    }
    database.sql("UPDATE hot_rows SET a = -1, b = -1; UPDATE cold_rows SET a = -1, b = -1").await;
    for (client, rows) in clients.iter_mut().zip([6, 3]) {
        heard(client, rows).await;
    }
}

#[tokio::test]
async fn thousands_of_rows_that_are_held_back_are_told_once_they_are_due() {
    let (database, server, sockets) = scene(500, &["--room-cap", "100000"]).await;
    let mut client = sockets.connect(&server, "ann", "websocket").await;
    database.sql("INSERT INTO hot_rows (id) SELECT generate_series(4, 3000)").await;
    client.catch_up(&database).await;
    let page = json!({ "entityType": "page", "entityId": "1" });
    assert_eq!(client.request("hot:subscribe", page).await["ok"], true);
    for n in 1..=3 {
        database.sql(&format!("UPDATE hot_rows SET a = {n}")).await;
    }
    let mut rows = BTreeMap::new();
    while rows.len() < 3000 || rows.values().any(|a| *a != 3) {
        let event = client.expect("hot:updated").await;
        rows.insert(event["hotId"].as_u64().expect("an id"), event["updates"]["a"].as_u64().expect("a number"));
    }
}

#[tokio::test]
async fn what_is_held_back_does_not_come_behind_the_word_to_fetch_again() {
    let (database, server, sockets) = scene(400, &["--room-cap", "5"]).await;
    let mut client = sockets.connect(&server, "ann", "websocket").await;
    client.catch_up(&database).await;
    assert_eq!(client.request("hot:subscribe", json!({ "hotId": 1 })).await["ok"], true);
    let updates: String = (1..=8).map(|n| format!("UPDATE hot_rows SET a = {n} WHERE id = 1;")).collect();
    database.sql(&format!("BEGIN; {updates} COMMIT")).await;
    while client.next().await.0 != "hot:resync" {}
    // A fetch finds 8; an update to 5 would undo it. Whoever subscribes is sent what is held back.
    assert_eq!(client.request("cold:subscribe", json!({ "coldId": 1 })).await["ok"], true);
    assert_eq!(client.received(), []);
}

/// Keeps rows by what is told until so many have their last values. Offsets must rise on each connection.
async fn heard(client: &mut Client, count: usize) {
    let (mut rows, mut last): (BTreeMap<String, Value>, _) = (BTreeMap::new(), String::new());
    while rows.values().filter(|row| **row == json!({ "a": -1, "b": -1 })).count() < count {
        let (event, mut arguments) = client.next_of_all().await;
        match event.as_str() {
            "connect" => {
                assert_eq!(arguments[0], true, "it has recovered");
                last.clear();
            }
            "hot:updated" | "cold:updated" => {
                let payload = arguments.remove(0);
                let offset = payload["offset"].as_str().expect("an offset").to_owned();
                assert!(offset > last, "{offset} after {last}");
                last = offset;
                let prefix = event.split(':').next().expect("a prefix");
                let row =
                    rows.entry(format!("{prefix} {}", payload[format!("{prefix}Id")])).or_insert_with(|| json!({}));
                for (column, value) in payload["updates"].as_object().expect("updates") {
                    row[column] = value.clone();
                }
            }
            // Cut off again while it was coming back, it tries once more.
            "disconnect" | "connect_error" | "walcast:position" | "presence:roster" => {}
            other if other.ends_with("user-joined") || other.ends_with("user-left") => {}
            other => panic!("{other} {arguments:?}"),
        }
    }
}
