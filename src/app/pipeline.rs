use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Mapping, MappingError};
use crate::{
    change::{Entry, Lsn},
    events::{Epoch, Offset},
    http::{Health, State},
    hub::{Batch, Hub, Position},
    replication::{self, Connected, Feed},
    store::{Store, StoreError},
};

/// In place of a position: the dispatcher has taken up a connection, and all that it hands on from now on is of that one.
pub const BEGUN: Lsn = Lsn::ZERO;

/// How long to wait before the database is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Turns what the stream brings into events and hands them to the hub.
pub struct Pipeline {
    store: Store,
    hub: Hub,
    health: Health,
    slot: String,
    mapping: Option<Mapping>,
    /// Until the stream has passed this position, it is catching up.
    catch_up: Option<Lsn>,
    stop: CancellationToken,
}

impl Pipeline {
    pub fn new(store: Store, hub: Hub, health: Health, slot: String, stop: CancellationToken) -> Self {
        Pipeline { store, hub, health, slot, mapping: None, catch_up: None, stop }
    }

    /// Runs until the stream ends.
    pub async fn run(mut self, mut feed: mpsc::Receiver<Feed>) -> Result<(), MappingError> {
        while let Some(news) = feed.recv().await {
            match news {
                Feed::Connected(connected) => loop {
                    match self.begin(&connected).await {
                        Ok(()) => break,
                        Err(MappingError::Store(error)) => {
                            if wait_out(&error, &self.stop).await.is_none() {
                                return Ok(());
                            }
                        }
                        Err(error) => return Err(error),
                    }
                },
                Feed::Batch(batch) => {
                    if self.hand_on(batch).await.is_none() {
                        break;
                    }
                }
                Feed::Standby => self.health.set(State::Standby),
                Feed::Lost(_) => {
                    self.catch_up = None;
                    self.health.set(State::Disconnected);
                }
            }
        }
        Ok(())
    }

    async fn begin(&mut self, connected: &Connected) -> Result<(), MappingError> {
        let system = &connected.system_identifier;
        let anew = connected.fresh.is_some();
        let epoch = if anew {
            self.store.new_epoch(&self.slot, system).await?
        } else {
            self.store.epoch(&self.slot, system).await?
        };
        match &mut self.mapping {
            // Through a new slot come no rules that were changed before it was made.
            Some(mapping) if !anew => mapping.reset(),
            _ => self.mapping = Some(Mapping::begin(self.store.clone()).await?),
        }
        self.catch_up = Some(connected.wal_end);
        let position = Position { epoch: Epoch::new(epoch), offset: Offset { lsn: connected.confirmed, n: 0 } };
        // An error means that the dispatcher has ended: the server is stopping.
        let _ = self.hub.dispatch(Batch::Begin(position)).await;
        let _ = self.hub.dispatch(Batch::Events { events: Vec::new(), handed_on: Some(BEGUN) }).await;
        Ok(())
    }

    /// `None`: the server is stopping.
    async fn hand_on(&mut self, batch: replication::Batch) -> Option<()> {
        let mapping = self.mapping.as_mut()?;
        let mut events = Vec::new();
        let mut handed_on = None;
        for entry in batch.entries {
            while let Err(error) = mapping.prepare(&entry).await {
                wait_out(&error, &self.stop).await?;
            }
            if let Entry::Commit(commit) = &entry {
                handed_on = Some(commit.end_lsn);
            }
            mapping.map(entry, &mut events);
        }
        self.hub.dispatch(Batch::Events { events, handed_on }).await.ok()?;
        if self.catch_up.is_some_and(|end| batch.wal_end >= end) {
            self.catch_up = None;
            self.health.set(State::Ready);
        }
        Some(())
    }
}

/// Where the database cannot be asked the stream has mostly been lost with it; what it brought is not given up for that.
async fn wait_out(error: &StoreError, stop: &CancellationToken) -> Option<()> {
    tracing::warn!(%error, "cannot ask the database; trying again");
    tokio::select! {
        () = stop.cancelled() => None,
        () = tokio::time::sleep(ASK_AGAIN) => Some(()),
    }
}
