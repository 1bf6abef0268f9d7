//! A stream of frames, each after its length in two bytes, big-endian: `PgOutput` may refuse it, but not panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use walcast_fuzz::{decode::PgOutput, stream};

fuzz_target!(|data: &[u8]| stream::run(PgOutput::new(), data));
