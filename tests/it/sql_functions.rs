//! What a DBA writes in SQL: rules that work are taken, and what would not work is refused with what to do instead.

use walcast::events::{Mapper, RuleSpec};

use crate::support::Database;

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
            let rule = serde_json::json!({
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
