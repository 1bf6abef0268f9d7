//! What the database says, for replicas that have to fetch, and for the verdict.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, extract::Query, http::StatusCode, routing::get};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::{Client, NoTls};

/// How long a fetch waits for transactions that were about to commit.
const COMMITTING: Duration = Duration::from_secs(2);

/// The ids of a room.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase", untagged)]
pub enum Ids {
    #[serde(rename_all = "camelCase")]
    Component { component_id: String },
    #[serde(rename_all = "camelCase")]
    Entity { entity_type: String, entity_id: String },
}

impl Ids {
    pub fn component(id: &str) -> Ids {
        Ids::Component { component_id: id.to_owned() }
    }

    pub fn entity(entity_type: &str, entity_id: &str) -> Ids {
        Ids::Entity { entity_type: entity_type.to_owned(), entity_id: entity_id.to_owned() }
    }

    /// The rows of the room, as events write them.
    pub async fn select(&self, client: &Client) -> Result<String, tokio_postgres::Error> {
        const ROWS: &str = "SELECT coalesce(jsonb_agg(to_jsonb(c) || jsonb_build_object(
            'created_at', c.created_at::text, 'updated_at', c.updated_at::text)), '[]')::text FROM components c WHERE ";
        let row = match self {
            Ids::Component { component_id } => {
                client.query_one(&format!("{ROWS} id::text = $1"), &[component_id]).await?
            }
            Ids::Entity { entity_type, entity_id } => {
                client
                    .query_one(&format!("{ROWS} entity_type = $1 AND entity_id = $2"), &[entity_type, entity_id])
                    .await?
            }
        };
        Ok(row.get(0))
    }
}

pub async fn connect(dsn: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(dsn, NoTls).await?;
    tokio::spawn(connection);
    // As events write times.
    client.batch_execute("SET TimeZone = 'UTC'").await?;
    Ok(client)
}

/// Serves what a frontend would ask its backend for: the rows of a room.
pub async fn serve(dsn: String) -> SocketAddr {
    let router = Router::new().route(
        "/",
        get(move |Query(ids): Query<Ids>| {
            let dsn = dsn.clone();
            async move { fetch(&dsn, &ids).await.map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string())) }
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn fetch(dsn: &str, ids: &Ids) -> Result<String, tokio_postgres::Error> {
    let client = connect(dsn).await?;
    settle(&client).await?;
    ids.select(&client).await
}

/// A transaction is in the log, and may have been broadcast, a moment before other sessions see it: between the write of
/// its commit record and its end. What a socket was told just before it subscribed may thus be missing from a SELECT just
/// after. So whoever is running is waited for, though not for long, since none takes long over that step.
async fn settle(client: &Client) -> Result<(), tokio_postgres::Error> {
    let snapshot: String = client.query_one("SELECT pg_current_snapshot()::text", &[]).await?.get(0);
    let running = "SELECT EXISTS (SELECT pg_snapshot_xip($1::text::pg_snapshot)
                                  INTERSECT SELECT pg_snapshot_xip(pg_current_snapshot()))";
    let deadline = tokio::time::Instant::now() + COMMITTING;
    while tokio::time::Instant::now() < deadline && client.query_one(running, &[&snapshot]).await?.get(0) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// What a replica holds of a room against what the database says. Columns that begin with `extra` come and go by DDL,
/// which no event tells: where both have one, they must agree.
pub fn differences(held: &[Value], truth: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    let id = |row: &Value| row["id"].as_str().unwrap_or_default().to_owned();
    for row in truth {
        match held.iter().find(|other| other["id"] == row["id"]) {
            None => found.push(format!("{} is missing", id(row))),
            Some(other) => found.extend(columns(other, row).into_iter().map(|text| format!("{}: {text}", id(row)))),
        }
    }
    let surplus = held.iter().filter(|row| !truth.iter().any(|other| other["id"] == row["id"]));
    found.extend(surplus.map(|row| format!("{} is held and gone", id(row))));
    found
}

fn columns(held: &Value, truth: &Value) -> Vec<String> {
    let (Some(held), Some(truth)) = (held.as_object(), truth.as_object()) else { return vec!["no row".to_owned()] };
    let mut names: Vec<&String> = held.keys().chain(truth.keys().filter(|name| !held.contains_key(*name))).collect();
    names.sort();
    let differ = |name: &&&String| match (held.get(**name), truth.get(**name)) {
        (Some(held), Some(truth)) => held != truth,
        _ => !name.starts_with("extra"),
    };
    let tell = |name: &String| {
        let text = |row: &serde_json::Map<String, Value>| {
            row.get(name).map_or("nothing".to_owned(), |value| value.to_string().chars().take(200).collect())
        };
        format!("{name} is held as {} and is {}", text(held), text(truth))
    };
    names.iter().filter(differ).map(|name| tell(name)).collect()
}
