//! What must hold behind any proxy.

use serde_json::{Value, json};

use super::{Client, Connection, Database, Poller, Proxy, Server, Sockets, request, token};

const TRANSPORTS: [&[&str]; 3] = [&["websocket"], &["polling"], &["polling", "websocket"]];

/// Each transport connects, subscribes and hears, and the upgrade from one to the other takes place.
pub async fn each_transport_works(database: &Database, proxy: &Proxy) {
    let sockets = Sockets::start().await;
    for transports in TRANSPORTS {
        let (mut client, id) = subscribed(database, proxy, &sockets, transports).await;
        rename(database, &id, "before").await;
        assert_eq!(client.names_until("before").await, ["before"]);
        client.disconnect().await;
    }
    let options = json!({ "auth": { "token": token("ann") } });
    let mut client = sockets.client(json!({ "url": proxy.url(), "options": options })).await.expect("connects");
    assert_eq!(client.expect("upgrade").await, "websocket");
    client.catch_up(database).await;
}

/// `Authorization` reaches walcast, its CORS headers reach the browser.
pub async fn headers_pass(proxy: &Proxy, origin: &str) {
    let sockets = Sockets::start().await;
    for transport in ["websocket", "polling"] {
        let header = json!({ "Authorization": format!("Bearer {}", token("ann")) });
        let options = json!({ "transports": [transport], "extraHeaders": header });
        sockets.client(json!({ "url": proxy.url(), "options": options })).await.expect(transport);
        let options = json!({ "transports": [transport] });
        let refusal = sockets.client(json!({ "url": proxy.url(), "options": options })).await.err();
        assert_eq!(refusal.as_deref(), Some("Authentication error: No token provided"), "{transport}");
    }
    let path = "/socket.io/?EIO=4&transport=polling";
    let origin = format!("Origin: {origin}");
    let asks = ["Access-Control-Request-Method: GET", "Access-Control-Request-Headers: authorization"];
    for (method, headers) in [("GET", vec![origin.as_str()]), ("OPTIONS", vec![&origin, asks[0], asks[1]])] {
        let (status, head, _) = request(proxy.address, method, path, &headers).await;
        let head = head.to_lowercase();
        assert_eq!(status, 200, "{head}");
        assert!(head.contains(&origin.to_lowercase().replace("origin", "access-control-allow-origin")), "{head}");
        assert!(head.contains("access-control-allow-credentials: true"), "{head}");
        assert_eq!(head.contains("access-control-allow-headers: authorization"), method == "OPTIONS", "{head}");
    }
}

/// For a server that trusts the proxy, which comes from this address, and lets few fail.
pub const WARY: [&str; 4] = ["--trusted-proxies", "127.0.0.1", "--failed-handshakes", "3/h"];

/// It is not the proxy that is limited but the client, whatever that says of itself.
pub async fn the_clients_own_address_counts(proxy: &Proxy) {
    let path = "/socket.io/?EIO=4&transport=polling";
    let open = async |from: &str, headers: &[&str]| {
        Connection::open_from(from, proxy.address).await.request("GET", path, headers, "").await.status
    };
    for _ in 0..3 {
        let mut poller = Poller::open_over(Connection::open_from("127.0.0.2", proxy.address).await).await;
        poller.say("40{\"token\":\"bad\"}").await;
        assert!(poller.poll().await[0].starts_with("44"));
    }
    for headers in [&[][..], &["X-Forwarded-For: 127.0.0.3"], &["X-Forwarded-For: 127.0.0.1"]] {
        assert_eq!(open("127.0.0.2", headers).await, 429, "{headers:?}");
    }
    for headers in [&[][..], &["X-Forwarded-For: 127.0.0.2"]] {
        assert_eq!(open("127.0.0.3", headers).await, 200, "{headers:?}");
    }
    // And it was asked under the name that the client knows.
    assert_eq!(open("127.0.0.3", &["Origin: http://walcast"]).await, 200);
    assert_eq!(open("127.0.0.3", &["Origin: http://127.0.0.1"]).await, 403);
}

/// Bodies that fit in no buffer of the proxy pass in both directions, and it is walcast who says what is too large.
pub async fn large_bodies_pass(database: &Database, proxy: &Proxy) {
    const LARGE: usize = 600_000;
    let sockets = Sockets::start().await;
    for transports in TRANSPORTS {
        let (mut client, id) = subscribed(database, proxy, &sockets, transports).await;
        client.subscribe(json!({ "componentId": id, "ignored": "x".repeat(LARGE) })).await;
        let sql = format!("UPDATE components SET name = repeat('y', {LARGE}) WHERE id = '{id}'");
        database.sql(&sql).await;
        let event = client.expect("component:updated").await;
        assert!(event["updates"]["name"] == "y".repeat(LARGE).as_str(), "it is another text");
        let ack = client.request("component:subscribe", json!({ "componentId": "x".repeat(2 << 20) })).await;
        assert_eq!(ack["error"]["code"], "payload_too_large", "{transports:?}: {ack}");
    }
}

/// A proxy that lets nothing be silent for as long as a room is breaks connections off: pages come back and resume.
pub async fn quiet_rooms_outlast_an_impatient_proxy(database: &Database, proxy: &Proxy) {
    let sockets = Sockets::start().await;
    let mut clients = Vec::new();
    for transports in [&["websocket"], &["polling"]] {
        clients.push(subscribed(database, proxy, &sockets, transports).await);
    }
    for (client, id) in &mut clients {
        let reason = client.expect("disconnect").await;
        assert!(reason == "transport close" || reason == "transport error", "it does not come back after {reason}");
        for name in ["while away", "and on"] {
            rename(database, id, name).await;
        }
        assert_eq!(client.names_until("and on").await, ["while away", "and on"]);
    }
}

/// Pages that a proxy has led to the leader.
pub struct Followers {
    clients: Vec<(Client, String)>,
    _sockets: Sockets,
}

impl Followers {
    /// All of them connect at the first try, though another server stands by.
    pub async fn connect(database: &Database, proxy: &Proxy) -> Followers {
        let sockets = Sockets::start().await;
        let mut clients = Vec::new();
        // Often enough to meet the other server, were connections handed out in turn.
        for transports in TRANSPORTS.into_iter().cycle().take(9) {
            clients.push(subscribed(database, proxy, &sockets, transports).await);
        }
        for (client, id) in &mut clients {
            rename(database, id, "before").await;
            assert_eq!(client.names_until("before").await, ["before"]);
        }
        Followers { clients, _sockets: sockets }
    }

    /// The leader is killed, and they come to the other and resume.
    pub async fn outlast(mut self, database: &Database, leader: Server, standby: &Server) {
        leader.kill().await;
        for (_, id) in &self.clients {
            rename(database, id, "while away").await;
        }
        standby.becomes("Ready").await;
        for (client, id) in &mut self.clients {
            rename(database, id, "after").await;
            assert_eq!(client.names_until("after").await, ["while away", "after"]);
        }
    }
}

/// A page that follows a component of its own.
async fn subscribed(database: &Database, proxy: &Proxy, sockets: &Sockets, transports: &[&str]) -> (Client, String) {
    let id = database.component("c", "[]").await;
    let mut client = sockets.page(&proxy.url(), transports).await;
    client.catch_up(database).await;
    let ack: Value = client.subscribe(json!({ "componentId": id })).await;
    assert_eq!(ack["resumed"], false, "{ack}");
    (client, id)
}

async fn rename(database: &Database, id: &str, name: &str) {
    database.sql(&format!("UPDATE components SET name = '{name}' WHERE id = '{id}'")).await;
}
