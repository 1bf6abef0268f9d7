//! Filters decide as Postgres does: random rows as the log gives them, and random conditions, against `SELECT … WHERE`.

use std::collections::BTreeSet;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use walcast::{
    change::{Change, Entry, Operation},
    events::{Filter, Verdict},
    replication::Plugin,
};

use crate::support::{Cluster, Reader, plugins};

/// A column, its type, and values of it in forms that both Postgres and filters take.
const COLUMNS: [(&str, &str, &[&str]); 17] = [
    ("i2", "smallint", &["-32768", "-1", "0", "7", "32767"]),
    ("i4", "integer", &["-2147483648", "-10", "9", "10", "042", "2147483647"]),
    ("i8", "bigint", &["-9223372036854775808", "9007199254740993", "9007199254740992", "0", "9223372036854775807"]),
    (
        "n",
        "numeric",
        &[
            "0",
            "-0.00",
            "1.5",
            "1.50",
            "1.500000000000000000000000001",
            "-1.5",
            "1e3",
            "1000",
            "-2e-7",
            "12345678901234567890.5",
        ],
    ),
    ("f4", "real", &["0", "-0", "0.1", "16777216", "16777217", "-1.5", "1e30", "-1e-30"]),
    ("f8", "double precision", &["0", "-0", "0.1", "0.30000000000000004", "0.3", "-1.5", "1e300", "-1e-300"]),
    ("b", "boolean", &["true", "false", "t", "no"]),
    ("t", "text", &["", " ", "a", "A", "ab", "a%", "B_b", "é", "z", "10", "9", "a,b", "say \"x\"", "back\\slash"]),
    ("v", "varchar(9)", &["", "a", "a ", "Ab", "abc", "ü"]),
    ("p", "char(5)", &["", "a", "a  ", "ab", "Ab", "b"]),
    (
        "u",
        "uuid",
        &[
            "00000000-0000-0000-0000-000000000000",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "A0EEBC999C0B4EF8BB6D6BB9BD380A12",
        ],
    ),
    (
        "d",
        "date",
        &[
            "2026-11-23",
            "2024-02-29",
            "1970-01-01",
            "0001-01-01",
            "0044-03-15 BC",
            "10000-01-01",
            "infinity",
            "-infinity",
        ],
    ),
    ("ti", "time", &["00:00:00", "02:28:00.133275", "23:59:59.999999", "24:00:00", "10:00"]),
    (
        "ts",
        "timestamp",
        &["2026-11-23 02:28:00", "2026-11-23T02:28:00.133", "2026-11-23", "1969-12-31 23:59:59.999999", "infinity"],
    ),
    (
        "tz",
        "timestamptz",
        &[
            "2026-11-23 02:28:00+00",
            "2026-11-23T02:28:00Z",
            "2026-11-23 04:28:00+02",
            "2026-11-22T20:58:00-05:30",
            "4713-01-01 00:00:00+00 BC",
        ],
    ),
    ("e", "mood", &["sad", "so, so", "glad"]),
    ("j", "jsonb", &["{}", "[1]"]),
];
/// Under `wal2json` these are NULL.
const BEYOND_NUMBERS: [(&str, &[&str]); 3] =
    [("n", &["NaN", "infinity"]), ("f4", &["NaN", "-infinity"]), ("f8", &["NaN", "infinity"])];
const PATTERNS: [&str; 12] = ["", "%", "a", "a%", "%b", "_", "__", "A\\%", "%\\_%", "%a%b%", "_b%", "%\\\\%"];

/// What is tried under one plugin.
struct Trial {
    rng: StdRng,
    plugin: Plugin,
}

impl Trial {
    fn pick<'a>(&mut self, values: &[&'a str]) -> &'a str {
        values[self.rng.random_range(0..values.len())]
    }

    fn value(&mut self, column: usize) -> &'static str {
        let (name, _, values) = COLUMNS[column];
        let beyond = BEYOND_NUMBERS.iter().find(|(of, _)| *of == name && self.plugin == Plugin::PgOutput);
        match beyond {
            Some((_, beyond)) if self.rng.random_ratio(1, 6) => self.pick(beyond),
            _ => self.pick(values),
        }
    }

    /// One row's values in SQL.
    fn row(&mut self) -> String {
        let cells = (0..COLUMNS.len()).map(|column| match self.rng.random_ratio(1, 5) {
            true => "NULL".to_owned(),
            false => literal(self.value(column)),
        });
        cells.collect::<Vec<_>>().join(", ")
    }

    /// A condition in SQL, and as a filter.
    fn condition(&mut self) -> (String, String) {
        let column = self.rng.random_range(0..COLUMNS.len());
        let (name, sql_type, _) = COLUMNS[column];
        let is_text = matches!(name, "t" | "v" | "p");
        let operators: &[&str] = match name {
            "j" => &["null"],
            "b" => &["eq", "neq", "in", "gt", "lte", "null", "true", "false", "unknown"],
            "e" => &["eq", "neq", "in", "null"],
            _ if is_text => &["eq", "neq", "in", "gt", "gte", "lt", "lte", "like", "ilike", "null"],
            _ => &["eq", "neq", "in", "gt", "gte", "lt", "lte", "null"],
        };
        let operator = self.pick(operators);
        let collate = if is_text { " COLLATE \"C\"" } else { "" };
        let compare =
            |sql: &str, value: &str| format!("{name} {sql} {}::{}{collate}", literal(value), unbounded(sql_type));
        let (sql, filter) = match operator {
            "null" | "true" | "false" | "unknown" => (format!("{name} IS {operator}"), format!("is.{operator}")),
            "in" => {
                let values: Vec<&str> = (0..self.rng.random_range(1..4)).map(|_| self.value(column)).collect();
                let list = values.iter().map(|value| compare("=", value)).collect::<Vec<_>>().join(" OR ");
                let quoted: Vec<String> = values.iter().map(|value| quoted(value)).collect();
                (format!("({list})"), format!("in.({})", quoted.join(",")))
            }
            "like" | "ilike" => {
                let pattern = self.pick(&PATTERNS);
                (format!("{name} {operator} {}", literal(pattern)), format!("{operator}.{}", quoted(pattern)))
            }
            _ => {
                let value = self.value(column);
                let sql = match operator {
                    "eq" => "=",
                    "neq" => "<>",
                    "gt" => ">",
                    "gte" => ">=",
                    "lt" => "<",
                    _ => "<=",
                };
                (compare(sql, value), format!("{operator}.{}", quoted(value)))
            }
        };
        match self.rng.random_ratio(1, 4) {
            true => (format!("NOT ({sql})"), format!("{name}=not.{filter}")),
            false => (sql, format!("{name}={filter}")),
        }
    }
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A comparison does not cut what it compares with.
fn unbounded(sql_type: &str) -> &str {
    match sql_type {
        "char(5)" => "bpchar",
        "varchar(9)" => "varchar",
        other => other,
    }
}

#[tokio::test]
async fn they_decide_on_the_texts_of_the_log_as_postgres_does_on_its_rows() {
    let cluster = Cluster::start(&[]).await;
    let columns: Vec<String> = COLUMNS.iter().map(|(name, sql_type, _)| format!("{name} {sql_type}")).collect();
    let create = format!("CREATE TABLE r (id int PRIMARY KEY, {})", columns.join(", "));
    cluster.sql("CREATE TYPE mood AS ENUM ('sad', 'so, so', 'glad')").await;
    cluster.sql(&format!("{create}; CREATE PUBLICATION walcast FOR TABLE r; SET timezone = 'UTC'")).await;
    for (plugin, slot) in plugins().into_iter().zip(["a", "b"]) {
        let mut trial = Trial { rng: StdRng::seed_from_u64(0x57A1_CA57), plugin };
        let mut settings = cluster.settings(plugin);
        settings.slot = slot.to_owned();
        let (mut reader, _) = Reader::connected(settings).await;
        let rows: Vec<String> = (0..300).map(|id| format!("({id}, {})", trial.row())).collect();
        cluster.sql(&format!("TRUNCATE r; INSERT INTO r VALUES {}", rows.join(", "))).await;
        let (entries, _) = reader.transaction().await;
        let inserts: Vec<Change> = entries.into_iter().filter_map(insert).collect();
        assert_eq!(inserts.len(), rows.len(), "{plugin}");
        let mut let_through = 0;
        for _ in 0..400 {
            let conditions: Vec<_> = (0..trial.rng.random_range(1..4)).map(|_| trial.condition()).collect();
            let sql: Vec<&str> = conditions.iter().map(|(sql, _)| sql.as_str()).collect();
            let filter: Vec<&str> = conditions.iter().map(|(_, filter)| filter.as_str()).collect();
            let (sql, text) = (sql.join(" AND "), filter.join(","));
            let filter = Filter::parse([text.as_str()]).unwrap_or_else(|error| panic!("{text}: {error}"));
            let found = cluster.client.query(&format!("SELECT id FROM r WHERE {sql}"), &[]).await;
            let found = found.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            let expected: BTreeSet<String> = found.iter().map(|row| row.get::<_, i32>(0).to_string()).collect();
            let chosen: BTreeSet<String> = inserts.iter().filter_map(|change| chosen(&filter, change)).collect();
            assert_eq!(chosen, expected, "{plugin}: {text} is not {sql}");
            let_through += chosen.len();
        }
        assert!(let_through > 1_000, "{plugin}: the filters let nearly nothing through, so they say nothing");
        reader.stop().await.expect("stops");
    }
}

fn insert(entry: Entry) -> Option<Change> {
    match entry {
        Entry::Change(change) if matches!(change.operation, Operation::Insert { .. }) => Some(change),
        _ => None,
    }
}

/// The id of a row that the filter lets through.
fn chosen(filter: &Filter, change: &Change) -> Option<String> {
    let Operation::Insert { new } = &change.operation else { return None };
    filter.check(&change.table).unwrap_or_else(|error| panic!("{filter}: {error}"));
    match filter.bind(&change.table).judge(|column| new.cell(column)) {
        Verdict::Yes => new.cell(0).text().map(str::to_owned),
        Verdict::No => None,
        Verdict::Unknown => panic!("{filter} is not decided on {new:?}"),
    }
}
