use super::{Case, Finding};
use crate::{
    postgres::quote::identifier,
    store::survey::{GuardFacts, Table},
};

const NAME: &str = "row_security";

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let secured = case.survey.guards.iter().filter(|guard| guard.row_security);
    let partitions = case.survey.tables.iter().filter(|table| is_of_partitions_only(table, case));
    secured.flat_map(|guard| judge(guard, case)).chain(partitions.map(judge_partitions)).collect()
}

fn judge(guard: &GuardFacts, case: &Case<'_>) -> Vec<Finding> {
    let table = format!("{}.{}", guard.schema, guard.name);
    let target = format!("{}.{}", identifier(&guard.schema), identifier(&guard.name));
    let (role, quoted) = (&case.settings.client_role, identifier(&case.settings.client_role));
    let nobody = "no socket hears of a row of it, fetches or writes one";
    if !guard.has_client {
        let what = format!("{table} has row-level security, and role {role}, which sockets act as, is not there");
        let remedy = format!(
            "CREATE ROLE {quoted} NOLOGIN; GRANT {quoted} TO CURRENT_USER; -- sql/roles.sql does; or set WALCAST_CLIENT_ROLE"
        );
        return vec![Finding::error(NAME, what, nobody, remedy)];
    }
    let mut findings = Vec::new();
    if !guard.may_act {
        let what = format!("the role that walcast logs in as is no member of {role}, which sockets act as");
        let remedy = format!("GRANT {quoted} TO walcast; -- or whichever role it logs in as");
        findings.push(Finding::error(NAME, what, nobody, remedy));
    }
    if !guard.can_select {
        let what = format!("role {role} may not SELECT {table}, which has row-level security");
        findings.push(Finding::warning(NAME, what, nobody, format!("GRANT SELECT ON {target} TO {quoted};")));
    } else if guard.permissive.is_empty() {
        let what = format!("{table} has row-level security, and no policy lets role {role} see a row");
        let remedy = format!(
            "CREATE POLICY … ON {target} FOR SELECT USING (…); -- or ALTER TABLE {target} DISABLE ROW LEVEL SECURITY"
        );
        findings.push(Finding::warning(NAME, what, nobody, remedy));
    }
    findings.extend(judge_log(guard, &table, &target, case));
    findings
}

/// Whether the log says what policies read.
fn judge_log(guard: &GuardFacts, table: &str, target: &str, case: &Case<'_>) -> Option<Finding> {
    let described = case.survey.tables.iter().find(|other| other.schema == guard.schema && other.name == guard.name)?;
    let is_told = |name: &&String| described.columns.iter().any(|column| column.name == **name && column.told);
    let untold: Vec<&str> = guard.reads.iter().filter(|name| !is_told(name)).map(String::as_str).collect();
    if !untold.is_empty() {
        return Some(Finding::warning(
            NAME,
            format!(
                "policies of {table} read {}, which publication {} leaves out",
                untold.join(", "),
                case.settings.publication
            ),
            "what a change makes of a row cannot be judged by the log: who sees the row is told to fetch it in place of each event",
            format!("publish these columns too; role {} need not be able to read them", case.settings.client_role),
        ));
    }
    let is_in_key = |name: &String| described.key.contains(name);
    let is_full = described.identities.iter().all(|identity| identity.kind == 'f');
    (!is_full && !guard.reads.iter().all(is_in_key)).then(|| {
        Finding::warning(
            NAME,
            format!("the replica identity of {table} is not FULL, and its policies read more than the key"),
            "the log does not say who saw a row before a change: who follows its entity is told to fetch where it could be told what changed",
            format!("ALTER TABLE {target} REPLICA IDENTITY FULL;"),
        )
    })
}

/// Its partitions have row-level security, and it has not.
fn is_of_partitions_only(table: &Table, case: &Case<'_>) -> bool {
    let is_it = |guard: &&GuardFacts| guard.schema == table.schema && guard.name == table.name;
    table.row_security && !case.survey.guards.iter().find(is_it).is_some_and(|guard| guard.row_security)
}

fn judge_partitions(table: &Table) -> Finding {
    let target = format!("{}.{}", identifier(&table.schema), identifier(&table.name));
    Finding::warning(
        NAME,
        format!("partitions of {table} have row-level security, and it has none itself"),
        "what is read or told through the table is not judged by the policies of its partitions, in Postgres as in walcast",
        format!("ALTER TABLE {target} ENABLE ROW LEVEL SECURITY; -- with policies of its own"),
    )
}
