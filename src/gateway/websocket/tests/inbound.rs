use bytes::BytesMut;
use tungstenite::{Message, protocol::Role};

use super::{
    KEY, Sent, compressed, read,
    websocket::{Inbound, Violation, deflate},
};

const LIMIT: usize = 1 << 16;

/// What comes out of one push of all that was sent, and whether the upgrade packet was in it.
fn push(negotiated: bool, sent: &[Vec<u8>]) -> Result<(BytesMut, bool), Violation> {
    let mut out = BytesMut::new();
    let upgrades = Inbound::new(negotiated, LIMIT).push(&sent.concat(), &mut out)?;
    Ok((out, upgrades))
}

fn out(negotiated: bool, sent: &[Vec<u8>]) -> BytesMut {
    push(negotiated, sent).unwrap_or_else(|violation| panic!("{violation}")).0
}

fn upgrades(sent: &[Vec<u8>]) -> bool {
    push(true, sent).unwrap_or_else(|violation| panic!("{violation}")).1
}

fn refused(negotiated: bool, sent: &[Vec<u8>]) -> Violation {
    push(negotiated, sent).map(|(out, _)| read(Role::Server, out)).expect_err("no violation")
}

/// The halves of a compressed message, each to be sent in a frame of its own.
fn halves(message: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut deflated = deflate(message);
    let rest = deflated.split_off(deflated.len() / 2);
    (deflated, rest)
}

#[test]
fn a_compressed_message_comes_out_as_a_plain_frame_with_a_zero_key() {
    for length in [1, 125, 126, 65_535, 65_536] {
        let text = "x".repeat(length);
        assert_eq!(out(true, &[compressed(&text)]), Sent { key: Some([0; 4]), ..Sent::text(text) }.bytes()[..]);
    }
    let binary = Sent::binary(deflate(b"\0\xFF")).compressed().bytes();
    assert_eq!(out(true, &[binary]), Sent { key: Some([0; 4]), ..Sent::binary(b"\0\xFF") }.bytes()[..]);
}

#[test]
fn what_is_not_compressed_passes_as_it_is() {
    let sent = [
        Sent::text("2probe").bytes(),
        Sent::ping("beat").bytes(),
        Sent::binary(vec![1; 300]).unfinished().bytes(),
        Sent::ping("").bytes(),
        Sent::continuation("").unfinished().bytes(),
        Sent::continuation(vec![2; 300]).bytes(),
        Sent::text("").bytes(),
    ];
    for negotiated in [true, false] {
        assert_eq!(out(negotiated, &sent), sent.concat()[..]);
    }
}

#[test]
fn a_plain_fragment_does_not_wait_for_the_next() {
    let (mut inbound, mut out) = (Inbound::new(true, LIMIT), BytesMut::new());
    let first = Sent::text("abc").unfinished().bytes();
    inbound.push(&first, &mut out).expect("no violation");
    assert_eq!(out, first[..]);
    assert!(!inbound.is_idle(), "its message has not ended");
    inbound.push(&Sent::continuation("def").bytes(), &mut out).expect("no violation");
    assert!(inbound.is_idle());
    assert_eq!(read(Role::Server, out), [Message::text("abcdef")]);
}

#[test]
fn a_compressed_message_in_fragments_comes_out_whole_and_control_frames_before_it() {
    let (first, last) = halves(b"a message, a message");
    let sent = [
        Sent::text(first).compressed().unfinished().bytes(),
        Sent::ping("beat").bytes(),
        Sent::continuation("").unfinished().bytes(),
        Sent::continuation(last).bytes(),
    ];
    let expected = [Message::Ping("beat".into()), Message::text("a message, a message")];
    assert_eq!(read(Role::Server, out(true, &sent)), expected);
    // Each as soon as it can.
    assert_eq!(out(true, &sent[..2]), sent[1][..]);
}

#[test]
fn compressed_and_plain_messages_may_alternate() {
    let sent = [compressed("one"), Sent::text("two").bytes(), compressed("three"), Sent::text("four").bytes()];
    let expected = ["one", "two", "three", "four"].map(Message::text);
    assert_eq!(read(Role::Server, out(true, &sent)), expected);
}

#[test]
fn the_upgrade_packet_is_noticed_however_it_comes() {
    let (first, last) = halves(b"5");
    for sent in [
        vec![Sent::text("5").bytes()],
        vec![compressed("5")],
        vec![Sent::text("").unfinished().bytes(), Sent::continuation("5").bytes()],
        vec![Sent::text("5").unfinished().bytes(), Sent::ping("").bytes(), Sent::continuation("").bytes()],
        vec![Sent::text(first).compressed().unfinished().bytes(), Sent::continuation(last).bytes()],
        vec![Sent::text("2probe").bytes(), Sent::text("5").bytes(), Sent::text("2").bytes()],
    ] {
        assert!(upgrades(&sent), "{sent:x?}");
    }
    assert!(push(false, &[Sent::text("5").bytes()]).expect("no violation").1);
}

#[test]
fn nothing_else_is_the_upgrade_packet() {
    for sent in [
        vec![Sent::text("").bytes(), Sent::text("6").bytes(), Sent::text("55").bytes()],
        vec![compressed("55"), compressed(""), compressed("4")],
        vec![Sent::binary("5").bytes(), Sent::binary(deflate(b"5")).compressed().bytes()],
        vec![Sent::ping("5").bytes()],
        vec![Sent::text("5").unfinished().bytes()],
        vec![Sent::text("5").unfinished().bytes(), Sent::continuation("5").bytes()],
        vec![Sent::text("4").unfinished().bytes(), Sent::continuation("5").bytes()],
        vec![Sent::binary("").unfinished().bytes(), Sent::continuation("5").bytes()],
        // What it looks like while it is masked.
        vec![Sent::text([b'5' ^ KEY[0]]).bytes()],
    ] {
        assert!(!upgrades(&sent), "{sent:x?}");
    }
}

#[test]
fn what_is_no_websocket_is_refused() {
    let begun = Sent::text("a").unfinished().bytes();
    let begun_compressed = Sent::text(deflate(b"a")).compressed().unfinished().bytes();
    for (what, negotiated, sent) in [
        ("RSV1 without negotiation", false, vec![compressed("a")]),
        ("RSV1 on a continuation", true, vec![begun.clone(), Sent::continuation("a").compressed().bytes()]),
        (
            "RSV1 on a continuation of a compressed message",
            true,
            vec![begun_compressed.clone(), Sent::continuation("a").compressed().bytes()],
        ),
        ("RSV1 on a control frame", true, vec![Sent::ping("").compressed().bytes()]),
        ("a frame without a mask", true, vec![Sent { key: None, ..Sent::text("a") }.bytes()]),
        ("a control frame without a mask", true, vec![Sent { key: None, ..Sent::ping("") }.bytes()]),
        ("a continuation of nothing", true, vec![Sent::continuation("a").bytes()]),
        ("a continuation of what has ended", true, vec![compressed("a"), Sent::continuation("a").bytes()]),
        ("a message within a plain one", true, vec![begun, Sent::text("b").bytes()]),
        ("a message within a compressed one", true, vec![begun_compressed.clone(), compressed("b")]),
        ("a control frame in fragments", true, vec![Sent::ping("a").unfinished().bytes()]),
        ("a long control frame", true, vec![Sent::ping([0; 126]).bytes()]),
        ("what cannot be inflated", true, vec![Sent::text([0xFF; 9]).compressed().bytes()]),
        ("what ends before its end", true, vec![Sent::text(&deflate(b"abc")[..2]).compressed().bytes()]),
        ("no bytes at all, compressed", true, vec![Sent::text("").compressed().bytes()]),
    ] {
        let violation = refused(negotiated, &sent);
        assert!(matches!(violation, Violation::Protocol(_)), "{what}: {violation}");
        assert_eq!(violation.close_code(), 1002);
    }
}

#[test]
fn a_message_over_the_limit_is_refused() {
    let too_big = Violation::TooBig { limit: LIMIT };
    let half = vec![b'x'; LIMIT / 2];
    let noise: Vec<u8> = half.iter().zip(1_u32..).map(|(_, at)| (at.wrapping_pow(7) >> 11) as u8).collect();
    for sent in [
        vec![Sent::text(vec![b'x'; LIMIT + 1]).bytes()],
        vec![
            Sent::text(half.clone()).unfinished().bytes(),
            Sent::continuation(half).unfinished().bytes(),
            Sent::continuation("x").bytes(),
        ],
        vec![
            Sent::text(noise.clone()).compressed().unfinished().bytes(),
            Sent::continuation(noise).unfinished().bytes(),
            Sent::continuation("x").bytes(),
        ],
        vec![compressed(&"x".repeat(LIMIT + 1))],
    ] {
        assert_eq!(refused(true, &sent), too_big);
    }
    assert_eq!(too_big.close_code(), 1009);
}

#[test]
fn a_frame_over_the_limit_is_refused_before_it_has_come() {
    for frame in [Sent::binary(vec![0; LIMIT + 1]), Sent::binary(vec![0; LIMIT + 1]).compressed()] {
        assert_eq!(refused(true, &[frame.bytes()[..14].to_vec()]), Violation::TooBig { limit: LIMIT });
    }
    let endless = [&[0x82, 0xFF][..], &[0xFF; 8], &KEY].concat();
    assert_eq!(refused(true, &[endless]), Violation::TooBig { limit: LIMIT });
}

#[test]
fn what_came_before_a_violation_comes_out() {
    let mut out = BytesMut::new();
    let sent = [compressed("one"), Sent::ping("").bytes(), Sent::continuation("").bytes()].concat();
    assert!(Inbound::new(true, LIMIT).push(&sent, &mut out).is_err());
    assert_eq!(read(Role::Server, out), [Message::text("one"), Message::Ping("".into())]);
}
