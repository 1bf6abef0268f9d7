use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use bytestring::ByteString;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio_postgres::{Row, types::Json};

use super::{
    RowSecurity, link,
    policy::{Column, Policy},
};
use crate::{
    change::{Table, TableName},
    events::{Guard, Guards, Link, Sight, Source},
    postgres::quote::identifier,
    store::{StoreError, visible::become_visible},
};

/// A table that policies read.
#[derive(Deserialize)]
struct Elsewhere {
    schema: String,
    name: String,
    /// With the types of those that can be compared as texts.
    columns: Option<BTreeMap<String, Option<String>>>,
    /// No other table's policies read it.
    is_direct: bool,
}

impl RowSecurity {
    /// What the catalog says now. `table`: one that the stream has brought, which may not be published any more.
    pub async fn guards(&self, table: Option<TableName>) -> Result<Guards, StoreError> {
        in_time(self.read_guards(table)).await
    }

    async fn read_guards(&self, table: Option<TableName>) -> Result<Guards, StoreError> {
        let brought = self.brought(table);
        let (schemas, names): (Vec<String>, Vec<String>) =
            brought.iter().map(|(schema, name)| (schema.to_string(), name.to_string())).unzip();
        let doing = || StoreError::sql("read who may see what");
        let mut client = self.client().await?;
        let transaction = client.build_transaction().read_only(true).start().await.map_err(doing())?;
        // So that every name in a policy is told in full.
        transaction.batch_execute("SET LOCAL search_path = pg_catalog").await.map_err(doing())?;
        let query = include_str!("../../../sql/queries/row_security.sql");
        let rows =
            transaction.query(query, &[&self.0.publication, &self.0.role, &schemas, &names]).await.map_err(doing())?;
        let mut tables = Vec::new();
        let mut policies = HashMap::new();
        for row in &rows {
            let oid: u32 = row.try_get("oid").map_err(doing())?;
            // What has no name that can be read is told to nobody: the stream says so.
            let Some(name) = name(row).map_err(doing())? else { continue };
            if !row.try_get::<_, bool>("is_guarded").map_err(doing())? {
                tables.push((name, oid, None));
                continue;
            }
            let guard = match read(row, oid, &name) {
                Ok((guard, policy)) => {
                    policies.insert(oid, Arc::new(policy));
                    guard
                }
                Err(error) => {
                    let (schema, table) = &name;
                    tracing::error!(%error, "who may see {schema}.{table} cannot be read, so nobody is told of it");
                    Guard::closed(oid, name.clone())
                }
            };
            tables.push((name, oid, Some(guard)));
        }
        *super::write(&self.0.policies) = policies;
        super::write(&self.0.slow).clear();
        Ok(Guards::new(tables))
    }

    /// Another one where what [`guards`](Self::guards) tells may be another: cheap to ask for.
    pub async fn mark(&self) -> Result<String, StoreError> {
        in_time(self.read_mark()).await
    }

    async fn read_mark(&self) -> Result<String, StoreError> {
        let client = self.client().await?;
        let query = include_str!("../../../sql/queries/row_security_mark.sql");
        let row = client.query_one(query, &[&self.0.publication]).await;
        Ok(row.map_err(StoreError::sql("look whether policies have changed"))?.get(0))
    }

    /// Waits until others see what a transaction did that is in the log: what it made of a table is asked for after it.
    pub async fn wait_for(&self, transaction: u32, table: &Table) -> Result<(), StoreError> {
        let client = self.client().await?;
        match become_visible(&**client, &[transaction]).await.map_err(StoreError::sql("look for a transaction"))? {
            true => Ok(()),
            false => Err(StoreError::NotVisible { xid: transaction, table: table.to_string() }),
        }
    }

    fn brought(&self, table: Option<TableName>) -> Vec<TableName> {
        let mut brought = super::write(&self.0.brought);
        let table = table.filter(|table| !brought.contains(table));
        brought.extend(table);
        brought.clone()
    }

    async fn client(&self) -> Result<deadpool_postgres::Object, StoreError> {
        self.0.pool.get().await.map_err(|error| StoreError::Pool(error.to_string()))
    }
}

/// The catalog is asked while the stream waits.
async fn in_time<T>(asking: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = |_| StoreError::Pool(format!("the catalog did not say who may see what within {PATIENCE:?}"));
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|elapsed| Err(late(elapsed)))
}

const PATIENCE: Duration = Duration::from_secs(10);

/// `None`: it is no text.
fn name(row: &Row) -> Result<Option<TableName>, tokio_postgres::Error> {
    let text =
        |column: &str| row.try_get::<_, &[u8]>(column).map(|bytes| str::from_utf8(bytes).ok().map(ByteString::from));
    Ok(text("schema")?.zip(text("name")?))
}

fn read(row: &Row, oid: u32, table: &TableName) -> Result<(Guard, Policy), tokio_postgres::Error> {
    let list = |column: &str| row.try_get::<_, Json<Vec<String>>>(column).map(|Json(list)| list);
    let (permissive, restrictive, reads, hidden) =
        (list("permissive")?, list("restrictive")?, list("reads")?, list("hidden")?);
    let Json(columns) = row.try_get::<_, Json<Vec<Column>>>("columns")?;
    let Json(elsewhere) = row.try_get::<_, Json<Vec<Elsewhere>>>("elsewhere")?;
    let key = row.try_get::<_, Option<Json<Vec<String>>>>("key")?.map(|Json(key)| key).unwrap_or_default();
    let find = |name: &String| columns.iter().find(|column| column.name == *name).cloned();
    let flag = |column: &str| row.try_get::<_, bool>(column);
    let is_opaque = row.try_get::<_, Option<&str>>("opaque")?.is_some();
    let can_ask = flag("can_select")? && (flag("may_act")? || !flag("row_security")?);
    let sight = match (can_ask, flag("row_security")? && !flag("bypasses")?) {
        (false, _) => Sight::Nobody,
        (true, false) => Sight::Everyone,
        (true, true) if permissive.is_empty() => Sight::Nobody,
        (true, true) => Sight::Policies { is_opaque },
    };
    let sources = elsewhere.into_iter().map(|source| {
        let expressions: Vec<&str> = permissive.iter().chain(&restrictive).map(String::as_str).collect();
        // What an opaque policy makes of the claims may be another each time.
        let found = link::find(&source.schema, &source.name, &expressions).filter(|_| source.is_direct && !is_opaque);
        let link = found.and_then(|(column, expression)| {
            // As a value of the column: so it has the form that the log gives it.
            let of_type = source.columns.as_ref()?.get(&column)?.as_ref()?;
            let expression = format!("({expression})::{of_type}");
            Some(Link { column: column.into(), expression: expression.into() })
        });
        Source {
            table: (source.schema.as_str().into(), source.name.as_str().into()),
            columns: source.columns.map(|columns| columns.keys().map(|name| name.as_str().into()).collect()),
            link,
        }
    });
    let names = |names: &[String]| names.iter().map(|name| ByteString::from(name.as_str())).collect::<Vec<_>>();
    let mut guard = Guard {
        oid,
        table: table.clone(),
        sight,
        reads: names(&reads),
        sources: sources.collect(),
        hidden: names(&hidden).into_iter().collect(),
        mark: String::new(),
    };
    let asked: Option<&str> = row.try_get("asked")?;
    let shape = format!("{guard:?} {permissive:?} {restrictive:?} {columns:?} {key:?} {asked:?}");
    guard.mark = Sha256::digest(shape).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let policy = Policy {
        oid,
        table: format!("{}.{}", identifier(&table.0), identifier(&table.1)),
        name: table.1.to_string(),
        key: key.iter().filter_map(find).collect(),
        columns,
        is_partitioned: flag("is_partitioned")?,
        permissive,
        restrictive,
        reads,
        mark: guard.mark.clone(),
    };
    Ok((guard, policy))
}
