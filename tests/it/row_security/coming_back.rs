use serde_json::json;

use super::{MEMBERS, OWN, Office};
use crate::support::{Network, token};

#[tokio::test]
async fn what_was_missed_is_told_as_far_as_it_may_be_seen() {
    let office = Office::new(OWN).await;
    office.sql("INSERT INTO docs (id, owner, title) VALUES (1, 'ann', 'a'), (2, 'ann', 'b'), (3, 'bob', 'c'), (4, 'ann', 'd')").await;
    let ann = office.connect("ann").await;
    let ack = ann.request("doc:subscribe", json!({ "entityType": "page", "entityId": "1" })).await;
    office.sql("UPDATE docs SET title = title || '1'").await;
    // Seen when it was committed, and not any more; the other way round; gone.
    office.sql("UPDATE docs SET title = 'secret', owner = 'bob' WHERE id = 2").await;
    office.sql("UPDATE docs SET title = 'hers', owner = 'ann' WHERE id = 3").await;
    office.sql("DELETE FROM docs WHERE id = 4").await;
    let mut late = office.connect("ann").await;
    late.catch_up(&office.database).await;
    let since = json!({ "entityType": "page", "entityId": "1", "since": ack["offset"] });
    let ack = late.request("doc:subscribe", since).await;
    assert_eq!(ack["resumed"], true, "{ack}");
    let told: Vec<String> = late.received().iter().map(|(event, payload)| super::in_short(event, payload)).collect();
    let expected = [
        r#"doc:updated 1 {"title":"a1"}"#,
        "doc:deleted 2 no longer visible",
        r#"doc:updated 4 {"title":"d1"}"#,
        "doc:created 3 hers",
        "doc:deleted 4",
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_session_comes_back_without_the_rows_that_it_lost() {
    let office = Office::new(MEMBERS).await;
    office.sql("INSERT INTO docs VALUES (1, 'x', 7), (2, 'x', 8); INSERT INTO members VALUES (7, 'ann', 'all'), (8, 'ann', 'all')").await;
    let network = Network::start(Some(office.server.address)).await;
    let options = json!({
        "transports": ["websocket"], "auth": { "token": token("ann") },
        "reconnection": true, "reconnectionDelay": 50, "reconnectionDelayMax": 200,
    });
    let url = format!("http://{}", network.address);
    let mut ann = office.sockets.client(json!({ "url": url, "options": options })).await.expect("connects");
    ann.catch_up(&office.database).await;
    office.follow(&ann, 1).await;
    office.follow(&ann, 2).await;
    network.aim(None);
    network.cut();
    ann.until("disconnect").await;
    office.sql("DELETE FROM members WHERE org = 7; UPDATE docs SET title = 'missed'").await;
    office.connect("bob").await.catch_up(&office.database).await;
    network.aim(Some(office.server.address));
    assert_eq!(ann.until("connect").await[0], true, "it has recovered");
    let mut told = office.told(&mut ann).await;
    told.sort();
    assert_eq!(told, ["doc:deleted 1 no longer visible", r#"doc:updated 2 {"title":"missed"}"#]);
    office.sql("UPDATE docs SET title = 'last'").await;
    assert_eq!(office.told(&mut ann).await, [r#"doc:updated 2 {"title":"last"}"#]);
}

#[tokio::test]
async fn who_may_see_other_rows_of_a_page_after_an_absence_is_told_to_fetch_it() {
    let office = Office::new(MEMBERS).await;
    office.sql("INSERT INTO docs (id, owner, org) VALUES (1, 'x', 7); INSERT INTO members VALUES (7, 'ann', 'all'), (7, 'bob', 'all')").await;
    let page = json!({ "entityType": "page", "entityId": "1" });
    let mut offsets = Vec::new();
    for user in ["ann", "bob"] {
        let mut client = office.connect(user).await;
        client.catch_up(&office.database).await;
        offsets.push(client.request("doc:subscribe", page.clone()).await["offset"].clone());
        client.request("changes:subscribe", json!({ "table": "docs" })).await;
    }
    office.sql("DELETE FROM members WHERE member = 'ann'").await;
    office.connect("eve").await.catch_up(&office.database).await;
    for (user, since, is_told) in [("ann", &offsets[0], true), ("bob", &offsets[1], false)] {
        let mut client = office.connect(user).await;
        let mut back = page.clone();
        back["since"] = since.clone();
        let ack = client.request("doc:subscribe", back).await;
        assert_eq!(ack["resumed"], true, "{ack}");
        let table = client.request("changes:subscribe", json!({ "table": "docs", "since": since })).await;
        assert_eq!(table["resumed"], !is_told, "{table}");
        client.request("presence:update", json!({ "entityType": "page", "entityId": "1", "state": {} })).await;
        let told: Vec<String> = client.received().into_iter().map(|(event, _)| event).collect();
        let expected: &[&str] = if is_told { &["doc:resync", "changes:resync"] } else { &[] };
        assert_eq!(told, expected, "{user}");
    }
}
