use std::collections::HashMap;

use bytestring::ByteString;
use serde_json::Value;

use super::{Store, StoreError, visible::become_visible};
use crate::{
    change::Table,
    events::{Mapper, RuleError, RuleFault, RuleSpec},
};

impl Store {
    /// The rules as they are committed now. One that cannot be followed is logged and left out: its table goes by its own
    /// name, and the others are served.
    pub async fn rules(&self) -> Result<Vec<RuleSpec>, StoreError> {
        let (rules, refused) = self.rules_and_refused().await?;
        for error in refused {
            tracing::error!("{error}");
        }
        Ok(rules)
    }

    /// The same, with what is wrong with each that is left out.
    pub(super) async fn rules_and_refused(&self) -> Result<(Vec<RuleSpec>, Vec<String>), StoreError> {
        let rows = self
            .client()
            .await?
            .query("SELECT to_jsonb(r) FROM walcast.rules r ORDER BY schema_name, table_name", &[])
            .await
            .map_err(StoreError::sql("read walcast.rules"))?;
        let mut prefixes = HashMap::new();
        let (mut rules, mut refused) = (Vec::new(), Vec::new());
        for row in &rows {
            let row: Value = row.get(0);
            match read_rule(&row, &mut prefixes) {
                Ok(rule) => rules.push(rule),
                Err(error) => refused.push(error.to_string()),
            }
        }
        Ok((rules, refused))
    }

    /// The columns of a table's primary key, in its order, empty where it has none, as the transaction `xid` or a later one
    /// left it; `None` where the table is gone.
    ///
    /// A transaction is in the log before others see what it did, mostly for microseconds. It is waited for: what it made of
    /// a table may be what is asked for here.
    pub async fn primary_key(&self, table: &Table, xid: u32) -> Result<Option<Vec<ByteString>>, StoreError> {
        let client = self.client().await?;
        let doing = || StoreError::sql("read a primary key");
        if !become_visible(&**client, &[xid]).await.map_err(doing())? {
            return Err(StoreError::NotVisible { xid, table: table.to_string() });
        }
        let query = include_str!("../../sql/queries/primary_key.sql");
        let row = client.query_opt(query, &[&table.oid, &&*table.schema, &&*table.name]).await.map_err(doing())?;
        let key = row.map(|row| row.get::<_, Vec<&str>>(0).into_iter().map(ByteString::from).collect());
        Ok(key)
    }
}

/// A row of `walcast.rules` that is no rule, as its columns are read.
#[derive(Debug, thiserror::Error)]
enum BadRule {
    #[error("the rule of table {table} cannot be read: {source}; mend it with walcast.broadcast_table()")]
    Unreadable { table: String, source: serde_json::Error },
    #[error(transparent)]
    Refused(#[from] RuleError),
}

/// `prefixes`: who has which, of the rules read so far.
fn read_rule(row: &Value, prefixes: &mut HashMap<String, String>) -> Result<RuleSpec, BadRule> {
    let text = |column| row.get(column).and_then(Value::as_str).unwrap_or_default();
    let table = format!("{}.{}", text("schema_name"), text("table_name"));
    let rule: RuleSpec =
        serde_json::from_value(row.clone()).map_err(|source| BadRule::Unreadable { table: table.clone(), source })?;
    Mapper::new(vec![rule.clone()])?;
    if let Some(other) = prefixes.get(&rule.prefix).cloned() {
        let fault = RuleFault::PrefixTaken { prefix: rule.prefix, other };
        return Err(RuleError { table, fault }.into());
    }
    prefixes.insert(rule.prefix.clone(), table);
    Ok(rule)
}
