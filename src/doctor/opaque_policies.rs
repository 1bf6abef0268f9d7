use super::{Case, Finding};
use crate::postgres::quote::identifier;

const NAME: &str = "opaque_policies";

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let opaque = case.survey.guards.iter().filter_map(|guard| Some((guard, guard.opaque.as_ref()?)));
    opaque
        .map(|(guard, why)| {
            let remedy = match why {
                why if why.contains("not published in full") => format!(
                    "ALTER PUBLICATION {} ADD TABLE …; -- what the policies read, with the columns that they read and no row filter",
                    identifier(&case.settings.publication)
                ),
                why if why.contains("which may read anything") => {
                    "write what the function reads into the policy itself; or, if it reads its arguments only, declare it IMMUTABLE"
                        .to_owned()
                }
                _ => "compare with columns, of tables that are published; what changes by itself has to be asked each time".to_owned(),
            };
            Finding::warning(
                NAME,
                format!("a policy of {}.{} {why}", guard.schema, guard.name),
                "its answers cannot be kept: each change of a row asks Postgres for everyone who follows it, and who may not see a \
                 row any more hears so with the row's next change only",
                remedy,
            )
        })
        .collect()
}
