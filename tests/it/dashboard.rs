//! The dashboard: who is let in, what it is told, what it shows of events; and the page, in a real Chromium.

mod development;
mod inspector;
mod page;
mod screen;

use serde_json::{Value, json};
use walcast::auth::sign_json;

use crate::support::{Client, Database, SECRET, Server, Sockets, token, walcast};

/// A token with more claims than its bearer.
fn token_with(claims: &Value) -> String {
    let mut all = json!({ "userId": "ops", "email": "ops@example.com" });
    let members = claims.as_object().expect("an object").clone();
    all.as_object_mut().expect("an object").extend(members);
    sign_json(&all, SECRET).expect("signs")
}

fn admin() -> String {
    token_with(&json!({ "admin": true }))
}

/// A client in the namespace, with a token or without; `Err` is the message of its `connect_error`.
async fn look_with(sockets: &Sockets, server: &Server, token: &str) -> Result<Client, String> {
    let options = json!({ "transports": ["websocket"], "auth": { "token": token } });
    sockets.client(json!({ "url": format!("{}/dashboard", server.url()), "options": options })).await
}

async fn look(sockets: &Sockets, server: &Server) -> Client {
    look_with(sockets, server, &admin()).await.expect("an admin is let in")
}

/// The first snapshot that is as it should be.
async fn snapshot(client: &mut Client, is_it: impl Fn(&Value) -> bool) -> Value {
    loop {
        let snapshot = client.until("snapshot").await.remove(0);
        if is_it(&snapshot) {
            return snapshot;
        }
    }
}

#[tokio::test]
async fn only_an_admin_is_let_in() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let sockets = Sockets::start().await;
    let expired = token_with(&json!({ "admin": true, "exp": 1_000_000 }));
    let foreign = sign_json(&json!({ "userId": "ops", "admin": true }), "another secret, long enough to sign with");
    for (token, refusal) in [
        ("", "Authentication error: No token provided"),
        (&token("ann"), "Authentication error: Not an admin"),
        (&token_with(&json!({ "admin": "true" })), "Authentication error: Not an admin"),
        (&token_with(&json!({ "app": { "admin": true } })), "Authentication error: Not an admin"),
        (&expired, "Authentication error: Invalid token"),
        (&foreign.expect("signs"), "Authentication error: Invalid token"),
    ] {
        assert_eq!(look_with(&sockets, &server, token).await.err().as_deref(), Some(refusal), "{token}");
    }
    look(&sockets, &server).await;
}

#[tokio::test]
async fn a_token_that_the_command_signs_for_an_admin_opens_it() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let sockets = Sockets::start().await;
    let sign = async |arguments: &[&str]| {
        let command = ["token", "--user", "ops", "--jwt-secret", SECRET];
        let output = walcast().args(command).args(arguments).output().await.expect("runs");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    };
    assert!(look_with(&sockets, &server, &sign(&[]).await).await.is_err());
    look_with(&sockets, &server, &sign(&["--admin"]).await).await.expect("it is let in");
}

#[tokio::test]
async fn who_is_an_admin_is_told_by_the_claim_that_is_set() {
    let database = Database::new().await;
    let server = Server::start_with(&database, &["--jwt-admin-claim", "app.operator"]).await;
    let sockets = Sockets::start().await;
    let refusal = look_with(&sockets, &server, &admin()).await.err();
    assert_eq!(refusal.as_deref(), Some("Authentication error: Not an admin"));
    let operator = token_with(&json!({ "app": { "operator": true } }));
    look_with(&sockets, &server, &operator).await.expect("it is let in");
}

#[tokio::test]
async fn guesses_count_against_their_address_until_nobody_there_is_heard() {
    let database = Database::new().await;
    let server = Server::start_with(&database, &["--trusted-proxies", "", "--failed-handshakes", "3/h"]).await;
    let sockets = Sockets::start().await;
    let expired = token_with(&json!({ "admin": true, "exp": 1_000_000 }));
    for token in [&expired, "guessed", &expired, &token("ann"), ""] {
        let refusal = look_with(&sockets, &server, token).await.err().unwrap_or_default();
        assert!(refusal.starts_with("Authentication error"), "{refusal}");
    }
    let refusal = look_with(&sockets, &server, &admin()).await.err();
    assert_eq!(refusal.as_deref(), Some("websocket error"), "who guessed is heard");
}

#[tokio::test]
async fn who_looks_is_sent_away_when_the_token_expires() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let sockets = Sockets::start().await;
    let soon = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs() + 2;
    let short = token_with(&json!({ "admin": true, "exp": soon }));
    let mut client = look_with(&sockets, &server, &short).await.expect("it is let in");
    assert_eq!(client.until("disconnect").await, [json!("io server disconnect")]);
}

#[tokio::test]
async fn a_snapshot_says_where_the_stream_stands_and_who_is_where() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let sockets = Sockets::start().await;
    let id = database.component("watched", "[]").await;
    let mut operator = look(&sockets, &server).await;
    let before = snapshot(&mut operator, |told| told["stream"].is_object() && told["hub"].is_object()).await;
    assert_eq!((&before["state"], &before["slot"]), (&json!("ready"), &json!(database.name)));
    assert_eq!(before["hub"]["rooms"], json!([]));

    let ann = sockets.connect(&server, "ann", "websocket").await;
    let bob = sockets.connect(&server, "bob", "polling").await;
    let again = sockets.connect(&server, "bob", "websocket").await;
    for client in [&ann, &bob, &again] {
        client.subscribe(json!({ "componentId": id })).await;
    }
    ann.subscribe(json!({ "entityType": "page", "entityId": "1" })).await;
    database.sql("UPDATE components SET name = 'told'").await;
    let after = snapshot(&mut operator, |told| {
        told["hub"]["rooms"][0]["sockets"] == 3
            && told["hub"]["rooms"].as_array().is_some_and(|rooms| rooms.len() == 2)
            && told["hub"]["position"] != before["hub"]["position"]
            && told["metrics"]["walcast_sockets"] == 3.0
    })
    .await;
    let busiest = &after["hub"]["rooms"][0];
    assert_eq!((&busiest["room"], &busiest["more"]), (&json!(format!("component:{id}")), &json!(false)));
    let mut users: Vec<&str> =
        busiest["users"].as_array().expect("users").iter().filter_map(|user| user["email"].as_str()).collect();
    users.sort_unstable();
    assert_eq!(users, ["ann@example.com", "bob@example.com"]);
    assert_eq!(after["stream"]["walStatus"], "reserved");
    assert!(after["stream"]["heldBytes"].as_u64().is_some_and(|bytes| bytes > 0), "{}", after["stream"]);
    assert!(after["metrics"]["walcast_events_total"].as_f64().is_some_and(|count| count > 0.0));
    for secret in [SECRET, &token("ann"), &database.dsn()] {
        assert!(!after.to_string().contains(secret), "a secret is told: {secret}");
    }
}

#[tokio::test]
async fn what_is_published_with_its_rule_and_what_the_doctor_finds() {
    let database = Database::new().await;
    database.sql("CREATE TABLE orders (id int PRIMARY KEY, secret text)").await;
    let publication = format!("p_{}", database.name);
    database.sql(&format!("CREATE PUBLICATION {publication} FOR TABLE walcast.rules, components, orders (id)")).await;
    let server = Server::start_with(&database, &["--publication", &publication]).await;
    let sockets = Sockets::start().await;
    let operator = look(&sockets, &server).await;
    let answer = operator.request("published", Value::Null).await;
    assert_eq!((&answer["ok"], &answer["data"]["publication"]), (&json!(true), &json!(publication)), "{answer}");
    let tables = &answer["data"]["tables"];
    assert_eq!((&tables[0]["table"], &tables[0]["prefix"]), (&json!("public.components"), &json!("component")));
    assert_eq!(tables[0]["rule"]["entity_type_column"], "entity_type");
    assert_eq!((&tables[1]["table"], &tables[1]["rule"]), (&json!("public.orders"), &Value::Null));
    assert_eq!((&tables[1]["prefix"], &tables[1]["hidden"]), (&json!("orders"), &json!(["secret"])));

    let answer = operator.request("doctor", Value::Null).await;
    let findings = answer["data"]["findings"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let identity = findings.iter().find(|finding| finding["name"] == "replica_identity").expect("it is not full");
    assert!(identity["remedy"].as_str().is_some_and(|remedy| remedy.contains("REPLICA IDENTITY FULL")), "{identity}");
}

#[tokio::test]
async fn the_dashboard_and_events_share_a_connection() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    for transports in [&["websocket"][..], &["polling"], &["polling", "websocket"]] {
        // A process each, since it keeps what may be shared.
        let sockets = Sockets::start().await;
        let options = json!({ "transports": transports, "auth": { "token": admin() }, "forceNew": false });
        let dashboard = json!({ "url": format!("{}/dashboard", server.url()), "options": options });
        let mut operator = sockets.client(dashboard).await.expect("an admin is let in");
        operator.until("snapshot").await;
        let mut client = sockets.try_connect(&server, options.clone()).await.expect("connects");
        client.catch_up(&database).await;
        operator.until("snapshot").await;
        operator.disconnect().await;
        client.catch_up(&database).await;
    }
}
