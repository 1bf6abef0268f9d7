//! The clients: stock socket.io clients in Node that build replicas from their events (`tests/js/replicas.mjs`).

use std::{
    collections::BTreeMap,
    process::Stdio,
    sync::{Arc, Mutex},
};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
    sync::mpsc,
};

use crate::{
    support::{token, within},
    truth::Ids,
};

pub struct Replicas {
    stdin: ChildStdin,
    answers: mpsc::UnboundedReceiver<Value>,
    problems: Arc<Mutex<Vec<String>>>,
    _child: Child,
}

/// How a client is.
#[derive(Clone, Copy)]
pub struct Manner {
    pub name: &'static str,
    pub transports: &'static [&'static str],
    /// `rooms`, `handshake`, `recovery` or `never`.
    pub resume: &'static str,
    /// Reconnects after so many events; 0: only when it must.
    pub restless: u32,
    pub slow: bool,
}

#[derive(Deserialize)]
pub struct Status {
    pub client: String,
    pub settled: bool,
    /// The last marker that came to each room.
    pub markers: Vec<Option<String>>,
    pub stats: BTreeMap<String, u64>,
    /// For whoever looks for what went wrong.
    pub state: Value,
}

#[derive(Deserialize)]
pub struct Dump {
    pub client: String,
    pub rooms: Vec<Held>,
}

#[derive(Deserialize)]
pub struct Held {
    pub ids: Ids,
    pub rows: Vec<Value>,
}

impl Replicas {
    pub async fn start() -> Replicas {
        let mut child = Command::new("node")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/js/replicas.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs (make chaos installs it)");
        let stdin = child.stdin.take().expect("piped");
        let stdout = child.stdout.take().expect("piped");
        let (sender, answers) = mpsc::unbounded_channel();
        let problems = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn({
            let problems = problems.clone();
            async move {
                let mut lines = BufReader::new(stdout).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    let line: Value = serde_json::from_str(&line).expect("the driver speaks JSON");
                    match line["problem"].as_str() {
                        Some(problem) => {
                            println!("  PROBLEM {problem}");
                            problems.lock().expect("no panic before").push(problem.to_owned());
                        }
                        None => drop(sender.send(line)),
                    }
                }
            }
        });
        Replicas { stdin, answers, problems, _child: child }
    }

    pub async fn add(&mut self, name: &str, manner: Manner, rooms: &[Ids], url: &str, fetch_url: &str) {
        let Manner { transports, resume, restless, slow, .. } = manner;
        self.order(json!({
            "do": "start", "client": name, "url": url, "fetchUrl": fetch_url, "token": token(name), "rooms": rooms,
            "mustResume": crate::MUST_RESUME, "transports": transports, "resume": resume, "restless": restless, "slow": slow,
        }))
        .await;
    }

    pub async fn heal(&mut self) {
        self.order(json!({ "do": "heal" })).await;
    }

    pub async fn status(&mut self) -> Vec<Status> {
        self.clients("status").await
    }

    pub async fn dump(&mut self) -> Vec<Dump> {
        self.clients("dump").await
    }

    /// The promises that were broken so far.
    pub fn problems(&self) -> Vec<String> {
        self.problems.lock().expect("no panic before").clone()
    }

    async fn clients<T: serde::de::DeserializeOwned>(&mut self, what: &str) -> Vec<T> {
        let mut answer = self.order(json!({ "do": what })).await;
        serde_json::from_value(answer["clients"].take()).expect("the driver's answer")
    }

    async fn order(&mut self, line: Value) -> Value {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.expect("the driver lives");
        within("the driver's answer", self.answers.recv()).await.expect("the driver lives")
    }
}
