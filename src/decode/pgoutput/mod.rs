//! `pgoutput`, protocol 1, text cells, of Postgres 14 to 18: "Logical Replication Message Formats" in the manual.

mod relation;
mod tuple;

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;

use self::relation::Relation;
use super::{DecodeError, Decoder, Fault, error::Failure, order::Order, reader::Reader};
use crate::change::{Begin, Change, Commit, Entry, LogicalMessage, Lsn, OldRow, Operation};

/// Decodes `pgoutput`: options `proto_version '1'` and, where messages are wanted, `messages 'true'`.
///
/// An old row counts as [`OldRow::Full`] wherever the log tells all of it: under replica identity FULL, and where the
/// columns of the identity are all the published columns there are (then an unchanged identity tells the old row too).
#[derive(Clone, Debug, Default)]
pub struct PgOutput {
    relations: HashMap<u32, Relation>,
    order: Order,
}

impl PgOutput {
    pub fn new() -> Self {
        PgOutput::default()
    }

    fn frame(&mut self, lsn: Lsn, payload: Bytes, out: &mut Vec<Entry>) -> Result<(), Failure> {
        let mut frame = Reader::new(payload);
        match frame.u8("the frame's tag")? {
            b'B' => self.begin(frame),
            b'C' => self.commit(frame, out),
            b'O' => self.origin(frame),
            b'R' => self.relation(frame),
            b'Y' => self.data_type(frame),
            b'I' => self.insert(lsn, frame, out),
            b'U' => self.update(lsn, frame, out),
            b'D' => self.delete(lsn, frame, out),
            b'T' => self.truncate(lsn, frame, out),
            b'M' => self.message(frame, out),
            value => Err(Fault::Unknown { what: "the frame's tag", value }.into()),
        }
    }

    fn begin(&mut self, mut frame: Reader) -> Result<(), Failure> {
        let begin = Begin {
            commit_lsn: frame.lsn("the commit position")?,
            committed_at: frame.timestamp("the commit time")?,
            xid: frame.u32("the transaction id")?,
        };
        frame.finish()?;
        Ok(self.order.begin(begin)?)
    }

    fn commit(&mut self, mut frame: Reader, out: &mut Vec<Entry>) -> Result<(), Failure> {
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
    fn origin(&mut self, mut frame: Reader) -> Result<(), Failure> {
        self.order.within("an origin")?;
        frame.lsn("the origin's position")?;
        frame.c_string("the origin's name")?;
        Ok(frame.finish()?)
    }

    fn relation(&mut self, mut frame: Reader) -> Result<(), Failure> {
        self.order.within("a relation")?;
        let (oid, relation) = Relation::read(&mut frame)?;
        frame.finish().map_err(|fault| fault.of(&relation.table))?;
        self.relations.insert(oid, relation);
        Ok(())
    }

    /// The name of a type that is not built in: read for its form only, since columns carry their type's oid.
    fn data_type(&mut self, mut frame: Reader) -> Result<(), Failure> {
        self.order.within("a type")?;
        frame.u32("the type's oid")?;
        frame.c_string("the type's schema")?;
        frame.c_string("the type's name")?;
        Ok(frame.finish()?)
    }

    fn insert(&mut self, lsn: Lsn, mut frame: Reader, out: &mut Vec<Entry>) -> Result<(), Failure> {
        self.order.within("an insert")?;
        let relation = known(&self.relations, &mut frame)?;
        let operation = insert(relation, frame).map_err(|fault| fault.of(&relation.table))?;
        tell(&mut self.order, lsn, relation, operation, out)
    }

    fn update(&mut self, lsn: Lsn, mut frame: Reader, out: &mut Vec<Entry>) -> Result<(), Failure> {
        self.order.within("an update")?;
        let relation = known(&self.relations, &mut frame)?;
        let operation = update(relation, frame).map_err(|fault| fault.of(&relation.table))?;
        tell(&mut self.order, lsn, relation, operation, out)
    }

    fn delete(&mut self, lsn: Lsn, mut frame: Reader, out: &mut Vec<Entry>) -> Result<(), Failure> {
        self.order.within("a delete")?;
        let relation = known(&self.relations, &mut frame)?;
        let operation = delete(relation, frame).map_err(|fault| fault.of(&relation.table))?;
        tell(&mut self.order, lsn, relation, operation, out)
    }

    fn truncate(&mut self, lsn: Lsn, mut frame: Reader, out: &mut Vec<Entry>) -> Result<(), Failure> {
        self.order.within("a truncate")?;
        let relations = frame.u32("the number of relations")?;
        let flags = frame.u8("the truncate's flags")?;
        if flags & !0b11 != 0 {
            return Err(Fault::Unknown { what: "the truncate's flags", value: flags }.into());
        }
        for _ in 0..relations {
            let relation = known(&self.relations, &mut frame)?;
            tell(&mut self.order, lsn, relation, Operation::Truncate, out)?;
        }
        Ok(frame.finish()?)
    }

    fn message(&mut self, mut frame: Reader, out: &mut Vec<Entry>) -> Result<(), Failure> {
        let transactional = match frame.u8("the message's flags")? {
            0 => false,
            1 => true,
            value => return Err(Fault::Unknown { what: "the message's flags", value }.into()),
        };
        let lsn = frame.lsn("the message's position")?;
        let prefix = frame.c_string("the message's prefix")?;
        let len = frame.u32("the message's length")?;
        let content = frame.bytes(len, "the message's content")?;
        frame.finish()?;
        Ok(self.order.message(LogicalMessage { lsn, transactional, prefix, content }, out)?)
    }
}

impl Decoder for PgOutput {
    fn decode(&mut self, lsn: Lsn, payload: Bytes, out: &mut Vec<Entry>) -> Result<(), DecodeError> {
        self.frame(lsn, payload, out).map_err(|failure| DecodeError::new("pgoutput", lsn, failure))
    }
}

fn known<'a>(relations: &'a HashMap<u32, Relation>, frame: &mut Reader) -> Result<&'a Relation, Fault> {
    let oid = frame.u32("the relation's oid")?;
    relations.get(&oid).ok_or(Fault::UnknownRelation(oid))
}

fn tell(
    order: &mut Order,
    lsn: Lsn,
    relation: &Relation,
    operation: Operation,
    out: &mut Vec<Entry>,
) -> Result<(), Failure> {
    let table = Arc::clone(&relation.table);
    Ok(order.tell(Entry::Change(Change { lsn, table, operation }), out)?)
}

fn insert(relation: &Relation, mut frame: Reader) -> Result<Operation, Fault> {
    tuple::tag(&mut frame, b'N')?;
    let new = tuple::whole(relation, &mut frame)?;
    frame.finish()?;
    Ok(Operation::Insert { new })
}

fn update(relation: &Relation, mut frame: Reader) -> Result<Operation, Fault> {
    let old = match frame.u8(tuple::TAG)? {
        b'N' => None,
        tag => {
            let old = tuple::old(tag, relation, &mut frame)?;
            tuple::tag(&mut frame, b'N')?;
            Some(old)
        }
    };
    let new = tuple::new(relation, &mut frame)?;
    frame.finish()?;
    let same = || (relation.key_is_everything && new.0.iter().all(|cell| cell.is_known())).then(|| new.clone());
    Ok(Operation::Update { old: old.or_else(|| same().map(OldRow::Full)), new })
}

fn delete(relation: &Relation, mut frame: Reader) -> Result<Operation, Fault> {
    let tag = frame.u8(tuple::TAG)?;
    let old = tuple::old(tag, relation, &mut frame)?;
    frame.finish()?;
    Ok(Operation::Delete { old })
}
