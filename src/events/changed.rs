//! A change of a row as those hear it who follow its table by a filter: once, whatever rooms it is told in.

use std::sync::Arc;

use super::{
    BoundFilter, Epoch, Event, Verdict,
    event::{Body, Origin, Reason, Scene},
    json::Object,
};
use crate::change::{Cell, Table, TableName};

/// What is done to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowOp {
    Insert,
    Update,
    Delete,
}

impl RowOp {
    /// As SQL says it.
    pub fn as_str(self) -> &'static str {
        match self {
            RowOp::Insert => "INSERT",
            RowOp::Update => "UPDATE",
            RowOp::Delete => "DELETE",
        }
    }

    /// Upper and lower case are the same.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [RowOp::Insert, RowOp::Update, RowOp::Delete];
        all.into_iter().find(|operation| text.eq_ignore_ascii_case(operation.as_str()))
    }
}

/// The change of a row that an event tells.
#[derive(Clone, Copy, Debug)]
pub struct RowChange<'a> {
    scene: &'a Scene,
    pub operation: RowOp,
}

/// What a change is to those who want the rows that a filter lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Told {
    pub what: What,
    /// The log does not say whether the filter lets the row through, before or now: it may be none of theirs, or it may have
    /// come or gone.
    pub undecided: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    Insert,
    Update,
    Delete,
    /// An UPDATE after which the filter lets the row through.
    Enter,
    /// One after which it does not any more.
    Leave,
}

impl What {
    fn as_str(self) -> &'static str {
        match self {
            What::Insert => "insert",
            What::Update => "update",
            What::Delete => "delete",
            What::Enter => "enter",
            What::Leave => "leave",
        }
    }
}

/// Of what those who follow tables may hold something that is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale<'a> {
    Table(&'a str, &'a str),
    Everything,
}

impl Event {
    /// The change of a row that it tells, alone or with others.
    pub fn change(&self) -> Option<RowChange<'_>> {
        let Origin::Row { scene, body, .. } = &self.0.origin else { return None };
        let operation = match body {
            Body::Resync(_) => return None,
            _ if scene.is_delete => RowOp::Delete,
            // The log gives old rows of updates, or says that they had the same key: then nothing came to be.
            Body::Created | Body::ChildCreated if scene.old.is_empty() => RowOp::Insert,
            _ => RowOp::Update,
        };
        Some(RowChange { scene, operation })
    }

    /// Whether both tell the same change of a row.
    pub fn is_of_change_of(&self, other: &Event) -> bool {
        match (&self.0.origin, &other.0.origin) {
            (Origin::Row { scene: one, .. }, Origin::Row { scene: two, .. }) => Arc::ptr_eq(one, two),
            _ => false,
        }
    }

    /// What is stale where the event tells no change, and why.
    pub fn stale(&self) -> Option<(Stale<'_>, &'static str)> {
        let (table, reason) = match &self.0.origin {
            Origin::Row { scene, body: Body::Resync(reason @ Reason::Unreadable), .. } => {
                (Some((&scene.table.schema, &scene.table.name)), reason)
            }
            Origin::Wide { table, reason, .. } => (table.as_deref().map(|(schema, name)| (schema, name)), reason),
            Origin::Row { .. } | Origin::Broadcast { .. } => return None,
        };
        Some((table.map_or(Stale::Everything, |(schema, name)| Stale::Table(schema, name)), reason.as_str()))
    }

    /// The change as the JSON object that all are sent who follow its table by the same filter; empty where there is none.
    pub fn encode_change(&self, epoch: &Epoch, subscription: &str, told: Told) -> String {
        let mut out = String::with_capacity(256);
        let mut object = Object::open(&mut out);
        if let Some(change) = self.change() {
            object.string("subscription", subscription);
            change.write(&mut object, told);
        }
        object.string("offset", &self.offset().to_wire(epoch));
        object.plain("timestamp", |out| self.committed_at().push_to(out));
        object.close();
        out
    }
}

impl<'a> RowChange<'a> {
    pub fn table(&self) -> &'a Arc<Table> {
        &self.scene.table
    }

    pub fn table_name(&self) -> TableName {
        self.scene.table.full_name()
    }

    /// A column of the row before the change. Where the log gives no old row, its key is that of the new one. What nobody may
    /// be told nothing is decided by.
    pub fn before(&self, column: usize) -> Cell<'a> {
        let Scene { old, new, table, binding, .. } = self.scene;
        let is_key = || match (&table.key, table.columns.get(column)) {
            (Some(key), Some(described)) => key.contains(&described.name),
            _ => binding.id.contains(&column),
        };
        if binding.hides(column) {
            return Cell::Absent;
        }
        if self.operation == RowOp::Update && old.is_empty() && is_key() {
            return new.cell(column);
        }
        old.cell(column)
    }

    /// A column of the row after it.
    pub fn after(&self, column: usize) -> Cell<'a> {
        if self.scene.binding.hides(column) { Cell::Absent } else { self.scene.new.cell(column) }
    }

    /// What the change is to those who want the rows that the filter lets through; `None`: nothing. What the log does not
    /// decide is told rather than kept back.
    pub fn told_by(&self, filter: &BoundFilter) -> Option<Told> {
        let old = || filter.judge(|column| self.before(column));
        let new = || filter.judge(|column| self.after(column));
        let (what, undecided) = match self.operation {
            RowOp::Insert => (What::Insert, decided(new())?),
            RowOp::Delete => (What::Delete, decided(old())?),
            RowOp::Update => match (old(), new()) {
                (Verdict::No, Verdict::No) => return None,
                (Verdict::No, new) => (What::Enter, new == Verdict::Unknown),
                (old, Verdict::No) => (What::Leave, old == Verdict::Unknown),
                (old, new) => (What::Update, old != Verdict::Yes || new != Verdict::Yes),
            },
        };
        Some(Told { what, undecided })
    }

    fn write(&self, object: &mut Object<'_>, told: Told) {
        let Scene { binding, table, old, new, .. } = self.scene;
        let row = self.scene.latest();
        object.string("schema", &table.schema);
        object.string("table", &table.name);
        object.string("event", told.what.as_str());
        if told.undecided {
            object.member("undecided").push_str("true");
        }
        self.scene.write_key(object, "id", row);
        let has_other_key = binding.key(old).is_some_and(|before| binding.key(new).is_some_and(|now| before != now));
        if self.operation == RowOp::Update && has_other_key {
            self.scene.write_key(object, "previousId", old);
        }
        if !matches!(told.what, What::Delete | What::Leave) {
            self.scene.write_record("record", object);
            if self.operation == RowOp::Update {
                self.scene.write_updates(object, &self.changed_columns());
            }
        }
        let by = if self.operation == RowOp::Insert { [binding.creator, binding.actor] } else { [binding.actor, None] };
        self.scene.write_actor(object, "actor", by);
        if let Some(version) = binding.version.filter(|version| !binding.hides(*version)) {
            self.scene.write_cell(object, "version", row, version);
        }
    }

    /// Those whose value is another now, and those of which the log does not say whether it is.
    fn changed_columns(&self) -> Vec<usize> {
        let is_changed = |column: &usize| self.after(*column).is_known() && self.after(*column) != self.before(*column);
        (0..self.scene.table.columns.len()).filter(is_changed).collect()
    }
}

/// Whether it is undecided; `None` where nothing is to be told.
fn decided(verdict: Verdict) -> Option<bool> {
    match verdict {
        Verdict::Yes => Some(false),
        Verdict::No => None,
        Verdict::Unknown => Some(true),
    }
}
