#!/usr/bin/env bash
# run.sh [W1 …] : builds what is measured and what measures, and runs the workloads, all of them or those that are named,
# on a Postgres that is thrown away afterwards. See README.md.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
root=$(dirname "$here")
if [[ -z ${WALCAST:-} ]]; then
    cargo build --quiet --locked --release --manifest-path "$root/Cargo.toml" --target-dir "$root/target"
    export WALCAST=$root/target/release/walcast
fi
cargo build --quiet --locked --release --manifest-path "$here/Cargo.toml" --target-dir "$here/target"
# A profile is made with no peer, and where there may be no npm.
[[ $* == TRAINING ]] || make -C "$root" --no-print-directory --quiet bench/peer/node_modules/.package-lock.json >&2
export PEER=$here/peer/server.mjs
PG_BIN=$("$root/scripts/find-postgres.sh" wal2json)
export PG_BIN
# How long a change takes is measured from its commit, too.
export POSTGRES_SETTINGS='track_commit_timestamp = on'
# A socket takes a descriptor, in the server and in the clients.
ulimit -n 20000 2>/dev/null || ulimit -n "$(ulimit -Hn)"
exec "$root/scripts/with-postgres.sh" "$here/target/release/bench" "$@"
