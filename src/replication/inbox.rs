use postgres_protocol::message::backend;

use super::{
    Batch, Connected, Feed, Progress, ReplicationError,
    history::Landmark,
    message::Message,
    stream::put_status,
    unreadable::Unreadable,
    wire::{Frame, Writer, server_error},
};
use crate::{
    change::{Begin, Entry, Lsn},
    decode::Decoder,
    telemetry::Way,
};

/// A batch is full at this many entries or bytes of log. Several may be on their way to the sockets, and what is made of them
/// takes several times as much.
const BATCH_ENTRIES: usize = 256;
const BATCH_BYTES: usize = 256 * 1024;

/// What came in and has not gone out yet.
pub(super) struct Inbox<'a> {
    decoder: Box<dyn Decoder>,
    unreadable: Unreadable,
    pub(super) progress: &'a Progress,
    /// Goes out first. Through here, so that a consumer that is behind does not keep us from reporting.
    connected: Option<Connected>,
    batch: Batch,
    bytes: usize,
    /// Whether the batch says something new.
    fresh: bool,
    /// The transaction in which the last entry stands.
    open: Option<Begin>,
    /// A transaction in the batch is complete.
    complete: bool,
    /// Where the log ended when the stream began.
    target: Lsn,
}

impl<'a> Inbox<'a> {
    pub(super) fn new(decoder: Box<dyn Decoder>, progress: &'a Progress, connected: Connected) -> Inbox<'a> {
        let (target, connected, batch) = (connected.wal_end, Some(connected), Batch::default());
        let unreadable = Unreadable::default();
        Inbox {
            decoder,
            unreadable,
            progress,
            connected,
            batch,
            bytes: 0,
            fresh: false,
            open: None,
            complete: false,
            target,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.batch.entries.len() >= BATCH_ENTRIES || self.bytes >= BATCH_BYTES
    }

    /// Whether it is still to be learned that all has come which stood in the log when the stream began.
    pub(super) fn is_behind(&self) -> bool {
        self.batch.wal_end < self.target
    }

    /// Postgres sends the rows of a transaction one by one, and only once it has committed. So the rest of one that has begun
    /// is on its way, and what goes out together is cheaper by far.
    pub(super) fn has_news(&self) -> bool {
        let is_partial = self.open.is_some() && !self.complete && !self.is_full();
        self.connected.is_some() || (self.fresh && !is_partial)
    }

    /// What the consumer is to hear next.
    pub(super) fn news(&mut self) -> Option<Feed> {
        if let Some(connected) = self.connected.take() {
            return Some(Feed::Connected(connected));
        }
        if !std::mem::take(&mut self.fresh) {
            return None;
        }
        (self.bytes, self.complete) = (0, false);
        let wal_end = self.batch.wal_end;
        let mut batch = std::mem::replace(&mut self.batch, Batch { wal_end, ..Batch::default() });
        batch.way.wait();
        Some(Feed::Batch(batch))
    }

    pub(super) fn take(&mut self, frame: Frame, writer: &mut Writer) -> Result<(), ReplicationError> {
        match frame {
            Frame::Copy(data) => match Message::parse(&data)? {
                Message::Data { start, payload } => self.data(start, payload),
                Message::Keepalive { end, reply } => {
                    self.keepalive(end);
                    if reply { put_status(writer, [end, Lsn::ZERO, end], false) } else { Ok(()) }
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

    fn data(&mut self, start: Lsn, payload: &[u8]) -> Result<(), ReplicationError> {
        if self.bytes == 0 {
            self.batch.way = Way::begin();
        }
        self.bytes = self.bytes.saturating_add(payload.len());
        let before = self.batch.entries.len();
        if let Err(error) = self.decoder.decode(start, payload, &mut self.batch.entries) {
            if !error.is_skippable() {
                self.batch.entries.truncate(before);
                return Err(error.into());
            }
            self.unreadable.note(&error);
        }
        let new = self.batch.entries.get(before..).unwrap_or_default();
        self.fresh |= !new.is_empty();
        let is_whole = matches!(new.last(), Some(Entry::Commit(_)));
        if !is_whole {
            self.progress.received_at(start);
        }
        for entry in new {
            match entry {
                Entry::Begin(begin) => self.open = Some(*begin),
                Entry::Commit(commit) => {
                    self.complete = true;
                    self.batch.wal_end = self.batch.wal_end.max(commit.end_lsn);
                    if let Some(begin) = self.open.take() {
                        self.progress.committed(Landmark::new(&begin, commit));
                    }
                }
                Entry::Change(_) | Entry::Message(_) | Entry::Unreadable(_) => {}
            }
        }
        Ok(())
    }

    fn keepalive(&mut self, end: Lsn) {
        if self.open.is_some() {
            self.progress.received_at(end);
            return;
        }
        self.progress.quiet(end);
        if end > self.batch.wal_end {
            self.batch.wal_end = end;
            self.fresh = true;
        }
    }
}
