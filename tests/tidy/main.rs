//! The rules of the house, as tests: they read the sources and say where one is broken and what to do.

mod source;

use std::{collections::BTreeSet, path::Path};

use source::{Source, files};

/// Each part's floor. A part may import its own floor and those below. The same table stands in src/lib.rs.
const FLOORS: [(&str, u8); 16] = [
    ("change", 0),
    ("telemetry", 0),
    ("admission", 1),
    ("decode", 1),
    ("events", 1),
    ("auth", 1),
    ("postgres", 1),
    ("store", 1),
    ("replication", 2),
    ("hub", 2),
    ("gateway", 3),
    ("http", 3),
    ("doctor", 3),
    ("app", 4),
    ("cli", 4),
    ("config", 4),
];

/// What a part must not know, besides the floors above it.
const UNKNOWN_TO: [(&str, &[&str]); 4] = [
    ("change", &["tokio", "tokio_postgres", "axum", "socketioxide"]),
    ("decode", &["tokio", "tokio_postgres", "axum", "socketioxide"]),
    ("events", &["tokio", "tokio_postgres", "axum", "socketioxide"]),
    ("hub", &["tokio_postgres", "axum"]),
];

/// The only part that knows Socket.IO's library.
const KNOW_SOCKET_IO: [&str; 1] = ["gateway"];

const LONGEST_FILE: usize = 400;

fn floor(part: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == part).map(|(_, floor)| *floor)
}

/// The sources of the library's parts, with the part that each belongs to.
fn parts() -> Vec<(String, Source)> {
    let sources = files(&["src"], &["rs"]).into_iter().map(|path| Source::read(&path));
    let parts: Vec<_> = sources.filter_map(|source| Some((source.part()?, source))).collect();
    assert!(parts.len() > 10, "only {} sources found: tests/tidy looks in the wrong place", parts.len());
    parts
}

fn report(broken: Vec<String>) {
    assert!(broken.is_empty(), "\n\n{}\n", broken.join("\n"));
}

#[test]
fn no_import_climbs_a_floor() {
    let mut broken = Vec::new();
    for (part, source) in parts() {
        let Some(own) = floor(&part) else {
            broken.push(format!("{}: `{part}` has no floor: give it one in tests/tidy and src/lib.rs", source.name()));
            continue;
        };
        for (line, import) in source.imports() {
            if floor(&import).is_some_and(|other| other > own) {
                broken.push(format!(
                    "{}:{line}: `{part}` (floor {own}) imports `{import}` from above: move what it needs down, or hand it in",
                    source.name(),
                ));
            }
        }
    }
    report(broken);
}

#[test]
fn each_part_knows_only_its_own_trade() {
    let mut broken = Vec::new();
    for (part, source) in parts() {
        let mut unknown: BTreeSet<&str> = UNKNOWN_TO
            .iter()
            .filter(|(name, _)| *name == part)
            .flat_map(|(_, crates)| crates.iter().copied())
            .collect();
        if !KNOW_SOCKET_IO.contains(&part.as_str()) {
            unknown.extend(["socketioxide", "socketioxide_core"]);
        }
        for (line, word) in source.words() {
            if unknown.contains(word) {
                broken.push(format!(
                    "{}:{line}: `{part}` must not know {word}: leave that to the part whose trade it is",
                    source.name()
                ));
            }
        }
    }
    report(broken);
}

#[test]
fn no_file_outgrows_a_reader() {
    let found = files(
        &[
            "src",
            "tests",
            "benches",
            "sql",
            "migrations",
            "scripts",
            "dashboard/src",
            "client/src",
            "client/test",
            "demo/src",
        ],
        &["rs", "sql", "mjs", "js", "sh", "ts", "tsx", "css"],
    );
    let too_long = found.iter().map(|path| Source::read(path)).filter(|source| source.lines() > LONGEST_FILE);
    report(
        too_long
            .map(|source| {
                format!(
                    "{}: {} lines, and {LONGEST_FILE} is the limit: split it by its nouns",
                    source.name(),
                    source.lines()
                )
            })
            .collect(),
    );
}

#[test]
fn nothing_is_left_unfinished() {
    let mut broken = Vec::new();
    for source in files(&["src", "tests", "benches"], &["rs"]).iter().map(|path| Source::read(path)) {
        for name in ["todo", "unimplemented", "dbg"] {
            for line in source.find(&format!("{name}!")) {
                broken.push(format!("{}:{line}: `{name}!`: finish it, or leave it out", source.name()));
            }
        }
    }
    report(broken);
}

#[test]
fn nothing_panics_for_want_of_an_answer() {
    let mut broken = Vec::new();
    for (_, source) in parts().into_iter().filter(|(_, source)| !source.is_test()) {
        let source = source.without_tests();
        for line in source.find(".unwrap()") {
            broken.push(format!(
                "{}:{line}: `.unwrap()`: return an error that says what happened and what to do",
                source.name()
            ));
        }
        for (line, _) in source.words().into_iter().filter(|(_, word)| *word == "unsafe") {
            broken.push(format!("{}:{line}: `unsafe`: there is a safe way", source.name()));
        }
    }
    report(broken);
}

#[test]
fn docs_show_the_configurations_that_the_tests_use() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let bare = |text: String| {
        let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.trim().starts_with("# "));
        lines.collect::<Vec<_>>().join("\n")
    };
    let page = bare(read("docs/behind-a-proxy.md"));
    let examples = ["deploy/nginx.conf", "deploy/haproxy.cfg"].into_iter();
    let changed = examples.filter(|name| !page.contains(&bare(read(name))));
    report(changed.map(|name| format!("{name}: docs/behind-a-proxy.md shows another one: copy it there")).collect());
}

#[test]
fn the_container_has_no_more_privilege_than_it_needs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let wanted = [
        ("Dockerfile", "USER 10001:10001"),
        ("Dockerfile", "HEALTHCHECK"),
        ("docker-compose.yml", "read_only: true"),
        ("docker-compose.yml", "cap_drop: [ALL]"),
        ("docker-compose.yml", "no-new-privileges:true"),
    ];
    let mut broken = Vec::new();
    for (name, line) in wanted {
        let text = std::fs::read_to_string(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        if !text.contains(line) {
            broken.push(format!("{name}: no `{line}`: walcast writes no file and needs no privilege, so it gets none"));
        }
    }
    report(broken);
}

#[test]
fn the_container_is_built_without_tests() {
    // They are not copied into it, and cargo refuses a target that it would have to look for and does not find.
    let manifest = include_str!("../../Cargo.toml");
    let targets = manifest
        .split("\n[")
        .filter(|section| ["[test]]", "[bench]]", "[example]]"].iter().any(|kind| section.starts_with(kind)));
    let unplaced = targets.filter(|section| !section.contains("\npath = "));
    report(
        unplaced
            .map(|section| format!("Cargo.toml: a target without a path, so no image is built: {section}"))
            .collect(),
    );
}

#[test]
fn sql_functions_are_pinned_closed_and_explained() {
    let functions = files(&["sql/functions"], &["sql"]);
    assert!(!functions.is_empty(), "no function found in sql/functions");
    let wanted = [
        (
            "SET search_path",
            "pin it (SET search_path = pg_catalog, pg_temp), or its caller's schemas decide what it means",
        ),
        ("REVOKE ALL ON FUNCTION", "take it from PUBLIC, or every role may call it"),
        ("COMMENT ON FUNCTION", "say what it does where a DBA sees it (\\df+)"),
    ];
    let mut broken = Vec::new();
    for source in functions.iter().map(|path| Source::read(path)) {
        for (text, remedy) in wanted {
            if !source.text().contains(text) {
                broken.push(format!("{}:1: no `{text}`: {remedy}", source.name()));
            }
        }
    }
    report(broken);
}

#[test]
fn sql_functions_are_tested() {
    let tests = files(&["tests/it"], &["rs"]).into_iter().map(|path| Source::read(&path));
    // Which looks at all of them alike, and at what none of them does.
    let tests: Vec<_> = tests.filter(|source| source.name() != "tests/it/sql_privileges.rs").collect();
    let functions = files(&["sql/functions"], &["sql"]).into_iter();
    let names = functions.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()));
    let untested = names.filter(|name| !tests.iter().any(|source| source.text().contains(name.as_str())));
    report(
        untested
            .map(|name| {
                format!(
                    "sql/functions/{name}.sql: no test in tests/it names it: test what it does, and what it refuses"
                )
            })
            .collect(),
    );
}

#[test]
fn migrations_are_numbered_without_a_gap() {
    let mut numbers = Vec::new();
    let mut broken = Vec::new();
    for path in files(&["migrations"], &["sql"]) {
        match number(&path) {
            Some(number) => numbers.push(number),
            None => broken.push(format!("{}: call it V<number>__<snake_case_name>.sql", Source::read(&path).name())),
        }
    }
    numbers.sort_unstable();
    assert!(!numbers.is_empty() || !broken.is_empty(), "no migration found");
    if !numbers.iter().copied().eq(1..=numbers.len()) {
        broken.push(format!("migrations/: the numbers are {numbers:?}: count from 1, each once, without a gap"));
    }
    report(broken);
}

fn number(path: &Path) -> Option<usize> {
    let (number, name) = path.file_stem()?.to_str()?.strip_prefix('V')?.split_once("__")?;
    let snake_case = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    (!name.is_empty() && name.chars().all(snake_case)).then(|| number.parse().ok()).flatten()
}
