use std::sync::Arc;

use bytes::Bytes;
use smallvec::smallvec;

use super::*;
use crate::{
    change::{Begin, Cell, Change, Column, Entry, Lsn, Operation, Row, Table, Timestamp},
    events::{Epoch, Mapper},
    hub::Weight,
};

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
    history.told(&history.after(rooms, offset(since))).iter().map(|(offset, _)| offset.lsn.0).collect()
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

/// What is kept of an INSERT that nobody heard.
fn unheard(lsn: u64, text: &str) -> Content {
    let columns = ["id", "text"].map(|name| Column { name: name.into(), type_oid: 25 }).to_vec();
    let table = Arc::new(Table { schema: "public".into(), name: "component".into(), oid: None, columns, key: None });
    let mut mapper = Mapper::new(Vec::new()).expect("no rules");
    mapper.learn(&table, vec!["id".into()]);
    let new: Row = [Cell::from("a"), Cell::from(text)].into_iter().collect();
    let begin = Begin { commit_lsn: Lsn(lsn), committed_at: Timestamp(0), xid: 1 };
    let mut events = Vec::new();
    for entry in
        [Entry::Begin(begin), Entry::Change(Change { lsn: Lsn(lsn), table, operation: Operation::Insert { new } })]
    {
        mapper.map(entry, &mut events).expect("it can be told");
    }
    let event = events.first().and_then(Event::lean).expect("an event of a row");
    Content::Unheard { event, rooms: smallvec![room("a")] }
}

fn encode_after(history: &mut History, room: &Room, since: u64, encode: impl Fn(&Event, &Room) -> Option<Frame>) {
    let missed = history.after(&[room], offset(since));
    history.encode(&missed, encode);
}

fn wire(event: &Event, room: &Room) -> Frame {
    Frame::new(event.encode(&Epoch::new("e"), room).into(), Weight::Durable)
}

#[test]
fn what_nobody_heard_is_encoded_once_and_only_for_those_who_missed_it() {
    let mut history = History::new(WIDE, offset(0));
    (1..=3).for_each(|lsn| history.push(offset(lsn), unheard(lsn, "x"), Instant::now()));
    let (a, encoded) = (room("a"), std::cell::Cell::new(0));
    let encode = |event: &Event, room: &Room| {
        encoded.set(encoded.get() + 1);
        Some(wire(event, room))
    };
    encode_after(&mut history, &room("b"), 0, encode);
    assert_eq!(encoded.get(), 0, "another room missed nothing");
    encode_after(&mut history, &a, 1, encode);
    encode_after(&mut history, &a, 1, encode);
    assert_eq!(encoded.get(), 2, "each of those after the offset, once");
    let missed = history.told(&history.after(&[&a], offset(1)));
    assert_eq!(missed.len(), 2);
    for (_, content) in missed {
        let Content::Rooms { frame, .. } = content else { panic!("it is not encoded") };
        assert!(frame.wire().starts_with(br#"{"id":"a","record":{"id":"a","text":"x"}"#), "{frame:?}");
    }
    assert!(matches!(history.told(&history.after(&[&a], offset(0))).first(), Some((_, Content::Unheard { .. }))));
}

#[test]
fn what_is_encoded_later_counts_for_what_it_takes_then() {
    let mut history = History::new(WIDE, offset(0));
    history.push(offset(1), unheard(1, &"x".repeat(500)), Instant::now());
    let before = history.bytes();
    encode_after(&mut history, &room("a"), 0, |event, room| Some(wire(event, room)));
    assert_ne!(history.bytes(), before);
    history.age(Instant::now() + Duration::from_secs(61));
    assert_eq!((history.len(), history.contents), (0, 0));
}

#[test]
fn what_grows_by_being_encoded_is_brought_within_bounds() {
    let mut history = History::new(WIDE, offset(0));
    // Each of these has an escape, six bytes for one.
    (1..=3).for_each(|lsn| history.push(offset(lsn), unheard(lsn, &"\u{1}".repeat(1_000)), Instant::now()));
    history.retention.bytes = history.bytes();
    encode_after(&mut history, &room("a"), 0, |event, room| Some(wire(event, room)));
    assert_eq!(history.told(&history.after(&[&room("a")], offset(0))).len(), 3, "nobody is deprived of it for that");
    history.age(Instant::now());
    assert!(history.len() < 3 && history.bytes() <= history.retention.bytes);
}
