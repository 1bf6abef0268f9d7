use std::{borrow::Cow, sync::Arc};

use bytestring::ByteString;
use smallvec::SmallVec;

use super::{
    Image, Offset, Room, RoomParts, Sighting, Telling, binding::Binding, broadcast::Broadcast, nested::NestedChange,
};
use crate::change::{Row, Table, TableName, Timestamp};

/// One thing to tell the sockets of some rooms. Cheap to clone.
///
/// It holds what the log said; the payload is made when somebody hears it ([`Event::encode`]).
#[derive(Clone, Debug)]
pub struct Event(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub offset: Offset,
    pub target: Target,
    pub origin: Origin,
}

/// Who makes a transaction's changes, as `walcast.set_actor` said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    pub id: ByteString,
    /// The Socket.IO id of the socket that asked for the write: its own updates need not be echoed to it.
    pub socket: Option<ByteString>,
}

/// The rooms in which an event is heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Rooms(SmallVec<[Room; 2]>),
    /// The room of every row under the prefix, and every entity's if `entities`: TRUNCATE.
    Table {
        prefix: Arc<str>,
        entities: bool,
    },
    /// The room of every row and of every entity: nobody knows what was lost. Its name differs with whom it is told, see
    /// [`Event::name_for`].
    Everyone,
}

impl Target {
    pub fn matches(&self, room: &Room) -> bool {
        match self {
            Target::Rooms(rooms) => rooms.contains(room),
            Target::Everyone => !room.is_user(),
            Target::Table { prefix, entities } => room.is_row_of(prefix) || *entities && room.is_entity(),
        }
    }
}

/// What an event tells, and from what.
#[derive(Debug)]
pub(super) enum Origin {
    Row {
        scene: Arc<Scene>,
        body: Body,
        /// Of those that tell the change in the same rooms.
        is_first: bool,
    },
    /// What somebody holds of a table is stale; without `naming`, of anything.
    Wide {
        naming: Option<Box<Naming>>,
        /// Which table that is.
        table: Option<Box<TableName>>,
        reason: Reason,
        actor: Option<Arc<Actor>>,
        committed_at: Timestamp,
    },
    /// No change of a row: what `walcast.broadcast` was given.
    Broadcast { broadcast: Broadcast, committed_at: Timestamp },
}

/// One change of a row, shared by the events that tell it.
#[derive(Debug)]
pub(super) struct Scene {
    pub binding: Arc<Binding>,
    pub table: Arc<Table>,
    /// Without cells for an INSERT, or where the log says nothing of it.
    pub old: Row,
    /// Without cells for a DELETE. Its unchanged TOAST values are filled in where the old row has them.
    pub new: Row,
    pub is_delete: bool,
    pub actor: Option<Arc<Actor>>,
    pub committed_at: Timestamp,
    /// The row before and after, as policies read it, where the table is guarded.
    pub images: Option<Box<(Image, Image)>>,
}

impl Scene {
    /// The row as the change left it: whose version it has, and who wrote it last.
    pub fn latest(&self) -> &Row {
        if self.is_delete { &self.old } else { &self.new }
    }

    /// Whether others may see the row now than did before.
    pub fn may_be_seen_by_others(&self) -> bool {
        self.images.as_deref().is_some_and(|(old, new)| old != new || *new == Image::Unknown)
    }

    /// Whether who sees the row is the same as before, and stays so.
    pub fn is_seen_by_the_same(&self) -> bool {
        !self.may_be_seen_by_others() && self.binding.guard.as_ref().is_none_or(|bound| !bound.guard.is_opaque())
    }

    /// Whether a version of the row is a nested component of another row.
    fn is_part(&self, row: &Row) -> bool {
        self.binding.place_columns().is_some_and(|(parent, _)| row.cell(parent).text().is_some())
    }

    /// The old row, or, where the log does not give it, the new one's key and place, which are the same.
    fn old_or_key(&self) -> Row {
        if !self.old.is_empty() {
            return self.old.clone();
        }
        self.new.only(|column| self.binding.placing().any(|placing| placing == column))
    }

    /// Without its rows.
    pub fn parts(&self) -> Scene {
        Scene {
            binding: Arc::clone(&self.binding),
            table: Arc::clone(&self.table),
            old: Row::default(),
            new: Row::default(),
            is_delete: false,
            actor: self.actor.clone(),
            committed_at: self.committed_at,
            images: None,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    Created,
    /// The columns told, by index.
    Updated(Vec<usize>),
    Deleted(Option<Reason>),
    /// The row is itself a nested component: it came, changed, went.
    ChildCreated,
    ChildUpdated(Vec<usize>),
    ChildDeleted(Option<Reason>),
    /// A nested component within a document column.
    Nested(Box<NestedChange>),
    Resync(Reason),
}

/// Why, where the name of an event does not say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// It is elsewhere now.
    Moved,
    /// The log did not repeat an unchanged value that the event would have had to carry.
    Incomplete,
    Truncate,
    /// Something could not be read, or not be told.
    Unreadable,
    /// Who is told may not see it any more.
    NotVisible,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Moved => "moved",
            Reason::Incomplete => "incomplete",
            Reason::Truncate => "truncate",
            Reason::Unreadable => "unreadable",
            Reason::NotVisible => "no longer visible",
        }
    }
}

/// The names that a prefix gives to events and to the members of their payloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Naming {
    pub prefix: Arc<str>,
    pub id: String,
    pub record: String,
    created: String,
    updated: String,
    deleted: String,
    nested_created: String,
    nested_updated: String,
    nested_deleted: String,
    resync: String,
}

impl Naming {
    /// `has_rule`: the record is named after the prefix (`componentId`, `component`), not just `id`, `record`.
    pub fn new(prefix: &str, has_rule: bool) -> Self {
        let event = |what: &str| format!("{prefix}:{what}");
        Naming {
            prefix: prefix.into(),
            id: if has_rule { format!("{prefix}Id") } else { "id".to_owned() },
            record: if has_rule { prefix } else { "record" }.to_owned(),
            created: event("created"),
            updated: event("updated"),
            deleted: event("deleted"),
            nested_created: event("nested-created"),
            nested_updated: event("nested-updated"),
            nested_deleted: event("nested-deleted"),
            resync: event("resync"),
        }
    }
}

impl Event {
    pub(super) fn new(offset: Offset, target: Target, origin: Origin) -> Self {
        Event(Arc::new(Inner { offset, target, origin }))
    }

    pub fn offset(&self) -> Offset {
        self.0.offset
    }

    /// The name under which it is told to those who subscribed to a room by the prefix: its [`name`](Self::name), but for
    /// [`Target::Everyone`], which each hears under the prefix they listen to.
    pub fn name_for(&self, prefix: &str) -> Cow<'_, str> {
        match &self.0.target {
            Target::Everyone => format!("{prefix}:resync").into(),
            Target::Rooms(_) | Target::Table { .. } => self.name().into(),
        }
    }

    /// `component:updated`
    pub fn name(&self) -> &str {
        let (naming, body) = match &self.0.origin {
            Origin::Row { scene, body, .. } => (&scene.binding.naming, body),
            Origin::Wide { naming: Some(naming), .. } => return &naming.resync,
            Origin::Wide { naming: None, .. } => return "component:resync",
            Origin::Broadcast { broadcast, .. } => return &broadcast.event,
        };
        match body {
            Body::Created => &naming.created,
            Body::Updated(_) => &naming.updated,
            Body::Deleted(_) => &naming.deleted,
            Body::ChildCreated => &naming.nested_created,
            Body::ChildUpdated(_) => &naming.nested_updated,
            Body::ChildDeleted(_) => &naming.nested_deleted,
            Body::Nested(change) => match &**change {
                NestedChange::Came { .. } => &naming.nested_created,
                NestedChange::Changed { .. } => &naming.nested_updated,
                NestedChange::Went { .. } => &naming.nested_deleted,
            },
            Body::Resync(_) => &naming.resync,
        }
    }

    /// The prefix under which those in the room are told to fetch again, where the event is one too many for them.
    pub fn prefix_in<'a>(&'a self, room: &'a Room) -> &'a str {
        match (&self.0.origin, room.parts()) {
            (Origin::Row { scene, .. }, _) => &scene.binding.naming.prefix,
            (Origin::Wide { naming: Some(naming), .. }, _) => &naming.prefix,
            (_, RoomParts::Row { prefix, .. }) => prefix,
            _ => "component",
        }
    }

    /// The table whose row it tells of; `None` where it tells of more, or of none.
    pub fn table(&self) -> Option<&Table> {
        match &self.0.origin {
            Origin::Row { scene, .. } => Some(&scene.table),
            Origin::Wide { .. } | Origin::Broadcast { .. } => None,
        }
    }

    pub fn target(&self) -> &Target {
        &self.0.target
    }

    /// Who `walcast.set_actor` said makes the change.
    pub fn actor(&self) -> Option<&Actor> {
        match &self.0.origin {
            Origin::Row { scene, .. } => scene.actor.as_deref(),
            Origin::Wide { actor, .. } => actor.as_deref(),
            Origin::Broadcast { .. } => None,
        }
    }

    /// Whether the socket that asked for the write is left out: only updates, which its ack told it already.
    pub fn is_echo_suppressed(&self) -> bool {
        match &self.0.origin {
            Origin::Row { body: Body::Nested(change), .. } => matches!(**change, NestedChange::Changed { .. }),
            Origin::Row { body, .. } => matches!(body, Body::Updated(_) | Body::ChildUpdated(_)),
            Origin::Wide { .. } | Origin::Broadcast { .. } => false,
        }
    }

    /// Whom it may be told; `None`: everyone in its rooms.
    pub fn sighting(&self) -> Option<Sighting<'_>> {
        let Origin::Row { scene, body, is_first } = &self.0.origin else { return None };
        let ((old, new), bound) = (scene.images.as_deref()?, scene.binding.guard.as_ref()?);
        let telling = match body {
            Body::Created | Body::ChildCreated => Telling::Appears,
            Body::Deleted(_) | Body::ChildDeleted(_) => Telling::Vanishes,
            Body::Updated(_) | Body::ChildUpdated(_) | Body::Nested(_) => Telling::Changes { is_first: *is_first },
            Body::Resync(_) => Telling::Notice,
        };
        let key = scene.binding.key(scene.latest());
        Some(Sighting { guard: &bound.guard, old, new, telling, key, is_part: scene.is_part(scene.latest()) })
    }

    /// Whether it tells nothing but that who sees the row may be another now.
    pub fn is_silent(&self) -> bool {
        matches!(&self.0.origin, Origin::Row { body: Body::Updated(columns) | Body::ChildUpdated(columns), .. } if columns.is_empty())
    }

    /// The same change, to whoever saw the row and does not any more.
    pub fn vanished(&self) -> Option<Event> {
        let Origin::Row { scene, .. } = &self.0.origin else { return None };
        let reason = Some(Reason::NotVisible);
        let body = if scene.is_part(&scene.old) { Body::ChildDeleted(reason) } else { Body::Deleted(reason) };
        self.retold(
            Scene { old: scene.old_or_key(), new: Row::default(), is_delete: true, actor: None, ..scene.parts() },
            body,
        )
    }

    /// The same change, to whoever sees the row and did not before.
    pub fn appeared(&self) -> Option<Event> {
        let Origin::Row { scene, .. } = &self.0.origin else { return None };
        let body = if scene.is_part(&scene.new) { Body::ChildCreated } else { Body::Created };
        self.retold(Scene { old: Row::default(), new: scene.new.clone(), ..scene.parts() }, body)
    }

    fn retold(&self, scene: Scene, body: Body) -> Option<Event> {
        let origin = Origin::Row { scene: Arc::new(scene), body, is_first: true };
        Some(Event::new(self.offset(), self.target().clone(), origin))
    }

    /// What it takes in memory, more or less, in bytes.
    pub fn bytes(&self) -> usize {
        let row = |row: &Row| if row.is_empty() { 0 } else { row.bytes() + 2 * ALLOCATED };
        let rest = match &self.0.origin {
            Origin::Row { scene, body, .. } => {
                let told = if let Body::Updated(told) | Body::ChildUpdated(told) = body { told.len() } else { 0 };
                SHARED + size_of::<Scene>() + row(&scene.old) + row(&scene.new) + told * size_of::<usize>()
            }
            Origin::Wide { .. } => 0,
            Origin::Broadcast { broadcast, .. } => broadcast.event.len() + broadcast.members.len(),
        };
        SHARED + size_of::<Inner>() + rest
    }

    /// When the transaction was committed.
    pub fn committed_at(&self) -> Timestamp {
        match &self.0.origin {
            Origin::Row { scene, .. } => scene.committed_at,
            Origin::Wide { committed_at, .. } | Origin::Broadcast { committed_at, .. } => *committed_at,
        }
    }
}

/// What an allocation takes beside what is in it, on the average, and one behind two counters.
const ALLOCATED: usize = 16;
const SHARED: usize = ALLOCATED + 16;
