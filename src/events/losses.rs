//! What of a transaction could not be told, and so who is to be told to fetch again.

use std::{collections::BTreeMap, sync::Arc};

use smallvec::SmallVec;

use super::{
    Room,
    event::{Naming, Scene},
};
use crate::change::TableName;

/// The losses of the transaction under way, one for each table. They are told at its end: then whoever fetches again is
/// sent nothing more that the fetched state holds already, and of a million lost changes one event is made.
#[derive(Debug, Default)]
pub(super) struct Losses {
    by_table: BTreeMap<TableName, Loss>,
    /// Something was lost of which not even the table is known.
    everything: bool,
}

/// Whom to tell.
#[derive(Debug)]
pub(super) enum Loss {
    Row(LostRow),
    Table(Audience),
    Everyone,
}

/// A row that says where it is heard.
#[derive(Debug)]
pub(super) struct LostRow {
    pub scene: Arc<Scene>,
    pub rooms: SmallVec<[Room; 2]>,
}

/// All that follow a table: the room of each of its rows, and of every entity if its rows belong to entities.
#[derive(Debug)]
pub(super) struct Audience {
    pub table: TableName,
    pub naming: Box<Naming>,
    pub entities: bool,
}

impl Losses {
    pub fn has_table(&self, table: &TableName) -> bool {
        self.everything || matches!(self.by_table.get(table), Some(Loss::Table(_)))
    }

    /// Whether a row can be told by itself: it is the only one of its table.
    pub fn takes(&self, table: &TableName, row: &LostRow) -> bool {
        match self.by_table.get(table) {
            None => true,
            Some(Loss::Row(before)) => before.rooms == row.rooms,
            Some(_) => false,
        }
    }

    pub fn add_row(&mut self, table: TableName, row: LostRow) {
        self.by_table.insert(table, Loss::Row(row));
    }

    pub fn add_table(&mut self, table: TableName, audience: Audience) {
        self.by_table.insert(table, Loss::Table(audience));
    }

    pub fn add_everything(&mut self) {
        self.everything = true;
    }

    /// What to tell, always in the same order.
    pub fn told(self) -> impl Iterator<Item = Loss> {
        let (everyone, by_table) =
            if self.everything { (Some(Loss::Everyone), BTreeMap::new()) } else { (None, self.by_table) };
        everyone.into_iter().chain(by_table.into_values())
    }
}
