//! The two output plugins, reading the same writes at once, give the same events, byte for byte.

use std::sync::Arc;

use rand::{RngExt, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
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

use crate::support::{Database, within};

const TABLES: &str = r#"
    CREATE TYPE mood AS ENUM ('sad', 'so "so"', 'happy');
    CREATE DOMAIN positive AS int CHECK (value > 0);
    CREATE TABLE kinds (
        id serial PRIMARY KEY, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, num numeric, flag bool,
        txt text, vc varchar(40), ch char(6), raw bytea, j json, jb jsonb, ts timestamp, tz timestamptz, d date,
        tm time, iv interval, u uuid, ints int[], texts text[], nums numeric[], flags bool[], docs jsonb[],
        addr inet, feel mood, pos positive, big text,
        twice bigint GENERATED ALWAYS AS (i4::bigint * 2) STORED
    );
    ALTER TABLE kinds REPLICA IDENTITY FULL;
    ALTER TABLE kinds ALTER COLUMN big SET STORAGE EXTERNAL;
    CREATE TABLE kinds_by_key (LIKE kinds INCLUDING ALL);
    CREATE TABLE by_index (a int, b text NOT NULL, big text);
    CREATE UNIQUE INDEX by_index_b ON by_index (b);
    ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_b;
    ALTER TABLE by_index ALTER COLUMN big SET STORAGE EXTERNAL;
    CREATE TABLE "Two Keys" ("A" int, "b""c" text, note text, PRIMARY KEY ("b""c", "A"));
    ALTER TABLE "Two Keys" REPLICA IDENTITY FULL;
    CREATE TABLE parts (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), parent_id uuid, row_id text, entity_type text,
        entity_id text, name text, version bigint DEFAULT 1);
    ALTER TABLE parts REPLICA IDENTITY FULL;
    SELECT walcast.broadcast_table('parts', prefix => 'part', id => 'id', entity => ARRAY['entity_type', 'entity_id'],
        version => 'version', nested => '{"parent": "parent_id", "row": "row_id"}');
    SELECT walcast.broadcast_table('by_index', prefix => 'indexed', id => 'b');
"#;

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

async fn agree(seed: u64) {
    let database = Database::new().await;
    database.sql(TABLES).await;
    database.sql("INSERT INTO components (entity_type, entity_id, type) VALUES ('marker', '1', 'x')").await;
    let publication = format!("p_{}", database.name);
    database
        .sql(&format!(
            "CREATE PUBLICATION {publication} FOR TABLE walcast.rules, components, kinds, kinds_by_key, by_index, \
             \"Two Keys\", parts WITH (publish_via_partition_root = true)"
        ))
        .await;
    let mut pgoutput = Reader::start(&database, &publication, Plugin::PgOutput).await;
    let mut wal2json = Reader::start(&database, &publication, Plugin::Wal2Json).await;

    let mut workload = Workload { random: SmallRng::seed_from_u64(seed), column: 0, renamed: 0 };
    for _ in 0..150 {
        let statement = workload.transaction();
        database.sql(&statement).await;
    }
    database.sql("UPDATE components SET name = 'the marker' WHERE entity_type = 'marker'").await;

    let (one, other) = (pgoutput.up_to_marker().await, wal2json.up_to_marker().await);
    assert!(one.len() > 200, "only {} events: the workload is too tame", one.len());
    for (n, (one, other)) in one.iter().zip(&other).enumerate() {
        assert_eq!(one, other, "event {n} of seed {seed}");
    }
    assert_eq!(one.len(), other.len(), "seed {seed}");
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

/// Random transactions that Postgres accepts.
struct Workload {
    random: SmallRng,
    /// The last column that was added.
    column: u32,
    /// The last new name, of a column or a key.
    renamed: u32,
}

impl Workload {
    fn transaction(&mut self) -> String {
        match self.random.random_range(0..100) {
            0..=2 => self.ddl(),
            3 => "TRUNCATE kinds, \"Two Keys\"".to_owned(),
            4 => "TRUNCATE by_index".to_owned(),
            5..=9 => {
                let (lost, kept) = (self.statements(3), self.statements(3));
                format!("BEGIN; SAVEPOINT s; {lost}; ROLLBACK TO s; {kept}; COMMIT")
            }
            10..=12 => format!("BEGIN; {}; ROLLBACK", self.statements(4)),
            13..=25 => {
                let actor = self.random.random_range(0..5);
                format!(
                    "BEGIN; {}; SELECT walcast.set_actor('u{actor}'); {}; COMMIT",
                    self.statements(2),
                    self.statements(3)
                )
            }
            26..=60 => format!("BEGIN; {}; COMMIT", self.statements(6)),
            _ => self.statement(),
        }
    }

    fn statements(&mut self, most: u32) -> String {
        let count = self.random.random_range(1..=most);
        (0..count).map(|_| self.statement()).collect::<Vec<_>>().join("; ")
    }

    fn ddl(&mut self) -> String {
        let table = self.pick(&["kinds", "kinds_by_key", "by_index"]);
        match self.random.random_range(0..3) {
            0 => {
                self.column += 1;
                format!("ALTER TABLE {table} ADD COLUMN added_{} text DEFAULT 'x'", self.column)
            }
            1 => {
                self.renamed += 1;
                let to = format!("renamed_{}", self.renamed);
                format!(
                    "DO $$ DECLARE c text; BEGIN SELECT attname INTO c FROM pg_attribute WHERE attrelid = '{table}'::regclass \
                     AND attname LIKE 'added%' AND NOT attisdropped ORDER BY attnum LIMIT 1; \
                     IF c IS NOT NULL THEN EXECUTE format('ALTER TABLE {table} RENAME COLUMN %I TO {to}', c); END IF; END $$"
                )
            }
            _ => format!(
                "DO $$ DECLARE c text; BEGIN SELECT attname INTO c FROM pg_attribute WHERE attrelid = '{table}'::regclass \
                 AND attname ~ '^(added|renamed)' AND NOT attisdropped ORDER BY attnum LIMIT 1; \
                 IF c IS NOT NULL THEN EXECUTE format('ALTER TABLE {table} DROP COLUMN %I', c); END IF; END $$"
            ),
        }
    }

    fn statement(&mut self) -> String {
        match self.random.random_range(0..10) {
            0..=3 => self.kinds(),
            4 => self.by_index(),
            5 => self.two_keys(),
            6 => self.parts(),
            _ => self.components(),
        }
    }

    fn kinds(&mut self) -> String {
        let table = self.pick(&["kinds", "kinds_by_key"]);
        let row = self.random.random_range(0..4);
        let one = format!("id = (SELECT id FROM {table} ORDER BY id OFFSET {row} LIMIT 1)");
        match self.random.random_range(0..10) {
            0..=3 => {
                let columns: Vec<&str> = KINDS.iter().map(|(column, _)| *column).collect();
                let values: Vec<String> = KINDS.iter().map(|(_, values)| self.pick(values)).collect();
                format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), values.join(", "))
            }
            4..=7 => {
                let count = self.random.random_range(1..4);
                let chosen: Vec<_> = KINDS.sample(&mut self.random, count).cloned().collect();
                let set: Vec<String> =
                    chosen.iter().map(|(column, values)| format!("{column} = {}", self.pick(values))).collect();
                format!("UPDATE {table} SET {} WHERE {one}", set.join(", "))
            }
            8 => format!("UPDATE {table} SET id = id + 100000 WHERE {one}"),
            _ => format!("DELETE FROM {table} WHERE {one}"),
        }
    }

    fn by_index(&mut self) -> String {
        let key = self.random.random_range(0..5);
        match self.random.random_range(0..4) {
            0 | 1 => format!(
                "INSERT INTO by_index (a, b, big) VALUES ({key}, 'b{key}', repeat('x', {})) \
                 ON CONFLICT (b) DO UPDATE SET a = by_index.a + 1",
                self.random.random_range(0..5_000)
            ),
            2 => {
                self.renamed += 1;
                format!("UPDATE by_index SET b = b || '+{}' WHERE b = 'b{key}'", self.renamed)
            }
            _ => format!("DELETE FROM by_index WHERE a = {key}"),
        }
    }

    fn two_keys(&mut self) -> String {
        let key = self.random.random_range(0..4);
        match self.random.random_range(0..3) {
            0 => format!(r#"INSERT INTO "Two Keys" VALUES ({key}, 'k:%{key}', 'n') ON CONFLICT DO NOTHING"#),
            1 => format!(r#"UPDATE "Two Keys" SET note = note || '!', "A" = "A" + {} WHERE "A" = {key}"#, key / 3),
            _ => format!(r#"DELETE FROM "Two Keys" WHERE "A" = {key}"#),
        }
    }

    fn parts(&mut self) -> String {
        let row = self.random.random_range(0..3);
        let one = format!("id = (SELECT id FROM parts ORDER BY id OFFSET {row} LIMIT 1)");
        match self.random.random_range(0..4) {
            0 => format!("INSERT INTO parts (entity_type, entity_id, name) VALUES ('page', '{row}', 'top')"),
            1 => format!(
                "INSERT INTO parts (parent_id, row_id, entity_type, entity_id, name) \
                 SELECT id, 'r{row}', 'page', '1', 'child' FROM parts WHERE {one}"
            ),
            2 => format!("UPDATE parts SET name = name || '.', row_id = 'r{row}' WHERE {one}"),
            _ => format!("DELETE FROM parts WHERE {one}"),
        }
    }

    fn components(&mut self) -> String {
        let row = self.random.random_range(0..3);
        let one =
            format!("id = (SELECT id FROM components WHERE entity_type = 'page' ORDER BY id OFFSET {row} LIMIT 1)");
        let rows = self.document();
        match self.random.random_range(0..8) {
            0 | 1 => format!(
                "INSERT INTO components (entity_type, entity_id, type, rows, created_by) \
                 VALUES ('page', '{row}', 't', '{rows}', 'maker')"
            ),
            2 => format!("DELETE FROM components WHERE {one}"),
            3 => format!(
                "UPDATE components SET name = name || 'é\"', version = version + 1, updated_by = 'u' WHERE {one}"
            ),
            4 => format!("UPDATE components SET entity_id = '{row}' WHERE {one}"),
            _ => format!("UPDATE components SET rows = '{rows}', updated_by = 'nest' WHERE {one}"),
        }
    }

    fn document(&mut self) -> String {
        let rows: Vec<String> = (0..2)
            .map(|row| {
                let children: Vec<String> = (0..self.random.random_range(0..4))
                    .map(|child| format!(r#"{{"id": "c{child}", "n": {}}}"#, self.random.random_range(0..3)))
                    .collect();
                format!(r#"{{"id": "r{row}", "components": [{}]}}"#, children.join(", "))
            })
            .collect();
        format!("[{}]", rows.join(", "))
    }

    fn pick(&mut self, values: &[&str]) -> String {
        (*values.choose(&mut self.random).expect("there is one")).to_owned()
    }
}

/// Values of each type. NaN and infinities of float and numeric are not among them: wal2json says null for those.
const KINDS: [(&str, &[&str]); 28] = [
    ("i2", &["NULL", "0", "-32768", "32767"]),
    ("i4", &["NULL", "1", "-2147483648", "2147483647/2"]),
    ("i8", &["NULL", "9223372036854775807", "-9007199254740993"]),
    ("f4", &["NULL", "1.5", "1e-30", "3.4e38", "0.1"]),
    ("f8", &["NULL", "0.1", "1e300", "-1e-300", "123456789.123456789"]),
    ("num", &["NULL", "0", "1.10", "12345678901234567890.123456789012345678900", "-0.000000000000000001"]),
    ("flag", &["NULL", "true", "false"]),
    ("txt", &["NULL", "''", "'plain'", "E'line\\nfeed \"quoted\" \\\\ back'", "'Grüße ☃ 🎉'", "E'\\u2028\\x07'"]),
    ("vc", &["NULL", "'varchar'", "'null'"]),
    ("ch", &["NULL", "'abc'"]),
    ("raw", &["NULL", "'\\x'", "'\\x00ff10'"]),
    ("j", &["NULL", "'{\"b\":  1, \"a\": [1.10, null]}'", "'\"text\"'", "'null'"]),
    ("jb", &["NULL", "'{\"b\": 1.10, \"a\": {\"deep\": []}}'", "'12345678901234567890'", "'null'"]),
    ("ts", &["NULL", "'2026-01-02 03:04:05.678901'", "'infinity'", "'0044-03-15 12:00:00 BC'"]),
    ("tz", &["NULL", "'2026-01-02 03:04:05+05'", "'-infinity'"]),
    ("d", &["NULL", "'2026-01-02'", "'infinity'"]),
    ("tm", &["NULL", "'23:59:59.999'"]),
    ("iv", &["NULL", "'1 year 2 days -03:00:01.5'"]),
    ("u", &["NULL", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"]),
    ("ints", &["NULL", "'{}'", "'{1,NULL,-3}'", "'{{1,2},{3,4}}'", "'[0:1]={5,6}'"]),
    ("texts", &["NULL", "ARRAY['a,b', 'c\"d', 'NULL', NULL, '', 'é']"]),
    ("nums", &["NULL", "'{1.10,0.000000000000000000001}'"]),
    ("flags", &["NULL", "'{t,f,NULL}'"]),
    ("docs", &["NULL", "ARRAY['{\"a\": \"x,y\"}'::jsonb, 'null'::jsonb, NULL]"]),
    ("addr", &["NULL", "'10.0.0.1/8'"]),
    ("feel", &["NULL", "'sad'", "'so \"so\"'"]),
    ("pos", &["NULL", "7"]),
    ("big", &["NULL", "'short'", "repeat('toast', 2000)", "repeat('ä', 3000)"]),
];
