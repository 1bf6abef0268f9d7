//! Whatever a client sends, in whatever parts it arrives: the same messages are read in the same order.

use proptest::{collection::vec, prelude::*, sample::Index};

use super::{
    Sent, compressed, seeded,
    websocket::{Inbound, Message, deflate},
};

const LIMIT: usize = 1 << 20;

#[derive(Clone, Debug)]
struct Said {
    message: Message,
    is_compressed: bool,
    /// Where it is cut into fragments, and what is pinged between them.
    cuts: Vec<(Index, Option<String>)>,
}

fn said() -> impl Strategy<Value = Said> {
    let message = prop_oneof![
        4 => ".{0,60}".prop_map(Message::Text),
        2 => (".{0,9}", 0..20_000_usize).prop_map(|(text, times)| Message::Text(text.repeat(times / 9))),
        2 => vec(any::<u8>(), 0..400).prop_map(Message::Binary),
    ];
    let cuts = vec((any::<Index>(), proptest::option::of("[a-z]{0,9}")), 0..4);
    (message, any::<bool>(), cuts).prop_map(|(message, is_compressed, cuts)| Said { message, is_compressed, cuts })
}

impl Said {
    fn frames(&self, key: [u8; 4]) -> Vec<Sent> {
        let (is_text, payload) = match &self.message {
            Message::Text(text) => (true, text.as_bytes()),
            Message::Binary(payload) => (false, &payload[..]),
            other => panic!("{other:?} is no message"),
        };
        let payload = if self.is_compressed { deflate(payload) } else { payload.to_vec() };
        let mut cuts: Vec<usize> = self.cuts.iter().map(|(cut, _)| cut.index(payload.len() + 1)).collect();
        cuts.sort_unstable();
        let (starts, ends) = ([&[0], &cuts[..]].concat(), [&cuts[..], &[payload.len()]].concat());
        let mut pings = self.cuts.iter().map(|(_, ping)| ping);
        let mut frames = Vec::new();
        for (start, end) in starts.into_iter().zip(ends) {
            let part = &payload[start..end];
            let new = if is_text { Sent::text(part) } else { Sent::binary(part) };
            let is_first = frames.is_empty();
            let frame = if is_first { new } else { Sent::continuation(part) };
            let (rsv1, fin) = (self.is_compressed && is_first, pings.len() == 0);
            frames.push(Sent { rsv1, fin, key: Some(key), ..frame });
            if let Some(Some(ping)) = pings.next() {
                frames.push(Sent::ping(ping.as_bytes()));
            }
        }
        frames
    }

    fn heard(&self) -> impl Iterator<Item = Message> {
        let pings = self.cuts.iter().filter_map(|(_, ping)| ping.clone());
        pings.map(|ping| Message::Ping(ping.into_bytes())).chain([self.message.clone()])
    }
}

proptest! {
    #![proptest_config(seeded(400))]

    #[test]
    fn what_was_said_is_read(session in vec(said(), 1..6), key in any::<[u8; 4]>(), parts in vec(1..300_usize, 1..6)) {
        let sent: Vec<u8> = session.iter().flat_map(|said| said.frames(key)).flat_map(|frame| frame.bytes()).collect();
        let (mut inbound, mut out) = (Inbound::new(true, LIMIT), Vec::new());
        let mut rest = &sent[..];
        for part in parts.iter().cycle() {
            let (part, after) = rest.split_at(rest.len().min(*part));
            inbound.push(part, &mut out).expect("no violation");
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert!(inbound.is_idle());
        prop_assert_eq!(out, session.iter().flat_map(Said::heard).collect::<Vec<_>>());
    }
}

/// Cut at every place: what comes out then, and what comes out after, is what comes out at once.
#[test]
fn a_session_may_be_cut_anywhere() {
    let (first, last) = (deflate(b"a fragmented one"), compressed("5"));
    let frames = [
        Sent::text("2probe").bytes(),
        last,
        Sent::text(&first[..3]).compressed().unfinished().bytes(),
        Sent::ping("beat").bytes(),
        Sent::continuation(&first[3..]).bytes(),
        Sent::text("a").unfinished().bytes(),
        Sent::continuation("b").bytes(),
        compressed(&"long ".repeat(100)),
        Sent::binary(vec![1; 200]).bytes(),
    ];
    let sent = frames.concat();
    let mut whole = Vec::new();
    Inbound::new(true, LIMIT).push(&sent, &mut whole).expect("no violation");
    for cut in 0..=sent.len() {
        let (mut inbound, mut out) = (Inbound::new(true, LIMIT), Vec::new());
        inbound.push(&sent[..cut], &mut out).expect("no violation");
        assert!(whole.starts_with(&out), "cut at {cut}");
        inbound.push(&sent[cut..], &mut out).expect("no violation");
        assert_eq!((&out, inbound.is_idle()), (&whole, true), "cut at {cut}");
    }
}

#[test]
fn nothing_is_held_only_between_messages() {
    let sent = [compressed("one"), Sent::text("two").bytes(), Sent::ping("").bytes()];
    let ends: Vec<usize> = (0..=sent.len()).map(|count| sent[..count].concat().len()).collect();
    let sent = sent.concat();
    for cut in 0..=sent.len() {
        let mut inbound = Inbound::new(true, LIMIT);
        inbound.push(&sent[..cut], &mut Vec::new()).expect("no violation");
        assert_eq!(inbound.is_idle(), ends.contains(&cut), "after {cut} bytes");
    }
}
