//! A Postgres cluster of one test's own, to be configured, restarted and broken, and a reader of its log.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_postgres::{Client, NoTls};
use tokio_util::sync::CancellationToken;
use walcast::{
    change::{Commit, Entry, Lsn},
    postgres::Dsn,
    replication::{Batch, Connected, Feed, Plugin, Progress, ReplicationError, Settings, run},
};

use super::within;

/// The plugins to try: both, unless `WALCAST_TEST_PLUGINS` names those that the server has.
pub fn plugins() -> Vec<Plugin> {
    let names = std::env::var("WALCAST_TEST_PLUGINS").unwrap_or_else(|_| "pgoutput,wal2json".to_owned());
    names.split(',').map(|name| name.parse().expect("a plugin")).collect()
}

/// Stopped and removed when dropped.
pub struct Cluster {
    directory: TempDir,
    pub port: u16,
    pub client: Client,
}

impl Cluster {
    pub async fn start(settings: &[&str]) -> Cluster {
        Cluster::start_with(settings, "", |_| {}).await
    }

    /// `hba` comes before the rule that trusts everyone on the socket; `prepare` may put files into the data directory.
    pub async fn start_with(settings: &[&str], hba: &str, prepare: impl FnOnce(&Path)) -> Cluster {
        let directory = TempDir::with_prefix("walcast-pg-").expect("a directory");
        let data = directory.path().join("data");
        std::fs::create_dir(&data).expect("a data directory");
        own(directory.path());
        done(program("initdb", &[&["-D"], &[text(&data)], &["-A", "trust", "-U", "postgres", "-N"][..]].concat()));
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let fixed = format!(
            "wal_level = logical\nfsync = off\nlisten_addresses = '127.0.0.1'\nport = {port}\n\
             unix_socket_directories = '{}'\nlog_min_messages = warning\nmax_wal_senders = 5\n",
            directory.path().display()
        );
        std::fs::write(data.join("postgresql.auto.conf"), fixed + &settings.join("\n") + "\n").expect("writes");
        std::fs::write(data.join("pg_hba.conf"), format!("{hba}\nlocal all all trust\n")).expect("writes");
        prepare(&data);
        own(directory.path());
        pg_ctl(&data, &["-w", "start"]);
        let client = connect(directory.path(), port, "postgres").await;
        Cluster { directory, port, client }
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Key-value pairs; `more` adds to them or overrides.
    pub fn dsn_text(&self, more: &str) -> String {
        let socket = self.directory.path().display();
        format!("host={socket} port={} user=postgres dbname=postgres {more}", self.port)
    }

    pub fn dsn(&self, more: &str) -> Dsn {
        let text = self.dsn_text(more);
        Dsn::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    pub fn settings(&self, plugin: Plugin) -> Settings {
        self.settings_as(plugin, "")
    }

    pub fn settings_as(&self, plugin: Plugin, more: &str) -> Settings {
        Settings {
            dsn: self.dsn(more),
            slot: "walcast".to_owned(),
            publication: "walcast".to_owned(),
            plugin,
            temporary: false,
            replay_bytes: 0,
        }
    }

    pub async fn connect(&self, database: &str) -> Client {
        connect(self.directory.path(), self.port, database).await
    }

    pub async fn sql(&self, statements: &str) {
        self.client.batch_execute(statements).await.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
    }

    /// The first column of the first row, as text.
    pub async fn value(&self, query: &str) -> Option<String> {
        let row = self.client.query_opt(&format!("SELECT (q.*)::text FROM ({query}) q(v)"), &[]).await;
        row.unwrap_or_else(|error| panic!("{query}: {error:?}")).map(|row| {
            let text: String = row.get(0);
            text.trim_matches(['(', ')', '"']).to_owned()
        })
    }

    pub async fn lsn(&self, query: &str) -> Lsn {
        let text = self.value(query).await.unwrap_or_default();
        text.parse().unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    pub async fn confirmed(&self) -> Lsn {
        self.lsn("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 'walcast'").await
    }

    /// Postgres tells nobody when such a thing changes, so it is asked.
    pub async fn until(&self, condition: &str) {
        within(condition, async {
            while self.value(&format!("SELECT ({condition})")).await.as_deref() != Some("t") {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// `pg_ctl stop -m fast`, given `seconds`; whether it stopped.
    pub async fn stop_fast(&self, seconds: u32) -> bool {
        let (data, seconds) = (self.data(), seconds.to_string());
        tokio::task::spawn_blocking(move || {
            program("pg_ctl", &["-D", text(&data), "-m", "fast", "-w", "-t", &seconds, "stop"]).status.success()
        })
        .await
        .expect("runs")
    }

    /// Ends it as a crash would.
    pub fn crash(&self) {
        program("pg_ctl", &["-D", text(&self.data()), "-m", "immediate", "-w", "stop"]);
    }

    pub async fn start_again(&mut self) {
        pg_ctl(&self.data(), &["-w", "start"]);
        self.client = self.connect("postgres").await;
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.crash();
    }
}

async fn connect(socket: &Path, port: u16, database: &str) -> Client {
    let dsn = format!("host={} port={port} user=postgres dbname={database}", socket.display());
    let (client, connection) = tokio_postgres::connect(&dsn, NoTls).await.expect("connects");
    tokio::spawn(connection);
    client
}

fn pg_ctl(data: &Path, arguments: &[&str]) {
    let log = data.join("server.log");
    let output = program("pg_ctl", &[&["-D", text(data), "-l", text(&log)], arguments].concat());
    let said = std::fs::read_to_string(log).unwrap_or_default();
    assert!(output.status.success(), "pg_ctl {arguments:?}: {output:?}\n{said}");
}

fn done(output: Output) {
    assert!(output.status.success(), "{output:?}");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Runs one of Postgres's programs, which refuse to run as root.
fn program(name: &str, arguments: &[&str]) -> Output {
    let path = binaries().join(name);
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(path);
        command
    } else {
        Command::new(path)
    };
    command.current_dir("/").args(arguments).output().expect("runs")
}

fn own(path: &Path) {
    if is_root() {
        done(Command::new("chown").args(["-R", "postgres:postgres", text(path)]).output().expect("runs"));
    }
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").expect("Linux")) == 0
}

/// `PG_BIN`, else where `pg_ctl` is in `PATH`, else the newest of Debian's places.
fn binaries() -> PathBuf {
    if let Some(directory) = std::env::var_os("PG_BIN") {
        return directory.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(directory) = std::env::split_paths(&path).find(|directory| directory.join("initdb").exists()) {
        return directory;
    }
    let mut places: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .expect("Postgres is installed, or PG_BIN says where")
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    places.sort();
    places.pop().expect("Postgres is installed, or PG_BIN says where")
}

/// A running [`run`], and what it feeds.
pub struct Reader {
    pub feed: mpsc::Receiver<Feed>,
    pub progress: Arc<Progress>,
    pub cancel: CancellationToken,
    task: JoinHandle<Result<(), ReplicationError>>,
    entries: std::collections::VecDeque<Entry>,
}

impl Reader {
    pub fn start(settings: Settings) -> Reader {
        Reader::start_with_room(settings, 64)
    }

    /// `room`: how many batches wait for the consumer.
    pub fn start_with_room(settings: Settings, room: usize) -> Reader {
        let (sender, feed) = mpsc::channel(room);
        let (progress, cancel) = (Arc::new(Progress::new()), CancellationToken::new());
        let task = tokio::spawn(run(settings, progress.clone(), sender, cancel.clone()));
        Reader { feed, progress, cancel, task, entries: Default::default() }
    }

    /// Starts and waits until it streams.
    pub async fn connected(settings: Settings) -> (Reader, Connected) {
        let mut reader = Reader::start(settings);
        let connected = reader.next_connected().await;
        (reader, connected)
    }

    pub async fn next(&mut self) -> Feed {
        match within("something of the feed", self.feed.recv()).await {
            Some(feed) => feed,
            None => panic!("the reader ended: {:?}", (&mut self.task).await),
        }
    }

    /// Passes over batches and losses.
    pub async fn next_connected(&mut self) -> Connected {
        loop {
            if let Feed::Connected(connected) = self.next().await {
                self.entries.clear();
                self.progress.begin();
                return connected;
            }
        }
    }

    /// The next whole transaction that arrived over one connection; `None` when that connection ended first.
    pub async fn next_connected_or_transaction(&mut self) -> Option<Vec<Entry>> {
        let mut entries = Vec::new();
        loop {
            match self.next().await {
                Feed::Batch(batch) => entries.extend(batch.entries),
                _ => return None,
            }
            if matches!(entries.last(), Some(Entry::Commit(_))) {
                return Some(entries);
            }
        }
    }

    pub async fn batch(&mut self) -> Batch {
        match self.next().await {
            Feed::Batch(batch) => batch,
            other => panic!("no batch: {other:?}"),
        }
    }

    /// All of the next transaction, its Begin and Commit included. Hands nothing on.
    pub async fn transaction(&mut self) -> (Vec<Entry>, Commit) {
        let mut transaction = Vec::new();
        loop {
            while let Some(entry) = self.entries.pop_front() {
                transaction.push(entry);
                if let Some(Entry::Commit(commit)) = transaction.last() {
                    let commit = *commit;
                    return (transaction, commit);
                }
            }
            let batch = self.batch().await;
            self.entries.extend(batch.entries);
        }
    }

    /// Cancels and waits for the end.
    pub async fn stop(self) -> Result<(), ReplicationError> {
        self.cancel.cancel();
        self.ended().await
    }

    pub async fn ended(self) -> Result<(), ReplicationError> {
        within("the end of the reader", self.task).await.expect("no panic")
    }
}
