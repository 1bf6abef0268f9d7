//! Updates of one row that are told as one.

use std::time::Duration;

use super::*;

fn hot() -> Value {
    let mut rule = components_rule();
    rule["throttle_ms"] = 100.into();
    rule
}

fn at(name: &str, version: &str, actor: &str) -> Row {
    row(["7", "page", "1", name, "[]", version, "ann", actor])
}

/// The updates from one row to the next.
fn updates<const N: usize>(stream: &mut Stream, rows: [Row; N]) -> Vec<Event> {
    for (old, new) in rows.iter().zip(rows.iter().skip(1)) {
        stream.change(&components(), update(old.clone(), new.clone())).expect("no fault");
    }
    std::mem::take(&mut stream.out)
}

#[test]
fn later_values_win_at_the_later_place() {
    let mut stream = Stream::new(&[hot()]);
    // One layout for all: it is the same as long as the log does not tell another.
    let table = components();
    for (old, new) in [(at("a", "1", "ann"), at("b", "2", "ann")), (at("b", "2", "ann"), at("b", "3", "bob"))] {
        stream.change(&table, update(old, new)).expect("no fault");
    }
    let [one, two] = &stream.out[..] else { panic!("two updates") };
    assert_eq!(one.throttle(), Some(Duration::from_millis(100)));
    let merged = one.merged_with(two).expect("they are alike");
    assert_eq!(merged.offset(), two.offset());
    assert_eq!(
        show(&merged),
        r#"component:updated [component:7 entity:page:1] {"componentId":"7","updates":{"name":"b","version":3,"updated_by":"bob"},"updatedBy":"bob","version":3}"#
    );
}

#[test]
fn a_large_value_that_the_log_does_not_repeat_is_kept() {
    let mut stream = Stream::new(&[hot()]);
    let table = components();
    let short = row(["7", "page", "1", "large", "[]", "1", "ann", "ann"]);
    stream.change(&table, update(at("a", "1", "ann"), short)).expect("no fault");
    let unrepeated = |version| row(["7", "page", "1", "…", "[]", version, "ann", "ann"]);
    stream.change(&table, update(unrepeated("1"), unrepeated("2"))).expect("no fault");
    let [one, two] = &stream.out[..] else { panic!("two updates") };
    let merged = show(&one.merged_with(two).expect("they are alike"));
    assert!(merged.contains(r#""updates":{"name":"large","version":2}"#), "{merged}");
}

#[test]
fn what_is_not_alike_is_not_told_as_one() {
    let mut stream = Stream::new(&[hot()]);
    let [one] = &updates(&mut stream, [at("a", "1", "ann"), at("b", "1", "ann")])[..] else { panic!("one") };
    // Another layout of the table.
    let [two] = &updates(&mut stream, [at("b", "1", "ann"), at("c", "1", "ann")])[..] else { panic!("one") };
    assert!(one.merged_with(two).is_none());
    let elsewhere = row(["8", "page", "1", "b", "[]", "1", "ann", "ann"]);
    let other = row(["8", "page", "1", "c", "[]", "1", "ann", "ann"]);
    let [three] = &updates(&mut stream, [elsewhere, other])[..] else { panic!("one") };
    assert!(two.merged_with(three).is_none());
}

#[test]
fn of_two_sockets_neither_is_left_out() {
    let mut stream = Stream::new(&[hot()]);
    let table = components();
    let mut write = |socket: &str, old: &str, new: &str| {
        stream.take(set_actor(&json!({ "actor": "ann", "socket": socket }).to_string())).expect("no fault");
        stream.change(&table, update(at(old, "1", "ann"), at(new, "1", "ann"))).expect("no fault");
        stream.out.pop().expect("an update")
    };
    let (one, two, three) = (write("s1", "a", "b"), write("s1", "b", "c"), write("s2", "c", "d"));
    let socket = |event: &Event| event.actor().and_then(|actor| actor.socket.clone());
    let same = one.merged_with(&two).expect("alike");
    assert_eq!(socket(&same).as_deref(), Some("s1"));
    assert_eq!(socket(&same.merged_with(&three).expect("alike")), None);
}
