//! What is written of metrics, beside the code.

use std::collections::BTreeSet;

use walcast::telemetry::ALL;

use super::{known, read};

#[test]
fn the_docs_list_what_there_is_and_nothing_else() {
    let page = read("docs/metrics.md");
    let is_row = |line: &&str| ["| `walcast_", "| `process_"].iter().any(|start| line.starts_with(start));
    let listed: BTreeSet<String> = page.lines().filter(is_row).map(str::to_owned).collect();
    let row = |metric: &walcast::telemetry::Metric| {
        let label = metric.label.map_or(String::new(), |(label, _)| format!("`{label}`"));
        format!("| `{}` | {} | {label} | {} |", metric.name, metric.kind.name(), metric.help).replace("|  |", "| |")
    };
    let wanted: BTreeSet<String> = ALL.iter().map(row).collect();
    let missing: Vec<_> = wanted.difference(&listed).map(String::as_str).collect();
    let wrong: Vec<_> = listed.difference(&wanted).map(String::as_str).collect();
    assert!(
        missing.is_empty() && wrong.is_empty(),
        "docs/metrics.md lacks\n{}\nand should not have\n{}",
        missing.join("\n"),
        wrong.join("\n")
    );
    assert_eq!(page.lines().filter(is_row).count(), ALL.len(), "a metric is listed twice");
}

#[test]
fn names_are_as_prometheus_wants_them() {
    for metric in ALL {
        let name = metric.name;
        let is_total = name.ends_with("_total");
        assert_eq!(is_total, metric.kind.name() == "counter", "{name}: counters, and no others, end in _total");
        assert!(metric.help.ends_with('.') && !metric.help.contains('|'), "{name}: {}", metric.help);
    }
    assert_eq!(known().len(), ALL.len(), "a name is given twice");
}
