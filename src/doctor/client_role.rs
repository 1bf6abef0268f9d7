use super::{Case, Finding};
use crate::postgres::quote::identifier;

const NAME: &str = "client_role";

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(role) = &case.survey.client_role else { return Vec::new() };
    let quoted = identifier(&role.name);
    let mut findings = Vec::new();
    for above in &role.above {
        let (what, remedy) = if above.role == role.name {
            (
                format!("role {} is {}", role.name, above.attribute),
                format!("ALTER ROLE {quoted} NO{};", above.attribute),
            )
        } else {
            (
                format!("role {} is a member of {}, which is {}", role.name, above.role, above.attribute),
                format!("REVOKE {} FROM {quoted};", identifier(&above.role)),
            )
        };
        findings.push(Finding::error(
            NAME,
            what,
            "row-level security does not hold for such a role, and it is what sockets act as",
            remedy,
        ));
    }
    if !role.owns.is_empty() {
        findings.push(Finding::error(
            NAME,
            format!("role {} owns, or is a member of who owns, {}", role.name, role.owns.join(", ")),
            "policies do not hold for the owner of a table, who may also change them, and sockets act as this role",
            role.owns
                .iter()
                .map(|table| format!("ALTER TABLE {table} OWNER TO CURRENT_USER;"))
                .collect::<Vec<_>>()
                .join(" "),
        ));
    }
    if role.can_login {
        findings.push(Finding::warning(
            NAME,
            format!("role {} can log in", role.name),
            "it is for what sockets do, and nobody has to log in as it",
            format!("ALTER ROLE {quoted} NOLOGIN;"),
        ));
    }
    findings
}
