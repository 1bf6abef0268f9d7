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

use std::{
    future::Future,
    pin::{Pin, pin},
    thread,
    time::Duration,
};

use futures_util::future::OptionFuture;
use postgres_protocol::message::{backend, frontend};
use tokio::{
    sync::mpsc,
    task::yield_now,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Feed, Progress, ReplicationError,
    inbox::Inbox,
    message,
    session::Session,
    shutdown,
    wire::{Frame, Reader, Wire, Writer},
};
use crate::{
    change::{Lsn, Timestamp},
    postgres::Dsn,
};

/// News of what is confirmed wait this long for more news.
const NEWS_DELAY: Duration = Duration::from_millis(100);

/// Unless they are worth this many bytes of log: where much is written, a delay is many segments on the server's disk.
const NEWS_BYTES: u64 = 1024 * 1024;

/// Until the log's end is known, it is asked for this often.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// Until all has come that stood in the log at the start nobody waits for a single change, and a walsender that is slower than
/// we are sends them one by one. So the next read is let grow for so long, where the last one was not full; and the thread
/// sleeps, since each change that arrives would wake a timer's runtime.
const GATHER: Duration = Duration::from_millis(1);

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
    let Session { wire, status_interval, decoder, connected, .. } = session;
    let mut inbox = Inbox::new(decoder, progress, connected);
    let ended = pump(wire, status_interval, &mut inbox, dsn, feed, cancel).await;
    if ended.is_err() {
        // What is whole must not share the fate of what broke: if the same broke again after the next connection, what
        // came in front of it would never get through.
        while let Some(news) = inbox.news() {
            tokio::select! {
                () = cancel.cancelled() => break,
                sent = feed.send(news) => if sent.is_err() { break },
            }
        }
    }
    ended
}

async fn pump(
    wire: Wire,
    status_interval: Duration,
    inbox: &mut Inbox<'_>,
    dsn: &Dsn,
    feed: &mpsc::Sender<Feed>,
    cancel: &CancellationToken,
) -> Result<(), ReplicationError> {
    let Wire { mut reader, mut writer } = wire;
    let progress = inbox.progress;
    let mut told = Lsn::ZERO;
    // What is waited for at each turn is waited for once: a sender that is slower than we are brings a few rows a turn, and to
    // begin all this anew would cost more than they do. A timer set anew would wake the runtime, too.
    let mut status = pin!(sleep_until(Instant::now()));
    let mut cancelled = pin!(cancel.cancelled());
    let mut confirmed = pin!(progress.tellable_beyond(told));
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
        if due_soon && progress.tellable() > Lsn(told.0.saturating_add(NEWS_BYTES)) {
            status.as_mut().reset(Instant::now());
        }
        if let Some(read) = progress.went_back() {
            return Err(ReplicationError::WentBack { read });
        }
        if inbox.is_full() {
            stalled.get_or_insert_with(|| Box::pin(shutdown::noticed(dsn, status_interval)));
        } else {
            stalled = None;
        }
        tokio::select! {
            () = cancelled.as_mut() => break,
            sent = writer.send(), if writer.is_unsent() => sent?,
            () = status.as_mut() => {
                told = progress.tellable();
                // A walsender that has nothing to send names the log's end only when asked.
                let ask = inbox.is_behind();
                put_status(&mut writer, [progress.received().max(told), told, told], ask)?;
                status.as_mut().reset(Instant::now() + if ask { status_interval.min(ASK_AGAIN) } else { status_interval });
                due_soon = false;
                confirmed.set(progress.tellable_beyond(told));
            }
            () = confirmed.as_mut(), if !due_soon => {
                due_soon = true;
                let next = status.deadline().min(Instant::now() + NEWS_DELAY);
                status.as_mut().reset(next);
            }
            room = feed.reserve(), if inbox.has_news() => match (room, inbox.news()) {
                (Ok(room), Some(news)) => room.send(news),
                (Ok(_), None) => {}
                (Err(_), _) => break,
            },
            Some(()) = OptionFuture::from(stalled.as_mut()) => return Err(ReplicationError::Ended),
            filled = reader.fill(), if !inbox.is_full() => {
                let is_more = filled?;
                if !is_more && inbox.is_behind() {
                    // What was read before goes its way first.
                    yield_now().await;
                    thread::sleep(GATHER);
                }
            }
        }
    }
    // The server may be in the middle of a large transaction and deaf; then dropping the connection must do.
    let _ = timeout(FAREWELL, take_leave(&mut reader, &mut writer, progress)).await;
    Ok(())
}

/// Puts a status update in line: what is written, flushed and applied, and whether a keepalive is asked for.
pub(super) fn put_status(writer: &mut Writer, positions: [Lsn; 3], reply: bool) -> Result<(), ReplicationError> {
    let [written, flushed, applied] = positions;
    writer.put_copy(&message::status(written, flushed, applied, Timestamp::now(), reply))
}

/// Confirms what is handed on, ends the copy and waits for the server to end it too: then the slot is free.
async fn take_leave(reader: &mut Reader, writer: &mut Writer, progress: &Progress) -> Result<(), ReplicationError> {
    let confirmed = progress.tellable();
    put_status(writer, [progress.received(), confirmed, confirmed], false)?;
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
