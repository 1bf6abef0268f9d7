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
async fn nobody_is_told_to_stand_behind_what_is_held_back() {
    let (database, server, sockets) = scene(60_000, &["--replay-window", "10s"]).await;
    let (mut hot, mut cold) =
        tokio::join!(sockets.connect(&server, "hot", "websocket"), sockets.connect(&server, "cold", "websocket"));
    hot.catch_up(&database).await;
    let ids = json!({ "id": 1 });
    let ack = hot.request("hot:subscribe", ids.clone()).await;
    assert_eq!(cold.request("cold:subscribe", ids.clone()).await["ok"], true);
    database.sql("UPDATE hot_rows SET a = 1 WHERE id = 1").await;
    hot.until("hot:updated").await;
    database.sql("UPDATE hot_rows SET a = 2 WHERE id = 1").await;
    cold.catch_up(&database).await;
    // The first it was told when it came; between the others all are told where they stand.
    for _ in 0..3 {
        cold.until("walcast:position").await;
    }
    let mut since = ack["offset"].clone();
    hot.order(json!({ "do": "disconnect" })).await.expect("it leaves");
    loop {
        let (event, mut told) = hot.next_of_all().await;
        match event.as_str() {
            "walcast:position" => since = told[0]["offset"].take(),
            "disconnect" => break,
            event => assert_ne!(event, "hot:updated", "it is held back"),
        }
    }
    // Whoever comes back by that has not had it yet.
    let mut back = sockets.connect(&server, "back", "websocket").await;
    assert_eq!(back.request("hot:subscribe", json!({ "id": 1, "since": since })).await["resumed"], true);
    while back.until("hot:updated").await[0]["updates"]["a"] != 2 {}
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

#[tokio::test]
async fn who_leaves_has_heard_what_happened_while_it_was_there() {
    let (database, server, sockets) = scene(600_000, &[]).await;
    let mut client = sockets.connect(&server, "ann", "websocket").await;
    let mut other = sockets.connect(&server, "bob", "websocket").await;
    client.catch_up(&database).await;
    let (hot, cold) = (json!({ "hotId": 1 }), json!({ "coldId": 1 }));
    assert_eq!(client.request("hot:subscribe", hot.clone()).await["ok"], true);
    assert_eq!(client.request("cold:subscribe", cold).await["ok"], true);
    database.sql("UPDATE hot_rows SET a = 1 WHERE id = 1; UPDATE hot_rows SET a = 2 WHERE id = 1").await;
    assert_eq!(client.expect("hot:updated").await["updates"], json!({ "a": 1 }));
    // The second was dispatched, and is held back.
    other.catch_up(&database).await;
    assert_eq!(client.request("hot:unsubscribe", hot.clone()).await["ok"], true);
    let before: Vec<_> = client.received().into_iter().map(|(event, told)| (event, told["updates"].clone())).collect();
    assert_eq!(before, [("hot:updated".to_owned(), json!({ "a": 2 }))], "before the answer");
    // So an offset that it hears elsewhere holds for what it left, too.
    database.sql("UPDATE cold_rows SET a = 1 WHERE id = 1").await;
    let since = client.expect("cold:updated").await["offset"].clone();
    let ack = client.request("hot:subscribe", json!({ "hotId": 1, "since": since })).await;
    assert_eq!((&ack["ok"], &ack["resumed"]), (&json!(true), &json!(true)));
    database.sql("UPDATE cold_rows SET a = 2 WHERE id = 1").await;
    client.expect("cold:updated").await;
}

#[tokio::test]
async fn who_leaves_and_comes_again_by_its_offset_misses_nothing_and_hears_nothing_twice() {
    let (database, server, sockets) = scene(60, &[]).await;
    let page = ("hot", json!({ "entityType": "page", "entityId": "1" }));
    let row = |prefix: &'static str, id: u32| (prefix, json!({ "id": id }));
    let mut pages = Vec::new();
    for (stays_in, comes_and_goes) in [
        (vec![], vec![row("hot", 1), row("hot", 2), row("cold", 1), row("cold", 2)]),
        (vec![], vec![page.clone()]),
        (vec![page], vec![row("hot", 1), row("cold", 2)]),
    ] {
        let mut client = sockets.connect(&server, "ann", "websocket").await;
        client.catch_up(&database).await;
        pages.push(Page::open(client, stays_in, comes_and_goes).await);
    }
    let mut random = StdRng::seed_from_u64(11);
    for step in 1..=600 {
        if random.random_bool(0.5) {
            let table = ["hot_rows", "hot_rows", "hot_rows", "cold_rows"][random.random_range(0..4)];
            let (column, id) = (["a", "b"][random.random_range(0..2)], random.random_range(1..=2));
            database.sql(&format!("UPDATE {table} SET {column} = {step} WHERE id = {id}")).await;
        } else {
            let page = &mut pages[random.random_range(0..3)];
            page.comes_or_goes(random.random_range(0..page.rooms.len())).await;
        }
        if step % 100 == 0 {
            let mark = format!("UPDATE cold_rows SET b = -{step} WHERE id = 2");
            let rows = "SELECT jsonb_object_agg(name, row) FROM \
                        (SELECT 'hot ' || id AS name, jsonb_build_object('a', a, 'b', b) AS row FROM hot_rows WHERE id < 3 \
                         UNION ALL SELECT 'cold ' || id, jsonb_build_object('a', a, 'b', b) FROM cold_rows WHERE id < 3) r";
            for page in &mut pages {
                page.is_in_all().await;
            }
            database.sql(&mark).await;
            let truth: Value = database.value(rows).await;
            for (nth, page) in pages.iter_mut().enumerate() {
                page.hears("cold 2", -step).await;
                for (name, row) in truth.as_object().expect("rows") {
                    let untouched = json!({ "a": 0, "b": 0 });
                    assert_eq!(page.rows.get(name).unwrap_or(&untouched), row, "{name} of {nth} after {step} steps");
                }
            }
        }
    }
}

/// What one connection shows of the rows, by what it is told alone.
struct Page {
    client: Client,
    /// Into which it comes and from which it goes; with the offset to come back by, where it is not in.
    rooms: Vec<((&'static str, Value), Option<String>)>,
    rows: BTreeMap<String, Value>,
    /// The last of each row.
    offsets: BTreeMap<String, String>,
    /// The last of all.
    offset: String,
}

impl Page {
    async fn open(
        client: Client,
        stays_in: Vec<(&'static str, Value)>,
        comes_and_goes: Vec<(&'static str, Value)>,
    ) -> Page {
        let mut offset = String::new();
        for (prefix, ids) in stays_in.iter().chain(&comes_and_goes) {
            let ack = client.request(&format!("{prefix}:subscribe"), ids.clone()).await;
            offset = ack["offset"].as_str().expect("an offset").to_owned();
        }
        let rooms = comes_and_goes.into_iter().map(|room| (room, None)).collect();
        Page { client, rooms, rows: BTreeMap::new(), offsets: BTreeMap::new(), offset }
    }

    /// Leaves a room, or comes into it again by the offset that it had when it left.
    async fn comes_or_goes(&mut self, nth: usize) {
        let ((prefix, mut ids), left) = self.rooms[nth].clone();
        if let Some(since) = left {
            ids["since"] = since.into();
            let ack = self.client.request(&format!("{prefix}:subscribe"), ids).await;
            assert_eq!((&ack["ok"], &ack["resumed"]), (&json!(true), &json!(true)), "{ack}");
            self.rooms[nth].1 = None;
        } else {
            assert_eq!(self.client.request(&format!("{prefix}:unsubscribe"), ids).await["ok"], true);
            self.client.received().into_iter().for_each(|told| self.take(told));
            self.rooms[nth].1 = Some(self.offset.clone());
        }
    }

    async fn is_in_all(&mut self) {
        for nth in 0..self.rooms.len() {
            if self.rooms[nth].1.is_some() {
                self.comes_or_goes(nth).await;
            }
        }
    }

    /// Until `b` of a row is this.
    async fn hears(&mut self, name: &str, b: i32) {
        while self.rows.get(name).is_none_or(|row| row["b"] != b) {
            let told = self.client.next().await;
            self.take(told);
        }
    }

    fn take(&mut self, (event, told): (String, Value)) {
        let prefix = event.strip_suffix(":updated").unwrap_or_else(|| panic!("{event} {told}"));
        let (name, offset) =
            (format!("{prefix} {}", told[format!("{prefix}Id")]), told["offset"].as_str().expect("one"));
        let before = self.offsets.insert(name.clone(), offset.to_owned());
        assert!(before.is_none_or(|before| *before < *offset), "{name} again, or older: {told}");
        self.offset = offset.max(&self.offset).to_owned();
        let row = self.rows.entry(name).or_insert_with(|| json!({ "a": 0, "b": 0 }));
        for (column, value) in told["updates"].as_object().expect("updates") {
            row[column] = value.clone();
        }
    }
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
