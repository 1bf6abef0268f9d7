//! A compressed message: `inflate` may refuse it, but not panic, nor take more memory than it is allowed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use walcast_fuzz::bodies;

fuzz_target!(|data: &[u8]| bodies::inflate_any(data));
