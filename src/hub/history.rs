use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use smallvec::SmallVec;

use super::{Frame, command::ByRoom};
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
    /// The number of `kept[0]`; events are numbered as they come, from 1.
    first: u64,
    /// The last event of each room; from there each leads to the one before it.
    by_room: ByRoom<u64>,
    /// Those told in every room of a table, or in every room.
    wide: VecDeque<u64>,
    /// What the contents of `kept`, and the rooms' names, take.
    contents: usize,
    forgotten: Forgotten,
}

struct Kept {
    offset: Offset,
    since: Instant,
    content: Content,
    /// For each of its rooms the number of the event before it there; what is less than `first` is no more.
    previous: SmallVec<[u64; 2]>,
}

pub enum Content {
    /// Encoded once; goes to each of these rooms as it is.
    Rooms { frame: Frame, rooms: SmallVec<[Room; 2]> },
    /// Goes to those in these rooms who see its row.
    Guarded { event: Event, rooms: SmallVec<[Room; 2]> },
    /// Told in many rooms, with each room's own ids.
    Wide(Event),
}

impl Content {
    /// What it takes on the heap, in bytes. Names of events and of rooms are shared by all that have them.
    fn bytes(&self) -> usize {
        let named = |rooms: &SmallVec<[Room; 2]>| match rooms.spilled() {
            true => rooms.capacity() * size_of::<Room>() + 16,
            false => 0,
        };
        match self {
            Content::Rooms { frame, rooms } => frame.size() + named(rooms) + LOST,
            Content::Guarded { event, rooms } => event.bytes() + named(rooms) + LOST,
            // It holds a table's names and little else; there is one a transaction and table at the most.
            Content::Wide(_) => 512,
        }
    }
}

/// What the allocator loses between the payloads, for each, as measured (`make memory`).
const LOST: usize = 48;

/// What the allocator takes for so many bytes behind two counters: in steps of 16, with 8 of its own.
fn shared(bytes: usize) -> usize {
    (16 + bytes + 8).next_multiple_of(16)
}

/// The queue grows by this part of itself, not to the double, of which half would stand empty.
const GROWTH: usize = 8;

impl History {
    /// A history of everything after `floor`.
    pub fn new(retention: Retention, floor: Offset) -> Self {
        History {
            retention,
            kept: VecDeque::new(),
            first: 1,
            by_room: ByRoom::default(),
            wide: VecDeque::new(),
            contents: 0,
            forgotten: Forgotten::new(floor),
        }
    }

    /// Takes in the next event.
    pub fn push(&mut self, offset: Offset, mut content: Content, now: Instant) {
        let number = self.first + self.kept.len() as u64;
        let mut previous = SmallVec::new();
        match &mut content {
            Content::Rooms { rooms, .. } | Content::Guarded { rooms, .. } => {
                for room in rooms {
                    let (shared, last) = self.last_in(room);
                    *room = shared.clone();
                    previous.push(last);
                    self.by_room.insert(shared, number);
                }
            }
            Content::Wide(_) => self.wide.push_back(number),
        }
        self.contents += content.bytes();
        if self.kept.len() == self.kept.capacity() {
            self.kept.reserve_exact(16 + self.kept.len() / GROWTH);
        }
        self.kept.push_back(Kept { offset, since: now, content, previous });
        while self.bytes() > self.retention.bytes && !self.kept.is_empty() {
            self.forget_oldest();
        }
    }

    /// Forgets what is too old.
    pub fn age(&mut self, now: Instant) {
        while self.kept.front().is_some_and(|kept| now.duration_since(kept.since) > self.retention.window) {
            self.forget_oldest();
        }
        // Places that were needed once are given back.
        if self.kept.len() < self.kept.capacity() / 4 {
            self.kept.shrink_to_fit();
        }
        if self.by_room.len() < self.by_room.capacity() / 4 {
            self.by_room.shrink_to_fit();
        }
    }

    /// Whether everything that a room sent after an offset is still here.
    pub fn covers(&self, room: &Room, since: Offset) -> bool {
        since >= self.forgotten.latest_of(room)
    }

    /// What the rooms sent after an offset, in order, each event once. Ask [`covers`](Self::covers) first.
    pub fn after(&self, rooms: &[&Room], since: Offset) -> Vec<(Offset, &Content)> {
        let is_later = |number: u64| self.get(number).is_some_and(|kept| kept.offset > since);
        let mut numbers = Vec::new();
        for room in rooms {
            let mut next = self.by_room.get(*room).copied();
            while let Some(number) = next.filter(|number| is_later(*number)) {
                numbers.push(number);
                next = self.before(number, room);
            }
        }
        let wide = self.wide.iter().rev().copied().take_while(|number| is_later(*number));
        numbers.extend(wide.filter(|number| {
            let target = self.get(*number).map(|kept| &kept.content);
            matches!(target, Some(Content::Wide(event)) if rooms.iter().any(|room| event.target().matches(room)))
        }));
        numbers.sort_unstable();
        numbers.dedup();
        numbers.into_iter().filter_map(|number| self.get(number)).map(|kept| (kept.offset, &kept.content)).collect()
    }

    /// What it takes in memory beside the table of what was forgotten, empty places included: never more than
    /// [`Retention::bytes`] while anything is kept.
    pub fn bytes(&self) -> usize {
        // A table has a power of two of places, each with a byte of its own, and fills seven of eight.
        let places = (self.by_room.capacity() * 8 / 7).checked_next_power_of_two().unwrap_or_default();
        self.contents
            + self.kept.capacity() * size_of::<Kept>()
            + places * (size_of::<(Room, u64)>() + 1)
            + self.wide.capacity() * size_of::<u64>()
    }

    /// How many events are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    fn get(&self, number: u64) -> Option<&Kept> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.kept.get(index)
    }

    /// A room's name as all its events share it, and its last event.
    fn last_in(&mut self, room: &Room) -> (Room, u64) {
        if let Some((known, last)) = self.by_room.get_key_value(room) {
            return (known.clone(), *last);
        }
        self.contents += shared(room.as_str().len());
        (room.copied(), 0)
    }

    /// The event before this one in a room.
    fn before(&self, number: u64, room: &Room) -> Option<u64> {
        let kept = self.get(number)?;
        let (Content::Rooms { rooms, .. } | Content::Guarded { rooms, .. }) = &kept.content else { return None };
        kept.previous.get(rooms.iter().position(|of| of == room)?).copied()
    }

    fn forget_oldest(&mut self) {
        let Some(kept) = self.kept.pop_front() else { return };
        let number = self.first;
        self.first += 1;
        self.contents -= kept.content.bytes();
        match &kept.content {
            Content::Rooms { rooms, .. } | Content::Guarded { rooms, .. } => {
                for room in rooms {
                    self.forgotten.note(room, kept.offset);
                    if self.by_room.get(room) == Some(&number) {
                        self.by_room.remove(room);
                        self.contents -= shared(room.as_str().len());
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
    places: Vec<Offset>,
    /// Holds for every room.
    everywhere: Offset,
}

/// A megabyte's worth. A power of two.
const PLACES: usize = 1 << 16;

impl Forgotten {
    fn new(floor: Offset) -> Self {
        Forgotten { places: vec![floor; PLACES], everywhere: floor }
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
        (room.spread() & (PLACES as u64 - 1)) as usize
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
        let mut three = History::new(WIDE, offset(0));
        (1..=3).for_each(|lsn| three.push(offset(lsn), told(&["busy"], "{}"), Instant::now()));
        let retention = Retention { bytes: three.bytes(), ..WIDE };
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
        assert_eq!((history.len(), history.contents), (0, 0));
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
        assert_eq!((history.len(), history.contents), (0, 0));
        assert!(!history.covers(&room("a"), offset(0)));
    }

    #[test]
    fn rooms_is_small_enough_to_be_kept_in_place() {
        let rooms: SmallVec<[Room; 2]> = smallvec![room("a"), room("b")];
        assert!(!rooms.spilled());
    }
}
