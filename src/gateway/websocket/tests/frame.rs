use std::io::Cursor;

use bytes::Bytes;
use tungstenite::{
    Message,
    protocol::{CloseFrame, frame::FrameHeader},
};

use super::{
    KEY, Sent, read,
    websocket::{
        Violation,
        frame::{self, Head},
    },
};

fn parse(bytes: &[u8]) -> Result<Option<Head>, Violation> {
    Head::parse(bytes)
}

#[test]
fn a_text_is_its_pieces_in_one_frame_at_every_size_of_a_head() {
    for (length, head) in [
        (0, &[0x81, 0][..]),
        (125, &[0x81, 125]),
        (126, &[0x81, 126, 0, 126]),
        (65_535, &[0x81, 126, 0xFF, 0xFF]),
        (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let payload = "x".repeat(length);
        let (one, other) = payload.as_bytes().split_at(length / 3);
        let frame = frame::text(&[one, b"", other]);
        assert_eq!(frame, [head, payload.as_bytes()].concat());
        assert_eq!(frame::payload(&frame), payload);
        assert_eq!(read(frame), [Message::text(payload)]);
    }
}

#[test]
fn a_compressed_text_differs_by_one_bit() {
    let (plain, compressed) = (frame::text(&[b"abc"]), frame::compressed_text(b"abc"));
    assert_eq!((plain[0] | 0x40, &plain[1..]), (compressed[0], &compressed[1..]));
    assert_eq!(frame::payload(&compressed), "abc");
}

#[test]
fn a_payload_is_shared_with_its_frame() {
    let frame = frame::text(&[b"abc"]);
    assert_eq!(frame::payload(&frame).as_ptr(), frame[2..].as_ptr());
}

#[test]
fn what_is_not_a_frame_of_ours_has_no_payload() {
    let frame = frame::text(&[&[b'x'; 200]]);
    for cut in 0..frame.len() {
        assert_eq!(frame::payload(&frame.slice(..cut)), "", "the first {cut} bytes");
    }
    assert_eq!(frame::payload(&[&frame[..], b"x"].concat().into()), "");
    assert_eq!(frame::payload(&Sent::text("x").bytes().into()), "");
    assert_eq!(frame::payload(&Bytes::from_static(&[0xF1, 0])), "");
}

#[test]
fn a_close_frame_says_why() {
    let reason = CloseFrame { code: 1009.into(), reason: "too big".into() };
    assert_eq!(read(frame::close(1009, "too big")), [Message::Close(Some(reason))]);
}

#[test]
fn a_pong_says_what_the_ping_did() {
    assert_eq!(read(frame::pong(b"beat")), [Message::Pong("beat".into())]);
}

#[test]
fn a_reason_that_is_too_long_is_cut_between_characters() {
    let frame = frame::close(1002, &"ä".repeat(100));
    let reason = CloseFrame { code: 1002.into(), reason: "ä".repeat(61).into() };
    assert_eq!(read(frame), [Message::Close(Some(reason))]);
    assert_eq!(frame::close(1002, &"x".repeat(124)).len(), 127);
}

#[test]
fn a_head_is_read_once_all_of_it_is_there() {
    for (length, size) in [(3, 6), (300, 8), (70_000, 14)] {
        let bytes = Sent::binary(vec![7; length]).unfinished().bytes();
        for cut in 0..size {
            assert_eq!(parse(&bytes[..cut]), Ok(None), "the first {cut} bytes");
        }
        let length = length as u64;
        let head = Head { fin: false, rsv1: false, opcode: 2, masked: true, key: KEY, length, size };
        assert_eq!(parse(&bytes[..size]), Ok(Some(head)));
        assert_eq!(parse(&bytes), Ok(Some(head)));
    }
}

#[test]
fn a_length_beyond_all_memory_is_read_all_the_same() {
    let head = parse(&[0x82, 0x7F, 255, 255, 255, 255, 255, 255, 255, 255]).expect("no violation").expect("whole");
    assert_eq!((head.length, head.frame_size()), (u64::MAX, None));
}

/// Every pair of first bytes, which hold all but the length and the key.
#[test]
fn heads_are_read_as_tungstenite_reads_them() {
    for (first, second) in (0..=u16::MAX).map(u16::to_be_bytes).map(|[first, second]| (first, second)) {
        let bytes = [first, second, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
        let mut cursor = Cursor::new(bytes);
        let theirs = FrameHeader::parse(&mut cursor);
        let is_control = first & 0x08 != 0;
        let is_refused = first & 0x30 != 0 || is_control && (first & 0x80 == 0 || second & 0x7F > 125);
        let (Ok(Some((theirs, length))), false) = (theirs, is_refused) else {
            assert!(matches!(parse(&bytes), Err(Violation::Protocol(_))), "{first:#x} {second:#x} passes");
            continue;
        };
        let head = Head {
            fin: theirs.is_final,
            rsv1: theirs.rsv1,
            opcode: theirs.opcode.into(),
            masked: theirs.mask.is_some(),
            key: theirs.mask.unwrap_or_default(),
            length,
            size: cursor.position() as usize,
        };
        assert_eq!(parse(&bytes), Ok(Some(head)));
    }
}
