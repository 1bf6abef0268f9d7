//! The replica identity of a table changes between its writes: from there on the log says more or less of the row before a
//! change, and events tell what they can.

use crate::support::Stage;

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, code text NOT NULL UNIQUE, n int, big text); \
                     ALTER TABLE t ALTER big SET STORAGE EXTERNAL; \
                     INSERT INTO t VALUES (1, 'c1', 1, repeat('long', 600)), (2, 'c2', 1, 'short');";

async fn stage(plugin: &str, more: &str) -> Stage {
    let stage = Stage::new(plugin, &format!("{TABLE}{more}"), ", t").await;
    stage.follow("t", [1, 2, 3, 11]).await;
    stage
}

#[tokio::test]
async fn an_update_tells_what_the_log_says_at_its_place() {
    for plugin in ["pgoutput", "wal2json"] {
        let mut stage = stage(plugin, "").await;
        let told = stage
            .told([
                "UPDATE t SET n = 2 WHERE id = 2",
                "ALTER TABLE t REPLICA IDENTITY FULL",
                "UPDATE t SET n = 3 WHERE id = 2",
                "ALTER TABLE t REPLICA IDENTITY USING INDEX t_code_key",
                "UPDATE t SET n = 4 WHERE id = 2",
                "UPDATE t SET code = 'C2' WHERE id = 2",
                "ALTER TABLE t REPLICA IDENTITY DEFAULT",
                "UPDATE t SET n = 5 WHERE id = 2",
            ])
            .await;
        let expected = [
            r#"t:updated 2 {"big":"short","code":"c2","n":2}"#,
            r#"t:updated 2 {"n":3}"#,
            r#"t:updated 2 {"big":"short","code":"c2","n":4}"#,
            r#"t:updated 2 {"big":"short","code":"C2","n":4}"#,
            r#"t:updated 2 {"big":"short","code":"C2","n":5}"#,
        ];
        assert_eq!(told, expected, "{plugin}");
    }
}

#[tokio::test]
async fn in_the_middle_of_a_transaction() {
    for plugin in ["pgoutput", "wal2json"] {
        let mut stage = stage(plugin, "").await;
        let told = stage
            .told(["UPDATE t SET n = 2 WHERE id = 2; ALTER TABLE t REPLICA IDENTITY FULL; UPDATE t SET n = 3 WHERE id = 2; \
                    ALTER TABLE t REPLICA IDENTITY DEFAULT; UPDATE t SET n = 4 WHERE id = 2"])
            .await;
        let expected = [
            r#"t:updated 2 {"big":"short","code":"c2","n":2}"#,
            r#"t:updated 2 {"n":3}"#,
            r#"t:updated 2 {"big":"short","code":"c2","n":4}"#,
        ];
        assert_eq!(told, expected, "{plugin}");
    }
}

/// Whoever is sent a row that the log does not tell in full must fetch it.
#[tokio::test]
async fn an_out_of_line_value_is_known_only_under_full() {
    for plugin in ["pgoutput", "wal2json"] {
        let mut stage = stage(plugin, "").await;
        let told = stage
            .told([
                "UPDATE t SET n = 2 WHERE id = 1",
                "UPDATE t SET id = 11 WHERE id = 1",
                "ALTER TABLE t REPLICA IDENTITY FULL; UPDATE t SET n = 3 WHERE id = 11",
            ])
            .await;
        let expected = [
            r#"t:updated 1 {"code":"c1","n":2}"#,
            "t:deleted 1",
            r#"t:created 11 {"code":"c1","id":11,"n":2}"#,
            "t:resync 11 incomplete",
            r#"t:updated 11 {"n":3}"#,
        ];
        assert_eq!(told, expected, "{plugin}");
        let told = stage.told(["UPDATE t SET id = 3 WHERE id = 11"]).await;
        let whole = format!(r#"t:created 3 {{"big":"{}","code":"c1","id":3,"n":3}}"#, "long".repeat(600));
        assert_eq!(told, ["t:deleted 11".to_owned(), whole], "{plugin}");
    }
}

#[tokio::test]
async fn a_deletion_reaches_the_entity_only_under_full() {
    for plugin in ["pgoutput", "wal2json"] {
        let rule = "SELECT walcast.broadcast_table('t', prefix => 'note', id => 'id', entity => ARRAY['code', 'n']);";
        let mut stage = stage(plugin, rule).await;
        stage.follow_entity("c2", "1").await;
        stage.follow_entity("c3", "1").await;
        let told = stage.told(["DELETE FROM t WHERE id = 2"]).await;
        assert_eq!(told, [] as [&str; 0], "{plugin}: the log holds the key alone");
        let told = stage
            .told([
                "ALTER TABLE t REPLICA IDENTITY FULL; INSERT INTO t VALUES (3, 'c3', 1); DELETE FROM t WHERE id = 3",
            ])
            .await;
        let expected = [r#"note:created 3 {"big":null,"code":"c3","id":3,"n":1}"#, "note:deleted 3"];
        assert_eq!(told, expected, "{plugin}");
    }
}

#[tokio::test]
async fn without_one_postgres_refuses_what_could_not_be_told() {
    let mut stage = stage("pgoutput", "").await;
    let told = stage.told(["ALTER TABLE t REPLICA IDENTITY NOTHING; INSERT INTO t VALUES (3, 'c3', 3)"]).await;
    assert_eq!(told, [r#"t:created 3 {"big":null,"code":"c3","id":3,"n":3}"#]);
    for refused in ["UPDATE t SET n = 9", "DELETE FROM t"] {
        let error = stage.database.client.batch_execute(refused).await.expect_err("Postgres refuses it");
        assert!(error.as_db_error().is_some_and(|error| error.message().contains("replica identity")), "{error:?}");
    }
    assert_eq!(stage.told(["ALTER TABLE t REPLICA IDENTITY FULL; DELETE FROM t WHERE id = 3"]).await, ["t:deleted 3"]);
}
