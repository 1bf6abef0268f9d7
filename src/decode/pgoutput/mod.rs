//! `pgoutput`, protocol 1, text cells, of Postgres 14 to 18: "Logical Replication Message Formats" in the manual.

mod relation;
mod tuple;

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use foldhash::fast::FixedState;

use self::relation::Relation;
use super::{
    DecodeError, Decoder, Fault,
    error::{Failure, Harm},
    order::Order,
    reader::Reader,
};
use crate::change::{
    Begin, Cell, Change, Commit, Entry, LogicalMessage, Lsn, OldRow, Operation, RowBuilder, TableName,
};

/// By oid, as they were announced last; `Err` where that could not be read, with the name if at least that could.
type Relations = HashMap<u32, Result<Relation, Option<TableName>>, FixedState>;

/// Decodes `pgoutput`: options `proto_version '1'` and, where messages are wanted, `messages 'true'`.
///
/// An old row counts as [`OldRow::Full`] wherever the log tells all of it: under replica identity FULL, and where the
/// columns of the identity are all the published columns there are (then an unchanged identity tells the old row too).
/// Where a root is FULL and a partition told as it is not, Postgres passes the partition's old key off as a whole row,
/// with NULL in all other columns.
#[derive(Clone, Debug, Default)]
pub struct PgOutput {
    relations: Relations,
    order: Order,
    rows: RowBuilder,
}

impl PgOutput {
    pub fn new() -> Self {
        PgOutput::default()
    }

    fn frame(&mut self, lsn: Lsn, payload: &[u8], out: &mut Vec<Entry>) -> Result<(), Failure> {
        let mut frame = Reader::new(payload);
        match frame.u8("the frame's tag")? {
            b'B' => self.begin(frame),
            b'C' => self.commit(frame, out),
            b'O' => self.origin(frame),
            b'R' => self.relation(frame),
            b'Y' => self.data_type(frame),
            b'I' => self.change(lsn, frame, "an insert", insert, out),
            b'U' => self.change(lsn, frame, "an update", update, out),
            b'D' => self.change(lsn, frame, "a delete", delete, out),
            b'T' => self.truncate(lsn, frame, out),
            b'M' => self.message(frame, out),
            value => Err(Fault::Unknown { what: "the frame's tag", value }.into()),
        }
    }

    fn begin(&mut self, mut frame: Reader<'_>) -> Result<(), Failure> {
        let begin = Begin {
            commit_lsn: frame.lsn("the commit position")?,
            committed_at: frame.timestamp("the commit time")?,
            xid: frame.u32("the transaction id")?,
        };
        frame.finish()?;
        Ok(self.order.begin(begin)?)
    }

    fn commit(&mut self, mut frame: Reader<'_>, out: &mut Vec<Entry>) -> Result<(), Failure> {
        let flags = frame.u8("the commit's flags")?;
        if flags != 0 {
            return Err(Fault::Unknown { what: "the commit's flags", value: flags }.into());
        }
        let commit = Commit { commit_lsn: frame.lsn("the commit position")?, end_lsn: frame.lsn("the end position")? };
        frame.timestamp("the commit time")?;
        frame.finish()?;
        Ok(self.order.commit(commit, out)?)
    }

    /// Where a transaction was first committed, if it was itself replicated to here: read for its form only.
    fn origin(&mut self, mut frame: Reader<'_>) -> Result<(), Failure> {
        self.order.within("an origin")?;
        let mut read = || {
            frame.lsn("the origin's position")?;
            frame.c_bytes("the origin's name")?;
            frame.finish()
        };
        read().map_err(Fault::untold)
    }

    /// Where the relation cannot be read, its oid means no longer what it meant before.
    fn relation(&mut self, mut frame: Reader<'_>) -> Result<(), Failure> {
        self.order.within("a relation")?;
        let oid = frame.u32("the relation's oid")?;
        match Relation::read(oid, frame) {
            Ok(relation) => {
                self.relations.insert(oid, Ok(relation));
                Ok(())
            }
            Err(failure) => {
                self.relations.insert(oid, Err(failure.table.clone()));
                Err(Failure { harm: Harm::Nothing, ..failure })
            }
        }
    }

    /// The name of a type that is not built in: read for its form only, since columns carry their type's oid.
    fn data_type(&mut self, mut frame: Reader<'_>) -> Result<(), Failure> {
        self.order.within("a type")?;
        let mut read = || {
            frame.u32("the type's oid")?;
            frame.c_bytes("the type's schema")?;
            frame.c_bytes("the type's name")?;
            frame.finish()
        };
        read().map_err(Fault::untold)
    }

    fn change(
        &mut self,
        lsn: Lsn,
        mut frame: Reader<'_>,
        what: &'static str,
        read: fn(&Relation, Reader<'_>, &mut RowBuilder) -> Result<Operation, Fault>,
        out: &mut Vec<Entry>,
    ) -> Result<(), Failure> {
        self.order.within(what)?;
        let oid = frame.u32("the relation's oid").map_err(Fault::told)?;
        let relation = known(&self.relations, oid)?;
        // What was put together of one that could not be read is given up.
        self.rows.clear();
        let operation = read(relation, frame, &mut self.rows).map_err(|fault| fault.of(&relation.table))?;
        let table = Arc::clone(&relation.table);
        Ok(self.order.tell(Entry::Change(Change { lsn, table, operation }), out)?)
    }

    /// Of several relations those that are known are told.
    fn truncate(&mut self, lsn: Lsn, frame: Reader<'_>, out: &mut Vec<Entry>) -> Result<(), Failure> {
        self.order.within("a truncate")?;
        let mut outcome = Ok(());
        for oid in truncated(frame).map_err(Fault::told)? {
            match known(&self.relations, oid) {
                Ok(relation) => {
                    let (table, operation) = (Arc::clone(&relation.table), Operation::Truncate);
                    self.order.tell(Entry::Change(Change { lsn, table, operation }), out)?;
                }
                Err(failure) => {
                    self.order.tell_lost(lsn, &failure, out);
                    outcome = Err(Failure { harm: Harm::Nothing, ..failure });
                }
            }
        }
        outcome
    }

    fn message(&mut self, frame: Reader<'_>, out: &mut Vec<Entry>) -> Result<(), Failure> {
        let message = message(frame).map_err(Fault::of_message)?;
        Ok(self.order.message(message, out)?)
    }
}

impl Decoder for PgOutput {
    fn decode(&mut self, lsn: Lsn, payload: &[u8], out: &mut Vec<Entry>) -> Result<(), DecodeError> {
        self.frame(lsn, payload, out).map_err(|failure| {
            self.order.tell_lost(lsn, &failure, out);
            DecodeError::new("pgoutput", lsn, failure)
        })
    }
}

fn known(relations: &Relations, oid: u32) -> Result<&Relation, Failure> {
    match relations.get(&oid) {
        Some(Ok(relation)) => Ok(relation),
        Some(Err(table)) => Err(Failure { table: table.clone(), ..Fault::UnknownRelation(oid).told() }),
        None => Err(Fault::UnknownRelation(oid).told()),
    }
}

fn insert(relation: &Relation, mut frame: Reader<'_>, rows: &mut RowBuilder) -> Result<Operation, Fault> {
    tuple::tag(&mut frame, b'N')?;
    let new = tuple::whole(relation, &mut frame, rows)?;
    frame.finish()?;
    Ok(Operation::Insert { new })
}

fn update(relation: &Relation, mut frame: Reader<'_>, rows: &mut RowBuilder) -> Result<Operation, Fault> {
    let old = match frame.u8(tuple::TAG)? {
        b'N' => None,
        tag => {
            let old = tuple::old(tag, relation, &mut frame, rows)?;
            tuple::tag(&mut frame, b'N')?;
            Some(old)
        }
    };
    let new = tuple::new(relation, &mut frame, rows)?;
    frame.finish()?;
    let same = || (relation.key_is_everything && new.cells().all(Cell::is_known)).then(|| new.clone());
    Ok(Operation::Update { old: old.or_else(|| same().map(OldRow::Full)), new })
}

fn delete(relation: &Relation, mut frame: Reader<'_>, rows: &mut RowBuilder) -> Result<Operation, Fault> {
    let tag = frame.u8(tuple::TAG)?;
    let old = tuple::old(tag, relation, &mut frame, rows)?;
    frame.finish()?;
    Ok(Operation::Delete { old })
}

/// The oids of the relations that a TRUNCATE names.
fn truncated(mut frame: Reader<'_>) -> Result<Vec<u32>, Fault> {
    let relations = frame.u32("the number of relations")?;
    let flags = frame.u8("the truncate's flags")?;
    if flags & !0b11 != 0 {
        return Err(Fault::Unknown { what: "the truncate's flags", value: flags });
    }
    let mut oids = Vec::new();
    for _ in 0..relations {
        oids.push(frame.u32("the relation's oid")?);
    }
    frame.finish()?;
    Ok(oids)
}

fn message(mut frame: Reader<'_>) -> Result<LogicalMessage, Fault> {
    let transactional = match frame.u8("the message's flags")? {
        0 => false,
        1 => true,
        value => return Err(Fault::Unknown { what: "the message's flags", value }),
    };
    let lsn = frame.lsn("the message's position")?;
    let prefix = frame.c_string("the message's prefix")?;
    let len = frame.u32("the message's length")?;
    let content = frame.bytes(len, "the message's content")?;
    frame.finish()?;
    Ok(LogicalMessage { lsn, transactional, prefix: prefix.into(), content: Bytes::copy_from_slice(content) })
}
