use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use indexmap::IndexSet;
use tokio_util::sync::CancellationToken;

use super::{
    Authority, Batch, Events, Hub, HubError, Position, Reply, Reports, Session, Settings, SocketId,
    burst::Burst,
    command::{Command, Inbox},
    concerned::Concerned,
    delivery::{Crowd, let_the_log_come},
    ephemeral::Ephemeral,
    follow::Follows,
    history::History,
    presence::Presence,
    rooms::Rooms,
    sessions::Sessions,
    sight::{Asking, Sight},
    throttle::Throttle,
    watch::Watch,
    window::Window,
};
use crate::{
    change::{Lsn, TableName, Timestamp},
    events::{Offset, Room},
    telemetry,
};

/// The one task that orders everything: see the [module](super).
pub struct Dispatcher {
    inbox: Inbox,
    reports: Reports,
    pub(super) settings: Settings,
    pub(super) rooms: Rooms,
    pub(super) history: History,
    /// Where the stream stands; `None` until it began.
    pub(super) position: Option<Position>,
    pub(super) crowd: Crowd,
    pub(super) burst: Burst,
    pub(super) sessions: Sessions,
    pub(super) presence: Presence,
    pub(super) ephemeral: Ephemeral,
    pub(super) throttle: Throttle,
    pub(super) follows: Follows,
    pub(super) authority: Arc<dyn Authority>,
    pub(super) sight: Sight,
    /// Who is to leave a room, once what was for them before is sent.
    pub(super) leavers: Vec<(SocketId, Room)>,
    /// Transactions that nobody has looked for yet in the database: it may not show them for a moment.
    pub(super) unseen: Vec<u32>,
    /// The last batch ended within a transaction.
    pub(super) is_within: bool,
    /// Who was not told something in a room, since nobody could say whether they may see it.
    pub(super) debts: IndexSet<(SocketId, Room)>,
    /// The same of those who follow a table.
    pub(super) table_debts: IndexSet<(SocketId, TableName)>,
    /// When who came and went is told next.
    pub(super) tell_presence_at: Option<Instant>,
    /// When what else sockets say of themselves is.
    pub(super) tell_ephemeral_at: Option<Instant>,
    /// Another server streams; nobody is served here.
    pub(super) stands_by: bool,
    /// The sessions were handed over to the next server.
    pub(super) stopping: bool,
    pub(super) watch: Watch,
    pub(super) counts: telemetry::Dispatched,
    window: Window,
    /// Of the groups of sockets, which is told where it stands.
    turn: u64,
    /// Who of that group is yet to be.
    pub(super) unsure: Vec<SocketId>,
    pub(super) tell_position_at: Option<Instant>,
}

/// Why a server that stands by sends sockets away.
pub(super) const ELSEWHERE: &str = "another server streams";

/// How many requests of sockets are taken up together. What the log brings waits for them no longer than that, also while
/// everybody comes back at once.
const AT_ONCE: usize = 4;
/// The same where policies may have to be asked, of all of them together: that takes longer than what they ask for.
const AT_ONCE_GUARDED: usize = 64;

/// How often the history is aged.
const TICK: Duration = Duration::from_secs(1);

/// How often sockets are told where they stand, at the most seldom. They need to hear it well within the window.
const TELL_POSITION: Duration = Duration::from_secs(30);

impl Dispatcher {
    pub fn new(settings: Settings, reports: Reports, authority: Arc<dyn Authority>) -> (Hub, Dispatcher) {
        let (hub, inbox) = Hub::new();
        let dispatcher = Dispatcher {
            inbox,
            reports,
            settings,
            rooms: Rooms::default(),
            history: History::new(settings.retention, Offset::default()),
            position: None,
            crowd: Crowd::default(),
            burst: Burst::default(),
            sessions: Sessions::default(),
            presence: Presence::default(),
            ephemeral: Ephemeral::default(),
            throttle: Throttle::default(),
            follows: Follows::default(),
            authority,
            sight: Sight::default(),
            leavers: Vec::new(),
            unseen: Vec::new(),
            is_within: false,
            debts: IndexSet::new(),
            table_debts: IndexSet::new(),
            tell_presence_at: None,
            tell_ephemeral_at: None,
            stands_by: false,
            stopping: false,
            watch: Watch::default(),
            counts: telemetry::Dispatched::default(),
            window: Window::new(settings.retention.window),
            turn: 0,
            unsure: Vec::new(),
            tell_position_at: None,
        };
        (hub, dispatcher)
    }

    /// Runs until cancelled. Sockets that ask before the stream began are answered when it has.
    pub async fn run(mut self, cancel: CancellationToken) {
        let mut tick = tokio::time::interval(self.tick_length());
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut commands = Vec::new();
        let mut cancelled = pin!(cancel.cancelled());
        loop {
            self.log_first().await;
            let pulse = self.pulse().map(tokio::time::Instant::from_std);
            let most = if self.sight.is_guarding() { AT_ONCE_GUARDED } else { AT_ONCE };
            tokio::select! {
                () = cancelled.as_mut() => break,
                1.. = self.inbox.commands.recv_many(&mut commands, most), if self.position.is_some() => {
                    self.obey_all(&mut commands).await;
                    let_the_log_come().await;
                }
                Some(batch) = self.inbox.batches.recv() => self.take(batch).await,
                () = tokio::time::sleep_until(pulse.unwrap_or_else(tokio::time::Instant::now)), if pulse.is_some() =>
                    self.beat().await,
                _ = tick.tick() => self.tick().await,
                else => break,
            }
        }
        // Whoever comes to the next server brings this, and misses nothing in between.
        self.release_all();
        self.tell_position(self.rooms.sockets().collect()).await;
    }

    /// Whatever else there is to do, what the log has brought by now is not kept waiting for it.
    pub(super) async fn log_first(&mut self) {
        if let Ok(batch) = self.inbox.batches.try_recv() {
            self.take(batch).await;
        }
    }

    /// What has to be asked before is asked for all of them at once.
    async fn obey_all(&mut self, commands: &mut Vec<Command>) {
        let asking = self.look_ahead_for(commands);
        self.ask(asking).await;
        for command in commands.drain(..) {
            self.obey(command).await;
        }
        self.sight.end_moment();
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Connect { socket, member, own, comeback, reply } => {
                if comeback.is_some() {
                    self.release_all();
                    self.flush().await;
                }
                self.connect(socket, member, own, comeback, reply);
            }
            Command::Subscribe { socket, subscription, reply } => {
                self.release_for(socket, &subscription.room);
                self.flush().await;
                self.subscribe(socket, subscription, reply);
            }
            Command::Unsubscribe { socket, room, reply } => {
                self.release_ahead_of_leaving(socket, &room);
                self.flush().await;
                self.unsubscribe(socket, &room, reply);
            }
            Command::Follow { socket, interest, since, reply } => self.follow(socket, interest, since, reply).await,
            Command::Unfollow { socket, name, reply } => self.unfollow(socket, &name, reply),
            Command::Signal { socket, signal, reply } => self.signal(socket, signal, reply),
            Command::Refresh { socket, email, claims, reply } => {
                self.rename(socket, email);
                self.refresh(socket, claims).await;
                reply(Ok(()));
            }
            Command::Disconnect { socket } => self.remove(socket),
            Command::Position { reply } => reply(self.position.clone().ok_or(HubError::Stopping)),
            Command::Overview { most, reply } => reply(self.overview(most).ok_or(HubError::Stopping)),
            Command::Inspect { lens, feed } => self.watch.begin(lens, feed),
            Command::Farewell { reply } => {
                self.stopping = true;
                let sessions = self.all_sessions();
                let epoch = self.position.as_ref().map(|position| position.epoch.clone());
                reply(epoch.map(|epoch| (epoch, sessions)).ok_or(HubError::Gone));
            }
        }
    }

    /// Takes a socket out; it may come back.
    pub(super) fn remove(&mut self, socket: SocketId) {
        let Some(seat) = self.rooms.remove_socket(socket) else { return };
        let now = Instant::now();
        let session = seat.session();
        let tables = self.follows.remove(socket, session.is_some().then_some(now));
        for room in seat.asked_for() {
            self.presence.leave(room, &seat.user().id, socket);
        }
        if let Some(session) = session {
            self.sessions.keep(Session { tables, ..session }, now);
        }
        self.quicken();
    }

    fn unsubscribe(&mut self, socket: SocketId, room: &Room, reply: Reply<()>) {
        let is_here = self.rooms.member(socket).is_some();
        self.leave(socket, room);
        reply(if is_here { Ok(()) } else { Err(HubError::Gone) });
    }

    pub(super) fn leave(&mut self, socket: SocketId, room: &Room) {
        let user = self.rooms.member(socket).map(|member| member.user.id.clone());
        if let Some(user) = user.filter(|_| self.rooms.leave(socket, room)) {
            self.presence.leave(room, &user, socket);
            self.quicken();
        }
    }

    async fn take(&mut self, batch: Batch) {
        match batch {
            Batch::Begin(position) => {
                (self.reports.begun)();
                self.stands_by = false;
                self.begin(position).await;
                self.report_window();
            }
            Batch::Sessions(sessions) => self.take_over(sessions),
            Batch::Events(events) => self.take_events(events).await,
            Batch::Guards(guarded) => self.guard(guarded).await,
            Batch::Standby => {
                self.stands_by = true;
                self.sight.begin();
                self.throttle = Throttle::default();
                let sockets: Vec<_> = self.rooms.sockets().collect();
                for socket in sockets {
                    if let Some(member) = self.rooms.member(socket) {
                        member.outbox.close(ELSEWHERE);
                    }
                    self.remove(socket);
                }
            }
            // An error means that nobody waits any more.
            Batch::Mark(mark) => {
                let _ = mark.send(());
            }
        }
    }

    async fn take_events(&mut self, mut batch: Events) {
        batch.way.dispatch();
        self.look_ahead(&batch).await;
        let count = batch.events.len();
        // Each is let go before the next: what the history keeps of one takes the memory of the one before, and fits.
        for event in std::mem::take(&mut batch.events) {
            self.dispatch(&event);
            drop(event);
            self.part().await;
            if self.burst.is_full() {
                self.flush().await;
            }
        }
        self.sight.end_moment();
        if !batch.is_open {
            self.crowd = Crowd::default();
        }
        self.flush().await;
        self.counts.events(count);
        batch.way.told(count);
        if let Some(position) = &mut self.position {
            position.offset = position.offset.max(Offset::before(batch.wal_end));
        }
        self.window.note(Instant::now(), batch.wal_end);
        // First, or what is handed on would be let go.
        self.report_window();
        if let Some(end) = batch.handed_on {
            (self.reports.handed_on)(end);
        }
    }

    /// Says what a restart must begin with.
    fn report_window(&self) {
        if let Some(start) = self.window.start() {
            (self.reports.keep_from)(start);
        }
    }

    async fn begin(&mut self, begun: Position) {
        let reason = match &self.position {
            // The stream was interrupted and repeats from an earlier point: what was dispatched stays dispatched.
            Some(current) if current.epoch == begun.epoch && current.offset >= begun.offset => return,
            // In between another server streamed, or somebody moved the slot.
            Some(current) if current.epoch == begun.epoch => Some("history gap"),
            Some(_) => Some("slot lost"),
            None => None,
        };
        self.release_all();
        self.flush().await;
        self.history = History::new(self.settings.retention, begun.offset);
        self.follows.begin(begun.offset);
        self.sight.begin();
        self.window.clear();
        self.window.note(Instant::now(), Lsn(begun.offset.lsn.0.saturating_add(1)));
        self.crowd = Crowd::default();
        self.position = Some(begun);
        if reason.is_some() {
            let all = self.sight.guarded().iter().cloned().map(Concerned::all).collect();
            self.look_again(all, Asking::default()).await;
        }
        if let Some(reason) = reason {
            let all: Vec<_> = self
                .rooms
                .subscriptions()
                .map(|(socket, room, prefix)| (socket, room.clone(), prefix.clone()))
                .collect();
            for (socket, room, prefix) in all {
                if let Some(frame) = self.resync(&room, &prefix, reason) {
                    self.burst.add_for(frame, [socket]);
                }
            }
            self.tell_all_stale(None, reason, Timestamp::now());
            self.flush().await;
        }
    }

    async fn tick(&mut self) {
        let now = Instant::now();
        self.history.age(now);
        self.throttle.age(now);
        self.sessions.age(now, self.settings.retention.window);
        self.follows.age(now, self.settings.retention.window);
        self.report_window();
        self.report_fill();
        self.settle().await;
        self.prune_sight();
        let often = (self.settings.retention.window / 4).min(TELL_POSITION);
        let turns = (often.as_millis() / self.tick_length().as_millis()).max(1) as u64;
        if self.unsure.is_empty() {
            self.turn = (self.turn + 1) % turns;
            self.unsure = self.rooms.sockets().filter(|socket| socket.0 % turns == self.turn).collect();
            self.quicken();
        }
    }

    fn report_fill(&self) {
        telemetry::Hub {
            sockets: self.rooms.sockets().count(),
            rooms: self.rooms.occupied().count(),
            sessions: self.sessions.left().count(),
            history_events: self.history.len(),
            history_bytes: self.history.bytes(),
        }
        .report();
    }

    fn tick_length(&self) -> Duration {
        TICK.min(self.settings.retention.window.max(Duration::from_millis(50)))
    }

    /// Tells some sockets that they have everything up to here: then they can resume from here, however long their rooms are
    /// quiet. Who is not told yet what was held back learns by that.
    pub(super) async fn tell_position(&mut self, mut sockets: Vec<SocketId>) {
        let Some(frame) = self.position_frame() else { return };
        let awaiting = self.awaiting();
        sockets.retain(|socket| !awaiting.contains(socket) && self.asked_for(*socket) > 0);
        self.burst.add_for(frame, sockets);
        self.flush().await;
    }
}
