//! Writes of all kinds, by seed: what a writer writes does not depend on when it gets to it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::{sync::watch, task::JoinHandle};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use crate::truth::{self, Ids};

/// The components that are written to, some of them deleted at any time.
pub const COMPONENTS: u32 = 24;
/// The entities that they belong to and move between.
pub const ENTITIES: u32 = 4;

pub fn id(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

pub fn component(number: u32) -> Ids {
    Ids::component(&id(number))
}

pub fn entity(number: u32) -> Ids {
    Ids::entity("page", &number.to_string())
}

/// An INSERT of a component under a name, or its update to that name.
pub fn upsert(number: u32, name: &str) -> String {
    format!(
        "INSERT INTO components (id, entity_type, entity_id, type, name) VALUES ('{}', 'page', '{}', 'text', '{name}') \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, version = components.version + 1",
        id(number),
        number % ENTITIES
    )
}

pub struct Writers {
    /// Transactions that were sent so far.
    written: watch::Receiver<u64>,
    /// Statements that Postgres refused and should not have.
    pub problems: Arc<Mutex<Vec<String>>>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Writers {
    pub fn start(dsn: &str, seed: u64, count: u64) -> Writers {
        let (sender, written) = watch::channel(0);
        let sender = Arc::new(sender);
        let (stop, problems) = (CancellationToken::new(), Arc::<Mutex<Vec<String>>>::default());
        let tasks = (0..count)
            .map(|writer| {
                let rng = StdRng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_add(writer));
                let (sender, dsn, problems) = (sender.clone(), dsn.to_owned(), problems.clone());
                let stop = stop.clone();
                tokio::spawn(async move {
                    stop.run_until_cancelled(write(&dsn, rng, &sender, &problems)).await;
                })
            })
            .collect();
        Writers { written, problems, stop, tasks }
    }

    /// Waits until they have sent so many transactions more.
    pub async fn advance(&self, transactions: u64) {
        let mut written = self.written.clone();
        let goal = *written.borrow() + transactions;
        let reached = tokio::time::timeout(Duration::from_secs(60), written.wait_for(|count| *count >= goal)).await;
        reached.expect("the writers write").expect("the writers live");
    }

    /// Returns how many transactions they sent.
    pub async fn stop(self) -> u64 {
        self.stop.cancel();
        for task in self.tasks {
            let _ = task.await;
        }
        *self.written.borrow()
    }
}

async fn write(dsn: &str, mut rng: StdRng, written: &watch::Sender<u64>, problems: &Mutex<Vec<String>>) {
    let mut client: Option<Client> = None;
    loop {
        let statements = transaction(&mut rng);
        let connected = match client.take() {
            Some(connected) => connected,
            None => connect(dsn).await,
        };
        client = match connected.batch_execute(&statements).await {
            Ok(()) => Some(connected),
            Err(error) => {
                let code = error.code().map_or("", |code| code.code());
                // A clash of keys, a deadlock, a shutdown: that is life. Wrong SQL is not.
                if code.starts_with("42") || code.starts_with("22") {
                    problems.lock().expect("no panic before").push(format!("{error:?}: {statements}"));
                }
                connected.batch_execute("ROLLBACK").await.ok().map(|()| connected)
            }
        };
        written.send_modify(|count| *count += 1);
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

async fn connect(dsn: &str) -> Client {
    loop {
        match truth::connect(dsn).await {
            Ok(client) => return client,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

fn transaction(rng: &mut StdRng) -> String {
    match rng.random_range(0..10) {
        0..6 => statement(rng),
        6..9 => {
            let actor = rng.random_range(0..5);
            let statements: Vec<String> = (0..rng.random_range(2..6)).map(|_| statement(rng)).collect();
            format!("BEGIN; SELECT walcast.set_actor('user-{actor}'); {}; COMMIT", statements.join("; "))
        }
        _ => {
            let [kept, undone, lost] = [statement(rng), statement(rng), statement(rng)];
            let end = if rng.random_bool(0.5) { "COMMIT" } else { "ROLLBACK" };
            format!("BEGIN; {kept}; SAVEPOINT s; {undone}; ROLLBACK TO s; {lost}; {end}")
        }
    }
}

fn statement(rng: &mut StdRng) -> String {
    let number = rng.random_range(0..COMPONENTS);
    let word = rng.random_range(0..1_000_000);
    let update = |what: String| {
        let id = id(number);
        format!("UPDATE components SET {what}, version = version + 1, updated_at = now() WHERE id = '{id}'")
    };
    let (row, place, nested) = (rng.random_range(0..2), rng.random_range(0..3), rng.random_range(0..6));
    let path = format!("{row},components,{place}");
    match rng.random_range(0..20) {
        0..3 => format!("{} WHERE components.name <> excluded.name", upsert(number, &format!("name {word}"))),
        3..5 => update(format!("name = 'name {word}', updated_by = 'user-{}'", word % 7)),
        5 => update(format!("data = data || '{{\"k{}\": {word}}}'", word % 5)),
        // Beyond 2 KiB it goes out of line, and later changes do not repeat it.
        6 => update(format!("data = jsonb_build_object('long', {})", noise(word))),
        7 => update(format!("rows = '{}'", rows(rng))),
        8..11 => update(format!("rows = jsonb_set(rows, '{{{path},text}}', '\"{word}\"')")),
        11..13 => {
            let component = format!("{{\"id\": \"n{nested}\", \"text\": \"{word}\"}}");
            update(format!("rows = jsonb_insert(rows, '{{{row},components,-1}}', '{component}', true)"))
        }
        13 => update(format!("rows = rows #- '{{{path}}}'")),
        14 => update(format!("rows = rows #- '{{{path},text}}'")),
        15 => update(format!("rows = jsonb_set(rows, '{{{path},text}}', 'null')")),
        16 => update(format!("entity_id = '{}'", word % ENTITIES)),
        17 => format!("DELETE FROM components WHERE id = '{}'", id(number)),
        18 => format!("UPDATE components SET id = '{}' WHERE id = '{}'", id(word % COMPONENTS), id(number)),
        _ => format!(
            "UPDATE components SET name = 'all {word}', version = version + 1 \
             WHERE entity_type = 'page' AND entity_id = '{}'",
            word % ENTITIES
        ),
    }
}

fn noise(seed: u32) -> String {
    format!("(SELECT string_agg(md5(({seed} + n)::text), '') FROM generate_series(1, 150) n)")
}

/// Two rows with some nested components each, in any order.
fn rows(rng: &mut StdRng) -> String {
    let mut row = |name: &str| {
        let count = rng.random_range(0..4);
        let first = rng.random_range(0..3);
        let components: Vec<String> =
            (0..count).map(|n| format!("{{\"id\": \"n{}\", \"text\": \"new\"}}", first + n)).collect();
        format!("{{\"id\": \"{name}\", \"components\": [{}]}}", components.join(", "))
    };
    let (one, two) = (row("r1"), row("r2"));
    if rng.random_bool(0.5) { format!("[{one}, {two}]") } else { format!("[{two}, {one}]") }
}
