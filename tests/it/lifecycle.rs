//! The server and its database start, stop and die; the stream goes on.

use serde_json::json;

use crate::support::{Cluster, Database, Server, Sockets, walcast};

/// Nothing is kept back for clients that come back, so that what is confirmed is what was handed on.
const NO_WINDOW: &[&str] = &["--replay-window", "0s"];

const ACTIVE: &str = "SELECT active FROM pg_replication_slots WHERE slot_name = ";

#[tokio::test]
async fn sigterm_leaves_the_slot_released() {
    let database = Database::new().await;
    let mut server = Server::start(&database).await;
    let sockets = Sockets::start().await;
    let mut clients = Vec::new();
    for transport in ["websocket", "polling"] {
        clients.push(sockets.connect(&server, "ann", transport).await);
    }
    assert_eq!(server.stop().await, Some(0));
    let slow = server.log().iter().any(|line| line["level"] == "WARN");
    assert!(!slow, "{:?}", server.log());
    assert!(!database.value::<bool>(&format!("{ACTIVE}'{}'", database.name)).await);
    for client in &mut clients {
        client.expect("disconnect").await;
    }
}

#[tokio::test]
async fn what_was_committed_while_the_server_was_dead_is_streamed_by_the_next() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    server.kill().await;
    let id = database.component("c", "[]").await;
    database.sql(&format!("UPDATE components SET name = 'while dead' WHERE id = '{id}'")).await;
    // The next server is ready once it has caught up, so it has passed the update before it lets anybody in.
    let server = Server::start(&database).await;
    let sockets = Sockets::start().await;
    let mut client = sockets.connect(&server, "ann", "websocket").await;
    let ack = client.subscribe(json!({ "componentId": id })).await;
    let confirmed = database.value::<String>("SELECT pg_current_wal_lsn()::text").await;
    database.sql(&format!("UPDATE components SET name = 'after' WHERE id = '{id}'")).await;
    let event = client.expect("component:updated").await;
    assert_eq!(event["updates"]["name"], "after", "{ack} at {confirmed}");
}

#[tokio::test]
async fn a_second_server_waits_and_takes_over() {
    let database = Database::new().await;
    let leader = Server::start(&database).await;
    let standby = Server::spawn_on(&database.dsn(), &database.name, &[]).await;
    standby.becomes("Standby").await;
    assert_eq!(standby.get("/readyz", &[]).await.0, 503);
    assert_eq!(standby.get("/healthz", &[]).await.0, 200);
    assert_eq!(standby.get("/socket.io/?EIO=4&transport=polling", &[]).await.0, 503);
    leader.kill().await;
    standby.becomes("Ready").await;

    let sockets = Sockets::start().await;
    let mut client = sockets.connect(&standby, "ann", "websocket").await;
    client.subscribe(json!({ "entityType": "page", "entityId": "1" })).await;
    let id = database.component("c", "[]").await;
    assert_eq!(client.expect("component:created").await["componentId"], id);
}

#[tokio::test]
async fn a_server_that_loses_the_slot_sends_its_sockets_away() {
    let cluster = Cluster::start(&[]).await;
    cluster.sql("CREATE ROLE first SUPERUSER LOGIN").await;
    let demoted = Server::start_on(&cluster.dsn_text("user=first"), "walcast", &["--migrate"]).await;
    let standby = Server::spawn_on(&cluster.dsn_text(""), "walcast", &[]).await;
    standby.becomes("Standby").await;
    let sockets = Sockets::start().await;
    let mut clients = Vec::new();
    for transport in ["websocket", "polling"] {
        let client = sockets.connect(&demoted, "ann", transport).await;
        client.subscribe(json!({ "entityType": "page", "entityId": "1" })).await;
        clients.push(client);
    }
    cluster.sql("ALTER ROLE first NOLOGIN").await;
    cluster.sql("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots").await;
    standby.becomes("Ready").await;
    cluster.sql("ALTER ROLE first LOGIN").await;
    demoted.becomes("Standby").await;
    for client in &mut clients {
        let (event, reason) = client.next().await;
        assert_eq!(event, "disconnect");
        assert!(reason == "transport close" || reason == "transport error", "a stock client stays away after {reason}");
    }
}

#[tokio::test]
async fn somebody_else_moving_the_slot_is_told_as_resync() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let sockets = Sockets::start().await;
    let mut client = sockets.connect(&server, "ann", "websocket").await;
    client.subscribe(json!({ "entityType": "page", "entityId": "1" })).await;
    // Or the server might come back too early, and read what is to be skipped or find the slot in other hands.
    let connections =
        |may: bool| format!("UPDATE pg_database SET datallowconn = {may} WHERE datname = '{}'", database.name);
    database.sql(&connections(false)).await;
    let slot = &database.name;
    database
        .sql(&format!(
            "DO $$ BEGIN \
               PERFORM pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '{slot}'; \
               LOOP EXIT WHEN (SELECT NOT active FROM pg_replication_slots WHERE slot_name = '{slot}'); \
                 PERFORM pg_sleep(0.001); END LOOP; END $$"
        ))
        .await;
    database.component("skipped", "[]").await;
    database.sql(&format!("SELECT pg_replication_slot_advance('{slot}', pg_current_wal_lsn())")).await;
    database.sql(&connections(true)).await;
    let (event, payload) = client.next().await;
    assert_eq!(
        (event.as_str(), &payload["entityId"], &payload["reason"]),
        ("component:resync", &json!("1"), &json!("history gap"))
    );
}

#[tokio::test]
async fn a_transaction_that_commits_where_the_slot_stands_is_heard() {
    // Its commit record follows the last confirmed one at once, so it stands at the very position that the slot confirmed.
    let database = Database::new().await;
    let early = database.component("early", "[]").await;
    let open = database.connect().await;
    let mut server = Server::start_with(&database, NO_WINDOW).await;
    open.batch_execute(&format!("BEGIN; UPDATE components SET name = 'late' WHERE id = '{early}'"))
        .await
        .expect("updates");
    database.component("other", "[]").await;
    database.until_confirmed().await;
    server.stop().await;
    let server = Server::start_with(&database, NO_WINDOW).await;
    let sockets = Sockets::start().await;
    let mut client = sockets.connect(&server, "ann", "websocket").await;
    client.subscribe(json!({ "componentId": early })).await;
    open.batch_execute("COMMIT").await.expect("commits");
    assert_eq!(client.expect("component:updated").await["updates"]["name"], "late");
}

#[tokio::test]
async fn sigterm_is_obeyed_while_a_slot_waits_to_be_made() {
    let database = Database::new().await;
    let open = database.connect().await;
    // A slot is made when all transactions of its time are over.
    open.batch_execute("BEGIN; SELECT pg_current_xact_id()").await.expect("begins");
    let mut starting = walcast()
        .args(["serve", "--listen", "127.0.0.1:0", "--jwt-secret", crate::support::SECRET, "--slot", &database.name])
        .args(["--database-url", &database.dsn()])
        .spawn()
        .expect("spawns");
    crate::support::within("the slot", async {
        let being_made = format!("SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{}'", database.name);
        while database.value::<i64>(&being_made).await == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    let pid = starting.id().expect("it runs").to_string();
    tokio::process::Command::new("kill").args(["-TERM", &pid]).status().await.expect("kill runs");
    let code = crate::support::within("the end of the server", starting.wait()).await.expect("waits").code();
    assert_eq!(code, Some(0));
    open.batch_execute("COMMIT").await.expect("the transaction was open all the time");
}

#[tokio::test]
async fn postgres_stops_without_waiting_for_us_and_sockets_outlast_its_restart() {
    let mut cluster = Cluster::start(&[]).await;
    let output = walcast().args(["migrate", "--database-url", &cluster.dsn_text("")]).output().await.expect("runs");
    assert!(output.status.success(), "{output:?}");
    let server = Server::start_on(&cluster.dsn_text(""), "walcast", &[]).await;
    let sockets = Sockets::start().await;
    let mut client = sockets.connect(&server, "ann", "websocket").await;
    client.subscribe(json!({ "entityType": "page", "entityId": "1" })).await;

    for name in ["before", "after a fast restart", "after an immediate one", "after a crash"] {
        cluster
            .sql(&format!(
                "INSERT INTO components (entity_type, entity_id, type, name) VALUES ('page', '1', 't', '{name}')"
            ))
            .await;
        assert_eq!(client.expect("component:created").await["component"]["name"], name);
        match name {
            "before" => {
                assert!(cluster.stop_fast(20).await, "Postgres waits for us");
                server.becomes("Disconnected").await;
                cluster.start_again().await;
            }
            "after a fast restart" => {
                cluster.crash();
                cluster.start_again().await;
            }
            _ => cluster.kill_a_process().await,
        }
    }
}

#[tokio::test]
async fn an_idle_database_lets_go_of_its_log() {
    let database = Database::new().await;
    let other = Database::new().await;
    let _server = Server::start_with(&database, NO_WINDOW).await;
    // Traffic elsewhere makes log that this database's slot must not hold.
    let lsn: String = {
        other.sql("CREATE TABLE t AS SELECT generate_series(1, 20000) n; SELECT pg_switch_wal()").await;
        other.value("SELECT pg_current_wal_lsn()::text").await
    };
    let confirmed = format!(
        "SELECT confirmed_flush_lsn >= '{lsn}' FROM pg_replication_slots WHERE slot_name = '{}'",
        database.name
    );
    crate::support::within("the slot's advance", async {
        // Postgres tells nobody when a slot advances, so it is asked.
        while !database.value::<bool>(&confirmed).await {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn nobody_is_let_in_before_all_that_was_committed_is_dispatched() {
    let database = Database::new().await;
    Server::start(&database).await.kill().await;
    // The first takes so long to be written as JSON that the others queue up behind it, each in a batch of its own.
    for length in std::iter::once(30_000_000).chain([1_200_000; 8]) {
        database
            .sql(&format!(
                "INSERT INTO components (entity_type, entity_id, type, name) \
                 VALUES ('page', '1', 't', repeat('\"', {length}))"
            ))
            .await;
    }
    let end: String = database.value("SELECT lpad(to_hex((pg_current_wal_lsn() - '0/0')::bigint), 16, '0')").await;
    let sockets = Sockets::start().await;
    let server = Server::start(&database).await;
    let client = sockets.connect(&server, "ann", "websocket").await;
    let ack = client.subscribe(json!({ "entityType": "page", "entityId": "1" })).await;
    let (_, offset) = ack["offset"].as_str().and_then(|offset| offset.rsplit_once('/')).expect("an offset");
    assert!(offset.to_lowercase() > end, "it was let in at {offset}, when the log ended at {end}");
}
