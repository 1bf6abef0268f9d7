//! Floor 2: who is in which room, and who gets which event in which order. Knows neither SQL nor Socket.IO.
//!
//! One task, the [`Dispatcher`], owns all of it. Transactions, subscriptions and departures reach it through one
//! [`Hub`] handle and are taken one at a time, so that "you are in, as of this offset" needs no lock and no guess.

mod command;
mod dispatcher;
mod outbox;
mod rooms;

pub use command::{Batch, Hub, HubError, Member, Position, Reply, SocketId, Subscribed, Subscription, User};
pub use dispatcher::Dispatcher;
pub use outbox::{Frame, Outbox, OutboxClosed};
