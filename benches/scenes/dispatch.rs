use std::{
    collections::VecDeque,
    future::{self, Future},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{runtime::Runtime, sync::oneshot};
use tokio_util::sync::CancellationToken;
use walcast::{
    change::{Entry, Lsn},
    decode::{Decoder, PgOutput},
    events::{Answer, Epoch, Event, Mapper, Offset, Question, Room},
    gateway,
    hub::{
        Authority, Batch, Dispatcher, Events, Frames, Hub, HubError, Limits, Member, Outbox, OutboxClosed, Position,
        Reply, Reports, Retention, Settings, Signal, SocketId, Subscription, User,
    },
};

use super::{Scene, fixture};

/// One event, from the hub's inbox to the outboxes of those in its room: encoded, framed, kept in the history, and handed to
/// each. What an outbox does with it is the connection's part, and none of this.
///
/// The dispatcher is polled here and by no runtime, so that no timer of its own comes in between.
struct Dispatch {
    hub: Hub,
    dispatcher: Pin<Box<dyn Future<Output = ()>>>,
    runtime: Runtime,
    mapper: Mapper,
    transaction: Vec<Entry>,
    /// How many entities there are, each with a room: they take turns.
    rooms: usize,
    prepared: VecDeque<Batch>,
    number: usize,
    delivered: Arc<AtomicUsize>,
    /// To how many each event goes.
    seats: usize,
}

pub fn seats_of_one_room(seats: usize) -> Box<dyn Scene> {
    Box::new(Dispatch::new(1, seats))
}

/// Commits that nobody listens to, from the frames of the log on, as many together as a busy stream brings.
pub fn nobody(commits: usize) -> Box<dyn Scene> {
    Box::new(Drain {
        dispatch: Dispatch::new(1, 0),
        decoder: Box::new(PgOutput::new()),
        commits,
        prepared: VecDeque::new(),
    })
}

pub fn rooms_with_a_seat(rooms: usize) -> Box<dyn Scene> {
    Box::new(Dispatch::new(rooms, 1))
}

/// So little that it is full after a few events, as a history mostly is: then each new one makes an old one go.
const HISTORY: Retention = Retention { window: Duration::from_secs(3600), bytes: 64 << 10 };

impl Dispatch {
    fn new(rooms: usize, seats: usize) -> Self {
        let settings = Settings {
            retention: HISTORY,
            room_cap: 1_000,
            replay_bytes: 1 << 20,
            recovery: true,
            tick: Duration::from_millis(50),
            roster: 1,
            limits: Limits::default(),
            encode: gateway::encode(true),
        };
        let reports = Reports { begun: Box::new(|| {}), handed_on: Box::new(|_| {}), keep_from: Box::new(|_| {}) };
        let (hub, dispatcher) = Dispatcher::new(settings, reports, Arc::new(Nobody));
        let mut scene = Dispatch {
            hub,
            dispatcher: Box::pin(dispatcher.run(CancellationToken::new())),
            runtime: tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime"),
            mapper: fixture::mapper(),
            transaction: fixture::transaction("update_500B"),
            rooms,
            prepared: VecDeque::new(),
            number: 0,
            delivered: Arc::default(),
            seats,
        };
        let begin = Batch::Begin(Position { epoch: Epoch::new("k7"), offset: Offset::before(Lsn(1)) });
        scene.dispatch(begin);
        for seat in 0..rooms * seats {
            scene.seat(Room::entity("page", &(seat % rooms).to_string()), &format!("user-{seat}"));
        }
        scene.quieten();
        scene
    }

    /// Lets a user into a room.
    fn seat(&mut self, room: Room, user: &str) -> (SocketId, Arc<AtomicUsize>) {
        let outbox = Count { own: Arc::default(), all: Arc::clone(&self.delivered) };
        let own = Arc::clone(&outbox.own);
        let member = Member {
            user: User { id: user.into(), email: None },
            claims: format!(r#"{{"userId":"{user}"}}"#).into(),
            recovers: true,
            outbox: Arc::new(outbox),
        };
        let hub = self.hub.clone();
        let entered = self.answer(|reply| hub.connect(member, Room::user(user), None, reply));
        let subscription = Subscription { prefix: "component".into(), room, since: None };
        self.answer(|reply| hub.subscribe(entered.socket, subscription, reply));
        (entered.socket, own)
    }

    /// Until everybody was told who came: what a socket says of itself is told after that.
    fn quieten(&mut self) {
        let room = Room::entity("lobby", "1");
        let (speaker, _) = self.seat(room.clone(), "speaker");
        let (_, heard) = self.seat(room.clone(), "listener");
        let hub = self.hub.clone();
        let says = Signal::State { prefix: "component".into(), room, state: serde_json::json!({}) };
        self.answer(|reply| hub.signal(speaker, says, reply));
        // The welcome, who came, and what was said.
        let is_quiet = || heard.load(Ordering::Relaxed) >= 2;
        let Dispatch { runtime, dispatcher, .. } = self;
        runtime.block_on(future::poll_fn(|context| {
            let _ = dispatcher.as_mut().poll(context);
            if is_quiet() { Poll::Ready(()) } else { Poll::Pending }
        }));
    }

    fn answer<T: Send + 'static>(&mut self, ask: impl FnOnce(Reply<T>)) -> T {
        let (sender, answer) = oneshot::channel();
        ask(Box::new(move |reply| drop(sender.send(reply))));
        self.drive(answer).expect("the dispatcher lives").expect("it is granted")
    }

    fn dispatch(&mut self, batch: Batch) {
        let hub = self.hub.clone();
        let dispatched: Result<(), HubError> = self.drive(async {
            hub.dispatch(batch).await?;
            hub.dispatched().await
        });
        dispatched.expect("the dispatcher lives");
    }

    /// Polls the dispatcher until it has brought this about.
    fn drive<T>(&mut self, outcome: impl Future<Output = T>) -> T {
        let _context = self.runtime.enter();
        let mut context = Context::from_waker(Waker::noop());
        let mut outcome = pin!(outcome);
        loop {
            if let Poll::Ready(outcome) = outcome.as_mut().poll(&mut context) {
                return outcome;
            }
            let _ = self.dispatcher.as_mut().poll(&mut context);
        }
    }
}

impl Scene for Dispatch {
    fn prepare(&mut self) {
        self.number += 1;
        let commit = Lsn(0x1000 * self.number as u64);
        let entity_id = (self.number % self.rooms).to_string();
        let mut entries = self.transaction.clone();
        fixture::move_to(&mut entries, commit, &entity_id);
        let mut events: Vec<Event> = Vec::new();
        for entry in entries {
            self.mapper.map(entry, &mut events).expect("a change that can be told");
        }
        let end = Lsn(commit.0 + 48);
        let events = Events { events, transactions: vec![7], handed_on: Some(end), wal_end: end, ..Events::default() };
        self.prepared.push_back(Batch::Events(events));
    }

    fn run(&mut self) {
        let batch = self.prepared.pop_front().expect("it was prepared");
        let before = self.delivered.load(Ordering::Relaxed);
        self.dispatch(batch);
        assert_eq!(self.delivered.load(Ordering::Relaxed) - before, self.seats, "each in the room gets it, and once");
    }
}

struct Drain {
    dispatch: Dispatch,
    decoder: Box<dyn Decoder>,
    commits: usize,
    prepared: VecDeque<Vec<fixture::Frame>>,
}

impl Scene for Drain {
    fn prepare(&mut self) {
        let is_first = self.dispatch.number == 0;
        let mut frames = Vec::new();
        for _ in 0..self.commits {
            self.dispatch.number += 1;
            frames.extend(fixture::pgoutput_frames_at("update_500B", 0x1000 * self.dispatch.number as u64));
        }
        if !is_first {
            frames.retain(|(_, payload)| !payload.starts_with(b"R"));
        }
        self.prepared.push_back(frames);
    }

    fn run(&mut self) {
        let (mut entries, mut events) = (Vec::new(), Vec::new());
        for (lsn, payload) in self.prepared.pop_front().expect("it was prepared") {
            self.decoder.decode(lsn, &payload, &mut entries).expect("a frame that a server sent");
        }
        let mut wal_end = Lsn(0);
        for entry in entries {
            if let Entry::Commit(commit) = &entry {
                wal_end = commit.end_lsn;
            }
            self.dispatch.mapper.map(entry, &mut events).expect("a change that can be told");
        }
        assert_eq!(events.len(), self.commits);
        let transactions = vec![7; self.commits];
        let events = Events { events, transactions, handed_on: Some(wal_end), wal_end, ..Events::default() };
        self.dispatch.dispatch(Batch::Events(events));
    }
}

/// Counts what it is sent.
struct Count {
    own: Arc<AtomicUsize>,
    all: Arc<AtomicUsize>,
}

impl Outbox for Count {
    fn send(&self, frames: Frames<'_>) -> Result<(), OutboxClosed> {
        self.own.fetch_add(frames.len(), Ordering::Relaxed);
        self.all.fetch_add(frames.len(), Ordering::Relaxed);
        Ok(())
    }
    fn replay(&self, frames: Frames<'_>) -> Result<(), OutboxClosed> {
        self.send(frames)
    }
    fn close(&self, _: &'static str) {}
}

/// Is never asked: no table is guarded.
struct Nobody;

type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Authority for Nobody {
    fn ask<'a>(&'a self, questions: &'a [Question], _: &'a [u32]) -> Later<'a, Vec<Option<Answer>>> {
        Box::pin(async { vec![None; questions.len()] })
    }
    fn sees<'a>(&'a self, _: &'a [u32]) -> Later<'a, bool> {
        Box::pin(async { true })
    }
}
