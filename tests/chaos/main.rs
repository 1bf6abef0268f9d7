//! Proves that nothing is lost: `make chaos` strikes a walcast, its database and its clients with seeded faults while
//! writers write, and then every client must hold what the database holds; `make soak` lets a thousand sockets come and
//! go for half an hour and watches the memory; `make big` sends one transaction of a million rows
//! through; `make memory` fills the history.

// The house of tests/it: a cluster, a server. Not all of it is needed here.
#[allow(dead_code, unused_imports)]
#[path = "../it/support/mod.rs"]
mod support;

mod big;
mod faults;
mod latency;
mod memory;
mod replicas;
mod run;
mod soak;
mod stuck;
mod truth;
mod wire;
mod world;
mod writers;

use std::{fmt::Display, process::ExitCode, str::FromStr};

use walcast::replication::Plugin;

/// Whether the server must take up what a handshake says of `since`, and must have replayed something in a run. Without
/// a history it may instead tell everyone to fetch again.
const MUST_RESUME: bool = true;

fn setting<T: FromStr<Err: Display>>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => text.parse().unwrap_or_else(|error| panic!("{name} is `{text}`: {error}")),
        _ => default,
    }
}

/// Without an argument it does nothing, so that a run of all tests passes it by.
fn main() -> ExitCode {
    let command = std::env::args().nth(1).unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("starts");
    let outcome = match command.as_str() {
        "chaos" => runtime.block_on(run::run(run::Run {
            seed: setting("SEED", rand::random::<u32>().into()),
            minutes: setting("MINUTES", 2),
            plugin: setting("PLUGIN", Plugin::default()),
        })),
        "soak" => runtime.block_on(soak::run(setting("SEED", 1), setting("MINUTES", 30))),
        "memory" => runtime.block_on(memory::run()),
        "big" => runtime.block_on(big::run(setting("ROWS", 1_000_000))),
        _ => return ExitCode::SUCCESS,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nFAILED: {error}");
            ExitCode::FAILURE
        }
    }
}
