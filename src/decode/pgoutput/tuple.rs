use super::relation::Relation;
use crate::{
    change::{Cell, OldRow, Row},
    decode::{Fault, reader::Reader},
};

pub(super) const TAG: &str = "the row's tag";

/// Takes the tag of a row, which must be `tag`.
pub(super) fn tag(frame: &mut Reader, tag: u8) -> Result<(), Fault> {
    match frame.u8(TAG)? {
        found if found == tag => Ok(()),
        value => Err(Fault::Unknown { what: TAG, value }),
    }
}

/// The row after an UPDATE.
pub(super) fn new(relation: &Relation, frame: &mut Reader) -> Result<Row, Fault> {
    read(relation, frame, |_, cell| Ok(cell))
}

/// A row that is told whole: of an INSERT, or the old one under FULL.
pub(super) fn whole(relation: &Relation, frame: &mut Reader) -> Result<Row, Fault> {
    read(relation, frame, |column, cell| match cell {
        Cell::Unchanged => Err(Fault::UnchangedCell { column: name(relation, column) }),
        cell => Ok(cell),
    })
}

/// The row before an UPDATE or DELETE; `tag` says how much of it is told.
pub(super) fn old(tag: u8, relation: &Relation, frame: &mut Reader) -> Result<OldRow, Fault> {
    match tag {
        b'O' => Ok(OldRow::Full(whole(relation, frame)?)),
        b'K' => {
            let mut row = whole(relation, frame)?;
            let outside = |(_, is_key): &(&mut Cell, &bool)| !**is_key;
            // A partition that is FULL tells all of its row, although its root is not.
            let is_whole = row.0.iter_mut().zip(&relation.key).filter(outside).any(|(cell, _)| *cell != Cell::Null);
            if is_whole || relation.key_is_everything {
                return Ok(OldRow::Full(row));
            }
            // Outside the key a null stands for "not sent".
            row.0.iter_mut().zip(&relation.key).filter(outside).for_each(|(cell, _)| *cell = Cell::Absent);
            Ok(OldRow::Key(row))
        }
        value => Err(Fault::Unknown { what: TAG, value }),
    }
}

/// Reads a row of the relation; `place` has the last word on what a cell means at a column's index.
fn read(
    relation: &Relation,
    frame: &mut Reader,
    mut place: impl FnMut(usize, Cell) -> Result<Cell, Fault>,
) -> Result<Row, Fault> {
    let columns = relation.table.columns.len();
    let cells = usize::from(frame.u16("the number of cells")?);
    if cells != columns {
        return Err(Fault::CellCount { columns, cells });
    }
    let mut row = Vec::with_capacity(columns);
    for column in 0..columns {
        let cell = match frame.u8("a cell's kind")? {
            b'n' => Cell::Null,
            b'u' => Cell::Unchanged,
            b't' => {
                let len = frame.u32("a cell's length")?;
                let text = frame.bytes(len, "a cell's text")?;
                Cell::Text(text.try_into().map_err(|_| Fault::CellNotUtf8 { column: name(relation, column) })?)
            }
            b'b' => return Err(Fault::BinaryCell { column: name(relation, column) }),
            value => return Err(Fault::Unknown { what: "a cell's kind", value }),
        };
        row.push(place(column, cell)?);
    }
    Ok(Row(row))
}

fn name(relation: &Relation, column: usize) -> String {
    relation.table.columns.get(column).map(|column| column.name.to_string()).unwrap_or_default()
}
