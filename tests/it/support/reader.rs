//! A reader of a cluster's log, and the consumer that it feeds.

use std::sync::Arc;

use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use walcast::{
    change::{Cell, Commit, Entry, Lsn, Operation},
    replication::{Batch, Connected, Feed, Progress, ReplicationError, Settings, run},
};

use super::within;

/// The first two columns of the rows that entries insert.
pub fn inserted(entries: &[Entry]) -> Vec<(Cell<'_>, Cell<'_>)> {
    entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Change(change) => match &change.operation {
                Operation::Insert { new } => Some((new.cell(0), new.cell(1))),
                _ => None,
            },
            _ => None,
        })
        .collect()
}

/// A running [`run`], and what it feeds.
pub struct Reader {
    pub feed: mpsc::Receiver<Feed>,
    pub progress: Arc<Progress>,
    pub cancel: CancellationToken,
    task: JoinHandle<Result<(), ReplicationError>>,
    entries: std::collections::VecDeque<Entry>,
}

impl Reader {
    pub fn start(settings: Settings) -> Reader {
        Reader::start_with_room(settings, 64)
    }

    /// `room`: how many batches wait for the consumer.
    pub fn start_with_room(settings: Settings, room: usize) -> Reader {
        let (sender, feed) = mpsc::channel(room);
        let (progress, cancel) = (Arc::new(Progress::new()), CancellationToken::new());
        let task = tokio::spawn(run(settings, progress.clone(), sender, cancel.clone()));
        Reader { feed, progress, cancel, task, entries: Default::default() }
    }

    /// Starts and waits until it streams.
    pub async fn connected(settings: Settings) -> (Reader, Connected) {
        let mut reader = Reader::start(settings);
        let connected = reader.next_connected().await;
        (reader, connected)
    }

    pub async fn next(&mut self) -> Feed {
        match within("something of the feed", self.feed.recv()).await {
            Some(feed) => feed,
            None => panic!("the reader ended: {:?}", (&mut self.task).await),
        }
    }

    /// Passes over batches and losses.
    pub async fn next_connected(&mut self) -> Connected {
        loop {
            if let Feed::Connected(connected) = self.next().await {
                self.entries.clear();
                self.progress.begin();
                return connected;
            }
        }
    }

    /// The next whole transaction that arrived over one connection; `None` when that connection ended first.
    pub async fn next_connected_or_transaction(&mut self) -> Option<Vec<Entry>> {
        let mut entries = Vec::new();
        loop {
            match self.next().await {
                Feed::Batch(batch) => entries.extend(batch.entries),
                _ => return None,
            }
            if matches!(entries.last(), Some(Entry::Commit(_))) {
                return Some(entries);
            }
        }
    }

    pub async fn batch(&mut self) -> Batch {
        match self.next().await {
            Feed::Batch(batch) => batch,
            other => panic!("no batch: {other:?}"),
        }
    }

    /// All of the next transaction, its Begin and Commit included. Hands nothing on.
    pub async fn transaction(&mut self) -> (Vec<Entry>, Commit) {
        let mut transaction = Vec::new();
        loop {
            while let Some(entry) = self.entries.pop_front() {
                transaction.push(entry);
                if let Some(Entry::Commit(commit)) = transaction.last() {
                    let commit = *commit;
                    return (transaction, commit);
                }
            }
            let batch = self.batch().await;
            self.entries.extend(batch.entries);
        }
    }

    /// Waits until all that commits before `end` has come, and hands nothing on.
    pub async fn until(&mut self, end: Lsn) {
        while self.batch().await.wal_end < end {}
    }

    /// Cancels and waits for the end.
    pub async fn stop(self) -> Result<(), ReplicationError> {
        self.cancel.cancel();
        self.ended().await
    }

    /// Ends without a word to Postgres, as a killed process does.
    pub async fn kill(self) {
        self.task.abort();
        let ended = self.task.await;
        assert!(ended.is_err_and(|ended| ended.is_cancelled()), "it had ended already");
    }

    pub async fn ended(self) -> Result<(), ReplicationError> {
        within("the end of the reader", self.task).await.expect("no panic")
    }
}
