//! Keys that are rotated while sockets are connected, and what tokens must say by the settings.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{Client, Database, PATIENCE, Server, Sockets, token, within};

const ANEW: &str = "keys of tokens read anew";
const AS_BEFORE: &str = "the keys of tokens stay as they were";

/// A set with one shared secret, which is so many times the letter that is its name.
fn set(id: char) -> String {
    // Three of a letter, in Base64.
    let thrice = if id == 'a' { "YWFh" } else { "YmJi" };
    json!({ "keys": [{ "kty": "oct", "alg": "HS256", "kid": id, "k": thrice.repeat(11) }] }).to_string()
}

fn signed(id: char, claims: &Value) -> String {
    let header = Header { kid: Some(id.into()), ..Header::new(Algorithm::HS256) };
    let key = EncodingKey::from_secret(id.to_string().repeat(33).as_bytes());
    jsonwebtoken::encode(&header, claims, &key).expect("signs")
}

fn claims() -> Value {
    json!({ "sub": "no", "aud": ["x", "app"], "iss": "us", "app_metadata": { "id": "ann" } })
}

async fn enter(sockets: &Sockets, server: &Server, token: String) -> Option<Client> {
    let options = json!({ "transports": ["websocket"], "auth": { "token": token } });
    sockets.try_connect(server, options).await.ok()
}

/// Waits until the log has so many lines of a text; it is asked, since it tells of the first only.
async fn logged(server: &Server, text: &str, count: usize) {
    within(text, async {
        while server.log().iter().filter(|line| line["message"] == text).count() < count {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn keys_change_under_sockets_that_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("jwks.json");
    std::fs::write(&path, set('a')).expect("writes");
    let database = Database::new().await;
    let arguments = ["--jwt-jwks-file", path.to_str().expect("a path"), "--jwt-audience", "app, other"];
    let more = ["--jwt-issuer", "us", "--jwt-user-claim", "app_metadata.id", "--jwt-leeway", "10s"];
    let server = Server::start_with(&database, &[&arguments[..], &more[..]].concat()).await;
    let sockets = Sockets::start().await;
    let mut stays = enter(&sockets, &server, signed('a', &claims())).await.expect("connects");

    for (member, value) in [("aud", json!("y")), ("iss", json!("them")), ("app_metadata", json!({}))] {
        let mut claims = claims();
        claims[member] = value;
        assert!(enter(&sockets, &server, signed('a', &claims)).await.is_none(), "{claims}");
    }
    for forged in [signed('b', &claims()), token("ann")] {
        assert!(enter(&sockets, &server, forged).await.is_none());
    }

    // By itself a SIGHUP would end it.
    let hangup = Command::new("kill").args(["-HUP", &server.pid().to_string()]).status().await.expect("kill runs");
    assert!(hangup.success());
    server.logged(ANEW, PATIENCE, |line| line["message"] == ANEW).await.expect("it lives");

    std::fs::write(&path, "{").expect("writes");
    logged(&server, AS_BEFORE, 1).await;
    assert!(enter(&sockets, &server, signed('a', &claims())).await.is_some());

    std::fs::write(&path, set('b')).expect("writes");
    logged(&server, ANEW, 2).await;
    assert!(enter(&sockets, &server, signed('a', &claims())).await.is_none());
    assert!(enter(&sockets, &server, signed('b', &claims())).await.is_some());
    database.sql("SELECT walcast.broadcast('user:ann', 'ping')").await;
    stays.expect("ping").await;
}
