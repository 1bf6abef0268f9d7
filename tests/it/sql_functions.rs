//! What a DBA writes in SQL: rules that work are taken, and what would not work is refused with what to do instead.

use serde_json::{Value, json};
use walcast::events::{Mapper, RuleSpec};

use crate::support::{self, Cluster, Database, PATIENCE, Server, Sockets, script, walcast};

/// The error and the hint that statements end with.
async fn refusal(database: &Database, statements: &str) -> String {
    let error = database.client.batch_execute(statements).await.expect_err(statements);
    let error = error.as_db_error().unwrap_or_else(|| panic!("{statements}: {error}"));
    format!("{} HINT {}", error.message(), error.hint().unwrap_or_default())
}

async fn refuses(database: &Database, statements: &str, words: &[&str]) {
    let said = refusal(database, statements).await;
    for word in words {
        assert!(said.contains(word), "{statements}: `{word}` is not in: {said}");
    }
}

async fn orders() -> Database {
    let database = Database::new().await;
    database
        .sql("CREATE TABLE orders (id int PRIMARY KEY, shop text, doc jsonb); ALTER TABLE orders REPLICA IDENTITY FULL")
        .await;
    database
}

#[tokio::test]
async fn nested_that_names_no_place_is_refused() {
    let database = orders().await;
    for nested in [
        r#"{}"#,
        r#"{"column": "doc"}"#,
        r#"{"children": "parts"}"#,
        r#"{"column": "doc", "children": "id"}"#,
        r#"{"column": "doc", "children": null}"#,
        r#"{"parent": "shop"}"#,
        r#"{"parent": "shop", "row": "shop"}"#,
        r#"{"column": "doc", "children": "id", "parent": "shop", "row": "doc"}"#,
        r#"["doc"]"#,
        r#"null"#,
        r#""doc""#,
    ] {
        let call = format!("SELECT walcast.broadcast_table('orders', prefix => 'order', nested => '{nested}')");
        refuses(&database, &call, &["nested", "HINT Either {\"column\""]).await;
        let row = format!(
            "INSERT INTO walcast.rules (schema_name, table_name, prefix, nested) VALUES ('public', 'orders', 'order', '{nested}')"
        );
        refuses(&database, &row, &["rules_nested_check"]).await;
    }
    for nested in [r#"{"column": "doc", "children": "parts"}"#, r#"{"parent": "shop", "row": "doc"}"#] {
        let call = format!("SELECT walcast.broadcast_table('orders', prefix => 'order', nested => '{nested}')");
        database.sql(&call).await;
    }
}

#[tokio::test]
async fn a_prefix_that_cannot_name_a_room_is_refused() {
    let database = orders().await;
    for prefix in ["''", "'a:b'", "':'", "NULL"] {
        let call = format!("SELECT walcast.broadcast_table('orders', prefix => {prefix})");
        refuses(&database, &call, &["prefix", "public.orders", "HINT Give a name without a colon"]).await;
    }
}

#[tokio::test]
async fn a_prefix_of_another_table_is_refused_until_that_table_lets_it_go() {
    let database = orders().await;
    let call = "SELECT walcast.broadcast_table('orders', prefix => 'component')";
    let remedy = "SELECT walcast.unbroadcast_table('public', 'components')";
    refuses(&database, call, &["public.components", remedy]).await;
    database.sql(&format!("{remedy}; {call}")).await;
    // Its own prefix is no other's.
    database.sql(call).await;
}

#[tokio::test]
async fn a_table_whose_updates_would_fail_is_refused() {
    let database = Database::new().await;
    database
        .sql(
            "CREATE TABLE keyless (a int, b int NOT NULL); \
             CREATE TABLE silent (a int PRIMARY KEY); ALTER TABLE silent REPLICA IDENTITY NOTHING; \
             CREATE TABLE late (a int PRIMARY KEY DEFERRABLE); \
             CREATE VIEW shown AS SELECT * FROM keyless",
        )
        .await;
    for table in ["keyless", "silent", "late"] {
        let call = format!("SELECT walcast.broadcast_table('{table}', prefix => 'thing', id => 'a')");
        let remedy = format!("First: ALTER TABLE public.{table} REPLICA IDENTITY FULL");
        refuses(&database, &call, &["no replica identity", "UPDATE", &remedy]).await;
    }
    refuses(&database, "SELECT walcast.broadcast_table('shown', prefix => 'thing', id => 'a')", &["no table"]).await;
    database
        .sql(
            "CREATE UNIQUE INDEX by_b ON keyless (b); ALTER TABLE keyless REPLICA IDENTITY USING INDEX by_b; \
             SELECT walcast.broadcast_table('keyless', prefix => 'thing', id => 'b')",
        )
        .await;
}

#[tokio::test]
async fn a_rule_of_columns_that_are_not_there_is_refused() {
    let database = orders().await;
    let call = "SELECT walcast.broadcast_table('orders', prefix => 'order', id => 'nosuch', actor => 'nor this')";
    refuses(&database, call, &["public.orders", "nosuch", "\"nor this\""]).await;
    for entity in ["ARRAY['shop']", "ARRAY['shop', NULL]", "'{}'"] {
        let call = format!("SELECT walcast.broadcast_table('orders', prefix => 'order', entity => {entity})");
        refuses(&database, &call, &["entity", "HINT For example"]).await;
    }
}

#[tokio::test]
async fn what_no_socket_may_set_is_refused_as_writable() {
    let database = Database::new().await;
    database
        .sql(
            "CREATE TABLE orders (uid int PRIMARY KEY, code text UNIQUE NOT NULL, made_by text, by text, rev int, at timestamptz, \
               created_at timestamptz, n int GENERATED ALWAYS AS IDENTITY, total int GENERATED ALWAYS AS (uid * 2) STORED, note text); \
             ALTER TABLE orders REPLICA IDENTITY FULL; SELECT walcast.keep_version('orders', 'rev', 'at')",
        )
        .await;
    let call = |writable: &str, more: &str| {
        format!(
            "SELECT walcast.broadcast_table('orders', prefix => 'order', id => 'code', actor => 'by', creator => 'made_by', \
             version => 'rev', writable => {writable}{more})"
        )
    };
    for column in ["uid", "code", "made_by", "by", "rev", "at", "created_at", "n", "total"] {
        let may_not = format!("sockets may not set {column} of table public.orders");
        refuses(&database, &call(&format!("ARRAY['note', '{column}']"), ""), &[&may_not, "HINT Ids, versions"]).await;
    }
    refuses(&database, &call("ARRAY['note', 'nope']", ""), &["public.orders", "no column nope"]).await;
    for nothing in ["'{}'", "ARRAY['note', NULL]"] {
        refuses(&database, &call(nothing, ""), &["writable must name columns", "HINT For example"]).await;
    }
    refuses(&database, &call("ARRAY['note']", ", throttle_ms => -1"), &["throttle_ms"]).await;
    database.sql(&call("ARRAY['note']", ", throttle_ms => 50")).await;
    let stands = "SELECT writable = ARRAY['note'] AND throttle_ms = 50 FROM walcast.rules WHERE prefix = 'order'";
    assert!(database.value::<bool>(stands).await);
}

/// The texts between quotes.
fn quoted(text: &str, quote: char) -> impl Iterator<Item = String> {
    text.split(quote).skip(1).step_by(2).map(str::to_owned)
}

/// The reserved names stand in the table's constraint and in the code, which reads rules from the log.
#[tokio::test]
async fn the_database_and_the_server_refuse_the_same_prefixes() {
    let database = orders().await;
    let constraint: String = database
        .value("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'rules_reserved_check'")
        .await;
    let code = include_str!("../../src/events/rule.rs");
    let list = |name: &str| code.split(name).nth(1).and_then(|rest| rest.split("];").next()).expect(name);
    let mut names: Vec<String> = ["order", "row", "nestedComponent", "Version"].map(str::to_owned).to_vec();
    names.extend(quoted(&constraint, '\''));
    names.extend(quoted(list("const RESERVED"), '"'));
    names.extend(quoted(list("const MEMBERS"), '"'));
    names.sort();
    names.dedup();
    assert!(names.len() > 14, "the lists were not found: {names:?}");

    let mut refused = 0;
    for name in &names {
        for nested in [None, Some(r#"{"column": "doc", "children": "parts"}"#)] {
            let rule = json!({
                "schema_name": "public", "table_name": "orders", "prefix": name,
                "nested": nested.map(|text| serde_json::from_str::<serde_json::Value>(text).expect("JSON")),
            });
            let by_code = Mapper::new(vec![serde_json::from_value::<RuleSpec>(rule).expect("a rule")]).is_err();
            let nested = nested.map_or("NULL".to_owned(), |text| format!("'{text}'"));
            let call = format!("SELECT walcast.broadcast_table('orders', prefix => '{name}', nested => {nested})");
            let by_sql = match database.client.batch_execute(&call).await {
                Ok(()) => false,
                Err(_) => {
                    refuses(&database, &call, &["reserved", "HINT Choose another"]).await;
                    true
                }
            };
            assert_eq!(by_sql, by_code, "prefix {name} with nested {nested}: SQL refuses {by_sql}, code {by_code}");
            refused += usize::from(by_sql);
        }
    }
    assert!(refused >= 26, "only {refused} were refused");
}

#[tokio::test]
async fn the_rule_of_a_dropped_table_can_be_taken_away_by_name() {
    let database = orders().await;
    database.sql("SELECT walcast.broadcast_table('orders', prefix => 'order'); DROP TABLE orders").await;
    assert!(!database.value::<bool>("SELECT walcast.unbroadcast_table('public', 'order')").await);
    assert!(database.value::<bool>("SELECT walcast.unbroadcast_table('public', 'orders')").await);
    assert!(!database.value::<bool>("SELECT walcast.unbroadcast_table('public', 'orders')").await);
    let left = "SELECT string_agg(table_name, ',') FROM walcast.rules";
    assert_eq!(database.value::<String>(left).await, "components");
}

#[tokio::test]
async fn a_rule_that_cannot_be_followed_is_told_and_the_others_are_served() {
    let database = orders().await;
    database
        .sql(
            "ALTER TABLE walcast.rules DROP CONSTRAINT rules_nested_check, DROP CONSTRAINT rules_reserved_check, \
             DROP CONSTRAINT rules_prefix_key; \
             INSERT INTO walcast.rules (schema_name, table_name, prefix, nested) VALUES \
             ('public', 'a_unreadable', 'a', '{}'), ('public', 'b_reserved', 'user', NULL), ('public', 'second', 'component', NULL)",
        )
        .await;
    let server = Server::start(&database).await;
    for (table, why) in
        [("a_unreadable", "cannot be read"), ("b_reserved", "reserved"), ("second", "public.components")]
    {
        let is_it =
            |line: &Value| line["message"].as_str().is_some_and(|text| text.contains(&format!("public.{table} ")));
        let line = server.logged(table, PATIENCE, is_it).await.expect("the server goes on");
        let text = line["message"].as_str().unwrap_or_default();
        assert!(line["level"] == "ERROR" && text.contains(why) && text.contains("broadcast_table()"), "{line}");
    }
    let sockets = Sockets::start().await;
    let mut client = sockets.connect(&server, "ann", "websocket").await;
    client.subscribe(json!({ "entityType": "page", "entityId": "1" })).await;
    let id = database.component("c", "[]").await;
    assert_eq!(client.expect("component:created").await["componentId"], id);
}

#[tokio::test]
async fn a_components_table_of_the_application_stays_its_own() {
    let cluster = Cluster::start(&[]).await;
    cluster
        .sql("CREATE TABLE components (uid int PRIMARY KEY, name text); INSERT INTO components VALUES (1, 'x')")
        .await;
    for said in ["applied V1__walcast_schema", "the database is up to date"] {
        let output = walcast().args(["migrate", "--database-url", &cluster.dsn_text("")]).output().await.expect("runs");
        assert!(String::from_utf8_lossy(&output.stdout).contains(said), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "a migration has nothing to remark");
    }
    let columns = "SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute \
                   WHERE attrelid = 'components'::regclass AND attnum > 0";
    assert_eq!(cluster.value(columns).await.as_deref(), Some("uid,name"));
    let identity = "SELECT relreplident FROM pg_class WHERE oid = 'components'::regclass";
    assert_eq!(cluster.value(identity).await.as_deref(), Some("d"));
    assert_eq!(cluster.value("SELECT count(*) FROM walcast.rules").await.as_deref(), Some("0"));

    let mut server = Server::start_on(&cluster.dsn_text(""), "walcast", &[]).await;
    assert_eq!(server.stop().await, Some(0));
    let published = "SELECT string_agg(tablename, ',') FROM pg_publication_tables WHERE pubname = 'walcast'";
    assert_eq!(cluster.value(published).await.as_deref(), Some("rules"));

    cluster.sql("DROP PUBLICATION walcast").await;
    psql(&cluster, "postgres", &["-f", &script("publication")]).await;
    assert_eq!(cluster.value(published).await.as_deref(), Some("rules"));
}

/// Runs psql as the superuser of a cluster's database; what it says.
async fn psql(cluster: &Cluster, database: &str, arguments: &[&str]) -> String {
    let output = support::psql(&cluster.dsn_text(&format!("dbname={database}")), arguments).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    said
}

#[tokio::test]
async fn the_role_of_sql_roles_migrates_nothing_and_serves_in_each_database_of_a_cluster() {
    let cluster = Cluster::start(&[]).await;
    cluster.sql("CREATE DATABASE second").await;
    for database in ["postgres", "second"] {
        let owner = cluster.dsn_text(&format!("dbname={database}"));
        let output = walcast().args(["migrate", "--database-url", &owner]).output().await.expect("runs");
        assert!(output.status.success(), "{output:?}");
        psql(&cluster, database, &["-f", &script("publication")]).await;
        // Twice: a script that fails half-way is run again.
        for _ in 0..2 {
            assert_eq!(psql(&cluster, database, &["-v", "password='it''s'", "-f", &script("roles")]).await, "");
        }

        let role = cluster.dsn_text(&format!("user=walcast dbname={database}"));
        let output = walcast().args(["migrate", "--database-url", &role]).output().await.expect("runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "the database is up to date\n", "{output:?}");
        let mut server = Server::start_on(&role, &format!("walcast_{database}"), &["--migrate"]).await;
        let sockets = Sockets::start().await;
        let writer = sockets.connect(&server, "ann", "websocket").await;
        let component = json!({ "type": "text", "rows": [{ "id": "r" }] });
        let create = json!({ "entityType": "page", "entityId": "1", "component": component, "mutationId": "m" });
        let refused = writer.request("component:create", create.clone()).await;
        assert_eq!(refused["error"]["code"], "forbidden", "{refused}");
        psql(&cluster, database, &["-c", "GRANT SELECT, INSERT, UPDATE, DELETE ON components TO walcast"]).await;
        let created = writer.request("component:create", create).await;
        let nested = json!({ "componentId": created["componentId"], "rowId": "r", "nestedComponent": {} });
        let nested = writer.request("component:nested-create", nested).await;
        assert_eq!((&created["ok"], &nested["ok"]), (&json!(true), &json!(true)), "{created} {nested}");
        assert_eq!(server.stop().await, Some(0));
    }
}
