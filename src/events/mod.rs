//! Floor 1: rules turn changes into events, each with its name, payload, rooms and offset. No IO.

mod array;
mod json;
mod nested;
mod offset;
mod room;

#[cfg(test)]
mod tests;

pub use offset::{Epoch, Offset, ParseOffsetError};
pub use room::{Room, RoomParts, join_key, split_key};
