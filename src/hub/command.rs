use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytestring::ByteString;
use tokio::sync::mpsc;

use super::Outbox;
use crate::{
    change::Lsn,
    events::{Epoch, Event, Offset, Room},
};

/// Names a socket within this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId(pub(super) u64);

/// The bearer of a socket's token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: ByteString,
    pub email: Option<ByteString>,
}

/// A socket that takes part.
pub struct Member {
    pub user: User,
    pub outbox: Box<dyn Outbox>,
}

/// A room, as a socket asked for it.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// `component`: events that the hub itself makes for this subscription are named `component:…`.
    pub prefix: ByteString,
    pub room: Room,
    /// The wire form of the last offset that the client holds.
    pub since: Option<String>,
}

/// What a socket was in before it was cut off, as its handshake says.
#[derive(Clone, Debug)]
pub struct Resume {
    /// The wire form of the last offset that the client holds.
    pub since: String,
    pub rooms: Vec<(ByteString, Room)>,
}

/// A socket is in a room.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscribed {
    /// Everything up to here has been sent, everything after it will be.
    pub position: Position,
    /// Whether the socket was sent all that it missed since `since`.
    pub resumed: bool,
    /// The users in the room, each once, the oldest first; at most [`super::rooms::ROSTER`].
    pub users: Vec<User>,
}

/// A place in a history.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    pub epoch: Epoch,
    pub offset: Offset,
}

/// Why the hub could not do what a socket asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HubError {
    /// The socket has left meanwhile, or the server is stopping.
    #[error("the socket is not connected any more")]
    Gone,
    #[error("the server is too busy to take the request: try again")]
    Busy,
}

/// Called by the dispatcher, at the request's place in the order; must not block.
pub type Reply<T> = Box<dyn FnOnce(Result<T, HubError>) + Send>;

/// What sockets ask.
pub(super) enum Command {
    Connect { socket: SocketId, member: Member, own: Room, resume: Option<Resume> },
    Subscribe { socket: SocketId, subscription: Subscription, reply: Reply<Subscribed> },
    Unsubscribe { socket: SocketId, room: Room, reply: Reply<()> },
    Disconnect { socket: SocketId },
}

/// What the stream brings.
pub enum Batch {
    /// The stream begins, or begins again, at this position. Another epoch than before: all that clients hold is void.
    Begin(Position),
    Events(Events),
    /// Another server streams: sockets are to go there.
    Standby,
}

/// Events in order, and how far the stream has come with them.
#[derive(Default)]
pub struct Events {
    pub events: Vec<Event>,
    /// The end of the last transaction that is complete with this batch.
    pub handed_on: Option<Lsn>,
    /// The last transaction goes on in the next batch.
    pub is_open: bool,
    /// All that commits before here is in this batch and those before it.
    pub wal_end: Lsn,
}

/// Requests of sockets that may wait for the dispatcher.
const COMMANDS: usize = 65_536;
/// Batches that may wait: few, so that a slow dispatcher slows the stream instead of filling memory.
const BATCHES: usize = 4;

/// The way to the dispatcher. Cheap to clone.
#[derive(Clone)]
pub struct Hub {
    commands: mpsc::Sender<Command>,
    batches: mpsc::Sender<Batch>,
    next_socket: Arc<AtomicU64>,
}

/// The dispatcher's end of a [`Hub`].
pub(super) struct Inbox {
    pub commands: mpsc::Receiver<Command>,
    pub batches: mpsc::Receiver<Batch>,
}

impl Hub {
    pub(super) fn new() -> (Hub, Inbox) {
        let (commands, command_inbox) = mpsc::channel(COMMANDS);
        let (batches, batch_inbox) = mpsc::channel(BATCHES);
        let hub = Hub { commands, batches, next_socket: Arc::new(AtomicU64::new(0)) };
        (hub, Inbox { commands: command_inbox, batches: batch_inbox })
    }

    /// Takes a socket in, at once in its own room, and back in those that it was in before.
    pub fn connect(&self, member: Member, own: Room, resume: Option<Resume>) -> Result<SocketId, HubError> {
        let socket = SocketId(self.next_socket.fetch_add(1, Ordering::Relaxed));
        self.commands.try_send(Command::Connect { socket, member, own, resume }).map_err(refusal)?;
        Ok(socket)
    }

    pub fn subscribe(&self, socket: SocketId, subscription: Subscription, reply: Reply<Subscribed>) {
        self.request(Command::Subscribe { socket, subscription, reply });
    }

    /// Leaving a room that the socket is not in is no error.
    pub fn unsubscribe(&self, socket: SocketId, room: Room, reply: Reply<()>) {
        self.request(Command::Unsubscribe { socket, room, reply });
    }

    /// Takes a socket out of all its rooms. Waits for room in the queue: a departure must not be lost.
    pub async fn disconnect(&self, socket: SocketId) {
        // An error means that the dispatcher has ended, and every room with it.
        let _ = self.commands.send(Command::Disconnect { socket }).await;
    }

    /// Hands on what the stream brought; waits while the dispatcher is behind. `Err`: it has ended.
    pub async fn dispatch(&self, batch: Batch) -> Result<(), HubError> {
        self.batches.send(batch).await.map_err(|_| HubError::Gone)
    }

    /// Every request is answered, also one that finds no place in the queue.
    fn request(&self, command: Command) {
        if let Err(error) = self.commands.try_send(command) {
            let refusal = match &error {
                mpsc::error::TrySendError::Full(_) => HubError::Busy,
                mpsc::error::TrySendError::Closed(_) => HubError::Gone,
            };
            match error.into_inner() {
                Command::Subscribe { reply, .. } => reply(Err(refusal)),
                Command::Unsubscribe { reply, .. } => reply(Err(refusal)),
                Command::Connect { .. } | Command::Disconnect { .. } => {}
            }
        }
    }
}

fn refusal(error: mpsc::error::TrySendError<Command>) -> HubError {
    match error {
        mpsc::error::TrySendError::Full(_) => HubError::Busy,
        mpsc::error::TrySendError::Closed(_) => HubError::Gone,
    }
}
