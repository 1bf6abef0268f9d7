//! SQL, and what else ends texts early, in every text that a client can send: each is a text like any other, or refused politely.

use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::{Client, Connection, Database, SECRET, Server, Sockets, token};

fn attacks() -> Vec<String> {
    let mut attacks: Vec<_> = [
        "'; DROP TABLE components; --",
        "\"; DROP SCHEMA walcast CASCADE; --",
        "' OR '1'='1",
        "1; DELETE FROM components",
        "$$; DROP TABLE components; $$",
        "$1",
        "\\'; DROP TABLE components; --",
        "'||(SELECT pg_sleep(60))||'",
        "public.components\"; SELECT 1; --",
        "components;id",
        "{\"a\": [1, 2",
        "}]}\",\"ok\":true}",
        "null",
        "__proto__",
        "a\u{0}b",
        "\\u0000",
        "\u{feff}\u{202e}\u{200d}\u{e000}\u{1f600}",
        "a\r\nSet-Cookie: x=1\r\n\r\n",
        "\u{1b}[2J\u{7}",
        "%00%27%20OR%201=1",
        "../../../../etc/passwd",
        "<script>alert(1)</script>",
        "user:bob",
        ":",
        " ",
        "",
    ]
    .map(str::to_owned)
    .into();
    attacks.push("'".repeat(3_000));
    attacks
}

/// Each event that a client can send, with the attack in each of its texts, one after the other, as names of columns too.
fn requests(id: &str, attack: &str) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let mut add = |event: &str, payloads: Vec<Value>| {
        all.extend(payloads.into_iter().map(|payload| (event.to_owned(), payload)));
    };
    let ids = [
        json!({ "componentId": attack }),
        json!({ "id": attack }),
        json!({ "entityType": attack, "entityId": "1" }),
        json!({ "entityType": "page", "entityId": attack }),
        json!({ "componentId": id, "since": attack }),
    ];
    for verb in ["subscribe", "unsubscribe", "typing"] {
        add(&format!("component:{verb}"), ids.to_vec());
        add(&format!("{attack}:{verb}"), vec![json!({ "id": "1" })]);
    }
    add(attack, vec![json!({}), json!(attack)]);
    add(
        "component:cursor",
        vec![json!({ "componentId": id, "position": attack }), json!({ "componentId": attack, "position": 1 })],
    );
    add(
        "presence:update",
        vec![
            json!({ "componentId": id, "state": { attack: attack } }),
            json!({ "componentId": id, "state": attack }),
            json!({ "room": attack, "state": {} }),
        ],
    );
    add("auth:refresh", vec![json!({ "token": attack })]);
    let create =
        |kind: &str, of: &str, component: Value| json!({ "entityType": kind, "entityId": of, "component": component });
    add(
        "component:create",
        vec![
            create(attack, "1", json!({ "type": "text" })),
            create("made", attack, json!({ "type": "text" })),
            create("made", "1", json!({ "type": attack })),
            create("made", "1", json!({ "type": "text", "name": attack })),
            create("made", "1", json!({ "type": "text", attack: attack })),
            create("made", "1", json!({ "type": "text", "data": { attack: attack }, "rows": [{ "id": attack }] })),
            json!({ "entityType": "made", "entityId": "1", "component": { "type": "text" }, "mutationId": attack }),
        ],
    );
    add(&format!("{attack}:create"), vec![json!({ attack: { "type": "text" } })]);
    let nested = |row: &str, of: &str, updates: Value| json!({ "componentId": id, "rowId": row, "nestedComponentId": of, "nestedComponent": updates, "updates": updates });
    for verb in ["update", "delete", "nested-create", "nested-update", "nested-delete"] {
        let mut of_another = nested("r", "n", json!({ "text": "x" }));
        of_another["componentId"] = json!(attack);
        add(&format!("component:{verb}"), vec![of_another]);
    }
    for verb in ["nested-create", "nested-update", "nested-delete"] {
        let event = format!("component:{verb}");
        add(&event, vec![nested(attack, "n", json!({})), nested("r", attack, json!({ "id": attack }))]);
        add(&event, vec![nested("r", "nope", json!({ attack: attack }))]);
    }
    add("component:nested-update", vec![nested("r", "n", json!({ attack: attack }))]);
    let mut update = |more: Value| {
        let mut payload = json!({ "componentId": id, "updates": { "type": "text" } });
        payload.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        add("component:update", vec![payload]);
    };
    update(json!({ "updates": { "type": attack } }));
    update(json!({ "updates": { attack: "x" } }));
    update(json!({ "updates": { "data": { attack: [attack] } } }));
    update(json!({ "version": attack }));
    update(json!({ "mutationId": attack }));
    all
}

const POLITE: [&str; 5] = ["invalid_payload", "not_found", "forbidden", "conflict", "payload_too_large"];

/// What is in the database beside the rows of `components`, which sockets may write.
async fn inventory(database: &Database) -> String {
    database
        .value(
            "SELECT string_agg(line, E'\\n' ORDER BY line) FROM ( \
               SELECT format('%s %s', oid::regclass, relkind) AS line FROM pg_class \
                WHERE relnamespace IN ('public'::regnamespace, 'walcast'::regnamespace) \
               UNION ALL SELECT format('%s %s', oid::regprocedure, md5(prosrc)) FROM pg_proc \
                WHERE pronamespace = 'walcast'::regnamespace \
               UNION ALL SELECT rolname FROM pg_roles WHERE rolsuper \
               UNION ALL SELECT r::text FROM walcast.rules r \
               UNION ALL SELECT v::text FROM victims v) AS lines",
        )
        .await
}

struct Scene {
    database: Database,
    server: Server,
    sockets: Sockets,
    client: Client,
    id: String,
    before: String,
}

async fn scene() -> Scene {
    let database = Database::new().await;
    database
        .sql("CREATE TABLE victims (id int PRIMARY KEY, name text); INSERT INTO victims VALUES (1, 'unharmed')")
        .await;
    let rows = r#"[{"id": "r", "nestedComponents": [{"id": "n"}]}]"#;
    let id = database.component("unharmed", rows).await;
    let before = inventory(&database).await;
    let server = Server::start_with(&database, &["--rate-burst", "1000000", "--max-rooms", "0"]).await;
    let sockets = Sockets::start().await;
    let client = sockets.connect(&server, "ann", "websocket").await;
    client.subscribe(json!({ "componentId": id })).await;
    Scene { database, server, sockets, client, id, before }
}

impl Scene {
    async fn assert_unharmed(mut self) {
        assert_eq!(inventory(&self.database).await, self.before);
        let kept = format!("SELECT name = 'unharmed' FROM components WHERE id = '{}'", self.id);
        assert!(self.database.value::<bool>(&kept).await, "no attack named that column");
        // And all of it still works.
        let mut other = self.sockets.connect(&self.server, "bob", "polling").await;
        other.subscribe(json!({ "componentId": self.id })).await;
        let updates = json!({ "componentId": self.id, "updates": { "name": "after" } });
        assert_eq!(self.client.request("component:update", updates).await["ok"], true);
        assert_eq!(other.until("component:updated").await[0]["updates"]["name"], "after");
        let loud: Vec<_> = self.server.log().into_iter().filter(|line| line["level"] == "ERROR").collect();
        assert!(loud.is_empty(), "{loud:?}");
        self.client.disconnect().await;
    }
}

#[tokio::test]
async fn in_what_a_socket_sends() {
    let scene = scene().await;
    let mut made = 0;
    for attack in attacks() {
        for (event, payload) in requests(&scene.id, &attack) {
            if is_escaped(&event) {
                continue;
            }
            let ack = scene.client.request(&event, payload.clone()).await;
            let code = ack["error"]["code"].as_str().unwrap_or_default();
            assert!(ack["ok"] == true || POLITE.contains(&code), "{event:?} {payload}: {ack}");
            made += i64::from(ack["ok"] == true && event == "component:create");
        }
        // What is stored is what was said, to the letter.
        let updates = json!({ "componentId": scene.id, "updates": { "type": attack, "data": { "said": attack } } });
        let ack = scene.client.request("component:update", updates).await;
        assert_eq!(ack["ok"], !attack.contains('\0'), "{attack:?}: {ack}");
        if ack["ok"] == true {
            let said = format!(
                "SELECT jsonb_build_array(type, data->>'said')::text FROM components WHERE id = '{}'",
                scene.id
            );
            let said: Value = serde_json::from_str(&scene.database.value::<String>(&said).await).expect("JSON");
            assert_eq!(said, json!([attack, attack]));
        }
    }
    assert!(made > 50, "only {made} were made");
    assert_eq!(scene.database.value::<i64>("SELECT count(*) FROM components").await, 1 + made);
    scene.assert_unharmed().await;
}

/// Whether JSON cannot write it as it is. The library reads no such name of an event: it ends the connection.
fn is_escaped(name: &str) -> bool {
    json!(name).to_string().len() > name.len() + 2
}

#[tokio::test]
async fn in_the_name_of_an_event() {
    let scene = scene().await;
    for attack in attacks().into_iter().filter(|attack| is_escaped(attack)) {
        let mut client = scene.sockets.connect(&scene.server, "eve", "websocket").await;
        client.emit(&format!("{attack}:subscribe"), json!({ "id": "1" })).await;
        client.until("disconnect").await;
    }
    scene.assert_unharmed().await;
}

#[tokio::test]
async fn in_a_handshake() {
    let scene = scene().await;
    for attack in attacks() {
        for auth in [
            json!({ "since": attack }),
            json!({ "since": "0/0", "rooms": [attack, format!("component:{attack}"), format!("entity:{attack}:{attack}")] }),
            json!({ "pid": attack, "offset": attack }),
            json!({ "recovery": attack }),
            json!({ "token": attack }),
        ] {
            let mut auth = auth;
            let forged = auth.get("token").is_some();
            if !forged {
                auth["token"] = token("ann").into();
            }
            let options = json!({ "transports": ["websocket"], "auth": auth });
            match scene.sockets.try_connect(&scene.server, options).await {
                Ok(mut client) => {
                    assert!(!forged, "{attack:?} is no token");
                    client.subscribe(json!({ "componentId": scene.id })).await;
                    client.disconnect().await;
                }
                Err(refusal) => assert!(forged && refusal.starts_with("Authentication error"), "{auth}: {refusal}"),
            }
        }
        // And for a user's name.
        let claims = json!({ "userId": attack, "email": attack, "role": attack });
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let named = jsonwebtoken::encode(&Header::default(), &claims, &key).expect("signs");
        let options = json!({ "transports": ["websocket"], "auth": { "token": named } });
        match scene.sockets.try_connect(&scene.server, options).await {
            Ok(mut client) => {
                let write = json!({ "componentId": scene.id, "updates": { "type": "text" } });
                let ack = client.request("component:update", write).await;
                let code = ack["error"]["code"].as_str().unwrap_or_default();
                assert!(ack["ok"] == true || POLITE.contains(&code), "{attack:?}: {ack}");
                client.disconnect().await;
            }
            Err(refusal) => assert!(refusal.starts_with("Authentication error"), "{attack:?}: {refusal}"),
        }
    }
    scene.assert_unharmed().await;
}

/// For one part of a URL.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn in_requests_over_http() {
    let scene = scene().await;
    let claims = json!({ "userId": "ann", "broadcast": true });
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let bearer = jsonwebtoken::encode(&Header::default(), &claims, &key).expect("signs");
    let bearer = format!("Authorization: Bearer {bearer}");
    for attack in attacks() {
        let text = encoded(&attack);
        for target in [
            format!("/api/components/{text}"),
            format!("/api/components?entityType={text}&entityId=1"),
            format!("/api/components?entityType=page&entityId={text}"),
            format!("/api/components?entityType=page&entityId=1&after={text}"),
            format!("/api/components?entityType=page&entityId=1&limit={text}"),
            format!("/api/components?{text}={text}"),
            format!("/api/rows/{text}/{text}"),
            format!("/api/rows/component/{text}"),
            format!("/api/rows/{text}?entityType={text}&entityId={text}"),
        ] {
            let (status, head, body) = scene.server.get(&target, &[&bearer]).await;
            assert!([200, 400, 404].contains(&status), "{target}: {status} {body}");
            assert!(!head.to_lowercase().contains("set-cookie"), "{target}: {head}");
        }
        for body in [
            json!({ "room": attack, "event": "note", "payload": {} }),
            json!({ "room": "user:ann", "event": attack, "payload": {} }),
            json!({ "room": "user:ann", "event": "note", "payload": { attack.as_str(): attack } }),
            json!({ "room": "user:ann", "event": "note", "payload": attack }),
            json!(attack),
        ] {
            let mut connection = Connection::open(scene.server.address).await;
            let response = connection.request("POST", "/api/broadcast", &[&bearer], &body.to_string()).await;
            let said = String::from_utf8_lossy(&response.body).into_owned();
            assert!([202, 400].contains(&response.status), "{body}: {} {said}", response.status);
        }
        let tag = attack.replace(|c: char| c.is_control() || !c.is_ascii(), "");
        let (status, _, body) = scene
            .server
            .get("/api/components?entityType=page&entityId=1", &[&bearer, &format!("If-None-Match: \"{tag}\"")])
            .await;
        assert_eq!(status, 200, "{tag}: {body}");
    }
    scene.assert_unharmed().await;
}
