//! The server and its database start, stop and die; the stream goes on.

use serde_json::json;

use crate::support::{Cluster, Database, Server, Sockets, walcast};

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
async fn postgres_stops_without_waiting_for_us_and_sockets_outlast_its_restart() {
    let mut cluster = Cluster::start(&[]).await;
    let output = walcast().args(["migrate", "--database-url", &cluster.dsn_text("")]).output().await.expect("runs");
    assert!(output.status.success(), "{output:?}");
    let server = Server::start_on(&cluster.dsn_text(""), "walcast", &[]).await;
    let sockets = Sockets::start().await;
    let mut client = sockets.connect(&server, "ann", "websocket").await;
    client.subscribe(json!({ "entityType": "page", "entityId": "1" })).await;

    for name in ["before", "after a fast restart", "after a crash"] {
        cluster
            .sql(&format!(
                "INSERT INTO components (entity_type, entity_id, type, name) VALUES ('page', '1', 't', '{name}')"
            ))
            .await;
        assert_eq!(client.expect("component:created").await["component"]["name"], name);
        if name == "before" {
            assert!(cluster.stop_fast(20).await, "Postgres waits for us");
            server.becomes("Disconnected").await;
        } else {
            cluster.crash();
        }
        cluster.start_again().await;
    }
}

#[tokio::test]
async fn an_idle_database_lets_go_of_its_log() {
    let database = Database::new().await;
    let other = Database::new().await;
    let _server = Server::start(&database).await;
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
