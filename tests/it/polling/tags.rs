//! A poll costs a 304 until something has changed, whoever changes it.

use super::{PAGE_1, fetch, fetch_as, poll, serve};
use crate::support::{Database, Server};

#[tokio::test]
async fn polls_cost_a_304_until_sql_changes_a_row() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let id = database.component("a", "[]").await;
    let other = database.component("b", "[]").await;
    let single = format!("/api/components/{id}");
    let mut known = [(PAGE_1, String::new()), (single.as_str(), String::new())];
    // Some leave the version as it is, and one leaves the number of rows as it is.
    for (write, changes_single) in [
        ("SELECT 1".to_owned(), true),
        (format!("UPDATE components SET name = 'c', version = version + 1 WHERE id = '{id}'"), true),
        (format!("UPDATE components SET name = 'd' WHERE id = '{id}'"), true),
        (format!("UPDATE components SET name = 'd' WHERE id = '{other}'"), false),
        (
            format!(
                "WITH gone AS (DELETE FROM components WHERE id = '{other}' RETURNING *) \
                  INSERT INTO components SELECT gen_random_uuid(), entity_type, entity_id, type, name FROM gone"
            ),
            false,
        ),
        (format!("UPDATE components SET entity_id = '2' WHERE id <> '{id}'"), false),
        ("ALTER TABLE components ADD COLUMN more int DEFAULT 7".to_owned(), true),
        ("ALTER TABLE components RENAME COLUMN more TO less".to_owned(), true),
    ] {
        database.sql(&write).await;
        for (path, tag) in &mut known {
            let polled = poll(&server, path, if tag.is_empty() { "\"nothing\"" } else { tag }).await;
            if *path != PAGE_1 && !changes_single {
                assert_eq!(polled.status, 304, "{path} {write}");
                continue;
            }
            assert_eq!(polled.status, 200, "{path} {write}");
            assert_ne!(polled.tag(), tag, "{path} {write}");
            *tag = polled.tag().to_owned();
            for _ in 0..5 {
                let again = poll(&server, path, tag).await;
                assert_eq!((again.status, again.tag(), again.body.as_str()), (304, tag.as_str(), ""), "{path} {write}");
                assert!(again.header("walcast-offset").is_some() && again.header("content-type").is_none());
                assert_eq!(again.header("cache-control"), Some("private, no-cache"));
            }
        }
    }
    let metrics = server.get("/metrics", &[]).await.2;
    for status in [200, 304] {
        assert!(metrics.contains(&format!("walcast_api_requests_total{{status=\"{status}\"}}")), "{metrics}");
    }
}

#[tokio::test]
async fn an_empty_list_has_a_tag_too() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let empty = fetch(&server, PAGE_1).await;
    assert_eq!(poll(&server, PAGE_1, empty.tag()).await.status, 304);
    database.component("a", "[]").await;
    assert_eq!(poll(&server, PAGE_1, empty.tag()).await.status, 200);
}

#[tokio::test]
async fn one_of_several_tags_is_enough_and_a_star_is_any() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let id = database.component("a", "[]").await;
    for path in [PAGE_1, &format!("/api/components/{id}")] {
        let tag = fetch(&server, path).await.tag().to_owned();
        for list in [format!("\"x\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
            let polled = poll(&server, path, &list).await;
            assert_eq!((polled.status, polled.tag()), (304, tag.as_str()), "{list}");
            assert_eq!(fetch_as(&server, "HEAD", path, &[&format!("If-None-Match: {list}")]).await.status, 304);
        }
        assert_eq!(poll(&server, path, "\"x\", \"y\"").await.status, 200);
    }
    assert_eq!(poll(&server, "/api/components/00000000-0000-0000-0000-000000000000", "*").await.status, 404);
}

#[tokio::test]
async fn what_is_shown_of_a_row_is_part_of_its_tag() {
    let setup = "SET client_min_messages = error; CREATE TABLE notes (id int PRIMARY KEY, a text, b text); \
        SELECT walcast.broadcast_table('notes', prefix => 'note'); INSERT INTO notes VALUES (1, 'a', 'b')";
    let (database, server) = serve(setup, ", notes").await;
    let publication = format!("p_{}", database.name);
    let whole = fetch(&server, "/api/rows/note/1").await;
    database.sql(&format!("ALTER PUBLICATION {publication} SET TABLE walcast.rules, notes (id, a)")).await;
    let less = poll(&server, "/api/rows/note/1", whole.tag()).await;
    assert_eq!((less.status, less.json()["row"].get("b")), (200, None));
    assert_ne!(less.tag(), whole.tag());
}
