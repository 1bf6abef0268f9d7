//! A row is told over HTTP exactly as events tell it.

use serde_json::json;

use super::{fetch, serve};
use crate::support::Poller;

/// Types, and values of them, as SQL. Each also becomes an array.
const SAMPLES: [(&str, &str); 58] = [
    ("bool", "true"),
    ("int2", "-7"),
    ("int4", "42"),
    ("int8", "9007199254740993"),
    ("oid", "4000000000"),
    ("float4", "0.1"),
    ("float8", "'1e-300'"),
    ("float8", "'NaN'"),
    ("float8", "'-Infinity'"),
    ("numeric", "12345678901234567890.1234567890"),
    ("numeric(9, 3)", "1.5"),
    ("numeric", "'NaN'"),
    ("money", "'12.34'"),
    ("text", "'a \"b\" \\ c, {d}\té 🦀' || chr(1) || chr(10)"),
    ("text", "''"),
    ("text", "'NULL'"),
    ("varchar(10)", "'v'"),
    ("char(5)", "'c'"),
    ("\"char\"", "'x'"),
    ("name", "'n'"),
    ("json", "' {\"a\" : [1, 2.50, 1e5]} '"),
    ("jsonb", "'{\"b\": 1.50, \"a\": null}'"),
    ("jsonb", "'\"text\"'"),
    ("jsonpath", "'$.a[*] ? (@ > 1)'"),
    ("xml", "'<a b=\"c\">d</a>'"),
    ("bytea", "'\\x00ff41'"),
    ("uuid", "'6F9619FF-8B86-D011-B42D-00C04FC964FF'"),
    ("date", "'2026-11-23'"),
    ("date", "'infinity'"),
    ("time", "'02:28:00.5'"),
    ("timetz", "'02:28:00.5+05:30'"),
    ("timestamp", "'2026-11-23 02:28:00.133275'"),
    ("timestamptz", "'2026-11-23 02:28:00.133275+05:30'"),
    ("timestamptz", "'0044-03-15 12:00:00+00 BC'"),
    ("interval", "'1 year 2 days -03:04:05.6'"),
    ("inet", "'10.1.2.3/32'"),
    ("inet", "'fe80::1/64'"),
    ("cidr", "'10.0.0.0/8'"),
    ("macaddr", "'08:00:2B:01:02:03'"),
    ("macaddr8", "'08:00:2b:01:02:03:04:05'"),
    ("bit(3)", "B'101'"),
    ("varbit", "B'1'"),
    ("point", "'(1.5,-2)'"),
    ("box", "'(1,2),(3,4)'"),
    ("circle", "'<(1,2),3>'"),
    ("path", "'[(0,0),(1,1)]'"),
    ("polygon", "'((0,0),(1,1),(1,0))'"),
    ("lseg", "'[(0,0),(1,1)]'"),
    ("line", "'{1,2,3}'"),
    ("tsvector", "'a:1 b:2A'"),
    ("tsquery", "'a & b'"),
    ("int4range", "'[1,5)'"),
    ("tstzrange", "'[2026-01-01 00:00+00,)'"),
    ("pg_lsn", "'16/B374D848'"),
    ("regclass", "'kinds'"),
    ("mood", "'so so'"),
    ("pair", "'(,\"x, y\")'"),
    ("percent", "7"),
];

#[tokio::test]
async fn every_type_is_told_as_events_tell_it() {
    let columns = |sql: &dyn Fn(usize, &str, &str) -> String| {
        let samples = SAMPLES.iter().enumerate();
        samples.map(|(n, (kind, value))| sql(n, kind, value)).collect::<Vec<_>>().join(", ")
    };
    let declared = columns(&|n, kind, _| format!("c{n} {kind}, a{n} {kind}[]"));
    let setup = format!(
        "SET client_min_messages = error; \
         CREATE TYPE mood AS ENUM ('so so', 'well'); CREATE TYPE pair AS (a int, b text); \
         CREATE DOMAIN percent AS int CHECK (VALUE BETWEEN 0 AND 100); \
         CREATE TABLE kinds (id int PRIMARY KEY, {declared}, bounds int[], empty int[], nulls pair); \
         ALTER TABLE kinds REPLICA IDENTITY FULL; \
         SELECT walcast.broadcast_table('kinds', prefix => 'kind');"
    );
    let (database, server) = serve(&setup, ", kinds").await;
    // None of which may show.
    for setting in [
        "datestyle = 'German'",
        "timezone = 'Asia/Kolkata'",
        "intervalstyle = 'iso_8601'",
        "bytea_output = 'escape'",
        "extra_float_digits = -5",
    ] {
        database.sql(&format!("ALTER DATABASE {} SET {setting}", database.name)).await;
    }
    let mut poller = Poller::enter(server.address, "ann").await;
    for (id, values) in [
        (1, columns(&|_, kind, value| format!("({value})::{kind}, ARRAY[({value})::{kind}, NULL]"))),
        (2, columns(&|_, kind, value| format!("NULL, ARRAY[[({value})::{kind}], [NULL::{kind}]]"))),
        (3, columns(&|_, _, _| "NULL, NULL".to_owned())),
    ] {
        poller.say(&format!("42{id}{}", json!(["kind:subscribe", { "kindId": id }]))).await;
        assert!(poller.poll().await[0].starts_with("43"));
        let more = "'[2:3]={7,8}'::int[], '{}'::int[], ROW(NULL, NULL)::pair";
        database.sql(&format!("INSERT INTO kinds VALUES ({id}, {values}, {more})")).await;
        // That somebody has come may be told before it.
        let event = loop {
            let events = poller.poll().await;
            if let Some(event) = events.into_iter().find(|event| event.starts_with("42[\"kind:created\"")) {
                break event;
            }
        };

        let fetched = fetch(&server, &format!("/api/rows/kind/{id}")).await;
        let row = fetched.body.strip_prefix("{\"ok\":true,\"row\":").and_then(|body| body.strip_suffix('}'));
        let row = row.unwrap_or_else(|| panic!("{fetched:?}"));
        assert!(event.contains(&format!("\"kind\":{row},")), "by HTTP\n{row}\nby an event\n{event}");
        assert_eq!(fetched.json()["row"].as_object().expect("an object").len(), 2 * SAMPLES.len() + 4);
    }
}
