use std::{
    collections::HashMap,
    process::Stdio,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
    sync::{Mutex as AsyncMutex, mpsc, oneshot},
};

use super::{Database, Server, token, within};

/// A Node process that holds stock `socket.io-client`s: see `tests/js/driver.mjs`.
pub struct Sockets {
    shared: Arc<Shared>,
    _child: Child,
}

struct Shared {
    stdin: AsyncMutex<ChildStdin>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_id: u64,
    last_client: u64,
    answers: HashMap<u64, oneshot::Sender<Result<Value, String>>>,
    events: HashMap<u64, mpsc::UnboundedSender<(String, Vec<Value>)>>,
}

/// One stock client. What it is sent waits here until a test takes it, in order.
pub struct Client {
    id: u64,
    shared: Arc<Shared>,
    events: mpsc::UnboundedReceiver<(String, Vec<Value>)>,
}

impl Sockets {
    pub async fn start() -> Sockets {
        let driver = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/js/driver.mjs");
        let mut child = Command::new("node")
            .arg(driver)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs (make test installs it)");
        let stdout = child.stdout.take().expect("piped");
        let stdin = AsyncMutex::new(child.stdin.take().expect("piped"));
        let shared = Arc::new(Shared { stdin, state: Mutex::default() });
        tokio::spawn({
            let shared = shared.clone();
            async move {
                let mut lines = BufReader::new(stdout).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    shared.take(serde_json::from_str(&line).expect("the driver speaks JSON"));
                }
            }
        });
        Sockets { shared, _child: child }
    }

    /// Connects over a transport (`websocket` or `polling`) as a user.
    pub async fn connect(&self, server: &Server, user: &str, transport: &str) -> Client {
        let options = json!({ "transports": [transport], "auth": { "token": token(user) } });
        self.try_connect(server, options).await.expect("connects")
    }

    /// Connects with the client's own options; `Err` is the message of its `connect_error`.
    pub async fn try_connect(&self, server: &Server, options: Value) -> Result<Client, String> {
        let (sender, events) = mpsc::unbounded_channel();
        let id = {
            let mut state = self.shared.state.lock().expect("no panic before");
            state.last_client += 1;
            let id = state.last_client;
            state.events.insert(id, sender);
            id
        };
        let client = Client { id, shared: self.shared.clone(), events };
        client.order(json!({ "do": "connect", "url": server.url(), "options": options })).await?;
        Ok(client)
    }
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
        came.filter(|(event, _)| event != "connect" && event != "walcast:position")
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
        self.next_but(&["connect", "walcast:position"]).await
    }

    /// The next event, which must have this name.
    pub async fn expect(&mut self, name: &str) -> Value {
        let passed_over = ["connect", "walcast:position"].into_iter().filter(|event| *event != name);
        let (event, payload) = self.next_but(&passed_over.collect::<Vec<_>>()).await;
        assert_eq!(event, name, "{payload}");
        payload
    }

    async fn next_but(&mut self, passed_over: &[&str]) -> (String, Value) {
        loop {
            let (event, args) = within("an event", self.events.recv()).await.expect("the driver lives");
            if !passed_over.contains(&event.as_str()) {
                return (event, args.into_iter().next().unwrap_or(Value::Null));
            }
        }
    }

    async fn order(&self, mut line: Value) -> Result<Value, String> {
        let (sender, answer) = oneshot::channel();
        let id = {
            let mut state = self.shared.state.lock().expect("no panic before");
            state.last_id += 1;
            let id = state.last_id;
            state.answers.insert(id, sender);
            id
        };
        line["id"] = id.into();
        line["client"] = self.id.into();
        let line = format!("{line}\n");
        self.shared.stdin.lock().await.write_all(line.as_bytes()).await.expect("the driver lives");
        within("the driver's answer", answer).await.expect("the driver lives")
    }
}

impl Shared {
    fn take(&self, line: Value) {
        let mut state = self.state.lock().expect("no panic before");
        if let Some(id) = line["id"].as_u64() {
            let answer = match line["error"].as_str() {
                Some(error) => Err(error.to_owned()),
                None => Ok(line["ok"].clone()),
            };
            if let Some(waiting) = state.answers.remove(&id) {
                let _ = waiting.send(answer);
            }
        } else if let Some(events) = line["client"].as_u64().and_then(|client| state.events.get(&client)) {
            let name = line["event"].as_str().expect("a name").to_owned();
            let args = line["args"].as_array().expect("arguments").clone();
            let _ = events.send((name, args));
        }
    }
}
