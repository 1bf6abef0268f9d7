//! Who is given the page, tokens and SQL: who sits at the machine, and nobody else.

use serde_json::{Value, json};

use crate::support::{self, Database, Development, Server, request};

async fn post(dev: &Development, path: &str, headers: &[&str], body: &Value) -> (u16, Value) {
    let (status, _, text) = support::post(dev.address(), path, headers, &body.to_string()).await;
    (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

fn refusal(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["error"]["code"].as_str().unwrap_or_else(|| panic!("no refusal: {answer:?}")))
}

#[tokio::test]
async fn the_page_is_at_the_root_and_what_it_loads_below() {
    let dev = Development::start("127.0.0.1:0").await;
    assert_eq!(dev.printed("demo"), Some(format!("{}/", dev.url())));
    let (status, head, page) = request(dev.address(), "GET", "/", &[]).await;
    assert_eq!(status, 200, "{page}");
    assert!(head.contains("script-src 'self';") && !head.contains("unsafe"), "{head}");
    let loaded: Vec<&str> = page.split('"').filter(|text| text.starts_with("/demo/")).collect();
    assert!(loaded.len() >= 3, "{page}");
    for path in loaded {
        assert_eq!(request(dev.address(), "GET", path, &[]).await.0, 200, "{path}");
    }
    assert_eq!(request(dev.address(), "GET", "/demo/nothing", &[]).await.0, 404);
    dev.end().await;
}

#[tokio::test]
async fn whoever_says_a_name_is_given_a_token_for_it() {
    let dev = Development::start("127.0.0.1:0").await;
    let (status, answer) = post(&dev, "/demo/token", &[], &json!({ "name": " Ada " })).await;
    assert_eq!((status, &answer["ok"]), (200, &json!(true)), "{answer}");
    let bearer = format!("Authorization: Bearer {}", answer["token"].as_str().expect("a token"));
    let path = "/api/components?entityType=page&entityId=1";
    let (status, _, rows) = request(dev.address(), "GET", path, &[&bearer]).await;
    assert!(status == 200 && rows.contains("Saturday in the park"), "{status}: {rows}");
    for name in [json!(""), json!("  "), json!("a\nb"), json!("x".repeat(65)), json!(7), Value::Null] {
        let answer = post(&dev, "/demo/token", &[], &json!({ "name": name })).await;
        assert_eq!(refusal(&answer), (400, "invalid_payload"), "{name}");
    }
    dev.end().await;
}

#[tokio::test]
async fn sql_is_run_as_it_is_shown_and_only_in_the_forms_that_there_are() {
    let dev = Development::start("127.0.0.1:0").await;
    let name = "it's'; DELETE FROM components; --\\";
    let id = "00000000-0000-4000-8000-000000000002";
    let edit = json!({ "kind": "rename", "componentId": id, "name": name });
    let (status, answer) = post(&dev, "/demo/sql", &[], &edit).await;
    assert_eq!((status, &answer["rows"]), (200, &json!(1)), "{answer}");
    let sql = answer["sql"].as_str().expect("a text");
    assert!(sql.starts_with("UPDATE components\n   SET name = E'it''s''; DELETE"), "{sql}");
    let (_, answer) = post(&dev, "/demo/sql", &[], &json!({ "kind": "paint", "tone": "rose" })).await;
    assert_eq!(answer["rows"], 3, "{answer}");

    let token = post(&dev, "/demo/token", &[], &json!({ "name": "Ada" })).await.1["token"].clone();
    let bearer = format!("Authorization: Bearer {}", token.as_str().expect("a token"));
    let (_, _, row) = request(dev.address(), "GET", &format!("/api/components/{id}"), &[&bearer]).await;
    let row: Value = serde_json::from_str(&row).expect("JSON");
    assert_eq!((&row["row"]["name"], &row["row"]["data"]["tone"]), (&json!(name), &json!("rose")));
    assert_eq!(row["row"]["updated_by"], "psql");

    for edit in [
        json!({ "kind": "rename", "componentId": "none", "name": "x" }),
        json!({ "kind": "rename", "componentId": id }),
        json!({ "kind": "paint", "tone": "rose", "where": "true" }),
        json!({ "kind": "drop" }),
        json!({ "sql": "DROP TABLE components" }),
    ] {
        assert_eq!(refusal(&post(&dev, "/demo/sql", &[], &edit).await), (400, "invalid_payload"), "{edit}");
    }
    dev.end().await;
}

#[tokio::test]
async fn a_page_of_another_origin_a_strange_host_and_a_proxy_are_given_neither() {
    let dev = Development::start("127.0.0.1:0").await;
    for (path, body) in
        [("/demo/token", json!({ "name": "Eve" })), ("/demo/sql", json!({ "kind": "paint", "tone": "rose" }))]
    {
        for header in ["Origin: http://localhost:5173", "Origin: null", "X-Forwarded-For: 203.0.113.7"] {
            assert_eq!(refusal(&post(&dev, path, &[header], &body).await), (403, "forbidden"), "{path}, {header}");
        }
        let own = format!("Origin: {}", dev.url());
        assert_eq!(post(&dev, path, &[&own], &body).await.0, 200, "the page itself");
        // A GET could be had by an image of any page.
        assert_ne!(request(dev.address(), "GET", path, &[]).await.0, 200);
    }
    dev.end().await;
}

#[tokio::test]
async fn there_is_none_where_others_can_reach_it_and_none_of_walcast_serve() {
    let dev = Development::start("0.0.0.0:0").await;
    assert_eq!(dev.printed("demo"), None);
    let database = Database::new().await;
    let server = Server::start(&database).await;
    for address in [dev.address(), server.address] {
        for (method, path) in [("GET", "/"), ("GET", "/demo/icon.svg"), ("POST", "/demo/token"), ("POST", "/demo/sql")]
        {
            assert_eq!(request(address, method, path, &["Content-Length: 0"]).await.0, 404, "{path} of {address}");
        }
    }
    dev.end().await;
}
