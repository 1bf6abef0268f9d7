//! A client that was away says since when, and gets exactly what it missed, or is told to fetch again.

mod handshake;
mod interruptions;
mod limits;

use serde_json::{Value, json};

use crate::support::{Client, Database, Server, Sockets};

/// A client that heard of one component, `first`, and left.
struct Away {
    database: Database,
    server: Server,
    sockets: Sockets,
    /// The component, of entity `page 1`.
    id: String,
    /// The offset of what it heard last.
    since: Value,
}

impl Away {
    async fn new() -> Away {
        Away::with(&[]).await
    }

    async fn with(arguments: &[&str]) -> Away {
        let database = Database::new().await;
        let server = Server::start_with(&database, arguments).await;
        let sockets = Sockets::start().await;
        database.free_versions().await;
        let id = database.component("c", "[]").await;
        let mut client = sockets.connect(&server, "ann", "websocket").await;
        client.catch_up(&database).await;
        client.subscribe(json!({ "componentId": id })).await;
        rename(&database, &id, "first").await;
        let since = client.expect("component:updated").await["offset"].take();
        client.disconnect().await;
        Away { database, server, sockets, id, since }
    }

    async fn rename(&self, name: &str) {
        rename(&self.database, &self.id, name).await;
    }

    fn ids(&self) -> Value {
        json!({ "componentId": self.id, "since": self.since })
    }

    /// Waits until all that is committed was dispatched; of what follows nothing is still on its way.
    async fn dispatched(&self) {
        self.sockets.connect(&self.server, "marker", "websocket").await.catch_up(&self.database).await;
    }

    async fn back(&self, transport: &str) -> Client {
        self.sockets.connect(&self.server, "ann", transport).await
    }
}

async fn rename(database: &Database, id: &str, name: &str) {
    database.sql(&format!("UPDATE components SET name = '{name}' WHERE id = '{id}'")).await;
}

/// The names that updates told; nothing but updates has come.
fn names(received: &[(String, Value)]) -> Vec<&str> {
    let name = |(event, payload): &'_ (String, Value)| {
        assert_eq!(event, "component:updated", "{payload}");
    };
    received.iter().for_each(name);
    received.iter().map(|(_, payload)| payload["updates"]["name"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn since_gives_exactly_what_was_missed_before_the_ack_and_then_live_events() {
    let away = Away::new().await;
    for name in ["second", "third"] {
        away.rename(name).await;
    }
    away.database.component("another", "[]").await;
    away.dispatched().await;
    for transport in ["websocket", "polling"] {
        let mut client = away.back(transport).await;
        let ack = client.subscribe(away.ids()).await;
        let missed = client.received();
        assert_eq!(ack["resumed"], true, "{ack}");
        assert_eq!(names(&missed)[..2], ["second", "third"], "{transport}");
        let last = &missed.last().expect("events").1["offset"];
        assert!(ack["offset"].as_str() >= last.as_str(), "{ack} is before {last}");
        away.rename(transport).await;
        let live = client.expect("component:updated").await;
        assert_eq!(live["updates"]["name"], transport);
        assert!(live["offset"].as_str() > ack["offset"].as_str(), "{live} is not after {ack}");
        client.disconnect().await;
    }
}

#[tokio::test]
async fn who_missed_nothing_resumes_without_events() {
    let away = Away::new().await;
    away.database.component("another", "[]").await;
    away.dispatched().await;
    let mut client = away.back("websocket").await;
    let ack = client.subscribe(away.ids()).await;
    assert_eq!(ack["resumed"], true, "{ack}");
    assert_eq!(client.received(), []);
}

#[tokio::test]
async fn an_ack_is_as_good_an_offset_as_an_event() {
    let away = Away::new().await;
    let mut client = away.back("websocket").await;
    let ack = client.subscribe(json!({ "componentId": away.id })).await;
    client.disconnect().await;
    away.rename("second").await;
    away.dispatched().await;
    let mut client = away.back("websocket").await;
    let ack = client.subscribe(json!({ "componentId": away.id, "since": ack["offset"] })).await;
    assert_eq!(ack["resumed"], true, "{ack}");
    assert_eq!(names(&client.received()), ["second"]);
}

#[tokio::test]
async fn an_entity_resumes_with_what_came_changed_and_went() {
    let away = Away::new().await;
    let new = away.database.component("new", "[]").await;
    rename(&away.database, &new, "newer").await;
    away.database.sql(&format!("DELETE FROM components WHERE id = '{new}'")).await;
    away.dispatched().await;
    let mut client = away.back("websocket").await;
    let ack = client.subscribe(json!({ "entityType": "page", "entityId": "1", "since": away.since })).await;
    assert_eq!(ack["resumed"], true, "{ack}");
    let missed: Vec<String> = client.received().into_iter().map(|(event, _)| event).collect();
    assert_eq!(missed, ["component:created", "component:updated", "component:deleted"]);
}

#[tokio::test]
async fn two_rooms_that_share_events_bring_each_once() {
    let away = Away::new().await;
    for name in ["second", "third"] {
        away.rename(name).await;
    }
    away.dispatched().await;
    let mut client = away.back("websocket").await;
    for ids in [away.ids(), json!({ "entityType": "page", "entityId": "1", "since": away.since })] {
        let ack = client.subscribe(ids).await;
        assert_eq!(ack["resumed"], true, "{ack}");
    }
    assert_eq!(names(&client.received()), ["second", "third"]);
}

#[tokio::test]
async fn an_offset_that_the_history_does_not_hold_is_told_by_resync() {
    let away = Away::new().await;
    let (epoch, _) = away.since.as_str().and_then(|since| since.rsplit_once('/')).expect("an offset");
    for since in [
        format!("{epoch}/0000000000000001-00000000"),
        format!("{epoch}/FFFFFFFFFFFFFFFF-00000000"),
        "another/0000000000000001-00000000".to_owned(),
        "garbage".to_owned(),
        String::new(),
    ] {
        let mut client = away.back("websocket").await;
        let ack = client.subscribe(json!({ "componentId": away.id, "since": since })).await;
        assert_eq!(ack["resumed"], false, "{since:?}");
        let resync = client.expect("component:resync").await;
        assert_eq!(resync["componentId"], away.id, "{since:?}");
        assert!(resync["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{resync}");
        // It is in the room all the same.
        away.rename(&format!("after {since}")).await;
        assert_eq!(client.expect("component:updated").await["updates"]["name"], format!("after {since}"));
        client.disconnect().await;
    }
}

#[tokio::test]
async fn who_comes_and_goes_while_others_write_misses_nothing_and_hears_nothing_twice() {
    const WRITES: usize = 300;
    let away = Away::new().await;
    let writing = async {
        for number in 0..WRITES {
            away.rename(&number.to_string()).await;
        }
    };
    let reading = async {
        let (mut heard, mut since) = (Vec::new(), away.since.clone());
        while heard.len() < WRITES {
            let mut client = away.back("websocket").await;
            let ack = client.subscribe(json!({ "componentId": away.id, "since": since })).await;
            assert_eq!(ack["resumed"], true, "{ack}");
            let mut received = client.received();
            if heard.len() + received.len() < WRITES {
                received.push(client.next().await);
            }
            heard.extend(names(&received).into_iter().map(str::to_owned));
            since = received.last().map_or(ack["offset"].clone(), |(_, payload)| payload["offset"].clone());
            // What still comes before the end of the connection comes again: it is not counted.
            client.disconnect().await;
        }
        heard
    };
    let ((), heard) = tokio::join!(writing, reading);
    assert_eq!(heard, (0..WRITES).map(|number| number.to_string()).collect::<Vec<_>>());
}
