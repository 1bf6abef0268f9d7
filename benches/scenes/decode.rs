use std::hint::black_box;

use walcast::{
    change::Entry,
    decode::{Decoder, PgOutput, Wal2Json},
};

use super::{
    Scene,
    fixture::{self, Frame},
};

/// The frames of a transaction with one UPDATE, into entries. Old and new row are both in it: replica identity FULL.
struct Decode {
    decoder: Box<dyn Decoder>,
    frames: Vec<Frame>,
    entries: Vec<Entry>,
}

pub fn pgoutput(scenario: &str) -> Box<dyn Scene> {
    let mut scene = Decode::new(Box::new(PgOutput::new()), fixture::pgoutput_frames(scenario));
    scene.run();
    // A table is announced with its first change only.
    scene.frames.retain(|(_, payload)| !payload.starts_with(b"R"));
    Box::new(scene)
}

pub fn wal2json(scenario: &str) -> Box<dyn Scene> {
    let decoder = Wal2Json::new(fixture::published(scenario));
    Box::new(Decode::new(Box::new(decoder), fixture::wal2json_frames(scenario)))
}

impl Decode {
    fn new(decoder: Box<dyn Decoder>, frames: Vec<Frame>) -> Self {
        Decode { decoder, frames, entries: Vec::new() }
    }
}

impl Scene for Decode {
    fn prepare(&mut self) {}

    fn run(&mut self) {
        for (lsn, payload) in &self.frames {
            self.decoder.decode(*lsn, payload, &mut self.entries).expect("a frame that a server sent");
        }
        assert_eq!(black_box(&self.entries).len(), 3, "a beginning, a change, a commit");
        self.entries.clear();
    }
}
