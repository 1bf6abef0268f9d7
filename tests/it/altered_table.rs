//! `ALTER TABLE` of every kind, between transactions and in the middle of one: what is written before it is told as the
//! table was, what is written after it as the table is.

use serde_json::json;

use crate::support::{Cluster, PATIENCE, Server, Sockets, Stage};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, a text, b int); ALTER TABLE t REPLICA IDENTITY FULL; \
                     INSERT INTO t VALUES (1, 'a', 1);";

async fn stage(plugin: &str) -> Stage {
    let stage = Stage::new(plugin, TABLE, ", t").await;
    stage.follow("t", [1, 2, 3]).await;
    stage
}

#[tokio::test]
async fn a_column_comes_changes_its_name_and_goes() {
    for plugin in ["pgoutput", "wal2json"] {
        let mut stage = stage(plugin).await;
        let told = stage
            .told([
                "ALTER TABLE t ADD COLUMN c text DEFAULT 'c'",
                "UPDATE t SET a = 'b'",
                "UPDATE t SET a = 'before'; ALTER TABLE t ADD COLUMN d int DEFAULT 7; UPDATE t SET a = 'after', d = 8",
                "UPDATE t SET b = 2; ALTER TABLE t RENAME COLUMN b TO bb; UPDATE t SET bb = 3; INSERT INTO t VALUES (2)",
                "UPDATE t SET c = 'last'; ALTER TABLE t DROP COLUMN c; INSERT INTO t VALUES (3); UPDATE t SET bb = 4",
            ])
            .await;
        let expected = [
            r#"t:updated 1 {"a":"b"}"#,
            r#"t:updated 1 {"a":"before"}"#,
            r#"t:updated 1 {"a":"after","d":8}"#,
            r#"t:updated 1 {"b":2}"#,
            r#"t:updated 1 {"bb":3}"#,
            r#"t:created 2 {"a":null,"bb":null,"c":"c","d":7,"id":2}"#,
            r#"t:updated 1 {"c":"last"}"#,
            r#"t:updated 2 {"c":"last"}"#,
            r#"t:created 3 {"a":null,"bb":null,"d":7,"id":3}"#,
            r#"t:updated 1 {"bb":4}"#,
            r#"t:updated 2 {"bb":4}"#,
            r#"t:updated 3 {"bb":4}"#,
        ];
        assert_eq!(told, expected, "{plugin}");
    }
}

/// The rows are written anew, which is no change of them. Their values may be others, which no event tells.
#[tokio::test]
async fn a_column_changes_its_type_and_the_table_is_rewritten() {
    for plugin in ["pgoutput", "wal2json"] {
        let mut stage = stage(plugin).await;
        let told = stage
            .told([
                "ALTER TABLE t ALTER COLUMN b TYPE text USING 'n' || b",
                "UPDATE t SET b = 'text'",
                "UPDATE t SET b = '5'; ALTER TABLE t ALTER COLUMN b TYPE bigint USING b::bigint * 2; UPDATE t SET b = 6; \
                 INSERT INTO t VALUES (2, 'x', 5000000000)",
                "ALTER TABLE t ALTER COLUMN b TYPE jsonb USING to_jsonb(b); UPDATE t SET b = '{\"k\": [1]}' WHERE id = 1",
            ])
            .await;
        let expected = [
            r#"t:updated 1 {"b":"text"}"#,
            r#"t:updated 1 {"b":"5"}"#,
            r#"t:updated 1 {"b":6}"#,
            r#"t:created 2 {"a":"x","b":5000000000,"id":2}"#,
            r#"t:updated 1 {"b":{"k":[1]}}"#,
        ];
        assert_eq!(told, expected, "{plugin}");
    }
}

#[tokio::test]
async fn what_only_postgres_minds_changes_no_event() {
    for plugin in ["pgoutput", "wal2json"] {
        let mut stage = stage(plugin).await;
        for (n, alteration) in [
            "ALTER COLUMN a SET DEFAULT 'given'",
            "ALTER COLUMN a DROP DEFAULT",
            "ALTER COLUMN a SET NOT NULL",
            "ALTER COLUMN a DROP NOT NULL",
            "ALTER COLUMN a SET STORAGE EXTERNAL",
            "ALTER COLUMN a SET STATISTICS 10",
            "ADD CONSTRAINT positive CHECK (b > 0)",
            "DROP CONSTRAINT positive",
            "SET (fillfactor = 50)",
            "DISABLE TRIGGER ALL",
        ]
        .into_iter()
        .enumerate()
        {
            let write = format!("UPDATE t SET b = {n} + 10; ALTER TABLE t {alteration}; UPDATE t SET b = {n} + 20");
            let told = stage.told([&write]).await;
            let expected = [n + 10, n + 20].map(|b| format!(r#"t:updated 1 {{"b":{b}}}"#));
            assert_eq!(told, expected, "{plugin}: {alteration}");
        }
        let told = stage.told(["CREATE INDEX ON t (a); ANALYZE t", "REINDEX TABLE t", "UPDATE t SET b = 3"]).await;
        assert_eq!(told, [r#"t:updated 1 {"b":3}"#], "{plugin}");
    }
}

#[tokio::test]
async fn a_table_goes_by_its_new_name_from_there_on() {
    let mut stage = stage("pgoutput").await;
    stage.database.sql("CREATE SCHEMA s").await;
    stage.follow("u", [1]).await;
    stage.follow("s.u", [1]).await;
    stage.follow("order", [1]).await;
    let told = stage
        .told([
            "UPDATE t SET b = 1, a = 'x'; ALTER TABLE t RENAME TO u; UPDATE u SET b = 2",
            "UPDATE u SET b = 3; ALTER TABLE u SET SCHEMA s; UPDATE s.u SET b = 4",
            "ALTER TABLE s.u SET SCHEMA public",
            "ALTER TABLE u RENAME TO t",
            "SELECT walcast.broadcast_table('t', prefix => 'order')",
            "UPDATE t SET b = 5; ALTER TABLE t RENAME TO u; UPDATE u SET b = 6",
            "ALTER TABLE u RENAME TO t; UPDATE t SET b = 7",
        ])
        .await;
    let expected = [
        r#"t:updated 1 {"a":"x"}"#,
        r#"u:updated 1 {"b":2}"#,
        r#"u:updated 1 {"b":3}"#,
        r#"s.u:updated 1 {"b":4}"#,
        r#"order:updated 1 {"b":5}"#,
        // A rule is of a name.
        r#"u:updated 1 {"b":6}"#,
        r#"order:updated 1 {"b":7}"#,
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn under_wal2json_a_renamed_table_is_told_from_the_next_connection_on() {
    let mut stage = stage("wal2json").await;
    stage.follow("u", [1]).await;
    assert_eq!(stage.told(["UPDATE t SET b = 4"]).await, [r#"t:updated 1 {"b":4}"#]);
    let told =
        stage.told(["UPDATE t SET b = 5; ALTER TABLE t RENAME TO u; UPDATE u SET b = 6", "UPDATE u SET b = 7"]).await;
    assert_eq!(told, [r#"t:updated 1 {"b":5}"#]);
    stage.reconnect().await;
    assert_eq!(stage.told(["UPDATE u SET b = 8"]).await, [r#"u:updated 1 {"b":8}"#]);
}

#[tokio::test]
async fn a_primary_key_goes_and_another_comes() {
    for (plugin, identity) in [("pgoutput", "FULL"), ("pgoutput", "DEFAULT"), ("wal2json", "FULL")] {
        let mut stage = stage(plugin).await;
        stage.follow("t", ["a", "A"]).await;
        stage.database.sql(&format!("ALTER TABLE t REPLICA IDENTITY {identity}")).await;
        let expected = match identity {
            "FULL" => r#"t:updated 1 {"b":2}"#,
            _ => r#"t:updated 1 {"a":"a","b":2}"#,
        };
        assert_eq!(stage.told(["UPDATE t SET b = 2"]).await, [expected], "{plugin} {identity}");
        let told = stage
            .told(["ALTER TABLE t DROP CONSTRAINT t_pkey; ALTER TABLE t ADD PRIMARY KEY (a); UPDATE t SET b = 3"])
            .await;
        if plugin == "wal2json" {
            // It does not say that the key is another.
            assert_eq!(told, [r#"t:updated 1 {"b":3}"#]);
            stage.reconnect().await;
        } else {
            let expected = if identity == "FULL" { r#"t:updated a {"b":3}"# } else { r#"t:updated a {"b":3,"id":1}"# };
            assert_eq!(told, [expected], "{identity}");
        }
        let expected = ["t:deleted a", r#"t:created A {"a":"A","b":3,"id":1}"#];
        assert_eq!(stage.told(["UPDATE t SET a = 'A'"]).await, expected, "{plugin} {identity}");
    }
}

/// What was written while it had none is not told: its rows have no names. The log says so.
#[tokio::test]
async fn a_table_without_a_primary_key_is_told_again_when_it_has_one() {
    let mut stage = stage("pgoutput").await;
    assert_eq!(stage.told(["UPDATE t SET b = 2"]).await, [r#"t:updated 1 {"b":2}"#]);
    assert_eq!(stage.told(["ALTER TABLE t DROP CONSTRAINT t_pkey", "UPDATE t SET b = 3"]).await, [] as [&str; 0]);
    assert_eq!(stage.logged("neither a primary key nor a rule"), 1);
    let told = stage.told(["ALTER TABLE t ADD PRIMARY KEY (id)", "UPDATE t SET b = 4"]).await;
    assert_eq!(told, [r#"t:updated 1 {"b":4}"#]);
}

/// A transaction is in the log before anybody sees what it did: here for as long as a standby does not answer.
#[tokio::test]
async fn a_key_is_read_when_its_transaction_can_be_seen() {
    let cluster = Cluster::start(&["synchronous_standby_names = 'nobody'", "synchronous_commit = local"]).await;
    let server = Server::start_on(&cluster.dsn_text(""), "walcast", &["--migrate"]).await;
    let sockets = Sockets::start().await;
    let mut client = sockets.connect(&server, "reader", "websocket").await;
    client.request("t:subscribe", json!({ "id": "one" })).await;
    let writer = cluster.connect("postgres").await;
    writer.batch_execute("SET synchronous_commit = on").await.expect("sets");
    let pid: i32 = writer.query_one("SELECT pg_backend_pid()", &[]).await.expect("a pid").get(0);
    let write = "CREATE TABLE t (n int, code text PRIMARY KEY); ALTER TABLE t REPLICA IDENTITY FULL; \
                 ALTER PUBLICATION walcast ADD TABLE t; INSERT INTO t VALUES (1, 'one')";
    let committing = tokio::spawn(async move { writer.batch_execute(write).await });
    let waits = |line: &serde_json::Value| line.to_string().contains("nobody sees yet what it did");
    server.logged("that it waits", PATIENCE, waits).await.expect("it lives");
    assert_eq!(client.received(), []);
    cluster.sql(&format!("SELECT pg_cancel_backend({pid})")).await;
    committing.await.expect("no panic").expect("it is committed, if only here");
    assert_eq!(client.expect("t:created").await["record"], json!({ "n": 1, "code": "one" }));
}

const PARTS: &str = "CREATE TABLE p (id int, half int, note text, PRIMARY KEY (id, half)) PARTITION BY LIST (half); \
                     CREATE TABLE p_0 PARTITION OF p FOR VALUES IN (0); \
                     CREATE TABLE p_1 (note text, gone int, half int NOT NULL, id int NOT NULL, PRIMARY KEY (id, half)); \
                     ALTER TABLE p_1 DROP COLUMN gone;";
const ATTACH: &str = "ALTER TABLE p ATTACH PARTITION p_1 FOR VALUES IN (1)";
const DETACH: &str = "ALTER TABLE p DETACH PARTITION p_1";

#[tokio::test]
async fn a_partition_is_told_as_its_root_while_it_is_one() {
    let mut stage = Stage::new("pgoutput", PARTS, ", p WITH (publish_via_partition_root = true)").await;
    stage.follow("p", ["1:0", "1:1", "2:1", "3:1", "4:1", "5:1"]).await;
    let told = stage
        .told([
            "INSERT INTO p VALUES (1, 0); INSERT INTO p_1 (id, half) VALUES (1, 1)",
            &format!("INSERT INTO p_1 (id, half) VALUES (2, 1); {ATTACH}; INSERT INTO p VALUES (3, 1)"),
            "INSERT INTO p_1 (id, half, note) VALUES (4, 1, 'direct')",
            &format!("UPDATE p SET note = 'n' WHERE id = 3; {DETACH}; INSERT INTO p_1 (id, half) VALUES (5, 1)"),
            "UPDATE p_1 SET note = 'm'; UPDATE p SET note = 'm'",
        ])
        .await;
    let expected = [
        r#"p:created 1:0 {"half":0,"id":1,"note":null}"#,
        r#"p:created 3:1 {"half":1,"id":3,"note":null}"#,
        r#"p:created 4:1 {"half":1,"id":4,"note":"direct"}"#,
        r#"p:updated 3:1 {"note":"n"}"#,
        r#"p:updated 1:0 {"note":"m"}"#,
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_partition_is_told_by_its_own_name_while_it_is_one() {
    let mut stage = Stage::new("pgoutput", PARTS, ", p").await;
    stage.follow("p_0", ["1:0"]).await;
    stage.follow("p_1", ["1:1", "2:1", "3:1"]).await;
    let told = stage
        .told([
            "INSERT INTO p VALUES (1, 0); INSERT INTO p_1 (id, half) VALUES (1, 1)",
            &format!("{ATTACH}; INSERT INTO p VALUES (2, 1); {DETACH}; INSERT INTO p_1 (id, half) VALUES (3, 1)"),
        ])
        .await;
    let expected =
        [r#"p_0:created 1:0 {"half":0,"id":1,"note":null}"#, r#"p_1:created 2:1 {"half":1,"id":2,"note":null}"#];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn under_wal2json_a_partition_comes_and_goes_with_the_next_connection() {
    let mut stage = Stage::new("wal2json", PARTS, ", p WITH (publish_via_partition_root = true)").await;
    stage.follow("p", ["1:1", "2:1", "3:1"]).await;
    assert_eq!(stage.told([ATTACH, "INSERT INTO p VALUES (1, 1)"]).await, [] as [&str; 0]);
    stage.reconnect().await;
    let told = stage.told(["INSERT INTO p VALUES (2, 1)", DETACH, "INSERT INTO p_1 (id, half) VALUES (3, 1)"]).await;
    let expected = [r#"p:created 2:1 {"half":1,"id":2,"note":null}"#, r#"p:created 3:1 {"half":1,"id":3,"note":null}"#];
    assert_eq!(told, expected);
    stage.reconnect().await;
    assert_eq!(stage.told(["DELETE FROM p_1"]).await, [] as [&str; 0]);
}
