//! Random writes that Postgres accepts, by their seed.

use rand::{RngExt, SeedableRng, rngs::SmallRng, seq::IndexedRandom};

/// Tables of every replica identity, with and without rules and partitions.
pub const TABLES: &str = r#"
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
    CREATE TABLE moving (id int, half int, note text, big text, PRIMARY KEY (id, half)) PARTITION BY LIST (half);
    CREATE TABLE moving_0 PARTITION OF moving FOR VALUES IN (0);
    CREATE TABLE moving_1 (big text, half int NOT NULL, note text, id int NOT NULL, PRIMARY KEY (id, half));
    ALTER TABLE moving ATTACH PARTITION moving_1 FOR VALUES IN (1);
    ALTER TABLE moving_0 ALTER COLUMN big SET STORAGE EXTERNAL;
    ALTER TABLE moving_1 ALTER COLUMN big SET STORAGE EXTERNAL;
    CREATE TABLE moving_whole (LIKE moving INCLUDING ALL) PARTITION BY LIST (half);
    CREATE TABLE moving_whole_0 PARTITION OF moving_whole FOR VALUES IN (0);
    CREATE TABLE moving_whole_1 PARTITION OF moving_whole FOR VALUES IN (1);
    ALTER TABLE moving_whole REPLICA IDENTITY FULL;
    ALTER TABLE moving_whole_0 REPLICA IDENTITY FULL;
    ALTER TABLE moving_whole_1 REPLICA IDENTITY FULL;
    CREATE TABLE moving_root (LIKE moving INCLUDING ALL) PARTITION BY LIST (half);
    CREATE TABLE moving_root_0 PARTITION OF moving_root FOR VALUES IN (0);
    CREATE TABLE moving_root_1 PARTITION OF moving_root FOR VALUES IN (1);
    ALTER TABLE moving_root REPLICA IDENTITY FULL;
    SELECT walcast.broadcast_table('parts', prefix => 'part', id => 'id', entity => ARRAY['entity_type', 'entity_id'],
        version => 'version', nested => '{"parent": "parent_id", "row": "row_id"}');
    SELECT walcast.broadcast_table('by_index', prefix => 'indexed', id => 'b');
"#;

pub const PUBLISHED: &str = r#"kinds, kinds_by_key, by_index, "Two Keys", parts, moving, moving_whole, moving_root"#;

/// Random transactions that Postgres accepts.
pub struct Workload {
    random: SmallRng,
    /// The last number given to a new column, name or key.
    last: u32,
}

impl Workload {
    pub fn new(seed: u64) -> Workload {
        Workload { random: SmallRng::seed_from_u64(seed), last: 100 }
    }

    pub fn transaction(&mut self) -> String {
        match self.random.random_range(0..100) {
            0..=4 => self.ddl(),
            5 => "TRUNCATE kinds, \"Two Keys\", moving".to_owned(),
            6 => "TRUNCATE by_index".to_owned(),
            7..=9 => {
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
        if self.random.random_bool(0.2) {
            return self.pick(&[
                "ALTER TABLE kinds_by_key REPLICA IDENTITY FULL",
                "ALTER TABLE kinds_by_key REPLICA IDENTITY DEFAULT",
                "ALTER TABLE by_index REPLICA IDENTITY FULL",
                "ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_b",
            ]);
        }
        let (table, insert) = match self.random.random_range(0..6) {
            0 | 1 => ("kinds", None),
            2 | 3 => ("kinds_by_key", Some("INSERT INTO kinds_by_key (i2) VALUES (7)".to_owned())),
            4 => ("by_index", Some(format!("INSERT INTO by_index VALUES (9, 'b{}')", self.number()))),
            _ => ("moving", Some(format!("INSERT INTO moving VALUES ({}, 0)", self.number()))),
        };
        let first_added = format!(
            "SELECT attname INTO c FROM pg_attribute WHERE attrelid = '{table}'::regclass \
             AND attname ~ '^(added|renamed)' AND NOT attisdropped ORDER BY attnum LIMIT 1"
        );
        let ddl = match self.random.random_range(0..5) {
            0 | 1 => {
                let column = self.pick(&[
                    "text DEFAULT 'x'",
                    "int DEFAULT 7",
                    "jsonb",
                    "uuid NOT NULL DEFAULT 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",
                ]);
                return format!("ALTER TABLE {table} ADD COLUMN added_{} {column}", self.number());
            }
            2 => {
                let to = self.number();
                format!("ALTER TABLE {table} RENAME COLUMN %I TO renamed_{to}")
            }
            3 => format!("ALTER TABLE {table} ALTER COLUMN %I DROP NOT NULL, ALTER COLUMN %1$I TYPE text"),
            _ => format!("ALTER TABLE {table} DROP COLUMN %I"),
        };
        let ddl = format!(
            "DO $$ DECLARE c text; BEGIN {first_added}; IF c IS NOT NULL THEN EXECUTE format('{ddl}', c); END IF; END $$"
        );
        match insert {
            // Only an INSERT lets wal2json tell a column that is gone from an out-of-line value that is unchanged.
            Some(insert) => format!("BEGIN; {ddl}; {insert}; COMMIT"),
            None => ddl,
        }
    }

    /// A number that was not there before.
    fn number(&mut self) -> u32 {
        self.last += 1;
        self.last
    }

    fn statement(&mut self) -> String {
        match self.random.random_range(0..12) {
            0..=3 => self.kinds(),
            4 => self.by_index(),
            5 => self.two_keys(),
            6 => self.parts(),
            7 | 8 => self.moving(),
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
                format!("UPDATE by_index SET b = b || '+{}' WHERE b = 'b{key}'", self.number())
            }
            _ => format!("DELETE FROM by_index WHERE a = {key}"),
        }
    }

    fn two_keys(&mut self) -> String {
        let key = self.random.random_range(0..4);
        match self.random.random_range(0..4) {
            0 => format!(r#"INSERT INTO "Two Keys" VALUES ({key}, 'k:%{key}', 'n') ON CONFLICT DO NOTHING"#),
            1 => format!(r#"UPDATE "Two Keys" SET note = note || '!' WHERE "A" = {key}"#),
            2 => format!(r#"UPDATE "Two Keys" SET "A" = {} WHERE "A" = {key}"#, self.number()),
            _ => format!(r#"DELETE FROM "Two Keys" WHERE "A" = {key}"#),
        }
    }

    /// Rows that move between partitions, where an UPDATE is a DELETE and an INSERT.
    fn moving(&mut self) -> String {
        let table = self.pick(&["moving", "moving_whole", "moving_root"]);
        let (id, half) = (self.random.random_range(0..4), self.random.random_range(0..2));
        match self.random.random_range(0..6) {
            0 | 1 => format!(
                "INSERT INTO {table} VALUES ({id}, {half}, 'n', repeat('x', {})) ON CONFLICT DO NOTHING",
                self.random.random_range(0..5_000)
            ),
            2 => format!("UPDATE {table} SET note = note || '!' WHERE id = {id}"),
            3 => {
                format!("UPDATE {table} SET half = 1 - half, id = {} WHERE id = {id} AND half = {half}", self.number())
            }
            4 => format!("UPDATE {table} SET id = {} WHERE id = {id} AND half = {half}", self.number()),
            _ => format!("DELETE FROM {table} WHERE id = {id}"),
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
