//! Sockets that follow tables: whatever is done to rows that a filter lets through, in no room.
//!
//! Sockets that ask the same share a [`Group`](group::Group): one compiled filter, one frame. A change finds the groups that it
//! may concern by the values that they want (`index`), not by asking each.

mod comeback;
mod group;
mod index;
mod interest;
mod table;
mod telling;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use foldhash::fast::FixedState;
use smallvec::SmallVec;

use super::SocketId;
use crate::{
    change::TableName,
    events::{Event, Offset, RowChange},
};
pub use comeback::Following;
pub use interest::Interest;
use table::FollowedTable;

/// All tables that somebody follows, and how far each table has come.
#[derive(Default)]
pub struct Follows {
    tables: HashMap<TableName, FollowedTable>,
    sockets: HashMap<SocketId, SmallVec<[Followed; 2]>>,
    /// The last change of each table that the stream brought since it began. Nobody outside gives these their names.
    last: HashMap<TableName, Offset, FixedState>,
    /// What happened before here nobody knows any more, or it concerned all tables.
    floor: Offset,
    /// The last event that told a change: those behind it may tell the same one.
    told: Option<Event>,
    /// How many groups nobody is in, at the most.
    kept: usize,
}

/// What a socket follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    pub interest: Interest,
    /// The socket was sent everything of it after this offset.
    pub since: Offset,
}

/// The most groups that are kept for sockets that may come back. Of what the others missed less is known: whether anything of
/// the table has changed.
const MOST_KEPT: usize = 10_000;

impl Follows {
    /// The stream begins anew: what is followed stays.
    pub fn begin(&mut self, floor: Offset) {
        self.last.clear();
        self.floor = floor;
        self.told = None;
        self.tables.values_mut().for_each(|table| table.begin(floor));
    }

    /// Whether the socket has come in; false where it followed that already. `at`: where the stream stands.
    pub fn join(&mut self, socket: SocketId, followed: Followed, at: Offset) -> bool {
        let follows = self.sockets.entry(socket).or_default();
        if let Some(before) = follows.iter_mut().find(|before| before.interest == followed.interest) {
            before.since = before.since.min(followed.since);
            return false;
        }
        self.tables.entry(followed.interest.table.clone()).or_default().join(&followed.interest, socket, at);
        follows.push(followed);
        true
    }

    /// Whether the socket followed what goes by this name.
    pub fn leave(&mut self, socket: SocketId, name: &str) -> bool {
        let Some(follows) = self.sockets.get_mut(&socket) else { return false };
        let Some(place) = follows.iter().position(|followed| *followed.interest.name == *name) else { return false };
        let Followed { interest, .. } = follows.remove(place);
        if follows.is_empty() {
            self.sockets.remove(&socket);
        }
        self.close(socket, &interest, None);
        true
    }

    /// Takes a socket out of everything, and says what it followed. `left`: now, if it may come back.
    pub fn remove(&mut self, socket: SocketId, left: Option<Instant>) -> Vec<Followed> {
        let follows = self.sockets.remove(&socket).unwrap_or_default();
        for followed in &follows {
            self.close(socket, &followed.interest, left.filter(|_| self.kept < MOST_KEPT));
        }
        follows.into_vec()
    }

    fn close(&mut self, socket: SocketId, interest: &Interest, left: Option<Instant>) {
        let Some(table) = self.tables.get_mut(&interest.table) else { return };
        self.kept += usize::from(table.leave(interest, socket, left));
        if table.is_empty() {
            self.tables.remove(&interest.table);
        }
    }

    /// Takes note of what somebody follows who may come back: a socket of the server that streamed before.
    pub fn expect(&mut self, followed: &[Followed], at: Offset, now: Instant) {
        for Followed { interest, .. } in followed {
            if self.kept < MOST_KEPT {
                self.kept += 1;
                self.tables.entry(interest.table.clone()).or_default().expect(interest, at, now);
            }
        }
    }

    /// Forgets for whom it has been waiting too long.
    pub fn age(&mut self, now: Instant, window: Duration) {
        self.kept = self.tables.values_mut().map(|table| table.forget(now, window)).sum();
        self.tables.retain(|_, table| !table.is_empty());
    }

    /// What a socket follows.
    pub fn of(&self, socket: SocketId) -> &[Followed] {
        self.sockets.get(&socket).map_or(&[], SmallVec::as_slice)
    }

    /// How much a socket follows.
    pub fn count(&self, socket: SocketId) -> usize {
        self.of(socket).len()
    }

    fn is_over(&self, interest: &Interest, at: Offset, cap: u32) -> bool {
        self.tables.get(&interest.table).is_some_and(|table| table.is_over(interest, at.lsn, cap))
    }

    /// Takes note of a change of a table.
    fn note(&mut self, table: &TableName, offset: Offset) {
        match self.last.get_mut(table) {
            Some(last) => *last = offset,
            None => drop(self.last.insert(table.clone(), offset)),
        }
    }

    /// What everybody holds of a table, or of all, is stale.
    fn note_stale(&mut self, table: Option<&TableName>, offset: Offset) {
        match table {
            Some(table) => {
                self.note(table, offset);
                if let Some(table) = self.tables.get_mut(table) {
                    table.begin(offset);
                }
            }
            None => self.floor = offset,
        }
    }

    /// Whether nothing that somebody wants to hear has come after an offset, as far as that is known. `is_alone`: of what the
    /// socket is in, only one thing could have been told at that offset; else it may have had one frame of it and not the
    /// other.
    fn is_quiet_since(&self, interest: &Interest, since: Offset, is_alone: bool) -> bool {
        let group = self.tables.get(&interest.table).and_then(|table| table.find(interest));
        let last = match group.filter(|group| group.since <= since) {
            Some(group) => group.last,
            None => self.last.get(&interest.table).copied().unwrap_or_default(),
        };
        since >= self.floor && (last < since || last == since && is_alone)
    }

    /// Whom a change may be told.
    pub fn listeners(&mut self, change: &RowChange<'_>) -> Vec<SocketId> {
        self.tables.get_mut(&change.table_name()).map(|table| table.listeners(change)).unwrap_or_default()
    }

    /// All that follow a table.
    pub fn followers(&self, table: &TableName) -> Vec<SocketId> {
        self.tables.get(table).map(FollowedTable::sockets).unwrap_or_default()
    }

    /// Each table that somebody follows, and who they are.
    fn audiences(&self) -> impl Iterator<Item = (&TableName, Vec<SocketId>)> {
        self.tables.iter().map(|(name, table)| (name, table.sockets()))
    }
}
