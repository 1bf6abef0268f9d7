use super::{Case, Finding, Severity};
use crate::{
    postgres::quote::identifier,
    store::survey::{Lack, Purpose},
};

const NAME: &str = "privileges";

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let server = &case.survey.server;
    let replication = (!server.may_replicate).then(|| {
        Finding::error(
            NAME,
            format!("role {} may not replicate", server.role),
            "the log is sent to roles with REPLICATION only",
            format!("ALTER ROLE {0} REPLICATION; -- on RDS: GRANT rds_replication TO {0}", identifier(&server.role)),
        )
    });
    let lacking = case.survey.lacks.iter().map(|lack| tell(lack, &server.role));
    replication.into_iter().chain(lacking).collect()
}

fn tell(lack: &Lack, role: &str) -> Finding {
    let (severity, why) = match lack.purpose {
        Purpose::Own => (Severity::Error, "walcast keeps there what it has to know after a restart, or calls it"),
        Purpose::Read => {
            (Severity::Warning, "its changes are told all the same, but its rows cannot be fetched over HTTP")
        }
        Purpose::Write => (
            Severity::Error,
            "its rule lets sockets write it, which the server does as this role: such writes are refused",
        ),
    };
    let Lack { target, privileges, grant, .. } = lack;
    Finding {
        severity,
        ..Finding::error(NAME, format!("role {role} lacks {privileges} on {target}"), why, grant.clone())
    }
}
