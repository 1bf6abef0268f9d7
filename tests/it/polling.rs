//! Rows over HTTP, for who polls.

mod contract;
mod joining;
mod refusals;
mod tags;
mod values;

use serde_json::Value;

use crate::support::{Database, Server, request, token};

/// An answer of the API.
#[derive(Debug)]
struct Fetched {
    status: u16,
    head: String,
    body: String,
}

impl Fetched {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn tag(&self) -> &str {
        self.header("etag").unwrap_or_else(|| panic!("{self:?}"))
    }

    fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A member of each of the rows.
    fn all(&self, member: &str) -> Vec<Value> {
        let body = self.json();
        assert_eq!((self.status, &body["ok"]), (200, &Value::Bool(true)), "{body}");
        body["rows"].as_array().expect("rows").iter().map(|row| row[member].clone()).collect()
    }

    fn code(&self) -> (u16, String) {
        let body = self.json();
        assert_eq!(body["ok"], false, "{body}");
        assert!(body["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
        (self.status, body["error"]["code"].as_str().expect("a code").to_owned())
    }
}

async fn fetch_as(server: &Server, method: &str, path: &str, headers: &[&str]) -> Fetched {
    let bearer = format!("Authorization: Bearer {}", token("ann"));
    let headers: Vec<&str> = headers.iter().copied().chain([bearer.as_str()]).collect();
    let (status, head, body) = request(server.address, method, path, &headers).await;
    Fetched { status, head, body }
}

async fn fetch(server: &Server, path: &str) -> Fetched {
    fetch_as(server, "GET", path, &[]).await
}

/// The same, where the client holds what has a tag.
async fn poll(server: &Server, path: &str, tag: &str) -> Fetched {
    fetch_as(server, "GET", path, &[&format!("If-None-Match: {tag}")]).await
}

/// A server on a database with tables of its own, published as it is said.
async fn serve(setup: &str, publication: &str) -> (Database, Server) {
    let database = Database::new().await;
    database.sql(setup).await;
    let name = format!("p_{}", database.name);
    database.sql(&format!("CREATE PUBLICATION {name} FOR TABLE walcast.rules{publication}")).await;
    let server = Server::start_with(&database, &["--publication", &name]).await;
    (database, server)
}

const PAGE_1: &str = "/api/components?entityType=page&entityId=1";
