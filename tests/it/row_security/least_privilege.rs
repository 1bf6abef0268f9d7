//! With the roles of sql/roles.sql, and nothing that only a superuser may do.

use serde_json::json;

use crate::support::{Cluster, Server, Sockets, psql, request, script, token, walcast};

const NOTES: &str = "
    CREATE SCHEMA app; GRANT USAGE ON SCHEMA app TO walcast, walcast_client;
    CREATE TABLE app.notes (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, owner text, text text, rows jsonb DEFAULT '[]');
    ALTER TABLE app.notes REPLICA IDENTITY FULL;
    GRANT SELECT, INSERT, UPDATE, DELETE ON app.notes TO walcast_client;
    SELECT walcast.broadcast_table('app.notes', prefix => 'note', actor => 'owner', writable => ARRAY['text', 'rows'],
        nested => '{\"column\": \"rows\", \"children\": \"components\"}');
    ALTER TABLE app.notes ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON app.notes USING (owner = current_setting('request.jwt.claims', true)::json ->> 'userId');
    INSERT INTO app.notes (owner, text, rows) VALUES ('ann', 'a', '[{\"id\": \"r\", \"components\": []}]'), ('bob', 'b', '[]');
    ALTER PUBLICATION walcast ADD TABLE app.notes";

#[tokio::test]
async fn row_security_holds_for_roles_with_least_privilege() {
    let cluster = Cluster::start(&[]).await;
    let owner = cluster.dsn_text("");
    let output = walcast().args(["migrate", "--database-url", &owner]).output().await.expect("runs");
    assert!(output.status.success(), "{output:?}");
    for arguments in [&["-f", &script("publication")][..], &["-v", "password='secret'", "-f", &script("roles")]] {
        let output = psql(&owner, arguments).await;
        assert!(output.status.success(), "{output:?}");
    }
    cluster.sql(NOTES).await;
    let server = Server::start_on(&cluster.dsn_text("user=walcast"), "walcast", &[]).await;
    let sockets = Sockets::start().await;
    let mut ann = sockets.connect(&server, "ann", "websocket").await;
    assert_eq!(ann.request("note:subscribe", json!({ "noteId": 1 })).await["ok"], true);
    assert_eq!(ann.request("note:subscribe", json!({ "noteId": 2 })).await["error"]["code"], "not_found");
    let update = |id: i32| json!({ "noteId": id, "updates": { "text": "new" } });
    let ack = ann.request("note:update", update(1)).await;
    assert_eq!(ack["ok"], true, "{ack}");
    assert_eq!(ann.request("note:update", update(2)).await["error"]["code"], "not_found");
    let nested = json!({ "noteId": 1, "rowId": "r", "nestedComponent": { "id": "n" }, "mutationId": "m" });
    let ack = ann.request("note:nested-create", nested.clone()).await;
    assert_eq!(ack["ok"], true, "{ack}");
    assert_eq!(ann.expect("note:nested-created").await["nestedComponent"]["id"], "n");
    assert_eq!(ann.request("note:nested-create", nested).await, ack);
    let bearer = format!("Authorization: Bearer {}", token("ann"));
    let fetch = async |id: i32| request(server.address, "GET", &format!("/api/rows/note/{id}"), &[&bearer]).await.0;
    assert_eq!((fetch(1).await, fetch(2).await), (200, 404));
    cluster.sql("UPDATE app.notes SET text = 'last'; UPDATE app.notes SET owner = 'bob'").await;
    assert_eq!(ann.expect("note:updated").await["updates"], json!({ "text": "last" }));
    assert_eq!(ann.expect("note:deleted").await["reason"], "no longer visible");
}
