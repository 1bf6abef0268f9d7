//! Events as they are kept for whoever was away: most are never told to anybody, so they are not encoded before somebody asks.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{
    Event, Target,
    event::{Body, Inner, Origin, Scene},
};
use crate::change::Row;

impl Event {
    /// The same in [name](Self::name), [payload](Self::encode) and place, with nothing else of its row: not the one before
    /// the change, no column that is not told, no rooms. `None` where encoded it is less.
    pub fn lean(&self) -> Option<Event> {
        let Origin::Row { scene, body, is_first } = &self.0.origin else { return None };
        let (old, new, body) = match body {
            Body::Created => (Row::default(), scene.new.clone(), Body::Created),
            Body::ChildCreated => (Row::default(), scene.new.clone(), Body::ChildCreated),
            Body::Updated(told) => (Row::default(), scene.told(&scene.new, told), Body::Updated(told.clone())),
            Body::ChildUpdated(told) => {
                (Row::default(), scene.told(&scene.new, told), Body::ChildUpdated(told.clone()))
            }
            Body::Deleted(reason) => (scene.told(&scene.old, &[]), scene.told(&scene.new, &[]), Body::Deleted(*reason)),
            Body::ChildDeleted(reason) => {
                (scene.told(&scene.old, &[]), scene.told(&scene.new, &[]), Body::ChildDeleted(*reason))
            }
            // What changed in a document shares the memory of all of it.
            Body::Nested(_) | Body::Resync(_) => return None,
        };
        let scene = Scene { old, new, is_delete: scene.is_delete, ..scene.parts() };
        let origin = Origin::Row { scene: Arc::new(scene), body, is_first: *is_first };
        Some(Event(Arc::new(Inner { offset: self.0.offset, target: Target::Rooms(SmallVec::new()), origin })))
    }
}

impl Scene {
    /// A version of the row with the columns that say whose it is, and these.
    fn told(&self, row: &Row, columns: &[usize]) -> Row {
        row.only(|column| columns.contains(&column) || self.binding.names(column))
    }
}
