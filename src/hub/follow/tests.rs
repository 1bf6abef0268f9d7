use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Followed, Follows, Interest, group::Share, table::FollowedTable};
use crate::{
    change::*,
    events::{Event, Filter, Mapper, Offset, RowOp, What},
    hub::SocketId,
};

const INT4: u32 = 23;
const TEXT: u32 = 25;

fn orders() -> Arc<Table> {
    let column = |(name, type_oid): (&str, u32)| Column { name: name.into(), type_oid };
    Arc::new(Table {
        schema: "public".into(),
        name: "orders".into(),
        oid: None,
        columns: [("id", INT4), ("status", TEXT)].map(column).to_vec(),
        key: None,
    })
}

fn interest(operation: Option<RowOp>, filter: &str) -> Interest {
    let filter = Filter::parse(Some(filter).filter(|filter| !filter.is_empty())).expect("a filter");
    Interest::new(("public".into(), "orders".into()), operation, filter)
}

fn row(id: &str, status: &str) -> Row {
    [Cell::from(id), Cell::from(status)].into_iter().collect()
}

fn update(old: Row, new: Row) -> Operation {
    Operation::Update { old: Some(OldRow::Full(old)), new }
}

/// The first event that a change is told in.
fn event(table: &Arc<Table>, operation: Operation) -> Event {
    let mut mapper = Mapper::new(Vec::new()).expect("no rules");
    mapper.learn(table, vec!["id".into()]);
    let mut events = Vec::new();
    let begin = Begin { commit_lsn: Lsn(8), committed_at: Timestamp(0), xid: 1 };
    for entry in [Entry::Begin(begin), Entry::Change(Change { lsn: Lsn(7), table: table.clone(), operation })] {
        mapper.map(entry, &mut events).expect("it can be told");
    }
    events.into_iter().next().expect("an event")
}

/// Who is told what.
fn told(table: &mut FollowedTable, event: &Event) -> Vec<(Vec<u64>, What, bool)> {
    let tellings = table.tell(&event.change().expect("a change"), event.offset(), 100);
    let told = tellings.into_iter().map(|telling| {
        (telling.sockets.iter().map(|socket| socket.0).collect(), telling.told.what, telling.told.undecided)
    });
    told.collect()
}

#[test]
fn ten_thousand_filters_by_equality_cost_a_change_a_look_up() {
    let mut table = FollowedTable::default();
    for id in 0..10_000 {
        table.join(&interest(None, &format!("id=eq.0{id}")), SocketId(id), Offset::default());
    }
    let orders = orders();
    let asked = |table: &mut FollowedTable, operation| {
        let event = event(&orders, operation);
        let asked = table.candidates(&event.change().expect("a change")).len();
        (asked, told(table, &event))
    };
    let insert = Operation::Insert { new: row("42", "open") };
    assert_eq!(asked(&mut table, insert), (1, vec![(vec![42], What::Insert, false)]));
    let moved = update(row("1", "open"), row("2", "open"));
    let left_and_entered = vec![(vec![1], What::Leave, false), (vec![2], What::Enter, false)];
    assert_eq!(asked(&mut table, moved), (2, left_and_entered));
    // The log does not repeat the key of a row that keeps it.
    let kept = Operation::Update { old: None, new: row("3", "sent") };
    assert_eq!(asked(&mut table, kept), (1, vec![(vec![3], What::Update, false)]));
    let key = [Cell::from("4"), Cell::Absent].into_iter().collect();
    let deleted = Operation::Delete { old: OldRow::Key(key) };
    assert_eq!(asked(&mut table, deleted), (1, vec![(vec![4], What::Delete, false)]));
    table.leave(&interest(None, "id=eq.04"), SocketId(4), None);
    assert_eq!(asked(&mut table, Operation::Insert { new: row("4", "open") }), (0, vec![]));
}

#[test]
fn those_that_ask_the_same_in_other_words_share_one_group() {
    let mut table = FollowedTable::default();
    for (socket, filter) in [(1, "status=eq.open,id=gt.1"), (2, "id=gt.1&status=in.(open)"), (3, "status=eq.open")] {
        table.join(&interest(None, filter), SocketId(socket), Offset::default());
    }
    table.join(&interest(Some(RowOp::Delete), "status=eq.open"), SocketId(4), Offset::default());
    let event = event(&orders(), Operation::Insert { new: row("2", "open") });
    assert_eq!(told(&mut table, &event), [(vec![1, 2], What::Insert, false), (vec![3], What::Insert, false)]);
}

#[test]
fn a_row_that_comes_or_goes_is_told_so() {
    let orders = orders();
    for (operation, expected) in [
        (Operation::Insert { new: row("1", "open") }, Some((What::Insert, false))),
        (Operation::Insert { new: row("1", "sent") }, None),
        (update(row("1", "open"), row("2", "open")), Some((What::Update, false))),
        (update(row("1", "new"), row("1", "open")), Some((What::Enter, false))),
        (update(row("1", "open"), row("1", "sent")), Some((What::Leave, false))),
        (update(row("1", "new"), row("1", "sent")), None),
        (Operation::Delete { old: OldRow::Full(row("1", "open")) }, Some((What::Delete, false))),
        (Operation::Delete { old: OldRow::Full(row("1", "sent")) }, None),
        // The log says nothing but the key of the row before.
        (Operation::Update { old: None, new: row("1", "open") }, Some((What::Update, true))),
        (Operation::Update { old: None, new: row("1", "sent") }, Some((What::Leave, true))),
        (
            Operation::Delete { old: OldRow::Key([Cell::from("1"), Cell::Absent].into_iter().collect()) },
            Some((What::Delete, true)),
        ),
    ] {
        let mut table = FollowedTable::default();
        table.join(&interest(None, "status=eq.open"), SocketId(1), Offset::default());
        let expected: Vec<_> = expected.map(|(what, undecided)| (vec![1], what, undecided)).into_iter().collect();
        assert_eq!(told(&mut table, &event(&orders, operation.clone())), expected, "{operation:?}");
    }
}

#[test]
fn a_table_that_is_altered_is_read_anew() {
    let mut table = FollowedTable::default();
    for (socket, filter) in [(1, "status=eq.open"), (2, "status=eq.sent"), (3, "id=eq.1")] {
        table.join(&interest(None, filter), SocketId(socket), Offset::default());
    }
    let before = orders();
    let insert = || Operation::Insert { new: row("1", "open") };
    assert_eq!(told(&mut table, &event(&before, insert())).len(), 2);
    // The same once more, as after an ANALYZE.
    assert_eq!(told(&mut table, &event(&orders(), insert())).len(), 2);
    let mut swapped = Table::clone(&before);
    swapped.columns.reverse();
    let sent = event(&Arc::new(swapped), Operation::Insert { new: row("sent", "1") });
    assert_eq!(told(&mut table, &sent), [(vec![2], What::Insert, false), (vec![3], What::Insert, false)]);
    let mut dropped = Table::clone(&before);
    dropped.columns.pop();
    let narrow = event(&Arc::new(dropped), Operation::Insert { new: [Cell::from("2")].into_iter().collect() });
    let undecided = [(vec![1], What::Insert, true), (vec![2], What::Insert, true)];
    assert_eq!(told(&mut table, &narrow), undecided, "nobody knows whether they want it");
}

#[test]
fn of_one_transaction_a_group_is_told_so_much() {
    let mut table = FollowedTable::default();
    table.join(&interest(None, ""), SocketId(1), Offset::default());
    table.join(&interest(None, "id=eq.2"), SocketId(2), Offset::default());
    let orders = orders();
    let mut shares = Vec::new();
    for id in ["1", "2", "3", "4"] {
        let event = event(&orders, Operation::Insert { new: row(id, "open") });
        let told = table.tell(&event.change().expect("a change"), event.offset(), 2);
        shares.extend(told.into_iter().map(|telling| (telling.sockets[0].0, telling.share)));
    }
    let all = [(1, Share::Fair), (1, Share::Fair), (2, Share::Fair), (1, Share::Full)];
    assert_eq!(shares, all, "the fourth is told to nobody");
    assert!(table.is_over(&interest(None, ""), Lsn(8), 2));
    assert!(!table.is_over(&interest(None, ""), Lsn(9), 2), "that was another transaction");
}

#[test]
fn a_socket_that_goes_leaves_nothing_behind() {
    let mut follows = Follows::default();
    let (all, some) = (interest(None, ""), interest(None, "id=eq.1"));
    let join = |follows: &mut Follows, socket, interest: &Interest, lsn| {
        let since = Offset { lsn: Lsn(lsn), n: 0 };
        follows.join(SocketId(socket), Followed { interest: interest.clone(), since }, since)
    };
    assert!(join(&mut follows, 1, &all, 5) && join(&mut follows, 1, &some, 5) && join(&mut follows, 2, &all, 5));
    assert!(!join(&mut follows, 1, &all, 3), "it follows that already");
    assert_eq!(follows.of(SocketId(1))[0].since.lsn, Lsn(3), "it was told of earlier changes too");
    assert!(follows.leave(SocketId(1), &some.name) && !follows.leave(SocketId(1), &some.name));
    assert_eq!(follows.remove(SocketId(1), None).len(), 1);
    assert_eq!(follows.audiences().map(|(_, sockets)| sockets.len()).collect::<Vec<_>>(), [1]);
    follows.remove(SocketId(2), None);
    assert!(follows.tables.is_empty() && follows.sockets.is_empty());
}

#[test]
fn what_was_told_last_may_not_have_arrived_whole() {
    let mut follows = Follows::default();
    let all = interest(None, "");
    let at = |lsn| Offset { lsn: Lsn(lsn), n: 0 };
    follows.begin(at(5));
    assert!(follows.is_quiet_since(&all, at(5), false));
    assert!(!follows.is_quiet_since(&all, at(4), true), "nobody knows what was before");
    follows.note(&all.table, at(7));
    assert!(!follows.is_quiet_since(&all, at(6), true));
    assert!(follows.is_quiet_since(&all, at(7), true));
    assert!(!follows.is_quiet_since(&all, at(7), false), "the same offset may have come in another frame");
    assert!(follows.is_quiet_since(&all, at(8), false));
}

#[test]
fn for_who_may_come_back_it_is_known_what_of_its_filter_has_changed() {
    let orders = orders();
    let at = |lsn| Offset { lsn: Lsn(lsn), n: 0 };
    let open = interest(None, "status=eq.open");
    for (is_kept, status, is_quiet) in
        [(true, "sent", true), (true, "open", false), (false, "sent", false), (false, "open", false)]
    {
        let mut follows = Follows::default();
        follows.begin(at(1));
        follows.join(SocketId(1), Followed { interest: open.clone(), since: at(2) }, at(2));
        let now = Instant::now();
        follows.remove(SocketId(1), is_kept.then_some(now));
        let event = event(&orders, Operation::Insert { new: row("1", status) });
        let change = event.change().expect("a change");
        follows.note(&change.table_name(), event.offset());
        follows.tables.values_mut().for_each(|table| drop(table.tell(&change, event.offset(), 9)));
        assert_eq!(follows.is_quiet_since(&open, at(3), true), is_quiet, "{is_kept} {status}");
        follows.age(now + Duration::from_secs(61), Duration::from_secs(60));
        assert!(!follows.is_quiet_since(&open, at(3), true) && follows.tables.is_empty(), "that was long ago");
    }
}
