use std::sync::Arc;

use bytes::Bytes;

use super::{frame::Column, text};
use crate::{
    change::{self, Cell, OldRow, Row, Table},
    decode::{Fault, PublishedTable},
};

/// Postgres's InvalidOid: the type of a column that no change has shown yet.
const UNSEEN: u32 = 0;

/// What is known so far of a published table's columns. wal2json announces no relations: an INSERT shows which columns
/// there are, other changes only some of them, so until the first INSERT all published columns are taken to be there. The
/// [`Table`] is made anew only when something is learnt.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub table: Arc<Table>,
    /// For each published column: what the table has of it, if it has it.
    known: Vec<Option<Known>>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    type_oid: u32,
    /// The column's index in the table.
    index: usize,
}

impl Layout {
    pub fn new(published: &PublishedTable) -> Self {
        let known = |index| Some(Known { type_oid: UNSEEN, index });
        let mut layout =
            Layout { table: Arc::new(blank(published)), known: (0..published.columns.len()).map(known).collect() };
        layout.settle(true, published);
        layout
    }

    /// The row of an INSERT.
    pub fn inserted(
        &mut self,
        published: &PublishedTable,
        source: &Bytes,
        mut columns: Vec<Column<'_>>,
    ) -> Result<Row, Fault> {
        let mut learnt = self.learn(published, &mut columns);
        if self.known.iter().flatten().count() > columns.len() {
            for (index, known) in self.known.iter_mut().enumerate() {
                *known = known.filter(|_| columns.iter().any(|column| column.index == index));
            }
            learnt = true;
        }
        self.settle(learnt, published);
        self.row(source, &columns, Cell::Absent)
    }

    /// The rows of an UPDATE, the old one as pgoutput tells it.
    pub fn updated(
        &mut self,
        published: &PublishedTable,
        source: &Bytes,
        mut columns: Vec<Column<'_>>,
        mut identity: Vec<Column<'_>>,
    ) -> Result<(Option<OldRow>, Row), Fault> {
        let learnt = self.learn(published, &mut columns) | self.learn(published, &mut identity);
        self.settle(learnt, published);
        // A column that an UPDATE does not show is an out-of-line value that it did not touch.
        let new = self.row(source, &columns, Cell::Unchanged)?;
        let old = if self.is_everything(&identity) {
            Some(OldRow::Full(self.row(source, &identity, Cell::Absent)?))
        } else if identity.iter().all(|key| columns.iter().any(|column| key.equals(column))) {
            // Taken from the new row: the key is unchanged, and pgoutput sends no old row.
            None
        } else {
            Some(OldRow::Key(self.row(source, &identity, Cell::Absent)?))
        };
        Ok((old, new))
    }

    /// The row of a DELETE.
    pub fn deleted(
        &mut self,
        published: &PublishedTable,
        source: &Bytes,
        mut identity: Vec<Column<'_>>,
    ) -> Result<OldRow, Fault> {
        let learnt = self.learn(published, &mut identity);
        self.settle(learnt, published);
        let row = self.row(source, &identity, Cell::Absent)?;
        Ok(if self.is_everything(&identity) { OldRow::Full(row) } else { OldRow::Key(row) })
    }

    /// Whether a row shows all of the table.
    fn is_everything(&self, columns: &[Column<'_>]) -> bool {
        columns.len() == self.table.columns.len()
    }

    /// Looks the columns up, drops those that are not published, and notes their types. Says whether a type is new.
    fn learn(&mut self, published: &PublishedTable, columns: &mut Vec<Column<'_>>) -> bool {
        let mut learnt = false;
        let mut expected = 0;
        columns.retain_mut(|column| {
            let name = column.name.0.as_ref();
            // In the table's own order, but for leaves that were made with another.
            let index = match published.columns.get(expected) {
                Some(next) if next == name => Some(expected),
                _ => published.columns.iter().position(|published| published == name),
            };
            let Some((index, known)) = index.and_then(|index| Some((index, self.known.get_mut(index)?))) else {
                return false;
            };
            expected = index + 1;
            column.index = index;
            if known.is_none_or(|known| known.type_oid != column.typeoid) {
                *known = Some(Known { type_oid: column.typeoid, index: 0 });
                learnt = true;
            }
            true
        });
        learnt
    }

    /// Makes the table anew if something was learnt.
    fn settle(&mut self, learnt: bool, published: &PublishedTable) {
        if !learnt {
            return;
        }
        let mut table = blank(published);
        for (name, known) in published.columns.iter().zip(&mut self.known) {
            if let Some(known) = known {
                known.index = table.columns.len();
                table.columns.push(change::Column { name: name.clone(), type_oid: known.type_oid });
            }
        }
        self.table = Arc::new(table);
    }

    /// A row of the table from columns that were looked up; `unsaid` stands where they say nothing.
    fn row(&self, source: &Bytes, columns: &[Column<'_>], unsaid: Cell) -> Result<Row, Fault> {
        let mut row = vec![unsaid.clone(); self.table.columns.len()];
        for column in columns {
            let place = self.known.get(column.index).copied().flatten().and_then(|known| row.get_mut(known.index));
            let value = text::cell(source, column)?;
            if place.is_none_or(|place| std::mem::replace(place, value) != unsaid) {
                return Err(Fault::DuplicateColumn { column: column.name.0.to_string() });
            }
        }
        Ok(Row(row))
    }
}

fn blank(published: &PublishedTable) -> Table {
    Table { schema: published.schema.clone(), name: published.name.clone(), columns: Vec::new() }
}

impl Column<'_> {
    fn equals(&self, other: &Column<'_>) -> bool {
        self.index == other.index && self.value.get() == other.value.get()
    }
}
