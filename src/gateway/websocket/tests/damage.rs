//! The bodies of the fuzz targets (`fuzz/`), on a bounded number of seeded mutations.

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{Sent, bodies, compressed, websocket::deflate};

const MUTATIONS: usize = 4000;

fn mutate(mut bytes: Vec<u8>, random: &mut StdRng) -> Vec<u8> {
    for _ in 0..random.random_range(1..5) {
        let (from, to) = (random.random_range(0..=bytes.len()), random.random_range(0..=bytes.len()));
        let (start, end) = (from.min(to), from.max(to));
        match random.random_range(0..4) {
            0 => bytes.truncate(end),
            1 => drop(bytes.drain(start..end.min(start + 4))),
            2 => bytes.extend_from_within(start..end),
            _ => {
                if let Some(byte) = bytes.get_mut(start) {
                    *byte ^= 1 << random.random_range(0..8);
                }
            }
        }
    }
    bytes
}

#[test]
fn no_mutation_of_what_a_client_sends_panics_or_depends_on_how_it_arrives() {
    let mut random = StdRng::seed_from_u64(0x77616C);
    let text = deflate(b"a message, a message");
    let frames = [
        compressed("5"),
        Sent::text("2probe").bytes(),
        Sent::text(&text[..5]).compressed().unfinished().bytes(),
        Sent::ping("beat").bytes(),
        Sent::continuation(&text[5..]).bytes(),
        Sent::binary(vec![9; 130]).unfinished().bytes(),
        Sent::continuation("end").bytes(),
        compressed(&"x".repeat(4096)),
    ];
    for _ in 0..MUTATIONS {
        let start = random.random_range(0..frames.len());
        let mode = random.random::<u8>();
        let sent = mutate(frames[start..].concat(), &mut random);
        bodies::push(&[&[mode], &sent[..]].concat());
    }
}

#[test]
fn no_mutation_of_a_compressed_message_panics_or_outgrows_the_limit() {
    let mut random = StdRng::seed_from_u64(0x77616C);
    let messages =
        ["Hello".into(), "x".repeat(5000), (0..900).map(|id| format!("{{\"id\":{id}}}")).collect::<String>()];
    for payload in messages.map(|message| deflate(message.as_bytes())) {
        for _ in 0..MUTATIONS {
            bodies::inflate_any(&mutate(payload.clone(), &mut random));
        }
    }
}
