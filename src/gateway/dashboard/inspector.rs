use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use socketioxide::{SocketIo, socket::Sid};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::NAMESPACE;
use crate::{
    events::{Event, Room, Target},
    hub::{Hub, Lens, Shown},
};

/// One look at events as they are dispatched; it ends when it is dropped.
pub struct Inspection {
    kept: Arc<Mutex<Kept>>,
    _task: AbortOnDropHandle<()>,
}

/// The last events, by their offsets, for who wants to see what they told.
#[derive(Default)]
struct Kept {
    events: VecDeque<(String, Shown)>,
    bytes: usize,
}

/// How many events are kept for one who looks, and how many bytes they take at most.
const MOST: usize = 500;
const MOST_BYTES: usize = 4 << 20;
/// How often events are shown, and how many at once: nobody reads faster.
const PACE: Duration = Duration::from_millis(200);
const AT_ONCE: usize = 100;

impl Inspection {
    pub fn begin(hub: &Hub, io: SocketIo, socket: Sid, lens: Lens) -> Self {
        let (feed, shown) = mpsc::channel(AT_ONCE);
        hub.inspect(lens, feed);
        let kept = Arc::<Mutex<Kept>>::default();
        let task = tokio::spawn(show(io, socket, shown, Arc::clone(&kept)));
        Inspection { kept, _task: AbortOnDropHandle::new(task) }
    }

    /// What an event told; `None`: it is not kept.
    pub fn payload(&self, offset: &str) -> Option<Value> {
        let kept = lock(&self.kept);
        let (_, shown) = kept.events.iter().rev().find(|(of, _)| of == offset)?;
        serde_json::from_str(&payload(shown)).ok()
    }
}

async fn show(io: SocketIo, socket: Sid, mut feed: mpsc::Receiver<Shown>, kept: Arc<Mutex<Kept>>) {
    let mut shown = Vec::new();
    while feed.recv_many(&mut shown, AT_ONCE).await > 0 {
        let passed_over: u64 = shown.iter().map(|shown| shown.passed_over).sum();
        let events: Vec<Value> = shown.iter().map(describe).collect();
        lock(&kept).take(&mut shown);
        // Not held: the socket's handlers hold what holds this task.
        let Some(socket) = io.of(NAMESPACE).and_then(|namespace| namespace.get_socket(socket)) else { return };
        let _ = socket.emit("events", &json!({ "events": events, "passedOver": passed_over }));
        tokio::time::sleep(PACE).await;
    }
}

impl Kept {
    fn take(&mut self, shown: &mut Vec<Shown>) {
        for shown in shown.drain(..) {
            self.bytes += shown.event.bytes();
            self.events.push_back((offset(&shown), shown));
        }
        while self.events.len() > MOST || self.bytes > MOST_BYTES {
            let Some((_, shown)) = self.events.pop_front() else { return };
            self.bytes -= shown.event.bytes();
        }
    }
}

fn describe(shown: &Shown) -> Value {
    let Shown { event, latency, .. } = shown;
    let rooms = match event.target() {
        Target::Rooms(rooms) => rooms.iter().map(|room| room.as_str().to_owned()).collect(),
        Target::Table { prefix, entities: false } => vec![format!("{prefix}:*")],
        Target::Table { prefix, entities: true } => vec![format!("{prefix}:*"), "entity:*".to_owned()],
        Target::Everyone => vec!["*".to_owned()],
    };
    json!({
        "offset": offset(shown),
        "event": event.name(),
        "rooms": rooms,
        "table": event.table().map(ToString::to_string),
        "actor": event.actor().map(|actor| actor.id.to_string()),
        "bytes": payload(shown).len(),
        "latencyMs": latency.as_secs_f64() * 1_000.0,
        "committedAt": event.committed_at().to_string(),
    })
}

/// As sockets are sent it; without the ids of its room, where each room is told its own.
fn payload(Shown { event, epoch, .. }: &Shown) -> String {
    event.encode(epoch, &Room::user(""))
}

fn offset(Shown { event, epoch, .. }: &Shown) -> String {
    Event::offset(event).to_wire(epoch)
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
