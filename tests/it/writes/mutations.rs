//! Writes that carry a `mutationId`: a repeat is answered as the first was, and writes nothing.

use serde_json::{Value, json};

use super::{Desk, error};
use crate::support::{PATIENCE, Server, within};

fn create(mutation: &str) -> Value {
    let component = json!({ "type": "text", "name": "once" });
    json!({ "entityType": "page", "entityId": "1", "component": component, "mutationId": mutation })
}

async fn count(desk: &Desk) -> i64 {
    desk.database.value("SELECT count(*) FROM components WHERE name = 'once'").await
}

#[tokio::test]
async fn a_repeat_is_answered_as_the_first_also_over_another_connection_and_server() {
    let mut desk = Desk::new().await;
    let first = desk.write("component:create", create("m1")).await;
    assert_eq!(desk.write("component:create", create("m1")).await, first);
    let again = desk.sockets.connect(&desk.server, "ann", "websocket").await;
    assert_eq!(again.request("component:create", create("m1")).await, first);
    let dsn = desk.database.dsn();
    let other = Server::start_on(&dsn, &format!("{}_other", desk.database.name), &[]).await;
    let there = desk.sockets.connect(&other, "ann", "websocket").await;
    assert_eq!(there.request("component:create", create("m1")).await, first);
    assert_eq!(count(&desk).await, 1);
    // Another's mutation of the same name is another.
    let bob = desk.sockets.connect(&desk.server, "bob", "websocket").await;
    assert_ne!(bob.request("component:create", create("m1")).await["componentId"], first["componentId"]);
    assert_eq!(count(&desk).await, 2);

    let update =
        json!({ "componentId": first["componentId"], "updates": { "name": "new" }, "version": 1, "mutationId": "m2" });
    let first = desk.write("component:update", update.clone()).await;
    assert_eq!(
        desk.write("component:update", update).await,
        first,
        "by now the version is stale, and yet it was carried out"
    );
    desk.writer.received();
}

#[tokio::test]
async fn repeats_at_the_same_moment_write_once() {
    let desk = Desk::new().await;
    let other = desk.sockets.connect(&desk.server, "ann", "websocket").await;
    for round in 0..20 {
        let payloads = || (0..4).map(|_| create(&format!("m{round}"))).collect();
        let (here, there) = tokio::join!(
            desk.writer.requests("component:create", payloads()),
            other.requests("component:create", payloads())
        );
        for ack in here.iter().chain(&there) {
            assert_eq!(ack, &here[0]);
            assert_eq!(ack["ok"], true, "{ack}");
        }
    }
    assert_eq!(count(&desk).await, 20);
}

#[tokio::test]
async fn what_was_refused_is_tried_again() {
    let mut desk = Desk::new().await;
    let id = desk.component("[]").await;
    let update = json!({ "componentId": id, "updates": { "name": "once" }, "version": 2, "mutationId": "m" });
    error(&desk.writer.request("component:update", update.clone()).await, "conflict");
    desk.database.sql("UPDATE components SET data = '{}'").await;
    desk.write("component:update", update).await;
    assert_eq!(desk.row(&id).await["name"], "once");
}

#[tokio::test]
async fn what_is_too_old_is_forgotten() {
    let desk = Desk::with(&["--keep-mutations", "1s"], "websocket").await;
    desk.database
        .sql("INSERT INTO walcast.mutations SELECT 'u', n::text, '{}', now() - interval '1 day' FROM generate_series(1, 2500) n")
        .await;
    let old = "SELECT count(*) FROM walcast.mutations WHERE user_id = 'u'";
    within("the end of old mutations", async {
        while desk.database.value::<i64>(old).await > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn forgetting_waits_for_no_lock_without_end_and_keeps_no_write_from_its_connection() {
    let arguments = ["--keep-mutations", "1s", "--write-timeout", "300ms", "--write-connections", "1"];
    let mut desk = Desk::with(&arguments, "websocket").await;
    let id = desk.component("[]").await;
    let holder = desk.database.connect().await;
    holder.batch_execute("BEGIN; LOCK TABLE walcast.mutations").await.expect("locks");
    let waits = "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
                 WHERE NOT l.granted AND a.datname = current_database())";
    within("the one that forgets", async { while !desk.database.value::<bool>(waits).await {} }).await;
    let update = json!({ "componentId": id, "updates": { "name": "after" } });
    within("a write", async { while desk.writer.request("component:update", update.clone()).await["ok"] != true {} })
        .await;
    let outcome = desk.server.logged("the failure", PATIENCE, |line| {
        line["message"].as_str().is_some_and(|said| said.starts_with("old mutations were not forgotten"))
    });
    outcome.await.expect("the server lives");
    holder.batch_execute("COMMIT").await.expect("lets go");
    desk.database.sql("INSERT INTO walcast.mutations VALUES ('u', 'm', '{}', now() - interval '1 day')").await;
    let old = "SELECT count(*) FROM walcast.mutations WHERE user_id = 'u'";
    within("the end of old mutations", async { while desk.database.value::<i64>(old).await > 0 {} }).await;
}
