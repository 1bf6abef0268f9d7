use std::{sync::Arc, time::Duration};

use bytestring::ByteString;

use super::{
    Actor, Event,
    event::{Body, Origin, Scene},
};
use crate::change::Cell;

impl Event {
    /// Within how long several updates of its row are told as one, if its rule says so.
    pub fn throttle(&self) -> Option<Duration> {
        match &self.0.origin {
            // Who stops seeing the row hears that at once.
            Origin::Row { scene, body: Body::Updated(_), .. } if scene.is_seen_by_the_same() => scene.binding.throttle,
            _ => None,
        }
    }

    /// One update in place of this and a later one of the same row, at the later one's place: later values win. `None` where
    /// they cannot be told as one.
    pub fn merged_with(&self, later: &Event) -> Option<Event> {
        let (
            Origin::Row { scene: one, body: Body::Updated(before), .. },
            Origin::Row { scene: two, body: Body::Updated(after), .. },
        ) = (&self.0.origin, &later.0.origin)
        else {
            return None;
        };
        let is_alike = Arc::ptr_eq(&one.table, &two.table) && Arc::ptr_eq(&one.binding, &two.binding);
        if !is_alike || self.target() != later.target() {
            return None;
        }
        // What only the earlier one changed the later one may not say: a large value that the log does not repeat.
        let cell = |column: usize| match two.new.cell(column) {
            Cell::Unchanged | Cell::Absent if before.contains(&column) => one.new.cell(column),
            cell => cell,
        };
        let mut columns: Vec<usize> = before.iter().chain(after).copied().collect();
        columns.sort_unstable();
        columns.dedup();
        let scene = Scene {
            binding: two.binding.clone(),
            table: two.table.clone(),
            old: one.old.clone(),
            new: (0..two.new.len()).map(cell).collect(),
            is_delete: false,
            actor: two
                .actor
                .as_ref()
                .map(|actor| Actor { id: actor.id.clone(), socket: common_socket(one, two) }.into()),
            committed_at: two.committed_at,
            images: two.images.clone(),
        };
        let origin = Origin::Row { scene: Arc::new(scene), body: Body::Updated(columns), is_first: true };
        Some(Event::new(later.offset(), later.target().clone(), origin))
    }
}

/// The socket that asked for both writes: of another's it does not know.
fn common_socket(one: &Scene, two: &Scene) -> Option<ByteString> {
    let socket = |scene: &Scene| scene.actor.as_ref().and_then(|actor| actor.socket.clone());
    socket(two).filter(|second| socket(one).as_ref() == Some(second))
}
