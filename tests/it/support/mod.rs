//! What tests stand on: a database of their own, a server under test, stock clients.

pub mod behind;
mod browser;
mod client;
mod cluster;
pub mod connection;
mod database;
mod development;
mod http;
mod network;
mod proxy;
mod psql;
mod reader;
mod screen;
mod server;
mod sockets;
mod stage;
pub mod websocket;

use std::time::Duration;

pub use browser::{Browser, Page};
pub use client::{Client, is_passed_over, users};
pub use cluster::{Cluster, plugins};
pub use connection::{Connection, Poller};
pub use database::Database;
pub use development::Development;
pub use http::{post, request};
pub use network::{Flow, Network};
pub use proxy::Proxy;
pub use psql::{psql, script};
pub use reader::{Reader, inserted};
pub use screen::Screen;
pub use server::{Server, walcast};
pub use sockets::Sockets;
pub use stage::Stage;
pub use websocket::WebSocket;

/// The secret that tokens of the tests are signed with.
pub const SECRET: &str = "the secret of the integration tests";

/// How long a test waits for something that is bound to come. No promise rests on it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A token for a user.
pub fn token(user: &str) -> String {
    token_until(user, None)
}

/// One that expires so many seconds from now, or did so long ago where they are negative.
pub fn token_for(user: &str, seconds: i64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    token_until(user, Some(now.saturating_add_signed(seconds)))
}

/// One by which the user has another email.
pub fn token_with_email(user: &str, email: &str) -> String {
    signed(user, email, None)
}

fn token_until(user: &str, exp: Option<u64>) -> String {
    signed(user, &format!("{user}@example.com"), exp)
}

fn signed(user: &str, email: &str, exp: Option<u64>) -> String {
    let claims = walcast::auth::Claims { user_id: user.to_owned(), email: Some(email.to_owned()), role: None, exp };
    walcast::auth::sign(&claims, SECRET).expect("signs")
}

/// The columns that a write named, of all that an update of a component tells: not those that the database keeps.
pub fn named(updates: &serde_json::Value) -> serde_json::Value {
    let mut updates = updates.clone();
    for kept in ["version", "updated_at"] {
        assert!(updates.as_object_mut().expect("an object").remove(kept).is_some(), "{updates} without {kept}");
    }
    updates
}

/// Waits for what must come, with its name for the failure.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come within {PATIENCE:?}"),
    }
}
