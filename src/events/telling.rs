//! One change of a row, told in events.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::{
    Actor, Event, Offset, Room, Target,
    binding::{Binding, Place, Spot},
    event::{Body, Origin, Reason, Scene},
    fault::Fault,
    json,
    losses::{Audience, Loss, Losses, LostRow},
    nested,
};
use crate::change::{Cell, Lsn, OldRow, Operation, Row, Table, Timestamp};

/// The transaction under way.
#[derive(Debug)]
pub(super) struct Transaction {
    pub commit_lsn: Lsn,
    pub committed_at: Timestamp,
    pub actor: Option<Arc<Actor>>,
    /// The number of its next event.
    pub next: u32,
    pub losses: Losses,
}

impl Transaction {
    pub fn tell(&mut self, target: Target, origin: Origin, out: &mut Vec<Event>) {
        out.push(Event::new(Offset { lsn: self.commit_lsn, n: self.next }, target, origin));
        // Four billion events of one transaction do not come to be: it would have to change as many rows.
        self.next = self.next.saturating_add(1);
    }

    /// Tells everyone who follows a table to fetch again; without one, everyone.
    pub fn tell_all(&mut self, audience: Option<Audience>, reason: Reason, out: &mut Vec<Event>) {
        let (target, naming, table) = match audience {
            Some(Audience { table, naming, entities }) => {
                (Target::Table { prefix: Arc::clone(&naming.prefix), entities }, Some(naming), Some(table))
            }
            None => (Target::Everyone, None, None),
        };
        let (table, actor, committed_at) = (table.map(Box::new), self.actor.clone(), self.committed_at);
        self.tell(target, Origin::Wide { naming, table, reason, actor, committed_at }, out);
    }

    /// The transaction is over: tells of what was lost in it.
    pub fn tell_losses(mut self, out: &mut Vec<Event>) {
        for loss in std::mem::take(&mut self.losses).told() {
            match loss {
                Loss::Row(LostRow { scene, rooms }) => {
                    let origin = Origin::Row { scene, body: Body::Resync(Reason::Unreadable), is_first: true };
                    self.tell(Target::Rooms(rooms), origin, out);
                }
                Loss::Table(audience) => self.tell_all(Some(audience), Reason::Unreadable, out),
                Loss::Everyone => self.tell_all(None, Reason::Unreadable, out),
            }
        }
    }
}

/// What could not be told of a change.
#[derive(Debug)]
pub(super) struct Untold {
    pub fault: Fault,
    /// The row that it concerns; `None` where the log does not say whom else it concerns.
    pub row: Option<LostRow>,
}

type Told = Result<(), Fault>;

/// Tells a change of a row. After an error other than [`Fault::RowWithoutPlace`] nothing of it was told.
pub(super) fn tell(
    binding: &Arc<Binding>,
    table: &Arc<Table>,
    operation: Operation,
    transaction: &mut Transaction,
    out: &mut Vec<Event>,
) -> Result<(), Untold> {
    let is_delete = matches!(operation, Operation::Delete { .. });
    let (old, new) = match operation {
        Operation::Insert { new } => (None, Some(new)),
        Operation::Update { old, new } => (Some(old), Some(new)),
        Operation::Delete { old } => (Some(Some(old)), None),
        Operation::Truncate => return Ok(()),
    };
    let is_insert = old.is_none();
    let (old, is_full) = match old.flatten() {
        Some(OldRow::Full(row)) => (row, true),
        Some(OldRow::Key(row)) => (row, false),
        None => (Row::default(), false),
    };
    let mut new = new.unwrap_or_default();
    fill_in(&mut new, &old);
    let images = binding.guard.as_ref().map(|guard| Box::new(guard.images(&old, &new, is_insert)));
    let scene = Arc::new(Scene {
        binding: Arc::clone(binding),
        table: Arc::clone(table),
        old,
        new,
        is_delete,
        actor: transaction.actor.clone(),
        committed_at: transaction.committed_at,
        images,
    });
    let mut teller = Teller { scene: &scene, transaction, out };
    let told = match (&binding.missing, is_insert, is_delete) {
        // A row of which the log gives the key alone says enough for its deletion.
        (Some(missing), ..) if !is_delete || is_full => Err(Fault::MissingColumn(missing.clone())),
        (_, true, _) => teller.insert(),
        (_, _, true) => teller.delete(),
        _ => teller.update(is_full),
    };
    told.map_err(|fault| {
        let is_elsewhere = matches!(fault, Fault::RowWithoutKey | Fault::RowWithoutPlace)
            || binding.place_columns().is_some() && !is_insert && !is_full;
        let rooms = if is_elsewhere { None } else { rooms_of(&scene) };
        Untold { fault, row: rooms.map(|rooms| LostRow { scene, rooms }) }
    })
}

/// The rooms in which a row was heard and those in which it is; `None` where the log does not say all of these.
fn rooms_of(scene: &Scene) -> Option<SmallVec<[Room; 2]>> {
    let binding = &scene.binding;
    let spot = binding.spot(scene.latest())?;
    if spot.place == Place::Unknown || !binding.knows_entity(scene.latest()) {
        return None;
    }
    let mut rooms = spot.rooms();
    for room in binding.spot(&scene.old).into_iter().flat_map(|before| before.rooms()) {
        if !rooms.contains(&room) {
            rooms.push(room);
        }
    }
    Some(rooms)
}

/// The old row repeats what an UPDATE left unchanged out of line.
fn fill_in(new: &mut Row, old: &Row) {
    let filled = |(column, cell): (usize, Cell<'_>)| match (cell, old.cell(column)) {
        (Cell::Unchanged, before @ Cell::Text(_)) => Some(before),
        _ => None,
    };
    let cells = || new.cells().enumerate();
    if cells().any(|cell| filled(cell).is_some()) {
        *new = cells().map(|(column, cell)| filled((column, cell)).unwrap_or(cell)).collect();
    }
}

struct Teller<'a> {
    scene: &'a Arc<Scene>,
    transaction: &'a mut Transaction,
    out: &'a mut Vec<Event>,
}

impl Teller<'_> {
    fn insert(&mut self) -> Told {
        let spot = self.scene.binding.spot(&self.scene.new).ok_or(Fault::RowWithoutKey)?;
        if spot.place == Place::Unknown {
            return Err(Fault::RowWithoutPlace);
        }
        self.check(0..self.scene.table.columns.len())?;
        self.appear(&spot, spot.rooms());
        Ok(())
    }

    fn delete(&mut self) -> Told {
        let spot = self.scene.binding.spot(&self.scene.old).ok_or(Fault::RowWithoutKey)?;
        self.vanish(&spot, spot.rooms(), None);
        if spot.place == Place::Unknown { Err(Fault::RowWithoutPlace) } else { Ok(()) }
    }

    fn update(&mut self, is_full: bool) -> Told {
        let Scene { binding, table, old, new, .. } = &**self.scene;
        let after = binding.spot(new).ok_or(Fault::RowWithoutKey)?;
        if after.place == Place::Unknown {
            return Err(Fault::RowWithoutPlace);
        }
        // An old row that the log does not give has the same key; of its place and entity nothing else is known.
        let before = if binding.is_in_place(old, new) { None } else { binding.spot(old) };
        let Some(mut before) = before else {
            self.stay(&after, is_full)?;
            return self.know_place(is_full);
        };
        if before.place == Place::Unknown {
            before.place = after.place.clone();
            if after.is_nested() {
                before.own = after.own.clone();
            }
        }
        if before.key != after.key || before.place != after.place {
            self.check(0..table.columns.len())?;
            let reason = (!before.is_nested() && after.is_nested()).then_some(Reason::Moved);
            self.vanish(&before, before.rooms(), reason);
            self.appear(&after, after.rooms());
        } else {
            let has_moved = binding.knows_entity(old) && before.entity != after.entity;
            if has_moved {
                let columns = self.changed_columns(is_full);
                self.check(0..table.columns.len())?;
                self.change(&after, smallvec![after.own.clone()], columns, is_full);
                if let Some(entity) = &before.entity {
                    self.vanish(&before, smallvec![entity.clone()], Some(Reason::Moved));
                }
                if let Some(entity) = &after.entity {
                    self.appear(&after, smallvec![entity.clone()]);
                }
            } else {
                self.stay(&after, is_full)?;
            }
        }
        self.know_place(is_full)
    }

    /// Tells the UPDATE of a row that is heard where it was.
    fn stay(&mut self, spot: &Spot, is_full: bool) -> Told {
        let columns = self.changed_columns(is_full);
        if !columns.is_empty() || self.scene.may_be_seen_by_others() {
            self.check(columns.iter().copied())?;
            self.change(spot, spot.rooms(), columns, is_full);
        }
        Ok(())
    }

    /// Where rows nest, one of which the log does not give the old version may have been elsewhere.
    fn know_place(&self, is_full: bool) -> Told {
        let may_nest = self.scene.binding.place_columns().is_some();
        if !is_full && may_nest { Err(Fault::RowWithoutPlace) } else { Ok(()) }
    }

    /// The columns to tell of an UPDATE: those whose value changed; without an old row to compare, all but the key's.
    fn changed_columns(&self, is_full: bool) -> Vec<usize> {
        let Scene { binding, table, old, new, .. } = &**self.scene;
        (0..table.columns.len())
            .filter(|&column| new.cell(column).is_known() && !binding.hides(column))
            .filter(|column| match is_full {
                true => new.cell(*column) != old.cell(*column),
                false => !binding.id.contains(column),
            })
            .collect()
    }

    /// Tells what changed of a row that stays where it is.
    fn change(&mut self, spot: &Spot, rooms: SmallVec<[Room; 2]>, mut columns: Vec<usize>, is_full: bool) {
        if spot.is_nested() {
            return self.tell(rooms, Body::ChildUpdated(columns), true);
        }
        let mut nested = Vec::new();
        if let Some((document, children)) = self.scene.binding.document()
            && is_full
            && columns.contains(&document)
            && let (Cell::Text(old), Cell::Text(new)) = (self.scene.old.cell(document), self.scene.new.cell(document))
            && let Some(changes) = nested::diff(&old.into(), &new.into(), children)
        {
            nested = changes;
            columns.retain(|column| *column != document);
        }
        if nested.is_empty() {
            return self.tell(rooms, Body::Updated(columns), true);
        }
        let mut is_first = true;
        if !columns.is_empty() {
            self.tell(rooms.clone(), Body::Updated(columns), is_first);
            is_first = false;
        }
        for change in nested {
            self.tell(rooms.clone(), Body::Nested(Box::new(change)), std::mem::take(&mut is_first));
        }
    }

    fn appear(&mut self, spot: &Spot, rooms: SmallVec<[Room; 2]>) {
        let body = if spot.is_nested() { Body::ChildCreated } else { Body::Created };
        let is_whole = self.scene.new.cells().all(|cell| cell != Cell::Unchanged);
        self.tell(rooms.clone(), body, true);
        if !is_whole {
            self.tell(rooms, Body::Resync(Reason::Incomplete), false);
        }
    }

    fn vanish(&mut self, spot: &Spot, rooms: SmallVec<[Room; 2]>, reason: Option<Reason>) {
        let body = if spot.is_nested() { Body::ChildDeleted(reason) } else { Body::Deleted(reason) };
        self.tell(rooms, body, true);
    }

    fn tell(&mut self, rooms: SmallVec<[Room; 2]>, body: Body, is_first: bool) {
        let origin = Origin::Row { scene: Arc::clone(self.scene), body, is_first };
        self.transaction.tell(Target::Rooms(rooms), origin, self.out);
    }

    /// Whether the new row's columns can be told as what their types say.
    fn check(&self, columns: impl Iterator<Item = usize>) -> Told {
        let Scene { table, new, .. } = &**self.scene;
        for index in columns {
            if let (Some(column), Cell::Text(text)) = (table.columns.get(index), new.cell(index))
                && json::check(column.type_oid, text).is_err()
            {
                return Err(Fault::Corrupt(column.name.to_string()));
            }
        }
        Ok(())
    }
}
