//! Too slow, or too much at once: nothing is skipped quietly.

use serde_json::{Value, json};

use super::Away;
use crate::support::PATIENCE;

#[tokio::test]
async fn a_slow_client_is_closed_and_resumes_where_it_stood() {
    const WRITES: usize = 1_000;
    let away = Away::with(&["--outbox-bytes", "64KiB"]).await;
    let mut client = away.back("websocket").await;
    client.subscribe(away.ids()).await;
    client.pause().await;
    // One transaction each, together more than what the kernel holds for a socket.
    away.database
        .sql(&format!(
            "DO $$ BEGIN FOR n IN 1..{WRITES} LOOP
                 UPDATE components SET version = n, name = lpad(n::text, 16000, 'x') WHERE id = '{}'; COMMIT;
             END LOOP; END $$",
            away.id
        ))
        .await;
    let slow = |line: &Value| line["reason"] == "slow_consumer";
    away.server.logged("a slow consumer", PATIENCE, slow).await.expect("the server lives");
    client.go_on().await;
    let (mut heard, mut since) = (Vec::new(), away.since.clone());
    let mut take = |payload: &Value, since: &mut Value| {
        heard.push(payload["version"].as_u64().expect("a version"));
        *since = payload["offset"].clone();
        heard.len()
    };
    loop {
        match client.next().await {
            (event, payload) if event == "component:updated" => take(&payload, &mut since),
            (event, _) if event == "disconnect" => break,
            other => panic!("{other:?}"),
        };
    }
    // It may be too slow for so many at once again; each time it comes further.
    let mut count = 0;
    while count < WRITES {
        let mut client = away.back("websocket").await;
        client.emit("component:subscribe", json!({ "componentId": away.id, "since": since })).await;
        while count < WRITES {
            match client.next().await {
                (event, payload) if event == "component:updated" => count = take(&payload, &mut since),
                (event, _) if event == "disconnect" => break,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(heard, (1..=WRITES as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn too_many_events_of_one_transaction_for_one_room_become_one_resync() {
    const CAP: usize = 10;
    let away = Away::with(&["--room-cap", "10"]).await;
    let mut client = away.back("websocket").await;
    client.subscribe(away.ids()).await;
    let other = away.database.component("other", "[]").await;
    client.subscribe(json!({ "componentId": other })).await;
    away.database
        .sql(&format!(
            "DO $$ BEGIN FOR n IN 1..50 LOOP UPDATE components SET version = n WHERE id = '{}'; END LOOP;
                 UPDATE components SET name = 'other room' WHERE id = '{other}'; END $$",
            away.id
        ))
        .await;
    away.rename("next transaction").await;
    let (mut told, mut resyncs, mut other_room) = (0, 0, 0);
    loop {
        let (event, payload) = client.next().await;
        match event.as_str() {
            "component:resync" => {
                assert_eq!(payload["componentId"], away.id, "{payload}");
                resyncs += 1;
            }
            "component:updated" if payload["updates"]["name"] == "next transaction" => break,
            "component:updated" if payload["componentId"] == other => other_room += 1,
            "component:updated" => {
                assert_eq!(resyncs, 0, "after the resync nothing more of this transaction: {payload}");
                told += 1;
            }
            // Its creation may be told before or after the subscription begins.
            "component:created" => {}
            other => panic!("{other}: {payload}"),
        }
    }
    assert!(told <= CAP, "{told} events came in spite of the cap");
    assert_eq!((resyncs, other_room), (1, 1));
    client.disconnect().await;

    // Who was away meanwhile learns the same.
    let mut client = away.back("websocket").await;
    assert_eq!(client.subscribe(away.ids()).await["resumed"], false);
    // It comes right after the answer, once.
    assert_eq!(client.expect("component:resync").await["reason"], "bulk");
    away.rename("afterwards").await;
    assert_eq!(client.expect("component:updated").await["updates"]["name"], "afterwards");
}

#[tokio::test]
async fn a_polling_client_hears_all_of_a_flood_or_is_sent_away_without_a_gap_before() {
    const FLOOD: u64 = 3_000;
    let away = Away::with(&["--outbox-bytes", "64KiB", "--room-cap", "1000000"]).await;
    let mut client = away.back("polling").await;
    client.subscribe(json!({ "componentId": away.id })).await;
    for round in 0..3 {
        away.database
            .sql(&format!(
                "DO $$ BEGIN FOR n IN 1..{FLOOD} LOOP
                     UPDATE components SET version = n, name = lpad(n::text, 1000, 'x') WHERE id = '{}';
                 END LOOP; END $$",
                away.id
            ))
            .await;
        let mut heard = 0;
        while heard < FLOOD {
            let (event, payload) = client.next().await;
            if event == "walcast:away" {
                continue;
            }
            if event == "disconnect" {
                assert!(payload == "transport error" || payload == "transport close", "round {round}: {payload}");
                client.reconnect().await;
                client.subscribe(json!({ "componentId": away.id })).await;
                break;
            }
            assert_eq!(payload["version"], heard + 1, "round {round}");
            heard += 1;
        }
        // It may have come back within the flood. Behind this nothing of it is left.
        let end = format!("end of round {round}");
        away.rename(&end).await;
        loop {
            match client.next().await {
                (event, payload) if event == "component:updated" && payload["updates"]["name"] == end => break,
                // Sent away once more: it asks for the end by another name of it.
                (event, _) if event == "disconnect" => {
                    client.reconnect().await;
                    client.subscribe(json!({ "componentId": away.id })).await;
                    away.rename("once more").await;
                    away.rename(&end).await;
                }
                _ => {}
            }
        }
    }
}
