use serde_json::json;

use super::{OWN, Office};
use crate::support::plugins;

#[tokio::test]
async fn what_the_role_may_not_read_is_in_no_event() {
    for plugin in plugins() {
        let grant = "REVOKE SELECT ON docs FROM CLIENT; GRANT SELECT (id, owner, kind, page, title) ON docs TO CLIENT";
        let office = Office::with(&format!("{OWN} {grant}"), &plugin.to_string(), &[]).await;
        let mut ann = office.reader("ann").await;
        office.sql("INSERT INTO docs (id, owner, title, secret) VALUES (1, 'ann', 'a', 'hidden')").await;
        let created = ann.expect("doc:created").await;
        let record = json!({ "id": 1, "owner": "ann", "kind": "page", "page": "1", "title": "a" });
        assert_eq!(created["doc"], record, "{created}");
        office.sql("UPDATE docs SET secret = 'hidden too'").await;
        office.sql("UPDATE docs SET secret = 'and this', title = 'b'").await;
        let updated = ann.expect("doc:updated").await;
        assert_eq!(updated["updates"], json!({ "title": "b" }), "{updated}");
    }
}

#[tokio::test]
async fn who_may_not_read_the_key_is_told_nothing() {
    let grant = "REVOKE SELECT ON docs FROM CLIENT; GRANT SELECT (owner, title) ON docs TO CLIENT";
    let office = Office::new(&format!("{OWN} {grant}")).await;
    let mut ann = office.reader("ann").await;
    office.sql("INSERT INTO docs (id, owner, title) VALUES (1, 'ann', 'a')").await;
    assert_eq!(office.told(&mut ann).await, [] as [&str; 0]);
}

#[tokio::test]
async fn a_column_that_a_policy_reads_and_nobody_may_read_still_decides() {
    let grant = "REVOKE SELECT ON docs FROM CLIENT; GRANT SELECT (id, title, kind, page) ON docs TO CLIENT";
    let office = Office::new(&format!("{OWN} {grant}")).await;
    office.sql("INSERT INTO docs (id, owner, title) VALUES (1, 'ann', 'a')").await;
    let mut ann = office.connect("ann").await;
    office.follow(&ann, 1).await;
    office.sql("UPDATE docs SET owner = 'bob'").await;
    assert_eq!(office.told(&mut ann).await, ["doc:deleted 1 no longer visible"]);
}

#[tokio::test]
async fn columns_are_obeyed_without_row_security_too() {
    let grant = "REVOKE ALL ON docs FROM CLIENT; GRANT SELECT (id, kind, page, title) ON docs TO CLIENT";
    let office = Office::new(grant).await;
    let mut ann = office.reader("ann").await;
    office.sql("INSERT INTO docs (id, owner, title, secret) VALUES (1, 'ann', 'a', 'hidden')").await;
    let created = ann.expect("doc:created").await;
    assert_eq!(created["doc"], json!({ "id": 1, "kind": "page", "page": "1", "title": "a" }), "{created}");
}

#[tokio::test]
async fn what_the_log_does_not_say_enough_of_is_fetched() {
    let office = Office::new(OWN).await;
    office.sql("INSERT INTO docs (id, owner, title) VALUES (1, 'ann', 'a'), (2, 'bob', 'b')").await;
    let publication = &office.publication;
    let columns = "docs (id, kind, page, title)";
    let alter = format!(
        "ALTER TABLE docs REPLICA IDENTITY DEFAULT; ALTER PUBLICATION {publication} DROP TABLE docs; \
         ALTER PUBLICATION {publication} ADD TABLE {columns}"
    );
    office.sql(&alter).await;
    let mut ann = office.connect("ann").await;
    ann.catch_up(&office.database).await;
    office.follow(&ann, 1).await;
    office.sql("UPDATE docs SET title = 'new'").await;
    assert_eq!(ann.expect("doc:resync").await["reason"], "visibility");
    // What it was nobody can say; that it is not hers any more can be said.
    office.sql("UPDATE docs SET owner = 'bob', title = 'secret'").await;
    loop {
        let (event, payload) = ann.next().await;
        assert!(!payload.to_string().contains("secret"), "{event} {payload}");
        if event == "doc:deleted" {
            break;
        }
    }
}
