//! Which columns are a table's primary key where the stream stands. The log says it seldom; the catalog says it of now, and
//! the stream may be of before the table was altered or dropped.

use std::collections::HashMap;

use bytestring::ByteString;

use crate::change::{Table, TableName};

/// The keys as they were last settled on.
#[derive(Debug, Default)]
pub(super) struct Keys(HashMap<TableName, Vec<ByteString>>);

impl Keys {
    /// The key of a layout, given what the catalog says now: `found` is `None` where the table is gone. `None`: nobody knows.
    pub fn settle(&mut self, table: &Table, found: Option<Vec<ByteString>>) -> Option<Vec<ByteString>> {
        let name = table.full_name();
        let fits = |key: &Vec<ByteString>| key.iter().all(|column| table.column(column).is_some());
        let key = match (&table.key, found) {
            // The same key: the catalog has it in its own order, and with the columns that are not published.
            (Some(logged), Some(found)) if logged.iter().all(|column| found.contains(column)) => Some(found),
            (Some(logged), _) => Some(logged.clone()),
            (None, Some(found)) if fits(&found) => Some(found),
            (None, found) => self.0.get(&name).filter(|before| fits(before)).cloned().or(found),
        };
        if let Some(key) = key.as_ref().filter(|key| !key.is_empty()) {
            self.0.insert(name, key.clone());
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Column;

    fn table(columns: &[&str], logged: Option<&[&str]>) -> Table {
        let column = |name: &&str| Column { name: (*name).into(), type_oid: 23 };
        let columns = columns.iter().map(column).collect();
        Table { schema: "public".into(), name: "t".into(), oid: None, columns, key: logged.map(names) }
    }

    fn names(key: &[&str]) -> Vec<ByteString> {
        key.iter().map(|name| (*name).into()).collect()
    }

    fn settled(keys: &mut Keys, table: &Table, found: Option<&[&str]>) -> Option<Vec<ByteString>> {
        keys.settle(table, found.map(names))
    }

    #[test]
    fn the_log_is_right_and_the_catalog_knows_more() {
        let mut keys = Keys::default();
        let logged = table(&["a", "b", "c"], Some(&["a", "b"]));
        assert_eq!(settled(&mut keys, &logged, Some(&["b", "a"])), Some(names(&["b", "a"])), "the key's own order");
        assert_eq!(settled(&mut keys, &logged, Some(&["b", "hidden", "a"])), Some(names(&["b", "hidden", "a"])));
        for later in [Some(&["c"][..]), Some(&[]), None] {
            assert_eq!(settled(&mut keys, &logged, later), Some(names(&["a", "b"])), "{later:?}");
        }
    }

    #[test]
    fn a_key_that_the_catalog_has_no_more_is_known_from_before() {
        let mut keys = Keys::default();
        let old = table(&["id", "a"], None);
        assert_eq!(settled(&mut keys, &old, None), None, "it was never known");
        assert_eq!(settled(&mut keys, &old, Some(&["id"])), Some(names(&["id"])));
        assert_eq!(settled(&mut keys, &old, None), Some(names(&["id"])), "dropped");
        assert_eq!(settled(&mut keys, &old, Some(&["renamed"])), Some(names(&["id"])), "renamed");
        assert_eq!(settled(&mut keys, &old, Some(&[])), Some(vec![]), "it has none now");
        // Of a table that was made anew nothing is known from before.
        let anew = table(&["code"], None);
        assert_eq!(settled(&mut keys, &anew, Some(&["id"])), Some(names(&["id"])));
        assert_eq!(settled(&mut keys, &anew, None), None);
    }
}
