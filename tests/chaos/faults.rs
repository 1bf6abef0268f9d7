//! What strikes, in an order that the seed alone decides.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use crate::{
    stuck::Stuck,
    support::{Flow, within},
    world::World,
    writers::{component, entity},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// kill -9.
    ServerKilled,
    /// SIGTERM, as a deployment does.
    ServerStopped,
    /// A second server stands by; the first is killed, or asked to go.
    Takeover {
        kindly: bool,
    },
    /// `pg_ctl stop -m fast`: it waits for walcast to take leave.
    PostgresRestarted,
    /// `pg_ctl stop -m immediate`: it waits for nobody, and recovers at the next start.
    PostgresAborted,
    /// One of its processes dies (kill -9); it ends the others and recovers by itself.
    PostgresCrashed,
    LogCut {
        times: u32,
    },
    LogStalled,
    LogSlow,
    ClientsCut {
        times: u32,
    },
    StuckClient,
    /// Many rows in one transaction; some of them in one room.
    Bulk,
    Truncate,
    Ddl,
    SlotDropped,
    /// `max_slot_wal_keep_size` was passed while the server was down.
    SlotLost,
}

/// What strikes, and after how many more transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    pub after: u64,
    pub fault: Fault,
}

/// Every fault once, in any order; then for ever more of them.
pub fn schedule(seed: u64) -> impl Iterator<Item = Round> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut deck: Vec<Fault> = Vec::new();
    std::iter::from_fn(move || {
        if deck.is_empty() {
            deck = all(&mut rng);
            deck.shuffle(&mut rng);
        }
        Some(Round { after: rng.random_range(20..120), fault: deck.pop()? })
    })
}

fn all(rng: &mut StdRng) -> Vec<Fault> {
    use Fault::*;
    vec![
        ServerKilled,
        ServerStopped,
        Takeover { kindly: rng.random_bool(0.5) },
        PostgresRestarted,
        PostgresAborted,
        PostgresCrashed,
        LogCut { times: rng.random_range(1..4) },
        LogStalled,
        LogSlow,
        ClientsCut { times: rng.random_range(1..4) },
        StuckClient,
        Bulk,
        Truncate,
        Ddl,
        SlotDropped,
        SlotLost,
    ]
}

/// How many faults [`schedule`] deals before one comes again.
pub const KINDS: usize = 16;

impl Fault {
    /// Strikes, and puts back what has to be put back by hand.
    pub async fn strike(self, world: &mut World, nth: usize, bulk: u32) {
        match self {
            Fault::ServerKilled => {
                world.kill_server().await;
                world.start_server().await;
            }
            Fault::ServerStopped => {
                world.stop_server().await;
                world.start_server().await;
            }
            Fault::Takeover { kindly } => {
                let standby = world.spawn_server().await.expect("a standby starts");
                standby.becomes("Standby").await;
                if kindly {
                    world.stop_server().await;
                } else {
                    world.kill_server().await;
                }
                world.lead(standby).await;
            }
            Fault::PostgresRestarted => {
                assert!(world.cluster.stop_fast(30).await, "Postgres did not stop: does walcast hold it?");
                world.cluster.start_again().await;
            }
            Fault::PostgresAborted => {
                world.cluster.crash();
                world.cluster.start_again().await;
            }
            Fault::PostgresCrashed => world.cluster.kill_a_process().await,
            Fault::LogCut { times } => {
                for _ in 0..times {
                    world.log.cut();
                    world.streams().await;
                }
            }
            Fault::LogStalled => hamper(world, Flow::Stalled, 7).await,
            Fault::LogSlow => hamper(world, Flow::Slow, 4).await,
            Fault::ClientsCut { times } => {
                for _ in 0..times {
                    world.door.cut();
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
            }
            Fault::StuckClient => {
                let rooms: Vec<_> = (0..4).map(entity).chain((0..8).map(component)).collect();
                let address = world.server.as_ref().expect("a server leads").address;
                // Where the server just looks for its database it lets nobody in, and there is nobody to be stuck.
                world.stuck.extend(Stuck::connect(address, &rooms).await);
            }
            Fault::Bulk => insert_many(world, bulk).await,
            Fault::Truncate => world.cluster.sql("TRUNCATE components").await,
            Fault::Ddl => reshape(world, nth).await,
            Fault::SlotDropped => drop_slot(world).await,
            Fault::SlotLost => lose_slot(world).await,
        }
        world.streams().await;
    }
}

async fn hamper(world: &World, flow: Flow, seconds: u64) {
    world.log.flow(flow);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    world.log.flow(Flow::Open);
}

/// One row in ten is in a room that somebody is in, more than it is sent of one transaction; other rooms go on in the same.
async fn insert_many(world: &World, rows: u32) {
    world
        .cluster
        .sql(&format!(
            "INSERT INTO components (entity_type, entity_id, type, name)
             SELECT 'bulk', CASE WHEN n % 100 < 10 THEN 'hot' ELSE (n % 1000)::text END, 'bulk', 'bulk ' || n
               FROM generate_series(1, {rows}) n"
        ))
        .await;
    world
        .cluster
        .sql(
            // Writers take their rows in orders of their own: locking the table first, it waits for them, and they for it.
            "BEGIN; LOCK TABLE components IN SHARE ROW EXCLUSIVE MODE; \
             UPDATE components SET name = name || '!' WHERE entity_type = 'bulk' AND entity_id = 'hot'; \
             UPDATE components SET name = 'beside bulk', version = version + 1 WHERE entity_type = 'page'; COMMIT",
        )
        .await;
    world.cluster.sql("DELETE FROM components WHERE entity_type = 'bulk' AND type = 'bulk'").await;
}

/// Columns come, change their names, and go. No name comes twice.
async fn reshape(world: &World, nth: usize) {
    for statement in [
        format!("ALTER TABLE components ADD COLUMN extra_a{nth} text"),
        format!("ALTER TABLE components ADD COLUMN extra_b{nth} int DEFAULT 7"),
        format!("UPDATE components SET extra_a{nth} = 'x', extra_b{nth} = 8 WHERE entity_id IN ('0', '1')"),
        format!("ALTER TABLE components RENAME extra_a{nth} TO extra_c{nth}"),
        format!("UPDATE components SET extra_c{nth} = 'y' WHERE entity_id = '1'"),
        format!("ALTER TABLE components DROP COLUMN extra_b{nth}"),
        format!("UPDATE components SET extra_c{nth} = 'z' WHERE entity_id = '0'"),
    ] {
        world.cluster.sql(&statement).await;
    }
}

/// Walcast finds another slot, and with it another history.
async fn drop_slot(world: &World) {
    let postgres = ([127, 0, 0, 1], world.cluster.port).into();
    world.log.aim(None);
    world.log.cut();
    world.cluster.until("NOT EXISTS (SELECT FROM pg_replication_slots WHERE active)").await;
    world.cluster.sql("SELECT pg_drop_replication_slot('walcast')").await;
    world.log.aim(Some(postgres));
}

async fn lose_slot(world: &mut World) {
    world.kill_server().await;
    world.cluster.sql("ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'").await;
    world.cluster.sql("SELECT pg_reload_conf()").await;
    let lost = async {
        while world.cluster.value("SELECT wal_status FROM pg_replication_slots").await.as_deref() != Some("lost") {
            let burst =
                "SELECT pg_logical_emit_message(false, 'burst', repeat('x', 1000000)) FROM generate_series(1, 40)";
            world.cluster.sql(burst).await;
            world.cluster.sql("SELECT pg_switch_wal()").await;
            world.cluster.sql("CHECKPOINT").await;
        }
    };
    within("the loss of the slot", lost).await;
    world.cluster.sql("ALTER SYSTEM RESET max_slot_wal_keep_size").await;
    world.cluster.sql("SELECT pg_reload_conf()").await;
    world.start_server().await;
}
