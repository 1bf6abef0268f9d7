//! What a server counts, of what is done to it.

use serde_json::json;
use walcast::telemetry::{ALL, Kind};

use super::{known, promtool, said};
use crate::support::{Connection, Database, Server, Sockets, Stage, WebSocket, request, token, within};

#[tokio::test]
async fn every_metric_is_told_with_what_it_means() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let sockets = Sockets::start().await;
    let mut ann = sockets.connect(&server, "ann", "websocket").await;
    ann.subscribe(json!({ "entityType": "page", "entityId": "1" })).await;
    let id = database.component("a", "[]").await;
    ann.expect("component:created").await;
    database.sql("UPDATE components SET name = 'b'; UPDATE components SET name = 'c'").await;
    ann.expect("component:updated").await;
    ann.expect("component:updated").await;
    let write = async |version: u32| {
        let update = json!({ "componentId": id, "updates": { "name": "d" }, "version": version });
        ann.request("component:update", update).await["ok"].as_bool().expect("an answer")
    };
    assert!(write(3).await && !write(1).await, "one is in time, one is late");
    assert_eq!(ann.request("component:subscribe", json!({})).await["ok"], false);
    let bearer = format!("Authorization: Bearer {}", token("ann"));
    let path = "/api/components?entityType=page&entityId=1";
    assert_eq!(request(server.address, "GET", path, &[&bearer]).await.0, 200);

    for (series, least) in [
        ("walcast_leader", 1.0),
        ("walcast_ready", 1.0),
        ("walcast_transactions_total", 3.0),
        ("walcast_changes_total", 4.0),
        ("walcast_events_total", 4.0),
        ("walcast_deliveries_total", 3.0),
        ("walcast_commit_to_socket_seconds_count", 2.0),
        ("walcast_sockets", 1.0),
        ("walcast_rooms", 1.0),
        ("walcast_history_events", 3.0),
        ("walcast_history_bytes", 100.0),
        ("walcast_slot_lag_bytes", 100.0),
        ("walcast_slot_held_bytes", 100.0),
        ("walcast_slot_wal_status{status=\"reserved\"}", 1.0),
        ("walcast_writes_total{outcome=\"ok\"}", 1.0),
        ("walcast_writes_total{outcome=\"conflict\"}", 1.0),
        ("walcast_write_duration_seconds_count", 2.0),
        ("walcast_refusals_total{code=\"invalid_payload\"}", 1.0),
        ("walcast_api_requests_total{status=\"200\"}", 1.0),
        ("process_resident_memory_bytes", 1e6),
        ("process_open_fds", 10.0),
        ("process_start_time_seconds", 1.7e9),
    ] {
        server.until_metric(series, |value| value >= least).await;
    }
    // It is looked at every few seconds: then nothing is under way.
    server.until_metric("walcast_stream_lag_seconds", |value| value == 0.0).await;

    let (_, _, body) = server.get("/metrics", &[]).await;
    for metric in ALL {
        for line in [
            format!("# HELP {} {}", metric.name, metric.help),
            format!("# TYPE {} {}", metric.name, metric.kind.name()),
        ] {
            assert!(body.lines().any(|told| told == line), "no `{line}` in\n{body}");
        }
        if let Kind::Histogram(buckets) = metric.kind {
            let series = format!("{}_bucket{{le=", metric.name);
            assert_eq!(body.lines().filter(|line| line.starts_with(&series)).count(), buckets.len() + 1, "{body}");
        }
    }
    let types = body.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let unknown: Vec<_> = types.filter(|name| !known().contains(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?} are named nowhere");
    let checked = promtool(&["check", "metrics"], &body);
    assert!(checked.status.success(), "{}", said(&checked));
}

#[tokio::test]
async fn log_that_the_slot_holds_is_seen() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    database.sql("SELECT pg_logical_emit_message(true, 'filler', repeat('x', 3000000))").await;
    for series in ["walcast_slot_lag_bytes", "walcast_slot_held_bytes"] {
        server.until_metric(series, |value| value >= 3e6).await;
    }
    let bound: i64 =
        database.value("SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size'").await;
    server.until_metric("walcast_slot_safe_bytes", |value| value.is_infinite() == (bound < 0)).await;
}

#[tokio::test]
async fn a_stream_that_stands_still_lags() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    server.until_metric("walcast_stream_lag_bytes", |value| value == 0.0).await;
    let walsender: i32 = {
        let slot = format!("SELECT active_pid FROM pg_replication_slots WHERE slot_name = '{}'", database.name);
        database.value(&slot).await
    };
    let signal = async |name: &str| {
        let kill = tokio::process::Command::new("kill").args([name, &walsender.to_string()]).status().await;
        assert!(kill.expect("kill runs").success());
    };
    signal("-STOP").await;
    // Of a size in the log that no compression takes away.
    database.sql("SELECT pg_logical_emit_message(true, 'filler', repeat('x', 100000))").await;
    server.until_metric("walcast_stream_lag_bytes", |value| value >= 100_000.0).await;
    server.until_metric("walcast_stream_lag_seconds", |value| value > 1.0).await;
    signal("-CONT").await;
    server.until_metric("walcast_stream_lag_seconds", |value| value == 0.0).await;
}

#[tokio::test]
async fn streams_that_break_off_are_counted() {
    let stage = Stage::new("pgoutput", "", "").await;
    stage.server.until_metric("walcast_reconnects_total", |value| value == 0.0).await;
    stage.reconnect().await;
    stage.server.until_metric("walcast_reconnects_total", |value| value == 1.0).await;
    stage.server.until_metric("walcast_leader", |value| value == 1.0).await;
}

#[tokio::test]
async fn who_stands_by_neither_leads_nor_is_ready() {
    let database = Database::new().await;
    let leader = Server::start(&database).await;
    let standby = Server::spawn_on(&database.dsn(), &database.name, &[]).await;
    standby.becomes("Standby").await;
    for (server, leads) in [(&leader, 1.0), (&standby, 0.0)] {
        for series in ["walcast_leader", "walcast_ready"] {
            server.until_metric(series, |value| value == leads).await;
        }
    }
    standby.until_metric("walcast_stream_lag_seconds", |value| value == 0.0).await;
    leader.kill().await;
    standby.becomes("Ready").await;
    for series in ["walcast_leader", "walcast_ready"] {
        standby.until_metric(series, |value| value == 1.0).await;
    }
    standby.until_metric("walcast_reconnects_total", |value| value == 0.0).await;
}

#[tokio::test]
async fn what_waits_for_a_slow_socket_is_seen_and_counted_when_it_is_ended() {
    let database = Database::new().await;
    let id = database.component("c", "[]").await;
    let limits = ["--outbox-bytes", "8MiB", "--stall-timeout", "5m"];
    let server = Server::start_with(&database, &limits).await;
    let mut stuck = WebSocket::enter_over(Connection::open_narrow(server.address, 4 << 10).await, "stuck", &[]).await;
    stuck.subscribe(json!({ "componentId": id })).await;
    let write = async |times: u32| {
        database.sql(&format!("UPDATE components SET name = repeat(random()::text, {times})")).await;
    };
    // Nobody knows how much the kernel takes before something waits.
    within("an outbox that fills", async {
        while !is_above(&server, "walcast_outbox_fill_ratio", 0.01).await {
            write(500).await;
        }
    })
    .await;
    for series in ["walcast_outbox_bytes", "walcast_outbox_sockets"] {
        server.until_metric(series, |value| value >= 1.0).await;
    }
    within("the end of the slow one", async {
        while !is_above(&server, "walcast_connections_ended_total{reason=\"slow_consumer\"}", 0.0).await {
            write(10_000).await;
        }
    })
    .await;
    server.until_metric("walcast_drops_total{reason=\"slow_consumer\"}", |value| value >= 1.0).await;
    server.until_metric("walcast_outbox_bytes", |value| value == 0.0).await;
}

async fn is_above(server: &Server, series: &str, limit: f64) -> bool {
    let (_, _, body) = server.get("/metrics", &[]).await;
    let value = body.lines().find_map(|line| line.strip_prefix(series)?.trim().parse::<f64>().ok());
    value.is_some_and(|value| value > limit)
}
