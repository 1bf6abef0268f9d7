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
    /// the change, no column that is not told, no rooms. `None` where it is better encoded at once.
    pub fn lean(&self) -> Option<Event> {
        let Origin::Row { scene, body, is_first } = &self.0.origin else { return None };
        let (old, new) = match body {
            Body::Created | Body::ChildCreated => (Row::default(), scene.new.clone()),
            Body::Updated(told) | Body::ChildUpdated(told) => (Row::default(), scene.told(&scene.new, told)),
            Body::Deleted(_) | Body::ChildDeleted(_) => (scene.told(&scene.old, &[]), scene.told(&scene.new, &[])),
            // What changed in a document shares the memory of all of it.
            Body::Nested(_) | Body::Resync(_) => return None,
        };
        let scene = Scene { old, new, is_delete: scene.is_delete, ..scene.parts() };
        let origin = Origin::Row { scene: Arc::new(scene), body: body.clone(), is_first: *is_first };
        Some(Event(Arc::new(Inner { offset: self.0.offset, target: Target::Rooms(SmallVec::new()), origin })))
    }
}

impl Scene {
    /// A version of the row with the columns that say whose it is, and these, which are in order.
    fn told(&self, row: &Row, columns: &[usize]) -> Row {
        row.only(|column| self.binding.names(column) || columns.binary_search(&column).is_ok())
    }
}
