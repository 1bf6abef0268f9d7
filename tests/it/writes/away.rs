//! The database goes while sockets write, and comes back.

use serde_json::{Value, json};

use super::error;
use crate::support::{Client, Cluster, Server, Sockets, walcast, within};

async fn cluster() -> Cluster {
    let cluster = Cluster::start(&[]).await;
    let output = walcast().args(["migrate", "--database-url", &cluster.dsn_text("")]).output().await.expect("runs");
    assert!(output.status.success(), "{output:?}");
    cluster
}

async fn create(client: &Client) -> String {
    let component = json!({ "entityType": "page", "entityId": "1", "component": { "type": "text", "name": "before" } });
    let ack = client.request("component:create", component).await;
    ack["componentId"].as_str().unwrap_or_else(|| panic!("{ack}")).to_owned()
}

#[tokio::test]
async fn a_write_under_way_fails_at_once_nothing_of_it_stands_and_the_sockets_stay() {
    let mut cluster = cluster().await;
    let server = Server::start_on(&cluster.dsn_text(""), "walcast", &[]).await;
    let sockets = Sockets::start().await;
    let mut writer = sockets.connect(&server, "ann", "websocket").await;
    let id = create(&writer).await;
    let other = create(&writer).await;
    let update = |id: &str, name: &str| json!({ "componentId": id, "updates": { "name": name } });

    let holder = cluster.connect("postgres").await;
    let lock = format!("BEGIN; SELECT FROM components WHERE id = '{id}' FOR UPDATE");
    holder.batch_execute(&lock).await.expect("locks");
    let under_way = writer.request("component:update", update(&id, "under way"));
    let stop = async {
        cluster.until("EXISTS (SELECT FROM pg_locks WHERE NOT granted)").await;
        cluster.crash();
    };
    let (ack, ()) = tokio::join!(under_way, stop);
    error(&ack, "unavailable");
    for payload in [update(&id, "away"), update(&other, "away")] {
        error(&writer.request("component:update", payload).await, "unavailable");
    }
    cluster.start_again().await;
    server_writes_again(&writer, update(&other, "after")).await;
    let names = "SELECT string_agg(name, ',' ORDER BY name) FROM components";
    assert_eq!(cluster.value(names).await.as_deref(), Some("after,before"));
    let heard = writer.received();
    assert!(heard.iter().all(|(event, _)| event != "disconnect"), "{heard:?}");
}

/// Postgres is there; how soon it takes connections again it tells nobody.
async fn server_writes_again(writer: &Client, payload: Value) {
    within("a write", async {
        while writer.request("component:update", payload.clone()).await["ok"] != true {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_write_lost_in_commit_is_told_as_unknown_and_repeated_without_harm() {
    let cluster = cluster().await;
    let server = Server::start_on(&cluster.dsn_text(""), "walcast", &["--write-timeout", "20s"]).await;
    let sockets = Sockets::start().await;
    let mut writer = sockets.connect(&server, "ann", "websocket").await;
    let id = create(&writer).await;
    // Commits wait for a standby that never comes.
    cluster.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'").await;
    cluster.sql("SELECT pg_reload_conf()").await;
    cluster.until("current_setting('synchronous_standby_names') = 'nobody'").await;
    let update = json!({ "componentId": id, "updates": { "name": "after" }, "version": 1, "mutationId": "m" });
    let under_way = writer.request("component:update", update.clone());
    let cut = async {
        cluster.until("EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep')").await;
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        cluster.value(end).await;
    };
    let (ack, ()) = tokio::join!(under_way, cut);
    let said = error(&ack, "unavailable")["message"].as_str().expect("a message").to_owned();
    assert!(said.contains("mutationId"), "{said}");
    let resync = writer.until("component:resync").await;
    assert_eq!((&resync[0]["componentId"], &resync[0]["reason"]), (&json!(id), &json!("unknown outcome")));
    cluster.sql("ALTER SYSTEM RESET synchronous_standby_names").await;
    cluster.sql("SELECT pg_reload_conf()").await;
    let again = writer.request("component:update", update).await;
    assert_eq!(
        (&again["ok"], &again["version"]),
        (&json!(true), &json!(2)),
        "it stood, and is not written twice: {again}"
    );
    assert_eq!(cluster.value("SELECT version FROM components").await.as_deref(), Some("2"));
    let metrics = server.get("/metrics", &[]).await.2;
    for outcome in ["ok\"} 2", "unknown\"} 1"] {
        assert!(metrics.contains(&format!("walcast_writes_total{{outcome=\"{outcome}")), "{metrics}");
    }
}

#[tokio::test]
async fn a_role_that_may_not_write_is_told_what_it_lacks() {
    let cluster = cluster().await;
    cluster.sql("CREATE ROLE plain LOGIN REPLICATION; GRANT USAGE ON SCHEMA walcast TO plain; CREATE PUBLICATION walcast FOR TABLE walcast.rules, components").await;
    cluster.sql("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA walcast TO plain; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA walcast TO plain").await;
    let server = Server::start_on(&cluster.dsn_text("user=plain"), "walcast", &[]).await;
    let sockets = Sockets::start().await;
    let writer = sockets.connect(&server, "ann", "websocket").await;
    let component = json!({ "entityType": "page", "entityId": "1", "component": { "type": "text" } });
    let refused = error(&writer.request("component:create", component.clone()).await, "forbidden");
    assert!(refused["message"].as_str().is_some_and(|said| said.contains("components")), "{refused}");
    cluster.sql("GRANT SELECT, INSERT ON components TO plain").await;
    create(&writer).await;
}
