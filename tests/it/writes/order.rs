//! Which writes wait for which.

use serde_json::{Value, json};

use super::{Desk, error};
use crate::support::{Client, within};

#[tokio::test]
async fn a_hundred_writes_without_acks_reach_one_component_in_the_order_sent() {
    let mut desk = Desk::new().await;
    let id = desk.component("[]").await;
    for n in 0..100 {
        desk.writer.emit("component:update", json!({ "componentId": id, "updates": { "name": n.to_string() } })).await;
    }
    for n in 0..100 {
        let told = desk.reader.expect("component:updated").await;
        assert_eq!((&told["updates"]["name"], &told["version"]), (&json!(n.to_string()), &json!(n + 2)));
    }
    desk.writer_hears([]).await;
}

#[tokio::test]
async fn one_component_that_is_locked_keeps_no_other_waiting() {
    let mut desk = Desk::new().await;
    let (locked, free) = (desk.component("[]").await, desk.component("[]").await);
    let holder = desk.database.connect().await;
    let lock = format!("BEGIN; SELECT FROM components WHERE id = '{locked}' FOR UPDATE");
    holder.batch_execute(&lock).await.expect("locks");
    let update = |id: &str, name: &str| json!({ "componentId": id, "updates": { "name": name } });
    for name in ["first", "second"] {
        desk.writer.emit("component:update", update(&locked, name)).await;
    }
    desk.write("component:update", update(&free, "passes")).await;
    assert_eq!(desk.reader.expect("component:updated").await["componentId"], free);
    holder.batch_execute("COMMIT").await.expect("lets go");
    for name in ["first", "second"] {
        assert_eq!(desk.reader.expect("component:updated").await["updates"]["name"], name);
    }
}

#[tokio::test]
async fn who_asks_for_more_than_may_wait_is_told_and_a_lock_is_not_waited_for_without_end() {
    let mut desk = Desk::with(&["--write-queue", "3", "--write-timeout", "1s"], "websocket").await;
    let id = desk.component("[]").await;
    let holder = desk.database.connect().await;
    holder.batch_execute(&format!("BEGIN; SELECT FROM components WHERE id = '{id}' FOR UPDATE")).await.expect("locks");
    let updates = (0..5).map(|n| json!({ "componentId": id, "updates": { "name": n.to_string() } })).collect();
    let acks = desk.writer.requests("component:update", updates).await;
    for ack in &acks {
        error(ack, "unavailable");
    }
    let said = |ack: &Value| ack["error"]["message"].as_str().expect("a message").to_owned();
    assert!(said(&acks[0]).contains("locked"), "{}", said(&acks[0]));
    assert!(said(&acks[4]).contains("wait already"), "{}", said(&acks[4]));
    holder.batch_execute("COMMIT").await.expect("lets go");
    assert_eq!(desk.row(&id).await["name"], "before");
    desk.write("component:update", json!({ "componentId": id, "updates": { "name": "works again" } })).await;
}

#[tokio::test]
async fn a_socket_that_goes_takes_what_has_not_begun_with_it() {
    let mut desk = Desk::new().await;
    let id = desk.component("[]").await;
    let mut leaver: Client = desk.sockets.connect(&desk.server, "eve", "websocket").await;
    let holder = desk.database.connect().await;
    holder.batch_execute(&format!("BEGIN; SELECT FROM components WHERE id = '{id}' FOR UPDATE")).await.expect("locks");
    for name in ["begun", "not begun"] {
        leaver.emit("component:update", json!({ "componentId": id, "updates": { "name": name } })).await;
    }
    // Postgres tells nobody who waits for a lock, so it is asked.
    let waits = "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
                 WHERE NOT l.granted AND a.datname = current_database())";
    within("the write at the lock", async {
        while !desk.database.value::<bool>(waits).await {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
    let door = json!({ "componentId": "door" });
    leaver.subscribe(door.clone()).await;
    leaver.disconnect().await;
    within("the departure", async {
        while desk.writer.subscribe(door.clone()).await["users"].as_array().is_some_and(|users| users.len() > 1) {}
    })
    .await;
    holder.batch_execute("COMMIT").await.expect("lets go");
    assert_eq!(desk.reader.expect("component:updated").await["updates"]["name"], "begun");
    desk.write("component:update", json!({ "componentId": id, "updates": { "data": {} } })).await;
    let row = desk.row(&id).await;
    assert_eq!((&row["name"], &row["version"]), (&json!("begun"), &json!(3)));
}

#[tokio::test]
async fn different_components_are_written_side_by_side_over_so_many_connections() {
    let mut desk = Desk::with(&["--write-connections", "3", "--write-timeout", "25s"], "websocket").await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(desk.component("[]").await);
    }
    desk.database
        .sql(
            "CREATE TABLE writers (pid int); \
             CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
               PERFORM pg_advisory_xact_lock_shared(1); INSERT INTO writers VALUES (pg_backend_pid()); RETURN NEW; END $$; \
             CREATE TRIGGER gate BEFORE UPDATE ON components FOR EACH ROW EXECUTE FUNCTION gate(); \
             SELECT pg_advisory_lock(1)",
        )
        .await;
    for id in &ids {
        desk.writer.emit("component:update", json!({ "componentId": id, "updates": { "name": "after" } })).await;
    }
    let waiting = "SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid) \
                   WHERE NOT granted AND datname = current_database()";
    within("three at the gate", async { while desk.database.value::<i64>(waiting).await < 3 {} }).await;
    desk.database.sql("SELECT pg_advisory_unlock(1)").await;
    for _ in &ids {
        desk.reader.expect("component:updated").await;
    }
    assert_eq!(desk.database.value::<i64>("SELECT count(DISTINCT pid) FROM writers").await, 3);
}
