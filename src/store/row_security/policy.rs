use serde::Deserialize;

use crate::{
    events::{Link, Values},
    postgres::quote::identifier,
};

/// How questions about the rows of a table are put to Postgres.
#[derive(Debug)]
pub struct Policy {
    /// Of the table.
    pub oid: u32,
    /// Quoted, with its schema.
    pub table: String,
    /// Not quoted, without it: what its policies call it.
    pub name: String,
    pub columns: Vec<Column>,
    pub key: Vec<Column>,
    pub is_partitioned: bool,
    pub permissive: Vec<String>,
    pub restrictive: Vec<String>,
    /// The columns whose values a question about a version of a row holds.
    pub reads: Vec<String>,
    pub mark: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Column {
    pub name: String,
    /// Quoted, with its schema.
    #[serde(rename = "type")]
    pub type_name: String,
}

impl Policy {
    // `unnest` takes several arrays only where it is not named by its schema; that comes first in any search path.

    /// Of the versions of rows in `$1`, `$2` …, an array for each column that policies read, the numbers of those that may be seen;
    /// and by whose claims.
    ///
    /// The expressions are the policies' own, as `pg_get_expr` tells them: they name the columns without the table, or by its
    /// name. Permissive ones are alternatives, and each restrictive one must hold, as Postgres combines them.
    pub fn about_rows(&self) -> String {
        let all = |expressions: &[String], between: &str| {
            expressions.iter().map(|expression| format!("({expression})")).collect::<Vec<_>>().join(between)
        };
        let mut condition = format!("({})", all(&self.permissive, " OR "));
        if !self.restrictive.is_empty() {
            condition = format!("{condition} AND {}", all(&self.restrictive, " AND "));
        }
        let list = |item: &dyn Fn(usize) -> String| (1..=self.row_arrays()).map(item).collect::<Vec<_>>().join(", ");
        let arrays = list(&|nth| format!("${nth}::text[]"));
        let names = list(&|nth| format!("\"walcast {nth}\""));
        let row = match self.is_read_whole() {
            // A policy that takes the row as a whole takes it by its type.
            true => format!("pg_catalog.unnest(ARRAY[q.\"walcast 1\"::{}])", self.table),
            false => {
                let value = |(nth, name): (usize, &String)| {
                    let column = self.columns.iter().find(|column| column.name == *name);
                    let of_type = column.map_or("pg_catalog.text", |column| &column.type_name);
                    format!("q.\"walcast {nth}\"::{of_type} AS {}", identifier(name))
                };
                let values: Vec<String> = (1..).zip(&self.reads).map(value).collect();
                format!("(SELECT {})", values.join(", "))
            }
        };
        format!(
            "SELECT pg_catalog.array_agg(q.\"walcast nth\"), pg_catalog.current_setting('request.jwt.claims') \
             FROM unnest({arrays}) WITH ORDINALITY AS q ({names}, \"walcast nth\") \
             CROSS JOIN LATERAL {row} AS {} WHERE {condition}",
            identifier(&self.name),
        )
    }

    /// How many arrays [`about_rows`](Self::about_rows) takes: one at least, by which the rows are counted.
    pub fn row_arrays(&self) -> usize {
        if self.is_read_whole() { 1 } else { self.reads.len().max(1) }
    }

    fn is_read_whole(&self) -> bool {
        self.permissive.iter().chain(&self.restrictive).any(|expression| expression.contains(".*"))
    }

    /// What a version of a row is in the arrays.
    pub fn row_values(&self, values: &Values) -> Vec<Option<String>> {
        if self.is_read_whole() {
            return vec![Some(self.row(values))];
        }
        let mut row: Vec<_> = values.iter().map(|value| value.as_ref().map(|value| value.to_string())).collect();
        row.resize(self.row_arrays(), None);
        row
    }

    /// Of the keys in `$1`, `$2` …, an array for each column of the key, the numbers of those whose rows may be seen; and by
    /// whose claims.
    pub fn about_keys(&self) -> String {
        let arrays = (1..=self.key.len()).map(|nth| format!("${nth}::text[]")).collect::<Vec<_>>().join(", ");
        let names = (1..=self.key.len()).map(|nth| format!("k{nth}")).collect::<Vec<_>>().join(", ");
        let is_row = |(nth, column): (usize, &Column)| {
            format!("t.{} = q.k{nth}::{}", identifier(&column.name), column.type_name)
        };
        let is_row = (1..).zip(&self.key).map(is_row).collect::<Vec<_>>().join(" AND ");
        let only = if self.is_partitioned { "" } else { "ONLY " };
        format!(
            "SELECT pg_catalog.array_agg(q.nth), pg_catalog.current_setting('request.jwt.claims') \
             FROM unnest({arrays}) WITH ORDINALITY AS q ({names}, nth) \
             WHERE EXISTS (SELECT 1 FROM {only}{} AS t WHERE {is_row})",
            self.table
        )
    }

    /// What a link makes of the claims, as the log tells values of its column; and of whose claims.
    pub fn about_link(&self, link: &Link) -> String {
        format!("SELECT ({})::text, pg_catalog.current_setting('request.jwt.claims')", link.expression)
    }

    /// A version of a row as Postgres reads it.
    fn row(&self, values: &Values) -> String {
        let mut row = String::from("(");
        for (nth, column) in self.columns.iter().enumerate() {
            if nth > 0 {
                row.push(',');
            }
            let value = self.reads.iter().position(|name| *name == column.name).and_then(|at| values.get(at));
            if let Some(Some(value)) = value {
                row.push('"');
                for character in value.chars() {
                    if matches!(character, '"' | '\\') {
                        row.push(character);
                    }
                    row.push(character);
                }
                row.push('"');
            }
        }
        row.push(')');
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_written_as_postgres_reads_it() {
        let column = |name: &str| Column { name: name.to_owned(), type_name: "pg_catalog.text".to_owned() };
        let policy = Policy {
            oid: 0,
            table: "public.t".to_owned(),
            name: "t".to_owned(),
            columns: ["a", "b", "c", "d"].map(column).to_vec(),
            key: Vec::new(),
            is_partitioned: false,
            permissive: Vec::new(),
            restrictive: Vec::new(),
            reads: ["d", "b", "a"].map(str::to_owned).to_vec(),
            mark: String::new(),
        };
        let values: Values = [Some(r#"say "hi"\"#.into()), None, Some("".into())].into();
        assert_eq!(policy.row(&values), r#"("",,,"say ""hi""\\")"#);
    }
}
