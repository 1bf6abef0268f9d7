use super::{Case, Finding};
use crate::replication::{Plugin, ReplicationError};

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let filtered = case.survey.tables.iter().filter(|table| table.is_filtered).map(ToString::to_string);
    let tables = filtered.collect::<Vec<_>>().join(", ");
    if case.settings.plugin != Plugin::Wal2Json || tables.is_empty() {
        return Vec::new();
    }
    let error = ReplicationError::RowFilter { publication: case.settings.publication.clone(), tables };
    vec![Finding::error(
        "row_filters",
        error.to_string(),
        "rows that the filter leaves out would be told; so walcast serve does not start",
        error.remedy().unwrap_or_default(),
    )]
}
