use std::{
    io::Write as _,
    os::unix::net::UnixStream,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::AsyncReadExt as _,
    sync::{mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;

use super::{
    Batch, Comeback, Dispatcher, Entered, Frames, Hub, HubError, Limits, Member, Outbox, OutboxClosed, Position, Reply,
    Reports, Retention, Settings, Subscription, User, company::SENDS_A_PORTION,
};
use crate::{
    change::Lsn,
    events::{Epoch, Offset, Room},
};

/// A connection, which may be lost.
struct Line {
    is_lost: bool,
}

impl Outbox for Line {
    fn send(&self, _: Frames<'_>) -> Result<(), OutboxClosed> {
        if self.is_lost { Err(OutboxClosed) } else { Ok(()) }
    }
    fn replay(&self, frames: Frames<'_>) -> Result<(), OutboxClosed> {
        self.send(frames)
    }
    fn close(&self, _: &'static str) {}
}

/// Notices that it is closed.
struct Door(Arc<AtomicBool>);

impl Outbox for Door {
    fn send(&self, _: Frames<'_>) -> Result<(), OutboxClosed> {
        Ok(())
    }
    fn replay(&self, _: Frames<'_>) -> Result<(), OutboxClosed> {
        Ok(())
    }
    fn close(&self, _: &'static str) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What all that are in a room are sent, for somebody who wants to read when it begins.
#[derive(Default)]
struct Neighbours {
    sends: AtomicUsize,
    begins: Mutex<Option<UnixStream>>,
}

struct Neighbour(Arc<Neighbours>);

impl Outbox for Neighbour {
    fn send(&self, _: Frames<'_>) -> Result<(), OutboxClosed> {
        if let Some(mut begins) = self.0.begins.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = begins.write_all(&[0]);
        }
        self.0.sends.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
    fn replay(&self, frames: Frames<'_>) -> Result<(), OutboxClosed> {
        self.send(frames)
    }
    fn close(&self, _: &'static str) {}
}

/// A hub whose stream has not begun.
fn idle_hub() -> Hub {
    let settings = Settings {
        retention: Retention { window: Duration::from_secs(60), bytes: 1 << 20 },
        room_cap: 10,
        replay_bytes: 1 << 20,
        recovery: true,
        tick: Duration::from_millis(1),
        roster: 1,
        limits: Limits::default(),
        encode: |_, _, _| bytes::Bytes::new(),
    };
    let reports = Reports { begun: Box::new(|| {}), handed_on: Box::new(|_| {}), keep_from: Box::new(|_| {}) };
    let (hub, dispatcher) = Dispatcher::new(settings, reports, Arc::new(super::sight::tests::Nobody));
    tokio::spawn(dispatcher.run(CancellationToken::new()));
    hub
}

fn begin() -> Batch {
    Batch::Begin(Position { epoch: Epoch::new("e"), offset: Offset::before(Lsn(1)) })
}

async fn hub() -> Hub {
    let hub = idle_hub();
    hub.dispatch(begin()).await.expect("the dispatcher lives");
    hub
}

async fn answer<T: Send + 'static>(ask: impl FnOnce(Reply<T>)) -> Result<T, HubError> {
    let (sender, answer) = oneshot::channel();
    ask(Box::new(move |reply| drop(sender.send(reply))));
    answer.await.expect("an answer")
}

async fn try_connect(
    hub: &Hub,
    outbox: impl Outbox + 'static,
    comeback: Option<Comeback>,
) -> Result<Entered, HubError> {
    try_connect_as("ann", hub, outbox, comeback).await
}

async fn try_connect_as(
    id: &str,
    hub: &Hub,
    outbox: impl Outbox + 'static,
    comeback: Option<Comeback>,
) -> Result<Entered, HubError> {
    let user = User { id: id.into(), email: None };
    let member = Member { user, claims: "{}".into(), recovers: true, outbox: Arc::new(outbox) };
    answer(|reply| hub.connect(member, Room::user(id), comeback, reply)).await
}

async fn connect(hub: &Hub, is_lost: bool, comeback: Option<Comeback>) -> Entered {
    try_connect(hub, Line { is_lost }, comeback).await.expect("it is taken in")
}

/// Connects a socket; whether it was sent away at once.
async fn is_sent_away(hub: &Hub) -> bool {
    let closed = Arc::<AtomicBool>::default();
    let refused = try_connect(hub, Door(closed.clone()), None).await.is_err();
    assert_eq!(refused, closed.load(Ordering::Relaxed), "who is refused is sent away");
    refused
}

#[tokio::test]
async fn who_is_cut_off_while_it_comes_back_comes_back_into_its_rooms() {
    let hub = hub().await;
    let room = Room::row("component", "x");
    let Entered { socket, session, .. } = connect(&hub, false, None).await;
    let subscription = Subscription { prefix: "component".into(), room: room.clone(), since: None };
    let subscribed = answer(|reply| hub.subscribe(socket, subscription, reply)).await.expect("it is in");
    let since = subscribed.position.offset.to_wire(&subscribed.position.epoch);
    hub.disconnect(socket);
    let back = || Comeback::Session { id: session.expect("a session"), since: Some(since.clone()) };
    let lost = connect(&hub, true, Some(back())).await;
    hub.disconnect(lost.socket);
    assert_eq!(connect(&hub, false, Some(back())).await.session, session, "it is back in all its rooms");
    let (_, sessions) = answer(|reply| hub.farewell(reply)).await.expect("the sessions");
    let rooms: Vec<&Room> = sessions.iter().flat_map(|session| &session.rooms).map(|(_, room, _)| room).collect();
    assert_eq!(rooms, [&room]);
}

#[tokio::test]
async fn who_was_let_in_just_before_another_server_streams_is_sent_there() {
    let hub = idle_hub();
    for (batch, sent_away) in [(begin(), false), (Batch::Standby, true), (begin(), false)] {
        hub.dispatch(batch).await.expect("the dispatcher lives");
        hub.dispatched().await.expect("the dispatcher lives");
        assert_eq!(is_sent_away(&hub).await, sent_away);
    }
}

/// The log comes by a connection, through a stage that is a task of the same thread.
#[tokio::test]
async fn a_change_waits_for_one_portion_of_who_came_to_a_large_room() {
    const MANY: usize = 1_000;
    let hub = hub().await;
    let neighbours = Arc::<Neighbours>::default();
    let enter = async |id: String| {
        let entered = try_connect_as(&id, &hub, Neighbour(neighbours.clone()), None).await.expect("it is taken in");
        let subscription = Subscription { prefix: "component".into(), room: Room::row("component", "x"), since: None };
        answer(|reply| hub.subscribe(entered.socket, subscription, reply)).await.expect("it is in");
    };
    for number in 0..MANY {
        enter(format!("user-{number}")).await;
    }
    let (writer, mut log) = tokio::net::UnixStream::pair().expect("a connection");
    let (stage, mut read) = mpsc::channel(1);
    tokio::spawn(async move {
        log.read_u8().await.expect("a change");
        stage.send(()).await.expect("the next stage lives");
    });
    neighbours.sends.store(0, Ordering::Relaxed);
    *neighbours.begins.lock().unwrap_or_else(PoisonError::into_inner) = Some(writer.into_std().expect("it is ours"));
    read.recv().await.expect("they are told");
    // It stands in the line in which changes do.
    hub.dispatched().await.expect("the dispatcher lives");
    let told = neighbours.sends.load(Ordering::Relaxed);
    assert!(told <= 2 * SENDS_A_PORTION, "{told}: one before the change was looked at, one until we have our turn");
}
