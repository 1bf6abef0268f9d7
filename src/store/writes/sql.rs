//! The statements of a write. Identifiers are quoted and come from the catalog; values are parameters only:
//!
//! | | |
//! |---|---|
//! | `$1` | a text array: the values of the key, then, for a row that nests in another, of its parent and of its place |
//! | `$2` | the values to be written, as the text of a JSON object |
//! | `$3` | who writes |

use super::{Values, table::WriteTable};
use crate::{events::NestedSpec, postgres::quote, store::rule_table::Column};

use quote::{identifier, literal};

/// A column's value as the log says it.
fn told(column: &str) -> String {
    let column = identifier(column);
    // Not a cast to text, which has a form of its own for some types.
    format!("CASE WHEN t.{column} IS NOT NULL THEN format('%s', t.{column}) END")
}

fn cast(column: &Column, value: &str) -> String {
    format!("({value})::{}", column.type_name)
}

impl WriteTable {
    fn name(&self) -> String {
        format!("{}.{}", identifier(&self.rule.schema_name), identifier(&self.rule.table_name))
    }

    /// That it is the row of `$1`; `is_child`: a row that nests in another.
    fn is_row(&self, is_child: bool) -> String {
        let place: &[&String] = match &self.rule.nested {
            Some(NestedSpec::ChildRows { parent, row }) if is_child => &[parent, row],
            _ => &[],
        };
        let columns = self.key.iter().chain(place.iter().copied()).zip(1..);
        let is = |(name, nth): (&String, usize)| {
            let value = format!("($1::text[])[{nth}]");
            let value = self.column(name).map_or_else(|| value.clone(), |column| cast(column, &value));
            format!("t.{} = {value}", identifier(name))
        };
        columns.map(is).collect::<Vec<_>>().join(" AND ")
    }

    fn version(&self) -> String {
        let column = self.rule.version_column.as_deref();
        column.map_or_else(|| "NULL::bigint".to_owned(), |column| format!("t.{}::bigint", identifier(column)))
    }

    /// The columns by which it is seen what a write has changed: those that are told, but `document`, in which it edits a nested component.
    fn watched<'a>(&'a self, document: Option<&'a str>) -> impl Iterator<Item = &'a Column> {
        self.columns.iter().filter(move |column| column.told && Some(column.name.as_str()) != document)
    }

    /// Locks the row: its version, and a fingerprint of each column but `document`.
    pub fn lock(&self, is_child: bool, document: Option<&str>) -> String {
        let prints = self.watched(document).map(|column| format!("md5({})", told(&column.name)));
        let (version, prints) = (self.version(), prints.collect::<Vec<_>>().join(", "));
        format!(
            "SELECT {version}, ARRAY[{prints}]::text[] FROM {} AS t WHERE {} FOR NO KEY UPDATE",
            self.name(),
            self.is_row(is_child)
        )
    }

    /// The version, and the names and values of the columns whose fingerprints are not those of `$2` any more.
    pub fn changes(&self, document: Option<&str>) -> String {
        let value =
            |(column, nth): (&Column, u32)| format!("({nth}, {}, {})", literal(&column.name), told(&column.name));
        let mut values: Vec<String> = self.watched(document).zip(1..).map(value).collect();
        if values.is_empty() {
            // None of them is told; and a list of no values cannot be written.
            values.push("(0, NULL, NULL)".to_owned());
        }
        format!(
            "SELECT {}, u.name, u.value FROM {} AS t \
             LEFT JOIN LATERAL (VALUES {}) AS u (nth, name, value) ON md5(u.value) IS DISTINCT FROM ($2::text[])[u.nth] \
             WHERE {}",
            self.version(),
            self.name(),
            values.join(", "),
            self.is_row(false)
        )
    }

    /// The values of some columns, in their order.
    pub fn read_columns(&self, names: &[&str]) -> String {
        let values = names.iter().map(|name| told(name)).collect::<Vec<_>>().join(", ");
        format!("SELECT ARRAY[{values}]::text[] FROM {} AS t WHERE {}", self.name(), self.is_row(false))
    }

    /// What `$2` says of these columns, as a record `v`; `None` where it says nothing.
    fn record(&self, values: &Values) -> Option<String> {
        let column = |name| self.column(name).map(|column| format!("{} {}", identifier(name), column.type_name));
        let columns: Vec<String> = values.keys().filter_map(|name| column(name)).collect();
        (!columns.is_empty()).then(|| format!("jsonb_to_record($2::text::jsonb) AS v ({})", columns.join(", ")))
    }

    /// The columns that say who writes, with the expression.
    fn authors<'a>(&'a self, names: &[&'a Option<String>]) -> impl Iterator<Item = (String, String)> + use<'a> {
        let mut found: Vec<&Column> = Vec::new();
        for column in names.iter().filter_map(|name| self.column(name.as_deref()?)) {
            if found.iter().all(|other| other.name != column.name) {
                found.push(column);
            }
        }
        found.into_iter().map(|column| (identifier(&column.name), cast(column, "$3::text")))
    }

    /// `$1` holds the entity's type and id, where the rule has them. Answers with the key and the version.
    pub fn insert(&self, values: &Values) -> String {
        let entity = [&self.rule.entity_type_column, &self.rule.entity_id_column].into_iter().zip(1..);
        let mut columns: Vec<(String, String)> = entity
            .filter_map(|(name, nth)| Some((self.column(name.as_deref()?)?, nth)))
            .map(|(column, nth)| (identifier(&column.name), cast(column, &format!("($1::text[])[{nth}]"))))
            .collect();
        columns.extend(self.authors(&[&self.rule.actor_column, &self.rule.creator_column]));
        columns.extend(values.keys().map(|name| (identifier(name), format!("v.{}", identifier(name)))));
        let (names, expressions): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        let key = self.key.iter().map(|name| told(name)).collect::<Vec<_>>().join(", ");
        let source = match (names.is_empty(), self.record(values)) {
            (true, _) => "DEFAULT VALUES".to_owned(),
            (false, record) => {
                let from = record.map_or_else(String::new, |record| format!(" FROM {record}"));
                format!("({}) SELECT {}{from}", names.join(", "), expressions.join(", "))
            }
        };
        format!("INSERT INTO {} AS t {source} RETURNING ARRAY[{key}], {}", self.name(), self.version())
    }

    pub fn update(&self, updates: &Values) -> String {
        let named = updates.keys().map(|name| (identifier(name), format!("v.{}", identifier(name))));
        let sets = named.chain(self.authors(&[&self.rule.actor_column]));
        let sets = sets.map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(", ");
        let from = self.record(updates).map_or_else(String::new, |record| format!(" FROM {record}"));
        format!("UPDATE {} AS t SET {sets}{from} WHERE {}", self.name(), self.is_row(false))
    }

    pub fn delete(&self) -> String {
        format!("DELETE FROM {} AS t WHERE {}", self.name(), self.is_row(false))
    }
}
