use std::borrow::Cow;

use serde::de::{Error as _, Unexpected};

use super::{
    label::Labels,
    scan::{Scan, Scanned, Value},
};

/// One JSON object of format 2, borrowing the frame's bytes. Which fields are there depends on the action; fields of
/// options that walcast does not set are passed over, and so are those that are null.
#[derive(Default)]
pub(super) struct Frame<'a> {
    pub action: Option<Cow<'a, str>>,
    pub xid: Option<u32>,
    pub timestamp: Option<Cow<'a, str>>,
    pub lsn: Option<Cow<'a, str>>,
    pub nextlsn: Option<Cow<'a, str>>,
    pub schema: Option<Cow<'a, str>>,
    pub table: Option<Cow<'a, str>>,
    pub columns: Option<Vec<Column<'a>>>,
    pub identity: Option<Vec<Column<'a>>>,
    pub transactional: Option<bool>,
    /// wal2json puts any bytes into it as they are.
    pub prefix: Option<Cow<'a, [u8]>>,
    pub content: Option<Cow<'a, [u8]>>,
    /// Only format 1 has it.
    pub has_change: bool,
}

/// A column's value in a row.
#[derive(Clone)]
pub(super) struct Column<'a> {
    pub name: Cow<'a, str>,
    pub typeoid: u32,
    pub value: Value<'a>,
    /// The column's index among the published ones, once it is looked up.
    pub index: usize,
    /// All of this, as it stands in the frame.
    written: &'a [u8],
}

impl<'a> Frame<'a> {
    /// `text`: the same, if it is UTF-8. `labels`: those of the frame before.
    pub fn read(payload: &'a [u8], text: Option<&'a str>, labels: &mut Labels) -> Scanned<Self> {
        let mut frame = Frame::default();
        let mut scan = Scan::new(payload, text);
        scan.object(|scan, name| {
            match name {
                b"columns" => return put(&mut frame.columns, columns(scan, &[], labels)?),
                // Most of an old row is as it was.
                b"identity" => {
                    let like = frame.columns.as_deref().unwrap_or_default();
                    let identity = columns(scan, like, labels)?;
                    return put(&mut frame.identity, identity);
                }
                _ => {}
            }
            let value = scan.value()?;
            match name {
                b"change" => frame.has_change = true,
                _ if value.is_null() => {}
                b"action" => put(&mut frame.action, value.str()?)?,
                b"xid" => put(&mut frame.xid, oid(value)?)?,
                b"timestamp" => put(&mut frame.timestamp, value.str()?)?,
                b"lsn" => put(&mut frame.lsn, value.str()?)?,
                b"nextlsn" => put(&mut frame.nextlsn, value.str()?)?,
                b"schema" => put(&mut frame.schema, value.str()?)?,
                b"table" => put(&mut frame.table, value.str()?)?,
                b"transactional" => put(&mut frame.transactional, value.bool()?)?,
                b"prefix" => put(&mut frame.prefix, value.bytes()?)?,
                b"content" => put(&mut frame.content, value.bytes()?)?,
                _ => {}
            }
            Ok(())
        })?;
        // Only a message may hold any bytes.
        let may_be_foreign = frame.action.as_deref().is_none_or(|action| action == "M");
        if !may_be_foreign && text.is_none() {
            return Err(serde_json::Error::custom("it is not UTF-8"));
        }
        scan.end()?;
        Ok(frame)
    }
}

/// A row's columns. Those that are written as the one in the same place of `like` are that one.
fn columns<'a>(scan: &mut Scan<'a>, like: &[Column<'a>], labels: &mut Labels) -> Scanned<Vec<Column<'a>>> {
    // JSON does not say how many there are; most tables fit without growing.
    let mut columns = Vec::with_capacity(like.len().max(16));
    scan.array(|scan, number| {
        columns.push(match like.get(number).filter(|like| scan.takes_same(like.written)) {
            Some(like) => like.clone(),
            None => Column::read(scan, labels, number)?,
        });
        Ok(())
    })?;
    Ok(columns)
}

impl<'a> Column<'a> {
    /// Of a row's columns it is the one with this number.
    fn read(scan: &mut Scan<'a>, labels: &mut Labels, number: usize) -> Scanned<Self> {
        let start = scan.place();
        if let Some(column) = Column::read_labelled(scan, start, labels, number) {
            return Ok(column);
        }
        scan.go_back(start);
        if let Some(column) = Column::read_plain(scan, start, labels, number) {
            return Ok(column);
        }
        scan.go_back(start);
        let (mut name, mut typeoid, mut value) = (None, None, None);
        scan.object(|scan, member| {
            let said = scan.value()?;
            match member {
                b"name" => put(&mut name, said.str()?),
                b"typeoid" => put(&mut typeoid, oid(said)?),
                b"value" => put(&mut value, said),
                _ => Ok(()),
            }
        })?;
        let missing = serde_json::Error::missing_field;
        Ok(Column {
            name: name.ok_or_else(|| missing("name"))?,
            typeoid: typeoid.ok_or_else(|| missing("typeoid"))?,
            value: value.ok_or_else(|| missing("value"))?,
            index: 0,
            written: scan.since(start),
        })
    }

    /// Of the column that had this number in the row before; `None`: it is another one now.
    fn read_labelled(scan: &mut Scan<'a>, start: usize, labels: &Labels, number: usize) -> Option<Self> {
        let label = labels.get(number).filter(|label| scan.takes_same(&label.written))?;
        let name = scan.text(start + label.name.start..start + label.name.end)?;
        let value = scan.value().ok()?;
        let is_whole = scan.takes_same(b"}");
        let (name, typeoid) = (Cow::Borrowed(name), label.typeoid);
        is_whole.then(|| Column { name, typeoid, value, index: 0, written: scan.since(start) })
    }

    /// As wal2json writes it; `None`: it may be written otherwise.
    fn read_plain(scan: &mut Scan<'a>, start: usize, labels: &mut Labels, number: usize) -> Option<Self> {
        let name = scan.takes_same(NAME).then(|| scan.value())?.ok()?;
        let typeoid = scan.takes_same(br#","typeoid":"#).then(|| scan.value())?.ok()?;
        let is_labelled = scan.takes_same(br#","value":"#);
        let label = scan.since(start);
        let value = is_labelled.then(|| scan.value())?.ok()?;
        let is_whole = scan.takes_same(b"}");
        let (name, typeoid) = (name.str().ok()?, oid(typeoid).ok()?);
        if let Cow::Borrowed(name) = name {
            labels.put(number, label, NAME.len() + 1..NAME.len() + 1 + name.len(), typeoid);
        }
        is_whole.then(|| Column { name, typeoid, value, index: 0, written: scan.since(start) })
    }
}

const NAME: &[u8] = br#"{"name":"#;

/// A field stands once.
fn put<T>(field: &mut Option<T>, value: T) -> Scanned<()> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(serde_json::Error::custom("a field stands twice")),
    }
}

/// wal2json prints an oid's 32 bits as a signed number.
fn oid(value: Value<'_>) -> Scanned<u32> {
    let printed = value.i64()?;
    u32::try_from(printed)
        .or_else(|_| i32::try_from(printed).map(i32::cast_unsigned))
        .map_err(|_| serde_json::Error::invalid_value(Unexpected::Signed(printed), &"an oid"))
}
