use serde_json::json;

use super::{OWN, Office};

#[tokio::test]
async fn who_follows_a_table_is_told_no_row_that_others_might_not_see() {
    let office = Office::new(OWN).await;
    let mut ann = office.connect("ann").await;
    for table in ["docs", "members"] {
        let ack = ann.request("changes:subscribe", json!({ "table": table })).await;
        assert_eq!(ack["ok"], true, "{ack}");
    }
    office.sql("INSERT INTO docs (owner) VALUES ('bob'), ('ann')").await;
    office.sql("UPDATE docs SET title = 't'; DELETE FROM docs").await;
    office.sql("INSERT INTO members VALUES (1, 'ann', 'all')").await;
    assert_eq!(ann.expect("changes:changed").await["table"], "members", "whose rows everyone sees");
}
