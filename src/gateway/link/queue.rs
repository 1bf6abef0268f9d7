use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    time::Instant,
};

use bytes::Bytes;
use smallvec::SmallVec;
use tokio::net::TcpStream;

use crate::{hub::Weight, telemetry};

/// What waits to be sent over one connection, in order. Most are empty, always, and take a pointer.
#[derive(Default)]
pub struct Queue(Option<Box<Line>>);

/// What waits, if something does.
#[derive(Default)]
struct Line {
    waiting: VecDeque<Waiting>,
    /// How much of the first is sent already, in bytes.
    begun: usize,
    /// Since when the first is the first.
    since: Option<Instant>,
    cost: usize,
    counted: usize,
}

struct Waiting {
    bytes: Bytes,
    weight: Weight,
    /// Replays do not count: however much they are, they must get through, and others keep them anyway.
    is_replay: bool,
}

/// What a waiting frame takes beside its bytes.
const PLACE: usize = size_of::<Waiting>();
/// The most pieces that one system call is given.
pub const PIECES: usize = 64;

/// Pieces for a vectored write, without an allocation.
pub type Slices<'a> = SmallVec<[IoSlice<'a>; PIECES]>;

/// Sends as much of the pieces as the kernel takes now. To send costs less than to write, as to a file.
pub fn send(tcp: &TcpStream, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
    let socket = socket2::SockRef::from(tcp);
    match pieces {
        [piece] => socket.send(piece),
        _ => socket.send_vectored(pieces),
    }
}

impl Queue {
    pub fn push(&mut self, bytes: Bytes, weight: Weight, now: Instant) {
        self.put(Waiting { bytes, weight, is_replay: false }, now);
    }

    pub fn push_replay(&mut self, bytes: Bytes, weight: Weight, now: Instant) {
        self.put(Waiting { bytes, weight, is_replay: true }, now);
    }

    /// A newer volatile frame takes the place of the one with its key.
    fn put(&mut self, new: Waiting, now: Instant) {
        let line = self.0.get_or_insert_default();
        line.since.get_or_insert(now);
        if let Weight::Volatile { .. } = new.weight {
            // The first may be begun.
            let stale = line.waiting.iter().skip(1).position(|waiting| waiting.weight == new.weight);
            if let Some(stale) = stale.and_then(|at| line.waiting.get_mut(at + 1)) {
                line.cost = line.cost - stale.cost() + new.cost();
                *stale = new;
                telemetry::dropped("replaced", 1);
                return;
            }
        }
        line.push(new);
    }

    /// Drops what may be dropped.
    pub fn shed(&mut self) {
        let Some(line) = &mut self.0 else { return };
        (line.cost, line.counted) = (0, 0);
        let before = std::mem::take(&mut line.waiting);
        let waited = before.len();
        for (nth, waiting) in before.into_iter().enumerate() {
            if nth == 0 || waiting.weight == Weight::Durable {
                line.push(waiting);
            }
        }
        telemetry::dropped("shed", waited - line.waiting.len());
    }

    /// The pieces to send next, and their length.
    pub fn slices(&self) -> (Slices<'_>, usize) {
        let mut begun = self.0.as_ref().map_or(0, |line| line.begun);
        let pieces = self.0.iter().flat_map(|line| &line.waiting).take(PIECES).map(|waiting| {
            let rest = waiting.bytes.get(std::mem::take(&mut begun)..).unwrap_or_default();
            IoSlice::new(rest)
        });
        let slices: Slices<'_> = pieces.collect();
        let length = slices.iter().map(|slice| slice.len()).sum();
        (slices, length)
    }

    /// So many bytes of [`slices`](Self::slices) were sent.
    pub fn advance(&mut self, mut sent: usize, now: Instant) {
        while let Some(line) = &mut self.0 {
            let rest = line.waiting.front().map_or(0, |first| first.bytes.len() - line.begun);
            if sent < rest {
                line.begun += sent;
                return;
            }
            sent -= rest;
            self.pop(now);
        }
    }

    /// Takes out the first, whole.
    pub fn pop(&mut self, now: Instant) -> Option<Bytes> {
        let line = self.0.as_mut()?;
        let first = line.waiting.pop_front()?;
        line.begun = 0;
        line.cost -= first.cost();
        line.counted -= usize::from(!first.is_replay);
        line.since = Some(now);
        if line.waiting.is_empty() {
            self.0 = None;
        }
        Some(first.bytes)
    }

    /// Moves everything of another queue behind what is here.
    pub fn append(&mut self, other: &mut Queue) {
        match (&mut self.0, other.0.take()) {
            (Some(line), Some(mut other)) => {
                line.cost += other.cost;
                line.counted += other.counted;
                line.waiting.append(&mut other.waiting);
            }
            (empty @ None, other) => *empty = other,
            (Some(_), None) => {}
        }
    }

    /// Since when the first has been waiting to be taken.
    pub fn since(&self) -> Option<Instant> {
        self.0.as_ref()?.since
    }

    /// In bytes, places included and replays not.
    pub fn cost(&self) -> usize {
        self.0.as_ref().map_or(0, |line| line.cost)
    }

    /// How many frames wait, replays not counted.
    pub fn counted(&self) -> usize {
        self.0.as_ref().map_or(0, |line| line.counted)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl Line {
    fn push(&mut self, new: Waiting) {
        self.cost += new.cost();
        self.counted += usize::from(!new.is_replay);
        self.waiting.push_back(new);
    }
}

impl Waiting {
    /// What it counts for, in bytes.
    fn cost(&self) -> usize {
        if self.is_replay { 0 } else { self.bytes.len() + PLACE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(texts: &[&'static str]) -> Queue {
        let mut queue = Queue::default();
        for text in texts {
            queue.push(Bytes::from(*text), Weight::Durable, Instant::now());
        }
        queue
    }

    fn rest(queue: &Queue) -> String {
        queue.slices().0.iter().map(|slice| String::from_utf8_lossy(slice).into_owned()).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn what_is_sent_is_gone_byte_by_byte() {
        let mut queue = queue(&["abc", "de", "f"]);
        assert_eq!((rest(&queue), queue.slices().1), ("abc|de|f".to_owned(), 6));
        for (sent, left) in [(2, "c|de|f"), (0, "c|de|f"), (2, "e|f"), (1, "f"), (1, "")] {
            queue.advance(sent, Instant::now());
            assert_eq!(rest(&queue), left);
        }
        assert!(queue.is_empty() && queue.cost() == 0);
    }

    #[test]
    fn a_newer_volatile_frame_takes_the_place_of_the_older_one() {
        let mut queue = queue(&["first"]);
        let cursor = Weight::Volatile { key: 1 };
        for (text, weight) in
            [("at 1", cursor), ("typing", Weight::Volatile { key: 2 }), ("change", Weight::Durable), ("at 22", cursor)]
        {
            queue.push(Bytes::from(text), weight, Instant::now());
        }
        assert_eq!(rest(&queue), "first|at 22|typing|change");
        assert_eq!(queue.cost(), 5 + 5 + 6 + 6 + 4 * PLACE);
        queue.shed();
        assert_eq!(rest(&queue), "first|change");
        assert_eq!(queue.cost(), 5 + 6 + 2 * PLACE);
    }

    #[test]
    fn what_is_replaced_or_dropped_is_counted() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let mut queue = queue(&["first", "change"]);
            for (text, key) in [("at 1", 1), ("at 2", 1), ("at 3", 1), ("typing", 2)] {
                queue.push(Bytes::from(text), Weight::Volatile { key }, Instant::now());
            }
            queue.shed();
            queue.shed();
        });
        let told = recorder.handle().render();
        for (reason, count) in [("replaced", 2), ("shed", 2)] {
            let line = format!("walcast_drops_total{{reason=\"{reason}\"}} {count}");
            assert!(told.lines().any(|told| told == line), "{told}");
        }
    }

    #[test]
    fn a_frame_that_is_begun_is_not_replaced_nor_dropped() {
        let mut queue = Queue::default();
        let cursor = Weight::Volatile { key: 1 };
        queue.push(Bytes::from("at 1"), cursor, Instant::now());
        queue.advance(2, Instant::now());
        queue.push(Bytes::from("at 2"), cursor, Instant::now());
        assert_eq!(rest(&queue), " 1|at 2");
        queue.shed();
        assert_eq!(rest(&queue), " 1");
    }

    #[test]
    fn replays_do_not_count() {
        let mut queue = Queue::default();
        queue.push_replay(Bytes::from(vec![0; 1 << 20]), Weight::Durable, Instant::now());
        assert_eq!((queue.cost(), queue.counted(), queue.is_empty()), (0, 0, false));
        let mut wire = self::queue(&["a"]);
        wire.append(&mut queue);
        assert_eq!((wire.counted(), wire.cost(), queue.is_empty()), (1, 1 + PLACE, true));
        wire.pop(Instant::now());
        assert_eq!((wire.counted(), wire.cost(), wire.is_empty()), (0, 0, false));
    }

    #[test]
    fn each_frame_has_its_time_from_when_it_is_the_first() {
        let mut queue = queue(&["a", "b"]);
        let start = queue.since().expect("something waits");
        let later = start + std::time::Duration::from_secs(5);
        queue.advance(0, later);
        assert_eq!(queue.since(), Some(start));
        queue.advance(1, later);
        assert_eq!(queue.since(), Some(later));
        queue.advance(1, later);
        assert_eq!(queue.since(), None);
    }
}
