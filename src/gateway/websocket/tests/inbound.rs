use super::{
    KEY, Sent, compressed,
    websocket::{Inbound, Message, Violation, deflate},
};

const LIMIT: usize = 1 << 16;

/// What comes out of one push of all that was sent.
fn push(negotiated: bool, sent: &[Vec<u8>]) -> Result<Vec<Message>, Violation> {
    let mut out = Vec::new();
    Inbound::new(negotiated, LIMIT).push(&sent.concat(), &mut out)?;
    Ok(out)
}

fn out(negotiated: bool, sent: &[Vec<u8>]) -> Vec<Message> {
    push(negotiated, sent).unwrap_or_else(|violation| panic!("{violation}"))
}

fn refused(negotiated: bool, sent: &[Vec<u8>]) -> Violation {
    push(negotiated, sent).expect_err("no violation")
}

fn text(text: &str) -> Message {
    Message::Text(text.into())
}

/// The halves of a compressed message, each to be sent in a frame of its own.
fn halves(message: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut deflated = deflate(message);
    let rest = deflated.split_off(deflated.len() / 2);
    (deflated, rest)
}

#[test]
fn messages_are_read_whatever_their_length() {
    for length in [0, 1, 125, 126, 65_535, 65_536] {
        let long = "x".repeat(length);
        assert_eq!(out(false, &[Sent::text(&*long).bytes()]), [text(&long)]);
        assert_eq!(out(true, &[compressed(&long)]), [text(&long)]);
        assert_eq!(out(true, &[Sent::binary(&*long).bytes()]), [Message::Binary(long.into())]);
    }
    let binary = Sent::binary(deflate(b"\0\xFF")).compressed().bytes();
    assert_eq!(out(true, &[binary]), [Message::Binary(b"\0\xFF".into())]);
}

#[test]
fn fragments_come_out_as_one_message_and_control_frames_before_it() {
    let (first, last) = halves(b"a message, a message");
    let plain = [
        Sent::text("a message, ").unfinished().bytes(),
        Sent::ping("beat").bytes(),
        Sent::continuation("").unfinished().bytes(),
        Sent::continuation("a message").bytes(),
    ];
    let deflated = [
        Sent::text(first).compressed().unfinished().bytes(),
        Sent::ping("beat").bytes(),
        Sent::continuation("").unfinished().bytes(),
        Sent::continuation(last).bytes(),
    ];
    for sent in [plain, deflated] {
        assert_eq!(out(true, &sent), [Message::Ping("beat".into()), text("a message, a message")]);
        // Each as soon as it can.
        assert_eq!(out(true, &sent[..2]), [Message::Ping("beat".into())]);
    }
}

#[test]
fn a_character_may_be_cut_by_a_fragment() {
    let sent =
        [Sent::text(&"ä".as_bytes()[..1]).unfinished().bytes(), Sent::continuation(&"ä".as_bytes()[1..]).bytes()];
    assert_eq!(out(false, &sent), [text("ä")]);
}

#[test]
fn compressed_and_plain_messages_may_alternate() {
    let sent = [compressed("one"), Sent::text("two").bytes(), compressed("three"), Sent::text("four").bytes()];
    assert_eq!(out(true, &sent), ["one", "two", "three", "four"].map(text));
}

#[test]
fn a_pong_is_no_message_and_a_close_says_why() {
    for (payload, code) in [(&[][..], None), (&[0x03, 0xE8], Some(1000)), (b"\x0F\xA0bye", Some(4000))] {
        assert_eq!(out(false, &[Sent::pong("x").bytes(), Sent::close(payload).bytes()]), [Message::Close(code)]);
    }
}

#[test]
fn what_is_no_text_is_refused() {
    for sent in [
        vec![Sent::text(b"a\xFF").bytes()],
        vec![Sent::text(deflate(b"a\xFF")).compressed().bytes()],
        vec![Sent::text(&"ä".as_bytes()[..1]).bytes()],
        vec![Sent::close(b"\x03\xE8\xFF").bytes()],
    ] {
        let violation = refused(true, &sent);
        assert_eq!((violation, violation.close_code()), (Violation::NotText, 1007));
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
        ("half a code", true, vec![Sent::close([3]).bytes()]),
        ("a code that none has", true, vec![Sent::close([0x03, 0xED]).bytes()]),
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
    let mut out = Vec::new();
    let sent = [compressed("one"), Sent::ping("").bytes(), Sent::continuation("").bytes()].concat();
    assert!(Inbound::new(true, LIMIT).push(&sent, &mut out).is_err());
    assert_eq!(out, [text("one"), Message::Ping(Vec::new())]);
}
