use std::time::Instant;

use crate::{
    change::{Lsn, Table},
    events::{BoundFilter, Offset, RowChange, Told},
    hub::{SocketId, occupants::Occupants},
};

use super::Interest;

/// The sockets that ask the same.
pub struct Group {
    pub interest: Interest,
    /// `None`: all have gone, and one of them may come back.
    pub sockets: Option<Occupants>,
    /// What is known of it begins here.
    pub since: Offset,
    /// The last that it was told, or would have been.
    pub last: Offset,
    /// When one went last that may come back.
    pub left: Option<Instant>,
    /// `None` until the table's columns are known.
    pub filter: Option<BoundFilter>,
    /// How many changes the transaction had for it.
    crowd: (Lsn, u32),
}

/// How much of a transaction a group has had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    Fair,
    /// This is the first that is too much.
    Full,
    Over,
}

impl Group {
    pub fn new(interest: &Interest, since: Offset) -> Self {
        Group {
            interest: interest.clone(),
            sockets: None,
            since,
            last: Offset::default(),
            left: None,
            filter: None,
            crowd: (Lsn::ZERO, 0),
        }
    }

    pub fn insert(&mut self, socket: SocketId) {
        match &mut self.sockets {
            Some(sockets) => sockets.insert(socket),
            None => self.sockets = Some(Occupants::One(socket)),
        }
    }

    pub fn remove(&mut self, socket: SocketId) {
        if self.sockets.as_mut().is_some_and(|sockets| !sockets.remove(socket)) {
            self.sockets = None;
        }
    }

    pub fn sockets(&self) -> impl Iterator<Item = SocketId> {
        self.sockets.iter().flatten().copied()
    }

    pub fn bind(&mut self, table: &Table) {
        self.filter = Some(self.interest.filter.bind(table));
    }

    /// What a change is to the group.
    pub fn told(&self, change: &RowChange<'_>) -> Option<Told> {
        let is_wanted = self.interest.operation.is_none_or(|operation| operation == change.operation);
        self.filter.as_ref().filter(|_| is_wanted).and_then(|filter| change.told_by(filter))
    }

    /// Counts one change more of a transaction.
    pub fn count(&mut self, transaction: Lsn, cap: u32) -> Share {
        if self.crowd.0 != transaction {
            self.crowd = (transaction, 0);
        }
        self.crowd.1 = self.crowd.1.saturating_add(1);
        match self.crowd.1 {
            count if count <= cap => Share::Fair,
            count if count == cap.saturating_add(1) => Share::Full,
            _ => Share::Over,
        }
    }

    /// Whether the rest of a transaction is kept from it.
    pub fn is_over(&self, transaction: Lsn, cap: u32) -> bool {
        self.crowd.0 == transaction && self.crowd.1 > cap
    }
}
