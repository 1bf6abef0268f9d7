//! Whatever is done to a frame, a decoder answers with an error or with entries, never with a panic.

use std::collections::HashSet;

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;

/// What a damaged byte becomes: each of its bits flipped, and the bytes that mean something to the format.
fn damaged(byte: u8, meaningful: &[u8]) -> impl Iterator<Item = u8> {
    (0..8).map(move |bit| byte ^ (1 << bit)).chain(meaningful.iter().copied()).filter(move |other| *other != byte)
}

/// Whether a byte stands inside a long repetition, where its neighbours stand for it.
fn is_repeated(frame: &[u8], at: usize) -> bool {
    let before = |distance: usize| at.checked_sub(distance).and_then(|at| frame.get(at));
    [4, 8, 12].into_iter().all(|distance| before(distance) == frame.get(at))
}

/// What tells a frame from others for a decoder's purposes: its start (tag or action), and what is not a word or number.
fn shape(frame: &[u8]) -> Vec<u8> {
    let (start, rest) = frame.split_at(frame.len().min(14));
    start.iter().chain(rest.iter().filter(|byte| !byte.is_ascii_alphanumeric())).copied().collect()
}

/// wal2json's frames with the long texts cut short: their length means nothing to JSON.
fn shortened(payload: Bytes) -> Bytes {
    let mut text = String::from_utf8(payload.into()).expect("a frame of text");
    for (word, times) in [("long", 550), ("LONG", 550), ("k", 2100), ("l", 2100)] {
        text = text.replace(&word.repeat(times), word);
    }
    text.into()
}

/// Runs the fixtures of a plugin, and at each frame of a new shape hands all that `damage` makes of it to `see`, along
/// with a decoder that has seen all frames before it.
fn damage_each<D: Decoder + Clone>(
    plugin: &str,
    new: impl Fn(&str) -> D,
    damage: impl Fn(&Bytes) -> Vec<Bytes>,
    see: impl Fn(D, Lsn, Bytes),
) {
    let mut shapes = HashSet::new();
    for scenario in scenarios() {
        let mut decoder = new(&scenario);
        for (lsn, payload) in frames(plugin, &scenario) {
            let payload = if plugin == "wal2json" { shortened(payload) } else { payload };
            if shapes.insert(shape(&payload)) {
                damage(&payload).into_iter().for_each(|damaged| see(decoder.clone(), lsn, damaged));
            }
            decoder.decode(lsn, &payload, &mut Vec::new()).expect("the frame as it was sent");
        }
    }
}

fn cuts(payload: &Bytes) -> Vec<Bytes> {
    (0..payload.len()).filter(|len| !is_repeated(payload, *len)).map(|len| payload.slice(..len)).collect()
}

fn corruptions(payload: &Bytes, meaningful: &[u8]) -> Vec<Bytes> {
    let places = (0..payload.len()).filter(|at| !is_repeated(payload, *at));
    let frame = |at: usize, byte: u8| {
        let mut frame = payload.to_vec();
        frame[at] = byte;
        Bytes::from(frame)
    };
    places
        .flat_map(|at| damaged(payload[at], meaningful).map(move |byte| (at, byte)))
        .map(|(at, byte)| frame(at, byte))
        .collect()
}

fn refuses(mut decoder: impl Decoder, lsn: Lsn, payload: Bytes) {
    let shown = String::from_utf8_lossy(&payload).into_owned();
    assert!(decoder.decode(lsn, &payload, &mut Vec::new()).is_err(), "{lsn}: {shown:?} passes");
}

/// Decodes, and checks what comes out if anything does: a row has a cell for each column of its table.
fn survives(mut decoder: impl Decoder, lsn: Lsn, payload: Bytes) {
    let mut out = Vec::new();
    if decoder.decode(lsn, &payload, &mut out).is_ok() {
        check(&out);
    }
}

fn check(entries: &[Entry]) {
    for entry in entries {
        let Entry::Change(change) = entry else { continue };
        let columns = change.table.columns.len();
        let rows: Vec<&Row> = match &change.operation {
            Operation::Insert { new } => vec![new],
            Operation::Update { old, new } => old.iter().map(OldRow::row).chain([new]).collect(),
            Operation::Delete { old } => vec![old.row()],
            Operation::Truncate => vec![],
        };
        assert!(rows.iter().all(|row| row.len() == columns), "{change:?}");
    }
}

fn wal2json(scenario: &str) -> Wal2Json {
    Wal2Json::new(published(scenario))
}

#[test]
fn every_truncation_of_a_pgoutput_frame_is_refused() {
    damage_each("pgoutput", |_| PgOutput::new(), cuts, refuses);
}

#[test]
fn every_truncation_of_a_wal2json_frame_is_refused() {
    damage_each("wal2json", wal2json, cuts, refuses);
}

#[test]
fn no_corruption_of_a_pgoutput_byte_panics() {
    damage_each("pgoutput", |_| PgOutput::new(), |payload| corruptions(payload, b"\0\x01\xffntubKON"), survives);
}

#[test]
fn no_corruption_of_a_wal2json_byte_panics() {
    damage_each("wal2json", wal2json, |payload| corruptions(payload, b"\"\\}],0"), survives);
}

/// Every byte of every frame, as every other byte: without the shortcuts of the tests above.
fn corrupt_everything<D: Decoder + Clone>(plugin: &str, new: impl Fn(&str) -> D) {
    for scenario in scenarios() {
        let mut decoder = new(&scenario);
        for (lsn, payload) in frames(plugin, &scenario) {
            for at in 0..payload.len() {
                for byte in (0..=u8::MAX).filter(|byte| *byte != payload[at]) {
                    let mut damaged = payload.to_vec();
                    damaged[at] = byte;
                    survives(decoder.clone(), lsn, damaged.into());
                }
            }
            decoder.decode(lsn, &payload, &mut Vec::new()).expect("the frame as it was sent");
        }
    }
}

#[test]
#[ignore = "takes minutes unless it is optimised: make corruptions"]
fn every_corruption_of_every_pgoutput_byte_is_an_error_or_a_message() {
    corrupt_everything("pgoutput", |_| PgOutput::new());
}

#[test]
#[ignore = "takes minutes unless it is optimised: make corruptions"]
fn every_corruption_of_every_wal2json_byte_is_an_error_or_a_message() {
    corrupt_everything("wal2json", wal2json);
}

/// The bodies of the fuzz targets (`fuzz/`), on a bounded number of seeded mutations.
#[test]
fn no_mutation_of_a_stream_panics() {
    let mut random = StdRng::seed_from_u64(0x77616C);
    for scenario in scenarios() {
        for _ in 0..40 {
            let stream = mutate(frames("pgoutput", &scenario), &mut random);
            survives_stream(PgOutput::new(), stream);
            let stream = mutate(frames("wal2json", &scenario), &mut random);
            survives_stream(wal2json(&scenario), stream);
        }
    }
}

/// Going on after an error is not promised to make sense, only not to panic.
fn survives_stream(mut decoder: impl Decoder, stream: Vec<Frame>) {
    let mut out = Vec::new();
    for (lsn, payload) in stream {
        let _ = decoder.decode(lsn, &payload, &mut out);
    }
    check(&out);
}

fn mutate(mut frames: Vec<Frame>, random: &mut StdRng) -> Vec<Frame> {
    for _ in 0..random.random_range(1..6) {
        let (from, to) = (random.random_range(0..frames.len()), random.random_range(0..frames.len()));
        match random.random_range(0..4) {
            0 => frames.swap(from, to),
            1 => frames[to] = frames[from].clone(),
            2 => {
                let (head, tail) = (frames[from].1.clone(), frames[to].1.clone());
                let head = &head[..random.random_range(0..=head.len())];
                let tail = &tail[random.random_range(0..=tail.len())..];
                frames[to].1 = [head, tail].concat().into();
            }
            _ => {
                let mut bytes = frames[to].1.to_vec();
                if !bytes.is_empty() {
                    let at = random.random_range(0..bytes.len());
                    bytes[at] = random.random();
                }
                frames[to].1 = bytes.into();
            }
        }
    }
    frames
}
