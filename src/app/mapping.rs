use crate::{
    change::Entry,
    events::{Event, Mapper, RuleError, RuleSpec},
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
        Ok(Mapping { store, mapper: Mapper::new(rules)?, xid: 0 })
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
