use super::{Case, Finding};

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let level = &case.survey.server.wal_level;
    if level == "logical" {
        return Vec::new();
    }
    vec![Finding::error(
        "wal_level",
        format!("wal_level is {level}"),
        "only with wal_level = logical does the log say enough to tell what has changed",
        "ALTER SYSTEM SET wal_level = logical; -- then restart Postgres (on RDS: rds.logical_replication = 1)",
    )]
}
