//! Tokens that nobody signed who may: refused over each transport, over HTTP, and where a token is renewed.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::{Connection, Database, Poller, SECRET, Server, WebSocket, websocket::check_reply};

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: String = text.bytes().map(|byte| format!("{byte:08b}")).collect();
    let groups = bits.as_bytes().chunks(6).map(|bits| {
        let bits = format!("{:0<6}", String::from_utf8_lossy(bits));
        char::from(DIGITS[usize::from_str_radix(&bits, 2).expect("bits")])
    });
    groups.collect()
}

fn signed(algorithm: Algorithm, secret: &[u8], claims: &Value) -> String {
    jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret)).expect("signs")
}

fn seconds_from_now(seconds: i64) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    now.as_secs().saturating_add_signed(seconds)
}

/// Each with what is wrong with it.
fn forged(public_key: &str) -> Vec<(&'static str, String)> {
    let claims = json!({ "userId": "ann", "aud": "app" });
    let good = signed(Algorithm::HS256, SECRET.as_bytes(), &claims);
    let parts: Vec<_> = good.split('.').collect();
    let admin = base64(&json!({ "userId": "admin", "aud": "app" }).to_string());
    let header = |json: Value| base64(&json.to_string());
    let ours = |claims: Value| signed(Algorithm::HS256, SECRET.as_bytes(), &claims);
    vec![
        ("nothing", String::new()),
        ("no token", "'; DROP TABLE components; --".to_owned()),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("four parts", format!("{good}.{}", parts[2])),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("another's claims", format!("{}.{admin}.{}", parts[0], parts[2])),
        ("the algorithm none", format!("{}.{}.", header(json!({ "alg": "none", "typ": "JWT" })), parts[1])),
        ("the algorithm None", format!("{}.{}.{}", header(json!({ "alg": "None" })), parts[1], parts[2])),
        ("an algorithm that there is not", format!("{}.{}.{}", header(json!({ "alg": "HS1" })), parts[1], parts[2])),
        ("the algorithm of the public key", format!("{}.{}.{}", header(json!({ "alg": "ES256" })), parts[1], parts[2])),
        ("another secret", signed(Algorithm::HS256, b"another secret of thirty-two bytes", &claims)),
        ("an empty secret", signed(Algorithm::HS256, b"", &claims)),
        ("the public key for a secret", signed(Algorithm::HS256, public_key.as_bytes(), &claims)),
        ("the public key, trimmed", signed(Algorithm::HS256, public_key.trim().as_bytes(), &claims)),
        ("expired", ours(json!({ "userId": "ann", "aud": "app", "exp": seconds_from_now(-60) }))),
        ("expired, as a text", ours(json!({ "userId": "ann", "aud": "app", "exp": "1" }))),
        ("not yet valid", ours(json!({ "userId": "ann", "aud": "app", "nbf": seconds_from_now(3_600) }))),
        ("another audience", ours(json!({ "userId": "ann", "aud": "other" }))),
        ("no audience", ours(json!({ "userId": "ann" }))),
        ("nobody", ours(json!({ "aud": "app" }))),
        ("an object for a user", ours(json!({ "userId": { "$ne": null }, "aud": "app" }))),
        ("a list for a user", ours(json!({ "userId": ["ann"], "aud": "app" }))),
        ("a huge one", format!("{good}{}", "A".repeat(20_000))),
    ]
}

#[tokio::test]
async fn a_forged_token_opens_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key.pem");
    let public_key = rcgen::KeyPair::generate().expect("a key").public_key_pem();
    std::fs::write(&path, &public_key).expect("writes");
    let database = Database::new().await;
    let keys = ["--jwt-public-key", path.to_str().expect("a path"), "--jwt-audience", "app"];
    let server = Server::start_with(&database, &keys).await;
    let good = signed(Algorithm::HS512, SECRET.as_bytes(), &json!({ "userId": "ann", "aud": ["app"] }));
    let mut inside = WebSocket::open(Connection::open(server.address).await, &[]).await;
    inside.show(&good).await;
    check_reply(&inside.packet().await);

    for (what, forged) in forged(&public_key) {
        let mut socket = WebSocket::open(Connection::open(server.address).await, &[]).await;
        socket.show(&forged).await;
        let refusal = socket.packet().await;
        assert!(refusal.starts_with(r#"44{"message":"Authentication error: "#), "{what}: {refusal}");
        // Whoever is not in is not heard either.
        socket.say(r#"420["component:subscribe",{"componentId":"x"}]"#).await;
        while let Some(frame) = socket.frame().await {
            assert!(!frame.text().starts_with("43"), "{what}: it was answered");
        }

        let mut poller = Poller::open(server.address).await;
        poller.say(&format!("40{}", json!({ "token": forged }))).await;
        let refusal = poller.poll().await.concat();
        assert!(refusal.starts_with(r#"44{"message":"Authentication error: "#), "{what}: {refusal}");

        let header = format!("Authorization: Bearer {forged}");
        for target in ["/api/components?entityType=page&entityId=1", "/api/components/x"] {
            let (status, _, body) = server.get(target, &[&header]).await;
            assert_eq!(status, 401, "{what}: {body}");
        }
        let ack = inside.request("auth:refresh", json!({ "token": forged })).await;
        assert_eq!(ack["ok"], false, "{what}: {ack}");
    }
    // It never stopped being who it was.
    inside.subscribe(json!({ "componentId": "x" })).await;
}
