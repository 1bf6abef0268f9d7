//! A rule comes, changes and goes while the stream goes on: it holds for the transactions after its own.

use crate::support::Stage;

const TABLES: &str = "CREATE TABLE t (id int PRIMARY KEY, code text NOT NULL UNIQUE, n int); \
                      ALTER TABLE t REPLICA IDENTITY FULL; INSERT INTO t VALUES (1, 'c1', 1); \
                      CREATE TABLE u (id int PRIMARY KEY, n int); ALTER TABLE u REPLICA IDENTITY FULL; \
                      INSERT INTO u VALUES (1, 1);";

async fn stage(plugin: &str) -> Stage {
    let stage = Stage::new(plugin, TABLES, ", t, u").await;
    for prefix in ["t", "u", "note", "memo"] {
        stage.follow(prefix, ["1", "c1"]).await;
    }
    stage
}

#[tokio::test]
async fn its_own_transaction_still_goes_by_what_stood_before() {
    for plugin in ["pgoutput", "wal2json"] {
        let mut stage = stage(plugin).await;
        let told = stage
            .told([
                "UPDATE t SET n = 2; SELECT walcast.broadcast_table('t', prefix => 'note'); UPDATE t SET n = 3",
                "UPDATE t SET n = 4",
                // Another prefix and another id.
                "UPDATE t SET n = 5; SELECT walcast.broadcast_table('t', prefix => 'memo', id => 'code'); UPDATE t SET n = 6",
                "UPDATE t SET n = 7",
                "SELECT walcast.unbroadcast_table('t'); UPDATE t SET n = 8",
                "UPDATE t SET n = 9",
            ])
            .await;
        let expected = [
            r#"t:updated 1 {"n":2}"#,
            r#"t:updated 1 {"n":3}"#,
            r#"note:updated 1 {"n":4}"#,
            r#"note:updated 1 {"n":5}"#,
            r#"note:updated 1 {"n":6}"#,
            r#"memo:updated c1 {"n":7}"#,
            r#"memo:updated c1 {"n":8}"#,
            r#"t:updated 1 {"n":9}"#,
        ];
        assert_eq!(told, expected, "{plugin}");
    }
}

#[tokio::test]
async fn one_that_is_undone_never_holds() {
    for plugin in ["pgoutput", "wal2json"] {
        let mut stage = stage(plugin).await;
        let told = stage
            .told([
                "BEGIN; SELECT walcast.broadcast_table('t', prefix => 'note'); UPDATE t SET n = 2; ROLLBACK",
                "UPDATE t SET n = 3",
                "BEGIN; SAVEPOINT s; SELECT walcast.broadcast_table('t', prefix => 'note'); ROLLBACK TO s; \
                 SELECT walcast.broadcast_table('u', prefix => 'memo'); COMMIT",
                "UPDATE t SET n = 4; UPDATE u SET n = 4",
            ])
            .await;
        assert_eq!(told, [r#"t:updated 1 {"n":3}"#, r#"t:updated 1 {"n":4}"#, r#"memo:updated 1 {"n":4}"#], "{plugin}");
    }
}

#[tokio::test]
async fn two_tables_trade_their_prefixes() {
    for plugin in ["pgoutput", "wal2json"] {
        let mut stage = stage(plugin).await;
        let trade = "UPDATE walcast.rules SET prefix = CASE prefix WHEN 'note' THEN 'memo2' ELSE 'note2' END \
                      WHERE prefix IN ('note', 'memo'); \
                     UPDATE walcast.rules SET prefix = left(prefix, 4) WHERE prefix IN ('note2', 'memo2')";
        let told = stage
            .told([
                "SELECT walcast.broadcast_table('t', prefix => 'note'); SELECT walcast.broadcast_table('u', prefix => 'memo')",
                "UPDATE t SET n = 2; UPDATE u SET n = 3",
                trade,
                "UPDATE t SET n = 4; UPDATE u SET n = 5",
                "DELETE FROM walcast.rules WHERE prefix IN ('note', 'memo')",
                "UPDATE t SET n = 6; UPDATE u SET n = 7",
            ])
            .await;
        let expected = [
            r#"note:updated 1 {"n":2}"#,
            r#"memo:updated 1 {"n":3}"#,
            r#"memo:updated 1 {"n":4}"#,
            r#"note:updated 1 {"n":5}"#,
            r#"t:updated 1 {"n":6}"#,
            r#"u:updated 1 {"n":7}"#,
        ];
        assert_eq!(told, expected, "{plugin}");
    }
}

#[tokio::test]
async fn an_entity_hears_of_a_row_from_the_rule_on_that_names_it() {
    for plugin in ["pgoutput", "wal2json"] {
        let mut stage = stage(plugin).await;
        stage.follow_entity("c1", "2").await;
        stage.follow_entity("c1", "3").await;
        let told = stage
            .told([
                "SELECT walcast.broadcast_table('t', prefix => 'note')",
                "UPDATE t SET n = 2",
                "SELECT walcast.broadcast_table('t', prefix => 'note', entity => ARRAY['code', 'n'])",
                "UPDATE t SET n = 3",
            ])
            .await;
        // The row itself, the entity that it left, the one that it came to.
        let expected = [
            r#"note:updated 1 {"n":2}"#,
            r#"note:updated 1 {"n":3}"#,
            "note:deleted 1 moved",
            r#"note:created 1 {"code":"c1","id":1,"n":3}"#,
        ];
        assert_eq!(told, expected, "{plugin}");
    }
}

#[tokio::test]
async fn one_that_is_no_rule_leaves_what_stood_before() {
    for plugin in ["pgoutput", "wal2json"] {
        let mut stage = stage(plugin).await;
        // Only who tampers with the table gets so far.
        stage.database.sql("ALTER TABLE walcast.rules DROP CONSTRAINT rules_nested_check").await;
        let told = stage
            .told([
                "SELECT walcast.broadcast_table('t', prefix => 'note')",
                "UPDATE walcast.rules SET nested = '{\"no\": \"rule\"}' WHERE prefix = 'note'",
                "UPDATE t SET n = 2",
                "SELECT walcast.broadcast_table('t', prefix => 'memo')",
                "UPDATE t SET n = 3",
            ])
            .await;
        assert_eq!(told, [r#"note:updated 1 {"n":2}"#, r#"memo:updated 1 {"n":3}"#], "{plugin}");
        assert_eq!(stage.logged("a rule cannot be read"), 1, "{plugin}");
    }
}
