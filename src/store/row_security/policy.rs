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
    /// Of the rows in `$1`, each as Postgres writes a row, the numbers of those that may be seen; and by whose claims.
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
        format!(
            "SELECT pg_catalog.array_agg(\"walcast rows\".\"walcast nth\"), pg_catalog.current_setting('request.jwt.claims') \
             FROM ROWS FROM (pg_catalog.unnest($1::text[])) WITH ORDINALITY AS \"walcast rows\" (\"walcast row\", \"walcast nth\") \
             CROSS JOIN LATERAL pg_catalog.unnest(ARRAY[\"walcast rows\".\"walcast row\"::{}]) AS {} WHERE {condition}",
            self.table,
            identifier(&self.name),
        )
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
             FROM pg_catalog.unnest({arrays}) WITH ORDINALITY AS q ({names}, nth) \
             WHERE EXISTS (SELECT 1 FROM {only}{} AS t WHERE {is_row})",
            self.table
        )
    }

    /// What a link makes of the claims, as the log tells values of its column; and of whose claims.
    pub fn about_link(&self, link: &Link) -> String {
        format!("SELECT ({})::text, pg_catalog.current_setting('request.jwt.claims')", link.expression)
    }

    /// A version of a row as Postgres reads it: what policies do not read is left out.
    pub fn row(&self, values: &Values) -> String {
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
