use bytestring::ByteString;
use serde::de::DeserializeOwned;

use super::{
    Plugin, ReplicationError, Settings,
    wire::{Row, Wire},
};
use crate::{
    change::Column,
    decode::{Decoder, PgOutput, Published, PublishedTable, Scope, Wal2Json, wal2json_options},
    postgres::quote::{identifier, literal},
};

/// It must be there before the slot, since the log is decoded with the catalog of its time. What is in it is the DBA's to
/// say, so it is not made here: an empty one that took the place of one dropped by mistake would broadcast nothing.
pub(super) async fn require(wire: &mut Wire, publication: &str) -> Result<(), ReplicationError> {
    let find = format!("SELECT 1 FROM pg_catalog.pg_publication WHERE pubname = {}", literal(publication));
    if wire.query(&find).await?.is_empty() {
        return Err(ReplicationError::NoPublication { publication: publication.to_owned() });
    }
    Ok(())
}

/// The plugin's options that ask for what is published, and the decoder for what then comes.
pub(super) async fn reading(
    wire: &mut Wire,
    settings: &Settings,
    version: u32,
) -> Result<(Vec<(String, String)>, Box<dyn Decoder>), ReplicationError> {
    match settings.plugin {
        Plugin::PgOutput => Ok((pgoutput_options(&settings.publication), Box::new(PgOutput::new()))),
        Plugin::Wal2Json => {
            let published = published(wire, &settings.publication, version).await?;
            Ok((wal2json_options(&published), Box::new(Wal2Json::new(published))))
        }
    }
}

fn pgoutput_options(publication: &str) -> Vec<(String, String)> {
    // The value is a list of identifiers: unquoted, `MixEd` would be folded to `mixed`.
    [("proto_version", "1".to_owned()), ("publication_names", identifier(publication)), ("messages", "true".to_owned())]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
}

async fn published(wire: &mut Wire, publication: &str, version: u32) -> Result<Published, ReplicationError> {
    let rows = wire.query(&published_tables(publication, version)).await?;
    let filtered: Vec<String> = rows
        .iter()
        .filter(|row| row.is_true(6))
        .map(|row| format!("{}.{}", row.get(0).unwrap_or_default(), row.get(1).unwrap_or_default()))
        .collect();
    if !filtered.is_empty() {
        let publication = publication.to_owned();
        return Err(ReplicationError::RowFilter { publication, tables: filtered.join(", ") });
    }
    Ok(Published::new(rows.iter().map(table).collect::<Result<_, _>>()?))
}

/// Schema, name, insert, update, delete, truncate, whether rows are filtered, whether there is a column list, whether
/// the replica identity is FULL, columns (name and type), generated columns that are not published, leaves (all JSON).
fn published_tables(publication: &str, version: u32) -> String {
    // Lists and filters came with 15; up to 17 a table without a list also shows its generated columns, which
    // pgoutput does not send.
    let has_list = "EXISTS (SELECT FROM pg_catalog.pg_publication_rel r \
                      WHERE r.prpubid = p.oid AND r.prrelid = c.oid AND r.prattrs IS NOT NULL)";
    let (filtered, has_list, is_told) = match version {
        180_000.. => ("t.rowfilter IS NOT NULL", has_list, "a.attname = ANY (t.attnames)"),
        150_000.. => ("t.rowfilter IS NOT NULL", has_list, "a.attname = ANY (t.attnames) AND a.attgenerated = ''"),
        _ => ("false", "false", "a.attgenerated = ''"),
    };
    format!(
        "SELECT t.schemaname, t.tablename, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, {filtered}, {has_list}, \
           coalesce((SELECT bool_and(l.relreplident = 'f') FROM pg_catalog.pg_partition_tree(c.oid) tree \
             JOIN pg_catalog.pg_class l ON l.oid = tree.relid WHERE tree.isleaf), c.relreplident = 'f'), \
           columns.told, columns.hidden, \
           (SELECT coalesce(json_agg(json_build_array(ln.nspname, l.relname)), '[]') \
             FROM pg_catalog.pg_partition_tree(c.oid) tree \
             JOIN pg_catalog.pg_class l ON l.oid = tree.relid \
             JOIN pg_catalog.pg_namespace ln ON ln.oid = l.relnamespace \
             WHERE c.relkind = 'p' AND p.pubviaroot AND tree.isleaf) \
         FROM pg_catalog.pg_publication p \
         JOIN pg_catalog.pg_publication_tables t USING (pubname) \
         JOIN pg_catalog.pg_namespace n ON n.nspname = t.schemaname \
         JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename \
         CROSS JOIN LATERAL (SELECT \
             coalesce(json_agg(json_build_array(a.attname, a.atttypid::int8) ORDER BY a.attnum) \
               FILTER (WHERE {is_told}), '[]') AS told, \
             coalesce(json_agg(a.attname) FILTER (WHERE a.attgenerated <> '' AND NOT ({is_told})), '[]') AS hidden \
           FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) columns \
         WHERE p.pubname = {} ORDER BY 1, 2",
        literal(publication)
    )
}

fn table(row: &Row) -> Result<PublishedTable, ReplicationError> {
    let columns: Vec<(String, u32)> = json(row, 9)?;
    let hidden: Vec<String> = json(row, 10)?;
    let leaves: Vec<(String, String)> = json(row, 11)?;
    let scope = match row.is_true(7) {
        true => Scope::Listed,
        false => Scope::All { except: hidden.into_iter().map(ByteString::from).collect() },
    };
    Ok(PublishedTable {
        schema: row.get(0).unwrap_or_default().into(),
        name: row.get(1).unwrap_or_default().into(),
        columns: columns.into_iter().map(|(name, type_oid)| Column { name: name.into(), type_oid }).collect(),
        scope,
        full: row.is_true(8),
        insert: row.is_true(2),
        update: row.is_true(3),
        delete: row.is_true(4),
        truncate: row.is_true(5),
        leaves: leaves.into_iter().map(|(schema, name)| (schema.into(), name.into())).collect(),
    })
}

fn json<T: DeserializeOwned>(row: &Row, column: usize) -> Result<T, ReplicationError> {
    serde_json::from_str(row.get(column).unwrap_or("[]"))
        .map_err(|_| ReplicationError::Protocol("the catalog's JSON cannot be read".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pgoutput_is_asked_for_the_publication_by_its_exact_name() {
        let options = pgoutput_options("Mi\"xEd");
        assert_eq!(options[1], ("publication_names".to_owned(), "\"Mi\"\"xEd\"".to_owned()));
    }
}
