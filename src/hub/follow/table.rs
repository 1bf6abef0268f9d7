use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use indexmap::IndexSet;

use super::{
    Interest,
    group::{Group, Share},
    index::{GroupId, Index},
};
use crate::{
    change::{Lsn, Table},
    events::{Offset, RowChange, Told},
    hub::SocketId,
};

/// A table that somebody follows, published or not.
#[derive(Default)]
pub struct FollowedTable {
    /// In the order in which they came.
    groups: BTreeMap<GroupId, Group>,
    by_interest: HashMap<Interest, GroupId>,
    last: GroupId,
    /// `None` until a change has shown the table's columns.
    index: Option<Index>,
}

/// What a group is told of a change.
pub struct Telling {
    pub name: Arc<str>,
    pub told: Told,
    pub share: Share,
    pub sockets: Vec<SocketId>,
}

impl FollowedTable {
    /// `at`: where the stream stands.
    pub fn join(&mut self, interest: &Interest, socket: SocketId, at: Offset) {
        self.open(interest, at).insert(socket);
    }

    /// A socket goes, and comes back perhaps if it left now. Whether the group is kept for it alone.
    pub fn leave(&mut self, interest: &Interest, socket: SocketId, left: Option<Instant>) -> bool {
        let Some(id) = self.by_interest.get(interest).copied() else { return false };
        let Some(group) = self.groups.get_mut(&id) else { return false };
        group.remove(socket);
        group.left = left.or(group.left);
        let is_empty = group.sockets.is_none();
        if is_empty && group.left.is_none() {
            self.close(id);
        }
        is_empty && self.groups.contains_key(&id)
    }

    /// One that may come back has asked this.
    pub fn expect(&mut self, interest: &Interest, at: Offset, left: Instant) {
        self.open(interest, at).left = Some(left);
    }

    /// The group of an interest, whoever is in it.
    pub fn find(&self, interest: &Interest) -> Option<&Group> {
        self.groups.get(self.by_interest.get(interest)?)
    }

    /// Forgets the groups that nobody has come back to for so long. How many are left that nobody is in.
    pub fn forget(&mut self, now: Instant, window: Duration) -> usize {
        let is_over = |left: Instant| now.duration_since(left) > window;
        let over = self.groups.iter().filter(|(_, group)| group.sockets.is_none() && group.left.is_none_or(is_over));
        let over: Vec<GroupId> = over.map(|(id, _)| *id).collect();
        over.into_iter().for_each(|id| self.close(id));
        self.groups.values().filter(|group| group.sockets.is_none()).count()
    }

    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The stream begins anew, or what all of them hold is stale.
    pub fn begin(&mut self, floor: Offset) {
        self.groups.values_mut().for_each(|group| group.since = floor);
    }

    /// Whom a change is told, and as what: each group that its filter concerns.
    pub fn tell(&mut self, change: &RowChange<'_>, offset: Offset, cap: u32) -> Vec<Telling> {
        let mut tellings = Vec::new();
        for id in self.candidates(change) {
            let Some(group) = self.groups.get_mut(&id) else { continue };
            let Some(told) = group.told(change) else { continue };
            group.last = offset;
            let share = group.count(offset.lsn, cap);
            if share != Share::Over && group.sockets.is_some() {
                let sockets = group.sockets().collect();
                tellings.push(Telling { name: Arc::clone(&group.interest.name), told, share, sockets });
            }
        }
        tellings
    }

    /// The groups whose filters are asked of a change.
    pub(super) fn candidates(&mut self, change: &RowChange<'_>) -> Vec<GroupId> {
        self.take_up(change.table()).candidates(change)
    }

    /// Those whose filters a change concerns.
    pub fn listeners(&mut self, change: &RowChange<'_>) -> Vec<SocketId> {
        let candidates = self.candidates(change);
        let groups = candidates.iter().filter_map(|id| self.groups.get(id));
        groups.filter(|group| group.told(change).is_some()).flat_map(Group::sockets).collect()
    }

    /// Whether the rest of a transaction is kept from who asks this.
    pub fn is_over(&self, interest: &Interest, transaction: Lsn, cap: u32) -> bool {
        self.find(interest).is_some_and(|group| group.is_over(transaction, cap))
    }

    /// All that follow it, each once.
    pub fn sockets(&self) -> Vec<SocketId> {
        let sockets: IndexSet<SocketId> = self.groups.values().flat_map(Group::sockets).collect();
        sockets.into_iter().collect()
    }

    fn open(&mut self, interest: &Interest, at: Offset) -> &mut Group {
        let id = *self.by_interest.entry(interest.clone()).or_insert_with(|| {
            self.last += 1;
            self.last
        });
        self.groups.entry(id).or_insert_with(|| {
            let mut group = Group::new(interest, at);
            if let Some(index) = &mut self.index {
                group.bind(&index.table);
                group.filter.iter().for_each(|filter| index.add(id, filter));
            }
            group
        })
    }

    fn close(&mut self, id: GroupId) {
        let Some(group) = self.groups.remove(&id) else { return };
        self.by_interest.remove(&group.interest);
        if let Some(index) = &mut self.index {
            group.filter.iter().for_each(|filter| index.remove(id, filter));
        }
    }

    /// The index for the table as it is described now.
    fn take_up(&mut self, table: &Arc<Table>) -> &Index {
        let index = self.index.take().filter(|index| Arc::ptr_eq(&index.table, table) || index.table == *table);
        let index = index.unwrap_or_else(|| {
            let mut index = Index::new(table);
            for (id, group) in &mut self.groups {
                group.bind(table);
                group.filter.iter().for_each(|filter| index.add(*id, filter));
            }
            index
        });
        let index = self.index.insert(index);
        // The next comparison is that of two addresses.
        index.table = Arc::clone(table);
        index
    }
}
