//! Floor 1: the bytes of an output plugin in, [`Entry`](crate::change::Entry)s out, every byte accounted for. No IO.
//!
//! What the two plugins say of the same writes comes out equal, but for what a plugin itself loses: see [`Wal2Json`].

mod decoder;
mod error;
mod order;
mod pgoutput;
mod published;
mod reader;
mod wal2json;

#[cfg(test)]
mod tests;

pub use decoder::Decoder;
pub use error::{DecodeError, Fault};
pub use pgoutput::PgOutput;
pub use published::{Published, PublishedTable, Scope};
pub use wal2json::{Wal2Json, wal2json_options};
