use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::future::OptionFuture;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{Mapping, MappingError, lag::Newest, sessions};
use crate::{
    change::{Entry, Lsn, Table, TableName},
    events::{Epoch, Offset},
    http::Health,
    hub::{Batch, Events, Hub, Position},
    replication::{self, Connected, Feed},
    store::{RowSecurity, Store, StoreError},
    telemetry,
};

/// How long to wait before the database is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// How often it is asked whether policies, grants or roles have changed.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// And more seldom where the answer takes the database long, as for thousands of tables: it rests so many times as long as it took.
const LOOKING: u32 = 20;

/// How many events wait for the end of their transaction, where tables are guarded.
const MOST_HELD: usize = 1_000;

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
    /// Events of a transaction whose end has not come yet, and of those before it.
    held: Events,
    /// Until the stream has passed this position, it is catching up.
    catch_up: Option<Lsn>,
    /// All that commits before here was handed to the hub.
    reached: Lsn,
    security: RowSecurity,
    /// What the guards in force were read by.
    mark: String,
    counts: telemetry::Streamed,
    stop: CancellationToken,
}

impl Pipeline {
    pub fn new(
        store: Store,
        security: RowSecurity,
        hub: Hub,
        health: Health,
        newest: Newest,
        slot: String,
        stop: CancellationToken,
    ) -> Self {
        Pipeline {
            store,
            hub,
            health,
            newest,
            slot,
            mapping: None,
            leads: false,
            is_open: false,
            held: Events::default(),
            catch_up: None,
            reached: Lsn::ZERO,
            security,
            mark: String::new(),
            counts: telemetry::Streamed::default(),
            stop,
        }
    }

    /// Runs until the stream ends. `first` is what the feed brought already.
    pub async fn run(mut self, first: Feed, mut feed: mpsc::Receiver<Feed>) -> Result<(), MappingError> {
        let mut next = Some(first);
        // One timer that is moved: to set a new one for each batch would wake the runtime each time.
        let mut look = pin!(sleep_until(Instant::now()));
        // What comes meanwhile does not wait for the answer.
        let mut looking = None;
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
            next = loop {
                tokio::select! {
                    news = feed.recv() => break news,
                    () = look.as_mut(), if looking.is_none() => {
                        let began = Instant::now();
                        let security = self.security.clone();
                        looking = Some(Box::pin(async move { (began, security.mark().await) }));
                    }
                    Some((began, mark)) = OptionFuture::from(looking.as_mut()) => {
                        looking = None;
                        look.as_mut().reset(began + LOOK_AGAIN.max(began.elapsed() * LOOKING));
                        self.look_again(mark).await;
                    }
                }
            };
        }
        Ok(())
    }

    async fn begin(&mut self, connected: &Connected) -> Result<(), MappingError> {
        let epoch = self.store.epoch(&self.slot, &connected.system_identifier, connected.fresh.is_some()).await?;
        // The stream begins in the past: it is told as the rules stood there, so that what it repeats is the same.
        let rules = self.store.rules_at(&self.slot, connected.confirmed, connected.fresh.is_some()).await?;
        self.mapping = Some(Mapping::new(self.store.clone(), rules)?);
        self.guard(None).await?;
        self.is_open = false;
        self.held = Events::default();
        self.catch_up = Some(connected.wal_end);
        self.reached = connected.confirmed;
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

    /// Reads anew who may see what. `table`: one that the stream has brought.
    async fn guard(&mut self, table: Option<TableName>) -> Result<(), StoreError> {
        // First: what changes meanwhile is seen the next time.
        let mark = self.security.mark().await?;
        let guards = self.security.guards(table).await?;
        if let Some(mapping) = &mut self.mapping {
            mapping.guard(Arc::new(guards));
        }
        self.tell_guarded().await;
        self.mark = mark;
        Ok(())
    }

    async fn tell_guarded(&self) {
        if let Some(mapping) = &self.mapping {
            // An error means that the dispatcher has ended: the server is stopping.
            let _ = self.hub.dispatch(Batch::Guards(mapping.guarded())).await;
        }
    }

    /// Whether who may see what is as it was: policies, grants and roles are not in the log. What cannot be asked is asked again.
    async fn look_again(&mut self, mark: Result<String, StoreError>) {
        if self.mapping.is_none() {
            return;
        }
        let looked = match mark {
            Ok(mark) if mark == self.mark => Ok(()),
            Ok(_) => self.guard(None).await,
            Err(error) => Err(error),
        };
        if let Err(error) = looked {
            tracing::warn!(%error, "cannot look whether policies have changed: those known hold until it can");
        }
    }

    /// Before the first change of a table as the log has not described it yet: with it, what its catalog says may have changed.
    async fn look_at(&mut self, table: &Arc<Table>) -> Result<(), StoreError> {
        let Some(mapping) = &self.mapping else { return Ok(()) };
        let is_known = mapping.knows(table);
        self.security.wait_for(mapping.transaction(), table).await?;
        if is_known && self.security.mark().await? == self.mark {
            return Ok(());
        }
        self.guard(Some(table.full_name())).await
    }

    /// `None`: the server is stopping.
    async fn hand_on(&mut self, batch: replication::Batch) -> Option<()> {
        let mut way = batch.way;
        way.map();
        let (mut transactions, mut changes) = (0, 0);
        let mut have_rules_changed = false;
        let mut mapped = Events { is_open: self.is_open, ..std::mem::take(&mut self.held) };
        for entry in batch.entries {
            if let Some(table) = self.mapping.as_ref()?.new_table(&entry).cloned() {
                // What came before it is told as it was.
                let rest = Events { is_open: mapped.is_open, ..Events::default() };
                let before = Events { wal_end: self.reached, ..std::mem::replace(&mut mapped, rest) };
                self.hub.dispatch(Batch::Events(before)).await.ok()?;
                while let Err(error) = self.look_at(&table).await {
                    wait_out(&error, &self.stop).await?;
                }
            }
            let mapping = self.mapping.as_mut()?;
            while let Err(error) = mapping.prepare(&entry).await {
                wait_out(&error, &self.stop).await?;
            }
            match &entry {
                Entry::Begin(begin) => {
                    self.hub.note_commit(begin.xid, begin.commit_lsn);
                    self.newest.set(begin.committed_at);
                    way.transaction(begin.xid, begin.commit_lsn);
                    mapped.transactions.push(begin.xid);
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
            mapped.touches.extend(mapping.touch(&entry));
            mapping.map(entry, &mut mapped.events);
            if let (Some(rules), Some(end)) = (mapping.take_rules_change(), mapped.handed_on) {
                have_rules_changed = true;
                // Before the commit is confirmed, or a restart would not find them.
                while let Err(error) = self.store.save_rules(&self.slot, end, &rules).await {
                    wait_out(&error, &self.stop).await?;
                }
            }
        }
        self.counts.count(transactions, changes);
        // What policies read may be changed by the rest of the transaction.
        if mapped.is_open
            && self.mapping.as_ref()?.is_guarding()
            && mapped.events.len() < MOST_HELD
            && !have_rules_changed
        {
            self.is_open = true;
            self.held = mapped;
            return Some(());
        }
        mapped.wal_end = batch.wal_end;
        self.reached = batch.wal_end;
        self.is_open = mapped.is_open;
        way.brought(transactions, changes);
        way.wait();
        mapped.way = way;
        self.hub.dispatch(Batch::Events(mapped)).await.ok()?;
        if have_rules_changed {
            // By what a row is named its rule says.
            while let Err(error) = self.guard(None).await {
                wait_out(&error, &self.stop).await?;
            }
        }
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
