use std::sync::Arc;

use bytestring::ByteString;

use crate::{
    change::{Column, Table},
    decode::{Fault, error::Failure, reader::Reader},
};

/// A table as a Relation frame announced it.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    pub table: Arc<Table>,
    /// Whether a column belongs to the replica identity. Under FULL all do.
    pub key: Vec<bool>,
    pub key_is_everything: bool,
}

impl Relation {
    /// Reads a Relation frame past its tag: the relation's oid and the relation.
    pub fn read(frame: &mut Reader) -> Result<(u32, Relation), Failure> {
        let oid = frame.u32("the relation's oid")?;
        let schema = match frame.c_string("the relation's schema")? {
            schema if schema.is_empty() => ByteString::from_static("pg_catalog"),
            schema => schema,
        };
        let name = frame.c_string("the relation's name")?;
        let mut table = Table { schema, name, columns: Vec::new() };
        let key = columns(frame, &mut table).map_err(|fault| fault.of(&table))?;
        let key_is_everything = key.iter().all(|key| *key);
        Ok((oid, Relation { table: Arc::new(table), key, key_is_everything }))
    }
}

/// Reads the replica identity and the columns into `table`; returns which of them belong to the identity.
fn columns(frame: &mut Reader, table: &mut Table) -> Result<Vec<bool>, Fault> {
    match frame.u8("the replica identity")? {
        b'd' | b'n' | b'f' | b'i' => {}
        value => return Err(Fault::Unknown { what: "the replica identity", value }),
    }
    let count = usize::from(frame.u16("the number of columns")?);
    let mut key = Vec::with_capacity(count);
    table.columns.reserve_exact(count);
    for _ in 0..count {
        key.push(match frame.u8("the column's flags")? {
            0 => false,
            1 => true,
            value => return Err(Fault::Unknown { what: "the column's flags", value }),
        });
        let name = frame.c_string("the column's name")?;
        let type_oid = frame.u32("the column's type")?;
        frame.u32("the column's type modifier")?;
        table.columns.push(Column { name, type_oid });
    }
    Ok(key)
}
