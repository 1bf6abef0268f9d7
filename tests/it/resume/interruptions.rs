//! Servers and databases stop, and clients resume as if they had not.

use serde_json::json;

use super::{Away, names};
use crate::support::{Cluster, Server, Sockets, walcast};

#[tokio::test]
async fn a_client_resumes_over_a_server_that_was_killed() {
    let away = Away::new().await;
    away.rename("before").await;
    away.dispatched().await;
    let Away { database, server, sockets, id, since } = away;
    server.kill().await;
    super::rename(&database, &id, "while dead").await;
    let server = Server::start(&database).await;
    let mut client = sockets.connect(&server, "ann", "websocket").await;
    let ack = client.subscribe(json!({ "componentId": id, "since": since })).await;
    assert_eq!(ack["resumed"], true, "{ack}");
    assert_eq!(names(&client.received()), ["before", "while dead"]);
}

#[tokio::test]
async fn a_client_resumes_over_a_server_that_was_replaced() {
    let mut away = Away::new().await;
    away.rename("before").await;
    away.dispatched().await;
    assert_eq!(away.server.stop().await, Some(0));
    away.rename("between").await;
    away.server = Server::start(&away.database).await;
    let mut client = away.back("websocket").await;
    let ack = client.subscribe(away.ids()).await;
    assert_eq!(ack["resumed"], true, "{ack}");
    assert_eq!(names(&client.received()), ["before", "between"]);
}

#[tokio::test]
async fn a_client_resumes_on_the_server_that_stood_by() {
    let mut away = Away::new().await;
    let standby = Server::spawn_on(&away.database.dsn(), &away.database.name, &[]).await;
    standby.becomes("Standby").await;
    away.rename("before").await;
    away.dispatched().await;
    std::mem::replace(&mut away.server, standby).kill().await;
    away.rename("between").await;
    away.server.becomes("Ready").await;
    let mut client = away.back("websocket").await;
    let ack = client.subscribe(away.ids()).await;
    assert_eq!(ack["resumed"], true, "{ack}");
    assert_eq!(names(&client.received()), ["before", "between"]);
}

#[tokio::test]
async fn a_client_resumes_over_restarts_and_crashes_of_postgres() {
    let mut cluster = Cluster::start(&[]).await;
    let output = walcast().args(["migrate", "--database-url", &cluster.dsn_text("")]).output().await.expect("runs");
    assert!(output.status.success(), "{output:?}");
    let server = Server::start_on(&cluster.dsn_text(""), "walcast", &[]).await;
    let sockets = Sockets::start().await;
    let id = "00000000-0000-4000-8000-000000000001";
    let insert = "INSERT INTO components (id, entity_type, entity_id, type) VALUES";
    let mut since = {
        let mut client = sockets.connect(&server, "ann", "websocket").await;
        client.subscribe(json!({ "componentId": id })).await;
        cluster.sql(&format!("{insert} ('{id}', 'page', '1', 't')")).await;
        let since = client.expect("component:created").await["offset"].take();
        client.disconnect().await;
        since
    };
    for crash in [false, true] {
        let rename = |name: &str| format!("UPDATE components SET name = '{name} {crash}' WHERE id = '{id}'");
        cluster.sql(&rename("before")).await;
        if crash {
            cluster.crash();
        } else {
            assert!(cluster.stop_fast(20).await, "Postgres waits for us");
        }
        cluster.start_again().await;
        cluster.sql(&rename("after")).await;

        let mut client = sockets.connect(&server, "ann", "websocket").await;
        let ack = client.subscribe(json!({ "componentId": id, "since": since })).await;
        assert_eq!(ack["resumed"], true, "{ack}");
        // What was not read from the log yet when it came back comes live.
        let mut heard = client.received();
        while heard.len() < 2 {
            heard.push(client.next().await);
        }
        assert_eq!(names(&heard), [format!("before {crash}"), format!("after {crash}")]);
        since = heard[1].1["offset"].clone();
        client.disconnect().await;
    }
}

#[tokio::test]
async fn a_slot_that_was_dropped_is_another_history_for_those_who_stay_and_those_who_return() {
    let away = Away::new().await;
    let mut staying = away.back("websocket").await;
    staying.subscribe(json!({ "componentId": away.id })).await;
    let Away { database, server, sockets, id, since } = away;
    // The reader comes back at once, so the slot may be taken again before it can be dropped.
    let slot = &database.name;
    let free = format!("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '{slot}'");
    let drop = format!("SELECT pg_drop_replication_slot('{slot}')");
    crate::support::within("the drop of the slot", async {
        while database.client.batch_execute(&format!("{free} AND active; {drop}")).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let resync = staying.expect("component:resync").await;
    assert_eq!(resync["componentId"], id, "{resync}");
    let mut client = sockets.connect(&server, "ann", "websocket").await;
    let ack = client.subscribe(json!({ "componentId": id, "since": since })).await;
    assert_eq!(ack["resumed"], false, "{ack}");
    client.expect("component:resync").await;
}
