use serde_json::json;

use super::{MEMBERS, OWN, Office};

#[tokio::test]
async fn a_row_is_subscribed_to_by_who_may_see_it() {
    let office = Office::new(OWN).await;
    office.sql("INSERT INTO docs VALUES (1, 'ann'), (2, 'bob')").await;
    let ann = office.connect("ann").await;
    office.follow(&ann, 1).await;
    // What is not there and what is not for you cannot be told apart.
    let refused = ann.request("doc:subscribe", json!({ "docId": 2 })).await;
    let missing = ann.request("doc:subscribe", json!({ "docId": 3 })).await;
    assert_eq!(refused["error"]["code"], "not_found", "{refused}");
    assert_eq!(refused, missing);
    // Nor is anything said of who is in a room that one may not enter.
    let typing = ann.request("doc:typing", json!({ "docId": 2 })).await;
    assert_eq!(typing["error"]["code"], "forbidden", "{typing}");
}

#[tokio::test]
async fn a_key_that_is_none_is_no_row_and_harms_nobody_else() {
    let office = Office::new(OWN).await;
    office.sql("INSERT INTO docs VALUES (1, 'ann')").await;
    let ann = office.connect("ann").await;
    let payloads = ["x", "1", "1:2", "'; DROP TABLE docs; --", "99999999999999999999", "(1)"];
    let payloads = payloads.map(|id| json!({ "docId": id })).to_vec();
    let acks = ann.requests("doc:subscribe", payloads).await;
    let ok: Vec<bool> = acks.iter().map(|ack| ack["ok"] == true).collect();
    assert_eq!(ok, [false, true, false, false, false, false], "{acks:?}");
    assert!(acks.iter().filter(|ack| ack["ok"] != true).all(|ack| ack["error"]["code"] == "not_found"), "{acks:?}");
}

#[tokio::test]
async fn a_row_is_looked_for_by_what_its_rule_names_it_by() {
    let office = Office::new(OWN).await;
    office.sql("ALTER TABLE docs ADD CONSTRAINT titled UNIQUE (title); SELECT walcast.broadcast_table('docs', prefix => 'doc', id => 'title')").await;
    office.sql("INSERT INTO docs (owner, title) VALUES ('ann', 'hers'), ('bob', 'his')").await;
    let mut ann = office.connect("ann").await;
    ann.catch_up(&office.database).await;
    let ack = ann.request("doc:subscribe", json!({ "docId": "hers" })).await;
    assert_eq!(ack["ok"], true, "{ack}");
    let ack = ann.request("doc:subscribe", json!({ "docId": "his" })).await;
    assert_eq!(ack["error"]["code"], "not_found", "{ack}");
    office.sql("UPDATE docs SET org = 7").await;
    assert_eq!(office.told(&mut ann).await, [r#"doc:updated hers {"org":7}"#]);
}

#[tokio::test]
async fn rooms_that_the_handshake_names_are_no_way_around() {
    let office = Office::new(MEMBERS).await;
    office.sql("INSERT INTO docs VALUES (1, 'x', 7), (2, 'x', 8); INSERT INTO members VALUES (7, 'ann', 'all')").await;
    let first = office.connect("ann").await;
    let ack = first.request("doc:subscribe", json!({ "docId": 1 })).await;
    let auth = json!({ "token": crate::support::token("ann"), "since": ack["offset"], "rooms": ["doc:1", "doc:2"] });
    let mut second = office
        .sockets
        .try_connect(&office.server, json!({ "transports": ["websocket"], "auth": auth }))
        .await
        .expect("connects");
    let mut heard = [second.next().await, second.next().await];
    heard.sort_by(|one, other| one.0.cmp(&other.0));
    let [(error, refused), (resumed, rooms)] = heard;
    assert_eq!((error.as_str(), resumed.as_str()), ("component:error", "walcast:resumed"));
    assert_eq!((&refused["code"], &refused["docId"]), (&json!("not_found"), &json!("2")), "{refused}");
    assert_eq!(rooms["rooms"], json!(["doc:1"]));
    office.sql("UPDATE docs SET title = 'new'").await;
    assert_eq!(office.told(&mut second).await, [r#"doc:updated 1 {"title":"new"}"#]);
}
