#!/usr/bin/env bash
# cargo-test.sh [ARGS…] : the tests by cargo-nextest, where it is installed, else by cargo itself.
set -euo pipefail

if cargo nextest --version >/dev/null 2>&1; then
    exec cargo nextest run --locked "$@"
fi
exec cargo test --locked "$@"
