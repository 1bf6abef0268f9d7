use crate::{
    change::Entry,
    events::{Event, Mapper, RuleError},
    store::{Store, StoreError},
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
}

impl Mapping {
    /// Begins with the rules as they are committed now; later ones come in the stream.
    pub async fn begin(store: Store) -> Result<Self, MappingError> {
        let mapper = Mapper::new(store.rules().await?)?;
        Ok(Mapping { store, mapper })
    }

    /// The stream starts again at a transaction boundary.
    pub fn reset(&mut self) {
        self.mapper.reset();
    }

    /// Learns from the catalog what the entry needs. Call it before [`map`](Self::map); after an error, call it again.
    pub async fn prepare(&mut self, entry: &Entry) -> Result<(), StoreError> {
        if let Some(table) = self.mapper.unknown_table(entry) {
            let key = self.store.primary_key(&table.schema, &table.name).await?;
            self.mapper.learn(table, key);
        }
        Ok(())
    }

    /// Appends the entry's events. A change that cannot be told is logged with its place and table, and does not stop
    /// those after it.
    pub fn map(&mut self, entry: Entry, events: &mut Vec<Event>) {
        if let Err(error) = self.mapper.map(entry, events) {
            tracing::error!(%error, "a change was not broadcast");
        }
    }
}
