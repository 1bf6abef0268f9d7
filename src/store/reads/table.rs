use sha2::{Digest, Sha256};
use tokio_postgres::{Statement, Transaction};

use super::ReadError;
use crate::{
    change::{self, Table},
    events::{Mapper, RuleSpec},
    store::rule_table::{Column, RuleTable, key, lacks_client},
};

/// A table as reads know it: what its publication shows, and its rule.
#[derive(Debug)]
pub struct ReadTable {
    pub rule: RuleSpec,
    pub is_partitioned: bool,
    pub is_guarded: bool,
    /// Who reads may read all of its columns, and so what Postgres itself notes of a row.
    pub is_whole: bool,
    /// A condition on its rows, in SQL.
    pub filter: Option<String>,
    /// The columns that name a row; never empty.
    pub key: Vec<Column>,
    /// The columns that say what a row belongs to.
    pub entity: Option<(Column, Column)>,
    /// With the columns that are published.
    pub told: Table,
}

impl ReadTable {
    /// `None`: no published table has a rule with this prefix.
    pub async fn read(
        transaction: &Transaction<'_>,
        describes: &Statement,
        [prefix, publication, role]: [&str; 3],
    ) -> Result<Option<Self>, ReadError> {
        let Some(row) = transaction.query_opt(describes, &[&prefix, &publication, &role]).await? else {
            return Ok(None);
        };
        let RuleTable { rule, oid, is_partitioned, is_guarded, has_client, filter, columns, primary_key, .. } =
            RuleTable::from_row(&row)?;
        // A rule that cannot be followed is not in force: its table goes by its own name.
        let Some(rule) = rule.ok().filter(|rule| Mapper::new(vec![rule.clone()]).is_ok()) else { return Ok(None) };
        if lacks_client(&rule, is_guarded, has_client, role) {
            return Err(ReadError::Forbidden("this may not be read".to_owned()));
        }
        // What is not published serves nobody for asking either.
        let find = |name: &String| columns.iter().find(|column| column.told && column.name == *name).cloned();
        let key: Option<Vec<Column>> = key(&rule, primary_key).and_then(|key| key.iter().map(find).collect());
        let Some(key) = key.filter(|key| !key.is_empty()) else { return Ok(None) };
        let entity = rule.entity_type_column.as_ref().and_then(find).zip(rule.entity_id_column.as_ref().and_then(find));
        let told = columns.iter().filter(|column| column.told);
        let told = Table {
            schema: rule.schema_name.as_str().into(),
            name: rule.table_name.as_str().into(),
            oid,
            columns: told
                .map(|column| change::Column { name: column.name.as_str().into(), type_oid: column.oid })
                .collect(),
            key: None,
        };
        let is_whole = !is_guarded || columns.iter().all(|column| column.told);
        Ok(Some(ReadTable { rule, is_partitioned, is_guarded, is_whole, filter, key, entity, told }))
    }

    /// What changes with the rows, by `marks`, and with how they are shown.
    pub fn mark(&self, marks: &str) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let shape = format!("{version} {:?} {:?} {:?} {marks}", self.told, self.rule, self.filter);
        Sha256::digest(shape).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}
