use std::{collections::HashMap, sync::Arc};

use indexmap::IndexSet;

use crate::{
    change::{Cell, Table},
    events::{BoundFilter, RowChange, RowOp, Value},
};

/// A group of a table.
pub type GroupId = u64;

/// Which groups a change may concern, by the values that they want in the columns of one layout of the table.
pub struct Index {
    pub table: Arc<Table>,
    columns: HashMap<usize, HashMap<Value, IndexSet<GroupId>>>,
    /// Those that want no particular value.
    rest: IndexSet<GroupId>,
}

impl Index {
    pub fn new(table: &Arc<Table>) -> Self {
        Index { table: Arc::clone(table), columns: HashMap::new(), rest: IndexSet::new() }
    }

    pub fn add(&mut self, group: GroupId, filter: &BoundFilter) {
        match filter.wanted() {
            Some((column, values)) => {
                let by_value = self.columns.entry(column).or_default();
                for value in values {
                    by_value.entry(value.clone()).or_default().insert(group);
                }
            }
            None => {
                self.rest.insert(group);
            }
        }
    }

    pub fn remove(&mut self, group: GroupId, filter: &BoundFilter) {
        let Some((column, values)) = filter.wanted() else {
            self.rest.swap_remove(&group);
            return;
        };
        let Some(by_value) = self.columns.get_mut(&column) else { return };
        for value in values {
            if let Some(groups) = by_value.get_mut(value) {
                groups.swap_remove(&group);
                if groups.is_empty() {
                    by_value.remove(value);
                }
            }
        }
        if by_value.is_empty() {
            self.columns.remove(&column);
        }
    }

    /// The groups to ask of a change, each once, the longest there first.
    pub fn candidates(&self, change: &RowChange<'_>) -> Vec<GroupId> {
        let mut found: Vec<GroupId> = self.rest.iter().copied().collect();
        for (column, by_value) in &self.columns {
            let old = (change.operation != RowOp::Insert).then(|| change.before(*column));
            let new = (change.operation != RowOp::Delete).then(|| change.after(*column));
            for cell in old.into_iter().chain(new) {
                match self.look_up(*column, cell) {
                    Some(value) => found.extend(value.and_then(|value| by_value.get(&value)).into_iter().flatten()),
                    // Nobody can say which value it is.
                    None => found.extend(by_value.values().flatten()),
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The value of a cell, if it has one; `None` where that is not known.
    fn look_up(&self, column: usize, cell: Cell<'_>) -> Option<Option<Value>> {
        match cell {
            Cell::Null => Some(None),
            Cell::Text(text) => Some(Some(Value::read(self.table.columns.get(column)?.type_oid, text)?)),
            Cell::Unchanged | Cell::Absent => None,
        }
    }
}
