use super::frame::Column;
use crate::{
    change::{Cell, RowBuilder},
    decode::Fault,
};

/// `pg_type.oid` of bytea, whose `\x` wal2json leaves out. (It leaves it in for a domain over bytea.)
const BYTEA: u32 = 17;

/// Adds a column's value, in the text that pgoutput gives it.
pub(super) fn push(row: &mut RowBuilder, column: &Column<'_>) -> Result<(), Fault> {
    match column.value.json {
        b"null" => row.push(Cell::Null),
        b"true" => row.push(Cell::Text("t")),
        b"false" => row.push(Cell::Text("f")),
        [b'-' | b'0'..=b'9', ..] => row.push(Cell::Text(column.value.written()?)),
        [b'"', ..] if column.typeoid == BYTEA => row.push(Cell::Text(&["\\x", &column.value.str()?].concat())),
        [b'"', ..] => row.push(Cell::Text(&column.value.str()?)),
        _ => return Err(Fault::NestedValue { column: column.name.to_string() }),
    }
    Ok(())
}
