use super::{Case, Finding, Severity};
use crate::postgres::quote::identifier;

const NAME: &str = "publication";

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let publication = &case.survey.publication;
    let name = &case.settings.publication;
    let quoted = identifier(name);
    // What serve mends when it starts stops nobody.
    let severity = if publication.may_mend { Severity::Warning } else { Severity::Error };
    if !publication.exists {
        return vec![Finding {
            severity,
            ..Finding::error(
                NAME,
                format!("publication {name} is missing"),
                "what is in it is broadcast; walcast serve makes it where its role may, and else does not start",
                format!(
                    "CREATE PUBLICATION {quoted} FOR TABLE walcast.rules WITH (publish_via_partition_root = true); -- with \
                     the tables to broadcast, as their owner"
                ),
            )
        }];
    }
    let mut findings = Vec::new();
    if !publication.rules {
        findings.push(Finding {
            severity,
            ..Finding::error(
                NAME,
                format!("publication {name} lacks walcast.rules"),
                "by it a new rule reaches walcast; walcast serve puts it in where its role may, and else does not start",
                format!("ALTER PUBLICATION {quoted} ADD TABLE walcast.rules;"),
            )
        });
    }
    if case.survey.tables.is_empty() {
        findings.push(Finding::warning(
            NAME,
            format!("publication {name} is empty: it has no table of yours"),
            "nothing is broadcast",
            format!("ALTER PUBLICATION {quoted} ADD TABLE …;"),
        ));
    }
    let verbs = [("INSERT", publication.insert), ("UPDATE", publication.update), ("DELETE", publication.delete)];
    let left_out: Vec<&str> = verbs.into_iter().filter(|(_, told)| !told).map(|(verb, _)| verb).collect();
    if !left_out.is_empty() {
        findings.push(Finding::warning(
            NAME,
            format!("publication {name} leaves out every {}", left_out.join(" and ")),
            "such changes reach nobody, and among them changes of walcast's rules, which then hold only after a new slot",
            format!("ALTER PUBLICATION {quoted} SET (publish = 'insert, update, delete, truncate');"),
        ));
    }
    findings
}
