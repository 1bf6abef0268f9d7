use proptest::test_runner::{Config, RngSeed};

/// Properties are tried on the same inputs in every run.
pub(super) fn seeded(cases: u32) -> Config {
    Config { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(0x57A1_CA57), ..Config::default() }
}
