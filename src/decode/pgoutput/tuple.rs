use super::relation::Relation;
use crate::{
    change::{Cell, CellNotUtf8, OldRow, Row, RowBuilder},
    decode::{Fault, reader::Reader},
};

pub(super) const TAG: &str = "the row's tag";

/// Takes the tag of a row, which must be `tag`.
pub(super) fn tag(frame: &mut Reader<'_>, tag: u8) -> Result<(), Fault> {
    match frame.u8(TAG)? {
        found if found == tag => Ok(()),
        value => Err(Fault::Unknown { what: TAG, value }),
    }
}

/// The row after an UPDATE.
pub(super) fn new(relation: &Relation, frame: &mut Reader<'_>, rows: &mut RowBuilder) -> Result<Row, Fault> {
    read(relation, frame, rows, true)
}

/// A row that is told whole: of an INSERT, or the old one under FULL.
pub(super) fn whole(relation: &Relation, frame: &mut Reader<'_>, rows: &mut RowBuilder) -> Result<Row, Fault> {
    read(relation, frame, rows, false)
}

/// The row before an UPDATE or DELETE; `tag` says how much of it is told.
pub(super) fn old(
    tag: u8,
    relation: &Relation,
    frame: &mut Reader<'_>,
    rows: &mut RowBuilder,
) -> Result<OldRow, Fault> {
    match tag {
        b'O' => Ok(OldRow::Full(whole(relation, frame, rows)?)),
        b'K' => {
            let row = whole(relation, frame, rows)?;
            // A partition that is FULL tells all of its row, although its root is not.
            let is_whole = row.cells().zip(&relation.key).any(|(cell, is_key)| !is_key && cell != Cell::Null);
            if is_whole || relation.key_is_everything {
                return Ok(OldRow::Full(row));
            }
            // Outside the key a null stands for "not sent".
            let told = row.cells().zip(&relation.key).map(|(cell, is_key)| if *is_key { cell } else { Cell::Absent });
            Ok(OldRow::Key(told.collect()))
        }
        value => Err(Fault::Unknown { what: TAG, value }),
    }
}

/// Reads a row of the relation.
fn read(
    relation: &Relation,
    frame: &mut Reader<'_>,
    rows: &mut RowBuilder,
    may_be_unchanged: bool,
) -> Result<Row, Fault> {
    let columns = relation.table.columns.len();
    let cells = usize::from(frame.u16("the number of cells")?);
    if cells != columns {
        return Err(Fault::CellCount { columns, cells });
    }
    for column in 0..columns {
        match frame.u8("a cell's kind")? {
            b't' => {
                let len = frame.u32("a cell's length")?;
                rows.push_text(frame.bytes(len, "a cell's text")?);
            }
            b'n' => rows.push(Cell::Null),
            b'u' if may_be_unchanged => rows.push(Cell::Unchanged),
            b'u' => return Err(Fault::UnchangedCell { column: name(relation, column) }),
            b'b' => return Err(Fault::BinaryCell { column: name(relation, column) }),
            value => return Err(Fault::Unknown { what: "a cell's kind", value }),
        }
    }
    rows.finish().map_err(|CellNotUtf8(column)| Fault::CellNotUtf8 { column: name(relation, column) })
}

fn name(relation: &Relation, column: usize) -> String {
    relation.table.columns.get(column).map(|column| column.name.to_string()).unwrap_or_default()
}
