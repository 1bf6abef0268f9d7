use serde::Deserialize;
use serde_json::Value;
use tokio_postgres::{Error, Row, types::Json};

use crate::{events::RuleSpec, postgres::quote::identifier};

/// Reads at most one row, of a [`RuleTable`]; its parameters, all texts, are a prefix, a publication, and the role that
/// sockets act as.
pub const DESCRIBES: &str = include_str!("../../sql/queries/rule_table.sql");

/// The rule of a prefix, and its table as the publication shows it.
pub struct RuleTable {
    /// `Err`: a row of `walcast.rules` that is none.
    pub rule: Result<RuleSpec, serde_json::Error>,
    /// Another one: the rule has changed.
    pub mark: String,
    /// `None`: the table is gone. So are its columns then.
    pub oid: Option<u32>,
    pub is_partitioned: bool,
    /// Whether sockets act as a role of their own on it.
    pub is_guarded: bool,
    /// Whether there is such a role.
    pub has_client: bool,
    /// The condition of the publication on its rows, in SQL.
    pub filter: Option<String>,
    pub columns: Vec<Column>,
    pub primary_key: Option<Vec<String>>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Column {
    pub name: String,
    pub oid: u32,
    /// Its type, quoted, with its schema.
    #[serde(rename = "type")]
    pub type_name: String,
    /// A text of some kind. Postgres would take anything for one.
    pub is_text: bool,
    /// Whether it is published. What is not is told to nobody, who writes included.
    pub told: bool,
}

impl RuleTable {
    pub fn from_row(row: &Row) -> Result<Self, Error> {
        let columns: Option<Json<Vec<Column>>> = row.try_get("columns")?;
        let primary_key: Option<Json<Vec<String>>> = row.try_get("key")?;
        Ok(RuleTable {
            rule: serde_json::from_value(row.try_get::<_, Value>("rule")?),
            mark: row.try_get("mark")?,
            oid: row.try_get("oid")?,
            is_partitioned: row.try_get::<_, Option<bool>>("is_partitioned")?.unwrap_or_default(),
            is_guarded: row.try_get("is_guarded")?,
            has_client: row.try_get("has_client")?,
            filter: row.try_get("filter")?,
            columns: columns.map(|Json(columns)| columns).unwrap_or_default(),
            primary_key: primary_key.map(|Json(key)| key),
        })
    }
}

/// What makes the rest of a transaction happen as the role that sockets act as.
pub fn act_as(role: &str) -> String {
    format!("SET LOCAL ROLE {}", identifier(role))
}

/// Whether sockets cannot do anything with a table, since they act on it as a role that is not there. The log says so.
pub fn lacks_client(rule: &RuleSpec, is_guarded: bool, has_client: bool, role: &str) -> bool {
    let lacks = is_guarded && !has_client;
    if lacks {
        let RuleSpec { schema_name, table_name, .. } = rule;
        tracing::warn!(
            "{schema_name}.{table_name} has row-level security, and role {role}, which sockets act as, is not there: run sql/roles.sql, \
             or set WALCAST_CLIENT_ROLE"
        );
    }
    lacks
}

/// The columns that name a row under a rule.
pub fn key(rule: &RuleSpec, primary_key: Option<Vec<String>>) -> Option<Vec<String>> {
    rule.id_column.clone().map(|id| vec![id]).or(primary_key)
}
