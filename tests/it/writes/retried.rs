//! Writes that others get in the way of.

use serde_json::json;

use super::{Desk, error};
use crate::support::within;

#[tokio::test]
async fn a_deadlock_is_tried_again_until_it_passes() {
    let mut desk = Desk::new().await;
    let (a, b) = (desk.component("[]").await, desk.component("[]").await);
    // A write of `a` also writes `b`, once the gate opens. Meanwhile whoever holds `b` comes to want `a`: then the write closes
    // the circle, and since it is the first to look for one, it is the victim.
    desk.database
        .sql(&format!(
            "ALTER DATABASE {} SET deadlock_timeout = '20ms'; \
             CREATE FUNCTION circle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(1); \
               UPDATE components SET data = '{{\"by\": \"trigger\"}}' WHERE id = '{b}'; RETURN NEW; END $$; \
             CREATE TRIGGER circle AFTER UPDATE OF name ON components FOR EACH ROW WHEN (NEW.id = '{a}') \
               EXECUTE FUNCTION circle(); SELECT pg_advisory_lock(1)",
            desk.database.name
        ))
        .await;
    let until_waiting = async |count: i64| {
        let waiting = "SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid) \
                       WHERE NOT granted AND datname = current_database()";
        within("those at the locks", async { while desk.database.value::<i64>(waiting).await < count {} }).await;
    };
    desk.writer.emit("component:update", json!({ "componentId": a, "updates": { "name": "after" } })).await;
    until_waiting(1).await;
    let holder = desk.database.connect().await;
    let circle = async {
        let hold =
            format!("SET deadlock_timeout = '1min'; BEGIN; UPDATE components SET data = '{{}}' WHERE id = '{b}'");
        holder.batch_execute(&hold).await.expect("holds");
        let close = format!("UPDATE components SET data = '{{}}' WHERE id = '{a}'; COMMIT");
        holder.batch_execute(&close).await.expect("the write is the victim");
    };
    let gate = async {
        until_waiting(2).await;
        desk.database.sql("SELECT pg_advisory_unlock(1)").await;
    };
    tokio::join!(circle, gate);
    let told = loop {
        let (_, told) = desk.reader.next().await;
        if told["updates"]["name"] == "after" {
            break told;
        }
    };
    assert_eq!((&told["componentId"], &told["version"]), (&json!(a), &json!(3)));
    let metrics = desk.server.get("/metrics", &[]).await.2;
    assert!(
        !metrics.contains("walcast_write_retries_total 0") && metrics.contains("walcast_write_retries_total"),
        "{metrics}"
    );
}

#[tokio::test]
async fn what_never_passes_is_given_up() {
    let mut desk = Desk::new().await;
    let id = desk.component("[]").await;
    desk.database
        .sql(
            "CREATE SEQUENCE tries; CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
               IF nextval('tries') <= current_setting('walcast_test.fails')::int THEN \
                 RAISE EXCEPTION 'serialize' USING ERRCODE = 'serialization_failure'; END IF; RETURN NEW; END $$; \
             CREATE TRIGGER fail BEFORE UPDATE ON components FOR EACH ROW EXECUTE FUNCTION fail()",
        )
        .await;
    let update = json!({ "componentId": id, "updates": { "name": "after" } });
    for (fails, passes) in [(5, true), (1_000, false)] {
        let setting = format!("ALTER DATABASE {} SET walcast_test.fails = {fails}", desk.database.name);
        desk.database.sql(&format!("{setting}; ALTER SEQUENCE tries RESTART")).await;
        // Settings of a database are for those who connect after that.
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
                   AND application_name = 'walcast' AND pid <> pg_backend_pid()";
        desk.database.sql(end).await;
        let ack = desk.writer.request("component:update", update.clone()).await;
        match passes {
            true => assert_eq!(ack["ok"], true, "{ack}"),
            false => drop(error(&ack, "unavailable")),
        }
        let tries: i64 = desk.database.value("SELECT last_value FROM tries").await;
        assert_eq!(tries, 6, "it is tried so often, and no more");
    }
}
