#!/usr/bin/env bash
# run.sh : builds the measuring programs, and runs them on a Postgres that is thrown away afterwards. See README.md.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
root=$(dirname "$here")
export WALCAST=${WALCAST:-$root/target/release/walcast}
[[ -x $WALCAST ]] || { echo "${0##*/}: there is no $WALCAST: cargo build --release, or set WALCAST" >&2; exit 2; }

cargo build --quiet --locked --release --manifest-path "$here/Cargo.toml"
exec "$root/scripts/with-postgres.sh" "$here/target/release/bench"
