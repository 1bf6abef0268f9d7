//! The stream: frames in, batches out, and word to Postgres about how far we are.
//!
//! ```text
//!            ┌───────────────────────── one task ─────────────────────────┐
//! Postgres ══╡ frames ─► decoder ─► batch ─► (bounded channel) ───────────┼─► consumer
//!          ◄═╡ status: on a timer, on keepalives, when more is confirmed ◄┼── Progress ◄── handed_on
//!            └────────────────────────────────────────────────────────────┘
//! ```
//!
//! Three traps, and how they are met:
//! - A walsender hangs up on who is silent for `wal_sender_timeout`. So status updates have a timer of their own, and
//!   while the consumer is behind we stop reading but not reporting.
//! - A database without changes of ours still writes log, and a slot that nobody moves pins it. Only the keepalives tell
//!   its end: [`Progress::quiet`].
//! - A walsender that is shutting down waits until what it sent is flushed, and asks again and again. We flush when the
//!   consumer has handed on, which may be never. But where `flush` is 0/0 it takes `write` for it, and the slot stays where
//!   it is: so keepalives are answered with `write` at their end and `flush` at 0/0. While we do not read, no keepalive
//!   comes to us: then [`shutdown`] finds out.

use std::{future::Future, pin::Pin, time::Duration};

use postgres_protocol::message::{backend, frontend};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Batch, Feed, Progress, ReplicationError,
    message::{self, Message},
    session::Session,
    shutdown,
    wire::{Frame, Reader, Writer, server_error},
};
use crate::{
    change::{Entry, Lsn, Timestamp},
    decode::Decoder,
    postgres::Dsn,
};

/// A batch is full at this many entries or bytes of log.
const BATCH_ENTRIES: usize = 1024;
const BATCH_BYTES: usize = 1024 * 1024;

/// News of what is confirmed wait this long for more news.
const NEWS_DELAY: Duration = Duration::from_millis(100);

/// How long the server may take to let go of the slot at the end.
const FAREWELL: Duration = Duration::from_secs(3);

/// Streams until cancelled or until the consumer is gone (`Ok`), or until the connection ends (`Err`).
pub(super) async fn stream(
    session: Session,
    dsn: &Dsn,
    progress: &Progress,
    feed: &mpsc::Sender<Feed>,
    cancel: &CancellationToken,
) -> Result<(), ReplicationError> {
    let Session { wire, status_interval, decoder, .. } = session;
    let (mut reader, mut writer) = (wire.reader, wire.writer);
    let mut inbox = Inbox { decoder, progress, batch: Batch::default(), bytes: 0, news: false, open: false };
    let mut told = Lsn::ZERO;
    let mut next_status = Instant::now();
    let mut due_soon = false;
    let mut stalled: Option<Pin<Box<dyn Future<Output = ()> + Send + '_>>> = None;
    loop {
        // What has arrived goes into one batch, up to its size.
        while !inbox.is_full() {
            match reader.buffered()? {
                Some(frame) => inbox.take(frame, &mut writer)?,
                None => break,
            }
        }
        if inbox.is_full() {
            stalled.get_or_insert_with(|| Box::pin(shutdown::noticed(dsn, status_interval)));
        } else {
            stalled = None;
        }
        tokio::select! {
            () = cancel.cancelled() => break,
            sent = writer.send(), if writer.is_unsent() => sent?,
            () = sleep_until(next_status) => {
                told = progress.confirmed();
                put_status(&mut writer, progress.received(), told, told)?;
                next_status = Instant::now() + status_interval;
                due_soon = false;
            }
            () = progress.confirmed_beyond(told), if !due_soon => {
                due_soon = true;
                next_status = next_status.min(Instant::now() + NEWS_DELAY);
            }
            room = feed.reserve(), if inbox.has_news() => match room {
                Ok(room) => room.send(Feed::Batch(inbox.empty())),
                Err(_) => break,
            },
            () = done(&mut stalled), if stalled.is_some() => return Err(ReplicationError::Ended),
            filled = reader.fill(), if !inbox.is_full() => filled?,
        }
    }
    // The server may be in the middle of a large transaction and deaf; then dropping the connection must do.
    let _ = timeout(FAREWELL, take_leave(&mut reader, &mut writer, progress)).await;
    Ok(())
}

async fn done(wait: &mut Option<Pin<Box<dyn Future<Output = ()> + Send + '_>>>) {
    match wait {
        Some(wait) => wait.await,
        None => std::future::pending().await,
    }
}

/// What came in and has not gone out yet.
struct Inbox<'a> {
    decoder: Box<dyn Decoder>,
    progress: &'a Progress,
    batch: Batch,
    bytes: usize,
    news: bool,
    /// Whether the last entry stands within a transaction.
    open: bool,
}

impl Inbox<'_> {
    fn is_full(&self) -> bool {
        self.batch.entries.len() >= BATCH_ENTRIES || self.bytes >= BATCH_BYTES
    }

    fn has_news(&self) -> bool {
        self.news
    }

    fn empty(&mut self) -> Batch {
        self.bytes = 0;
        self.news = false;
        let wal_end = self.batch.wal_end;
        std::mem::replace(&mut self.batch, Batch { entries: Vec::new(), wal_end })
    }

    fn take(&mut self, frame: Frame, writer: &mut Writer) -> Result<(), ReplicationError> {
        match frame {
            Frame::Message(backend::Message::CopyData(data)) => match Message::parse(data.into_bytes())? {
                Message::Data { start, payload } => self.data(start, payload),
                Message::Keepalive { end, reply } => {
                    self.keepalive(end);
                    if reply { put_status(writer, end, Lsn::ZERO, end) } else { Ok(()) }
                }
            },
            Frame::Message(backend::Message::ErrorResponse(body)) => {
                Err(ReplicationError::Server(server_error(body.fields())?))
            }
            // A walsender that shuts down leaves out the CopyDone.
            Frame::Message(backend::Message::CopyDone | backend::Message::CommandComplete(_)) => {
                Err(ReplicationError::Ended)
            }
            _ => Err(ReplicationError::Protocol("an unexpected message in the stream".to_owned())),
        }
    }

    fn data(&mut self, start: Lsn, payload: bytes::Bytes) -> Result<(), ReplicationError> {
        self.bytes = self.bytes.saturating_add(payload.len());
        let before = self.batch.entries.len();
        self.decoder.decode(start, payload, &mut self.batch.entries)?;
        let new = self.batch.entries.get(before..).unwrap_or_default();
        self.news |= !new.is_empty();
        self.progress.received_at(start);
        for entry in new {
            match entry {
                Entry::Begin(_) => self.open = true,
                Entry::Commit(commit) => {
                    self.open = false;
                    self.batch.wal_end = self.batch.wal_end.max(commit.end_lsn);
                    self.progress.committed(commit.end_lsn);
                }
                Entry::Change(_) | Entry::Message(_) => {}
            }
        }
        Ok(())
    }

    fn keepalive(&mut self, end: Lsn) {
        if self.open {
            self.progress.received_at(end);
            return;
        }
        self.progress.quiet(end);
        if end > self.batch.wal_end {
            self.batch.wal_end = end;
            self.news = true;
        }
    }
}

fn put_status(writer: &mut Writer, written: Lsn, flushed: Lsn, applied: Lsn) -> Result<(), ReplicationError> {
    writer.put_copy(&message::status(written, flushed, applied, Timestamp::now()))
}

/// Confirms what is handed on, ends the copy and waits for the server to end it too: then the slot is free.
async fn take_leave(reader: &mut Reader, writer: &mut Writer, progress: &Progress) -> Result<(), ReplicationError> {
    let confirmed = progress.confirmed();
    put_status(writer, progress.received(), confirmed, confirmed)?;
    writer.put(|buffer| {
        frontend::copy_done(buffer);
        Ok(())
    })?;
    writer.send().await?;
    while !matches!(
        reader.frame().await?,
        Frame::Message(backend::Message::ReadyForQuery(_) | backend::Message::ErrorResponse(_))
    ) {}
    writer.put(|buffer| {
        frontend::terminate(buffer);
        Ok(())
    })?;
    writer.send().await
}
