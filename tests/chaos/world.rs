//! What a run stands on: a private cluster, walcast behind a proxy of its log, clients behind a proxy of theirs.

use std::time::Duration;

use crate::{
    stuck::Stuck,
    support::{Cluster, Flow, Network, Server, walcast},
};

/// A debug build that has to catch up with a large transaction takes its time.
const READY: Duration = Duration::from_secs(120);
const SLOT: &str = "walcast";

pub struct World {
    pub cluster: Cluster,
    /// Between walcast and Postgres.
    pub log: Network,
    /// Between clients and whichever server leads.
    pub door: Network,
    /// `None`: it is down just now.
    pub server: Option<Server>,
    arguments: Vec<String>,
    pub stuck: Vec<Stuck>,
    /// How often an operator had to drop a lost slot.
    pub dropped_by_hand: u32,
    /// The most memory that a server had when it went, in MiB.
    most_memory: u64,
}

impl World {
    pub async fn start(arguments: &[&str]) -> World {
        // A connection that stalls is given up by Postgres in this time.
        let settings =
            ["wal_sender_timeout = 5s", "max_connections = 200", "min_wal_size = 32MB", "max_wal_size = 128MB"];
        let cluster = Cluster::start_with(&settings, "host all all 127.0.0.1/32 trust", |_| {}).await;
        let dsn = cluster.dsn_text("");
        let output = walcast().args(["migrate", "--database-url", &dsn]).output().await.expect("runs");
        assert!(output.status.success(), "{output:?}");
        let log = Network::start(Some(([127, 0, 0, 1], cluster.port).into())).await;
        let door = Network::start(None).await;
        let arguments = arguments.iter().map(|&text| text.to_owned()).collect();
        let mut world = World {
            cluster,
            log,
            door,
            server: None,
            arguments,
            stuck: Vec::new(),
            dropped_by_hand: 0,
            most_memory: 0,
        };
        world.start_server().await;
        world
    }

    /// How clients find it.
    pub fn url(&self) -> String {
        format!("http://{}", self.door.address)
    }

    pub async fn spawn_server(&self) -> Result<Server, String> {
        let dsn = format!("host=127.0.0.1 port={} user=postgres dbname=postgres", self.log.address.port());
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        Server::try_spawn_on(&dsn, SLOT, &arguments).await
    }

    /// Starts a server and lets clients in once it is ready.
    pub async fn start_server(&mut self) {
        let server = match self.spawn_server().await {
            Ok(server) => server,
            Err(said) if said.contains("is lost") => {
                println!("  the operator is asked to drop the slot: {said}");
                self.dropped_by_hand += 1;
                self.cluster.sql(&format!("SELECT pg_drop_replication_slot('{SLOT}')")).await;
                self.spawn_server().await.expect("a server starts on a new slot")
            }
            Err(said) => panic!("walcast did not start: {said}"),
        };
        self.lead(server).await;
    }

    /// Waits until the server is ready, and sends clients there.
    pub async fn lead(&mut self, server: Server) {
        server.becomes_within("Ready", READY).await.expect("the server becomes ready");
        self.door.aim(Some(server.address));
        self.door.cut();
        self.server = Some(server);
    }

    /// Ends the server as a crash does.
    pub async fn kill_server(&mut self) {
        self.door.aim(None);
        self.most_memory = self.most_memory();
        if let Some(server) = self.server.take() {
            server.kill().await;
        }
    }

    pub async fn stop_server(&mut self) {
        self.most_memory = self.most_memory();
        if let Some(mut server) = self.server.take() {
            assert_eq!(server.stop().await, Some(0), "walcast did not end well");
        }
        self.door.aim(None);
    }

    /// Everything works again.
    pub async fn heal(&mut self) {
        self.log.flow(Flow::Open);
        self.door.flow(Flow::Open);
        self.stuck.clear();
        if self.server.is_none() {
            self.start_server().await;
        }
    }

    /// Waits until the slot is streamed from: a server streams, whatever befell it.
    pub async fn streams(&self) {
        let query = format!("SELECT active FROM pg_replication_slots WHERE slot_name = '{SLOT}'");
        let streaming = async {
            while self.cluster.value(&query).await.as_deref() != Some("t") {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(READY, streaming).await.expect("walcast streams again");
    }

    /// The most memory of the server that leads and of those before it when they went, in MiB.
    pub fn most_memory(&self) -> u64 {
        self.most_memory.max(self.server.as_ref().map_or(0, |_| self.memory()))
    }

    /// The memory of the server that leads, in MiB.
    pub fn memory(&self) -> u64 {
        let pid = self.server.as_ref().expect("a server leads").pid();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
    }
}
