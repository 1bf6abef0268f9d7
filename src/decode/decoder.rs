use super::DecodeError;
use crate::change::{Entry, Lsn};

/// Turns the frames of one replication stream into entries. It remembers what came before (relations, the open
/// transaction), so a new stream needs a new decoder.
pub trait Decoder: Send {
    /// Decodes one XLogData payload; `lsn` is the frame's start. Appends zero or more entries to `out`.
    ///
    /// `Begin` comes out together with the transaction's first change or message, so a transaction of which nothing is
    /// published does not come out at all (pgoutput from Postgres 15 on does not even send it).
    ///
    /// # Errors
    /// Whatever the plugin's format does not allow, a frame out of order included.
    ///
    /// After one that [`is_skippable`](DecodeError::is_skippable) the decoder can go on with the next frame. An
    /// [`Entry::Unreadable`] was appended for what was lost, where anything was.
    ///
    /// After any other the decoder is of no further use, and neither is what this call appended: the frame's transaction
    /// has to be read again from its start.
    fn decode(&mut self, lsn: Lsn, payload: &[u8], out: &mut Vec<Entry>) -> Result<(), DecodeError>;
}
