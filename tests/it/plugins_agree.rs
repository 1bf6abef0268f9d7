//! The two output plugins, reading the same writes at once, give the same events, byte for byte.

mod workload;

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use walcast::{
    app::Mapping,
    change::Entry,
    events::{Epoch, Event, Room, Target},
    postgres::Dsn,
    replication::{Feed, Plugin, Progress, Settings, run},
    store::Store,
};

use self::workload::{TABLES, Workload};
use crate::support::{Database, within};

/// What one plugin made of the writes: name, rooms and payload of each event.
struct Reader {
    events: mpsc::UnboundedReceiver<String>,
    cancel: CancellationToken,
}

impl Reader {
    /// Streams from now on.
    async fn start(database: &Database, publication: &str, plugin: Plugin) -> Reader {
        let dsn = Dsn::parse(&database.dsn()).expect("a DSN");
        let store = Store::connect(&dsn).await.expect("connects");
        let mut mapping = Mapping::begin(store).await.expect("rules");
        let slot = format!("{}_{plugin}", database.name);
        let settings =
            Settings { dsn, slot, publication: publication.to_owned(), plugin, temporary: true, replay_bytes: 0 };
        let (feed, mut batches) = mpsc::channel(4);
        let cancel = CancellationToken::new();
        let progress = Arc::new(Progress::default());
        tokio::spawn({
            let cancel = cancel.clone();
            async move { run(settings, progress, feed, cancel).await.expect("streams") }
        });
        let first = within("the stream", batches.recv()).await;
        assert!(matches!(first, Some(Feed::Connected(_))), "{first:?}");
        let (sender, events) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(Feed::Batch(batch)) = batches.recv().await {
                for entry in batch.entries {
                    let mut made = Vec::new();
                    mapping.prepare(&entry).await.expect("the catalog answers");
                    let begins = matches!(entry, Entry::Begin(_));
                    mapping.map(entry, &mut made);
                    assert!(!begins || made.is_empty());
                    for event in made {
                        let _ = sender.send(shown(&event));
                    }
                }
            }
        });
        Reader { events, cancel }
    }

    /// Everything up to the update of component `marker`.
    async fn up_to_marker(&mut self) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            let event = within("the marker", self.events.recv()).await.expect("the stream goes on");
            if event.contains("the marker") {
                self.cancel.cancel();
                return seen;
            }
            seen.push(event);
        }
    }
}

fn shown(event: &Event) -> String {
    let (rooms, room) = match event.target() {
        Target::Rooms(rooms) => (format!("{rooms:?}"), rooms[0].clone()),
        target => (format!("{target:?}"), Room::row("any", "1")),
    };
    format!("{} {rooms} {:?} {}", event.name(), event.actor(), event.encode(&Epoch::new("e"), &room))
}

/// A database with these tables published, and a component that marks the end of the writes.
async fn publishing(tables: &str, publish: &str) -> (Database, String) {
    let database = Database::new().await;
    database.sql(tables).await;
    database.sql("INSERT INTO components (entity_type, entity_id, type) VALUES ('marker', '1', 'x')").await;
    let publication = format!("p_{}", database.name);
    let publish = format!(
        "CREATE PUBLICATION {publication} FOR TABLE walcast.rules, components, {publish} \
         WITH (publish_via_partition_root = true)"
    );
    database.sql(&publish).await;
    (database, publication)
}

/// What each plugin, pgoutput first, makes of the same transactions.
async fn told(database: &Database, publication: &str, writes: impl IntoIterator<Item = String>) -> [Vec<String>; 2] {
    let mut pgoutput = Reader::start(database, publication, Plugin::PgOutput).await;
    let mut wal2json = Reader::start(database, publication, Plugin::Wal2Json).await;
    for transaction in writes {
        database.sql(&transaction).await;
    }
    database.sql("UPDATE components SET name = 'the marker' WHERE entity_type = 'marker'").await;
    [pgoutput.up_to_marker().await, wal2json.up_to_marker().await]
}

fn assert_same([pgoutput, wal2json]: [Vec<String>; 2], of: &str) {
    for (n, (one, other)) in pgoutput.iter().zip(&wal2json).enumerate() {
        let place = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
        assert!(
            one == other,
            "{of}: event {n} differs from byte {place} on\n  pgoutput: {}\n  wal2json: {}",
            around(one, place),
            around(other, place)
        );
    }
    assert_eq!(pgoutput.len(), wal2json.len(), "{of}: one tells more than the other");
}

/// An event in short: its start, and what stands around a place in it.
fn around(event: &str, place: usize) -> String {
    let bytes = event.as_bytes();
    let part = |from: usize, to: usize| String::from_utf8_lossy(&bytes[from.min(bytes.len())..to.min(bytes.len())]);
    format!("{} … {} …", part(0, 80), part(place.saturating_sub(100).max(80), place + 100))
}

async fn agree(seed: u64) {
    let (database, publication) = publishing(TABLES, workload::PUBLISHED).await;
    let mut workload = Workload::new(seed);
    // Rows that are there before the streams begin: their tables' first changes are not all INSERTs.
    for _ in 0..30 {
        database.sql(&workload.transaction()).await;
    }
    let writes = std::iter::repeat_with(|| workload.transaction()).take(150);
    let told = told(&database, &publication, writes).await;
    assert!(told[0].len() > 200, "only {} events: the workload is too tame", told[0].len());
    assert_same(told, &format!("seed {seed}"));
}

#[tokio::test]
async fn over_random_writes_seed_1() {
    agree(1).await;
}

#[tokio::test]
async fn over_random_writes_seed_2() {
    agree(2).await;
}

#[tokio::test]
async fn over_random_writes_seed_3() {
    agree(3).await;
}

#[tokio::test]
async fn over_random_writes_seed_4() {
    agree(4).await;
}

#[tokio::test]
async fn a_column_list_stays_what_it_is_through_ddl() {
    let table = "CREATE TABLE listed (id int PRIMARY KEY, secret text, a text);";
    let (database, publication) = publishing(table, "listed (id, a)").await;
    let writes = [
        "INSERT INTO listed VALUES (1, 'secret', 'a')",
        "ALTER TABLE listed ADD COLUMN added text DEFAULT 'secret'",
        "UPDATE listed SET a = 'b'",
        "ALTER TABLE listed RENAME COLUMN secret TO other",
        "INSERT INTO listed VALUES (2, 'secret', 'a', 'secret')",
        "ALTER TABLE listed DROP COLUMN other",
        "UPDATE listed SET id = id + 2, added = 'secret'",
        "DELETE FROM listed",
    ];
    let told = told(&database, &publication, writes.map(str::to_owned)).await;
    assert_eq!(told[0].len(), 9, "two rows, one update, two new keys, two deletions: {told:#?}");
    assert!(!told.iter().flatten().any(|event| event.contains("secret")), "{told:#?}");
    assert_same(told, "a column list");
}

#[tokio::test]
async fn wal2json_alone_tells_null_for_nan_and_infinity() {
    let table = "CREATE TABLE numbers (id int PRIMARY KEY, f4 float4, f8 float8, num numeric);";
    let (database, publication) = publishing(table, "numbers").await;
    let write =
        "INSERT INTO numbers VALUES (1, 'NaN', '-Infinity', 'NaN'), (2, 'Infinity', 'NaN', 'Infinity'), (3, 1, 2, 3)";
    let [pgoutput, wal2json] = told(&database, &publication, [write.to_owned()]).await;
    let expected = [
        (r#""f4":"NaN","f8":"-Infinity","num":"NaN""#, r#""f4":null,"f8":null,"num":null"#),
        (r#""f4":"Infinity","f8":"NaN","num":"Infinity""#, r#""f4":null,"f8":null,"num":null"#),
        (r#""f4":1,"f8":2,"num":3"#, r#""f4":1,"f8":2,"num":3"#),
    ];
    for (n, (of_pgoutput, of_wal2json)) in expected.into_iter().enumerate() {
        assert!(pgoutput[n].contains(of_pgoutput), "{}", pgoutput[n]);
        assert_eq!(pgoutput[n].replace(of_pgoutput, of_wal2json), wal2json[n]);
    }
}

/// A dropped column, unlike one that has an out-of-line value, leaves the new row whole. wal2json shows neither.
#[tokio::test]
async fn wal2json_alone_asks_to_fetch_a_row_whose_key_changes_after_a_column_was_dropped() {
    let table = "CREATE TABLE shrinking (id int PRIMARY KEY, dropped text); INSERT INTO shrinking VALUES (1, 'x');";
    let (database, publication) = publishing(table, "shrinking").await;
    let writes = [
        "ALTER TABLE shrinking DROP COLUMN dropped",
        "UPDATE shrinking SET id = 2",
        "INSERT INTO shrinking VALUES (7)",
        "UPDATE shrinking SET id = 3 WHERE id = 2",
    ];
    let [pgoutput, mut wal2json] = told(&database, &publication, writes.map(str::to_owned)).await;
    let resync = wal2json.remove(2);
    assert!(resync.starts_with("shrinking:resync") && resync.contains(r#""id":2,"reason":"incomplete""#), "{resync}");
    assert_same([pgoutput, wal2json], "but for that");
}
