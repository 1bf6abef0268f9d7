//! What cannot be answered is refused in JSON, with the status that says the same.

use super::{PAGE_1, fetch, fetch_as};
use crate::support::{Cluster, Database, Server, request, token, token_for};

#[tokio::test]
async fn who_shows_no_good_token_reads_nothing() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let expired = format!("Authorization: Bearer {}", token_for("ann", -60));
    for path in [PAGE_1, "/api/components/x", "/api/rows/none/x", "/api/rows/component"] {
        for (header, code, message) in [
            ("X: y", "unauthorized", "Authentication error: No token provided"),
            ("Authorization: Basic x", "unauthorized", "Authentication error: No token provided"),
            ("Authorization: Bearer x", "unauthorized", "Authentication error: Invalid token"),
            (expired.as_str(), "token_expired", "expired"),
        ] {
            let (status, head, body) = request(server.address, "GET", path, &[header]).await;
            assert_eq!(status, 401, "{path} {header}");
            assert!(head.contains("www-authenticate: Bearer"), "{head}");
            assert!(body.contains(code) && body.contains(message), "{body}");
        }
    }
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_by_its_own_status() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let long = format!("/api/components/{}", "x".repeat(2_000));
    for (path, status, code) in [
        ("/api/components", 400, "invalid_payload"),
        ("/api/components?entityType=page", 400, "invalid_payload"),
        (&format!("{PAGE_1}&limit=501"), 400, "invalid_payload"),
        (&format!("{PAGE_1}&limit=x"), 400, "invalid_payload"),
        (&format!("{PAGE_1}&after=no-uuid"), 400, "invalid_payload"),
        ("/api/components?entityType=a%00b&entityId=1", 400, "invalid_payload"),
        ("/api/components/no-uuid", 400, "invalid_payload"),
        (&long, 400, "invalid_payload"),
        ("/api/components/00000000-0000-0000-0000-000000000000", 404, "not_found"),
        ("/api/rows/nothing/1", 404, "not_found"),
        ("/api/rows/nothing?entityType=page&entityId=1", 404, "not_found"),
        ("/api/rows/a%00b/1", 400, "invalid_payload"),
        ("/api/components/%FF", 404, "not_found"),
        ("/api/nothing", 404, "not_found"),
        ("/api", 404, "not_found"),
    ] {
        let refused = fetch(&server, path).await;
        assert_eq!(refused.code(), (status, code.to_owned()), "{path} {refused:?}");
        assert_eq!(refused.header("cache-control"), Some("private, no-cache"), "{path}");
    }
    for method in ["POST", "PUT", "DELETE"] {
        let refused = fetch_as(&server, method, PAGE_1, &["Content-Length: 0"]).await;
        assert_eq!(refused.code(), (405, "method_not_allowed".into()));
        assert_eq!(refused.header("allow"), Some("GET,HEAD"), "{refused:?}");
    }
}

#[tokio::test]
async fn a_row_is_not_found_by_another_text_for_its_key() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let id = database.component("a", "[]").await;
    assert_eq!(fetch(&server, &format!("/api/components/{id}")).await.status, 200);
    // In its room nobody would hear of it.
    assert_eq!(fetch(&server, &format!("/api/components/{{{id}}}")).await.status, 404);
}

#[tokio::test]
async fn a_table_that_the_server_may_not_read_is_forbidden() {
    let cluster = Cluster::start(&[]).await;
    let server = Server::start_on(&cluster.dsn_text(""), "walcast", &["--migrate"]).await;
    drop(server);
    let role = "CREATE ROLE reader LOGIN REPLICATION; GRANT USAGE ON SCHEMA walcast TO reader; \
                GRANT SELECT ON ALL TABLES IN SCHEMA walcast TO reader; \
                GRANT ALL ON walcast.slots, walcast.slot_rules, walcast.sessions TO reader";
    cluster.sql(role).await;
    let server = Server::start_on(&cluster.dsn_text("user=reader"), "walcast", &[]).await;
    assert_eq!(fetch(&server, PAGE_1).await.code(), (403, "forbidden".into()));
    cluster.sql("GRANT SELECT ON components TO reader").await;
    assert_eq!(fetch(&server, PAGE_1).await.status, 200);
}

#[tokio::test]
async fn without_a_database_it_is_unavailable_and_then_available_again() {
    let mut cluster = Cluster::start(&[]).await;
    let server = Server::start_on(&cluster.dsn_text(""), "walcast", &["--migrate"]).await;
    assert_eq!(fetch(&server, PAGE_1).await.status, 200);
    assert!(cluster.stop_fast(20).await);
    for _ in 0..3 {
        let refused = fetch(&server, PAGE_1).await;
        assert_eq!(refused.code(), (503, "unavailable".into()));
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
    server.becomes("Disconnected").await;
    cluster.start_again().await;
    assert_eq!(fetch(&server, PAGE_1).await.status, 200);
}

#[tokio::test]
async fn a_server_that_stands_by_reads_nothing() {
    let database = Database::new().await;
    let _leader = Server::start(&database).await;
    let standby = Server::spawn_on(&database.dsn(), &database.name, &[]).await;
    standby.becomes("Standby").await;
    // Before it has led there is nothing that it could say of a position.
    let bearer = format!("Authorization: Bearer {}", token("ann"));
    let (status, _, _) = standby.get(PAGE_1, &[&bearer]).await;
    assert_eq!(status, 503);
}
