use serde::Deserialize;

use crate::store::{Store, StoreError};

/// A published table that is guarded, as far as the role that sockets act as is concerned.
#[derive(Clone, Debug, Deserialize)]
pub struct GuardFacts {
    pub schema: String,
    pub name: String,
    pub row_security: bool,
    /// Whether there is such a role.
    pub has_client: bool,
    /// Whether the server may act as it.
    pub may_act: bool,
    pub can_select: bool,
    /// The policies that let it see rows, as SQL.
    pub permissive: Vec<String>,
    /// The columns that policies read in the row itself.
    pub reads: Vec<String>,
    /// Why what the policies read cannot be known, or changes by itself.
    pub opaque: Option<String>,
}

impl Store {
    pub(super) async fn guard_facts(&self, publication: &str, role: &str) -> Result<Vec<GuardFacts>, StoreError> {
        let doing = "look up who may see what";
        let mut client = self.client().await?;
        let transaction = client.build_transaction().read_only(true).start().await.map_err(StoreError::sql(doing))?;
        transaction.batch_execute("SET LOCAL search_path = pg_catalog").await.map_err(StoreError::sql(doing))?;
        let query = format!(
            "SELECT to_jsonb(g) || jsonb_build_object('schema', n.nspname, 'name', c.relname) FROM ({}) AS g \
             JOIN pg_class c ON c.oid = g.oid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE g.is_guarded",
            include_str!("../../../sql/queries/row_security.sql")
        );
        let none: &[&str] = &[];
        let rows =
            transaction.query(&query, &[&publication, &role, &none, &none]).await.map_err(StoreError::sql(doing))?;
        let read = |row: &tokio_postgres::Row| {
            let value: serde_json::Value = row.try_get(0).map_err(StoreError::sql(doing))?;
            serde_json::from_value(value).map_err(|error| StoreError::Unread { doing: doing.to_owned(), error })
        };
        rows.iter().map(read).collect()
    }
}
