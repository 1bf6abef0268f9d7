use std::sync::Arc;

use crate::{
    change::{Entry, Table},
    events::{Event, Guards, Mapper, RuleError, RuleSpec, Touch},
    hub::Guarded,
    store::{Store, StoreError},
    telemetry,
};

/// Why the rules could not be taken up.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Rule(#[from] RuleError),
}

/// Entries of the log into events, with what only the database's catalog knows: which columns are a table's primary key.
pub struct Mapping {
    store: Store,
    mapper: Mapper,
    guards: Option<Arc<Guards>>,
    /// The transaction under way.
    xid: u32,
}

impl Mapping {
    /// Begins with the rules as they are committed now; later ones come in the stream.
    pub async fn begin(store: Store) -> Result<Self, MappingError> {
        let rules = store.rules().await?;
        Self::new(store, rules)
    }

    /// Begins with the rules as they stood where the stream begins.
    pub fn new(store: Store, rules: Vec<RuleSpec>) -> Result<Self, MappingError> {
        Ok(Mapping { store, mapper: Mapper::new(rules)?, guards: None, xid: 0 })
    }

    /// From now on events say whom they may be told.
    pub fn guard(&mut self, guards: Arc<Guards>) {
        self.mapper.guard(Arc::clone(&guards));
        self.guards = Some(guards);
    }

    /// The guarded tables, as the hub knows them.
    pub fn guarded(&self) -> Vec<Guarded> {
        let named = self.mapper.guarded().into_iter();
        named.map(|(prefix, entities, guard)| Guarded { prefix: prefix.into(), entities, guard }).collect()
    }

    /// The transaction under way.
    pub fn transaction(&self) -> u32 {
        self.xid
    }

    /// The table of the entry, where the log has not described it so before: what its catalog says may be another now.
    pub fn new_table<'a>(&self, entry: &'a Entry) -> Option<&'a Arc<Table>> {
        let Entry::Change(change) = entry else { return None };
        self.mapper.is_new(&change.table).then_some(&change.table)
    }

    /// Whether any table is guarded.
    pub fn is_guarding(&self) -> bool {
        self.guards.as_ref().is_some_and(|guards| guards.iter().next().is_some())
    }

    pub fn knows(&self, table: &Table) -> bool {
        self.guards.as_ref().is_some_and(|guards| guards.knows(table))
    }

    /// The entry, where it is a change of what policies of other tables may read.
    pub fn touch(&self, entry: &Entry) -> Option<Touch> {
        let Entry::Change(change) = entry else { return None };
        let is_source = self.guards.as_ref().is_some_and(|guards| guards.is_source(&change.table));
        is_source.then(|| Touch::of(change))
    }

    /// The rules in force, if the last commit changed them.
    pub fn take_rules_change(&mut self) -> Option<Vec<RuleSpec>> {
        self.mapper.take_rules_change()
    }

    /// Learns from the catalog what the entry needs. Call it before [`map`](Self::map); after an error, call it again.
    pub async fn prepare(&mut self, entry: &Entry) -> Result<(), StoreError> {
        if let Entry::Begin(begin) = entry {
            self.xid = begin.xid;
        }
        if let Some(table) = self.mapper.unknown_table(entry) {
            match self.store.primary_key(table, self.xid).await? {
                Some(key) => self.mapper.learn(table, key),
                None => self.mapper.learn_gone(table),
            }
        }
        Ok(())
    }

    /// Appends the entry's events. A change that cannot be told is logged with its place and table, and does not stop
    /// those after it.
    pub fn map(&mut self, entry: Entry, events: &mut Vec<Event>) {
        let before = self.mapper.counts();
        if let Err(error) = self.mapper.map(entry, events) {
            tracing::error!(%error, "a change was not broadcast");
        }
        let now = self.mapper.counts();
        telemetry::poison(now.unreadable - before.unreadable, now.untold - before.untold);
    }
}
