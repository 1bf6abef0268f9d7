use serde_json::json;

use super::{group::Share, table::Telling};
use crate::{
    change::{TableName, Timestamp},
    events::{Event, Stale, Told},
    hub::{Dispatcher, Frame, SocketId, delivery::BULK, outbox::Weight},
};

/// What a table's changes are told by.
const CHANGED: &str = "changes:changed";
/// "What you hold of a table may be stale: fetch it again."
const RESYNC: &str = "changes:resync";

impl Dispatcher {
    /// Addresses what an event is to those who follow tables: behind what it is to those in rooms, and a change once,
    /// whatever number of events tells it.
    pub(in crate::hub) fn tell_followers(&mut self, event: &Event) {
        if let Some((stale, reason)) = event.stale() {
            return self.tell_stale(event, stale, reason);
        }
        let Some(change) = event.change() else { return };
        if self.follows.told.as_ref().is_some_and(|told| told.is_of_change_of(event)) {
            return;
        }
        let offset = event.offset();
        let table = change.table_name();
        self.follows.note(&table, offset);
        let cap = self.settings.room_cap;
        let followed = self.follows.tables.get_mut(&table);
        let tellings = followed.map(|table| table.tell(&change, offset, cap)).unwrap_or_default();
        self.follows.told = Some(event.clone());
        for Telling { name, told, share, sockets } in tellings {
            if share != Share::Fair {
                let Some(frame) = self.table_resync(&table, BULK, event.committed_at()) else { return };
                self.release_ahead_of(&sockets);
                self.burst.add_for(frame, sockets);
                continue;
            }
            for (event, what, sockets) in self.told_to(event, told.what, sockets) {
                let Some(position) = &self.position else { return };
                let payload = event.encode_change(&position.epoch, &name, Told { what, ..told });
                let wire = (self.settings.encode)(CHANGED, &payload, Some(&offset.to_wire(&position.epoch)));
                self.release_ahead_of(&sockets);
                self.burst.add_for(Frame::new(wire, Weight::Durable), sockets);
            }
        }
    }

    fn tell_stale(&mut self, event: &Event, stale: Stale<'_>, reason: &'static str) {
        let table: Option<TableName> = match stale {
            Stale::Table(schema, name) => Some((schema.into(), name.into())),
            Stale::Everything => None,
        };
        self.follows.note_stale(table.as_ref(), event.offset());
        self.tell_all_stale(table.as_ref(), reason, event.committed_at());
    }

    /// Tells those who follow a table, or all who follow any, to fetch again.
    pub(in crate::hub) fn tell_all_stale(&mut self, table: Option<&TableName>, reason: &str, at: Timestamp) {
        let audiences = self.follows.audiences().filter(|(name, _)| table.is_none_or(|table| table == *name));
        let audiences: Vec<(TableName, Vec<SocketId>)> =
            audiences.map(|(name, sockets)| (name.clone(), sockets)).collect();
        for (name, sockets) in audiences {
            let Some(frame) = self.table_resync(&name, reason, at) else { return };
            self.release_ahead_of(&sockets);
            self.burst.add_for(frame, sockets);
        }
    }

    pub(in crate::hub) fn table_resync(
        &self,
        (schema, table): &TableName,
        reason: &str,
        at: Timestamp,
    ) -> Option<Frame> {
        let position = self.position.as_ref()?;
        let payload = json!({
            "schema": &**schema,
            "table": &**table,
            "reason": reason,
            "offset": position.offset.to_wire(&position.epoch),
            "timestamp": at.to_string(),
        });
        // Whoever has it may not have the others of the same offset.
        Some(self.frame(RESYNC, &payload, None))
    }
}
