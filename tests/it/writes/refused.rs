//! What is refused, why, and that nothing of it is written.

use serde_json::{Value, json};

use super::{Desk, ROWS, error};
use crate::support::token_with_email;

const NOBODY: &str = "00000000-0000-4000-8000-00000000dead";

#[tokio::test]
async fn what_is_no_write_is_refused_with_what_is_wrong() {
    let mut desk = Desk::new().await;
    let id = desk.component(ROWS).await;
    let before = desk.row(&id).await;
    let update = |updates: Value| json!({ "componentId": id, "updates": updates });
    let nested = |more: Value| {
        let mut payload = json!({ "componentId": id, "rowId": "r1", "nestedComponentId": "n1", "updates": {} });
        payload.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        payload
    };
    for (event, payload, words) in [
        ("update", json!({ "updates": { "name": "x" } }), "componentId is missing"),
        ("update", json!({ "componentId": id }), "`updates` is missing"),
        ("update", json!({ "componentId": id, "updates": ["name"] }), "`updates` must be an object, but is an array"),
        ("update", json!({ "componentId": [id], "updates": { "name": "x" } }), "componentId must be a text"),
        ("update", json!({ "componentId": "no uuid", "updates": { "name": "x" } }), "uuid"),
        ("update", update(json!({})), "names no column"),
        ("update", update(json!({ "nope": 1, "neither": 2, "name": "x" })), "no column `neither`, `nope`"),
        ("update", update(json!({ "id": NOBODY })), "may not set `id`"),
        (
            "update",
            update(json!({ "version": 9, "updated_by": "eve", "name": "x" })),
            "may not set `updated_by`, `version`",
        ),
        ("update", update(json!({ "entity_id": "2" })), "may not set `entity_id`"),
        ("update", update(json!({ "name": 5 })), "`name` is a text"),
        ("update", update(json!({ "name": { "a": 1 } })), "`name` is a text"),
        ("update", update(json!({ "name": null })), "null value in column \"name\""),
        ("update", update(json!({ "name": "a\0b" })), ""),
        ("update", json!({ "componentId": id, "updates": { "name": "x" }, "version": "one" }), "`version`"),
        ("update", json!({ "componentId": id, "updates": { "name": "x" }, "version": 1.5 }), "`version`"),
        ("update", json!({ "componentId": id, "updates": { "name": "x" }, "mutationId": 7 }), "`mutationId`"),
        (
            "update",
            json!({ "componentId": id, "updates": { "name": "x" }, "mutationId": "x".repeat(200) }),
            "`mutationId`",
        ),
        ("create", json!({ "entityType": "page", "entityId": "1" }), "`component` is missing"),
        ("create", json!({ "entityType": "page", "component": {} }), "entityId is missing"),
        ("create", json!({ "component": { "type": "text" } }), "needs entityType and entityId"),
        ("create", json!({ "entityType": "page", "entityId": "1", "component": { "id": NOBODY } }), "may not set `id`"),
        ("create", json!({ "entityType": "page", "entityId": "1", "component": { "entity_id": "2" } }), "`entity_id`"),
        ("create", json!({ "entityType": "page", "entityId": "1", "component": {} }), "null value in column \"type\""),
        ("nested-create", json!({ "componentId": id, "nestedComponent": {} }), "rowId is missing"),
        ("nested-create", json!({ "componentId": id, "rowId": "r1", "nestedComponent": [] }), "must be an object"),
        (
            "nested-create",
            json!({ "componentId": id, "rowId": "r1", "nestedComponent": { "id": {} } }),
            "the id of a nested",
        ),
        ("nested-update", nested(json!({ "updates": { "id": "other" } })), "cannot be changed"),
        ("nested-update", nested(json!({ "nestedComponentId": null })), "nestedComponentId is missing"),
        ("nested-delete", json!({ "componentId": id, "rowId": "r1" }), "nestedComponentId is missing"),
    ] {
        let ack = desk.writer.request(&format!("component:{event}"), payload.clone()).await;
        let error = error(&ack, "invalid_payload");
        assert!(error["message"].as_str().is_some_and(|said| said.contains(words)), "{event} {payload}: {error}");
    }
    assert_eq!(desk.row(&id).await, before);
    desk.writer_hears([]).await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let mut desk = Desk::new().await;
    let id = desk.component(ROWS).await;
    let before = desk.row(&id).await;
    let nested = |row: &str, nested: &str| json!({ "componentId": id, "rowId": row, "nestedComponentId": nested, "updates": { "text": "x" } });
    for (event, payload, what) in [
        ("update", json!({ "componentId": NOBODY, "updates": { "name": "x" } }), NOBODY),
        ("update", json!({ "componentId": NOBODY, "updates": { "name": "x" }, "version": 1 }), NOBODY),
        ("delete", json!({ "componentId": NOBODY }), NOBODY),
        ("nested-create", json!({ "componentId": NOBODY, "rowId": "r1", "nestedComponent": {} }), NOBODY),
        ("nested-create", json!({ "componentId": id, "rowId": "r9", "nestedComponent": {} }), "r9"),
        ("nested-update", nested("r9", "n1"), "r9"),
        ("nested-update", nested("r1", "n9"), "n9"),
        ("nested-update", nested("r2", "n1"), "n1"),
        ("nested-delete", nested("r1", "n9"), "n9"),
    ] {
        let ack = desk.writer.request(&format!("component:{event}"), payload.clone()).await;
        let error = error(&ack, "not_found");
        assert!(error["message"].as_str().is_some_and(|said| said.contains(what)), "{event} {payload}: {error}");
    }
    assert_eq!(desk.row(&id).await, before);
}

#[tokio::test]
async fn a_stale_version_writes_nothing_and_says_what_is_there() {
    let mut desk = Desk::new().await;
    let id = desk.component(ROWS).await;
    desk.database.sql(r#"UPDATE components SET name = 'theirs', data = '{"by": "bob"}'"#).await;
    let before = desk.row(&id).await;
    let nested = json!({ "componentId": id, "rowId": "r1", "nestedComponentId": "n1", "version": 1 });
    let with_updates = |mut payload: Value, updates: Value| {
        payload["updates"] = updates;
        payload
    };
    for (event, payload, current) in [
        (
            "update",
            json!({ "componentId": id, "updates": { "name": "mine", "data": {} }, "version": 1 }),
            json!({ "version": 2, "name": "theirs", "data": { "by": "bob" } }),
        ),
        (
            "update",
            json!({ "componentId": id, "updates": { "name": "mine" }, "version": "7" }),
            json!({ "version": 2, "name": "theirs" }),
        ),
        ("delete", json!({ "componentId": id, "version": 1 }), json!({ "version": 2 })),
        (
            "nested-update",
            with_updates(nested.clone(), json!({ "text": "mine", "more": 1 })),
            json!({ "version": 2, "text": "a", "more": null }),
        ),
        ("nested-delete", nested, json!({ "version": 2 })),
    ] {
        let ack = desk.writer.request(&format!("component:{event}"), payload.clone()).await;
        assert_eq!(error(&ack, "conflict")["current"], current, "{event}");
        assert_eq!(desk.row(&id).await, before);
    }
    // Without an ack, the same comes as an event.
    desk.writer.received();
    desk.writer
        .emit("component:update", json!({ "componentId": id, "updates": { "name": "mine" }, "version": 1 }))
        .await;
    let told = loop {
        let (event, told) = desk.writer.next().await;
        if event == "component:error" {
            break told;
        }
    };
    assert_eq!((&told["event"], &told["code"]), (&json!("component:update"), &json!("conflict")));
    assert_eq!((&told["componentId"], &told["current"]), (&json!(id), &json!({ "version": 2, "name": "theirs" })));
    desk.write("component:update", json!({ "componentId": id, "updates": { "name": "mine" }, "version": 2 })).await;
}

#[tokio::test]
async fn a_rule_without_writable_is_refused_with_the_sql_that_allows_it_and_obeyed_at_once() {
    let mut desk = Desk::new().await;
    desk.database
        .sql(
            "CREATE TABLE kinds (name text PRIMARY KEY); INSERT INTO kinds VALUES ('a'); \
             CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind text REFERENCES kinds, \
               total int CHECK (total > 0), code text UNIQUE DEFERRABLE INITIALLY DEFERRED); \
             ALTER TABLE orders REPLICA IDENTITY FULL; SELECT walcast.broadcast_table('orders', prefix => 'order')",
        )
        .await;
    let create = |order: Value| json!({ "order": order });
    for (event, words) in
        [("order:create", "'public.orders', prefix => 'order'"), ("kinds:create", "prefix => 'kinds'")]
    {
        let refused = error(&desk.writer.request(event, json!({ "order": {}, "kinds": {} })).await, "forbidden");
        let said = refused["message"].as_str().expect("a message").to_owned();
        assert!(
            said.contains("walcast.broadcast_table(") && said.contains(words) && said.contains("writable"),
            "{said}"
        );
    }
    let writable =
        |columns: &str| format!("SELECT walcast.broadcast_table('orders', prefix => 'order', writable => {columns})");
    desk.database.sql(&writable("ARRAY['kind', 'total', 'code']")).await;
    let ack = desk.write("order:create", create(json!({ "kind": "a", "total": 1, "code": "x" }))).await;
    assert_eq!(ack, json!({ "ok": true, "orderId": 1 }));
    for (order, words) in [
        (json!({ "kind": "b" }), "orders_kind_fkey"),
        (json!({ "total": 0 }), "orders_total_check"),
        (json!({ "total": "many" }), "integer"),
        (json!({ "total": 9_999_999_999_u64 }), "out of range"),
        // It is checked only in COMMIT.
        (json!({ "code": "x" }), "orders_code_key"),
    ] {
        let refused = error(&desk.writer.request("order:create", create(order)).await, "invalid_payload");
        assert!(refused["message"].as_str().is_some_and(|said| said.contains(words)), "{refused}");
    }
    let entity = json!({ "entityType": "page", "entityId": "1", "order": {} });
    error(&desk.writer.request("order:create", entity).await, "invalid_payload");
    let versioned = json!({ "orderId": 1, "updates": { "total": 2 }, "version": 1 });
    error(&desk.writer.request("order:update", versioned).await, "invalid_payload");
    // The columns change, and then the rule does: the next write goes by what is there.
    desk.database.sql("ALTER TABLE orders RENAME COLUMN total TO amount; ALTER TABLE orders DROP COLUMN code").await;
    error(
        &desk.writer.request("order:update", json!({ "orderId": 1, "updates": { "amount": 3 } })).await,
        "invalid_payload",
    );
    desk.database.sql(&writable("ARRAY['amount']")).await;
    desk.write("order:update", json!({ "orderId": 1, "updates": { "amount": 3 } })).await;
    error(
        &desk.writer.request("order:update", json!({ "orderId": 1, "updates": { "kind": null } })).await,
        "invalid_payload",
    );
    desk.database.sql("SELECT walcast.broadcast_table('orders', prefix => 'order')").await;
    error(&desk.writer.request("order:update", json!({ "orderId": 1, "updates": { "amount": 4 } })).await, "forbidden");
    desk.writer.emit("order:update", json!({ "orderId": 1, "updates": { "amount": 4 } })).await;
    let told = desk.writer.expect("component:error").await;
    assert_eq!(
        (&told["event"], &told["orderId"]),
        (&json!("order:update"), &json!(1)),
        "without an ack, for which row"
    );
    assert_eq!(desk.database.value::<i64>("SELECT sum(amount) FROM orders").await, 3);
}

#[tokio::test]
async fn a_column_that_is_not_published_is_not_told_to_who_writes_either() {
    let desk = Desk::new().await;
    desk.database
        .sql(
            "CREATE TABLE orders (id int PRIMARY KEY, note text, seen text, hidden text, version bigint DEFAULT 1); \
             INSERT INTO orders VALUES (1, 'a', 'b', 'secret'); \
             CREATE FUNCTION mark() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
               NEW.seen := 'seen ' || NEW.note; NEW.hidden := 'hidden ' || NEW.note; RETURN NEW; END $$; \
             CREATE TRIGGER mark BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION mark(); \
             SELECT walcast.keep_version('orders'); \
             DROP PUBLICATION walcast; \
             CREATE PUBLICATION walcast FOR TABLE walcast.rules, components, orders (id, note, seen, version); \
             SELECT walcast.broadcast_table('orders', prefix => 'order', version => 'version', writable => ARRAY['note', 'hidden'])",
        )
        .await;
    let update = |version| json!({ "orderId": 1, "updates": { "note": "x", "hidden": "mine" }, "version": version });
    let ack = desk.write("order:update", update(1)).await;
    assert_eq!(ack, json!({ "ok": true, "version": 2, "updates": { "seen": "seen x", "version": 2 } }));
    let refused = error(&desk.writer.request("order:update", update(1)).await, "conflict");
    assert_eq!(refused["current"], json!({ "version": 2, "note": "x" }));
}

#[tokio::test]
async fn what_the_database_withholds_is_forbidden_and_what_its_triggers_say_is_passed_on() {
    let mut desk = Desk::new().await;
    let id = desk.component("[]").await;
    desk.database
        .sql(
            "CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
               IF NEW.name = 'raise' THEN RAISE EXCEPTION 'that is no name'; END IF; \
               IF NEW.name = 'claims' THEN NEW.name := current_setting('request.jwt.claims')::jsonb ->> 'email'; END IF; \
               IF NEW.name = 'swallow' THEN RETURN NULL; END IF; RETURN NEW; END $$; \
             CREATE TRIGGER guard BEFORE UPDATE ON components FOR EACH ROW EXECUTE FUNCTION guard()",
        )
        .await;
    let update = |name: &str| json!({ "componentId": id, "updates": { "name": name } });
    let raised = error(&desk.writer.request("component:update", update("raise")).await, "invalid_payload");
    assert_eq!(raised["message"], "that is no name");
    error(&desk.writer.request("component:update", update("swallow")).await, "forbidden");
    let ack = desk.write("component:update", update("claims")).await;
    assert_eq!(ack["updates"]["name"], "ann@example.com", "the token's claims are there for triggers to see");
    let renewed = json!({ "token": token_with_email("ann", "ann@new.example.com") });
    assert_eq!(desk.writer.request("auth:refresh", renewed).await["ok"], true);
    let ack = desk.write("component:update", update("claims")).await;
    assert_eq!(ack["updates"]["name"], "ann@new.example.com", "and those of the token that was shown since");
}
