//! One run: writers write, faults strike, then all heals and every replica must equal the database.

use std::{
    fmt,
    time::{Duration, Instant},
};

use serde_json::Value;
use walcast::replication::Plugin;

use crate::{
    MUST_RESUME,
    faults::{self, KINDS},
    replicas::{Manner, Replicas, Status},
    truth::{self, Ids},
    world::World,
    writers::{self, COMPONENTS, ENTITIES, Writers, component, entity},
};

const WRITERS: u64 = 4;
/// All faults are over: how long clients may take to find their way back.
const RECOVERY: Duration = Duration::from_secs(90);
/// How long a marker may take to every room, and how many are tried.
const MARKED: Duration = Duration::from_secs(20);
const MARKERS: u32 = 4;
/// What the server's memory may have grown by, in MiB: the history, and what the allocator keeps.
const GROWTH: u64 = 128;

const MANNERS: &[Manner] = &[
    Manner { name: "websocket", transports: &["websocket"], resume: "rooms", restless: 0, slow: false },
    Manner { name: "polling", transports: &["polling"], resume: "rooms", restless: 0, slow: false },
    Manner { name: "upgrade", transports: &["polling", "websocket"], resume: "rooms", restless: 0, slow: false },
    Manner { name: "whole", transports: &["websocket"], resume: "handshake", restless: 0, slow: false },
    Manner { name: "whole-polling", transports: &["polling"], resume: "handshake", restless: 0, slow: false },
    Manner { name: "whole-restless", transports: &["websocket"], resume: "handshake", restless: 90, slow: false },
    Manner { name: "restless", transports: &["websocket"], resume: "rooms", restless: 60, slow: false },
    Manner {
        name: "restless-upgrade",
        transports: &["polling", "websocket"],
        resume: "rooms",
        restless: 150,
        slow: false,
    },
    Manner { name: "slow", transports: &["websocket"], resume: "rooms", restless: 0, slow: true },
    Manner { name: "slow-whole", transports: &["websocket"], resume: "handshake", restless: 0, slow: true },
    Manner { name: "stock", transports: &["polling", "websocket"], resume: "recovery", restless: 0, slow: false },
    Manner { name: "stock-polling", transports: &["polling"], resume: "recovery", restless: 0, slow: false },
    Manner { name: "stock-restless", transports: &["websocket"], resume: "recovery", restless: 80, slow: false },
    Manner { name: "stock-slow", transports: &["websocket"], resume: "recovery", restless: 0, slow: true },
    Manner { name: "forgetful", transports: &["websocket"], resume: "never", restless: 200, slow: false },
];

/// What decides how a run goes.
#[derive(Clone, Copy)]
pub struct Run {
    pub seed: u64,
    pub minutes: u64,
    pub plugin: Plugin,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Run { seed, minutes, plugin } = self;
        write!(f, "SEED={seed} MINUTES={minutes} PLUGIN={plugin}")
    }
}

pub async fn run(run: Run) -> Result<(), String> {
    println!("chaos: {run}");
    let outcome = tokio::spawn(strike(run)).await;
    let outcome = outcome.unwrap_or_else(|panic| Err(format!("the run itself ended: {panic}")));
    outcome.map_err(|error| {
        let schedule: Vec<String> =
            faults::schedule(run.seed).take(KINDS).map(|round| format!("{:?}", round.fault)).collect();
        format!("{error}\n\nthe schedule began with {}\nagain: make chaos {run}", schedule.join(", "))
    })
}

async fn strike(Run { seed, minutes, plugin }: Run) -> Result<(), String> {
    let began = Instant::now();
    let plugin = plugin.to_string();
    // Small queues, so that slow clients are found out; and the log says who was refused to resume, and why.
    let small = ["--outbox-bytes", "64KiB", "--stall-timeout", "3s", "--log", "info,walcast::hub=debug"];
    let mut world = World::start(&[&["--plugin", &plugin][..], &small].concat()).await;
    let dsn = world.cluster.dsn_text("");
    for number in 0..COMPONENTS {
        world.cluster.sql(&writers::upsert(number, "first")).await;
    }
    let fetch_url = format!("http://{}/", truth::serve(dsn.clone()).await);
    let mut replicas = Replicas::start().await;
    for (number, manner) in (0..).zip(MANNERS) {
        replicas.add(manner.name, *manner, &rooms(number), &world.url(), &fetch_url).await;
    }
    settle(&mut replicas).await?;
    let at_first = world.memory();

    let writers = Writers::start(&dsn, seed, WRITERS);
    let bulk = if minutes <= 2 { 20_000 } else { 200_000 };
    let mut struck = 0;
    for round in faults::schedule(seed) {
        if struck >= KINDS && began.elapsed() > Duration::from_secs(60 * minutes) {
            break;
        }
        writers.advance(round.after).await;
        struck += 1;
        println!("{:>4} s  {struck:>3}  {:?}", began.elapsed().as_secs(), round.fault);
        round.fault.strike(&mut world, struck, bulk).await;
    }
    writers.advance(50).await;

    println!("{:>4} s  all heals", began.elapsed().as_secs());
    let mut problems = writers.problems.lock().expect("no panic before").clone();
    let transactions = writers.stop().await;
    world.heal().await;
    replicas.heal().await;
    settle(&mut replicas).await?;
    mark(&world, &mut replicas).await?;
    problems.extend(compare(&dsn, &mut replicas).await?);
    problems.extend(replicas.problems());

    let (at_last, at_most) = (world.memory(), world.most_memory());
    let status = replicas.status().await;
    if MUST_RESUME && status.iter().all(|status| status.stats["resumed"] == 0) {
        problems.push("nobody could resume, ever".to_owned());
    }
    for Status { client, stats, .. } in status {
        let stats: Vec<String> = stats.iter().map(|(name, count)| format!("{count} {name}")).collect();
        println!("  {client:<16} {}", stats.join(", "));
    }
    println!("  {transactions} transactions, {struck} faults, {} lost slots dropped by hand", world.dropped_by_hand);
    println!(
        "  memory of a server: {at_first} MiB at first, {at_last} MiB at last, {at_most} MiB at most before one went"
    );
    if at_most > at_first + GROWTH {
        problems.push(format!("a server grew from {at_first} to {at_most} MiB"));
    }
    if problems.is_empty() {
        println!("passed: every replica equals the database");
        return Ok(());
    }
    Err(format!("{} broken promises:\n  {}", problems.len(), problems.join("\n  ")))
}

/// Some components and entities, which share events, and the room that large transactions reach.
fn rooms(client: u32) -> Vec<Ids> {
    let components = (0..3).map(|n| component((client * 2 + n * 5) % COMPONENTS));
    let entities = (0..2).map(|n| entity((client + n) % ENTITIES));
    let hot = client.is_multiple_of(2).then(|| Ids::entity("bulk", "hot"));
    components.chain(entities).chain(hot).collect()
}

/// Waits until all are in all of their rooms and have fetched what they had to.
async fn settle(replicas: &mut Replicas) -> Result<(), String> {
    until(replicas, RECOVERY, "is not back in all of its rooms", |status| status.settled).await
}

/// What is committed after everything else reaches every room after everything else. Who had to fetch meanwhile did not
/// hear it: then there is another.
async fn mark(world: &World, replicas: &mut Replicas) -> Result<(), String> {
    let mut outcome = Ok(());
    for attempt in 0..MARKERS {
        let marker = format!("marker {attempt}");
        for number in 0..COMPONENTS {
            world.cluster.sql(&writers::upsert(number, &marker)).await;
        }
        let entities = (0..ENTITIES).map(|number| ("page", number.to_string())).chain([("bulk", "hot".to_owned())]);
        for (entity_type, entity_id) in entities {
            let insert = "INSERT INTO components (entity_type, entity_id, type, name) VALUES";
            world.cluster.sql(&format!("{insert} ('{entity_type}', '{entity_id}', 'marker', '{marker}')")).await;
        }
        let is_marked =
            |status: &Status| status.settled && status.markers.iter().all(|held| held.as_ref() == Some(&marker));
        outcome = until(replicas, MARKED, "did not hear the marker in all of its rooms", is_marked).await;
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

async fn until(
    replicas: &mut Replicas,
    patience: Duration,
    what: &str,
    is_so: impl Fn(&Status) -> bool,
) -> Result<(), String> {
    let deadline = Instant::now() + patience;
    loop {
        let status = replicas.status().await;
        let late: Vec<&str> = status.iter().filter(|status| !is_so(status)).map(|status| &*status.client).collect();
        if late.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let states = status.iter().filter(|status| !is_so(status)).map(|status| format!("{:#}", status.state));
            let told: Vec<String> = states.chain(replicas.problems()).collect();
            return Err(format!("after {patience:?} {} {what}\n  {}", late.join(", "), told.join("\n  ")));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn compare(dsn: &str, replicas: &mut Replicas) -> Result<Vec<String>, String> {
    let client = truth::connect(dsn).await.map_err(|error| error.to_string())?;
    let mut problems = Vec::new();
    for dump in replicas.dump().await {
        for held in dump.rooms {
            let truth = held.ids.select(&client).await.map_err(|error| error.to_string())?;
            let truth: Vec<Value> = serde_json::from_str(&truth).map_err(|error| error.to_string())?;
            let found = truth::differences(&held.rows, &truth);
            problems.extend(found.into_iter().map(|text| format!("{} in {:?}: {text}", dump.client, held.ids)));
        }
    }
    Ok(problems)
}
