use proptest::{collection::vec, prelude::*};

use super::{
    seeded,
    websocket::{Violation, deflate, inflate},
};

const LIMIT: usize = 1 << 20;

fn inflated(payload: &[u8]) -> Vec<u8> {
    inflate(payload, LIMIT).unwrap_or_else(|error| panic!("{payload:x?}: {error}"))
}

/// Section 7.2.3 of RFC 7692.
#[test]
fn the_examples_of_the_rfc_are_read() {
    for (payload, message) in [
        (&[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00][..], "Hello"),
        // One block that is not compressed.
        (&[0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00], "Hello"),
        // A last block.
        (&[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00], "Hello"),
        // Two blocks.
        (&[0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00], "Hello"),
        // An empty message.
        (&[0x00], ""),
    ] {
        assert_eq!(inflated(payload), message.as_bytes());
    }
}

#[test]
fn the_examples_of_the_rfc_are_written() {
    assert_eq!(deflate(b"Hello"), [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]);
    assert_eq!(deflate(b""), [0x00]);
}

#[test]
fn nothing_is_remembered_from_one_message_to_the_next() {
    // The RFC's second "Hello", which refers to the first.
    let second = [0xF2, 0x00, 0x11, 0x00, 0x00];
    assert_eq!(inflated(&deflate(b"Hello")), b"Hello");
    assert!(matches!(inflate(&second, LIMIT), Err(Violation::Protocol(_))));
    assert_eq!(inflated(&deflate(b"Hello")), b"Hello");
    assert_eq!(deflate(b"Hello"), deflate(b"Hello"));
}

/// Blocks of each kind: fixed codes, codes of their own, not compressed.
fn samples() -> [Vec<u8>; 4] {
    let json = (0..200).map(|id| format!("{{\"id\":{id},\"at\":{}}},", id * 7919 % 1009)).collect::<String>();
    let mut state = 1_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    [b"Hello".to_vec(), json.into_bytes(), noise.take(3000).collect(), vec![b'x'; 3000]]
}

#[test]
fn every_truncation_of_a_compressed_message_is_refused() {
    for sample in samples() {
        let payload = deflate(&sample);
        assert_eq!(inflated(&payload), sample);
        // One zero byte is a message: the empty one.
        for cut in (0..payload.len()).filter(|cut| payload[..*cut] != [0]) {
            let result = inflate(&payload[..cut], LIMIT);
            assert!(matches!(result, Err(Violation::Protocol(_))), "the first {cut} of {} bytes", payload.len());
        }
    }
}

#[test]
fn what_follows_the_end_of_a_message_is_refused() {
    let ended = [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    assert_eq!(inflated(&ended), b"Hello");
    for rest in [&[1][..], &[0, 0], &[0, 0, 0, 0xFF, 0xFF], &ended] {
        let result = inflate(&[&ended, rest].concat(), LIMIT);
        assert!(matches!(result, Err(Violation::Protocol(_))), "{rest:x?} passes");
    }
}

#[test]
fn a_message_may_be_as_long_as_the_limit_and_no_longer() {
    for limit in [0, 1, 255, 256, 257, 5000, 100_000] {
        for fill in [vec![b'x'; limit + 1], samples()[2].iter().copied().cycle().take(limit + 1).collect()] {
            let fitting = inflate(&deflate(&fill[..limit]), limit).expect("fits");
            assert_eq!(fitting, fill[..limit]);
            assert!(fitting.capacity() <= limit.max(8) + 1, "{} bytes of memory for {limit}", fitting.capacity());
            assert_eq!(inflate(&deflate(&fill), limit), Err(Violation::TooBig { limit }));
        }
    }
}

proptest! {
    #![proptest_config(seeded(512))]

    #[test]
    fn any_message_comes_back(words in vec(vec(any::<u8>(), 0..40), 1..20), order in vec(any::<usize>(), 0..200)) {
        // Words that come again, so that there is something to refer to.
        let message: Vec<u8> = order.iter().flat_map(|at| words[at % words.len()].iter().copied()).collect();
        prop_assert_eq!(inflated(&deflate(&message)), message);
    }
}
