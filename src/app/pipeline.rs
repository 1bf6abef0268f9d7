use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Mapping, MappingError, lag::Newest, sessions};
use crate::{
    change::{Entry, Lsn},
    events::{Epoch, Offset},
    http::Health,
    hub::{Batch, Events, Hub, Position},
    replication::{self, Connected, Feed},
    store::{Store, StoreError},
    telemetry,
};

/// How long to wait before the database is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Turns what the stream brings into events and hands them to the hub.
pub struct Pipeline {
    store: Store,
    hub: Hub,
    health: Health,
    newest: Newest,
    slot: String,
    mapping: Option<Mapping>,
    /// No other server has had the slot since it was ours.
    leads: bool,
    /// Whether the last batch ended within a transaction.
    is_open: bool,
    /// Until the stream has passed this position, it is catching up.
    catch_up: Option<Lsn>,
    stop: CancellationToken,
}

impl Pipeline {
    pub fn new(store: Store, hub: Hub, health: Health, newest: Newest, slot: String, stop: CancellationToken) -> Self {
        Pipeline { store, hub, health, newest, slot, mapping: None, leads: false, is_open: false, catch_up: None, stop }
    }

    /// Runs until the stream ends. `first` is what the feed brought already.
    pub async fn run(mut self, first: Feed, mut feed: mpsc::Receiver<Feed>) -> Result<(), MappingError> {
        let mut next = Some(first);
        while let Some(news) = next {
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
                Feed::Standby => {
                    self.leads = false;
                    self.health.standby();
                    let _ = self.hub.dispatch(Batch::Standby).await;
                }
                Feed::Lost(_) => {
                    self.catch_up = None;
                    self.health.lost();
                }
            }
            next = feed.recv().await;
        }
        Ok(())
    }

    async fn begin(&mut self, connected: &Connected) -> Result<(), MappingError> {
        let epoch = self.store.epoch(&self.slot, &connected.system_identifier, connected.fresh.is_some()).await?;
        // The stream begins in the past: it is told as the rules stood there, so that what it repeats is the same.
        let rules = self.store.rules_at(&self.slot, connected.confirmed, connected.fresh.is_some()).await?;
        self.mapping = Some(Mapping::new(self.store.clone(), rules)?);
        self.is_open = false;
        self.catch_up = Some(connected.wal_end);
        let position = Position { epoch: Epoch::new(epoch), offset: Offset::before(connected.confirmed) };
        // An error means that the dispatcher has ended: the server is stopping.
        let _ = self.hub.dispatch(Batch::Begin(position)).await;
        if !std::mem::replace(&mut self.leads, true) {
            let sessions = sessions::take_over(&self.store, &self.slot).await;
            let _ = self.hub.dispatch(Batch::Sessions(sessions)).await;
        }
        self.catch_up_to(connected.confirmed).await;
        Ok(())
    }

    /// `None`: the server is stopping.
    async fn hand_on(&mut self, batch: replication::Batch) -> Option<()> {
        let mapping = self.mapping.as_mut()?;
        let mut way = batch.way;
        way.map();
        let (mut transactions, mut changes) = (0, 0);
        let mut mapped = Events { wal_end: batch.wal_end, is_open: self.is_open, ..Events::default() };
        for entry in batch.entries {
            while let Err(error) = mapping.prepare(&entry).await {
                wait_out(&error, &self.stop).await?;
            }
            match &entry {
                Entry::Begin(begin) => {
                    self.hub.note_commit(begin.xid, begin.commit_lsn);
                    self.newest.set(begin.committed_at);
                    way.transaction(begin.xid, begin.commit_lsn);
                    mapped.is_open = true;
                }
                Entry::Commit(commit) => {
                    mapped.is_open = false;
                    mapped.handed_on = Some(commit.end_lsn);
                    transactions += 1;
                }
                Entry::Change(_) => changes += 1,
                Entry::Message(_) | Entry::Unreadable(_) => {}
            }
            mapping.map(entry, &mut mapped.events);
            if let (Some(rules), Some(end)) = (mapping.take_rules_change(), mapped.handed_on) {
                // Before the commit is confirmed, or a restart would not find them.
                while let Err(error) = self.store.save_rules(&self.slot, end, &rules).await {
                    wait_out(&error, &self.stop).await?;
                }
            }
        }
        self.is_open = mapped.is_open;
        telemetry::streamed(transactions, changes);
        way.brought(transactions, changes);
        way.wait();
        mapped.way = way;
        self.hub.dispatch(Batch::Events(mapped)).await.ok()?;
        self.catch_up_to(batch.wal_end).await;
        Some(())
    }

    /// Everything that commits before here was handed to the hub.
    async fn catch_up_to(&mut self, here: Lsn) {
        if self.catch_up.is_some_and(|end| here >= end) {
            self.catch_up = None;
            // It may be many events behind. Whoever came in now with an offset from the server before would be ahead of it.
            if self.hub.dispatched().await.is_ok() {
                self.health.ready();
            }
        }
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
