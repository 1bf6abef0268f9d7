//! Floor 2: the only place that touches the write-ahead log: the connection, the slot, the stream and what is confirmed.

mod backoff;
mod error;
mod fresh;
mod history;
mod inbox;
mod message;
mod plugin;
mod progress;
mod publication;
mod run;
mod session;
mod shutdown;
mod slot;
mod stream;
mod unreadable;
mod wire;

pub use error::{Action, ReplicationError, ServerError};
pub use fresh::Fresh;
pub use plugin::{Plugin, UnknownPlugin};
pub use progress::Progress;
pub use run::{Batch, Connected, Feed, Settings, prepare, run};
