//! The functions for nested components, as an application's own SQL calls them.

use serde_json::{Value, json};

use super::{Desk, ROWS};
use crate::support::{Client, Database};

/// The SQLSTATE and the message that a statement ends with.
async fn refusal(database: &Database, statement: &str) -> (String, String) {
    let error = database.client.batch_execute(statement).await.expect_err(statement);
    let error = error.as_db_error().unwrap_or_else(|| panic!("{statement}: {error}"));
    (error.code().code().to_owned(), error.message().to_owned())
}

#[tokio::test]
async fn an_application_edits_nested_components_in_its_own_transactions() {
    let mut desk = Desk::new().await;
    let id = desk.component(ROWS).await;
    let version: i64 = desk
        .database
        .value(&format!("SELECT walcast.nested_update('{id}', 'r1', 'n1', '{{\"text\": \"A\", \"old\": null}}')"))
        .await;
    assert_eq!(version, 2);
    assert_eq!(desk.reader.expect("component:updated").await["updates"]["version"], 2);
    let told = desk.reader.expect("component:nested-updated").await;
    assert_eq!((&told["updates"], &told["updatedBy"]), (&json!({ "text": "A", "old": null }), &Value::Null));

    desk.database
        .sql(&format!(
            "BEGIN; SELECT walcast.set_actor('app'); \
             SELECT walcast.nested_create('{id}', 'r2', '{{\"id\": 5}}', actor => 'app'); \
             SELECT walcast.nested_delete('{id}', 'r1', 'n2', version => 3); COMMIT"
        ))
        .await;
    assert_eq!(desk.reader.expect("component:updated").await["updates"]["updated_by"], "app");
    let told = desk.reader.expect("component:nested-created").await;
    assert_eq!((&told["nestedComponent"], &told["createdBy"]), (&json!({ "id": 5 }), &json!("app")));
    desk.reader.expect("component:updated").await;
    assert_eq!(desk.reader.expect("component:nested-deleted").await["nestedComponentId"], "n2");
    let rows = json!([{ "id": "r1", "components": [{ "id": "n1", "text": "A" }] }, { "id": "r2", "components": [{ "id": 5 }] }]);
    assert_eq!(desk.row(&id).await["rows"], rows);
    let made: Value =
        desk.database.value(&format!("SELECT nested_id FROM walcast.nested_create('{id}', 'r2', '{{}}')")).await;
    assert_eq!(desk.row(&id).await["rows"][1]["components"][1]["id"], made);
}

#[tokio::test]
async fn what_cannot_be_done_says_so_by_its_sqlstate() {
    let desk = Desk::new().await;
    let id = desk.database.component("c", ROWS).await;
    let nobody = "00000000-0000-4000-8000-00000000dead";
    desk.database.sql(r#"UPDATE components SET rows = rows || '[{"id": "odd", "components": {}}]'"#).await;
    for (call, state, words) in [
        (format!("nested_update('{nobody}', 'r1', 'n1', '{{}}')"), "P0002", nobody),
        (format!("nested_update('{id}', 'r9', 'n1', '{{}}')"), "P0002", "row \"r9\""),
        (format!("nested_update('{id}', 'r1', 'n9', '{{}}')"), "P0002", "nested component \"n9\""),
        (format!("nested_delete('{id}', 'r2', 'n1')"), "P0002", "nested component \"n1\""),
        (format!("nested_update('{id}', 'r1', 'n1', '{{}}', version => 1)"), "WC001", "version 1"),
        (format!("nested_update('{id}', 'r1', 'n1', '[]')"), "22023", "is an object"),
        (format!("nested_update('{id}', 'r1', 'n1', NULL)"), "22023", "is an object"),
        (format!("nested_update('{id}', 'r1', 'n1', '{{\"id\": 1}}')"), "22023", "cannot be changed"),
        (format!("nested_create('{id}', 'r1', '{{\"id\": \"n1\"}}')"), "23505", "already"),
        (format!("nested_create('{id}', 'r1', '{{\"id\": null}}')"), "22023", "the id of a nested"),
        (format!("nested_create('{id}', 'odd', '{{}}')"), "22023", "no array"),
        (format!("nested_create('{id}', 'r1', '{{}}', 'nope')"), "42704", "prefix \"nope\""),
        ("nested_create('no uuid', 'r1', '{}')".to_owned(), "22P02", "uuid"),
    ] {
        let (found, said) = refusal(&desk.database, &format!("SELECT walcast.{call}")).await;
        assert_eq!(found, state, "{call}: {said}");
        assert!(said.contains(words), "{call}: {said}");
    }
    assert_eq!(desk.row(&id).await["version"], 2);
}

#[tokio::test]
async fn who_is_not_granted_them_may_not_call_them() {
    let database = Database::new().await;
    let id = database.component("c", ROWS).await;
    let role = format!("app_{}", database.name);
    database
        .sql(&format!(
            "CREATE ROLE {role}; GRANT SELECT, UPDATE ON components TO {role}; GRANT USAGE ON SCHEMA walcast TO {role}"
        ))
        .await;
    let call = format!("SET ROLE {role}; SELECT walcast.nested_update('{id}', 'r1', 'n1', '{{\"text\": \"x\"}}')");
    assert_eq!(refusal(&database, &call).await.0, "42501");
    database
        .sql(&format!(
            "RESET ROLE; GRANT SELECT ON walcast.rules TO {role}; GRANT EXECUTE ON FUNCTION \
             walcast.nested_update(text, text, text, jsonb, text, bigint, text), \
             walcast.nested_write(text, text, text, text, jsonb, text, bigint, text), \
             walcast.nested_document(jsonb, text, text, text, text, jsonb) TO {role}; {call}; RESET ROLE"
        ))
        .await;
    database.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

/// In the order given, not waiting for each other.
async fn all_of(client: &Client, edits: Vec<Value>) {
    for edits in edits.chunks(200) {
        let acks = client.requests("component:nested-update", edits.to_vec()).await;
        let refused = acks.iter().find(|ack| ack["ok"] != true);
        assert_eq!(refused, None);
    }
}

/// Two who edit two nested components of one row at the same moment both keep their edit.
#[tokio::test]
async fn a_thousand_edits_at_the_same_moment_all_stay() {
    const EDITS: usize = 1_000;
    let mut desk = Desk::with(&["--rate-burst", "1000"], "websocket").await;
    let id = desk.component(ROWS).await;
    let by_sql = desk.database.connect().await;
    let other = desk.sockets.connect(&desk.server, "eve", "websocket").await;
    other.subscribe(json!({ "entityType": "page", "entityId": "1" })).await;
    let edit = |nested: &str, n: usize| json!({ "componentId": id, "rowId": "r1", "nestedComponentId": nested, "updates": { format!("k{n}"): n } });
    let edits = |nested| (0..EDITS).map(|n| edit(nested, n)).collect::<Vec<_>>();
    let sql = async {
        for n in 0..EDITS {
            let call = format!("SELECT walcast.nested_update('{id}', 'r1', 'n1', '{{\"s{n}\": {n}}}')");
            by_sql.batch_execute(&call).await.expect("updates");
        }
    };
    tokio::join!(sql, all_of(&desk.writer, edits("n1")), all_of(&other, edits("n2")));
    let row = desk.row(&id).await;
    assert_eq!(row["version"], 1 + 3 * EDITS);
    let nested = |at: usize| row["rows"][0]["components"][at].clone();
    for n in 0..EDITS {
        assert_eq!((&nested(0)[format!("k{n}")], &nested(0)[format!("s{n}")]), (&json!(n), &json!(n)));
        assert_eq!(nested(1)[format!("k{n}")], n);
    }
}
