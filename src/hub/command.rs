use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytestring::ByteString;
use foldhash::fast::FixedState;
use indexmap::{IndexMap, IndexSet};
use serde::Serialize;
use serde_json::{Map, Value};
use smallvec::SmallVec;
use tokio::sync::{mpsc, oneshot};

use super::{
    Following, Guarded, Interest, Lens, Outbox, Overview, Present, Session, SessionId, Shown, commits::Commits,
};
use crate::{
    change::Lsn,
    events::{Epoch, Event, Offset, Room, Touch},
    telemetry::Way,
};

/// Names a socket within this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId(pub(super) u64);

/// Sockets, in a certain order. Nobody outside chooses their numbers, so they need no hash that withstands that: at each
/// delivery it would cost more than all else.
pub(super) type Sockets = IndexSet<SocketId, FixedState>;
pub(super) type BySocket<T> = IndexMap<SocketId, T, FixedState>;

/// A room brings its hash along, and that has a key which nobody outside knows.
pub(super) type ByRoom<T> = HashMap<Room, T, FixedState>;

/// The bearer of a socket's token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    pub id: Arc<str>,
    pub email: Option<Arc<str>>,
}

/// A socket that takes part.
pub struct Member {
    pub user: User,
    /// The claims of its token, as JSON.
    pub claims: Arc<str>,
    /// Whether its client can come back by the name of a session.
    pub recovers: bool,
    pub outbox: Arc<dyn Outbox>,
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

/// How a socket that was here before comes back. `since` is the wire form of the last offset that its client holds.
#[derive(Clone, Debug)]
pub enum Comeback {
    /// Into these rooms, as its handshake says.
    Rooms { since: String, rooms: Vec<(ByteString, Room)> },
    /// Into the rooms of its session.
    Session { id: SessionId, since: Option<String> },
}

/// A socket was taken in.
#[derive(Clone, Debug, PartialEq)]
pub struct Entered {
    pub socket: SocketId,
    /// By which it can come back; `None` where that is turned off. The one that it came with: it is back in all rooms, and
    /// has missed nothing.
    pub session: Option<SessionId>,
    /// The rooms that its handshake names and that it may not be in, each by its prefix, and why.
    pub refused: Vec<(ByteString, Room, HubError)>,
}

/// A socket is in a room.
#[derive(Clone, Debug)]
pub struct Subscribed {
    /// Everything up to here has been sent, everything after it will be.
    pub position: Position,
    /// Whether the socket was sent all that it missed since `since`.
    pub resumed: bool,
    /// The users in the room, each once, the socket's own among them; at most as many as
    /// [`Settings::roster`](super::Settings) says, and fewer where they say much of themselves.
    pub users: Vec<Present>,
    /// How many they are.
    pub count: usize,
}

/// What a socket tells those beside it, and nobody keeps.
#[derive(Clone, Debug)]
pub enum Signal {
    /// To those of the rooms that it is in itself.
    Event { event: ByteString, rooms: SmallVec<[Room; 2]>, payload: Map<String, Value> },
    /// Of itself, also to those who come later.
    State { prefix: ByteString, room: Room, state: Value },
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
    #[error("the server is stopping: connect again")]
    Stopping,
    #[error("the socket is not in the room: subscribe first")]
    NotInRoom,
    #[error("the room has {0} users, which is its limit: try again when one has left")]
    RoomFull(usize),
    #[error("the socket is in {0} rooms, which is the limit: unsubscribe from some first")]
    TooManyRooms(usize),
    #[error("the user has {0} sockets, which is the limit: close one first")]
    TooManySockets(usize),
    #[error("there is no such row, or you may not see it")]
    NotVisible,
    #[error("the database does not say whether you may see the row: try again")]
    Unanswered,
}

/// Called by the dispatcher, at the request's place in the order; must not block.
pub type Reply<T> = Box<dyn FnOnce(Result<T, HubError>) + Send>;

/// What sockets ask.
pub(super) enum Command {
    Connect { socket: SocketId, member: Member, own: Room, comeback: Option<Comeback>, reply: Reply<Entered> },
    Subscribe { socket: SocketId, subscription: Subscription, reply: Reply<Subscribed> },
    Unsubscribe { socket: SocketId, room: Room, reply: Reply<()> },
    Follow { socket: SocketId, interest: Interest, since: Option<String>, reply: Reply<Following> },
    Unfollow { socket: SocketId, name: String, reply: Reply<()> },
    Signal { socket: SocketId, signal: Signal, reply: Reply<()> },
    Refresh { socket: SocketId, email: Option<Arc<str>>, claims: Arc<str>, reply: Reply<()> },
    Disconnect { socket: SocketId },
    Position { reply: Reply<Position> },
    Overview { most: usize, reply: Reply<Overview> },
    Inspect { lens: Lens, feed: mpsc::Sender<Shown> },
    Farewell { reply: Reply<(Epoch, Vec<Session>)> },
}

/// What the stream brings.
pub enum Batch {
    /// The stream begins, or begins again, at this position. Another epoch than before: all that clients hold is void.
    Begin(Position),
    Events(Events),
    /// These tables are guarded, and no others.
    Guards(Vec<Guarded>),
    /// What sockets were in that another server served until now.
    Sessions(Vec<Session>),
    /// Another server streams: sockets are to go there.
    Standby,
    /// Everything before this is dispatched once it is taken up.
    Mark(oneshot::Sender<()>),
}

/// Events in order, and how far the stream has come with them.
#[derive(Default)]
pub struct Events {
    pub events: Vec<Event>,
    /// The changes of tables that policies of others may read.
    pub touches: Vec<Touch>,
    /// The transactions, by the lower halves of their numbers.
    pub transactions: Vec<u32>,
    /// The end of the last transaction that is complete with this batch.
    pub handed_on: Option<Lsn>,
    /// The last transaction goes on in the next batch.
    pub is_open: bool,
    /// All that commits before here is in this batch and those before it.
    pub wal_end: Lsn,
    pub way: Way,
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
    commits: Arc<Commits>,
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
        let hub = Hub { commands, batches, next_socket: Arc::default(), commits: Arc::default() };
        (hub, Inbox { commands: command_inbox, batches: batch_inbox })
    }

    /// Takes a socket in, at once in its own room, and back in those that it was in before. What it missed is in its outbox
    /// before the answer. Whoever does not take the answer up says [`disconnect`](Self::disconnect).
    pub fn connect(&self, member: Member, own: Room, comeback: Option<Comeback>, reply: Reply<Entered>) {
        let socket = SocketId(self.next_socket.fetch_add(1, Ordering::Relaxed));
        self.request(Command::Connect { socket, member, own, comeback, reply });
    }

    pub fn subscribe(&self, socket: SocketId, subscription: Subscription, reply: Reply<Subscribed>) {
        self.request(Command::Subscribe { socket, subscription, reply });
    }

    /// Leaving a room that the socket is not in is no error.
    pub fn unsubscribe(&self, socket: SocketId, room: Room, reply: Reply<()>) {
        self.request(Command::Unsubscribe { socket, room, reply });
    }

    /// From now on the socket is told what is done to a table. `since`: the wire form of the last offset that its client holds.
    pub fn follow(&self, socket: SocketId, interest: Interest, since: Option<String>, reply: Reply<Following>) {
        self.request(Command::Follow { socket, interest, since, reply });
    }

    /// `name`: that of an [`Interest`]. To leave what the socket does not follow is no error.
    pub fn unfollow(&self, socket: SocketId, name: String, reply: Reply<()>) {
        self.request(Command::Unfollow { socket, name, reply });
    }

    /// Tells those beside a socket something, at the next tick, if nothing newer of the kind has come by then.
    pub fn signal(&self, socket: SocketId, signal: Signal, reply: Reply<()>) {
        self.request(Command::Signal { socket, signal, reply });
    }

    /// A socket has shown another token of the same user.
    pub fn refresh(&self, socket: SocketId, email: Option<Arc<str>>, claims: Arc<str>, reply: Reply<()>) {
        self.request(Command::Refresh { socket, email, claims, reply });
    }

    /// Takes a socket out of all its rooms.
    pub fn disconnect(&self, socket: SocketId) {
        // A departure must not be lost: where the queue is full, it waits. Closed, it is of a dispatcher that has ended,
        // and every room with it.
        if let Err(mpsc::error::TrySendError::Full(command)) = self.commands.try_send(Command::Disconnect { socket }) {
            let commands = self.commands.clone();
            tokio::spawn(async move { commands.send(command).await });
        }
    }

    /// Everything up to here has been sent to whom it concerns.
    pub async fn position(&self) -> Result<Position, HubError> {
        let (sender, position) = oneshot::channel();
        self.request(Command::Position { reply: Box::new(move |outcome| drop(sender.send(outcome))) });
        position.await.map_err(|_| HubError::Stopping)?
    }

    /// Where the stream stands and who is where, for an operator. It looks at every room: ask now and then.
    pub async fn overview(&self, most: usize) -> Result<Overview, HubError> {
        let (sender, overview) = oneshot::channel();
        self.request(Command::Overview { most, reply: Box::new(move |outcome| drop(sender.send(outcome))) });
        overview.await.map_err(|_| HubError::Stopping)?
    }

    /// Shows events as they are dispatched, whoever may see them, until the other end of `feed` is dropped. What it does not
    /// take in time is passed over, and counted.
    pub fn inspect(&self, lens: Lens, feed: mpsc::Sender<Shown>) {
        self.request(Command::Inspect { lens, feed });
    }

    /// A transaction begins in the stream. Say so before its events are handed on.
    pub fn note_commit(&self, xid: u32, commit_lsn: Lsn) {
        self.commits.note(xid, commit_lsn);
    }

    /// The last place up to which everything is contained in what a reader saw, who looked after `position` was told;
    /// `sees` says whether it saw what a transaction did.
    pub fn contained(&self, position: Position, sees: impl Fn(u32) -> bool) -> Position {
        self.commits.contained(position, sees)
    }

    /// The server is stopping: what the sockets are in, for the next one, and the epoch of the
    /// offsets in it. From now on nobody comes in anywhere.
    pub fn farewell(&self, reply: Reply<(Epoch, Vec<Session>)>) {
        self.request(Command::Farewell { reply });
    }

    /// Hands on what the stream brought; waits while the dispatcher is behind. `Err`: it has ended.
    pub async fn dispatch(&self, batch: Batch) -> Result<(), HubError> {
        self.batches.send(batch).await.map_err(|_| HubError::Gone)
    }

    /// Waits until all that was handed on before is dispatched. `Err`: the dispatcher has ended.
    pub async fn dispatched(&self) -> Result<(), HubError> {
        let (mark, reached) = oneshot::channel();
        self.dispatch(Batch::Mark(mark)).await?;
        reached.await.map_err(|_| HubError::Gone)
    }

    /// Every request is answered, also one that finds no place in the queue.
    fn request(&self, command: Command) {
        let (refusal, command) = match self.commands.try_send(command) {
            Ok(()) => return,
            Err(mpsc::error::TrySendError::Full(command)) => (HubError::Busy, command),
            Err(mpsc::error::TrySendError::Closed(command)) => (HubError::Gone, command),
        };
        match command {
            Command::Connect { reply, .. } => reply(Err(refusal)),
            Command::Subscribe { reply, .. } => reply(Err(refusal)),
            Command::Follow { reply, .. } => reply(Err(refusal)),
            Command::Unsubscribe { reply, .. }
            | Command::Unfollow { reply, .. }
            | Command::Signal { reply, .. }
            | Command::Refresh { reply, .. } => {
                reply(Err(refusal));
            }
            Command::Position { reply } => reply(Err(refusal)),
            Command::Overview { reply, .. } => reply(Err(refusal)),
            Command::Farewell { reply } => reply(Err(refusal)),
            Command::Disconnect { .. } | Command::Inspect { .. } => {}
        }
    }
}
