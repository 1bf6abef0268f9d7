use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use smallvec::SmallVec;

use super::{Frame, command::ByRoom, queue::Queue};
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
    kept: Queue<Kept>,
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

/// Some of the events, in order, by their numbers: they hold until the next is taken in.
pub struct Numbers(Vec<u64>);

pub enum Content {
    /// Encoded once; goes to each of these rooms as it is.
    Rooms { frame: Frame, rooms: SmallVec<[Room; 2]> },
    /// The same of one that nobody heard: it is encoded when somebody has missed it.
    Unheard { event: Event, rooms: SmallVec<[Room; 2]> },
    /// Goes to those in these rooms who see its row.
    Guarded { event: Event, rooms: SmallVec<[Room; 2]> },
    /// Told in many rooms, with each room's own ids.
    Wide(Event),
}

impl Content {
    /// The rooms that it names.
    fn rooms(&self) -> &[Room] {
        match self {
            Content::Rooms { rooms, .. } | Content::Unheard { rooms, .. } | Content::Guarded { rooms, .. } => rooms,
            Content::Wide(_) => &[],
        }
    }

    /// What it takes on the heap, in bytes. Names of events and of rooms are shared by all that have them.
    fn bytes(&self) -> usize {
        let named = |rooms: &SmallVec<[Room; 2]>| match rooms.spilled() {
            true => rooms.capacity() * size_of::<Room>() + 16,
            false => 0,
        };
        match self {
            Content::Rooms { frame, rooms } => frame.size() + named(rooms) + LOST,
            Content::Unheard { event, rooms } | Content::Guarded { event, rooms } => {
                event.bytes() + named(rooms) + LOST
            }
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

impl History {
    /// A history of everything after `floor`.
    pub fn new(retention: Retention, floor: Offset) -> Self {
        History {
            retention,
            kept: Queue::default(),
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
            Content::Rooms { rooms, .. } | Content::Unheard { rooms, .. } | Content::Guarded { rooms, .. } => {
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
        self.kept.push_back(Kept { offset, since: now, content, previous });
        self.fit();
    }

    /// Forgets what is too much.
    fn fit(&mut self) {
        while self.bytes() > self.retention.bytes && !self.kept.is_empty() {
            self.forget_oldest();
        }
    }

    /// Forgets what is too old.
    pub fn age(&mut self, now: Instant) {
        while self.kept.front().is_some_and(|kept| now.duration_since(kept.since) > self.retention.window) {
            self.forget_oldest();
        }
        self.fit();
        // Places that were needed once are given back.
        if self.by_room.len() < self.by_room.capacity() / 4 {
            self.by_room.shrink_to_fit();
        }
    }

    /// Whether everything that a room sent after an offset is still here.
    pub fn covers(&self, room: &Room, since: Offset) -> bool {
        since >= self.forgotten.latest_of(room)
    }

    /// Encodes what nobody heard of these events, once for all who missed it.
    pub fn encode(&mut self, events: &Numbers, encode: impl Fn(&Event, &Room) -> Option<Frame>) {
        for number in &events.0 {
            let Some(kept) = self.index(*number).and_then(|index| self.kept.get_mut(index)) else { continue };
            let Content::Unheard { event, rooms } = &mut kept.content else { continue };
            let Some(frame) = rooms.first().and_then(|room| encode(event, room)) else { continue };
            let encoded = Content::Rooms { frame, rooms: std::mem::take(rooms) };
            self.contents += encoded.bytes();
            self.contents -= std::mem::replace(&mut kept.content, encoded).bytes();
        }
    }

    /// What the rooms sent after an offset, in order, each event once. Ask [`covers`](Self::covers) first.
    pub fn after(&self, rooms: &[&Room], since: Offset) -> Numbers {
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
        Numbers(numbers)
    }

    /// What these events are.
    pub fn told(&self, events: &Numbers) -> Vec<(Offset, &Content)> {
        let kept = events.0.iter().filter_map(|number| self.get(*number));
        kept.map(|kept| (kept.offset, &kept.content)).collect()
    }

    /// What it takes in memory beside the table of what was forgotten, empty places included: after a [`push`](Self::push)
    /// and an [`age`](Self::age) never more than [`Retention::bytes`] while anything is kept.
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
        self.kept.get(self.index(number)?)
    }

    fn index(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
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
        kept.previous.get(kept.content.rooms().iter().position(|of| of == room)?).copied()
    }

    fn forget_oldest(&mut self) {
        let Some(kept) = self.kept.pop_front() else { return };
        let number = self.first;
        self.first += 1;
        self.contents -= kept.content.bytes();
        for room in kept.content.rooms() {
            self.forgotten.note(room, kept.offset);
            if self.by_room.get(room) == Some(&number) {
                self.by_room.remove(room);
                self.contents -= shared(room.as_str().len());
            }
        }
        if let Content::Wide(event) = &kept.content {
            self.wide.pop_front();
            debug_assert!(!matches!(event.target(), Target::Rooms(_)));
            self.forgotten.note_everywhere(kept.offset);
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
#[path = "history_tests.rs"]
mod tests;
