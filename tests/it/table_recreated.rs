//! A table is dropped and made anew under its name: another table, with other columns, another key, another oid.

use crate::support::Stage;

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, a text); ALTER TABLE t REPLICA IDENTITY FULL; \
                     INSERT INTO t VALUES (1, 'a');";

/// Published by its schema, so that it is published again as soon as it is there.
async fn stage(plugin: &str) -> Stage {
    let stage = Stage::new(plugin, TABLE, ", TABLES IN SCHEMA public").await;
    stage.follow("t", [1, 2]).await;
    stage.follow("t", ["one", "two"]).await;
    stage
}

const ANEW: &str = "CREATE TABLE t (b int NOT NULL, code text PRIMARY KEY); ALTER TABLE t REPLICA IDENTITY FULL";

#[tokio::test]
async fn in_transactions_of_their_own() {
    for plugin in ["pgoutput", "wal2json"] {
        let mut stage = stage(plugin).await;
        assert_eq!(stage.told(["UPDATE t SET a = 'b'"]).await, [r#"t:updated 1 {"a":"b"}"#], "{plugin}");
        assert_eq!(stage.told(["DROP TABLE t"]).await, [] as [&str; 0], "{plugin}");
        let told = stage
            .told([
                ANEW,
                "INSERT INTO t VALUES (1, 'one')",
                "UPDATE t SET b = 2",
                "UPDATE t SET code = 'two'",
                "DELETE FROM t",
            ])
            .await;
        let expected = [
            r#"t:created one {"b":1,"code":"one"}"#,
            r#"t:updated one {"b":2}"#,
            "t:deleted one",
            r#"t:created two {"b":2,"code":"two"}"#,
            "t:deleted two",
        ];
        assert_eq!(told, expected, "{plugin}");
    }
}

#[tokio::test]
async fn in_one_transaction_between_writes_to_both() {
    for plugin in ["pgoutput", "wal2json"] {
        let mut stage = stage(plugin).await;
        assert_eq!(stage.told(["UPDATE t SET a = 'b'"]).await, [r#"t:updated 1 {"a":"b"}"#], "{plugin}");
        let told = stage
            .told([
                &format!(
                    "UPDATE t SET a = 'last'; DROP TABLE t; {ANEW}; INSERT INTO t VALUES (1, 'one'); UPDATE t SET b = 2"
                ),
                "UPDATE t SET b = 3",
            ])
            .await;
        let expected = [
            r#"t:updated 1 {"a":"last"}"#,
            r#"t:created one {"b":1,"code":"one"}"#,
            r#"t:updated one {"b":2}"#,
            r#"t:updated one {"b":3}"#,
        ];
        assert_eq!(told, expected, "{plugin}");
    }
}

/// With columns of the same names and types but another key, only the announcement of the table tells that it is another.
#[tokio::test]
async fn with_the_same_columns_and_another_key() {
    let mut stage = stage("pgoutput").await;
    assert_eq!(stage.told(["UPDATE t SET a = 'b'"]).await, [r#"t:updated 1 {"a":"b"}"#]);
    let anew = "DROP TABLE t; CREATE TABLE t (id int, a text PRIMARY KEY); ALTER TABLE t REPLICA IDENTITY FULL";
    let told = stage
        .told([&format!("{anew}; INSERT INTO t VALUES (1, 'one'), (1, 'two'); UPDATE t SET id = 2 WHERE a = 'two'")])
        .await;
    let expected =
        [r#"t:created one {"a":"one","id":1}"#, r#"t:created two {"a":"two","id":1}"#, r#"t:updated two {"id":2}"#];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn its_rule_is_of_its_name_and_stays() {
    for plugin in ["pgoutput", "wal2json"] {
        let mut stage = stage(plugin).await;
        stage.follow("note", ["1", "2", "one"]).await;
        assert_eq!(stage.told(["SELECT walcast.broadcast_table('t', prefix => 'note')"]).await, [] as [&str; 0]);
        assert_eq!(stage.told(["UPDATE t SET a = 'c'"]).await, [r#"note:updated 1 {"a":"c"}"#], "{plugin}");
        let told =
            stage.told([&format!("DROP TABLE t; {ANEW}; INSERT INTO t VALUES (1, 'one'); UPDATE t SET b = 2")]).await;
        let expected = [r#"note:created one {"b":1,"code":"one"}"#, r#"note:updated one {"b":2}"#];
        assert_eq!(told, expected, "{plugin}");
    }
}
