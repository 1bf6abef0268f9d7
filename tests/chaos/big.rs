//! One transaction of a million rows: what the server's memory comes to, and what a row in another room is told meanwhile,
//! beside what Postgres's own `pg_recvlogical` sees of the same writes. Postgres sends one transaction after the other, in
//! the order of their commits: what commits after the big one waits for it, whoever reads.

use std::{
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{io::AsyncReadExt, process::Command, sync::watch, task::JoinHandle, time::sleep};

use crate::{
    latency::{Latencies, Moments, Probe},
    support::{Cluster, Server, walcast},
    truth::Ids,
    wire::{Packet, Wire},
};

const SLOT: &str = "walcast";
/// What the server may take, in MB.
const MEMORY: u64 = 200;
/// What a room is sent of one transaction (`WALCAST_ROOM_CAP`).
const CAP: u64 = 1_000;
/// The rows are in so many rooms, and one of ten in a room that has them all.
const ROOMS: u64 = 1_000;
const FOLLOWED: u64 = 90;
/// How long the probe is watched before the transaction and after it.
const QUIET: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(600);

/// Whoever else uses the machine slows the one or the other: which of them is slow only a repetition tells.
const ROUNDS: u32 = 3;

pub async fn run(rows: u64) -> Result<(), String> {
    println!("big: ROWS={rows}");
    for round in 1..=ROUNDS {
        println!("\nround {round}\n");
        let slower = compare(rows).await?;
        if slower.is_empty() {
            println!("\npassed");
            return Ok(());
        }
        println!("\n{}", slower.join("\n"));
    }
    Err(format!("in none of {ROUNDS} rounds the probe was heard within twice the time of pg_recvlogical"))
}

/// Where walcast was slower than it may be; `Err` where it was wrong.
async fn compare(rows: u64) -> Result<Vec<String>, String> {
    let mut problems = Vec::new();
    let floor = by_pg_recvlogical(rows).await;
    let (ours, cost) = by_walcast(rows, &mut problems).await;

    println!(
        "| a probe that is written | probes | walcast: median | 95 % | longest | pg_recvlogical: median | 95 % | longest |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for ((phase, ours), (_, floor)) in ours.phases().into_iter().zip(floor.phases()) {
        println!("| {phase} | {} | {ours} | {floor} |", ours.len());
    }
    println!("\nto send all of it: walcast {:.1?}, pg_recvlogical {:.1?}", ours.sending(), floor.sending());
    println!("the server's memory: {} MB before, {} MB at the most", cost.before, cost.most);
    println!("its processor time: {:.1} s", cost.seconds);

    if cost.most >= MEMORY {
        problems.push(format!("the server took {} MB", cost.most));
    }
    if problems.is_empty() { Ok(ours.slower_than(&floor)) } else { Err(problems.join("\n  ")) }
}

/// What the server took: megabytes, and seconds of a processor for the transaction.
struct Cost {
    before: u64,
    most: u64,
    seconds: f64,
}

async fn cluster() -> Cluster {
    let cluster = Cluster::start(&["max_wal_size = 4GB"]).await;
    let dsn = cluster.dsn_text("");
    let output = walcast().args(["migrate", "--database-url", &dsn]).output().await.expect("runs");
    assert!(output.status.success(), "{output:?}");
    cluster
        .sql(&format!(
            "INSERT INTO components (id, entity_type, entity_id, type) VALUES ('{}', 'probe', '1', '')",
            Probe::ID
        ))
        .await;
    cluster
}

/// Writes the big transaction, with a quiet time before and after it; `heard` is how many probes were heard.
async fn write(cluster: &Cluster, rows: u64, probe: &Probe) -> Moments {
    sleep(QUIET).await;
    let began = Instant::now();
    let insert = format!(
        "BEGIN; INSERT INTO components (entity_type, entity_id, type, name)
         SELECT 'bulk', CASE WHEN n % 10 = 0 THEN 'hot' ELSE (n % {ROOMS})::text END, 'bulk', 'number ' || n
           FROM generate_series(1, {rows}) n"
    );
    cluster.sql(&insert).await;
    let ended = Instant::now();
    cluster.sql("COMMIT").await;
    let committed = Instant::now();
    let sent = tokio::time::timeout(PATIENCE, probe.heard_since(committed)).await.expect("it comes to an end");
    sleep(QUIET).await;
    Moments { began, ended, committed, sent }
}

async fn by_walcast(rows: u64, problems: &mut Vec<String>) -> (Latencies, Cost) {
    let cluster = cluster().await;
    let server = Server::start_on(&cluster.dsn_text(""), SLOT, &[]).await;
    let memory = |field: &str| status(server.pid(), field);
    let processor = || processor_seconds(server.pid());
    let probe = Probe::start(&cluster.dsn_text("")).await;
    let mut wire = Wire::connect(server.address, "probe", None).await.expect("connects");
    wire.request(0, "component:subscribe", &json!(Ids::component(Probe::ID))).await.expect("subscribes");
    let listening = tokio::spawn({
        let probe = probe.clone();
        async move {
            while let Ok(packet) = wire.next().await {
                if let Packet::Event(_, payload) = packet {
                    payload["updates"]["name"].as_str().inspect(|name| probe.hear(name));
                }
            }
        }
    });
    let rooms = (1..=FOLLOWED + FOLLOWED / 9).filter(|n| n % 10 != 0).map(|n| n.to_string());
    let mut followers = Vec::new();
    for room in std::iter::once("hot".to_owned()).chain(rooms) {
        followers.push((room.clone(), Follower::start(&server, &room).await));
    }
    let (before, seconds) = (memory("VmRSS:"), processor());
    let moments = write(&cluster, rows, &probe).await;
    let cost = Cost { before, most: memory("VmHWM:"), seconds: processor() - seconds };
    for (room, follower) in followers {
        let of_room = if room == "hot" { rows / 10 } else { rows / ROOMS };
        let expected = Heard { events: of_room.min(CAP), resyncs: u64::from(of_room > CAP), ended: None };
        let heard = follower.end();
        if heard != expected {
            problems.push(format!("room {room}: {heard:?} instead of {expected:?}"));
        }
    }
    listening.abort();
    (probe.latencies(moments).await, cost)
}

async fn by_pg_recvlogical(rows: u64) -> Latencies {
    let cluster = cluster().await;
    cluster.sql("CREATE PUBLICATION walcast FOR TABLE walcast.rules, components").await;
    cluster.sql(&format!("SELECT pg_create_logical_replication_slot('{SLOT}', 'pgoutput')")).await;
    let directory = std::env::var_os("PG_BIN").map(PathBuf::from).unwrap_or_default();
    let mut reader = Command::new(directory.join("pg_recvlogical"))
        .args(["--slot", SLOT, "--start", "--file", "-", "--option", "proto_version=1"])
        .args(["--option", "publication_names=walcast", "--dbname", &cluster.dsn_text("")])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("pg_recvlogical runs");
    let probe = Probe::start(&cluster.dsn_text("")).await;
    let mut stdout = reader.stdout.take().expect("piped");
    let listening = tokio::spawn({
        let probe = probe.clone();
        async move {
            let mut buffer = vec![0; 1 << 18];
            let mut kept = 0;
            while let Ok(length) = stdout.read(&mut buffer[kept..]).await
                && length > 0
            {
                kept = probe.find(&mut buffer, kept + length);
            }
        }
    });
    let moments = write(&cluster, rows, &probe).await;
    listening.abort();
    probe.latencies(moments).await
}

/// A field of a process's status, in MB.
fn status(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024 / 1_000_000
}

/// The time that a process has had of the processors, in seconds; the kernel counts in hundredths.
fn processor_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().expect("a number") / 100.0).sum()
}

/// A socket in a room of the big transaction.
struct Follower {
    heard: Arc<Mutex<Heard>>,
    task: JoinHandle<()>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Heard {
    events: u64,
    resyncs: u64,
    /// Why its connection ended.
    ended: Option<String>,
}

impl Follower {
    async fn start(server: &Server, room: &str) -> Follower {
        let mut wire = Wire::connect(server.address, &format!("follower-{room}"), None).await.expect("connects");
        wire.request(0, "component:subscribe", &json!(Ids::entity("bulk", room))).await.expect("subscribes");
        let heard = Arc::<Mutex<Heard>>::default();
        let (subscribed, mut is_subscribed) = watch::channel(false);
        let task = tokio::spawn({
            let heard = heard.clone();
            async move {
                let ended = loop {
                    let packet = wire.next().await;
                    let mut heard = heard.lock().expect("no panic before");
                    match packet {
                        Ok(Packet::Ack(..)) => drop(subscribed.send(true)),
                        Ok(Packet::Event(name, _)) if name == "component:created" => heard.events += 1,
                        Ok(Packet::Event(name, _)) if name == "component:resync" => heard.resyncs += 1,
                        Ok(Packet::Event(..)) => {}
                        Err(error) => break error,
                    }
                };
                heard.lock().expect("no panic before").ended = Some(ended.to_string());
            }
        });
        is_subscribed.wait_for(|is| *is).await.expect("it is answered");
        Follower { heard, task }
    }

    fn end(self) -> Heard {
        self.task.abort();
        self.heard.lock().expect("no panic before").clone()
    }
}
