//! Floor 1: rules turn changes into events, each with its name, payload, rooms and offset. No IO.

mod array;
mod binding;
mod broadcast;
mod changed;
mod error;
mod event;
mod fault;
mod filter;
mod guard;
mod json;
mod keys;
mod lean;
mod losses;
mod mapper;
mod merge;
mod nested;
mod offset;
mod payload;
mod question;
mod room;
mod rule;
mod rules;
mod telling;

#[cfg(test)]
mod tests;

pub use broadcast::BROADCAST_PREFIX;
pub use changed::{RowChange, RowOp, Stale, Told, What};
pub use error::MapError;
pub use event::{Actor, Event, Target};
pub use filter::{BoundFilter, Filter, FilterError, Value, Verdict};
pub use guard::{Guard, Guards, Image, Link, Sight, Sighting, Source, Telling, Touch, Values};
pub use json::{value_to_json, write_string};
pub use mapper::{ACTOR_PREFIX, Counts, Mapper};
pub use offset::{Epoch, Offset, ParseOffsetError};
pub use payload::row_to_json;
pub use question::{About, Answer, Question};
pub use room::{Room, RoomParts, join_key, split_key};
pub use rule::{NestedSpec, RuleError, RuleFault, RuleSpec, is_reserved};
pub use rules::{RULES_SCHEMA, RULES_TABLE, plain_prefix};
