use super::{Case, Finding};
use crate::{postgres::quote::identifier, store::survey::ReplicaIdentity};

const NAME: &str = "replica_identity";

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let publication = &case.survey.publication;
    if !publication.update && !publication.delete {
        return Vec::new();
    }
    case.survey.tables.iter().flat_map(|table| &table.identities).filter_map(|identity| judge(identity, case)).collect()
}

fn judge(identity: &ReplicaIdentity, case: &Case<'_>) -> Option<Finding> {
    let table = format!("{}.{}", identity.schema, identity.name);
    let target = format!("{}.{}", identifier(&identity.schema), identifier(&identity.name));
    let full = format!("ALTER TABLE {target} REPLICA IDENTITY FULL;");
    let refused = "since it is published, Postgres refuses the application's UPDATEs and DELETEs of it";
    if !identity.works {
        let what = match identity.kind {
            'n' => format!("the replica identity of {table} is NOTHING"),
            'i' => format!("the replica identity of {table} is an index that is gone"),
            _ => format!("{table} has no replica identity: it has no primary key that could be it"),
        };
        return Some(Finding::error(NAME, what, refused, full));
    }
    if !identity.hidden.is_empty() {
        return Some(Finding::error(
            NAME,
            format!(
                "publication {} leaves out {} of {table}, which its replica identity needs",
                case.settings.publication,
                identity.hidden.join(", ")
            ),
            refused,
            format!(
                "ALTER PUBLICATION {0} DROP TABLE {target}; ALTER PUBLICATION {0} ADD TABLE {target}; -- or list these columns too",
                identifier(&case.settings.publication)
            ),
        ));
    }
    (identity.kind != 'f').then(|| {
        Finding::warning(
            NAME,
            format!("the replica identity of {table} is not FULL"),
            "the log does not tell the row before a change: `updated` names all columns instead of those that changed, and \
             `deleted` tells the id alone, and not the room of the row's entity",
            full,
        )
    })
}
