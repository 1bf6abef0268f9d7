//! Typing and cursors: to the others who are there, now, and never again.

use serde_json::{Value, json};

use crate::support::{Client, Database, Server, Sockets};

async fn scene(arguments: &[&str]) -> (Database, Server, Sockets) {
    let database = Database::new().await;
    let server = Server::start_with(&database, arguments).await;
    (database, server, Sockets::start().await)
}

async fn enters(sockets: &Sockets, server: &Server, user: &str, ids: &Value) -> Client {
    let client = sockets.connect(server, user, "websocket").await;
    client.subscribe(ids.clone()).await;
    client
}

#[tokio::test]
async fn it_is_told_to_the_others_in_the_room_only() {
    let (_database, server, sockets) = scene(&[]).await;
    let (x, page) = (json!({ "componentId": "x" }), json!({ "entityType": "page", "entityId": "1" }));
    let mut ann = enters(&sockets, &server, "ann", &x).await;
    ann.subscribe(page.clone()).await;
    let mut tab = enters(&sockets, &server, "ann", &x).await;
    let mut bob = enters(&sockets, &server, "bob", &x).await;
    let mut carol = enters(&sockets, &server, "carol", &page).await;
    let mut dave = enters(&sockets, &server, "dave", &json!({ "componentId": "y" })).await;

    ann.emit("component:typing", x.clone()).await;
    let typing = json!({ "componentId": "x", "userId": "ann", "userEmail": "ann@example.com" });
    assert_eq!(bob.expect("component:typing").await, typing);
    assert_eq!(tab.expect("component:typing").await, typing, "another tab is another client");

    let position = json!({ "x": 1.5, "y": [2], "in": null });
    let cursor = json!({ "entityType": "page", "entityId": "1", "componentId": "x", "position": position });
    ann.emit("component:cursor", cursor.clone()).await;
    let mut told = cursor.clone();
    told["userId"] = "ann".into();
    told["userEmail"] = "ann@example.com".into();
    for other in [&mut bob, &mut tab, &mut carol] {
        assert_eq!(other.expect("component:cursor").await, told, "each once, who is in either room");
    }
    // It may come with an ack, which says no more than that it was taken.
    assert_eq!(bob.request("component:typing", x).await, json!({ "ok": true }));
    ann.expect("component:typing").await;
    assert_eq!((dave.received(), carol.received()), (vec![], vec![]));
}

#[tokio::test]
async fn of_many_in_a_tick_the_latest_is_told() {
    let (_database, server, sockets) = scene(&["--ephemeral-tick", "300ms"]).await;
    let ids = json!({ "componentId": "x" });
    let ann = enters(&sockets, &server, "ann", &ids).await;
    let mut bob = enters(&sockets, &server, "bob", &ids).await;
    let cursors = (1..=100).map(|n| json!({ "componentId": "x", "position": n })).collect();
    ann.requests("component:cursor", cursors).await;
    let mut heard = Vec::new();
    while heard.last() != Some(&json!(100)) {
        heard.push(bob.expect("component:cursor").await["position"].clone());
    }
    assert!(heard.len() < 50, "{heard:?}");
}

#[tokio::test]
async fn what_nobody_heard_is_gone() {
    let (database, server, sockets) = scene(&[]).await;
    let id = database.component("c", "[]").await;
    let ids = json!({ "componentId": id });
    let ann = enters(&sockets, &server, "ann", &ids).await;
    let mut bob = sockets.connect(&server, "bob", "websocket").await;
    bob.catch_up(&database).await;
    bob.subscribe(ids.clone()).await;
    bob.disconnect().await;
    ann.request("component:typing", ids).await;
    database.sql(&format!("UPDATE components SET name = 'stored' WHERE id = '{id}'")).await;
    bob.reconnect().await;
    assert_eq!(bob.until("connect").await[0], true, "it has recovered");
    assert_eq!(bob.names_until("stored").await, ["stored"]);
}

#[tokio::test]
async fn one_user_has_one_cursor_in_a_room_whatever_row_it_is_at() {
    let (_database, server, sockets) = scene(&["--ephemeral-tick", "2s"]).await;
    let page = json!({ "entityType": "page", "entityId": "1" });
    let (x, y) = (json!({ "componentId": "x" }), json!({ "componentId": "y" }));
    let ann = enters(&sockets, &server, "ann", &page).await;
    for row in [&x, &y] {
        ann.subscribe(row.clone()).await;
    }
    let mut of_page = enters(&sockets, &server, "bob", &page).await;
    let mut of_x = enters(&sockets, &server, "carol", &x).await;
    let mut of_both = enters(&sockets, &server, "dave", &x).await;
    of_both.subscribe(page.clone()).await;
    // Its ticks are over: what is said from here on is said within one.
    while of_page.until("component:user-joined").await[0]["userId"] != "dave" {}

    let at = |row: &str, position: i32| json!({ "componentId": row, "entityType": "page", "entityId": "1", "position": position });
    ann.emit("component:cursor", at("x", 1)).await;
    ann.emit("component:cursor", at("x", 2)).await;
    ann.emit("component:typing", at("x", 0)).await;
    ann.emit("component:cursor", at("y", 3)).await;
    ann.emit("order:cursor", json!({ "orderId": 7, "entityType": "page", "entityId": "1", "position": 4 })).await;
    let heard = async |client: &mut Client, count: usize| {
        let mut heard = Vec::new();
        for _ in 0..count {
            let (event, told) = client.next().await;
            heard.push((event, told["position"].clone()));
        }
        assert_eq!(client.received(), []);
        heard
    };
    let told = |event: &str, position: i32| (event.to_owned(), json!(position));
    let (typing, last) = (told("component:typing", 0), told("order:cursor", 4));
    assert_eq!(heard(&mut of_page, 2).await, [typing.clone(), last.clone()], "the latest in the page");
    let in_x = told("component:cursor", 2);
    assert_eq!(heard(&mut of_x, 2).await, [in_x.clone(), typing.clone()], "the latest in x");
    assert_eq!(heard(&mut of_both, 3).await, [in_x, typing, last], "the latest of each, in the order said");
}
