use std::{collections::HashMap, net::SocketAddr, path::Path, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::watch,
};

use super::{Database, PATIENCE, SECRET, request, within};

/// The binary under test, without settings of the machine it runs on.
pub fn walcast() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_walcast"));
    for setting in ["DATABASE_URL", "JWT_SECRET", "JWT_PUBLIC_KEY", "JWT_JWKS_FILE", "FRONTEND_URL"] {
        command.env_remove(setting);
    }
    command.kill_on_drop(true).stdin(Stdio::null());
    command
}

/// A running `walcast serve`.
pub struct Server {
    pub address: SocketAddr,
    child: Child,
    log: watch::Receiver<Vec<Value>>,
}

impl Server {
    /// Starts a server on a database and waits until it streams.
    pub async fn start(database: &Database) -> Server {
        Self::start_with(database, &[]).await
    }

    /// The same with more arguments.
    pub async fn start_with(database: &Database, arguments: &[&str]) -> Server {
        Self::start_on(&database.dsn(), &database.name, arguments).await
    }

    /// Starts a server on any database and slot and waits until it streams.
    pub async fn start_on(dsn: &str, slot: &str, arguments: &[&str]) -> Server {
        let server = Self::spawn_on(dsn, slot, arguments).await;
        server.becomes("Ready").await;
        server
    }

    /// Starts a server and waits until it listens.
    pub async fn spawn_on(dsn: &str, slot: &str, arguments: &[&str]) -> Server {
        Self::try_spawn_on(dsn, slot, arguments).await.unwrap_or_else(|said| panic!("walcast ended: {said}"))
    }

    /// The same; `Err` is the last that a server said which ended before it listened.
    pub async fn try_spawn_on(dsn: &str, slot: &str, arguments: &[&str]) -> Result<Server, String> {
        Self::try_spawn(walcast(), dsn, slot, arguments).await
    }

    /// The same with a variable of the environment, and on a test's database.
    pub async fn start_in(environment: (&str, &Path), database: &Database, arguments: &[&str]) -> Server {
        let mut command = walcast();
        command.env(environment.0, environment.1);
        let server = Self::try_spawn(command, &database.dsn(), &database.name, arguments).await;
        let server = server.unwrap_or_else(|said| panic!("walcast ended: {said}"));
        server.becomes("Ready").await;
        server
    }

    async fn try_spawn(mut walcast: Command, dsn: &str, slot: &str, arguments: &[&str]) -> Result<Server, String> {
        let anywhere: &[&str] = if arguments.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
        let mut child = walcast
            .args(["serve", "--log-format", "json", "--jwt-secret", SECRET])
            .args(anywhere)
            .args(["--slot", slot, "--database-url", dsn])
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .expect("spawns");
        let (sender, log) = watch::channel(Vec::new());
        let stderr = child.stderr.take().expect("piped");
        tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                eprintln!("walcast: {line}");
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                sender.send_modify(|log| log.push(line));
            }
        });
        let mut server = Server { address: ([127, 0, 0, 1], 0).into(), child, log };
        let is_it = |line: &Value| line["message"] == "listening";
        let line = server.logged("the listening address", PATIENCE, is_it).await?;
        server.address = line["address"].as_str().and_then(|text| text.parse().ok()).expect("an address");
        Ok(server)
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Waits until the server has been in a state: `Ready`, `Standby`, `Disconnected`.
    pub async fn becomes(&self, state: &str) {
        let became = self.becomes_within(state, PATIENCE).await;
        became.unwrap_or_else(|said| panic!("walcast ended before {state}: {said}"));
    }

    /// The same with a patience of the caller's; `Err` is the last that a server said which ended first.
    pub async fn becomes_within(&self, state: &str, patience: Duration) -> Result<(), String> {
        let is_it = |line: &Value| line["message"] == "state" && line["to"] == state;
        self.logged(state, patience, is_it).await.map(drop)
    }

    /// Waits for a line of the log, those already written included; `Err` as in [`becomes_within`](Self::becomes_within).
    pub async fn logged(
        &self,
        what: &str,
        patience: Duration,
        is_it: impl Fn(&Value) -> bool,
    ) -> Result<Value, String> {
        let mut log = self.log.clone();
        let found = tokio::time::timeout(patience, log.wait_for(|lines| lines.iter().any(&is_it))).await;
        let lines = match found.unwrap_or_else(|_| panic!("{what} did not come within {patience:?}")) {
            Ok(lines) => lines,
            Err(_) => return Err(self.log().last().map_or_else(String::new, Value::to_string)),
        };
        Ok(lines.iter().find(|line| is_it(line)).cloned().expect("it was found"))
    }

    pub fn log(&self) -> Vec<Value> {
        self.log.borrow().clone()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends SIGTERM and waits for the end; the exit code.
    pub async fn stop(&mut self) -> Option<i32> {
        let pid = self.pid().to_string();
        let killed = Command::new("kill").args(["-TERM", &pid]).status().await.expect("kill runs");
        assert!(killed.success());
        within("the end of the server", self.child.wait()).await.expect("waits").code()
    }

    /// Ends it as a crash would.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("kills");
    }

    /// How many descriptors it has open, without connections that it made itself: where two questions meet, its pool opens
    /// another one to Postgres, and keeps it.
    pub fn descriptors(&self) -> usize {
        self.opened().len()
    }

    /// What these descriptors are, with the addresses of those that are connections.
    fn opened(&self) -> Vec<String> {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("it runs");
        let targets = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        let connections = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
        // Fields: its number, both addresses, its state, …, the inode. Those that are closed are thousands, and nobody's.
        let established = |line| {
            let mut fields = str::split_ascii_whitespace(line).skip(1);
            let (here, there, state) = (fields.next()?, fields.next()?, fields.next()?);
            if state == "01" { Some((fields.nth(5)?, [here, there])) } else { None }
        };
        let by_inode: HashMap<&str, [&str; 2]> = connections.lines().filter_map(established).collect();
        let own_port = format!(":{:04X}", self.address.port());
        let line = |target: std::path::PathBuf| {
            let target = target.display().to_string();
            let inode = target.strip_prefix("socket:[").and_then(|inode| inode.strip_suffix(']'));
            match inode.and_then(|inode| by_inode.get(inode)) {
                Some([here, there]) => here.ends_with(&own_port).then(|| format!("{target} {here} {there}")),
                None => Some(target),
            }
        };
        targets.filter_map(line).collect()
    }

    /// What /proc says of it, such as `Threads`, or `VmRSS` in kB.
    pub fn status(&self, name: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("it is there");
        line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
    }

    /// Waits until a metric is as it should be; it is asked, since nobody is told.
    pub async fn until_metric(&self, name: &str, is_met: impl Fn(f64) -> bool) {
        within(name, async {
            loop {
                let (_, _, body) = self.get("/metrics", &[]).await;
                let value = body.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
                if value.is_some_and(&is_met) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    }

    /// Waits until it has no more descriptors open than so many. It tells nobody when it closes one, so it is asked.
    pub async fn until_descriptors_are(&self, most: usize) {
        let back = async {
            while self.descriptors() > most {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, back).await;
        let open = self.opened();
        assert!(waited.is_ok(), "{} descriptors are open, and {most} were:\n{}", open.len(), open.join("\n"));
    }

    /// A GET request; status code, head and body.
    pub async fn get(&self, path: &str, headers: &[&str]) -> (u16, String, String) {
        request(self.address, "GET", path, headers).await
    }
}
