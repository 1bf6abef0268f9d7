//! The publication changes while the stream goes on: under `pgoutput` at its place in the stream, under `wal2json` with the
//! next connection.

use crate::support::Stage;

const TABLES: &str = "CREATE TABLE t (id int PRIMARY KEY, a text, secret text); ALTER TABLE t REPLICA IDENTITY FULL; \
                      CREATE TABLE u (id int PRIMARY KEY, a text);";

async fn stage(plugin: &str, publish: &str) -> Stage {
    let stage = Stage::new(plugin, TABLES, publish).await;
    stage.follow("t", [1, 2, 3, 4, 5, 6]).await;
    stage.follow("u", [1, 2, 3, 4]).await;
    stage
}

#[tokio::test]
async fn a_table_is_added_and_removed_between_writes() {
    let mut stage = stage("pgoutput", ", t").await;
    let alter = format!("ALTER PUBLICATION {}", stage.publication);
    let told = stage
        .told([
            "INSERT INTO u VALUES (1)",
            &format!("{alter} ADD TABLE u"),
            "INSERT INTO u VALUES (2)",
            &format!("{alter} DROP TABLE u"),
            "INSERT INTO u VALUES (3)",
            &format!(
                "INSERT INTO t VALUES (1); {alter} DROP TABLE t; INSERT INTO t VALUES (2); {alter} ADD TABLE t, u; \
                 INSERT INTO t VALUES (3); INSERT INTO u VALUES (4)"
            ),
            "DELETE FROM u WHERE id > 2; DELETE FROM t",
        ])
        .await;
    let expected = [
        r#"u:created 2 {"a":null,"id":2}"#,
        r#"t:created 1 {"a":null,"id":1,"secret":null}"#,
        r#"t:created 3 {"a":null,"id":3,"secret":null}"#,
        r#"u:created 4 {"a":null,"id":4}"#,
        "u:deleted 3",
        "u:deleted 4",
        "t:deleted 1",
        "t:deleted 2",
        "t:deleted 3",
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn what_is_told_of_a_table_changes_between_writes() {
    let mut stage = stage("pgoutput", ", t").await;
    let alter = format!("ALTER PUBLICATION {}", stage.publication);
    // A column list must hold the identity.
    let told = stage
        .told([
            "INSERT INTO t VALUES (1, 'a', 'told')",
            &format!(
                "ALTER TABLE t REPLICA IDENTITY DEFAULT; {alter} DROP TABLE t; {alter} ADD TABLE t (id, a); \
                 INSERT INTO t VALUES (2, 'a', 'not told')"
            ),
            "UPDATE t SET a = 'b', secret = 'not told' WHERE id = 2",
            &format!("{alter} SET (publish = 'insert, delete'); UPDATE t SET a = 'not told'; INSERT INTO t VALUES (3)"),
            &format!("{alter} SET (publish = 'insert, update, delete'); UPDATE t SET a = 'c' WHERE id = 2"),
        ])
        .await;
    let expected = [
        r#"t:created 1 {"a":"a","id":1,"secret":"told"}"#,
        r#"t:created 2 {"a":"a","id":2}"#,
        r#"t:updated 2 {"a":"b"}"#,
        r#"t:created 3 {"a":null,"id":3}"#,
        r#"t:updated 2 {"a":"c"}"#,
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_row_filter_comes_and_goes() {
    let mut stage = stage("pgoutput", ", t").await;
    let alter = format!("ALTER PUBLICATION {}", stage.publication);
    let told = stage
        .told([
            "INSERT INTO t VALUES (1, 'draft')",
            &format!(
                "{alter} DROP TABLE t; {alter} ADD TABLE t WHERE (a <> 'draft'); INSERT INTO t VALUES (2, 'draft')"
            ),
            // It enters, stays, and leaves.
            "UPDATE t SET a = 'live' WHERE id = 1",
            "UPDATE t SET secret = 's' WHERE id = 1",
            "UPDATE t SET a = 'draft' WHERE id = 1",
            &format!("{alter} DROP TABLE t; {alter} ADD TABLE t; INSERT INTO t VALUES (3, 'draft')"),
        ])
        .await;
    let expected = [
        r#"t:created 1 {"a":"draft","id":1,"secret":null}"#,
        r#"t:created 1 {"a":"live","id":1,"secret":null}"#,
        r#"t:updated 1 {"secret":"s"}"#,
        "t:deleted 1",
        r#"t:created 3 {"a":"draft","id":3,"secret":null}"#,
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn under_wal2json_it_is_read_with_the_next_connection() {
    let mut stage = stage("wal2json", ", t").await;
    let alter = format!("ALTER PUBLICATION {}", stage.publication);
    let told = stage
        .told([
            &format!("{alter} ADD TABLE u"),
            "INSERT INTO u VALUES (1)",
            &format!("{alter} DROP TABLE t"),
            "INSERT INTO t VALUES (1)",
        ])
        .await;
    assert_eq!(told, [r#"t:created 1 {"a":null,"id":1,"secret":null}"#]);
    stage.reconnect().await;
    let told =
        stage.told(["INSERT INTO t VALUES (2)", "INSERT INTO u VALUES (2)", "UPDATE u SET a = 'x' WHERE id = 1"]).await;
    assert_eq!(told, [r#"u:created 2 {"a":null,"id":2}"#, r#"u:updated 1 {"a":"x"}"#]);
}

#[tokio::test]
async fn all_tables_of_a_schema_are_published_as_they_come() {
    let mut stage = stage("pgoutput", ", TABLES IN SCHEMA public").await;
    stage.follow("late", [1, 2]).await;
    let told = stage
        .told([
            "CREATE TABLE late (id int PRIMARY KEY); INSERT INTO late VALUES (1)",
            &format!(
                "INSERT INTO late VALUES (2); ALTER PUBLICATION {0} DROP TABLES IN SCHEMA public; INSERT INTO t VALUES (1); \
                 ALTER PUBLICATION {0} ADD TABLE u; INSERT INTO u VALUES (1)",
                stage.publication
            ),
        ])
        .await;
    let expected = [r#"late:created 1 {"id":1}"#, r#"late:created 2 {"id":2}"#, r#"u:created 1 {"a":null,"id":1}"#];
    assert_eq!(told, expected);
}
