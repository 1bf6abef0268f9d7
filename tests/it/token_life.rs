//! What becomes of a socket whose token expires.
//!
//! A token is taken for five seconds longer than it says, since clocks differ: so one that has just expired opens the door,
//! and its bearer is told at once.

use serde_json::{Value, json};

use crate::support::{Client, Database, Server, Sockets, token, token_for, token_with_email};

/// It still opens the door.
const JUST_EXPIRED: i64 = -1;

async fn scene(grace: &str) -> (Database, Server, Sockets) {
    let database = Database::new().await;
    let server = Server::start_with(&database, &["--token-grace", grace]).await;
    (database, server, Sockets::start().await)
}

async fn connect(sockets: &Sockets, server: &Server, transport: &str, token: String) -> Client {
    let options = json!({ "transports": [transport], "auth": { "token": token } });
    sockets.try_connect(server, options).await.expect("connects")
}

async fn is_told(client: &mut Client) {
    let error = client.expect("component:error").await;
    assert_eq!((&error["event"], &error["code"]), (&json!("auth"), &json!("token_expired")), "{error}");
    assert!(error["message"].as_str().is_some_and(|message| message.contains("auth:refresh")), "{error}");
}

async fn refresh(client: &Client, token: String) -> Value {
    client.request("auth:refresh", json!({ "token": token })).await
}

async fn counted(server: &Server, fate: &str) -> bool {
    server.get("/metrics", &[]).await.2.contains(&format!("walcast_tokens_total{{fate=\"{fate}\"}}"))
}

#[tokio::test]
async fn who_shows_another_token_in_time_stays_and_who_does_not_is_disconnected() {
    let (_database, server, sockets) = scene("300ms").await;
    for transport in ["websocket", "polling"] {
        let mut stays = connect(&sockets, &server, transport, token_for("ann", JUST_EXPIRED)).await;
        is_told(&mut stays).await;
        assert_eq!(refresh(&stays, token("ann")).await, json!({ "ok": true, "expiresAt": null }));

        // Whose grace ends later than that of the first would have.
        let mut goes = connect(&sockets, &server, transport, token_for("ben", JUST_EXPIRED)).await;
        is_told(&mut goes).await;
        let reason = goes.expect("disconnect").await;
        assert!(
            reason == "transport close" || reason == "transport error",
            "a client does not come back from {reason}"
        );

        stays.subscribe(json!({ "componentId": "x" })).await;
        assert_eq!(stays.received(), []);
    }
    for fate in ["expired", "refreshed", "disconnected"] {
        assert!(counted(&server, fate).await, "{fate}");
    }
}

#[tokio::test]
async fn who_comes_back_with_an_expired_token_is_refused() {
    // Longer than an expired token opens the door.
    let (_database, server, sockets) = scene("5s").await;
    let options = json!({
        "transports": ["websocket"],
        "auth": { "token": token_for("ann", -2) },
        "reconnection": true,
        "reconnectionDelay": 10,
    });
    let mut client = sockets.try_connect(&server, options).await.expect("connects");
    client.subscribe(json!({ "componentId": "x" })).await;
    is_told(&mut client).await;
    assert_eq!(client.until("connect_error").await, ["Authentication error: Invalid token"]);
}

#[tokio::test]
async fn a_token_that_cannot_take_the_place_of_the_first_is_refused() {
    let (_database, server, sockets) = scene("30s").await;
    for transport in ["websocket", "polling"] {
        let mut client = connect(&sockets, &server, transport, token_for("ann", 600)).await;
        for (payload, code) in [
            (json!({ "token": token("ben") }), "forbidden"),
            (json!({ "token": token_for("ben", JUST_EXPIRED) }), "forbidden"),
            (json!({ "token": token_for("ann", -60) }), "token_expired"),
            (json!({ "token": "nonsense" }), "invalid_payload"),
            (json!({ "token": 7 }), "invalid_payload"),
            (json!({}), "invalid_payload"),
        ] {
            let ack = client.request("auth:refresh", payload.clone()).await;
            assert_eq!((&ack["ok"], &ack["error"]["code"]), (&json!(false), &json!(code)), "{payload} {ack}");
        }
        client.emit("auth:refresh", json!({ "token": token("ben") })).await;
        let error = client.expect("component:error").await;
        assert_eq!((&error["event"], &error["code"]), (&json!("auth:refresh"), &json!("forbidden")), "{error}");
        // None of these was taken: the first token still holds.
        client.subscribe(json!({ "componentId": "x" })).await;
        assert_eq!(client.received(), []);
    }
}

#[tokio::test]
async fn each_refresh_winds_the_clock_anew() {
    let (_database, server, sockets) = scene("1s").await;
    // From never to soon.
    let mut client = connect(&sockets, &server, "websocket", token("ann")).await;
    let ack = refresh(&client, token_for("ann", 1)).await;
    let at = ack["expiresAt"].as_str().unwrap_or_else(|| panic!("{ack}"));
    assert!(at.len() == "2026-11-23T02:28:00.000Z".len() && at.ends_with(".000Z"), "{at}");
    is_told(&mut client).await;
    // Told, and soon again.
    assert_eq!(refresh(&client, token_for("ann", 1)).await["ok"], true);
    is_told(&mut client).await;
    // Before it expires.
    assert_eq!(refresh(&client, token_for("ann", 3)).await["ok"], true);
    assert_eq!(refresh(&client, token_for("ann", 600)).await["ok"], true);
    // By the end of another one's grace, the token before would have expired as well.
    let mut other = connect(&sockets, &server, "websocket", token_for("ben", 3)).await;
    is_told(&mut other).await;
    other.expect("disconnect").await;
    client.subscribe(json!({ "componentId": "x" })).await;
    assert_eq!(client.received(), []);
}

#[tokio::test]
async fn who_left_before_its_token_expired_is_forgotten() {
    let (_database, server, sockets) = scene("0s").await;
    let mut first = connect(&sockets, &server, "websocket", token_for("ann", 6)).await;
    first.disconnect().await;
    // Without any grace: told, and gone.
    let mut second = connect(&sockets, &server, "polling", token_for("ben", 7)).await;
    is_told(&mut second).await;
    second.expect("disconnect").await;
    let metrics = server.get("/metrics", &[]).await.2;
    assert!(metrics.contains("walcast_tokens_total{fate=\"expired\"} 1\n"), "{metrics}");
}

#[tokio::test]
async fn others_are_told_the_email_of_the_token_that_was_shown_last() {
    const NEW: &str = "ann@new.example.com";
    let (_database, server, sockets) = scene("30s").await;
    let (x, y) = (json!({ "componentId": "x" }), json!({ "componentId": "y" }));
    let mut ann = sockets.connect(&server, "ann", "websocket").await;
    let mut bob = sockets.connect(&server, "bob", "websocket").await;
    for client in [&ann, &bob] {
        client.subscribe(x.clone()).await;
    }
    bob.subscribe(y.clone()).await;
    // Before the others hear that she is there, too.
    ann.emit("component:subscribe", y.clone()).await;
    assert_eq!(refresh(&ann, token_with_email("ann", NEW)).await["ok"], true);
    let of_ann = |told: &Value| told["userId"] == "ann";
    let joined = loop {
        let told = bob.until("component:user-joined").await.remove(0);
        if of_ann(&told) && told["componentId"] == "y" {
            break told;
        }
    };
    assert_eq!(joined["userEmail"], NEW);

    let mut carol = sockets.connect(&server, "carol", "websocket").await;
    let ack = carol.subscribe(x.clone()).await;
    let there = ack["users"].as_array().expect("users").iter().find(|user| user["id"] == "ann").expect("she is there");
    assert_eq!(there["email"], NEW);
    ann.emit("component:typing", x.clone()).await;
    ann.emit("component:cursor", json!({ "componentId": "x", "position": 1 })).await;
    ann.emit("presence:update", json!({ "componentId": "x", "state": { "color": "red" } })).await;
    for event in ["component:typing", "component:cursor", "presence:state"] {
        assert_eq!(bob.until(event).await[0]["userEmail"], NEW, "{event}");
    }
    ann.disconnect().await;
    assert_eq!(carol.until("component:user-left").await[0]["userEmail"], NEW);
    // Who comes with yet another token is as that one says, beside a tab with the one before.
    let tab = sockets.connect(&server, "ann", "websocket").await;
    tab.subscribe(x.clone()).await;
    let newer = connect(&sockets, &server, "websocket", token_with_email("ann", NEW)).await;
    newer.subscribe(x.clone()).await;
    let ack = carol.subscribe(x).await;
    let there = ack["users"].as_array().expect("users").iter().find(|user| user["id"] == "ann").expect("she is there");
    assert_eq!(there["email"], NEW);
}
