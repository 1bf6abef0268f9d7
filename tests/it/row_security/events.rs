use super::{OWN, Office};
use crate::support::plugins;

#[tokio::test]
async fn everyone_in_a_room_hears_of_the_rows_that_they_may_see() {
    for plugin in plugins() {
        let office = Office::with(OWN, &plugin.to_string(), &[]).await;
        let (mut ann, mut bob) = (office.reader("ann").await, office.reader("bob").await);
        office.sql("INSERT INTO docs (id, owner, title) VALUES (1, 'ann', 'hers'), (2, 'bob', 'his'), (3, NULL, 'nobody''s')").await;
        office.sql("UPDATE docs SET title = 'new'").await;
        office.sql("DELETE FROM docs").await;
        let all = |id| [format!("doc:updated {id} {{\"title\":\"new\"}}"), format!("doc:deleted {id}")];
        assert_eq!(office.told(&mut ann).await, [vec!["doc:created 1 hers".to_owned()], all(1).to_vec()].concat());
        assert_eq!(office.told(&mut bob).await, [vec!["doc:created 2 his".to_owned()], all(2).to_vec()].concat());
    }
}

#[tokio::test]
async fn matrix_a_row_that_changes_hands_goes_from_one_and_comes_to_the_other() {
    for plugin in plugins() {
        let office = Office::with(OWN, &plugin.to_string(), &[]).await;
        office.sql("INSERT INTO docs (id, owner, title) VALUES (1, 'ann', 'a')").await;
        let (mut ann, mut bob) = (office.reader("ann").await, office.reader("bob").await);
        office.follow(&ann, 1).await;
        office.sql("UPDATE docs SET owner = 'bob', title = 'b'").await;
        office.sql("UPDATE docs SET title = 'c'").await;
        assert_eq!(office.told(&mut ann).await, ["doc:deleted 1 no longer visible"]);
        assert_eq!(office.told(&mut bob).await, ["doc:created 1 b", r#"doc:updated 1 {"title":"c"}"#]);
        // Who lost it has left its room, and cannot come back into it.
        let refused = ann.request("doc:typing", serde_json::json!({ "docId": 1 })).await;
        assert_eq!(refused["error"]["code"], "forbidden", "{refused}");
        office.sql("UPDATE docs SET owner = 'ann'").await;
        assert_eq!(office.told(&mut ann).await, ["doc:created 1 c"]);
        assert_eq!(office.told(&mut bob).await, ["doc:deleted 1 no longer visible"]);
    }
}

#[tokio::test]
async fn what_goes_and_comes_in_one_transaction_is_told_step_by_step() {
    let office = Office::new(OWN).await;
    let mut ann = office.reader("ann").await;
    office
        .sql(
            "INSERT INTO docs (id, owner, title) VALUES (1, 'ann', 'one'), (2, 'bob', 'secret');
             UPDATE docs SET title = 'two' WHERE id = 1; UPDATE docs SET owner = 'bob', title = 'three' WHERE id = 1;
             UPDATE docs SET title = 'four'; UPDATE docs SET owner = 'ann', title = 'five' WHERE id = 2;
             DELETE FROM docs",
        )
        .await;
    let told = office.told(&mut ann).await;
    let expected = [
        "doc:created 1 one",
        r#"doc:updated 1 {"title":"two"}"#,
        "doc:deleted 1 no longer visible",
        "doc:created 2 five",
        "doc:deleted 2",
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_change_of_what_no_policy_reads_asks_nobody() {
    let office = Office::new(OWN).await;
    let mut ann = office.reader("ann").await;
    office.sql("INSERT INTO docs (id, owner) VALUES (1, 'ann')").await;
    assert_eq!(office.told(&mut ann).await.len(), 1);
    let before = office.questions().await;
    assert!(before > 0.0, "the first row was asked for");
    for title in 0..20 {
        office
            .sql(&format!(
                "UPDATE docs SET title = '{title}'; INSERT INTO docs (id, owner) VALUES (100 + {title}, 'ann')"
            ))
            .await;
    }
    let told = office.told(&mut ann).await;
    assert!(told.len() >= 40, "{told:?}");
    assert_eq!(office.questions().await, before, "what was known was asked again");
}

#[tokio::test]
async fn a_table_with_row_security_and_no_policy_or_no_grant_is_told_to_nobody() {
    for policies in [
        "ALTER TABLE docs ENABLE ROW LEVEL SECURITY",
        "REVOKE ALL ON docs FROM CLIENT; CREATE POLICY all_ ON docs USING (true); ALTER TABLE docs ENABLE ROW LEVEL SECURITY",
    ] {
        let office = Office::new(policies).await;
        let mut ann = office.reader("ann").await;
        office
            .sql("INSERT INTO docs (id, owner) VALUES (1, 'ann'); UPDATE docs SET title = 'x'; DELETE FROM docs")
            .await;
        assert_eq!(office.told(&mut ann).await, [] as [&str; 0], "{policies}");
    }
}

#[tokio::test]
async fn without_the_whole_old_row_nobody_is_left_with_what_they_may_not_see() {
    let office = Office::new(&format!("ALTER TABLE docs REPLICA IDENTITY DEFAULT; {OWN}")).await;
    office.sql("INSERT INTO docs (id, owner, title) VALUES (1, 'ann', 'a'), (2, 'ann', 'b'), (3, 'bob', 'c')").await;
    let mut ann = office.connect("ann").await;
    office.follow(&ann, 1).await;
    office.follow(&ann, 2).await;
    office.sql("UPDATE docs SET title = 'd'").await;
    office.sql("UPDATE docs SET owner = 'bob' WHERE id = 1; UPDATE docs SET title = 'e' WHERE id = 1").await;
    office.sql("DELETE FROM docs WHERE id = 2").await;
    let told = office.told(&mut ann).await;
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told[0].starts_with("doc:updated 1") && told[1].starts_with("doc:updated 2"), "{told:?}");
    assert_eq!(told[2..], ["doc:deleted 1 no longer visible", "doc:deleted 2"]);
}
