use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    time::{Duration, Instant},
};

use smallvec::SmallVec;

use super::Frame;
use crate::events::{Event, Offset, Room, Target};

/// How much is kept for those who come back.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// What is older is forgotten.
    pub window: Duration,
    /// What exceeds this is forgotten, the oldest first. Counts what the kept events take in memory.
    pub bytes: usize,
}

/// The recent events, each once, and which rooms they went to.
///
/// It answers one question: what did these rooms send after this offset, if all of that is still here? "All" is known
/// without knowing every room that ever was: a table of fixed size holds the latest forgotten offset of each group of
/// rooms, so that a room that was quiet for an hour can still be resumed from an hour ago. Where two rooms share a place
/// in it, a busy one makes the quiet one fetch again for nothing, which is a cost and no fault.
pub struct History {
    retention: Retention,
    kept: VecDeque<Kept>,
    /// The number of `kept[0]`; events are numbered as they come.
    first: u64,
    by_room: HashMap<Room, VecDeque<u64>>,
    /// Those told in every room of a table, or in every room.
    wide: VecDeque<u64>,
    bytes: usize,
    forgotten: Forgotten,
}

struct Kept {
    offset: Offset,
    since: Instant,
    bytes: usize,
    content: Content,
}

pub enum Content {
    /// Encoded once; goes to each of these rooms as it is.
    Rooms { frame: Frame, rooms: SmallVec<[Room; 2]> },
    /// Told in many rooms, with each room's own ids.
    Wide(Event),
}

/// What a kept event takes beside its payload: its place in the queue, its name, its rooms' names, its place in their
/// indexes, and the allocator's own cost. As measured with glibc (resident memory by 95,000 events in two rooms each): 640
/// where the rooms have other events, 780 where one is the event's own.
const OVERHEAD: usize = 768;

impl History {
    /// A history of everything after `floor`.
    pub fn new(retention: Retention, floor: Offset) -> Self {
        History {
            retention,
            kept: VecDeque::new(),
            first: 0,
            by_room: HashMap::new(),
            wide: VecDeque::new(),
            bytes: 0,
            forgotten: Forgotten::new(floor),
        }
    }

    /// Takes in the next event.
    pub fn push(&mut self, offset: Offset, content: Content, now: Instant) {
        let number = self.first + self.kept.len() as u64;
        let payload = match &content {
            Content::Rooms { frame, rooms } => {
                for room in rooms {
                    self.by_room.entry(room.clone()).or_default().push_back(number);
                }
                frame.size()
            }
            Content::Wide(_) => {
                self.wide.push_back(number);
                0
            }
        };
        let bytes = payload + OVERHEAD;
        self.bytes += bytes;
        self.kept.push_back(Kept { offset, since: now, bytes, content });
        while self.bytes > self.retention.bytes {
            self.forget_oldest();
        }
    }

    /// Forgets what is too old.
    pub fn age(&mut self, now: Instant) {
        while self.kept.front().is_some_and(|kept| now.duration_since(kept.since) > self.retention.window) {
            self.forget_oldest();
        }
    }

    /// Whether everything that a room sent after an offset is still here.
    pub fn covers(&self, room: &Room, since: Offset) -> bool {
        since >= self.forgotten.latest_of(room)
    }

    /// What the rooms sent after an offset, in order, each event once. Ask [`covers`](Self::covers) first.
    pub fn after(&self, rooms: &[&Room], since: Offset) -> Vec<(Offset, &Content)> {
        let later = |numbers: &VecDeque<u64>| {
            let start = numbers.partition_point(|number| self.get(*number).is_none_or(|kept| kept.offset <= since));
            numbers.range(start..).copied().collect::<Vec<_>>()
        };
        let mut numbers: Vec<u64> = rooms.iter().filter_map(|room| self.by_room.get(*room)).flat_map(later).collect();
        numbers.extend(later(&self.wide).into_iter().filter(|number| {
            let target = self.get(*number).map(|kept| &kept.content);
            matches!(target, Some(Content::Wide(event)) if rooms.iter().any(|room| event.target().matches(room)))
        }));
        numbers.sort_unstable();
        numbers.dedup();
        numbers.into_iter().filter_map(|number| self.get(number)).map(|kept| (kept.offset, &kept.content)).collect()
    }

    /// What is kept, in bytes: never more than [`Retention::bytes`].
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many events are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    fn get(&self, number: u64) -> Option<&Kept> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.kept.get(index)
    }

    fn forget_oldest(&mut self) {
        let Some(kept) = self.kept.pop_front() else { return };
        self.first += 1;
        self.bytes -= kept.bytes;
        match &kept.content {
            Content::Rooms { rooms, .. } => {
                for room in rooms {
                    self.forgotten.note(room, kept.offset);
                    if let Some(numbers) = self.by_room.get_mut(room) {
                        numbers.pop_front();
                        if numbers.is_empty() {
                            self.by_room.remove(room);
                        }
                    }
                }
            }
            Content::Wide(event) => {
                self.wide.pop_front();
                debug_assert!(!matches!(event.target(), Target::Rooms(_)));
                self.forgotten.note_everywhere(kept.offset);
            }
        }
    }
}

/// The latest forgotten offset of each group of rooms.
struct Forgotten {
    hasher: RandomState,
    places: Vec<Offset>,
    /// Holds for every room.
    everywhere: Offset,
}

/// A megabyte's worth. A power of two.
const PLACES: usize = 1 << 16;

impl Forgotten {
    fn new(floor: Offset) -> Self {
        Forgotten { hasher: RandomState::new(), places: vec![floor; PLACES], everywhere: floor }
    }

    fn latest_of(&self, room: &Room) -> Offset {
        self.places.get(self.place(room)).map_or(self.everywhere, |place| (*place).max(self.everywhere))
    }

    fn note(&mut self, room: &Room, offset: Offset) {
        let place = self.place(room);
        if let Some(latest) = self.places.get_mut(place) {
            *latest = (*latest).max(offset);
        }
    }

    fn note_everywhere(&mut self, offset: Offset) {
        self.everywhere = self.everywhere.max(offset);
    }

    fn place(&self, room: &Room) -> usize {
        // Reduced to the table's size first, so the conversion loses nothing.
        (self.hasher.hash_one(room) & (PLACES as u64 - 1)) as usize
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use smallvec::smallvec;

    use super::*;
    use crate::{change::Lsn, hub::Weight};

    const WIDE: Retention = Retention { window: Duration::from_secs(60), bytes: 1 << 20 };

    fn offset(lsn: u64) -> Offset {
        Offset { lsn: Lsn(lsn), n: 0 }
    }

    fn room(name: &str) -> Room {
        Room::row("component", name)
    }

    fn told(rooms: &[&str], payload: &str) -> Content {
        let frame = Frame::new(Bytes::copy_from_slice(payload.as_bytes()), Weight::Durable);
        Content::Rooms { frame, rooms: rooms.iter().map(|name| room(name)).collect() }
    }

    fn lsns(history: &History, rooms: &[&Room], since: u64) -> Vec<u64> {
        history.after(rooms, offset(since)).iter().map(|(offset, _)| offset.lsn.0).collect()
    }

    #[test]
    fn a_room_hears_what_it_missed_in_order_and_once() {
        let mut history = History::new(WIDE, offset(0));
        let now = Instant::now();
        for (lsn, rooms) in [(1, &["a"][..]), (2, &["a", "b"]), (3, &["b"]), (4, &["c"])] {
            history.push(offset(lsn), told(rooms, "{}"), now);
        }
        let (a, b) = (room("a"), room("b"));
        assert_eq!(lsns(&history, &[&a], 0), [1, 2]);
        assert_eq!(lsns(&history, &[&a], 1), [2]);
        assert_eq!(lsns(&history, &[&a, &b], 0), [1, 2, 3], "an event of both rooms comes once");
        assert_eq!(lsns(&history, &[&a], 2), [] as [u64; 0]);
    }

    #[test]
    fn it_never_exceeds_its_bytes_and_knows_what_it_forgot() {
        let retention = Retention { bytes: 3 * (OVERHEAD + 2), ..WIDE };
        let mut history = History::new(retention, offset(0));
        for lsn in 1..=5 {
            history.push(offset(lsn), told(&["busy"], "{}"), Instant::now());
            assert!(history.bytes() <= retention.bytes);
        }
        assert_eq!(history.len(), 3);
        assert!(!history.covers(&room("busy"), offset(1)), "2 was forgotten");
        assert!(history.covers(&room("busy"), offset(2)));
        assert_eq!(lsns(&history, &[&room("busy")], 2), [3, 4, 5]);
        // The table is hashed with a random seed, but no seed puts all of a hundred rooms into one place.
        let resumable = (0..100).filter(|n| history.covers(&room(&n.to_string()), offset(0))).count();
        assert!(resumable > 90, "quiet rooms pay for a busy one: {resumable}");
    }

    #[test]
    fn it_forgets_with_age() {
        let mut history = History::new(WIDE, offset(0));
        let start = Instant::now();
        history.push(offset(1), told(&["a"], "{}"), start);
        history.push(offset(2), told(&["a"], "{}"), start + Duration::from_secs(50));
        history.age(start + Duration::from_secs(61));
        assert!(history.covers(&room("a"), offset(1)) && !history.covers(&room("a"), offset(0)));
        history.age(start + Duration::from_secs(200));
        assert_eq!((history.len(), history.bytes()), (0, 0));
        assert!(history.by_room.is_empty(), "the index outlives its events");
    }

    #[test]
    fn nothing_before_the_floor_is_covered() {
        let history = History::new(WIDE, offset(10));
        assert!(!history.covers(&room("a"), offset(9)) && history.covers(&room("a"), offset(10)));
    }

    #[test]
    fn an_event_that_alone_exceeds_the_bytes_is_forgotten_at_once() {
        let mut history = History::new(Retention { bytes: 10, ..WIDE }, offset(0));
        history.push(offset(1), told(&["a"], "{}"), Instant::now());
        assert_eq!((history.len(), history.bytes()), (0, 0));
        assert!(!history.covers(&room("a"), offset(0)));
    }

    #[test]
    fn rooms_is_small_enough_to_be_kept_in_place() {
        let rooms: SmallVec<[Room; 2]> = smallvec![room("a"), room("b")];
        assert!(!rooms.spilled());
    }
}
