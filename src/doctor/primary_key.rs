use super::{Case, Finding};
use crate::{
    postgres::quote::literal,
    store::survey::{Survey, Table},
};

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let nameless = case.survey.tables.iter().filter(|table| is_nameless(table, case.survey));
    nameless
        .map(|table| {
            Finding::error(
                "primary_key",
                format!("{table} has neither a primary key nor a rule that names an id"),
                "nothing names its rows, so its changes are not told",
                format!(
                    "add a primary key, or name a unique column: SELECT walcast.broadcast_table({}, prefix => '…', id => '…');",
                    literal(&table.to_string())
                ),
            )
        })
        .collect()
}

/// Whether nothing says which column names its rows.
pub(super) fn is_nameless(table: &Table, survey: &Survey) -> bool {
    let named = |rule: &&crate::events::RuleSpec| (&rule.schema_name, &rule.table_name) == (&table.schema, &table.name);
    table.key.is_empty() && survey.rules.iter().find(named).is_none_or(|rule| rule.id_column.is_none())
}
