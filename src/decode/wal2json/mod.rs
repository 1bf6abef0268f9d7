//! `wal2json`, format version 2: a JSON object a frame, as its README and `pg_decode_write_change` in its source have it.

mod frame;
mod head;
mod label;
mod layout;
mod options;
mod scan;
mod text;

use std::{borrow::Cow, str::FromStr, sync::Arc};

pub use self::options::wal2json_options;
use self::{
    frame::Frame,
    head::Head,
    label::Labels,
    layout::{Layout, Source},
};
use super::{
    DecodeError, Decoder, Fault, Published, PublishedTable, error::Failure, order::Order, published::Place,
    reader::utf8,
};
use crate::change::{Begin, Change, Commit, Entry, LogicalMessage, Lsn, Operation, RowBuilder};

const PLUGIN: &str = "wal2json";

/// Decodes `wal2json` under the options of [`wal2json_options`], and makes of it what pgoutput would have said: values in
/// Postgres's text, partitions under their root, columns and operations that are not published left out.
///
/// What wal2json does not say, and what follows from it:
/// - NaN and infinities of float and numeric columns arrive as NULL.
/// - A message's content ends at its first NUL byte.
/// - It has no relations: a [`Table`](crate::change::Table) has the columns of the catalog until changes show others. An added column is told
///   from its first change on, and so is a new name. A column that was dropped, or renamed, or is in the catalog but not
///   yet at this place of the log, goes with the next INSERT, and with the next UPDATE if its type is of fixed length or
///   the replica identity is FULL. Else UPDATEs cannot tell it from an out-of-line value that they leave untouched: until
///   the next INSERT it is [`Unchanged`](crate::change::Cell::Unchanged) in them.
/// - It does not say which columns are generated, or in a column list, so those are known by the names that they have in
///   the catalog when the stream begins. A generated column that is added or renamed later is told, where pgoutput
///   does not; a listed one that is renamed later is not. Begin a new stream after such DDL.
/// - It does not name the replica identity. An old row is [`Full`](crate::change::OldRow::Full) if it shows all columns,
///   which is so under FULL and where the key is all there is; pgoutput's rows are told by the same measure. Where
///   FULL is taken back, a DELETE before the next UPDATE is still held for one under FULL.
/// - A TRUNCATE of a single partition, published through its root, is not told: pgoutput does not tell it either.
/// - Row filters are not known to it at all; do not use it with them.
#[derive(Clone, Debug)]
pub struct Wal2Json {
    published: Published,
    /// One for each of the published tables.
    layouts: Vec<Layout>,
    order: Order,
    labels: Labels,
    rows: RowBuilder,
}

impl Wal2Json {
    pub fn new(published: Published) -> Self {
        let layouts = published.tables().iter().map(Layout::new).collect();
        Wal2Json { published, layouts, order: Order::default(), labels: Labels::default(), rows: RowBuilder::default() }
    }

    fn frame(&mut self, payload: &[u8], out: &mut Vec<Entry>) -> Result<(), Failure> {
        // Whether it is UTF-8 is asked once, not of each text. One that is not may be sound: a message of any bytes.
        let frame = match Frame::read(payload, str::from_utf8(payload).ok(), &mut self.labels) {
            Ok(frame) => frame,
            Err(error) => return Err(self.unsound(&Head::read(payload), Fault::Json(error))),
        };
        match frame.action.as_ref().map(Cow::as_ref) {
            Some("B") => self.begin(&frame),
            Some("C") => self.commit(&frame, out),
            Some("I") => self.change("I", frame, out, insert),
            Some("U") => self.change("U", frame, out, update),
            Some("D") => self.change("D", frame, out, delete),
            Some("T") => self.change("T", frame, out, |_, _, _| Ok(Operation::Truncate)),
            Some("M") => self.message(frame, out),
            Some(action) => Err(Fault::Field { field: "action", text: action.to_owned() }.into()),
            None if frame.has_change => Err(Fault::FormatVersion1.into()),
            None => Err(Fault::Missing("action").into()),
        }
    }

    /// What a frame that is not sound JSON comes to: a text that is not UTF-8 makes it so.
    fn unsound(&self, head: &Head, fault: Fault) -> Failure {
        let action = match head.action.as_deref() {
            Some(action @ ("I" | "U" | "D" | "T")) => action,
            Some("M") => return fault.told(),
            _ => return fault.into(),
        };
        if let Err(fault) = self.order.within(needs_transaction(action)) {
            return fault.into();
        }
        let (Some(schema), Some(name)) = (&head.schema, &head.table) else { return fault.told() };
        match self.published(action, schema, name) {
            Some((table, _)) => fault.of_name((table.schema.clone(), table.name.clone())),
            None => fault.untold(),
        }
    }

    /// The table that the change is told of, if it is told. Where a root is truncated, it is named beside its leaves.
    fn published(&self, action: &str, schema: &str, name: &str) -> Option<(&PublishedTable, Place)> {
        self.published.find(schema, name).filter(|(table, place)| match action {
            "I" => table.insert,
            "U" => table.update,
            "D" => table.delete,
            _ => table.truncate && !place.leaf,
        })
    }

    fn begin(&mut self, frame: &Frame<'_>) -> Result<(), Failure> {
        let begin = Begin {
            commit_lsn: parse("lsn", &frame.lsn)?,
            committed_at: parse("timestamp", &frame.timestamp)?,
            xid: frame.xid.ok_or(Fault::Missing("xid"))?,
        };
        Ok(self.order.begin(begin)?)
    }

    fn commit(&mut self, frame: &Frame<'_>, out: &mut Vec<Entry>) -> Result<(), Failure> {
        let commit = Commit { commit_lsn: parse("lsn", &frame.lsn)?, end_lsn: parse("nextlsn", &frame.nextlsn)? };
        Ok(self.order.commit(commit, out)?)
    }

    fn change(
        &mut self,
        action: &str,
        frame: Frame<'_>,
        out: &mut Vec<Entry>,
        operation: impl Fn(&mut Layout, Source<'_>, Frame<'_>) -> Result<Operation, Fault>,
    ) -> Result<(), Failure> {
        self.order.within(needs_transaction(action))?;
        let (schema, name) = named(&frame).map_err(Fault::told)?;
        let Some((_, place)) = self.published(action, schema, name) else { return Ok(()) };
        let (published, layout) = match (self.published.tables().get(place.table), self.layouts.get_mut(place.table)) {
            (Some(published), Some(layout)) => (published, layout),
            _ => return Ok(()),
        };
        let change = parse("lsn", &frame.lsn).and_then(|lsn| {
            let source = Source { published, leaf: place.leaf, rows: &mut self.rows };
            let operation = operation(layout, source, frame)?;
            Ok(Change { lsn, table: Arc::clone(&layout.table), operation })
        });
        let change = change.map_err(|fault| fault.of(&layout.table))?;
        Ok(self.order.tell(Entry::Change(change), out)?)
    }

    fn message(&mut self, frame: Frame<'_>, out: &mut Vec<Entry>) -> Result<(), Failure> {
        let message = message(frame).map_err(Fault::of_message)?;
        Ok(self.order.message(message, out)?)
    }
}

impl Decoder for Wal2Json {
    fn decode(&mut self, lsn: Lsn, payload: &[u8], out: &mut Vec<Entry>) -> Result<(), DecodeError> {
        self.frame(payload, out).map_err(|failure| {
            self.order.tell_lost(lsn, &failure, out);
            DecodeError::new(PLUGIN, lsn, failure)
        })
    }
}

fn insert(layout: &mut Layout, source: Source<'_>, frame: Frame<'_>) -> Result<Operation, Fault> {
    let columns = frame.columns.ok_or(Fault::Missing("columns"))?;
    Ok(Operation::Insert { new: layout.inserted(source, columns)? })
}

fn update(layout: &mut Layout, source: Source<'_>, frame: Frame<'_>) -> Result<Operation, Fault> {
    let columns = frame.columns.ok_or(Fault::Missing("columns"))?;
    // Without an identity nothing is known of the old row, which is what pgoutput says then.
    let identity = frame.identity.unwrap_or_default();
    let (old, new) = layout.updated(source, columns, identity)?;
    Ok(Operation::Update { old, new })
}

fn delete(layout: &mut Layout, source: Source<'_>, frame: Frame<'_>) -> Result<Operation, Fault> {
    let identity = frame.identity.ok_or(Fault::Missing("identity"))?;
    Ok(Operation::Delete { old: layout.deleted(source, identity)? })
}

fn message(frame: Frame<'_>) -> Result<LogicalMessage, Fault> {
    let prefix = frame.prefix.as_deref().ok_or(Fault::Missing("prefix"))?;
    Ok(LogicalMessage {
        lsn: parse("lsn", &frame.lsn)?,
        transactional: frame.transactional.ok_or(Fault::Missing("transactional"))?,
        prefix: utf8(prefix, "the message's prefix")?.into(),
        content: frame.content.ok_or(Fault::Missing("content"))?.into_owned().into(),
    })
}

fn needs_transaction(action: &str) -> &'static str {
    match action {
        "I" => "an insert",
        "U" => "an update",
        "D" => "a delete",
        _ => "a truncate",
    }
}

fn named<'a>(frame: &'a Frame<'_>) -> Result<(&'a str, &'a str), Fault> {
    let schema = frame.schema.as_ref().ok_or(Fault::Missing("schema"))?;
    let name = frame.table.as_ref().ok_or(Fault::Missing("table"))?;
    Ok((schema, name))
}

fn parse<T: FromStr>(field: &'static str, text: &Option<Cow<'_, str>>) -> Result<T, Fault> {
    let text = text.as_ref().ok_or(Fault::Missing(field))?;
    text.parse().map_err(|_| Fault::Field { field, text: text.to_string() })
}
