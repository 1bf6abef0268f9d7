//! What one address may do, and whose word is taken for which address it is.

use serde_json::json;

use crate::support::{
    Connection, Database, Poller, Server, WebSocket,
    connection::Response,
    token, token_for,
    websocket::{HANDSHAKE, TEXT},
    within,
};

const POLL: &str = "/socket.io/?EIO=4&transport=polling";

/// This machine's own addresses count, too.
const NO_PROXIES: [&str; 2] = ["--trusted-proxies", ""];

async fn server(arguments: &[&str]) -> (Database, Server) {
    let database = Database::new().await;
    let server = Server::start_with(&database, arguments).await;
    (database, server)
}

async fn shake_from(server: &Server, from: &str, headers: &[&str]) -> Result<WebSocket, Response> {
    WebSocket::shake(Connection::open_from(from, server.address).await, None, headers).await
}

async fn get_from(server: &Server, from: &str, target: &str, headers: &[&str]) -> Response {
    Connection::open_from(from, server.address).await.request("GET", target, headers, "").await
}

#[tokio::test]
async fn an_address_has_so_many_connections_at_once() {
    let (_database, server) = server(&[&NO_PROXIES[..], &["--max-connections-per-address", "2"]].concat()).await;
    let socket = WebSocket::enter_over(Connection::open_from("127.0.0.2", server.address).await, "ann", &[]).await;
    let idle = Connection::open_from("127.0.0.2", server.address).await;
    for _ in 0..5 {
        let mut more = Connection::open_from("127.0.0.2", server.address).await;
        more.until_end().await;
        assert!(more.held.is_empty(), "it was answered");
    }
    assert!(shake_from(&server, "127.0.0.3", &[]).await.is_ok(), "another has its own");
    server.until_metric("walcast_http_refusals_total{reason=\"connections\"}", |refused| refused == 5.0).await;

    for gone in [Box::new(idle) as Box<dyn Send>, Box::new(socket)] {
        drop(gone);
        within("the place of who has gone", async {
            loop {
                let mut connection = Connection::open_from("127.0.0.2", server.address).await;
                connection.ask("GET", "/healthz", &[], "").await;
                if connection.read().await.is_ok() {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_it_is_the_clients_own_address_that_counts() {
    let (_database, server) = server(&["--trusted-proxies", "127.0.0.2", "--max-connections-per-address", "2"]).await;
    let of = |client: &str| format!("X-Forwarded-For: 203.0.113.99, {client}, 127.0.0.2");
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(shake_from(&server, "127.0.0.2", &[&of("192.0.2.1")]).await.map_err(|response| response.head));
    }
    assert!(held.iter().all(Result::is_ok));
    let refused = shake_from(&server, "127.0.0.2", &[&of("192.0.2.1")]).await.err().expect("a third");
    assert_eq!(refused.status, 429, "{}", refused.head);
    assert!(refused.head.contains("retry-after: 1"), "{}", refused.head);
    // A poll that is open counts for as long as it is.
    assert_eq!(get_from(&server, "127.0.0.2", POLL, &[&of("192.0.2.1")]).await.status, 429);
    for other in ["192.0.2.2", "2001:db8::1"] {
        assert!(shake_from(&server, "127.0.0.2", &[&of(other)]).await.is_ok(), "{other}");
    }
    let first = shake_from(&server, "127.0.0.2", &[&of("2001:db8:9::1")]).await;
    let second = shake_from(&server, "127.0.0.2", &[&of("2001:db8:9::2")]).await;
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(shake_from(&server, "127.0.0.2", &[&of("2001:db8:9::3")]).await.err().map(|r| r.status), Some(429));
    // Of who does not say whose request it is, any number.
    for _ in 0..4 {
        held.push(shake_from(&server, "127.0.0.2", &[]).await.map_err(|response| response.head));
    }
    assert!(held.iter().all(Result::is_ok));

    // Somebody else's word is not taken: all of these are 127.0.0.4's, and the log says so once.
    let claims = ["198.51.100.1", "198.51.100.2"];
    for client in claims {
        held.push(shake_from(&server, "127.0.0.4", &[&of(client)]).await.map_err(|response| response.head));
    }
    assert!(held.iter().all(Result::is_ok));
    Connection::open_from("127.0.0.4", server.address).await.until_end().await;
    let told = server.log().iter().filter(|line| line.to_string().contains("WALCAST_TRUSTED_PROXIES")).count();
    assert_eq!(told, 1);
}

async fn fail(server: &Server, from: &str, token: &str) {
    let mut socket = WebSocket::open(Connection::open_from(from, server.address).await, &[]).await;
    socket.show(token).await;
    let refusal = socket.packet().await;
    assert!(refusal.starts_with("44"), "{refusal}");
}

#[tokio::test]
async fn who_fails_too_often_is_refused_unheard_and_others_are_not() {
    let (database, server) = server(&[&NO_PROXIES[..], &["--failed-handshakes", "8/h"]].concat()).await;
    let mut inside = WebSocket::enter_over(Connection::open_from("127.0.0.2", server.address).await, "ann", &[]).await;
    let mut poller = Poller::enter_over(Connection::open_from("127.0.0.2", server.address).await, "ben").await;
    let good = format!("Authorization: Bearer {}", token("ann"));
    let row = "/api/components/00000000-0000-0000-0000-000000000000";

    // None of this is a failure: a good token that is too old, and a session from before a restart.
    for _ in 0..20 {
        let expired = format!("Authorization: Bearer {}", token_for("ann", -60));
        assert_eq!(get_from(&server, "127.0.0.2", row, &[&expired]).await.status, 401);
        assert_eq!(get_from(&server, "127.0.0.2", &format!("{POLL}&sid=AAAAAAAAAAAAAAAA"), &[]).await.status, 400);
    }
    fail(&server, "127.0.0.2", &token_for("ann", -60)).await;

    for bad in ["", "a.b.c"] {
        fail(&server, "127.0.0.2", bad).await;
        assert_eq!(get_from(&server, "127.0.0.2", row, &[&format!("Authorization: Bearer x{bad}")]).await.status, 401);
    }
    assert_eq!(get_from(&server, "127.0.0.2", POLL, &["Origin: http://evil.example"]).await.status, 403);
    assert_eq!(get_from(&server, "127.0.0.2", "/socket.io/?EIO=3&transport=polling", &[]).await.status, 400);
    assert_eq!(get_from(&server, "127.0.0.2", row, &[&good]).await.status, 404, "so far it is heard");
    // Over one connection, as often as it likes; one after the other. While one is looked at, the library passes over others
    // of its connection, seldom also one that follows on the answer: then the time to come in ends the connection.
    let (mut connections, mut answers) = (0, 0);
    let shaken = loop {
        let mut insists = match shake_from(&server, "127.0.0.2", &[]).await {
            Ok(insists) => insists,
            Err(refusal) => break refusal,
        };
        connections += 1;
        assert!(insists.packet().await.starts_with('0'), "it opens");
        loop {
            insists.show("bad").await;
            match insists.frame().await {
                Some(frame) if frame.opcode == TEXT => answers += 1,
                _ => break,
            }
            assert!(answers < 20, "it is still answered");
        }
    };
    assert!((1..=2).contains(&connections), "{connections} were let in");

    let polled = get_from(&server, "127.0.0.2", POLL, &[]).await;
    let asked = get_from(&server, "127.0.0.2", row, &[&good]).await;
    for response in [shaken, polled, asked] {
        assert_eq!(response.status, 429, "{}", response.head);
        let wait = response.head.lines().find_map(|line| line.strip_prefix("retry-after: ")?.parse().ok());
        assert!(wait.is_some_and(|seconds: u64| (1..=3_600).contains(&seconds)), "{}", response.head);
        let body = String::from_utf8(response.body).expect("text");
        assert!(body.contains("rate_limited"), "{body}");
    }
    server.until_metric("walcast_http_refusals_total{reason=\"failed_handshakes\"}", |refused| refused >= 4.0).await;
    let told = server.log().iter().filter(|line| line.to_string().contains("too many handshakes failed: ")).count();
    assert_eq!(told, 1, "it is told once");

    // Whoever is in stays, over either transport; and who comes from elsewhere is let in.
    let id = database.component("c", "[]").await;
    inside.subscribe(json!({ "componentId": id })).await;
    poller.say(&format!("420{}", json!(["component:subscribe", { "componentId": id }]))).await;
    assert!(poller.poll().await[0].starts_with("430"));
    WebSocket::enter_over(Connection::open_from("127.0.0.3", server.address).await, "ann", &[]).await;
    assert_eq!(get_from(&server, "127.0.0.2", "/healthz", &HANDSHAKE).await.status, 200);
}
