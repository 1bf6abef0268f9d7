//! Pages in a real browser, of another origin than walcast's.

use serde_json::{Value, json};

use crate::support::{Browser, Client, Database, Page, Server, named, token};

/// A browser with a page whose origin may come, and a server that lets it.
async fn open() -> (Browser, Page, Database, Server) {
    let browser = Browser::start();
    let page = browser.open().await;
    let database = Database::new().await;
    let server = Server::start_with(&database, &["--frontend-url", &page.origin]).await;
    (browser, page, database, server)
}

/// With cookies and a header of its own, for which a browser asks the server first.
fn with_credentials(transports: &[&str]) -> Value {
    let header = json!({ "Authorization": format!("Bearer {}", token("ann")) });
    json!({ "transports": transports, "withCredentials": true, "extraHeaders": header })
}

async fn subscribed(client: &mut Client, database: &Database) -> String {
    let id = database.component("c", "[]").await;
    client.catch_up(database).await;
    client.subscribe(json!({ "componentId": id })).await;
    id
}

async fn rename(database: &Database, id: &str, name: &str) {
    database.sql(&format!("UPDATE components SET name = '{name}' WHERE id = '{id}'")).await;
}

#[tokio::test]
async fn a_page_hears_over_each_transport() {
    let (browser, page, database, server) = open().await;
    // A WebSocket in a browser has no headers of its own.
    let by_token = json!({ "transports": ["websocket"], "auth": { "token": token("ann") } });
    for options in [by_token, with_credentials(&["polling"]), with_credentials(&["polling", "websocket"])] {
        let mut client = browser.client(&page, &server.url(), &options).await.expect("connects");
        if options["transports"].as_array().is_some_and(|transports| transports.len() == 2) {
            assert_eq!(client.expect("upgrade").await, "websocket");
        }
        let id = subscribed(&mut client, &database).await;
        rename(&database, &id, "heard").await;
        let event = client.expect("component:updated").await;
        assert_eq!((&event["componentId"], named(&event["updates"])), (&json!(id), json!({ "name": "heard" })));
        client.disconnect().await;
    }
    browser.close().await;
}

#[tokio::test]
async fn the_browser_refuses_a_page_of_another_origin() {
    let (browser, page, _database, server) = open().await;
    let stranger = browser.open().await;
    for options in [json!({ "auth": { "token": token("ann") } }), with_credentials(&["polling"])] {
        let refusal = browser.client(&stranger, &server.url(), &options).await.err();
        assert_eq!(refusal.as_deref(), Some("xhr poll error"), "{options}");
        browser.client(&page, &server.url(), &options).await.expect("connects");
    }
    browser.close().await;
}

#[tokio::test]
async fn a_page_that_was_offline_resumes() {
    let (browser, page, database, server) = open().await;
    let mut clients = Vec::new();
    for transports in [&["websocket"][..], &["polling"], &["polling", "websocket"]] {
        // Of several in one page, the stock client tells only every second one that the network is gone.
        let page = browser.open_beside(&page).await;
        let mut client = browser.resuming(&page, &server.url(), transports).await;
        let id = subscribed(&mut client, &database).await;
        rename(&database, &id, "before").await;
        assert_eq!(client.names_until("before").await, ["before"]);
        clients.push((client, id));
    }
    browser.offline(true).await;
    for (client, id) in &mut clients {
        client.expect("disconnect").await;
        rename(&database, id, "while offline").await;
    }
    browser.offline(false).await;
    for (client, id) in &mut clients {
        rename(&database, id, "after").await;
        assert_eq!(client.names_until("after").await, ["while offline", "after"]);
    }
    browser.close().await;
}
