use super::{Case, Finding, primary_key::is_nameless};
use crate::{
    events::{Mapper, RuleSpec},
    postgres::quote::{identifier, literal},
};

const NAME: &str = "rules";

/// Judged as the stream would judge them, by the same code.
pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let survey = case.survey;
    let stays = "until it is mended the table goes by its own name, or its changes are not told";
    let mut findings: Vec<Finding> = survey
        .refused_rules
        .iter()
        .map(|refused| Finding::error(NAME, refused.clone(), stays, "SELECT walcast.broadcast_table(…);"))
        .collect();
    let is_published = |rule: &&RuleSpec| {
        survey.tables.iter().any(|table| (&table.schema, &table.name) == (&rule.schema_name, &rule.table_name))
    };
    // Without a publication that is the finding.
    if survey.publication.exists {
        findings.extend(survey.rules.iter().filter(|rule| !is_published(rule)).map(|rule| unpublished(rule, case)));
    }

    let mut mapper = match Mapper::new(survey.rules.clone()) {
        Ok(mapper) => mapper,
        Err(error) => {
            findings.push(Finding::error(NAME, error.to_string(), stays, "SELECT walcast.broadcast_table(…);"));
            return findings;
        }
    };
    for table in survey.tables.iter().filter(|table| !is_nameless(table, survey)) {
        let key = table.key.iter().map(|column| column.as_str().into()).collect();
        if let Some((what, remedy)) = mapper.fault(&table.told(), key) {
            findings.push(Finding::error(
                NAME,
                format!("{table}: {what}"),
                "instead of what has changed, who follows the table is at most told to fetch again",
                remedy,
            ));
        }
    }
    findings
}

fn unpublished(rule: &RuleSpec, case: &Case<'_>) -> Finding {
    let RuleSpec { schema_name, table_name, .. } = rule;
    let publication = &case.settings.publication;
    Finding::warning(
        NAME,
        format!("the rule of {schema_name}.{table_name} is of a table that publication {publication} does not show"),
        "nothing is told of it; if it was renamed or dropped, its rule still keeps its prefix from others",
        format!(
            "ALTER PUBLICATION {} ADD TABLE {}.{}; -- or SELECT walcast.unbroadcast_table({}, {});",
            identifier(publication),
            identifier(schema_name),
            identifier(table_name),
            literal(schema_name),
            literal(table_name)
        ),
    )
}
