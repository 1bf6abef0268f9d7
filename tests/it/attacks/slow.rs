//! Who takes for ever: over TLS, with its headers, with its token. Each is ended, and disturbs nobody.

use rcgen::generate_simple_self_signed;
use serde_json::json;
use tokio::{io::AsyncWriteExt, task::JoinSet};

use crate::support::{Connection, Database, Poller, SECRET, Server, WebSocket, within};

/// Brief for a test, and long enough for who is busy beside it.
const BRIEF: [&str; 2] = ["--handshake-timeout", "2s"];

const SLOW: &str = "walcast_http_refusals_total{reason=\"slow_handshake\"}";

#[tokio::test]
async fn two_hundred_that_dribble_their_headers_are_closed_and_disturb_nobody() {
    let database = Database::new().await;
    let id = database.component("c", "[]").await;
    let server = Server::start_with(&database, &BRIEF).await;
    let mut good = WebSocket::enter(server.address, "good", &[]).await;
    good.subscribe(json!({ "componentId": id })).await;
    let before = server.descriptors();

    let mut dribbling = JoinSet::new();
    for number in 0..200 {
        let mut connection = Connection::open(server.address).await;
        dribbling.spawn(async move {
            let beginning = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: walcast\r\n";
            // Some say nothing at all.
            let said = if number % 4 == 0 { "" } else { beginning };
            connection.stream.write_all(said.as_bytes()).await.expect("writes");
            let (mut read, mut write) = connection.stream.into_split();
            let dribble = async {
                while write.write_all(if number % 2 == 0 { b"" } else { b"X: x\r\n" }).await.is_ok() {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            };
            let mut answer = tokio::io::sink();
            tokio::select! {
                () = dribble => {}
                _ = tokio::io::copy(&mut read, &mut answer) => {}
            }
        });
    }
    let mut renamed = 0;
    let all = async { while dribbling.join_next().await.is_some() {} };
    tokio::pin!(all);
    loop {
        tokio::select! {
            () = &mut all => break,
            () = async {
                renamed += 1;
                database.sql(&format!("UPDATE components SET name = 'n{renamed}' WHERE id = '{id}'")).await;
                assert_eq!(good.name().await, format!("n{renamed}"));
            } => {}
        }
    }
    server.until_descriptors_are(before).await;
    server.until_metric(SLOW, |refused| refused == 200.0).await;
    assert_eq!(good.subscribe(json!({ "componentId": id })).await["count"], 1);
}

#[tokio::test]
async fn who_speaks_no_tls_in_time_is_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    let certified = generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("a certificate");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    std::fs::write(path("cert"), certified.cert.pem()).expect("writes");
    std::fs::write(path("key"), certified.signing_key.serialize_pem()).expect("writes");
    let database = Database::new().await;
    let more = ["--tls-cert", &path("cert"), "--tls-key", &path("key")];
    let server = Server::start_with(&database, &[&BRIEF[..], &more].concat()).await;
    let before = server.descriptors();
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(Connection::open(server.address).await);
    }
    for connection in &mut silent {
        connection.until_end().await;
    }
    server.until_descriptors_are(before).await;
}

#[tokio::test]
async fn a_session_that_shows_no_token_ends_over_each_transport() {
    let database = Database::new().await;
    let server = Server::start_with(&database, &BRIEF).await;
    // What is kept from the first on.
    drop(WebSocket::enter(server.address, "first", &[]).await);
    server.until_metric("walcast_sockets", |sockets| sockets == 0.0).await;
    let before = server.descriptors();

    let mut sockets = Vec::new();
    for said in [None, Some("40"), Some("40{\"token\":\"bad\"}"), Some("40/admin,{\"token\":\"bad\"}")] {
        let shaken = WebSocket::shake(Connection::open(server.address).await, None, &[]).await;
        let mut socket = shaken.unwrap_or_else(|response| panic!("{}", response.head));
        if let Some(said) = said {
            socket.say(said).await;
        }
        sockets.push(socket);
    }
    let mut poller = Poller::open(server.address).await;
    for socket in &mut sockets {
        while socket.frame().await.is_some() {}
    }
    within("the end of the session", async {
        while poller.connection.request("GET", &poller.target(), &[], "").await.status == 200 {}
    })
    .await;
    let body = r#"40{"token":"late"}"#;
    let late = poller.connection.request("POST", &poller.target(), &["Content-Type: text/plain"], body).await;
    assert_eq!(late.status, 400, "{}", late.head);
    drop((sockets, poller));
    server.until_descriptors_are(before).await;
}

#[tokio::test]
async fn a_body_that_never_comes_whole_is_not_waited_for() {
    let database = Database::new().await;
    let server = Server::start_with(&database, &["--handshake-timeout", "300ms"]).await;
    let mut poller = Poller::enter(server.address, "ann").await;
    let claims = json!({ "userId": "ann", "broadcast": true });
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("signs");
    for (target, header) in [
        (poller.target(), "Content-Type: text/plain".to_owned()),
        ("/api/broadcast".to_owned(), format!("Authorization: Bearer {token}")),
    ] {
        let mut connection = Connection::open(server.address).await;
        let head =
            format!("POST {target} HTTP/1.1\r\nHost: x\r\n{header}\r\nContent-Length: 1000\r\n\r\n42[\"component");
        connection.stream.write_all(head.as_bytes()).await.expect("writes");
        assert_eq!(within("an answer", connection.answer()).await.status, 408, "{target}");
        connection.until_end().await;
    }
    // The session is no worse for it.
    poller.say(&format!("420{}", json!(["component:subscribe", { "componentId": "x" }]))).await;
    assert!(poller.poll().await[0].starts_with("430"));
}

/// Who is in outlasts all of these times, also where it has nothing to say.
#[tokio::test]
async fn who_is_in_may_be_as_quiet_as_it_likes() {
    let database = Database::new().await;
    let id = database.component("c", "[]").await;
    let server = Server::start_with(&database, &["--handshake-timeout", "300ms"]).await;
    let mut socket = WebSocket::enter(server.address, "ann", &[]).await;
    let mut poller = Poller::enter(server.address, "ben").await;
    socket.subscribe(json!({ "componentId": id })).await;
    poller.say(&format!("420{}", json!(["component:subscribe", { "componentId": id }]))).await;
    poller.poll().await;
    // Both have been connected for longer when one has come and was closed that came after them.
    for _ in 0..2 {
        Connection::open(server.address).await.until_end().await;
    }
    database.sql(&format!("UPDATE components SET name = 'heard' WHERE id = '{id}'")).await;
    assert_eq!(socket.name().await, "heard");
    assert!(poller.poll().await.iter().any(|packet| packet.contains("heard")));
}
