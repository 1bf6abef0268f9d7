//! Events as the JSON objects that sockets receive.

use super::{
    Epoch, Event, Room, RoomParts,
    event::{Body, Origin, Reason, Scene},
    json::{self, Object},
    nested::NestedChange,
};
use crate::change::{Cell, Row, Table};

impl Event {
    /// The JSON object sent to sockets. It is the same for every room, so encode it once for all of them; only the ids
    /// of an event whose [`Target`](super::Target) names no rooms are those of `room`, as strings.
    pub fn encode(&self, epoch: &Epoch, room: &Room) -> String {
        // What does not fit is moved, which costs more than room that stays empty for a moment.
        let mut out = String::with_capacity(512);
        let mut object = Object::open(&mut out);
        match &self.0.origin {
            Origin::Row { scene, body, .. } => scene.write(&mut object, body),
            Origin::Wide { naming, reason, .. } => {
                match (room.parts(), naming) {
                    (RoomParts::Row { key, .. }, Some(naming)) => object.string(&naming.id, key),
                    // Whether the prefix is a rule's, and its record so called, is not known.
                    (RoomParts::Row { prefix, key }, None) => {
                        object.string(&format!("{prefix}Id"), key);
                        object.string("id", key);
                    }
                    (RoomParts::Entity { entity_type, id }, _) => {
                        object.string("entityType", &entity_type);
                        object.string("entityId", id);
                    }
                    (RoomParts::User { .. }, _) => {}
                }
                object.string("reason", reason.as_str());
            }
            Origin::Broadcast { broadcast, .. } => object.members(&broadcast.members),
        }
        object.string("offset", &self.offset().to_wire(epoch));
        object.plain("timestamp", |out| self.committed_at().push_to(out));
        object.close();
        out
    }
}

impl Scene {
    fn write(&self, object: &mut Object<'_>, body: &Body) {
        match body {
            Body::Created => {
                self.write_ids(object, &self.new);
                self.write_record(&self.binding.naming.record, object);
                self.write_creator(object);
            }
            Body::Updated(columns) => {
                self.write_id(object, &self.new);
                self.write_updates(object, columns);
                self.write_author(object, "updatedBy");
            }
            Body::Deleted(reason) => {
                self.write_ids(object, &self.old);
                self.write_author(object, "deletedBy");
                write_reason(object, *reason);
            }
            Body::ChildCreated => {
                self.write_place(object, &self.new);
                self.write_record("nestedComponent", object);
                self.write_creator(object);
            }
            Body::ChildUpdated(columns) => {
                self.write_place(object, &self.new);
                self.write_key(object, "nestedComponentId", &self.new);
                self.write_updates(object, columns);
                self.write_author(object, "updatedBy");
            }
            Body::ChildDeleted(reason) => {
                self.write_place(object, &self.old);
                self.write_key(object, "nestedComponentId", &self.old);
                self.write_author(object, "deletedBy");
                write_reason(object, *reason);
            }
            Body::Nested(change) => self.write_nested(object, change),
            Body::Resync(reason) => {
                let row = self.latest();
                match self.binding.place_columns() {
                    Some((parent, _)) if row.cell(parent).text().is_some() => self.write_place(object, row),
                    _ => self.write_ids(object, row),
                }
                write_reason(object, Some(*reason));
            }
        }
        if let Some(version) = self.binding.version.filter(|version| !self.binding.hides(*version)) {
            self.write_cell(object, "version", self.latest(), version);
        }
    }

    pub(super) fn write_record(&self, name: &str, object: &mut Object<'_>) {
        // It cannot be corrupt here: that was checked when the event was made.
        let _ = write_row(object.member(name), &self.table, &self.new, |column| self.binding.hides(column));
    }

    fn write_nested(&self, object: &mut Object<'_>, change: &NestedChange) {
        self.write_id(object, &self.new);
        match change {
            NestedChange::Came { row, component } => {
                object.member("rowId").push_str(row);
                object.member("nestedComponent").push_str(component);
                self.write_author(object, "createdBy");
            }
            NestedChange::Changed { row, id, updates } => {
                object.member("rowId").push_str(row);
                object.member("nestedComponentId").push_str(id);
                let mut members = Object::open(object.member("updates"));
                for (name, value) in updates {
                    members.member(name).push_str(value.as_deref().unwrap_or("null"));
                }
                members.close();
                self.write_author(object, "updatedBy");
            }
            NestedChange::Went { row, id } => {
                object.member("rowId").push_str(row);
                object.member("nestedComponentId").push_str(id);
                self.write_author(object, "deletedBy");
            }
        }
    }

    fn write_id(&self, object: &mut Object<'_>, row: &Row) {
        self.write_key(object, &self.binding.naming.id, row);
    }

    fn write_ids(&self, object: &mut Object<'_>, row: &Row) {
        self.write_id(object, row);
        if let Some((entity_type, entity_id)) = self.binding.entity {
            self.write_cell(object, "entityType", row, entity_type);
            self.write_cell(object, "entityId", row, entity_id);
        }
    }

    /// The key of a row: a single column's value as JSON, several joined as a string.
    pub(super) fn write_key(&self, object: &mut Object<'_>, name: &str, row: &Row) {
        match self.binding.id.as_slice() {
            [column] => self.write_cell(object, name, row, *column),
            _ => object.string(name, &self.binding.key(row).unwrap_or_default()),
        }
    }

    /// Where a row that is a nested component stands.
    fn write_place(&self, object: &mut Object<'_>, row: &Row) {
        if let Some((parent, place)) = self.binding.place_columns() {
            self.write_cell(object, &self.binding.naming.id, row, parent);
            self.write_cell(object, "rowId", row, place);
        }
    }

    pub(super) fn write_updates(&self, object: &mut Object<'_>, columns: &[usize]) {
        let mut updates = Object::open(object.member("updates"));
        for &column in columns {
            if let Some(described) = self.table.columns.get(column) {
                self.write_cell(&mut updates, &described.name, &self.new, column);
            }
        }
        updates.close();
    }

    fn write_creator(&self, object: &mut Object<'_>) {
        self.write_actor(object, "createdBy", [self.binding.creator, self.binding.actor]);
    }

    fn write_author(&self, object: &mut Object<'_>, name: &str) {
        self.write_actor(object, name, [self.binding.actor, None]);
    }

    /// Who did it: as the transaction said, else the first of the columns that holds something, else null.
    pub(super) fn write_actor(&self, object: &mut Object<'_>, name: &str, columns: [Option<usize>; 2]) {
        let row = self.latest();
        let says = |column: &usize| row.cell(*column).text().is_some() && !self.binding.hides(*column);
        match (&self.actor, columns.into_iter().flatten().find(says)) {
            (Some(actor), _) => object.string(name, &actor.id),
            (None, Some(column)) => self.write_cell(object, name, row, column),
            (None, None) => object.member(name).push_str("null"),
        }
    }

    pub(super) fn write_cell(&self, object: &mut Object<'_>, name: &str, row: &Row, column: usize) {
        let out = object.member(name);
        match (row.cell(column), self.table.columns.get(column)) {
            (Cell::Text(text), Some(described)) if !self.binding.hides(column) => {
                json::write_value(out, described.type_oid, text)
            }
            _ => out.push_str("null"),
        }
    }
}

fn write_reason(object: &mut Object<'_>, reason: Option<Reason>) {
    if let Some(reason) = reason {
        object.string("reason", reason.as_str());
    }
}

/// A row as events tell it: an object of its known columns. What is not of its column's type is a string.
pub fn row_to_json(table: &Table, row: &Row) -> String {
    let mut out = String::with_capacity(256);
    let _ = write_row(&mut out, table, row, |_| false);
    out
}

/// Appends the row's known columns as an object, but for those that `hides` says. `Err` names a column whose text is not of its type; the object is
/// whole even then, with that text as a string.
pub(super) fn write_row<'a>(
    out: &mut String,
    table: &'a Table,
    row: &Row,
    hides: impl Fn(usize) -> bool,
) -> Result<(), &'a str> {
    let mut corrupt = Ok(());
    let mut object = Object::open(out);
    for (index, column) in table.columns.iter().enumerate().filter(|(index, _)| !hides(*index)) {
        match row.cell(index) {
            Cell::Text(text) => {
                let out = object.member(&column.name);
                let start = out.len();
                if json::try_write(out, column.type_oid, text).is_err() {
                    out.truncate(start);
                    json::write_string(out, text);
                    corrupt = Err(&*column.name);
                }
            }
            Cell::Null => object.member(&column.name).push_str("null"),
            Cell::Unchanged | Cell::Absent => {}
        }
    }
    object.close();
    corrupt
}
