use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::{frame::Column, text};
use crate::{
    change::{self, Cell, CellNotUtf8, OldRow, Row, RowBuilder, Table},
    decode::{Fault, PublishedTable},
};

/// What is known at this place of the stream of a published table's columns.
///
/// wal2json announces no relations, so each change is asked what it shows of them:
/// - Before the first change they are those of the catalog, as good a guess as there is.
/// - An INSERT shows all of them, and so does the identity of an UPDATE under FULL: others are gone.
/// - Any UPDATE shows all but out-of-line values that it did not touch: another that is missing, and of a type that is
///   never stored out of line, is gone.
/// - A DELETE adds what it shows and takes nothing away: that its identity is FULL it does not say.
///
/// A column shown for the first time stands last where no known one follows it, as ADD COLUMN has it; else, renamed or
/// never asked for, behind the one that it follows.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Made anew only when something is learnt.
    pub table: Arc<Table>,
    /// Whether the replica identity is FULL, as far as the catalog and then the changes said.
    full: bool,
}

/// Where a row comes from, and what puts it together.
#[derive(Debug)]
pub(super) struct Source<'a> {
    pub published: &'a PublishedTable,
    /// Whether it is of a partition that is told as its root.
    pub leaf: bool,
    pub rows: &'a mut RowBuilder,
}

impl Layout {
    pub fn new(published: &PublishedTable) -> Self {
        let PublishedTable { schema, name, columns, .. } = published;
        let (schema, name, columns) = (schema.clone(), name.clone(), columns.clone());
        let table = Table { schema, name, oid: None, columns, key: None };
        Layout { table: Arc::new(table), full: published.full }
    }

    /// The row of an INSERT.
    pub fn inserted(&mut self, source: Source<'_>, mut columns: Vec<Column<'_>>) -> Result<Row, Fault> {
        let known = self.find(source.published, &mut columns);
        if !known {
            // Where the key was all there was, it looked like FULL.
            self.full = source.published.full;
        }
        self.take_whole(known, source.leaf, &mut columns)?;
        self.row(source.rows, &columns, Cell::Absent, text::push)
    }

    /// The rows of an UPDATE, the old one as pgoutput tells it.
    pub fn updated(
        &mut self,
        source: Source<'_>,
        mut columns: Vec<Column<'_>>,
        mut identity: Vec<Column<'_>>,
    ) -> Result<(Option<OldRow>, Row), Fault> {
        if !(self.find(source.published, &mut columns) & self.find(source.published, &mut identity)) {
            self.learn(&columns);
            self.learn(&identity);
            self.index(&mut columns);
            self.index(&mut identity);
        }
        if !self.is_everything(&columns) && !self.is_everything(&identity) {
            let is_shown = |index| shows(&columns, index) || shows(&identity, index);
            if self.forget(|index, column| is_never_out_of_line(column.type_oid) && !is_shown(index)) {
                self.index(&mut columns);
                self.index(&mut identity);
            }
        }
        self.full =
            self.is_everything(&identity) || self.full && columns.iter().all(|column| shows(&identity, column.index));
        if self.full {
            self.take_whole(true, source.leaf, &mut identity)?;
            self.index(&mut columns);
        }
        // A column that an UPDATE does not show is an out-of-line value that it did not touch.
        let new = self.row(source.rows, &columns, Cell::Unchanged, text::push)?;
        // Most of an old row is as it was, and long texts with escapes cost more to read than all else.
        let push_old = |row: &mut RowBuilder, column: &Column<'_>| {
            if columns.iter().any(|after| column.equals(after)) {
                row.push(new.cell(column.index));
                return Ok(());
            }
            text::push(row, column)
        };
        let old = if self.is_everything(&identity) {
            Some(OldRow::Full(self.row(source.rows, &identity, Cell::Absent, push_old)?))
        } else if identity.iter().all(|key| columns.iter().any(|column| key.equals(column))) {
            // Taken from the new row: the key is unchanged, and pgoutput sends no old row.
            None
        } else {
            Some(OldRow::Key(self.row(source.rows, &identity, Cell::Absent, push_old)?))
        };
        Ok((old, new))
    }

    /// The row of a DELETE.
    pub fn deleted(&mut self, source: Source<'_>, mut identity: Vec<Column<'_>>) -> Result<OldRow, Fault> {
        if !self.find(source.published, &mut identity) {
            self.learn(&identity);
            self.index(&mut identity);
        }
        let row = self.row(source.rows, &identity, Cell::Absent, text::push)?;
        Ok(if self.full || self.is_everything(&identity) { OldRow::Full(row) } else { OldRow::Key(row) })
    }

    /// Whether a row shows all of the table.
    fn is_everything(&self, columns: &[Column<'_>]) -> bool {
        columns.len() == self.table.columns.len()
    }

    /// Drops the columns that are not published and looks the others up. Says whether all are known as they are.
    fn find(&self, published: &PublishedTable, columns: &mut Vec<Column<'_>>) -> bool {
        let mut known = true;
        let mut expected = 0;
        columns.retain_mut(|column| {
            let Some(index) = self.position(expected, column) else {
                let is_published = published.publishes(&column.name);
                known &= !is_published;
                return is_published;
            };
            known &= self.table.columns.get(index).is_some_and(|known| known.type_oid == column.typeoid);
            column.index = index;
            expected = index + 1;
            true
        });
        known
    }

    /// Looks up columns that are all in the table.
    fn index(&self, columns: &mut [Column<'_>]) {
        let mut expected = 0;
        for column in columns {
            if let Some(index) = self.position(expected, column) {
                column.index = index;
                expected = index + 1;
            }
        }
    }

    /// A column's index. Rows come in the table's own order, but for those of leaves that were made with another.
    fn position(&self, expected: usize, column: &Column<'_>) -> Option<usize> {
        let name = column.name.as_ref();
        match self.table.columns.get(expected) {
            Some(next) if next.name == name => Some(expected),
            _ => self.table.column(name),
        }
    }

    /// Takes up the types of the columns, and those columns that are not in the table.
    fn learn(&mut self, columns: &[Column<'_>]) {
        let table = Arc::make_mut(&mut self.table);
        let mut rest = columns;
        let mut behind = 0;
        while let Some((column, after)) = rest.split_first() {
            rest = after;
            let place = table.column(&column.name);
            if let Some(known) = place.and_then(|place| table.columns.get_mut(place)) {
                known.type_oid = column.typeoid;
            }
            let place = place.unwrap_or_else(|| {
                let is_last = rest.iter().all(|later| table.column(&later.name).is_none());
                let place = if is_last { table.columns.len() } else { behind };
                table.columns.insert(place, column.described());
                place
            });
            behind = place + 1;
        }
    }

    /// Takes up a row that shows all there is; `known` says whether its columns are known as they are.
    fn take_whole(&mut self, known: bool, leaf: bool, columns: &mut [Column<'_>]) -> Result<(), Fault> {
        if known && self.is_everything(columns) && (leaf || columns.is_sorted_by_key(|column| column.index)) {
            return Ok(());
        }
        for (index, column) in columns.iter().enumerate() {
            if columns.iter().take(index).any(|before| before.name == column.name) {
                return Err(Fault::DuplicateColumn { column: column.name.to_string() });
            }
        }
        if leaf {
            // Its root may have been made in another order.
            self.learn(columns);
            self.index(columns);
            self.forget(|index, _| !shows(columns, index));
        } else {
            Arc::make_mut(&mut self.table).columns = columns.iter().map(Column::described).collect();
        }
        self.index(columns);
        Ok(())
    }

    /// Says whether there was anything to forget.
    fn forget(&mut self, is_gone: impl Fn(usize, &change::Column) -> bool) -> bool {
        if !self.table.columns.iter().enumerate().any(|(index, column)| is_gone(index, column)) {
            return false;
        }
        let mut index = 0..;
        Arc::make_mut(&mut self.table)
            .columns
            .retain(|column| !index.next().is_some_and(|index| is_gone(index, column)));
        true
    }

    /// A row of the table from columns that were looked up; `unsaid` stands where they say nothing.
    fn row(
        &self,
        rows: &mut RowBuilder,
        columns: &[Column<'_>],
        unsaid: Cell<'_>,
        push: impl Fn(&mut RowBuilder, &Column<'_>) -> Result<(), Fault>,
    ) -> Result<Row, Fault> {
        let mut said: SmallVec<[Option<&Column<'_>>; 32]> = smallvec![None; self.table.columns.len()];
        for column in columns {
            if said.get_mut(column.index).is_none_or(|place| place.replace(column).is_some()) {
                return Err(Fault::DuplicateColumn { column: column.name.to_string() });
            }
        }
        // What was put together of one that could not be read is given up.
        rows.clear();
        for column in said {
            match column {
                Some(column) => push(rows, column)?,
                None => rows.push(unsaid),
            }
        }
        rows.finish().map_err(|CellNotUtf8(index)| {
            let column = self.table.columns.get(index).map(|column| column.name.to_string());
            Fault::CellNotUtf8 { column: column.unwrap_or_default() }
        })
    }
}

impl Column<'_> {
    fn equals(&self, other: &Column<'_>) -> bool {
        self.index == other.index && self.typeoid == other.typeoid && self.value.json == other.value.json
    }

    fn described(&self) -> change::Column {
        change::Column { name: self.name.as_ref().into(), type_oid: self.typeoid }
    }
}

fn shows(columns: &[Column<'_>], index: usize) -> bool {
    columns.iter().any(|column| column.index == index)
}

/// Whether the type is a built-in one of fixed length. Oids are those of `pg_type`, which never change.
fn is_never_out_of_line(type_oid: u32) -> bool {
    // bool, "char", name, int8, int2, int4, oid, float4, float8, money, macaddr, macaddr8, date, time, timestamp,
    // timestamptz, interval, timetz, uuid, pg_lsn, and the geometric ones: point, lseg, box, line, circle
    matches!(
        type_oid,
        16 | 18
            ..=21
                | 23
                | 26
                | 700
                | 701
                | 790
                | 829
                | 774
                | 1082
                | 1083
                | 1114
                | 1184
                | 1186
                | 1266
                | 2950
                | 3220
                | 600
                | 601
                | 603
                | 628
                | 718
    )
}
