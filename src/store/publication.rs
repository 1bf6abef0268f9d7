use super::{Store, StoreError};
use crate::postgres::quote::identifier;

impl Store {
    /// Creates the publication where it is missing, with the rules and, where it has its rule, the components table; true
    /// if it did. Once it is there it is the DBA's, and only `walcast.rules` is asked for.
    pub async fn ensure_publication(&self, name: &str) -> Result<bool, StoreError> {
        let client = self.client().await?;
        let doing = || StoreError::sql(format!("look up publication \"{name}\""));
        let publishes_rules = client
            .query_opt(
                "SELECT EXISTS (SELECT FROM pg_publication_tables t WHERE t.pubname = p.pubname \
                 AND t.schemaname = 'walcast' AND t.tablename = 'rules') \
                 FROM pg_publication p WHERE p.pubname = $1::text::name",
                &[&name],
            )
            .await
            .map_err(doing())?
            .map(|row| row.get::<_, bool>(0));
        let quoted = identifier(name);
        let statement = match publishes_rules {
            Some(true) => return Ok(false),
            Some(false) => format!("ALTER PUBLICATION {quoted} ADD TABLE walcast.rules"),
            None => {
                let components = client
                    .query_one(
                        "SELECT to_regclass('public.components') IS NOT NULL AND EXISTS (SELECT FROM walcast.rules r \
                         WHERE r.schema_name = 'public' AND r.table_name = 'components')",
                        &[],
                    )
                    .await
                    .map_err(doing())?
                    .get::<_, bool>(0);
                format!(
                    "CREATE PUBLICATION {quoted} FOR TABLE walcast.rules{} WITH (publish_via_partition_root = true)",
                    if components { ", public.components" } else { "" }
                )
            }
        };
        match client.batch_execute(&statement).await {
            Ok(()) => Ok(publishes_rules.is_none()),
            // Another server, started in the same moment, was first.
            Err(error) if error.code() == Some(&tokio_postgres::error::SqlState::DUPLICATE_OBJECT) => Ok(false),
            Err(error) => Err(StoreError::sql(format!(
                "set up publication \"{name}\" (have the owner of the tables run: {statement};)"
            ))(error)),
        }
    }

    /// The tables of a publication as (schema, name); `None` where there is no such publication.
    pub async fn published_tables(&self, name: &str) -> Result<Option<Vec<(String, String)>>, StoreError> {
        let rows = self
            .client()
            .await?
            .query(
                "SELECT t.schemaname::text, t.tablename::text FROM pg_publication p \
                 LEFT JOIN pg_publication_tables t USING (pubname) WHERE p.pubname = $1::text::name ORDER BY 1, 2",
                &[&name],
            )
            .await
            .map_err(StoreError::sql(format!("look up publication \"{name}\"")))?;
        let tables = rows.iter().filter_map(|row| row.get::<_, Option<String>>(0).zip(row.get(1)));
        Ok((!rows.is_empty()).then(|| tables.collect()))
    }
}
