use serde_json::Value;

use super::{OWN, Office};
use crate::support::{request, token};

async fn fetch(office: &Office, user: &str, path: &str) -> (u16, Value) {
    let bearer = format!("Authorization: Bearer {}", token(user));
    let (status, _, body) = request(office.server.address, "GET", path, &[&bearer]).await;
    (status, serde_json::from_str(&body).expect("JSON"))
}

#[tokio::test]
async fn who_polls_is_shown_what_they_may_see() {
    let office = Office::new(OWN).await;
    office.sql("INSERT INTO docs (id, owner, title) VALUES (1, 'ann', 'a'), (2, 'bob', 'b')").await;
    let (status, body) = fetch(&office, "ann", "/api/rows/doc?entityType=page&entityId=1").await;
    assert_eq!((status, body["rows"].as_array().expect("rows").len()), (200, 1), "{body}");
    assert_eq!(body["rows"][0]["title"], "a");
    assert_eq!(fetch(&office, "ann", "/api/rows/doc/1").await.0, 200);
    assert_eq!(fetch(&office, "ann", "/api/rows/doc/2").await.0, 404);
    assert_eq!(fetch(&office, "bob", "/api/rows/doc/2").await.0, 200);
}

#[tokio::test]
async fn columns_that_may_not_be_read_are_not_shown() {
    let office = Office::new(OWN).await;
    let role = &office.role;
    office
        .sql(&format!(
            "REVOKE SELECT ON docs FROM {role}; GRANT SELECT (id, owner, kind, page, title) ON docs TO {role}"
        ))
        .await;
    office.sql("INSERT INTO docs (id, owner, title, secret) VALUES (1, 'ann', 'a', 'hidden')").await;
    let (status, body) = fetch(&office, "ann", "/api/rows/doc/1").await;
    assert_eq!(status, 200, "{body}");
    assert!(!body.to_string().contains("hidden") && body.to_string().contains("\"a\""), "{body}");
    let (_, before, _) = {
        let bearer = format!("Authorization: Bearer {}", token("ann"));
        let (status, head, body) = request(office.server.address, "GET", "/api/rows/doc/1", &[&bearer]).await;
        (status, head.to_lowercase(), body)
    };
    let tag = before.lines().find_map(|line| line.strip_prefix("etag: ")).expect("a tag").to_owned();
    let bearer = format!("Authorization: Bearer {}", token("ann"));
    let known = format!("If-None-Match: {tag}");
    assert_eq!(request(office.server.address, "GET", "/api/rows/doc/1", &[&bearer, &known]).await.0, 304);
    office.sql("UPDATE docs SET title = 'b'").await;
    assert_eq!(request(office.server.address, "GET", "/api/rows/doc/1", &[&bearer, &known]).await.0, 200);
}
