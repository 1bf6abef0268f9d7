//! The database that cannot be asked: nobody is told what they may not see, and nobody is left behind.

use serde_json::json;

use super::{OWN, Office};

#[tokio::test]
async fn nothing_is_told_while_nobody_can_say_who_may_see_it() {
    let office = Office::new(OWN).await;
    let mut ann = office.reader("ann").await;
    office.sql("INSERT INTO docs (id, owner, title) VALUES (1, 'ann', 'a')").await;
    assert_eq!(office.told(&mut ann).await, ["doc:created 1 a"]);
    // A policy that takes too long is not answered.
    office.sql("CREATE FUNCTION slow() RETURNS bool LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM pg_sleep(60); RETURN true; END $$").await;
    office.sql("ALTER POLICY own ON docs USING (slow() AND owner = me())").await;
    office.sql("UPDATE docs SET title = 'b'").await;
    let ack = ann.request("doc:subscribe", json!({ "docId": 1 })).await;
    assert_eq!(ack["error"]["code"], "unavailable", "{ack}");
    office.sql("ALTER POLICY own ON docs USING (owner = me())").await;
    // It was not told, and is made up for.
    let resync = ann.expect("doc:resync").await;
    assert_eq!((&resync["reason"], &resync["entityId"]), (&json!("visibility"), &json!("1")), "{resync}");
    // From then on, perhaps after one more, all is as before.
    let mut told = Vec::new();
    while !told.contains(&r#"doc:updated 1 {"title":"c"}"#.to_owned()) {
        assert!(told.iter().all(|line| line.starts_with("doc:resync")), "{told:?}");
        office.sql("UPDATE docs SET title = 'b'; UPDATE docs SET title = 'c'").await;
        told = office.told(&mut ann).await.into_iter().filter(|line| !line.contains("\"b\"")).collect();
    }
}
