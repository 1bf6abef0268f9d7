use std::collections::HashMap;

use bytestring::ByteString;
use foldhash::fast::FixedState;

use crate::change::Column;

/// Nobody outside gives tables their names, and each change is looked up by two.
type ByName<T> = HashMap<ByteString, T, FixedState>;

/// What a publication publishes (`pg_publication_tables`), for wal2json, which ignores publications.
#[derive(Clone, Debug, Default)]
pub struct Published {
    tables: Vec<PublishedTable>,
    /// By schema, then by name as the log has it: a table's own, or a leaf's.
    by_name: ByName<ByName<Place>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedTable {
    pub schema: ByteString,
    pub name: ByteString,
    /// The published columns as the catalog has them, in the table's order: what is taken to be there until the changes
    /// themselves show it.
    pub columns: Vec<Column>,
    pub scope: Scope,
    /// Whether the catalog has its replica identity, or that of all its partitions, as FULL.
    pub full: bool,
    pub insert: bool,
    pub update: bool,
    pub delete: bool,
    pub truncate: bool,
    /// Schema and name of the partitions whose changes are told as this root's (`publish_via_partition_root`).
    pub leaves: Vec<(ByteString, ByteString)>,
}

/// Which columns of a table are published, whatever DDL does to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// There is no column list: whatever columns it has, later ones included, but for these. They are the generated ones
    /// that Postgres does not publish (none of them before 18), although wal2json tells them.
    All { except: Vec<ByteString> },
    /// There is a column list: [`PublishedTable::columns`] and no other.
    Listed,
}

impl PublishedTable {
    pub(super) fn publishes(&self, column: &str) -> bool {
        match &self.scope {
            Scope::All { except } => except.iter().all(|hidden| hidden != column),
            Scope::Listed => self.columns.iter().any(|listed| listed.name == column),
        }
    }
}

/// Where a table's changes are told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// An index of [`Published::tables`].
    pub table: usize,
    /// Whether it is a partition that is told as its root.
    pub leaf: bool,
}

impl Published {
    pub fn new(tables: Vec<PublishedTable>) -> Self {
        let mut by_name: ByName<ByName<Place>> = HashMap::default();
        for (table, published) in tables.iter().enumerate() {
            for (schema, name) in &published.leaves {
                by_name.entry(schema.clone()).or_default().insert(name.clone(), Place { table, leaf: true });
            }
        }
        // After the leaves: what is published under its own name is told under it.
        for (table, PublishedTable { schema, name, .. }) in tables.iter().enumerate() {
            by_name.entry(schema.clone()).or_default().insert(name.clone(), Place { table, leaf: false });
        }
        Published { tables, by_name }
    }

    pub fn tables(&self) -> &[PublishedTable] {
        &self.tables
    }

    /// The table, by its name in the log, and how its changes are told; `None` where it is not published.
    pub(super) fn find(&self, schema: &str, name: &str) -> Option<(&PublishedTable, Place)> {
        let place = *self.by_name.get(schema)?.get(name)?;
        Some((self.tables.get(place.table)?, place))
    }

    /// The value of wal2json's option `add-tables`: `schema.name`, comma-separated, leaves included, with wal2json's own
    /// escapes. Where nothing is published it is empty, which wal2json takes for "no table". It is not quoted for SQL.
    pub fn add_tables(&self) -> String {
        let mut value = String::new();
        for table in &self.tables {
            let own = std::iter::once((&table.schema, &table.name));
            for (schema, name) in own.chain(table.leaves.iter().map(|(schema, name)| (schema, name))) {
                if !value.is_empty() {
                    value.push(',');
                }
                escape(schema, &mut value);
                value.push('.');
                escape(name, &mut value);
            }
        }
        value
    }
}

/// wal2json takes a backslash from before any character. What is special to it (comma, dot, asterisk, backslash, every
/// space of C's `isspace`) is ASCII and not a letter, digit or underscore; escaping the rest of those does no harm.
fn escape(name: &str, value: &mut String) {
    for c in name.chars() {
        if c.is_ascii() && !c.is_ascii_alphanumeric() && c != '_' {
            value.push('\\');
        }
        value.push(c);
    }
}
