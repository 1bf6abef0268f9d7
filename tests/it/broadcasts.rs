//! Events that the database gives by name: `walcast.broadcast`.

use serde_json::{Value, json};

use crate::support::{Client, Database, Server, Sockets};

/// A socket of ann's in the room of entity `page 1`, which has heard all that is committed.
async fn scene(plugin: &str) -> (Database, Server, Sockets, Client) {
    let database = Database::new().await;
    let server = Server::start_with(&database, &["--plugin", plugin]).await;
    let sockets = Sockets::start().await;
    let mut client = sockets.connect(&server, "ann", "websocket").await;
    client.catch_up(&database).await;
    client.subscribe(json!({ "entityType": "page", "entityId": "1" })).await;
    (database, server, sockets, client)
}

/// The events up to one of this name, by name.
async fn until(client: &mut Client, last: &str) -> Vec<(String, Value)> {
    let mut events: Vec<(String, Value)> = Vec::new();
    while events.last().is_none_or(|(event, _)| event != last) {
        events.push(client.next().await);
    }
    assert!(events.is_sorted_by(|(_, one), (_, two)| one["offset"].as_str() < two["offset"].as_str()), "{events:?}");
    events
}

fn names(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(event, _)| event.as_str()).collect()
}

const INSERT: &str = "INSERT INTO components (entity_type, entity_id, type, name) VALUES ('page', '1', 'text', 'c')";

async fn it_is_told_in_order_if_it_is_committed(plugin: &str) {
    let (database, server, sockets, mut client) = scene(plugin).await;
    let mut bystander = sockets.connect(&server, "ben", "polling").await;
    bystander.subscribe(json!({ "entityType": "page", "entityId": "2" })).await;
    for transaction in [
        "BEGIN; SELECT walcast.broadcast('user:ann', 'lost'); ROLLBACK",
        &format!(
            "BEGIN; SELECT walcast.broadcast('entity:page:1', 'page:begun', '{{\"é\": [1.50, null]}}'); {INSERT}; \
             SAVEPOINT s; SELECT walcast.broadcast('user:ann', 'lost too'); ROLLBACK TO s; \
             SELECT walcast.broadcast('user:ann', 'note', '{{\"text\": \"\\\"\\n\"}}'); \
             UPDATE components SET name = 'd' WHERE entity_id = '1'; \
             SELECT walcast.broadcast('entity:page:1', 'page:done'); COMMIT"
        ),
        // It is all that the transaction does.
        "SELECT walcast.broadcast('user:ann', 'alone')",
        "SELECT walcast.broadcast('entity:page:2', 'elsewhere')",
    ] {
        database.sql(transaction).await;
    }
    let events = until(&mut client, "alone").await;
    assert_eq!(
        names(&events),
        ["page:begun", "component:created", "note", "component:updated", "page:done", "alone"],
        "{plugin}"
    );
    let mut begun = events[0].1.clone();
    let payload = begun.as_object_mut().expect("an object");
    let (offset, timestamp) = (payload.remove("offset"), payload.remove("timestamp"));
    assert!(offset.is_some_and(|offset| offset.is_string()) && timestamp == Some(events[1].1["timestamp"].clone()));
    assert_eq!(begun, json!({ "é": [1.5, null] }));
    assert_eq!(events[2].1["text"], "\"\n");
    // The other socket heard what was for it, and nothing before.
    bystander.expect("elsewhere").await;
}

async fn who_comes_back_is_sent_it(plugin: &str) {
    let (database, server, sockets, mut client) = scene(plugin).await;
    database.sql("SELECT walcast.broadcast('user:ann', 'first')").await;
    let since = client.expect("first").await["offset"].take();
    client.disconnect().await;
    database.sql("SELECT walcast.broadcast('entity:page:1', 'second'), walcast.broadcast('user:ann', 'third')").await;
    // Another user's: ann's would hear what is for ann.
    let mut waits = sockets.connect(&server, "ben", "websocket").await;
    waits.catch_up(&database).await;
    let auth = json!({ "token": crate::support::token("ann"), "since": since, "rooms": ["entity:page:1"] });
    let mut back =
        sockets.try_connect(&server, json!({ "transports": ["websocket"], "auth": auth })).await.expect("connects");
    let events = until(&mut back, "walcast:resumed").await;
    assert_eq!(names(&events), ["second", "third", "walcast:resumed"], "{plugin}");
    assert_eq!(events[2].1["resumed"], true);
}

async fn one_by_hand_that_the_function_would_refuse_is_not_told(plugin: &str) {
    let (database, server, _sockets, mut client) = scene(plugin).await;
    let large = format!(r#"{{"a": "{}"}}"#, "x".repeat(262_144));
    let refused = [
        ("user:", "ping", "{}", "room"),
        ("entity:page", "ping", "{}", "room"),
        ("entity::1", "ping", "{}", "room"),
        ("entity:page:", "ping", "{}", "room"),
        (":1", "ping", "{}", "room"),
        ("nowhere", "ping", "{}", "room"),
        ("", "ping", "{}", "room"),
        (&format!("order:{}", "é".repeat(1_022)), "ping", "{}", "room"),
        ("user:ann", "", "{}", "name"),
        ("user:ann", "a\tb", "{}", "name"),
        ("user:ann", &"é".repeat(101), "{}", "name"),
        ("user:ann", "component:created", "{}", "own"),
        ("user:ann", "order:nested-moved", "{}", "own"),
        ("user:ann", "a:b:resync", "{}", "own"),
        ("user:ann", "order:user-left", "{}", "own"),
        ("user:ann", "walcast:position", "{}", "own"),
        ("user:ann", "presence:roster", "{}", "own"),
        ("user:ann", "auth:x", "{}", "own"),
        ("user:ann", "disconnect", "{}", "own"),
        ("user:ann", "newListener", "{}", "own"),
        ("user:ann", "ping", "[]", "object"),
        ("user:ann", "ping", "null", "object"),
        ("user:ann", "ping", "1", "object"),
        ("user:ann", "ping", r#"{"offset": 1}"#, "offset"),
        ("user:ann", "ping", r#"{"timestamp": null}"#, "timestamp"),
        ("user:ann", "ping", &large, "262153 bytes as JSON, the limit is 262144"),
    ];
    for (room, event, payload, words) in refused {
        let call = "SELECT walcast.broadcast($1, $2, $3::text::jsonb)";
        let error = database.client.execute(call, &[&room, &event, &payload]).await.expect_err(event);
        let error = error.as_db_error().expect("an error of the database");
        assert!(error.message().contains(words) && error.hint().is_some(), "{event} to {room}: {error:?}");
        let code = if payload.len() > 1_000 { "54000" } else { "22023" };
        assert_eq!(error.code().code(), code);
        let by_hand = "SELECT pg_logical_emit_message(true, 'walcast.broadcast', \
                       json_build_object('room', $1::text, 'event', $2::text, 'payload', $3::text::json)::text)";
        database.client.execute(by_hand, &[&room, &event, &payload]).await.expect("writes");
    }
    for nulls in ["NULL, 'ping', '{}'", "'user:ann', NULL, '{}'", "'user:ann', 'ping', NULL"] {
        assert!(database.client.batch_execute(&format!("SELECT walcast.broadcast({nulls})")).await.is_err(), "{nulls}");
    }
    let good = r#"{"room": "user:ann", "event": "ping", "payload": {}}"#;
    database.sql("SELECT pg_logical_emit_message(true, 'walcast.broadcast', '[')").await;
    database
        .sql(&format!(
            "SELECT pg_logical_emit_message(false, 'walcast.broadcast', '{good}');
             BEGIN; SELECT pg_logical_emit_message(false, 'walcast.broadcast', '{good}'); ROLLBACK"
        ))
        .await;
    database.sql("SELECT walcast.broadcast('user:ann', 'last')").await;
    client.expect("last").await;
    let count = refused.len() + 3;
    server.until_metric("walcast_poison_total{kind=\"untold\"}", |untold| untold == count as f64).await;
    let is_it = |line: &&Value| line["error"].as_str().is_some_and(|error| error.contains("walcast.broadcast()"));
    assert_eq!(server.log().iter().filter(is_it).count(), count);
}

macro_rules! with_both_plugins {
    ($($test:ident),*) => {
        mod pgoutput { $( #[tokio::test] async fn $test() { super::$test("pgoutput").await; } )* }
        mod wal2json { $( #[tokio::test] async fn $test() { super::$test("wal2json").await; } )* }
    };
}
with_both_plugins!(
    it_is_told_in_order_if_it_is_committed,
    who_comes_back_is_sent_it,
    one_by_hand_that_the_function_would_refuse_is_not_told
);

#[tokio::test]
async fn a_trigger_may_tell_what_no_table_holds() {
    let (database, _server, _sockets, mut client) = scene("pgoutput").await;
    database
        .sql(
            "CREATE TABLE invoices (id int PRIMARY KEY, owner text, paid bool);
             CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 PERFORM walcast.broadcast('user:' || NEW.owner, 'invoice:paid', jsonb_build_object('id', NEW.id));
                 RETURN NULL;
             END $$;
             CREATE TRIGGER tell AFTER UPDATE ON invoices FOR EACH ROW WHEN (NEW.paid AND NOT OLD.paid)
                 EXECUTE FUNCTION tell();
             INSERT INTO invoices VALUES (1, 'ben', false), (2, 'ann', false); UPDATE invoices SET paid = true",
        )
        .await;
    assert_eq!(client.expect("invoice:paid").await["id"], 2);
}

#[tokio::test]
async fn only_who_is_let_may_broadcast() {
    let (database, _server, _sockets, mut client) = scene("pgoutput").await;
    let role = format!("app_{}", database.name);
    let call = "SELECT walcast.broadcast('user:ann', 'ping')";
    database.sql(&format!("CREATE ROLE {role}; GRANT USAGE ON SCHEMA walcast TO {role}; SET ROLE {role}")).await;
    let error = database.client.batch_execute(call).await.expect_err("not granted");
    assert_eq!(error.code().map(|code| code.code()), Some("42501"), "{error:?}");
    let grant = "GRANT EXECUTE ON FUNCTION walcast.broadcast(text, text, jsonb) TO";
    // With EXECUTE alone: it writes no table. What stands in the caller's search path is not taken for its own.
    database
        .sql(&format!(
            "RESET ROLE; {grant} {role}; CREATE SCHEMA trap; GRANT ALL ON SCHEMA trap TO {role}; \
             CREATE FUNCTION trap.octet_length(bytea) RETURNS int LANGUAGE sql AS 'SELECT 1/0'; \
             SET search_path = trap, pg_catalog; SET ROLE {role}"
        ))
        .await;
    database.sql(call).await;
    database.sql("RESET ROLE; RESET search_path").await;
    client.expect("ping").await;
    database.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    let described = "SELECT NOT prosecdef AND obj_description(oid, 'pg_proc') <> '' FROM pg_proc WHERE oid = \
                     'walcast.broadcast(text,text,jsonb)'::regprocedure";
    assert!(database.value::<bool>(described).await);
}

#[tokio::test]
async fn a_database_without_an_encoding_says_what_is_utf8_and_nothing_else() {
    let database = Database::encoded("SQL_ASCII").await;
    database.sql("CREATE PUBLICATION walcast FOR TABLE walcast.rules, components").await;
    let server = Server::start(&database).await;
    let sockets = Sockets::start().await;
    let mut client = sockets.connect(&server, "ann", "websocket").await;
    client.catch_up(&database).await;
    database.sql("SELECT walcast.broadcast('user:ann', 'größe', '{\"é\": \"ü\"}')").await;
    assert_eq!(client.expect("größe").await["é"], "ü");
    let call = r"SELECT walcast.broadcast('user:ann', 'ping', jsonb_build_object('a', E'caf\xe9'))";
    let error = database.client.batch_execute(call).await.expect_err("no UTF-8");
    assert!(error.as_db_error().is_some_and(|error| error.message().contains("encoding")), "{error:?}");
}

#[tokio::test]
async fn who_lost_what_was_for_its_user_is_told() {
    let database = Database::new().await;
    let server = Server::start_with(&database, &["--replay-bytes", "4KiB"]).await;
    let sockets = Sockets::start().await;
    let mut client = sockets.connect(&server, "ann", "websocket").await;
    client.catch_up(&database).await;
    database.sql("SELECT walcast.broadcast('user:ann', 'first')").await;
    let since = client.expect("first").await["offset"].take();
    client.disconnect().await;
    let mut waits = sockets.connect(&server, "ben", "websocket").await;
    waits.subscribe(json!({ "entityType": "page", "entityId": "1" })).await;
    database.sql("SELECT walcast.broadcast('user:ann', 'lost')").await;
    let large = "jsonb_build_object('text', repeat('x', 5000))";
    database.sql(&format!("SELECT walcast.broadcast('entity:page:1', 'other', {large})")).await;
    waits.expect("other").await;
    let auth = json!({ "token": crate::support::token("ann"), "since": since });
    let mut back =
        sockets.try_connect(&server, json!({ "transports": ["websocket"], "auth": auth })).await.expect("connects");
    assert_eq!(back.expect("walcast:resumed").await["resumed"], false);
    let resync = back.expect("component:resync").await;
    assert_eq!((&resync["userId"], &resync["reason"]), (&json!("ann"), &json!("history gap")));
}

#[tokio::test]
async fn too_many_of_one_transaction_are_told_as_resync() {
    let database = Database::new().await;
    let server = Server::start_with(&database, &["--room-cap", "3"]).await;
    let sockets = Sockets::start().await;
    let mut client = sockets.connect(&server, "ann", "websocket").await;
    client.catch_up(&database).await;
    database.sql("SELECT walcast.broadcast('user:ann', 'ping') FROM generate_series(1, 9)").await;
    for _ in 0..3 {
        client.expect("ping").await;
    }
    let resync = client.expect("component:resync").await;
    assert_eq!((&resync["userId"], &resync["reason"]), (&json!("ann"), &json!("bulk")));
}
