use super::{READ, ReadError, Reads, error};
use crate::change::{Column, Table};

impl Reads {
    /// A table as the log describes it, by the catalog as it is now; `None` where it is not published.
    pub async fn published(&self, schema: &str, name: &str) -> Result<Option<Table>, ReadError> {
        let asking = async {
            let client = self.pool.get().await.map_err(|error| error::no_connection(&error))?;
            let statement = client.prepare_cached(include_str!("../../../sql/queries/published_columns.sql")).await?;
            Ok::<_, ReadError>(client.query(&statement, &[&schema, &name, &self.publication]).await?)
        };
        let rows = tokio::time::timeout(READ, asking)
            .await
            .map_err(|_| ReadError::Unavailable("the database did not answer in time: try again".to_owned()))??;
        let column = |row: &tokio_postgres::Row| Column {
            name: row.get::<_, &str>("name").into(),
            type_oid: row.get("type_oid"),
        };
        let columns: Vec<Column> = rows.iter().map(column).collect();
        let table = Table { schema: schema.into(), name: name.into(), oid: None, columns, key: None };
        Ok((!table.columns.is_empty()).then_some(table))
    }
}
