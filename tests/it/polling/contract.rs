//! Which rows are found, in which pages, and what else an answer says.

use serde_json::{Value, json};

use super::{PAGE_1, fetch, fetch_as, poll, serve};
use crate::support::{Connection, Database, Server, Sockets, token};

#[tokio::test]
async fn components_are_found_by_id_and_by_entity() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let mut ids = vec![database.component("a", "[]").await, database.component("b", "[]").await];
    ids.sort();
    database.sql("INSERT INTO components (entity_type, entity_id, type) VALUES ('page', '2', 'text')").await;

    let one = fetch(&server, &format!("/api/components/{}", ids[0])).await.json();
    assert_eq!((&one["ok"], &one["row"]["id"], &one["version"]), (&json!(true), &json!(ids[0]), &json!(1)));
    let list = fetch(&server, PAGE_1).await;
    assert_eq!(list.all("id"), ids);
    assert_eq!(list.json()["next"], Value::Null);
    assert_eq!(list.json()["rows"][0], one["row"]);
    // A rule's rows are there under its prefix, and those of components too.
    assert_eq!(fetch(&server, "/api/rows/component?entityType=page&entityId=1").await.body, list.body);
    let same = fetch(&server, &format!("/api/rows/component/{}", ids[0])).await.json();
    assert_eq!(same, one);
    assert_eq!(fetch(&server, "/api/components?entityType=page&entityId=nobody's").await.all("id"), [] as [Value; 0]);
}

#[tokio::test]
async fn an_answer_says_how_it_may_be_kept_and_where_it_stands() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let id = database.component("a", "[]").await;
    for path in [PAGE_1, &format!("/api/components/{id}")] {
        let found = fetch(&server, path).await;
        assert_eq!(found.header("cache-control"), Some("private, no-cache"), "{found:?}");
        for name in ["authorization", "accept-encoding", "origin"] {
            let vary = found.header("vary").unwrap_or_default().to_lowercase();
            assert!(vary.contains(name), "{found:?}");
        }
        let offset = found.header("walcast-offset").expect("an offset");
        assert!(offset.len() > 26 && offset.contains('/'), "{offset}");
        let head = fetch_as(&server, "HEAD", path, &[]).await;
        assert_eq!((head.status, head.tag(), head.body.as_str()), (200, found.tag(), ""));
        assert_eq!(head.header("content-length"), Some(found.body.len().to_string().as_str()));
    }
}

#[tokio::test]
async fn browsers_may_read_it_from_where_they_may_come() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let origin = "Origin: http://localhost:5173";
    let asks = ["Access-Control-Request-Method: GET", "Access-Control-Request-Headers: authorization,if-none-match"];
    let preflight = fetch_as(&server, "OPTIONS", PAGE_1, &[origin, asks[0], asks[1]]).await;
    assert_eq!(preflight.status, 200);
    let allowed = preflight.header("access-control-allow-headers").expect("headers");
    assert!(allowed.contains("authorization") && allowed.contains("if-none-match"), "{allowed}");
    let found = fetch_as(&server, "GET", PAGE_1, &[origin]).await;
    assert_eq!(found.header("access-control-allow-origin"), Some("http://localhost:5173"));
    let exposed = found.header("access-control-expose-headers").expect("headers");
    assert!(exposed.contains("etag") && exposed.contains("walcast-offset"), "{exposed}");
    let stranger = fetch_as(&server, "GET", PAGE_1, &["Origin: http://elsewhere"]).await;
    assert_eq!(stranger.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn long_answers_come_gzipped_with_a_tag_of_their_own() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    database.component(&"long ".repeat(1_000), "[]").await;
    let plain = fetch(&server, PAGE_1).await;
    let bearer = format!("Authorization: Bearer {}", token("ann"));
    let gzip = "Accept-Encoding: gzip";
    let mut connection = Connection::open(server.address).await;
    let gzipped = connection.request("GET", PAGE_1, &[&bearer, gzip], "").await;
    assert!(gzipped.head.contains("content-encoding: gzip\r\n"), "{}", gzipped.head);
    assert!(gzipped.body.len() < 1_000, "{} bytes", gzipped.body.len());
    let mut text = String::new();
    let mut inflated = flate2::read::GzDecoder::new(&*gzipped.body);
    std::io::Read::read_to_string(&mut inflated, &mut text).expect("gzip");
    assert_eq!(text, plain.body);
    let tag = plain.tag().replace("\"", "");
    assert!(gzipped.head.contains(&format!("etag: \"{tag}-gzip\"\r\n")), "{}", gzipped.head);
    // Each is told by its own tag that it still stands.
    for (tag, encoding) in [(format!("\"{tag}\""), "Accept-Encoding: identity"), (format!("\"{tag}-gzip\""), gzip)] {
        let polled = fetch_as(&server, "GET", PAGE_1, &[&format!("If-None-Match: {tag}"), encoding]).await;
        assert_eq!((polled.status, polled.tag(), polled.body.as_str()), (304, tag.as_str(), ""));
    }
}

const ORDERS: &str = "CREATE TABLE orders (customer int, \"no.\" text, kind text DEFAULT 'company', note text, \
                                           PRIMARY KEY (customer, \"no.\")); \
                      SELECT walcast.broadcast_table('orders', prefix => 'order', entity => ARRAY['kind', 'customer']);";

#[tokio::test]
async fn a_list_comes_in_pages_that_writes_do_not_shift() {
    let setup = format!("SET client_min_messages = error; {ORDERS}");
    let (database, server) = serve(&setup, ", orders").await;
    database.sql("INSERT INTO orders SELECT 7, 'n:' || lpad(n::text, 2, '0') FROM generate_series(1, 9) n").await;
    database.sql("INSERT INTO orders VALUES (8, 'n:05')").await;
    let first = fetch(&server, "/api/rows/order?entityType=company&entityId=7&limit=4").await;
    assert_eq!(first.all("no."), ["n:01", "n:02", "n:03", "n:04"]);
    // Before and after the place where the next page begins.
    database
        .sql("INSERT INTO orders VALUES (7, 'n:00'), (7, 'n:06a'); DELETE FROM orders WHERE \"no.\" = 'n:04'")
        .await;
    let mut found = Vec::new();
    let mut next = first.json()["next"].as_str().expect("more").to_owned();
    let pages = loop {
        let after = next.replace('%', "%25").replace(':', "%3A");
        let page =
            fetch(&server, &format!("/api/rows/order?entityType=company&entityId=7&limit=3&after={after}")).await;
        found.push(page.all("no."));
        match page.json()["next"].as_str() {
            Some(after) => next = after.to_owned(),
            None => break found,
        }
    };
    let expected: [&[&str]; 2] = [&["n:05", "n:06", "n:06a"], &["n:07", "n:08", "n:09"]];
    assert_eq!(pages, expected);
    // The key is that of the row's room: joined, and escaped.
    let one = fetch(&server, "/api/rows/order/7:n%253A05").await.json();
    assert_eq!(one, json!({ "ok": true, "row": { "customer": 7, "no.": "n:05", "kind": "company", "note": null } }));
}

#[tokio::test]
async fn a_page_of_large_rows_ends_before_it_is_too_long() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    for name in ["a", "b", "c", "d", "e", "f"] {
        let insert = "INSERT INTO components (entity_type, entity_id, type, name) VALUES ('page', '1', 'text'";
        database.sql(&format!("{insert}, repeat('{name}', 1 << 20))")).await;
    }
    let (mut lengths, mut path) = (Vec::new(), PAGE_1.to_owned());
    loop {
        let page = fetch(&server, &path).await;
        lengths.push(page.all("id").len());
        match page.json()["next"].as_str() {
            Some(after) => path = format!("{PAGE_1}&after={after}"),
            None => break,
        }
    }
    assert_eq!(lengths, [4, 2]);
}

#[tokio::test]
async fn nothing_is_found_that_the_publication_leaves_out() {
    let setup = "SET client_min_messages = error; \
        CREATE TABLE notes (id int PRIMARY KEY, kind text DEFAULT 'page', of text DEFAULT '1', secret text, shown bool, \
                            twice int GENERATED ALWAYS AS (id * 2) STORED); \
        ALTER TABLE notes REPLICA IDENTITY DEFAULT; \
        CREATE TABLE heirs () INHERITS (notes); \
        CREATE TABLE hidden (id int PRIMARY KEY, kind text, of text); \
        CREATE TABLE secret_key (id int PRIMARY KEY, open int UNIQUE NOT NULL, kind text, of text); \
        ALTER TABLE secret_key REPLICA IDENTITY USING INDEX secret_key_open_key; \
        SELECT walcast.broadcast_table(t::regclass, prefix => p, entity => ARRAY['kind', 'of']) \
          FROM (VALUES ('notes', 'note'), ('hidden', 'hidden'), ('secret_key', 'lock')) r (t, p); \
        INSERT INTO notes VALUES (1, DEFAULT, DEFAULT, 's', true), (2, DEFAULT, DEFAULT, 's', false); \
        INSERT INTO heirs VALUES (3, DEFAULT, DEFAULT, 's', true); \
        INSERT INTO hidden VALUES (1, 'page', '1'); INSERT INTO secret_key VALUES (1, 2, 'page', '1');";
    let published = ", ONLY notes (id, kind, of, shown) WHERE (id <> 2), secret_key (open, kind, of)";
    let (database, server) = serve(setup, published).await;
    let list = "/api/rows/note?entityType=page&entityId=1";
    let row = json!({ "id": 1, "kind": "page", "of": "1", "shown": true });
    assert_eq!(fetch(&server, list).await.json(), json!({ "ok": true, "rows": [row], "next": null }));
    assert_eq!(fetch(&server, "/api/rows/note/1").await.json()["row"], row);
    for absent in
        ["/api/rows/note/2", "/api/rows/note/3", "/api/rows/hidden/1", "/api/rows/hidden?entityType=page&entityId=1"]
    {
        assert_eq!(fetch(&server, absent).await.code(), (404, "not_found".into()), "{absent}");
    }
    // By a key that is not published rows cannot be asked for.
    assert_eq!(fetch(&server, "/api/rows/lock/1").await.status, 404);
    let publication = format!("p_{}", database.name);
    database.sql(&format!("ALTER PUBLICATION {publication} DROP TABLE ONLY notes")).await;
    assert_eq!(fetch(&server, list).await.status, 404, "at once");
}

#[tokio::test]
async fn a_partitioned_table_is_read_as_its_root() {
    let setup = "SET client_min_messages = error; \
        CREATE TABLE parts (id int, half int, kind text, of text, PRIMARY KEY (id, half)) PARTITION BY LIST (half); \
        CREATE TABLE parts_0 PARTITION OF parts FOR VALUES IN (0); \
        CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1); \
        SELECT walcast.broadcast_table('parts', prefix => 'part', entity => ARRAY['kind', 'of']); \
        INSERT INTO parts VALUES (1, 1, 'page', '1'), (2, 0, 'page', '1')";
    let (_database, server) = serve(setup, ", parts WITH (publish_via_partition_root = true)").await;
    assert_eq!(fetch(&server, "/api/rows/part?entityType=page&entityId=1").await.all("id"), [1, 2]);
    assert_eq!(fetch(&server, "/api/rows/part/2:0").await.json()["row"]["half"], 0);
}

#[tokio::test]
async fn matrix_a_row_is_read_as_it_is_told() {
    let setup = "SET client_min_messages = error; \
        CREATE TABLE sums (id int PRIMARY KEY, a int, b numeric, c int GENERATED ALWAYS AS (a * 2) STORED); \
        SELECT walcast.broadcast_table('sums', prefix => 'sum');";
    let (database, server) = serve(setup, ", sums").await;
    let sockets = Sockets::start().await;
    let mut client = sockets.connect(&server, "ann", "websocket").await;
    client.request("sum:subscribe", json!({ "sumId": 1 })).await;
    database.sql("INSERT INTO sums VALUES (1, 2, 3.50)").await;
    let told = client.expect("sum:created").await["sum"].clone();
    let found = fetch(&server, "/api/rows/sum/1").await;
    assert_eq!(found.json()["row"], told);
    assert_eq!(poll(&server, "/api/rows/sum/1", found.tag()).await.status, 304);
}
