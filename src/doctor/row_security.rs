use super::{Case, Finding};
use crate::postgres::quote::identifier;

const NAME: &str = "row_security";

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for table in case.survey.tables.iter().filter(|table| table.row_security) {
        let target = format!("{}.{}", identifier(&table.schema), identifier(&table.name));
        findings.push(Finding::error(
            NAME,
            format!("{table} has row-level security, and walcast does not obey it yet"),
            "every socket with a valid token hears every row of it, whatever its policies say",
            format!(
                "ALTER PUBLICATION {} DROP TABLE {target}; -- one FOR ALL TABLES, or of a schema, has to be made anew by names",
                identifier(&case.settings.publication)
            ),
        ));
        if table.policies == 0 {
            findings.push(Finding::warning(
                NAME,
                format!("{table} has row-level security and no policy"),
                "nobody but its owner may see a row of it",
                format!("CREATE POLICY … ON {target} …; -- or ALTER TABLE {target} DISABLE ROW LEVEL SECURITY"),
            ));
        }
    }
    findings
}
