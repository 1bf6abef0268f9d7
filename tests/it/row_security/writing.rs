use serde_json::json;

use super::{OWN, Office};

#[tokio::test]
async fn sockets_write_what_policies_let_them_write() {
    let office = Office::new(OWN).await;
    office.sql("INSERT INTO docs (id, owner, title) VALUES (1, 'ann', 'a'), (2, 'bob', 'b')").await;
    let ann = office.connect("ann").await;
    let update = |id: i32| json!({ "docId": id, "updates": { "title": "new" } });
    let ack = ann.request("doc:update", update(1)).await;
    assert_eq!(ack["ok"], true, "{ack}");
    for (event, payload) in [("doc:update", update(2)), ("doc:delete", json!({ "docId": 2 }))] {
        let ack = ann.request(event, payload).await;
        assert_eq!(ack["error"]["code"], "not_found", "{event}: {ack}");
    }
    // Away from oneself, and in another's name.
    let ack = ann.request("doc:update", json!({ "docId": 1, "updates": { "owner": "bob" } })).await;
    assert_eq!(ack["error"]["code"], "forbidden", "{ack}");
    let create =
        |owner: &str| json!({ "entityType": "page", "entityId": "1", "doc": { "owner": owner, "title": "c" } });
    let ack = ann.request("doc:create", create("bob")).await;
    assert_eq!(ack["error"]["code"], "forbidden", "{ack}");
    let ack = ann.request("doc:create", create("ann")).await;
    assert_eq!(ack["ok"], true, "{ack}");
    let titles: String =
        office.database.value("SELECT string_agg(id || owner || title, ',' ORDER BY id) FROM docs").await;
    assert_eq!(titles, "1annnew,2bobb,101annc");
}

#[tokio::test]
async fn a_mutation_is_kept_by_the_server_and_repeated_to_its_user() {
    let office = Office::new(OWN).await;
    office.sql("INSERT INTO docs (id, owner, title) VALUES (1, 'ann', 'a')").await;
    let ann = office.connect("ann").await;
    let write = json!({ "docId": 1, "updates": { "title": "b" }, "mutationId": "m1" });
    let first = ann.request("doc:update", write.clone()).await;
    assert_eq!(first["ok"], true, "{first}");
    assert_eq!(ann.request("doc:update", write).await, first);
}

#[tokio::test]
async fn row_security_that_is_turned_on_holds_for_the_next_write() {
    let office = Office::new("CREATE POLICY own ON docs USING (owner = me())").await;
    office.sql("INSERT INTO docs (id, owner, title) VALUES (1, 'bob', 'a')").await;
    let ann = office.connect("ann").await;
    let write = json!({ "docId": 1, "updates": { "title": "b" } });
    let ack = ann.request("doc:update", write.clone()).await;
    assert_eq!(ack["ok"], true, "{ack}");
    office.sql("ALTER TABLE docs ENABLE ROW LEVEL SECURITY").await;
    let ack = ann.request("doc:update", write).await;
    assert_eq!(ack["error"]["code"], "not_found", "{ack}");
}

#[tokio::test]
async fn who_writes_away_what_they_see_is_told_that_it_is_gone() {
    let policies = "ALTER TABLE docs ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own ON docs FOR SELECT USING (owner = me() OR title = 'shared');
        CREATE POLICY any_ ON docs FOR UPDATE USING (true) WITH CHECK (true);";
    let office = Office::new(policies).await;
    office.sql("INSERT INTO docs (id, owner, title) VALUES (1, 'bob', 'shared')").await;
    let mut ann = office.connect("ann").await;
    office.follow(&ann, 1).await;
    let ack = ann.request("doc:update", json!({ "docId": 1, "updates": { "org": 7 } })).await;
    assert_eq!(ack["ok"], true, "{ack}");
    office.sql("UPDATE docs SET title = 'secret'").await;
    assert_eq!(office.told(&mut ann).await, ["doc:deleted 1 no longer visible"]);
}
