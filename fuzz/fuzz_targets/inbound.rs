//! What a client sends, after a byte that says how it arrives: `Inbound` may refuse it, but not panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use walcast_fuzz::bodies;

fuzz_target!(|data: &[u8]| bodies::push(data));
