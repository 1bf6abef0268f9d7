use super::{Case, Finding};
use crate::store::survey::Schema;

const NAME: &str = "migrations";

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let remedy = "walcast migrate, as an owner of the database";
    match &case.survey.schema {
        Schema::Current => Vec::new(),
        Schema::OtherText => vec![Finding::warning(
            NAME,
            "functions or views in schema walcast are not those of this version of walcast",
            "they may do what another version does; several servers of different versions also look like this",
            remedy,
        )],
        Schema::Refused(why) => vec![Finding::error(
            NAME,
            why.clone(),
            "walcast serve starts only on a database that it knows to be its version's",
            remedy,
        )],
    }
}
