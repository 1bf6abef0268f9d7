//! Clients that write by sockets beside others that write by SQL: a replica built of nothing but a client's own acks and
//! the events that it received is the table.

use std::collections::BTreeMap;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Map, Value, json};

use super::ROWS;
use crate::support::{Client, Database, Server, Sockets, plugins};

const CLIENTS: u64 = 4;
/// The last component that each creates stays.
const ROUNDS: usize = 45;

/// What became of one version of one component.
#[derive(Default)]
struct Step {
    /// A write of the client's own, with its ack.
    own: Option<(String, Value, Value)>,
    events: Vec<(String, Value)>,
}

/// What one client knows, by component and version.
#[derive(Default)]
struct Replica {
    steps: BTreeMap<String, BTreeMap<u64, Step>>,
    deleted: Vec<String>,
}

impl Replica {
    fn acked(&mut self, event: &str, payload: &Value, ack: &Value) {
        let (Some(id), Some(version)) = (payload["componentId"].as_str(), ack["version"].as_u64()) else { return };
        let step = self.steps.entry(id.to_owned()).or_default().entry(version).or_default();
        let before = step.own.replace((event.to_owned(), payload.clone(), ack.clone()));
        assert!(before.is_none(), "two writes of version {version}");
    }

    fn heard(&mut self, event: &str, payload: &Value) {
        let id = payload["componentId"].as_str().expect("an id").to_owned();
        if event == "component:deleted" {
            return self.deleted.push(id);
        }
        let version = payload["version"].as_u64().expect("a version");
        let step = self.steps.entry(id).or_default().entry(version).or_default();
        step.events.push((event.to_owned(), payload.clone()));
    }

    /// The components as they must be now.
    fn components(self) -> BTreeMap<String, Value> {
        let mut components = BTreeMap::new();
        for (id, steps) in self.steps.into_iter().filter(|(id, _)| !self.deleted.contains(id)) {
            let mut component = Value::Null;
            for ((version, step), expected) in steps.into_iter().zip(1..) {
                assert_eq!(version, expected, "a version of {id} was not heard of");
                step.apply(&mut component);
            }
            components.insert(id, component);
        }
        components
    }
}

impl Step {
    fn apply(self, component: &mut Value) {
        let mut has_own_rows = false;
        if let Some((event, payload, ack)) = &self.own {
            match event.as_str() {
                "component:update" => {
                    has_own_rows = payload["updates"].get("rows").is_some();
                    assign(component, &payload["updates"]);
                }
                "component:nested-update" => nested(component, payload, |list, at| {
                    merge(&mut list[at.expect("it is there")], &payload["updates"]);
                }),
                // Those are told to everyone.
                "component:nested-create" | "component:nested-delete" => {}
                other => panic!("{other} has no version"),
            }
            assign(component, &ack["updates"]);
        }
        for (event, payload) in self.events {
            match event.as_str() {
                "component:created" => *component = payload["component"].clone(),
                "component:updated" => assign(component, &payload["updates"]),
                // Its own new rows hold them already.
                _ if has_own_rows => {}
                "component:nested-created" => nested(component, &payload, |list, _| {
                    list.push(payload["nestedComponent"].clone());
                }),
                "component:nested-updated" => nested(component, &payload, |list, at| {
                    merge(&mut list[at.expect("it is there")], &payload["updates"]);
                }),
                "component:nested-deleted" => nested(component, &payload, |list, at| {
                    list.remove(at.expect("it is there"));
                }),
                other => panic!("{other}: {payload}"),
            }
        }
    }
}

fn assign(to: &mut Value, updates: &Value) {
    let updates = updates.as_object().cloned().unwrap_or_default();
    to.as_object_mut().expect("a component").extend(updates);
}

fn merge(nested: &mut Value, updates: &Value) {
    let nested = nested.as_object_mut().expect("a nested component");
    for (key, value) in updates.as_object().expect("updates") {
        if value.is_null() {
            nested.remove(key)
        } else {
            nested.insert(key.clone(), value.clone())
        };
    }
}

/// The nested components of the row that a payload names, and where among them the one is that it names.
fn nested(component: &mut Value, payload: &Value, edit: impl FnOnce(&mut Vec<Value>, Option<usize>)) {
    let rows = component["rows"].as_array_mut().expect("rows");
    let row = rows.iter_mut().find(|row| row["id"] == payload["rowId"]).expect("the row");
    let row = row.as_object_mut().expect("a row");
    let list = row.entry("components").or_insert_with(|| json!([])).as_array_mut().expect("a list");
    let at = list.iter().position(|nested| nested["id"] == payload["nestedComponentId"]);
    edit(list, at);
}

/// Some write of some component, perhaps one that is refused.
fn write(rng: &mut StdRng, ids: &[String], n: usize) -> (&'static str, Value) {
    let id = &ids[rng.random_range(0..ids.len())];
    let row = ["r1", "r2"][rng.random_range(0..2)];
    let one = ["n1", "n2", "n3"][rng.random_range(0..3)];
    let place = |more: Value| {
        let mut payload = json!({ "componentId": id, "rowId": row });
        payload.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        payload
    };
    match rng.random_range(0..10) {
        0..3 => (
            "component:update",
            json!({ "componentId": id, "updates": { "name": format!("name {n}"), "data": { "n": n } } }),
        ),
        3 => (
            "component:update",
            json!({ "componentId": id, "updates": { "type": "other" }, "version": rng.random_range(1..200) }),
        ),
        4 => {
            let rows = json!([
                { "id": "r1", "components": [{ "id": "n1", "set": n }, { "id": "n3" }] },
                { "id": "r2", "components": [{ "id": "n2", "text": "again" }] },
            ]);
            ("component:update", json!({ "componentId": id, "updates": { "rows": rows, "name": "rows" } }))
        }
        5..7 => {
            let key = format!("k{}", rng.random_range(0..4));
            let value = if rng.random_bool(0.3) { Value::Null } else { json!(n) };
            (
                "component:nested-update",
                place(json!({ "nestedComponentId": one, "updates": Map::from_iter([(key, value)]) })),
            )
        }
        7..9 => ("component:nested-create", place(json!({ "nestedComponent": { "id": one, "made": n } }))),
        _ => ("component:nested-delete", place(json!({ "nestedComponentId": one }))),
    }
}

async fn edit(client: &Client, seed: u64, mut ids: Vec<String>) -> Replica {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut replica = Replica::default();
    for n in 0..ROUNDS {
        if n % 10 == 3 {
            let component = json!({ "type": "text", "name": format!("of {seed}"), "rows": serde_json::from_str::<Value>(ROWS).expect("rows") });
            let ack = client
                .request("component:create", json!({ "entityType": "page", "entityId": "1", "component": component }))
                .await;
            ids.push(ack["componentId"].as_str().unwrap_or_else(|| panic!("{ack}")).to_owned());
        } else if n % 10 == 8 {
            let own = ids.pop().expect("its own");
            let ack = client.request("component:delete", json!({ "componentId": own })).await;
            assert_eq!(ack["ok"], true, "{ack}");
        } else {
            // Several of one kind without waiting for each other.
            let (event, first) = write(&mut rng, &ids, n);
            let mut payloads = vec![first];
            for more in 0..rng.random_range(0..4) {
                let (other, payload) = write(&mut rng, &ids, n * 100 + more);
                payloads.extend((other == event).then_some(payload));
            }
            let acks = client.requests(event, payloads.clone()).await;
            for (payload, ack) in payloads.iter().zip(&acks) {
                let code = ack["error"]["code"].as_str().unwrap_or("ok");
                assert!(["ok", "not_found", "conflict", "invalid_payload"].contains(&code), "{event} {payload}: {ack}");
                replica.acked(event, payload, ack);
            }
        }
    }
    replica
}

async fn edit_by_sql(database: &Database, ids: &[String]) {
    let client = database.connect().await;
    let mut rng = StdRng::seed_from_u64(99);
    for n in 0..2 * ROUNDS {
        let id = &ids[rng.random_range(0..ids.len())];
        let statement = match rng.random_range(0..3) {
            0 => format!("UPDATE components SET name = 'sql {n}', version = 7, updated_by = 'sql' WHERE id = '{id}'"),
            1 => format!("UPDATE components SET rows = jsonb_set(rows, '{{1,mark}}', '{n}') WHERE id = '{id}'"),
            _ => format!(
                "DO $$ BEGIN PERFORM walcast.set_actor('sql'), walcast.nested_update('{id}', 'r1', 'n1', '{{\"sql\": {n}}}'); \
                 EXCEPTION WHEN no_data_found THEN NULL; END $$"
            ),
        };
        client.batch_execute(&statement).await.expect("writes");
    }
}

#[tokio::test]
async fn every_replica_equals_the_table() {
    for plugin in plugins() {
        let database = Database::new().await;
        let server = Server::start_with(&database, &["--plugin", &plugin.to_string()]).await;
        let sockets = Sockets::start().await;
        let mut clients = Vec::new();
        for n in 0..CLIENTS {
            let transport = if n == 3 { "polling" } else { "websocket" };
            let client = sockets.connect(&server, &format!("user {n}"), transport).await;
            client.subscribe(json!({ "entityType": "page", "entityId": "1" })).await;
            clients.push(client);
        }
        let ids = [database.component("a", ROWS).await, database.component("b", ROWS).await];
        let edits = clients.iter().zip(0..).map(|(client, seed)| edit(client, seed, ids.to_vec()));
        let mut edits: Vec<_> = edits.map(Box::pin).collect();
        let (a, b) = edits.split_at_mut(2);
        let ([a0, a1], [b0, b1]) = (a, b) else { panic!("four clients") };
        let (w, x, y, z, ()) = tokio::join!(a0, a1, b0, b1, edit_by_sql(&database, &ids));
        drop(edits);
        database.sql("INSERT INTO components (entity_type, entity_id, type) VALUES ('page', '1', 'mark')").await;

        database.sql("SET timezone = 'UTC'").await;
        let table: Value = database
            .value(
                "SELECT jsonb_object_agg(id, to_jsonb(c) || jsonb_build_object('created_at', format('%s', created_at), \
                 'updated_at', format('%s', updated_at))) FROM components c WHERE type <> 'mark'",
            )
            .await;
        let table: BTreeMap<String, Value> = serde_json::from_value(table).expect("rows by id");
        assert!(table.len() > 2);
        for (client, mut replica) in clients.iter_mut().zip([w, x, y, z]) {
            loop {
                let (event, payload) = client.next().await;
                if payload["component"]["type"] == "mark" {
                    break;
                }
                replica.heard(&event, &payload);
            }
            assert_eq!(replica.components(), table);
        }
    }
}
