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

use super::{Client, Server, token, within};

/// A process that holds stock clients: see `tests/js/clients.mjs`.
pub struct Sockets {
    shared: Arc<Shared>,
    _child: Child,
}

pub(super) struct Shared {
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

impl Sockets {
    /// `socket.io-client` in Node.
    pub async fn start() -> Sockets {
        let mut node = Command::new("node");
        node.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/js/driver.mjs"));
        Sockets::spawn(node)
    }

    /// `python-socketio`.
    pub async fn python() -> Sockets {
        let mut python = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/venv/bin/python"));
        python.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/driver.py"));
        Sockets::spawn(python)
    }

    pub(super) fn spawn(mut driver: Command) -> Sockets {
        let mut child = driver
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{driver:?} does not run, which `make test` installs: {error}"));
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
                // It is gone, and whoever waits for it should know.
                *shared.state.lock().expect("no panic before") = State::default();
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
        self.client(json!({ "url": server.url(), "options": options })).await
    }

    /// A client that comes back by itself and resumes, as docs/protocol.md shows; through whatever stands at this URL.
    pub async fn page(&self, url: &str, transports: &[&str]) -> Client {
        let options = page(transports);
        self.client(json!({ "url": url, "options": options, "resumes": true })).await.expect("connects")
    }

    /// Connects as an order says that tests/js/clients.mjs describes; `Err` is the message of its `connect_error`.
    pub async fn client(&self, mut order: Value) -> Result<Client, String> {
        let (sender, events) = mpsc::unbounded_channel();
        let id = {
            let mut state = self.shared.state.lock().expect("no panic before");
            state.last_client += 1;
            let id = state.last_client;
            state.events.insert(id, sender);
            id
        };
        let mut client = Client { id, sid: String::new(), shared: self.shared.clone(), events };
        order["do"] = "connect".into();
        let connected = client.order(order).await?;
        client.sid = connected["sid"].as_str().unwrap_or_default().to_owned();
        Ok(client)
    }

    /// Gives the driver itself an order.
    pub(super) async fn order(&self, line: Value) -> Result<Value, String> {
        self.shared.order(line).await
    }
}

/// The options of a page that comes back soon.
pub(super) fn page(transports: &[&str]) -> Value {
    json!({
        "transports": transports,
        "auth": { "token": token("ann") },
        "reconnection": true,
        "reconnectionDelay": 200,
        "reconnectionDelayMax": 500,
    })
}

impl Shared {
    pub(super) async fn order(&self, mut line: Value) -> Result<Value, String> {
        let (sender, answer) = oneshot::channel();
        let id = {
            let mut state = self.state.lock().expect("no panic before");
            state.last_id += 1;
            let id = state.last_id;
            state.answers.insert(id, sender);
            id
        };
        line["id"] = id.into();
        let line = format!("{line}\n");
        self.stdin.lock().await.write_all(line.as_bytes()).await.expect("the driver lives");
        within("the driver's answer", answer).await.expect("the driver lives")
    }

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
