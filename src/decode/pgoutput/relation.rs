use std::sync::Arc;

use crate::{
    change::{Column, Table, TableName},
    decode::{
        Fault,
        error::{Failure, readable},
        reader::{Reader, utf8},
    },
};

/// Replica identity FULL.
const FULL: u8 = b'f';
/// Replica identity DEFAULT: the primary key.
const DEFAULT: u8 = b'd';

/// A table as a Relation frame announced it.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    pub table: Arc<Table>,
    /// Whether a column belongs to the replica identity. Under FULL all do.
    pub key: Vec<bool>,
    /// Whether a key, not FULL, holds all columns. Only a key is left out where it is unchanged: a root that is FULL
    /// may have partitions that are not, which then do not tell their old rows.
    pub key_is_everything: bool,
}

impl Relation {
    /// Reads a Relation frame past the relation's oid.
    pub fn read(oid: u32, mut frame: Reader<'_>) -> Result<Relation, Failure> {
        let (schema, name) = name(&mut frame)?;
        let mut table = Table { schema, name, oid: Some(oid), columns: Vec::new(), key: None };
        let (identity, key) = columns(frame, &mut table).map_err(|fault| fault.of(&table))?;
        if identity == DEFAULT && key.contains(&true) {
            let columns = table.columns.iter().zip(&key);
            table.key = Some(columns.filter(|(_, is_key)| **is_key).map(|(column, _)| column.name.clone()).collect());
        }
        let key_is_everything = identity != FULL && key.iter().all(|key| *key);
        Ok(Relation { table: Arc::new(table), key, key_is_everything })
    }
}

fn name(frame: &mut Reader<'_>) -> Result<TableName, Failure> {
    let schema = match frame.c_bytes("the relation's schema").map_err(Fault::told)? {
        b"" => b"pg_catalog",
        schema => schema,
    };
    let name = frame.c_bytes("the relation's name").map_err(Fault::told)?;
    let table = (readable(schema), readable(name));
    match (utf8(schema, "the relation's schema"), utf8(name, "the relation's name")) {
        (Ok(schema), Ok(name)) => Ok((schema.into(), name.into())),
        (Err(fault), _) | (_, Err(fault)) => Err(fault.of_name(table)),
    }
}

/// Reads the columns into `table`; returns the replica identity, and which of the columns belong to it.
fn columns(mut frame: Reader<'_>, table: &mut Table) -> Result<(u8, Vec<bool>), Fault> {
    let identity = match frame.u8("the replica identity")? {
        identity @ (DEFAULT | b'n' | FULL | b'i') => identity,
        value => return Err(Fault::Unknown { what: "the replica identity", value }),
    };
    let count = usize::from(frame.u16("the number of columns")?);
    let mut key = Vec::with_capacity(count);
    table.columns.reserve_exact(count);
    for _ in 0..count {
        key.push(match frame.u8("the column's flags")? {
            0 => false,
            1 => true,
            value => return Err(Fault::Unknown { what: "the column's flags", value }),
        });
        let name = frame.c_string("the column's name")?.into();
        let type_oid = frame.u32("the column's type")?;
        frame.u32("the column's type modifier")?;
        table.columns.push(Column { name, type_oid });
    }
    frame.finish()?;
    Ok((identity, key))
}
