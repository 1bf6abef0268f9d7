//! What is counted, and what speaks of it: `/metrics`, docs/metrics.md, the dashboard and the alerts.

mod books;
mod counted;

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Output, Stdio},
};

use walcast::telemetry::{ALL, Kind};

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of all metrics.
fn known() -> BTreeSet<&'static str> {
    ALL.iter().map(|metric| metric.name).collect()
}

/// The metrics that a text speaks of. Those of a histogram by the names of their series, which others do not have.
fn spoken_of(text: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_word(c)).filter(|word| {
        ["walcast_", "process_"].iter().any(|prefix| word.starts_with(prefix)) && !word.ends_with("_client")
    });
    let histograms = ALL.iter().filter(|metric| matches!(metric.kind, Kind::Histogram(_)));
    let histograms: BTreeSet<&str> = histograms.map(|metric| metric.name).collect();
    let metric = |word: &str| {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|series| word.strip_suffix(series));
        base.filter(|base| histograms.contains(base)).unwrap_or(word).to_owned()
    };
    words.map(metric).collect()
}

/// Runs Prometheus's own tool in `deploy/`.
fn promtool(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new("promtool");
    command.args(arguments).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy"));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("promtool does not run, which `make test` installs: {error}"));
    let mut stdin = child.stdin.take().expect("piped");
    std::io::Write::write_all(&mut stdin, input.as_bytes()).expect("it listens");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat()
}
