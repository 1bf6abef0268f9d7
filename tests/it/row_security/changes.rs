//! Policies, grants and tables that change while sockets follow them.

use serde_json::json;

use super::{OWN, Office};
use crate::support::plugins;

#[tokio::test]
async fn policies_that_change_hold_from_then_on() {
    for plugin in plugins() {
        let office = Office::with(OWN, &plugin.to_string(), &[]).await;
        office.sql("INSERT INTO docs (id, owner, title) VALUES (1, 'ann', 'a')").await;
        let mut ann = office.connect("ann").await;
        office.follow(&ann, 1).await;
        office.sql("ALTER POLICY own ON docs USING (owner = me() AND title <> 'secret')").await;
        let told = ann.request("doc:subscribe", json!({ "docId": 1 })).await;
        assert_eq!(told["ok"], true, "{told}");
        office.sql("DROP POLICY own ON docs").await;
        assert_eq!(super::in_short("doc:deleted", &ann.expect("doc:deleted").await), "doc:deleted 1 no longer visible");
        office.sql("CREATE POLICY all_ ON docs USING (true)").await;
        loop {
            let ack = ann.request("doc:subscribe", json!({ "docId": 1 })).await;
            if ack["ok"] == true {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        office.sql("UPDATE docs SET title = 'b'").await;
        assert_eq!(office.told(&mut ann).await, [r#"doc:updated 1 {"title":"b"}"#]);
    }
}

#[tokio::test]
async fn row_security_that_is_turned_on_holds_from_its_place_in_the_log() {
    let office = Office::new("CREATE POLICY own ON docs USING (owner = me())").await;
    office.sql("INSERT INTO docs (id, owner, title) VALUES (1, 'bob', 'a')").await;
    let mut ann = office.connect("ann").await;
    office.follow(&ann, 1).await;
    office.sql("UPDATE docs SET title = 'open'").await;
    assert_eq!(office.told(&mut ann).await, [r#"doc:updated 1 {"title":"open"}"#]);
    office.sql("ALTER TABLE docs ENABLE ROW LEVEL SECURITY").await;
    office.sql("UPDATE docs SET title = 'secret'").await;
    assert_eq!(office.told(&mut ann).await, ["doc:deleted 1 no longer visible"]);
}

#[tokio::test]
async fn a_table_that_is_renamed_stays_guarded() {
    for plugin in plugins() {
        let office = Office::with(OWN, &plugin.to_string(), &[]).await;
        let mut ann = office.reader("ann").await;
        office.sql("ALTER TABLE docs RENAME TO papers").await;
        office.sql("INSERT INTO papers (id, owner, title) VALUES (1, 'bob', 'secret')").await;
        let follow = ann.request("papers:subscribe", json!({ "id": 1 })).await;
        office.sql("UPDATE papers SET title = 'more'").await;
        // That a prefix is guarded is known a moment later: then who is in a room of it is judged.
        let told = office.told(&mut ann).await;
        assert!(told.iter().all(|line| line.contains("no longer visible")), "{follow} {told:?}");
    }
}

#[tokio::test]
async fn a_table_is_guarded_from_the_moment_that_it_is_published() {
    for plugin in plugins() {
        let office = Office::with(OWN, &plugin.to_string(), &[]).await;
        office
            .sql(&format!(
                "CREATE TABLE late (id int PRIMARY KEY, owner text); ALTER TABLE late REPLICA IDENTITY FULL;
                 ALTER TABLE late ENABLE ROW LEVEL SECURITY; GRANT SELECT ON late TO {};
                 CREATE POLICY own ON late USING (owner = me())",
                office.role
            ))
            .await;
        let mut ann = office.connect("ann").await;
        // Nothing is known of it yet, and so nothing is refused.
        for id in [1, 2] {
            let ack = ann.request("late:subscribe", json!({ "id": id })).await;
            assert_eq!(ack["ok"], true, "{ack}");
        }
        office.sql(&format!("ALTER PUBLICATION {} ADD TABLE late", office.publication)).await;
        office.sql("INSERT INTO late VALUES (1, 'ann'), (2, 'bob')").await;
        office.sql("UPDATE late SET owner = owner").await;
        let told = office.told(&mut ann).await;
        let of_others = |line: &&String| line.ends_with(" 2") && !line.contains("deleted");
        assert_eq!(told.iter().filter(of_others).count(), 0, "{told:?}");
    }
}

#[tokio::test]
async fn a_membership_of_roles_counts() {
    let policy = "ALTER TABLE docs ENABLE ROW LEVEL SECURITY;";
    let office = Office::new(policy).await;
    let group = format!("group_{}", office.database.name);
    office.sql(&format!("CREATE ROLE {group} NOLOGIN; CREATE POLICY staff ON docs TO {group} USING (true)")).await;
    office.sql("INSERT INTO docs (id, title) VALUES (1, 'a')").await;
    let ann = office.connect("ann").await;
    let refused = ann.request("doc:subscribe", json!({ "docId": 1 })).await;
    assert_eq!(refused["error"]["code"], "not_found");
    office.sql(&format!("GRANT {group} TO {}", office.role)).await;
    crate::support::within("the role's rows", async {
        while ann.request("doc:subscribe", json!({ "docId": 1 })).await["ok"] != true {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn policies_of_what_policies_read_count_too() {
    let office = Office::new(super::MEMBERS).await;
    office
        .sql("INSERT INTO docs (id, owner, org) VALUES (1, 'x', 7); INSERT INTO members VALUES (7, 'ann', 'all')")
        .await;
    let mut ann = office.connect("ann").await;
    office.follow(&ann, 1).await;
    for (revoke, grant) in [
        (
            "ALTER POLICY self ON members USING (false)".to_owned(),
            "ALTER POLICY self ON members USING (member = me())".to_owned(),
        ),
        (
            format!("REVOKE SELECT ON members FROM {}", office.role),
            format!("GRANT SELECT ON members TO {}", office.role),
        ),
    ] {
        office.sql(&revoke).await;
        assert_eq!(ann.expect("doc:deleted").await["reason"], "no longer visible", "{revoke}");
        office.sql(&grant).await;
        crate::support::within("the row", async {
            while ann.request("doc:subscribe", json!({ "docId": 1 })).await["ok"] != true {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        })
        .await;
    }
}
