//! What is written of metrics, beside the code.

use std::collections::BTreeSet;

use walcast::telemetry::ALL;

use super::{known, promtool, read, said, spoken_of};

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

#[test]
fn the_dashboard_shows_every_metric_and_only_those_that_exist() {
    let dashboard: serde_json::Value = serde_json::from_str(&read("deploy/grafana.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let queries: Vec<&str> = targets.map(|target| target["expr"].as_str().expect("a query")).collect();
    let shown = spoken_of(&queries.join("\n"));
    let shown: BTreeSet<&str> = shown.iter().map(String::as_str).filter(|name| *name != "walcast_build_info").collect();
    let wanted: BTreeSet<&str> = known().into_iter().filter(|name| *name != "walcast_build_info").collect();
    assert_eq!(shown, wanted);
    // Prometheus takes each of its queries.
    let rules: Vec<String> = (queries.iter().enumerate())
        .map(|(nth, query)| {
            let query = query.replace("$__rate_interval", "5m");
            format!("  - {{ record: q{nth}, expr: {} }}", serde_json::Value::from(query))
        })
        .collect();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), format!("groups:\n- name: dashboard\n  rules:\n{}\n", rules.join("\n")))
        .expect("writes");
    let checked = promtool(&["check", "rules", &file.path().display().to_string()], "");
    assert!(checked.status.success(), "{}", said(&checked));
}

#[test]
fn alerts_speak_of_metrics_that_exist() {
    for name in ["deploy/alerts.yml", "deploy/alerts_test.yml"] {
        let spoken = spoken_of(&read(name));
        let unknown: Vec<_> = spoken.iter().filter(|name| !known().contains(name.as_str())).collect();
        assert!(unknown.is_empty() && spoken.len() > 10, "{name}: {unknown:?} of {spoken:?}");
    }
}

#[test]
fn alerts_fire_for_what_they_are_for() {
    for arguments in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]] {
        let checked = promtool(&arguments, "");
        assert!(checked.status.success(), "{}", said(&checked));
    }
    let (rules, tests) = (read("deploy/alerts.yml"), read("deploy/alerts_test.yml"));
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(!alerts.is_empty());
    for alert in alerts {
        assert!(tests.contains(&format!("- alertname: {alert}\n")), "no case in deploy/alerts_test.yml fires {alert}");
        let text = rules.split(&format!("- alert: {alert}\n")).nth(1).and_then(|rest| rest.split("- alert: ").next());
        for annotation in ["summary: ", "remedy: "] {
            assert!(text.is_some_and(|text| text.contains(annotation)), "{alert} has no {annotation}");
        }
    }
}
