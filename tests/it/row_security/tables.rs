//! Those who follow a table by a filter.

use serde_json::{Value, json};

use super::{MEMBERS, OWN, Office};
use crate::support::{Client, plugins};

/// Follows a table, and has caught up with the stream.
async fn following(office: &Office, user: &str, what: Value) -> Client {
    let mut client = office.connect(user).await;
    client.catch_up(&office.database).await;
    let ack = client.request("changes:subscribe", what).await;
    assert_eq!(ack["ok"], true, "{ack}");
    client
}

/// What a client is told of all that is committed by now: `insert 1 title`.
async fn told(office: &Office, client: &mut Client) -> Vec<String> {
    let marker = json!({ "entityType": "marker", "entityId": "1" });
    client.subscribe(marker.clone()).await;
    office.sql("INSERT INTO components (entity_type, entity_id, type) VALUES ('marker', '1', 'm')").await;
    let mut told = Vec::new();
    loop {
        match client.next().await {
            (event, payload) if event == "changes:changed" => {
                let title = payload["record"]["title"].as_str().unwrap_or_default();
                let line = format!("{} {} {title}", payload["event"].as_str().expect("an event"), payload["id"]);
                told.push(line.trim_end().to_owned());
            }
            (event, payload) if event == "changes:resync" => {
                told.push(format!("resync {}", payload["reason"].as_str().expect("a reason")));
            }
            // The marker's room is an entity's, too.
            (event, _) if event == "component:resync" => {}
            _ => break,
        }
    }
    client.request("component:unsubscribe", marker).await;
    told
}

#[tokio::test]
async fn who_follows_a_table_is_told_the_rows_that_they_may_see() {
    for plugin in plugins() {
        let office = Office::with(OWN, &plugin.to_string(), &[]).await;
        let mut ann = following(&office, "ann", json!({ "table": "docs" })).await;
        let mut bob = following(&office, "bob", json!({ "table": "docs", "filter": "title=eq.x" })).await;
        office
            .sql("INSERT INTO docs (id, owner, title) VALUES (1, 'ann', 'x'), (2, 'bob', 'x'), (3, 'bob', 'y')")
            .await;
        office.sql("UPDATE docs SET org = 7").await;
        office.sql("UPDATE docs SET owner = 'bob' WHERE id = 1; UPDATE docs SET owner = 'ann' WHERE id = 2").await;
        office.sql("UPDATE docs SET title = 'x' WHERE id = 3; DELETE FROM docs").await;
        let expected = ["insert 1 x", "update 1 x", "leave 1", "enter 2 x", "delete 2"];
        assert_eq!(told(&office, &mut ann).await, expected, "{plugin}");
        let expected = ["insert 2 x", "update 2 x", "enter 1 x", "leave 2", "enter 3 x", "delete 1", "delete 3"];
        assert_eq!(told(&office, &mut bob).await, expected, "{plugin}");
    }
}

#[tokio::test]
async fn a_change_that_nobody_may_read_still_says_who_sees_the_row() {
    let grant = "REVOKE SELECT ON docs FROM CLIENT; GRANT SELECT (id, title) ON docs TO CLIENT";
    let office = Office::new(&format!("{OWN} {grant}")).await;
    let mut ann = following(&office, "ann", json!({ "table": "docs" })).await;
    office.sql("INSERT INTO docs (id, owner, title, secret) VALUES (1, 'ann', 'x', 's')").await;
    office.sql("UPDATE docs SET secret = 't'; UPDATE docs SET owner = 'bob'; UPDATE docs SET owner = 'ann'").await;
    assert_eq!(told(&office, &mut ann).await, ["insert 1 x", "leave 1", "enter 1 x"]);
    // Nor can a filter find out what is in it.
    let mut spy = following(&office, "ann", json!({ "table": "docs", "filter": "secret=eq.t" })).await;
    let mut other = following(&office, "ann", json!({ "table": "docs", "filter": "secret=eq.u" })).await;
    office.sql("UPDATE docs SET title = 'y'").await;
    assert_eq!(told(&office, &mut spy).await, told(&office, &mut other).await);
}

#[tokio::test]
async fn who_follows_a_table_is_told_to_fetch_it_when_what_they_may_see_is_another() {
    let office = Office::new(MEMBERS).await;
    office.sql("INSERT INTO docs (id, org, title) VALUES (1, 7, 'x')").await;
    let mut ann = following(&office, "ann", json!({ "table": "docs" })).await;
    let mut bob = following(&office, "bob", json!({ "table": "docs" })).await;
    office.sql("INSERT INTO members VALUES (7, 'ann', 'all')").await;
    office.sql("UPDATE docs SET title = 'y'").await;
    assert_eq!(told(&office, &mut ann).await, ["resync visibility", "update 1 y"]);
    office.sql("DELETE FROM members; UPDATE docs SET title = 'z'").await;
    assert_eq!(told(&office, &mut ann).await, ["resync visibility"]);
    assert_eq!(told(&office, &mut bob).await, [] as [&str; 0], "it was nothing to him");
}
