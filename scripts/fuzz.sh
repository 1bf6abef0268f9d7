#!/usr/bin/env bash
# Every fuzz target of fuzz/ for FUZZ_SECONDS each (60). Ends with the first that finds something.
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/.."

command -v cargo-fuzz >/dev/null || { echo "cargo-fuzz is missing: cargo install --locked cargo-fuzz" >&2; exit 2; }
command -v python3 >/dev/null || { echo "python3 is missing: the seeds are made with it" >&2; exit 2; }
command -v c++ >/dev/null || { echo "a C++ compiler is missing: libFuzzer is built with it (Debian: g++)" >&2; exit 2; }

# cargo-fuzz uses unstable flags of the compiler; this lets the stable one take them.
export RUSTC_BOOTSTRAP=1
# What real servers said is where the search begins.
python3 fuzz/seed.py
targets=$(cargo fuzz list)
for target in $targets; do
    echo "── $target"
    cargo fuzz run "$target" -- "-max_total_time=${FUZZ_SECONDS:-60}" -rss_limit_mb=4096
done
