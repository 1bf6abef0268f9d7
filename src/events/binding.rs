use std::{borrow::Cow, sync::Arc, time::Duration};

use bytestring::ByteString;
use smallvec::SmallVec;

use super::{Guard, NestedSpec, Room, RuleSpec, event::Naming, guard::BoundGuard, json, room};
use crate::change::{Cell, Row, Table};

/// A rule bound to one layout of its table: names of columns have become indices.
#[derive(Debug)]
pub(super) struct Binding {
    pub naming: Naming,
    /// Never empty, and all of them are in the table.
    pub id: SmallVec<[usize; 1]>,
    pub entity: Option<(usize, usize)>,
    pub actor: Option<usize>,
    pub creator: Option<usize>,
    pub version: Option<usize>,
    pub nested: Option<Nested>,
    /// Updates of one row within it are told as one.
    pub throttle: Option<Duration>,
    /// A column that the rule names and the layout lacks. Its index is past every row's end, where each cell is absent.
    pub missing: Option<String>,
    /// What decides who hears of its rows, where not everyone does.
    pub guard: Option<BoundGuard>,
    /// Of each column, whether it says whose row it is: its key, entity, place, version, or who wrote it.
    names: Box<[bool]>,
}

#[derive(Debug)]
pub(super) enum Nested {
    Document { column: usize, children: String },
    ChildRows { parent: usize, row: usize },
}

/// Why a table cannot be broadcast, until its rule or its layout changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unbound {
    NoKey,
    /// The table was dropped before its key was known.
    Gone,
    MissingId(String),
    NotJson(String),
    CompositeParent,
}

/// Past the end of every row.
const MISSING: usize = usize::MAX;

impl Binding {
    pub fn new(
        naming: Naming,
        rule: Option<&RuleSpec>,
        table: &Table,
        primary_key: &[ByteString],
        guard: Option<Arc<Guard>>,
    ) -> Result<Self, Unbound> {
        let mut missing = None;
        let mut find = |name: &str| {
            table.column(name).unwrap_or_else(|| {
                missing.get_or_insert_with(|| name.to_owned());
                MISSING
            })
        };
        let mut find_option = |name: &Option<String>| name.as_deref().map(&mut find);
        let (entity, actor, creator, version) = match rule {
            Some(rule) => (
                find_option(&rule.entity_type_column).zip(find_option(&rule.entity_id_column)),
                find_option(&rule.actor_column),
                find_option(&rule.creator_column),
                find_option(&rule.version_column),
            ),
            None => (None, None, None, None),
        };
        let nested = match rule.and_then(|rule| rule.nested.as_ref()) {
            Some(NestedSpec::Document { column, children }) => {
                Some(Nested::Document { column: find(column), children: children.clone() })
            }
            Some(NestedSpec::ChildRows { parent, row }) => {
                Some(Nested::ChildRows { parent: find(parent), row: find(row) })
            }
            None => None,
        };
        let id = match rule.and_then(|rule| rule.id_column.as_deref()) {
            Some(name) => std::iter::once(name).map(|name| index_of(table, name)).collect::<Result<_, _>>()?,
            None => primary_key.iter().map(|name| index_of(table, name)).collect::<Result<SmallVec<_>, _>>()?,
        };
        let guard = guard.map(|guard| BoundGuard::new(guard, table, &id));
        let throttle = rule.and_then(|rule| rule.throttle_ms).filter(|millis| *millis > 0);
        let throttle = throttle.map(|millis| Duration::from_millis(millis.into()));
        let names = Box::default();
        let mut binding =
            Binding { naming, id, entity, actor, creator, version, nested, throttle, missing, guard, names };
        let named: Vec<usize> = binding.placing().chain(actor).chain(creator).chain(version).collect();
        binding.names = (0..table.columns.len()).map(|column| named.contains(&column)).collect();
        binding.check(table)?;
        Ok(binding)
    }

    fn check(&self, table: &Table) -> Result<(), Unbound> {
        match self.nested {
            _ if self.id.is_empty() => Err(Unbound::NoKey),
            Some(Nested::Document { column, .. }) => match table.columns.get(column) {
                Some(column) if !json::is_json(column.type_oid) => Err(Unbound::NotJson(column.name.to_string())),
                _ => Ok(()),
            },
            // One column names a parent, so one column has to name a row.
            Some(Nested::ChildRows { .. }) if self.id.len() > 1 => Err(Unbound::CompositeParent),
            _ => Ok(()),
        }
    }

    /// The row's key as in the name of its room; `None` where the row does not say it or holds NULL in it.
    pub fn key(&self, row: &Row) -> Option<String> {
        let values: SmallVec<[&str; 2]> =
            self.id.iter().map(|column| row.cell(*column).text()).collect::<Option<_>>()?;
        Some(room::join_key(&values))
    }

    /// The columns that place a row in its parent, where rows nest in rows.
    pub fn place_columns(&self) -> Option<(usize, usize)> {
        match self.nested {
            Some(Nested::ChildRows { parent, row }) => Some((parent, row)),
            _ => None,
        }
    }

    /// The document column that holds nested components, and the name of their array in it.
    pub fn document(&self) -> Option<(usize, &str)> {
        match &self.nested {
            Some(Nested::Document { column, children }) => Some((*column, children)),
            _ => None,
        }
    }

    /// Where a row is heard; `None` where it does not say its key.
    pub fn spot<'a>(&self, row: &'a Row) -> Option<Spot<'a>> {
        let key = match self.id.as_slice() {
            [column] => Cow::Borrowed(row.cell(*column).text()?),
            _ => self.key(row)?.into(),
        };
        let parent = self.place_columns().map(|(parent, _)| row.cell(parent));
        Some(Spot {
            own: Room::row(&self.naming.prefix, parent.and_then(Cell::text).unwrap_or(&key)),
            entity: self.entity_room(row),
            place: match (parent, self.place_columns()) {
                (Some(Cell::Text(parent)), Some((_, place))) => Place::In(parent, row.cell(place)),
                (Some(Cell::Unchanged | Cell::Absent), _) => Place::Unknown,
                _ => Place::Top,
            },
            key,
        })
    }

    /// Whether two versions of a row are heard in the same place: in that case it need not be made twice.
    pub fn is_in_place(&self, old: &Row, new: &Row) -> bool {
        self.placing().all(|column| old.cell(column) == new.cell(column))
    }

    /// The columns that say where a row is heard: its key, its entity, its parent and its place in it.
    pub fn placing(&self) -> impl Iterator<Item = usize> {
        let pairs = self.entity.into_iter().chain(self.place_columns()).flat_map(|(one, other)| [one, other]);
        self.id.iter().copied().chain(pairs)
    }

    /// Whether a column says whose row it is.
    pub fn names(&self, column: usize) -> bool {
        self.names.get(column).is_some_and(|names| *names)
    }

    /// Whether nobody is told what a column holds.
    pub fn hides(&self, column: usize) -> bool {
        self.guard.as_ref().is_some_and(|guard| guard.hides(column))
    }

    /// Whether the row says to which entity it belongs (possibly to none).
    pub fn knows_entity(&self, row: &Row) -> bool {
        self.entity.is_none_or(|(entity_type, id)| row.cell(entity_type).is_known() && row.cell(id).is_known())
    }

    fn entity_room(&self, row: &Row) -> Option<Room> {
        let (entity_type, id) = self.entity?;
        Some(Room::entity(row.cell(entity_type).text()?, row.cell(id).text()?))
    }
}

fn index_of(table: &Table, name: &str) -> Result<usize, Unbound> {
    table.column(name).ok_or_else(|| Unbound::MissingId(name.to_owned()))
}

/// Where a version of a row is heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot<'a> {
    pub key: Cow<'a, str>,
    /// The row's own room; its parent's, where it is a nested component.
    pub own: Room,
    pub entity: Option<Room>,
    pub place: Place<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place<'a> {
    Top,
    /// A nested component of a parent, in one of its rows.
    In(&'a str, Cell<'a>),
    /// Rows nest, and the log does not say whether this one does.
    Unknown,
}

impl Spot<'_> {
    pub fn is_nested(&self) -> bool {
        matches!(self.place, Place::In(..))
    }

    pub fn rooms(&self) -> SmallVec<[Room; 2]> {
        std::iter::once(&self.own).chain(&self.entity).cloned().collect()
    }
}
