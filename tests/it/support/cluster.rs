//! A Postgres cluster of one test's own, to be configured, restarted, broken, replaced and restored.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};
use walcast::{
    change::Lsn,
    postgres::Dsn,
    replication::{Plugin, Settings},
};

use super::within;

/// The plugins to try: both, unless `WALCAST_TEST_PLUGINS` names those that the server has.
pub fn plugins() -> Vec<Plugin> {
    let names = std::env::var("WALCAST_TEST_PLUGINS").unwrap_or_else(|_| "pgoutput,wal2json".to_owned());
    names.split(',').map(|name| name.parse().expect("a plugin")).collect()
}

/// In the data directory.
const LOG: &str = "server.log";

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
        let port = free_port();
        initialise(directory.path(), port, settings, hba);
        let data = directory.path().join("data");
        prepare(&data);
        own(directory.path());
        pg_ctl(&data, &["-w", "start"]);
        let client = connect(directory.path(), port, "postgres").await;
        Cluster { directory, port, client }
    }

    /// With a published table `t (id, name)`.
    pub async fn published(settings: &[&str]) -> Cluster {
        let cluster = Cluster::start(settings).await;
        cluster.sql("CREATE TABLE t (id int PRIMARY KEY, name text); CREATE PUBLICATION walcast FOR TABLE t").await;
        cluster
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// What it said since it was made.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data().join(LOG)).expect("a log")
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

    /// Kills one of its processes, as the system does that has no memory left; it ends all the others and recovers.
    pub async fn kill_a_process(&mut self) {
        let pid = self.value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'").await;
        done(Command::new("kill").args(["-KILL", &pid.expect("a checkpointer")]).output().expect("runs"));
        within("the end of a connection and the recovery", async {
            while !self.client.is_closed() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            while tokio_postgres::connect(&self.dsn_text(""), NoTls).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
        self.client = self.connect("postgres").await;
    }

    pub async fn start_again(&mut self) {
        self.start_again_with("").await;
    }

    /// `options`: for the command line of `postgres`.
    pub async fn start_again_with(&mut self, options: &str) {
        pg_ctl(&self.data(), &["-w", "-o", options, "start"]);
        self.client = self.connect("postgres").await;
    }

    /// Stops it, copies its files, as a snapshot of the disk would, and starts it again.
    pub async fn back_up(&mut self) {
        assert!(self.stop_fast(20).await, "it does not stop");
        copy(&self.data(), &self.backup());
        self.start_again().await;
    }

    /// Ends it and puts the files back as they were.
    pub fn restore(&self) {
        self.crash();
        std::fs::remove_dir_all(self.data()).expect("removes");
        copy(&self.backup(), &self.data());
    }

    /// Ends it and starts another cluster in its place.
    pub async fn replace(&mut self) {
        self.crash();
        std::fs::remove_dir_all(self.data()).expect("removes");
        initialise(self.directory.path(), self.port, &[], "");
        own(self.directory.path());
        self.start_again().await;
    }

    /// A standby made from the backup, which keeps copies of slots that are made for a failover. Postgres 17 or later; this
    /// cluster must let it replicate (`local replication all trust`).
    pub async fn standby(&self) -> Cluster {
        self.sql("SELECT pg_create_physical_replication_slot('standby', true)").await;
        let directory = TempDir::with_prefix("walcast-pg-").expect("a directory");
        let data = directory.path().join("data");
        copy(&self.backup(), &data);
        let port = free_port();
        let settings = format!(
            "port = {port}\nunix_socket_directories = '{}'\nprimary_conninfo = '{}'\nprimary_slot_name = 'standby'\n\
             hot_standby_feedback = on\nsync_replication_slots = on\n",
            directory.path().display(),
            self.dsn_text("")
        );
        let file = data.join("postgresql.auto.conf");
        let before = std::fs::read_to_string(&file).expect("reads");
        std::fs::write(file, before + &settings).expect("writes");
        std::fs::write(data.join("standby.signal"), "").expect("writes");
        own(directory.path());
        pg_ctl(&data, &["-w", "start"]);
        let client = connect(directory.path(), port, "postgres").await;
        Cluster { directory, port, client }
    }

    /// Makes a standby the primary.
    pub fn promote(&self) {
        pg_ctl(&self.data(), &["-w", "promote"]);
    }

    fn backup(&self) -> PathBuf {
        self.directory.path().join("backup")
    }
}

fn copy(from: &Path, to: &Path) {
    done(Command::new("cp").args(["-a", text(from), text(to)]).output().expect("runs"));
}

/// A port below those that the system hands out by itself: a cluster that is down keeps it.
fn free_port() -> u16 {
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| rand::random_range(10_000..20_000)).find(is_free).expect("a port")
}

fn initialise(directory: &Path, port: u16, settings: &[&str], hba: &str) {
    let data = directory.join("data");
    std::fs::create_dir(&data).expect("a data directory");
    own(directory);
    done(program("initdb", &[&["-D"], &[text(&data)], &["-A", "trust", "-U", "postgres", "-N"][..]].concat()));
    let fixed = format!(
        "wal_level = logical\nfsync = off\nlisten_addresses = '127.0.0.1'\nport = {port}\n\
         unix_socket_directories = '{}'\nlog_min_messages = warning\nmax_wal_senders = 5\n",
        directory.display()
    );
    // Since 15.19 Postgres loads plugins that are not its own only where it is told of them.
    let known = program("postgres", &["--describe-config"]).stdout;
    let listed = known.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"output_plugin_libraries"));
    let plugins = if listed { "output_plugin_libraries = 'pgoutput, wal2json'\n" } else { "" };
    std::fs::write(data.join("postgresql.auto.conf"), fixed + plugins + &settings.join("\n") + "\n").expect("writes");
    std::fs::write(data.join("pg_hba.conf"), format!("{hba}\nlocal all all trust\n")).expect("writes");
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
    let log = data.join(LOG);
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
