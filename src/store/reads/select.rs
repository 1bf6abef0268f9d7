use std::pin::pin;

use futures_util::TryStreamExt;
use tokio_postgres::{
    Row as SqlRow, Transaction,
    types::{ToSql, Type},
};

use super::{Page, ReadError, Selection, table::ReadTable};
use crate::{
    change::{Cell, Row},
    events::{join_key, row_to_json, split_key, value_to_json},
    postgres::quote::identifier,
    store::rule_table::Column,
};

/// The statements of one read.
pub struct Select<'a> {
    table: &'a ReadTable,
    is_single: bool,
    /// From where, and under which conditions; `$1`, `$2` … stand for `values`.
    from: String,
    values: Vec<String>,
    limit: u32,
}

impl<'a> Select<'a> {
    pub fn new(table: &'a ReadTable, selection: &Selection) -> Result<Self, ReadError> {
        let invalid = |message: &str| ReadError::Invalid(message.to_owned());
        let mut conditions: Vec<String> = table.filter.iter().map(|filter| format!("({filter})")).collect();
        let mut values = Vec::new();
        let (is_single, limit) = match selection {
            Selection::Row { key } => {
                let key = split(table, key).ok_or_else(ReadError::no_row)?;
                for (column, value) in table.key.iter().zip(key) {
                    conditions.push(equals(column, &mut values, value));
                }
                (true, 1)
            }
            Selection::Entity { entity_type, id, after, limit } => {
                let (of_type, of_id) = table
                    .entity
                    .as_ref()
                    .ok_or_else(|| invalid("these rows belong to no entity: ask for one by its id"))?;
                conditions.push(equals(of_type, &mut values, entity_type.clone()));
                conditions.push(equals(of_id, &mut values, id.clone()));
                // A row that has no key is told to nobody.
                conditions.extend(table.key.iter().map(|column| format!("{} IS DISTINCT FROM NULL", column.sql())));
                if let Some(after) = after {
                    let after = split(table, after).ok_or_else(|| invalid("`after` is not what `next` was"))?;
                    let after = table.key.iter().zip(after).map(|(column, value)| column.parameter(&mut values, value));
                    let after = after.collect::<Vec<_>>().join(", ");
                    conditions.push(format!("({}) > ({after})", columns(&table.key, Column::sql)));
                }
                (false, *limit)
            }
        };
        let name = format!("{}.{}", identifier(&table.told.schema), identifier(&table.told.name));
        // The rows of a table that inherits are told as its own.
        let only = if table.is_partitioned { "" } else { "ONLY " };
        let from = format!("FROM {only}{name} AS r WHERE {}", conditions.join(" AND "));
        Ok(Select { table, is_single, from, values, limit })
    }

    pub fn parameters(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.values.iter().map(|value| (value as _, Type::TEXT)).collect()
    }

    /// One text, NULL where no row is found: where each of the rows stands, and which transaction put it there. An UPDATE puts
    /// another row in its place, whoever makes it.
    pub fn marks(&self) -> String {
        let key = columns(&self.table.key, Column::sql);
        let (from, limit) = (&self.from, self.fetched());
        let places = columns(&self.table.key, |column| format!("p.{}", identifier(&column.name)));
        let mark = match self.table.is_whole {
            true => "pg_catalog.concat_ws(' ', r.tableoid, r.ctid, r.xmin)".to_owned(),
            // To read what Postgres notes of a row takes a privilege on all of it.
            false => {
                let told = self.table.told.columns.iter().map(|column| format!("r.{}", identifier(&column.name)));
                format!("pg_catalog.md5(ROW({})::text)", told.collect::<Vec<_>>().join(", "))
            }
        };
        format!(
            "SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to( \
                pg_catalog.string_agg(p.\"walcast mark\", ',' ORDER BY {places}), 'UTF8')), 'hex') \
               FROM (SELECT {mark} AS \"walcast mark\", {key} \
                     {from} ORDER BY {key} LIMIT {limit}) p"
        )
    }

    /// The rows, until they are so many bytes.
    pub async fn page(&self, transaction: &Transaction<'_>, most: usize) -> Result<Page, ReadError> {
        // Texts by the types' own output functions, as the log has them; a cast to text is something else.
        let text =
            |column: String| format!("CASE WHEN {column} IS DISTINCT FROM NULL THEN pg_catalog.concat({column}) END");
        let told = self.table.told.columns.iter().map(|column| text(format!("r.{}", identifier(&column.name))));
        let (told, key) = (told.collect::<Vec<_>>().join(", "), columns(&self.table.key, Column::sql));
        let query = format!("SELECT {told} {} ORDER BY {key} LIMIT {}", self.from, self.fetched());
        let parameters = self.parameters();
        let mut rows = pin!(transaction.query_typed_raw(&query, parameters).await?);
        let (mut page, mut bytes, mut last) = (Page::default(), 0, None);
        while let Some(row) = rows.try_next().await? {
            if page.rows.len() >= self.limit as usize || bytes > most {
                page.next = last.and_then(|row| self.key_of(&row));
                break;
            }
            let row = cells(&row)?;
            page.rows.push(row_to_json(&self.table.told, &row));
            bytes += page.rows.last().map_or(0, String::len);
            page.version = self.version_of(&row).filter(|_| self.is_single);
            last = Some(row);
        }
        Ok(page)
    }

    /// One more than the limit says whether more follow.
    fn fetched(&self) -> u32 {
        if self.is_single { 1 } else { self.limit.saturating_add(1) }
    }

    fn key_of(&self, row: &Row) -> Option<String> {
        let table = &self.table.told;
        let values: Option<Vec<&str>> =
            self.table.key.iter().map(|column| row.cell(table.column(&column.name)?).text()).collect();
        Some(join_key(&values?))
    }

    fn version_of(&self, row: &Row) -> Option<String> {
        let table = &self.table.told;
        let index = table.column(self.table.rule.version_column.as_deref()?)?;
        let column = table.columns.get(index)?;
        row.cell(index).text().map(|text| value_to_json(column.type_oid, text))
    }
}

impl Column {
    fn sql(&self) -> String {
        format!("r.{}", identifier(&self.name))
    }

    /// A value that is given as text, in the column's type.
    fn parameter(&self, values: &mut Vec<String>, value: String) -> String {
        values.push(value);
        format!("${}::{}", values.len(), self.type_name)
    }
}

/// By the type's own notion, which indexes know, and by the text, which is what names rooms.
fn equals(column: &Column, values: &mut Vec<String>, value: String) -> String {
    let (sql, parameter) = (column.sql(), column.parameter(values, value));
    format!("{sql} = {parameter} AND pg_catalog.concat({sql}) = ${}", values.len())
}

fn columns(columns: &[Column], sql: impl Fn(&Column) -> String) -> String {
    columns.iter().map(sql).collect::<Vec<_>>().join(", ")
}

fn split(table: &ReadTable, key: &str) -> Option<Vec<String>> {
    Some(split_key(key, table.key.len())?.into_iter().map(|value| value.into_owned()).collect())
}

fn cells(row: &SqlRow) -> Result<Row, ReadError> {
    let cell = |index| Ok(row.try_get::<_, Option<&str>>(index)?.map_or(Cell::Null, Cell::from));
    (0..row.len()).map(cell).collect()
}
