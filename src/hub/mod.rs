//! Floor 2: who is in which room, and who gets which event in which order. Knows neither SQL nor Socket.IO.
//!
//! One task, the [`Dispatcher`], owns all of it. Transactions, subscriptions and departures reach it through one
//! [`Hub`] handle and are taken one at a time, so that "you are in, as of this offset" needs no lock and no guess.

mod burst;
mod command;
mod commits;
mod company;
mod concerned;
mod delivery;
mod dispatcher;
mod ephemeral;
mod follow;
mod foresight;
mod guarded;
mod history;
mod missed;
mod occupants;
mod outbox;
mod presence;
mod present;
mod queue;
mod resume;
mod rooms;
mod sessions;
mod settings;
mod shifts;
mod sight;
#[cfg(test)]
mod tests;
mod throttle;
mod watch;
mod window;

pub use command::{
    Batch, Comeback, Entered, Events, Hub, HubError, Member, Position, Reply, Signal, SocketId, Subscribed,
    Subscription, User,
};
pub use delivery::ids;
pub use dispatcher::Dispatcher;
pub use follow::{Followed, Following, Interest};
pub use history::Retention;
pub use outbox::{Encode, Frame, Frames, Outbox, OutboxClosed, SocketName, Weight};
pub use present::Present;
pub use sessions::{Session, SessionId};
pub use settings::{Limits, Reports, Settings};
pub use sight::{Authority, Guarded};
pub use watch::{BusyRoom, Lens, Overview, Shown};
