use std::collections::BTreeSet;

use serde_json::json;

use super::{Stage, stage};
use crate::support::{Database, Server, Sockets};

#[tokio::test]
async fn a_row_that_comes_into_a_filter_or_leaves_it_is_told_so() {
    for plugin in ["pgoutput", "wal2json"] {
        let mut stage = stage(plugin).await;
        stage.follow_table(json!({ "table": "orders", "filter": "status=eq.open" })).await;
        let told = stage
            .told([
                "INSERT INTO orders VALUES (1, 'new', 1), (2, 'open', 2), (3, NULL, 3)",
                "UPDATE orders SET status = 'open' WHERE id = 1",
                "UPDATE orders SET total = 5 WHERE id IN (1, 3)",
                "UPDATE orders SET status = 'sent' WHERE id = 1",
                "DELETE FROM orders",
            ])
            .await;
        let expected = [
            r#"insert 2 {"id":2,"status":"open","total":2}"#,
            r#"enter 1 {"id":1,"status":"open","total":1} {"status":"open"}"#,
            r#"update 1 {"id":1,"status":"open","total":5} {"total":5}"#,
            "leave 1",
            "delete 2",
        ];
        assert_eq!(told, expected, "{plugin}");
    }
}

/// Filters, and the rows that they let through of those that [`every_operator_lets_its_rows_through`] writes.
const FILTERS: [(&str, &[i64]); 17] = [
    ("status=eq.open", &[1]),
    ("status=neq.open", &[2]),
    ("id=gt.1", &[2, 3]),
    ("id=gte.2", &[2, 3]),
    ("id=lt.2", &[1]),
    ("id=lte.2", &[1, 2]),
    ("status=in.(open,\"sent, at last\")", &[1, 2]),
    ("status=is.null", &[3]),
    ("paid=is.true", &[1]),
    ("paid=is.false", &[2]),
    ("paid=is.unknown", &[3]),
    ("status=like.%en%", &[1, 2]),
    ("status=ilike.OPE_", &[1]),
    ("status=not.is.null", &[1, 2]),
    ("status=not.in.(open,new)", &[2]),
    ("total=eq.2.0", &[2]),
    ("id=gt.1,status=not.is.null", &[2]),
];

#[tokio::test]
async fn every_operator_lets_its_rows_through() {
    for plugin in ["pgoutput", "wal2json"] {
        let database = Database::new().await;
        let publication = format!("p_{}", database.name);
        database
            .sql(&format!(
                "CREATE TABLE orders (id int PRIMARY KEY, status text, total numeric, paid bool); \
                 CREATE PUBLICATION {publication} FOR TABLE walcast.rules, components, orders"
            ))
            .await;
        let server = Server::start_with(&database, &["--plugin", plugin, "--publication", &publication]).await;
        let sockets = Sockets::start().await;
        let mut client = sockets.connect(&server, "ann", "websocket").await;
        client.catch_up(&database).await;
        let mut expected = BTreeSet::new();
        for (filter, rows) in FILTERS {
            let ack = client.request("changes:subscribe", json!({ "table": "orders", "filter": filter })).await;
            assert_eq!(ack["ok"], true, "{filter}: {ack}");
            let name = ack["subscription"].as_str().expect("a name").to_owned();
            expected.extend(rows.iter().map(|row| (name.clone(), *row, filter)));
        }
        database
            .sql("INSERT INTO orders VALUES (1, 'open', 1.5, true), (2, 'sent, at last', 2, false), (3, NULL, NULL, NULL)")
            .await;
        let mut told = BTreeSet::new();
        for _ in &expected {
            let change = client.expect("changes:changed").await;
            let name = change["subscription"].as_str().expect("a name").to_owned();
            let filter =
                expected.iter().find(|(of, ..)| *of == name).map(|(_, _, filter)| *filter).expect("one of them");
            told.insert((name, change["id"].as_i64().expect("an id"), filter));
        }
        assert_eq!(told, expected, "{plugin}");
        client.catch_up(&database).await;
        assert_eq!(client.received(), [], "{plugin}: that was all");
    }
}

#[tokio::test]
async fn all_conditions_must_hold_however_they_are_put() {
    for plugin in ["pgoutput", "wal2json"] {
        let mut stage = stage(plugin).await;
        let filters = [
            json!("status=eq.open,total=gt.5"),
            json!("total=gt.5&status=eq.open"),
            json!(["status=eq.open", "total=gt.5"]),
        ];
        let mut names = BTreeSet::new();
        for filter in filters {
            names.insert(stage.follow_table(json!({ "table": "orders", "filter": filter })).await);
        }
        assert_eq!(names.len(), 1, "{plugin}: they are one filter, and told once");
        let told = stage
            .told([
                "INSERT INTO orders VALUES (1, 'open', 5), (2, 'sent', 6), (3, 'open', 6)",
                "UPDATE orders SET total = 6",
            ])
            .await;
        let expected = [
            r#"insert 3 {"id":3,"status":"open","total":6}"#,
            r#"enter 1 {"id":1,"status":"open","total":6} {"total":6}"#,
        ];
        assert_eq!(told, expected, "{plugin}");
    }
}

#[tokio::test]
async fn what_the_log_does_not_decide_is_told_and_said_to_be_undecided() {
    for plugin in ["pgoutput", "wal2json"] {
        let setup = "CREATE TABLE orders (id int PRIMARY KEY, status text)";
        let mut stage = Stage::new(plugin, setup, ", orders").await;
        stage.follow_table(json!({ "table": "orders", "filter": "status=eq.open" })).await;
        let told = stage
            .told([
                "INSERT INTO orders VALUES (1, 'open'), (2, 'sent')",
                "UPDATE orders SET status = 'open' WHERE id = 2",
                "UPDATE orders SET status = 'sent' WHERE id = 1",
                "DELETE FROM orders WHERE id = 1",
            ])
            .await;
        let expected = [
            r#"insert 1 {"id":1,"status":"open"}"#,
            r#"update 2 {"id":2,"status":"open"} {"status":"open"} undecided"#,
            "leave 1 undecided",
            "delete 1 undecided",
        ];
        assert_eq!(told, expected, "{plugin}");
        // The key it does say, by itself where a row keeps it.
        let mut stage = Stage::new(plugin, setup, ", orders").await;
        stage.follow_table(json!({ "table": "orders", "filter": "id=eq.1" })).await;
        let told = stage
            .told([
                "INSERT INTO orders VALUES (1, 'open'), (2, 'sent')",
                "UPDATE orders SET status = 'new'",
                "UPDATE orders SET id = id + 10",
                "UPDATE orders SET id = 1 WHERE id = 12",
                "DELETE FROM orders",
            ])
            .await;
        let expected = [
            r#"insert 1 {"id":1,"status":"open"}"#,
            r#"update 1 {"id":1,"status":"new"} {"status":"new"}"#,
            "leave 11 1",
            r#"enter 1 {"id":1,"status":"new"} {"id":1,"status":"new"} 12"#,
            "delete 1",
        ];
        assert_eq!(told, expected, "{plugin}");
    }
}
