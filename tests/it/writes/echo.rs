//! Who is not told of a write: the socket that made it, and it alone, wherever the change comes back.

use serde_json::json;

use super::{Desk, ROWS};
use crate::support::{Server, plugins};

#[tokio::test]
async fn another_socket_of_the_same_user_and_one_on_another_server_hear_of_it() {
    for plugin in plugins() {
        let plugin = plugin.to_string();
        let mut desk = Desk::with(&["--plugin", &plugin], "websocket").await;
        let id = desk.component(ROWS).await;
        let slot = format!("{}_other", desk.database.name);
        let other = Server::start_on(&desk.database.dsn(), &slot, &["--plugin", &plugin]).await;
        let mut second = desk.sockets.connect(&desk.server, "ann", "websocket").await;
        let mut there = desk.sockets.connect(&other, "ann", "websocket").await;
        for client in [&second, &there] {
            client.subscribe(json!({ "componentId": id })).await;
        }
        desk.write("component:update", json!({ "componentId": id, "updates": { "name": "here" } })).await;
        for client in [&mut second, &mut there, &mut desk.reader] {
            assert_eq!(client.expect("component:updated").await["updates"]["name"], "here");
        }
        // Written through the other server, it comes back by the logs of both.
        let nested =
            json!({ "componentId": id, "rowId": "r1", "nestedComponentId": "n1", "updates": { "text": "there" } });
        for _ in 0..2 {
            let ack = there.request("component:nested-update", nested.clone()).await;
            assert_eq!(ack["ok"], true, "{ack}");
        }
        for client in [&mut second, &mut desk.reader, &mut desk.writer] {
            client.expect("component:updated").await;
            assert_eq!(client.expect("component:nested-updated").await["updates"], json!({ "text": "there" }));
            // The second one changed nothing but the version.
            client.expect("component:updated").await;
        }
        desk.database.sql(&format!("DELETE FROM components WHERE id = '{id}'")).await;
        for client in [&mut there, &mut desk.reader] {
            assert_eq!(client.expect("component:deleted").await["componentId"], id);
        }
        desk.writer_hears(["component:deleted"]).await;
    }
}

#[tokio::test]
async fn by_sql_too_the_socket_that_is_named_is_left_out() {
    let mut desk = Desk::new().await;
    let id = desk.component("[]").await;
    let update = |socket: &str, name: &str| {
        format!(
            "BEGIN; SELECT walcast.set_actor('ann', {socket}); UPDATE components SET name = '{name}' WHERE id = '{id}'; COMMIT"
        )
    };
    let sid = desk.writer.sid.clone();
    for (socket, name) in
        [(format!("'{sid}'"), "to others"), ("'nobody'".into(), "to all"), ("NULL".into(), "to all again")]
    {
        desk.database.sql(&update(&socket, name)).await;
    }
    for name in ["to others", "to all", "to all again"] {
        assert_eq!(desk.reader.expect("component:updated").await["updates"]["name"], name);
    }
    for name in ["to all", "to all again"] {
        assert_eq!(desk.writer.expect("component:updated").await["updates"]["name"], name);
    }
}

#[tokio::test]
async fn who_comes_back_is_sent_its_own_writes_too() {
    let mut desk = Desk::new().await;
    let id = desk.component("[]").await;
    let since = desk.reader.subscribe(json!({ "componentId": id })).await["offset"].clone();
    desk.write("component:update", json!({ "componentId": id, "updates": { "name": "mine" } })).await;
    desk.reader.expect("component:updated").await;
    let mut back = desk.sockets.connect(&desk.server, "ann", "websocket").await;
    // Its ack may have been lost with the connection.
    back.subscribe(json!({ "componentId": id, "since": since })).await;
    assert_eq!(back.expect("component:updated").await["updates"]["name"], "mine");
}
