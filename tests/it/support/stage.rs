//! A published schema, a server, and one stock client that follows rows: what it is told of writes, in short.

use serde_json::{Value, json};

use super::{Client, Database, Server, Sockets};

pub struct Stage {
    pub database: Database,
    pub publication: String,
    pub server: Server,
    client: Client,
    _sockets: Sockets,
    markers: u32,
}

impl Stage {
    /// `setup` is SQL; `tables` follows `FOR TABLE walcast.rules, components` in the publication, options included.
    pub async fn new(plugin: &str, setup: &str, tables: &str) -> Stage {
        let database = Database::new().await;
        database.sql(setup).await;
        let publication = format!("p_{}", database.name);
        database.sql(&format!("CREATE PUBLICATION {publication} FOR TABLE walcast.rules, components{tables}")).await;
        let server = Server::start_with(&database, &["--plugin", plugin, "--publication", &publication]).await;
        let sockets = Sockets::start().await;
        let client = sockets.connect(&server, "reader", "websocket").await;
        client.subscribe(json!({ "entityType": "marker", "entityId": "1" })).await;
        Stage { database, publication, server, client, _sockets: sockets, markers: 0 }
    }

    /// Follows rows under a prefix.
    pub async fn follow<const N: usize>(&self, prefix: &str, ids: [impl Into<Value>; N]) {
        for id in ids {
            let ack = self.client.request(&format!("{prefix}:subscribe"), json!({ "id": id.into() })).await;
            assert_eq!(ack["ok"], true, "{ack}");
        }
    }

    /// Follows what belongs to an entity.
    pub async fn follow_entity(&self, kind: &str, id: &str) {
        self.client.subscribe(json!({ "entityType": kind, "entityId": id })).await;
    }

    /// Follows a table; the name of the subscription.
    pub async fn follow_table(&self, payload: Value) -> String {
        let ack = self.request("changes:subscribe", payload).await;
        assert_eq!(ack["ok"], true, "{ack}");
        ack["subscription"].as_str().expect("a name").to_owned()
    }

    pub async fn request(&self, event: &str, payload: Value) -> Value {
        self.client.request(event, payload).await
    }

    /// Runs the statements, each text as one transaction, and waits for all that it is told of them:
    /// `orders:updated 1 {"status":"sent"}`, `orders:resync 1 truncate`. What one event tells in several rooms is sorted.
    pub async fn told<const N: usize>(&mut self, writes: [&str; N]) -> Vec<String> {
        for write in writes {
            self.database.sql(write).await;
        }
        self.markers += 1;
        let name = format!("marker {}", self.markers);
        let marker = "INSERT INTO components (entity_type, entity_id, type, name) VALUES ('marker', '1', 'marker'";
        self.database.sql(&format!("{marker}, '{name}')")).await;
        let mut told: Vec<(String, String)> = Vec::new();
        loop {
            let (event, payload) = self.client.next().await;
            if payload["component"]["name"] == name.as_str() {
                break;
            }
            let offset = payload["offset"].as_str().expect("an offset").to_owned();
            assert!(told.last().is_none_or(|(before, _)| *before <= offset), "{event} {payload} goes back");
            told.push((offset, in_short(&event, &payload)));
        }
        told.sort();
        told.into_iter().map(|(_, line)| line).collect()
    }

    /// Ends the server's connection, and waits until it streams again: then it has read the publication again.
    pub async fn reconnect(&self) {
        let slot = &self.database.name;
        let pid = format!("SELECT active_pid FROM pg_replication_slots WHERE slot_name = '{slot}'");
        let before: i32 = self.database.value(&pid).await;
        self.database.sql(&format!("SELECT pg_terminate_backend({before})")).await;
        super::within("another connection", async {
            // Postgres tells nobody when a slot is taken up, so it is asked.
            while self.database.value::<Option<i32>>(&pid).await.is_none_or(|now| now == before) {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// How often the server's log says something.
    pub fn logged(&self, text: &str) -> usize {
        self.server.log().iter().filter(|line| line.to_string().contains(text)).count()
    }
}

fn in_short(event: &str, payload: &Value) -> String {
    if event == "changes:changed" {
        return change_in_short(payload);
    }
    let (prefix, what) = event.rsplit_once(':').expect("a prefix");
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let id = match (payload.get("id"), payload.get(format!("{prefix}Id"))) {
        (Some(id), _) | (None, Some(id)) => text(id),
        (None, None) if prefix == "changes" => text(&payload["table"]),
        (None, None) => format!("{}/{}", text(&payload["entityType"]), text(&payload["entityId"])),
    };
    let more = match what {
        "created" => payload.get("record").or_else(|| payload.get(prefix)),
        "updated" => payload.get("updates"),
        _ => payload.get("reason"),
    };
    more.map_or_else(|| format!("{event} {id}"), |more| format!("{event} {id} {}", text(more)))
}

/// `enter 1 {"id":1,"status":"open"} {"status":"open"}`: the record, then the updates.
fn change_in_short(payload: &Value) -> String {
    let what = payload["event"].as_str().expect("what was done");
    let mut line = format!("{what} {}", payload["id"]);
    for member in ["record", "updates", "previousId"].into_iter().filter_map(|member| payload.get(member)) {
        line.push(' ');
        line += &member.to_string();
    }
    if payload["undecided"] == true {
        line += " undecided";
    }
    line
}
