//! A thousand sockets come and go while hundreds of changes a second are written; the server's memory must stay flat.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout_at};

use crate::{
    truth::{self, Ids},
    wire::{Packet, Wire},
    world::World,
};

const SOCKETS: u32 = 1_000;
const COMPONENTS: u32 = 2_000;
const ENTITIES: u32 = 250;
const WRITERS: u64 = 5;
/// Changes a second of each writer.
const RATE: u64 = 100;
/// How long a socket stays, in seconds.
const STAY: std::ops::Range<u64> = 20..60;
const SAMPLES: u64 = 15;
/// What the memory may grow by between a third of the time and the end: a tenth, and this, in MiB.
const GROWTH: u64 = 8;

#[derive(Default)]
struct Counts {
    changes: AtomicU64,
    events: AtomicU64,
    connections: AtomicU64,
    connected: AtomicU64,
    resumed: AtomicU64,
    refused: AtomicU64,
    cut: AtomicU64,
    problems: Mutex<Vec<String>>,
}

pub async fn run(seed: u64, minutes: u64) -> Result<(), String> {
    println!("soak: SEED={seed} MINUTES={minutes}\n");
    let world = World::start(&[]).await;
    let address = world.server.as_ref().expect("a server leads").address;
    let dsn = world.cluster.dsn_text("");
    world
        .cluster
        .sql(&format!(
            "INSERT INTO components (id, entity_type, entity_id, type)
             SELECT ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'page', (n % {ENTITIES})::text, 'text'
               FROM generate_series(0, {COMPONENTS} - 1) n"
        ))
        .await;
    let counts = Arc::<Counts>::default();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..SOCKETS {
        tasks.spawn(come_and_go(address, number, StdRng::seed_from_u64(seed + u64::from(number)), counts.clone()));
    }
    for number in 0..WRITERS {
        tasks.spawn(write(dsn.clone(), StdRng::seed_from_u64(!seed - number), counts.clone()));
    }

    println!("| time | memory | held WAL | changes/s | events/s | sockets | connections | resumed | refused | cut |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let (began, period) = (Instant::now(), Duration::from_secs(60 * minutes) / u32::try_from(SAMPLES).expect("few"));
    let (mut memory, mut changes, mut events) = (Vec::new(), 0, 0);
    for _ in 0..SAMPLES {
        sleep(period).await;
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        let rate = |now: u64, before: &mut u64| (now - std::mem::replace(before, now)) * 1_000 / millis(period);
        memory.push(world.memory());
        let held = "SELECT pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)) FROM pg_replication_slots";
        println!(
            "| {:.1} min | {} MiB | {} | {} | {} | {} | {} | {} | {} | {} |",
            began.elapsed().as_secs_f64() / 60.0,
            memory.last().unwrap_or(&0),
            world.cluster.value(held).await.unwrap_or_default(),
            rate(count(&counts.changes), &mut changes),
            rate(count(&counts.events), &mut events),
            count(&counts.connected),
            count(&counts.connections),
            count(&counts.resumed),
            count(&counts.refused),
            count(&counts.cut),
        );
    }
    tasks.shutdown().await;

    let mut problems = counts.problems.lock().expect("no panic before").clone();
    let third = memory.len() / 3;
    let (settled, last) = (memory[..=third].iter().max().copied().unwrap_or(0), memory[memory.len() - 1]);
    if last > settled + settled / 10 + GROWTH {
        problems.push(format!("the memory grew from {settled} MiB after a third of the time to {last} MiB"));
    }
    if events == 0 {
        problems.push("nobody heard anything".to_owned());
    }
    if problems.is_empty() {
        println!("\npassed: {settled} MiB after a third of the time, {last} MiB at the end");
        return Ok(());
    }
    problems.truncate(20);
    Err(problems.join("\n  "))
}

fn millis(period: Duration) -> u64 {
    u64::try_from(period.as_millis()).expect("less than ages").max(1)
}

async fn come_and_go(server: SocketAddr, number: u32, mut rng: StdRng, counts: Arc<Counts>) {
    let rooms = [
        Ids::component(&format!("00000000-0000-4000-8000-{number:012x}")),
        Ids::entity("page", &(number % ENTITIES).to_string()),
    ];
    let mut since = Value::Null;
    // Not all at once.
    sleep(Duration::from_millis(rng.random_range(0..10_000))).await;
    loop {
        let until = tokio::time::Instant::now() + Duration::from_secs(rng.random_range(STAY));
        counts.connected.fetch_add(1, Relaxed);
        counts.connections.fetch_add(1, Relaxed);
        // The end of its stay may cut it off anywhere, as the end of a page does.
        match timeout_at(until, listen(server, number, &rooms, &mut since, &counts)).await {
            Ok(Ok(never)) => match never {},
            Ok(Err(error)) => {
                if counts.cut.fetch_add(1, Relaxed) == 0 {
                    eprintln!("the first socket that was cut: {error}");
                }
            }
            Err(_) => {}
        }
        counts.connected.fetch_sub(1, Relaxed);
        sleep(Duration::from_millis(rng.random_range(100..2_000))).await;
    }
}

async fn listen(
    server: SocketAddr,
    number: u32,
    rooms: &[Ids],
    since: &mut Value,
    counts: &Counts,
) -> std::io::Result<std::convert::Infallible> {
    let mut wire = Wire::connect(server, &format!("soak-{number}"), None).await?;
    let mut open = HashSet::new();
    for (request, ids) in (0..).zip(rooms) {
        let mut payload = json!(ids);
        if !since.is_null() {
            payload["since"] = since.clone();
        }
        wire.request(request, "component:subscribe", &payload).await?;
        open.insert(request);
    }
    // `since` stays what it was until both rooms are back.
    let mut high = Value::Null;
    loop {
        match wire.next().await? {
            Packet::Ack(request, answer) => {
                open.remove(&request);
                if answer["ok"] != true {
                    counts.problems.lock().expect("no panic before").push(answer.to_string());
                }
                if !since.is_null() {
                    let counter = if answer["resumed"] == true { &counts.resumed } else { &counts.refused };
                    counter.fetch_add(1, Relaxed);
                }
                high = answer["offset"].clone();
            }
            Packet::Event(name, payload) if name.ends_with(":resync") => drop(payload),
            Packet::Event(name, mut payload) => {
                counts.events.fetch_add(1, Relaxed);
                let offset = payload["offset"].take();
                // Where it stands, a socket may be told twice: by an ack, and then by its time.
                let is_old = match name == "walcast:position" {
                    true => offset.as_str() < high.as_str(),
                    false => offset.as_str() <= high.as_str(),
                };
                if open.is_empty() && offset.is_string() && is_old {
                    let problem = format!("socket {number}: {offset} after {high}");
                    counts.problems.lock().expect("no panic before").push(problem);
                }
                if offset.is_string() {
                    high = offset;
                }
            }
        }
        if open.is_empty() {
            since.clone_from(&high);
        }
    }
}

async fn write(dsn: String, mut rng: StdRng, counts: Arc<Counts>) {
    let client = truth::connect(&dsn).await.expect("connects");
    let mut ticks = interval(Duration::from_millis(1_000 / RATE));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        ticks.tick().await;
        let (number, word) = (rng.random_range(0..COMPONENTS), rng.random_range(0..1_000_000));
        let update = format!(
            "UPDATE components SET name = 'name {word}', data = '{{\"word\": {word}, \"text\": \"{word:0200}\"}}',
             version = version + 1 WHERE id = '00000000-0000-4000-8000-{number:012x}'"
        );
        match client.batch_execute(&update).await {
            Ok(()) => drop(counts.changes.fetch_add(1, Relaxed)),
            Err(error) => return counts.problems.lock().expect("no panic before").push(error.to_string()),
        }
    }
}
