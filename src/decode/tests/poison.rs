//! What cannot be read costs itself and nothing else, or ends the stream where going on would not be safe.

use super::*;
use crate::{change::TableName, decode::Fault};

const BEGIN: &str = "42000000000aa32f60000303e71c76ac00000004c6";
const RELATION: &str = "52000043407075626c69630074006400010169640000000017ffffffff";
const OTHER_RELATION: &str = "52000043417075626c69630075006400010169640000000017ffffffff";
const INSERT: &str = "49000043404e0001740000000131";
const OTHER_INSERT: &str = "49000043414e0001740000000131";
const BAD_INSERT: &str = "49000043404e00017400000001e9";
const COMMIT: &str = "4300000000000aa32f60000000000aa32fa8000303e71c76ac00";

const W_BEGIN: &str = r#"{"action":"B","xid":1,"timestamp":"2026-11-23 02:28:00+00","lsn":"0/10","nextlsn":"0/20"}"#;

/// Decodes on through what can be skipped.
fn go_on(decoder: &mut dyn Decoder, frames: impl IntoIterator<Item = Vec<u8>>) -> (Vec<Entry>, Vec<DecodeError>) {
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    for frame in frames {
        if let Err(error) = decoder.decode(Lsn(7), &frame, &mut out) {
            assert!(error.is_skippable(), "{error}");
            errors.push(error);
        }
    }
    (out, errors)
}

fn pgoutput(frames: &[&str]) -> (Vec<Entry>, Vec<DecodeError>) {
    go_on(&mut PgOutput::new(), frames.iter().map(|hex| unhex(hex)))
}

fn wal2json(frames: &[&[u8]]) -> (Vec<Entry>, Vec<DecodeError>) {
    let mut decoder = Wal2Json::new(published("message"));
    go_on(&mut decoder, frames.iter().map(|frame| frame.to_vec()))
}

fn unreadable(table: Option<(&str, &str)>) -> Entry {
    let table = table.map(|(schema, name)| (schema.into(), name.into()));
    Entry::Unreadable(Unreadable { lsn: Lsn(7), table })
}

/// Each entry in a word: what it is, and of which table.
fn words(entries: &[Entry]) -> Vec<String> {
    let word = |entry: &Entry| match entry {
        Entry::Begin(_) => "begin".to_owned(),
        Entry::Commit(_) => "commit".to_owned(),
        Entry::Message(message) => format!("message {}", message.prefix),
        Entry::Change(change) => format!("change {}", change.table),
        Entry::Unreadable(Unreadable { table, .. }) => format!("unreadable {table:?}"),
    };
    entries.iter().map(word).collect()
}

/// Cuts the last byte off each frame that tells something, one at a time, and checks that it becomes unreadable in its
/// place, and that all others say what they said.
fn cutting_costs_the_frame_alone<D: Decoder + Clone>(
    plugin: &str,
    new: impl Fn(&str) -> D,
    same: impl Fn(&[Entry], &[Entry]) -> bool,
) {
    let mut cut = 0;
    for scenario in scenarios() {
        let frames = frames(plugin, &scenario);
        let mut decoder = new(&scenario);
        for (at, (lsn, payload)) in frames.iter().enumerate() {
            let mut damaged = decoder.clone();
            let mut told = Vec::new();
            decoder.decode(*lsn, payload, &mut told).expect("the frame as it was sent");
            let table = match told.last() {
                Some(Entry::Change(change)) if told.len() < 3 => Some(change.table.full_name()),
                Some(Entry::Change(_)) => None,
                Some(Entry::Message(message)) if message.transactional => None,
                _ => continue,
            };
            let is_truncate = plugin == "pgoutput" && payload.first() == Some(&b'T');
            let table: Option<TableName> = table.filter(|_| !is_truncate);
            cut += 1;
            let mut out = Vec::new();
            let error = damaged.decode(*lsn, &payload[..payload.len() - 1], &mut out).expect_err("a cut frame");
            assert!(error.is_skippable(), "{error}");
            assert_eq!(error.table(), table.as_ref());
            let begin = matches!(told.first(), Some(Entry::Begin(_)));
            let lost = Entry::Unreadable(Unreadable { lsn: *lsn, table });
            assert_eq!(out, told.drain(..usize::from(begin)).chain([lost]).collect::<Vec<_>>());
            let (mut after, mut expected) = (Vec::new(), Vec::new());
            let mut sound = decoder.clone();
            for (lsn, payload) in &frames[at + 1..] {
                damaged.decode(*lsn, payload, &mut after).expect("what follows can be read");
                sound.decode(*lsn, payload, &mut expected).expect("what follows can be read");
            }
            assert!(same(&after, &expected), "{scenario}, after {lsn}:\n{after:?}\n{expected:?}");
        }
    }
    assert!(cut > 100, "only {cut} frames were cut");
}

#[test]
fn a_frame_of_pgoutput_that_cannot_be_read_costs_itself_alone() {
    cutting_costs_the_frame_alone("pgoutput", |_| PgOutput::new(), |after, expected| after == expected);
}

#[test]
fn a_frame_of_wal2json_that_cannot_be_read_costs_itself_alone() {
    // Which columns there are is learnt from an INSERT: where that was lost, later rows may have more cells.
    let same = |after: &[Entry], expected: &[Entry]| words(after) == words(expected);
    cutting_costs_the_frame_alone("wal2json", |scenario| Wal2Json::new(published(scenario)), same);
}

#[test]
fn the_transaction_begins_with_the_unreadable_change_if_that_is_its_first() {
    let (told, errors) = pgoutput(&[BEGIN, RELATION, BAD_INSERT, INSERT, COMMIT]);
    assert_eq!(words(&told), ["begin", r#"unreadable Some(("public", "t"))"#, "change public.t", "commit"]);
    assert!(matches!(errors[0].fault(), Fault::CellNotUtf8 { column } if column == "id"));
}

#[test]
fn a_relation_that_cannot_be_read_makes_its_changes_unreadable_until_it_is_announced_again() {
    let cut = &RELATION[..RELATION.len() - 2];
    let frames = [BEGIN, RELATION, OTHER_RELATION, INSERT, cut, INSERT, OTHER_INSERT, RELATION, INSERT];
    let (told, errors) = pgoutput(&frames);
    let lost = r#"unreadable Some(("public", "t"))"#;
    assert_eq!(words(&told), ["begin", "change public.t", lost, "change public.u", "change public.t"]);
    assert!(matches!(errors[1].fault(), Fault::UnknownRelation(0x4340)) && errors.len() == 2, "{errors:?}");
}

#[test]
fn a_relation_whose_columns_are_not_utf8_keeps_its_name() {
    let odd = RELATION.replacen("016964", "01e964", 1);
    let (told, _) = pgoutput(&[BEGIN, &odd, INSERT]);
    assert_eq!(told[1..], [unreadable(Some(("public", "t")))]);
}

#[test]
fn a_relation_whose_name_is_not_utf8_is_named_as_far_as_it_can_be() {
    let odd = RELATION.replacen("740064", "e90064", 1);
    let (told, _) = pgoutput(&[BEGIN, &odd, INSERT]);
    assert_eq!(told[1..], [unreadable(Some(("public", "\u{FFFD}")))]);
}

#[test]
fn a_change_of_a_relation_that_nothing_names_may_be_of_any_table() {
    assert_eq!(pgoutput(&[BEGIN, INSERT]).0[1..], [unreadable(None)]);
    let without_a_name = &RELATION[..14];
    assert_eq!(pgoutput(&[BEGIN, RELATION, without_a_name, INSERT]).0[1..], [unreadable(None)]);
}

#[test]
fn a_truncate_tells_the_relations_that_are_known() {
    let (told, errors) = pgoutput(&[BEGIN, RELATION, "5400000002000000434100004340", COMMIT]);
    assert_eq!(words(&told), ["begin", "unreadable None", "change public.t", "commit"]);
    assert_eq!(errors.len(), 1);
}

#[test]
fn a_type_or_an_origin_that_cannot_be_read_loses_nothing() {
    let (told, errors) = pgoutput(&[BEGIN, "5900004230", "4f0000000abc", RELATION, INSERT]);
    assert_eq!((words(&told), errors.len()), (words(&pgoutput(&[BEGIN, RELATION, INSERT]).0), 2));
    assert!(pgoutput(&[BEGIN, "59000042307075e963006de96f6400"]).1.is_empty(), "their names need not be UTF-8");
}

#[test]
fn a_message_whose_prefix_is_not_utf8_is_not_ours() {
    let (told, errors) = pgoutput(&[BEGIN, "4d01000000000000000fe90000000000", RELATION, INSERT]);
    assert_eq!((words(&told), errors.len()), (vec!["begin".to_owned(), "change public.t".to_owned()], 1));
    let message =
        b"{\"action\":\"M\",\"xid\":1,\"lsn\":\"0/F\",\"transactional\":true,\"prefix\":\"\xe9\",\"content\":\"\xe9\"}";
    let (told, errors) = wal2json(&[W_BEGIN.as_bytes(), message]);
    assert_eq!((told, errors.len()), (vec![], 1));
}

#[test]
fn a_message_outside_every_transaction_that_cannot_be_read_loses_nothing() {
    assert_eq!(pgoutput(&["4d00000000"]).0, []);
    assert_eq!(wal2json(&[br#"{"action":"M","xid":null,"#]).0, []);
}

#[test]
fn a_wal2json_frame_of_bytes_that_are_not_utf8_names_its_table() {
    let insert = |schema: &[u8], table: &[u8], value: &[u8]| {
        let head =
            [b"{\"action\":\"I\",\"xid\":1,\"lsn\":\"0/7\",\"schema\":\"", schema, b"\",\"table\":\"", table].concat();
        [&head, &b"\",\"columns\":[{\"name\":\"id\",\"typeoid\":25,\"value\":\""[..], value, b"\"}]}"].concat()
    };
    let (told, errors) =
        wal2json(&[W_BEGIN.as_bytes(), &insert(b"public", b"t", b"caf\xe9"), &insert(b"public", b"t", b"cafe")]);
    assert_eq!(words(&told), ["begin", r#"unreadable Some(("public", "t"))"#, "change public.t"]);
    assert!(matches!(errors[0].fault(), Fault::Json(_)), "{errors:?}");
    let (told, errors) = wal2json(&[W_BEGIN.as_bytes(), &insert(b"public", b"hidden", b"caf\xe9")]);
    assert_eq!((told, errors.len()), (vec![], 1), "what is not published is not told");
    let (told, _) = wal2json(&[W_BEGIN.as_bytes(), br#"{"action":"I","xid":1,"lsn":"0/7","sch"#]);
    assert_eq!(words(&told), ["begin", "unreadable None"]);
}

#[test]
fn what_may_have_moved_the_transaction_cannot_be_skipped() {
    let refused = |decoder: &mut dyn Decoder, frames: &[&[u8]]| {
        let (last, before) = frames.split_last().expect("a frame");
        go_on(decoder, before.iter().map(|frame| frame.to_vec()));
        let mut out = Vec::new();
        let error = decoder.decode(Lsn(7), last, &mut out).expect_err("it cannot be read");
        assert!(!error.is_skippable() && out.is_empty(), "{error}");
    };
    let begin = unhex(BEGIN);
    let cut = |hex: &str| unhex(&hex[..hex.len() - 2]);
    for frame in [cut(BEGIN), unhex(COMMIT), unhex(INSERT), unhex(RELATION), vec![], b"?".to_vec()] {
        refused(&mut PgOutput::new(), &[&frame]);
    }
    // A commit, a tag that is not known, and a relation that does not say which one is void.
    for frame in [cut(COMMIT), begin.clone(), vec![], b"S".to_vec(), b"R\0".to_vec()] {
        refused(&mut PgOutput::new(), &[&begin, &frame]);
    }
    let cut = &W_BEGIN[..W_BEGIN.len() - 1];
    for frame in [cut, r#"{"action":"I","#, r#"{"action":"?"}"#, "{", "", "not JSON"] {
        refused(&mut Wal2Json::new(published("message")), &[frame.as_bytes()]);
    }
    for frame in [r#"{"action":"C","#, r#"{"action":"B","#, r#"{"act"#, "{}"] {
        refused(&mut Wal2Json::new(published("message")), &[W_BEGIN.as_bytes(), frame.as_bytes()]);
    }
}
