use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Database, sockets::Shared, within};

/// One stock client. What it is sent waits here until a test takes it, in order.
pub struct Client {
    pub(super) id: u64,
    /// The socket's name, as it was when it connected.
    pub sid: String,
    pub(super) shared: Arc<Shared>,
    pub(super) events: mpsc::UnboundedReceiver<(String, Vec<Value>)>,
}

/// What comes now and then, and of which most tests do not speak: where a socket stands, and who else is there.
pub fn is_passed_over(event: &str) -> bool {
    matches!(event, "connect" | "connect_error" | "upgrade" | "walcast:position" | "presence:roster")
        || event.ends_with(":user-joined")
        || event.ends_with(":user-left")
}

impl Client {
    /// Emits without an ack.
    pub async fn emit(&self, event: &str, payload: Value) {
        self.order(json!({ "do": "emit", "event": event, "args": [payload] })).await.expect("emits");
    }

    /// Emits with an ack, and waits for it.
    pub async fn request(&self, event: &str, payload: Value) -> Value {
        let answer = self.order(json!({ "do": "request", "event": event, "args": [payload] })).await;
        answer.unwrap_or_else(|error| panic!("{event} was not answered: {error}"))
    }

    /// Emits many at once, each with an ack, and waits for all.
    pub async fn requests(&self, event: &str, payloads: Vec<Value>) -> Vec<Value> {
        let order = json!({ "do": "requests", "event": event, "payloads": payloads });
        let answer = self.order(order).await.unwrap_or_else(|error| panic!("{event}: {error}"));
        answer.as_array().expect("acks").clone()
    }

    /// Subscribes, and expects that it succeeds; the ack.
    pub async fn subscribe(&self, ids: Value) -> Value {
        let ack = self.request("component:subscribe", ids).await;
        assert_eq!(ack["ok"], true, "{ack}");
        ack
    }

    /// Leaves; `disconnect` is the last event that it has.
    pub async fn disconnect(&mut self) {
        self.order(json!({ "do": "disconnect" })).await.expect("disconnects");
        while self.next().await.0 != "disconnect" {}
    }

    /// Comes back after the server has sent it away.
    pub async fn reconnect(&self) {
        self.order(json!({ "do": "reconnect" })).await.expect("reconnects");
    }

    /// Over which transport it is connected just now; only a client in Python can tell.
    pub async fn transport(&self) -> Value {
        self.order(json!({ "do": "transport" })).await.expect("tells")
    }

    /// Reads nothing any more.
    pub async fn pause(&self) {
        self.order(json!({ "do": "pause" })).await.expect("pauses");
    }

    pub async fn go_on(&self) {
        self.order(json!({ "do": "go-on" })).await.expect("goes on");
    }

    /// What has come by now: after an answer, at least what was sent before it.
    pub fn received(&mut self) -> Vec<(String, Value)> {
        let came = std::iter::from_fn(|| self.events.try_recv().ok());
        came.filter(|(event, _)| !is_passed_over(event))
            .map(|(event, args)| (event, args.into_iter().next().unwrap_or(Value::Null)))
            .collect()
    }

    /// Waits until everything that is committed by now has been dispatched. A subscription begins at a place in the
    /// stream, which may be behind what its client has just written.
    pub async fn catch_up(&mut self, database: &Database) {
        let ids = json!({ "entityType": "marker", "entityId": "1" });
        self.subscribe(ids.clone()).await;
        database.sql("INSERT INTO components (entity_type, entity_id, type) VALUES ('marker', '1', 'marker')").await;
        self.expect("component:created").await;
        self.request("component:unsubscribe", ids).await;
    }

    /// The next event that the client is sent, and its first argument.
    /// Where it stands a client is told now and then, which is passed over.
    pub async fn next(&mut self) -> (String, Value) {
        self.next_but(is_passed_over).await
    }

    /// The next event, which must have this name.
    pub async fn expect(&mut self, name: &str) -> Value {
        let (event, payload) = self.next_but(|event| event != name && is_passed_over(event)).await;
        assert_eq!(event, name, "{payload}");
        payload
    }

    /// The next event, which must have this name and this many arguments.
    pub async fn expect_arguments(&mut self, name: &str, count: usize) -> Vec<Value> {
        let (event, arguments) = self.next_with_arguments(is_passed_over).await;
        assert_eq!((event.as_str(), arguments.len()), (name, count), "{arguments:?}");
        arguments
    }

    /// Waits for an event, whatever else comes before; its arguments.
    pub async fn until(&mut self, name: &str) -> Vec<Value> {
        loop {
            let (event, arguments) = self.next_of_all().await;
            if event == name {
                return arguments;
            }
        }
    }

    /// The next event of any kind, and its arguments.
    pub async fn next_of_all(&mut self) -> (String, Vec<Value>) {
        self.next_with_arguments(|_| false).await
    }

    async fn next_but(&mut self, passed_over: impl Fn(&str) -> bool) -> (String, Value) {
        let (event, arguments) = self.next_with_arguments(passed_over).await;
        (event, arguments.into_iter().next().unwrap_or(Value::Null))
    }

    async fn next_with_arguments(&mut self, passed_over: impl Fn(&str) -> bool) -> (String, Vec<Value>) {
        loop {
            let (event, arguments) = within("an event", self.events.recv()).await.expect("the driver lives");
            if !passed_over(&event) {
                return (event, arguments);
            }
        }
    }

    /// Hears the updates of a component up to the one that gives it the name `last`: these names. Over interruptions too,
    /// after each of which it must have resumed.
    pub async fn names_until(&mut self, last: &str) -> Vec<String> {
        let mut names = Vec::new();
        while names.last().is_none_or(|name| name != last) {
            match self.next().await {
                (event, payload) if event == "component:updated" => {
                    names.push(payload["updates"]["name"].as_str().expect("a name").to_owned());
                }
                (event, _) if event == "disconnect" => {}
                (event, payload) if event == "walcast:resumed" => assert_eq!(payload["resumed"], true, "{payload}"),
                other => panic!("{other:?} after {names:?}"),
            }
        }
        names
    }

    pub async fn order(&self, mut line: Value) -> Result<Value, String> {
        line["client"] = self.id.into();
        self.shared.order(line).await
    }
}

/// Who an ack says is in the room.
pub fn users(ack: &Value) -> Value {
    let users = ack["users"].as_array().expect("users").iter();
    users.map(|user| json!({ "id": user["id"], "email": user["email"] })).collect()
}
