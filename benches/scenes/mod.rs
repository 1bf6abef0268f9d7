//! What is measured: each scene is one thing that walcast does for every change, again and again.

mod decode;
mod diff;
mod dispatch;
mod fixture;

/// What is measured is [`run`](Self::run), once for each [`prepare`](Self::prepare) before it.
pub trait Scene {
    fn prepare(&mut self);
    fn run(&mut self);
}

/// A scene by its name, which bench/instructions.tsv has too.
#[derive(Clone, Copy)]
pub struct Named {
    pub name: &'static str,
    pub stage: fn() -> Box<dyn Scene>,
}

pub const SCENES: [Named; 12] = [
    named("decode/pgoutput/500B", || decode::pgoutput("update_500B")),
    named("decode/pgoutput/10kB", || decode::pgoutput("update_10kB")),
    named("decode/wal2json/500B", || decode::wal2json("update_500B")),
    named("decode/wal2json/10kB", || decode::wal2json("update_10kB")),
    named("diff/same-rows/10kB", diff::same_rows),
    named("diff/one-nested-change/10kB", || diff::one_nested_change(20)),
    named("diff/one-nested-change/200kB", || diff::one_nested_change(400)),
    named("dispatch/1-seat", || dispatch::seats_of_one_room(1)),
    named("dispatch/100-seats", || dispatch::seats_of_one_room(100)),
    named("dispatch/5000-seats", || dispatch::seats_of_one_room(5_000)),
    named("nobody/32-commits", || dispatch::nobody(32)),
    named("dispatch/10000-rooms", || dispatch::rooms_with_a_seat(10_000)),
];

const fn named(name: &'static str, stage: fn() -> Box<dyn Scene>) -> Named {
    Named { name, stage }
}
