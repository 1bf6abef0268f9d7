use super::{Case, Finding};
use crate::store::survey::Library;

const NAME: &str = "plugin";

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let plugin = case.settings.plugin;
    match &case.survey.library {
        Library::Loads => Vec::new(),
        Library::Refused { why, remedy } => vec![Finding::error(
            NAME,
            format!("Postgres does not load plugin {plugin}: {why}"),
            "WALCAST_PLUGIN asks for it, and no slot can be made with it",
            remedy.clone(),
        )],
        Library::Unknown(why) => vec![Finding::warning(
            NAME,
            format!("whether Postgres loads plugin {plugin} is not known: {why}"),
            "WALCAST_PLUGIN asks for it, and it does not come with Postgres",
            "mend the other findings, then ask again",
        )],
    }
}
