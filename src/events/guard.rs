//! Tables of which not every socket may hear everything: what decides it, as plain data.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use bytestring::ByteString;

use super::Mapper;
use crate::change::{Cell, Change, Operation, Row, Table, TableName};

/// How a table is guarded, as its catalog says: by policies, or by what the role of sockets may SELECT of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// `pg_class.oid`.
    pub oid: u32,
    pub table: TableName,
    pub sight: Sight,
    /// The columns that its policies read in the row itself, by name, in an order of their own.
    pub reads: Vec<ByteString>,
    /// What else its policies read.
    pub sources: Vec<Source>,
    /// The columns that the role of sockets may not read.
    pub hidden: BTreeSet<ByteString>,
    /// Another one where something has changed by which questions are answered.
    pub mark: String,
}

impl Guard {
    /// Of a table of which nobody may hear.
    pub fn closed(oid: u32, table: TableName) -> Self {
        Guard {
            oid,
            table,
            sight: Sight::Nobody,
            reads: Vec::new(),
            sources: Vec::new(),
            hidden: BTreeSet::new(),
            mark: String::new(),
        }
    }

    /// Whether what its policies answer may change without a change that is seen here.
    pub fn is_opaque(&self) -> bool {
        self.sight == Sight::Policies { is_opaque: true }
    }
}

/// Who may see which rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    Everyone,
    Nobody,
    /// As the policies say. Where `is_opaque` their answer may change without a change that is seen here, so that it holds for
    /// one moment only; else it depends on nothing but the claims, [`Guard::reads`] and [`Guard::sources`].
    Policies {
        is_opaque: bool,
    },
}

/// A table that policies of another read; or other rows of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub table: TableName,
    /// `None`: that there is a row at all.
    pub columns: Option<Vec<ByteString>>,
    /// Column and expression, in SQL: a row of the source matters only to those of whose claims the expression makes what the
    /// column holds. `None`: to everybody.
    pub link: Option<Link>,
}

/// A column of a source, and what of the claims it is compared with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    pub column: ByteString,
    pub expression: Arc<str>,
}

/// The guards of all tables that the stream may bring.
#[derive(Debug, Default)]
pub struct Guards {
    by_name: HashMap<TableName, Option<Arc<Guard>>>,
    by_oid: HashMap<u32, Option<Arc<Guard>>>,
    sources: HashSet<TableName>,
}

impl Guards {
    /// `tables`: the name and oid of each, and its guard if it has one.
    pub fn new(tables: impl IntoIterator<Item = (TableName, u32, Option<Guard>)>) -> Self {
        let mut guards = Guards::default();
        for (name, oid, guard) in tables {
            let guard = guard.map(Arc::new);
            let sources = guard.iter().flat_map(|guard| &guard.sources);
            guards.sources.extend(sources.map(|source| source.table.clone()));
            guards.by_oid.insert(oid, guard.clone());
            guards.by_name.insert(name, guard);
        }
        guards
    }

    /// The guard of a table; `None` where everyone may hear it.
    ///
    /// One that is not known is gone. How it was guarded nobody can say, so nobody hears of it.
    pub fn of(&self, table: &Table) -> Option<Arc<Guard>> {
        match self.find(table) {
            Some(guard) => guard.clone(),
            None => Some(Arc::new(Guard::closed(table.oid.unwrap_or_default(), table.full_name()))),
        }
    }

    pub fn knows(&self, table: &Table) -> bool {
        self.find(table).is_some()
    }

    /// A table keeps its oid when it is renamed.
    fn find(&self, table: &Table) -> Option<&Option<Arc<Guard>>> {
        table.oid.and_then(|oid| self.by_oid.get(&oid)).or_else(|| self.by_name.get(&table.full_name()))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Guard>> {
        self.by_name.values().flatten()
    }

    /// Whether policies of some table read this one.
    pub fn is_source(&self, table: &Table) -> bool {
        !self.sources.is_empty() && self.sources.contains(&table.full_name())
    }
}

impl Mapper {
    /// From now on events say whom they may be told, by these guards.
    pub fn guard(&mut self, guards: Arc<Guards>) {
        self.guards = Some(guards);
        self.unbind();
    }

    /// Under which prefix each guarded table is told, and whether in the rooms of entities too.
    pub fn guarded(&self) -> Vec<(String, bool, Arc<Guard>)> {
        let guards = self.guards.iter().flat_map(|guards| guards.iter());
        let named = guards.filter_map(|guard| {
            let prefix = self.rules.prefix(&guard.table).ok()?;
            let rule = self.rules.get(&guard.table);
            Some((prefix, rule.is_some_and(|rule| rule.entity_id_column.is_some()), Arc::clone(guard)))
        });
        named.collect()
    }
}

/// The values of [`Guard::reads`] in one version of a row; `None` is NULL.
pub type Values = Arc<[Option<ByteString>]>;

/// One version of a row, as far as policies read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Image {
    /// There was, or is, no such row.
    Nothing,
    Values(Values),
    /// The log does not say all of it.
    Unknown,
}

impl Image {
    /// `row` is without cells where there is none.
    fn of(columns: &[Option<usize>], row: &Row) -> Self {
        if row.is_empty() {
            return Image::Nothing;
        }
        let value = |column: &Option<usize>| match row.cell((*column)?) {
            Cell::Text(text) => Some(Some(ByteString::from(text))),
            Cell::Null => Some(None),
            Cell::Unchanged | Cell::Absent => None,
        };
        columns.iter().map(value).collect::<Option<Values>>().map_or(Image::Unknown, Image::Values)
    }
}

/// A guard bound to one layout of its table.
#[derive(Clone, Debug)]
pub(super) struct BoundGuard {
    pub guard: Arc<Guard>,
    /// Where the layout has [`Guard::reads`].
    reads: Vec<Option<usize>>,
    hidden: Vec<bool>,
}

impl BoundGuard {
    /// `id`: the columns that name a row. Who may not read those is told of none.
    pub fn new(mut guard: Arc<Guard>, table: &Table, id: &[usize]) -> Self {
        let hidden: Vec<bool> = table.columns.iter().map(|column| guard.hidden.contains(&column.name)).collect();
        if id.iter().any(|column| hidden.get(*column) == Some(&true)) {
            Arc::make_mut(&mut guard).sight = Sight::Nobody;
        }
        let reads = guard.reads.iter().map(|name| table.column(name)).collect();
        BoundGuard { guard, reads, hidden }
    }

    pub fn hides(&self, column: usize) -> bool {
        self.hidden.get(column).is_some_and(|hidden| *hidden)
    }

    /// The row as it was and as it is. Where the log does not give the old row of an UPDATE, it is unknown.
    pub fn images(&self, old: &Row, new: &Row, is_insert: bool) -> (Image, Image) {
        let before = match Image::of(&self.reads, old) {
            Image::Nothing if !is_insert && self.reads.is_empty() => Image::Values(Values::default()),
            Image::Nothing if !is_insert => Image::Unknown,
            image => image,
        };
        (before, Image::of(&self.reads, new))
    }
}

/// What an event does to who hears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// A row comes in sight of its rooms.
    Appears,
    /// It goes out of them.
    Vanishes,
    /// It stays, and is another. `is_first`: of the events that tell the change in these rooms.
    Changes { is_first: bool },
    /// Whoever sees the row is told to fetch it.
    Notice,
}

/// Who may hear an event: those who see the row, in the version that it is about.
#[derive(Debug)]
pub struct Sighting<'a> {
    pub guard: &'a Arc<Guard>,
    pub old: &'a Image,
    pub new: &'a Image,
    pub telling: Telling,
    /// The row's own key, as in the name of its room, where the log says it.
    pub key: Option<String>,
    /// The row is a part of the row whose room it is told in.
    pub is_part: bool,
}

/// A change of a table that policies of others may read.
#[derive(Clone, Debug)]
pub struct Touch {
    pub table: Arc<Table>,
    /// Rows that it was about, where the log says them; both are `None` for TRUNCATE.
    pub old: Option<Row>,
    pub new: Option<Row>,
    /// It came or went.
    pub is_whole: bool,
}

impl Touch {
    pub fn of(change: &Change) -> Self {
        let (old, new, is_whole) = match &change.operation {
            Operation::Insert { new } => (None, Some(new.clone()), true),
            Operation::Update { old, new } => (old.as_ref().map(|old| old.row().clone()), Some(new.clone()), false),
            Operation::Delete { old } => (Some(old.row().clone()), None, true),
            Operation::Truncate => (None, None, true),
        };
        Touch { table: Arc::clone(&change.table), old, new, is_whole }
    }

    /// Whether what a policy reads of the source may be another now.
    pub fn concerns(&self, source: &Source) -> bool {
        if source.table != self.table.full_name() {
            return false;
        }
        let (Some(old), Some(new), false) = (&self.old, &self.new, self.is_whole) else { return true };
        let has_changed = |name: &ByteString| match self.table.column(name) {
            Some(column) => match (old.cell(column), new.cell(column)) {
                (_, Cell::Unchanged) => false,
                (before, after) => before != after,
            },
            None => true,
        };
        source.columns.as_ref().is_some_and(|columns| columns.iter().any(has_changed))
    }

    /// The values of a column in the rows that it was about; `None` where the log does not say them all.
    pub fn values(&self, column: &str) -> Option<Vec<ByteString>> {
        let column = self.table.column(column)?;
        let rows: Vec<&Row> = self.old.iter().chain(&self.new).collect();
        // Of an UPDATE both rows must be there, of TRUNCATE there is none.
        if rows.len() < if self.is_whole { 1 } else { 2 } {
            return None;
        }
        let cells = rows.into_iter().map(|row| row.cell(column));
        let known = cells.map(|cell| match cell {
            Cell::Text(text) => Some(Some(ByteString::from(text))),
            Cell::Null => Some(None),
            Cell::Unchanged | Cell::Absent => None,
        });
        // Nothing equals NULL.
        known.collect::<Option<Vec<_>>>().map(|known| known.into_iter().flatten().collect())
    }
}
