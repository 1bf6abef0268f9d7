#!/usr/bin/env bash
# instructions.sh : counts by callgrind the instructions that each scene of benches/ takes, and compares them with those in
# bench/instructions.tsv. RENEW=1 writes that file anew.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
root=$(dirname "$here")
baseline=$root/bench/instructions.tsv
fail() { echo "${0##*/}: $*" >&2; exit 2; }
scratch=$(mktemp -d "${TMPDIR:-/tmp}/walcast-instructions.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# The release profile, so that it is built of what other steps have built by it; but with its symbols, for callgrind.
program=$(cargo rustc --manifest-path "$root/Cargo.toml" --quiet --locked --release --example instructions \
    --message-format json -- -C strip=none | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p')
[[ -x $program ]] || fail "cargo built no program (above)"

count() {
    local times total
    # Where memory lies is random, and so are keys of maps that are addresses.
    times=$(setarch --addr-no-randomize valgrind --tool=callgrind --toggle-collect='instructions::measured*' \
        --callgrind-out-file="$scratch/out" "$program" "$1" 2>"$scratch/log") ||
        { cat "$scratch/log" >&2; fail "scene $1 failed under callgrind (above)"; }
    total=$(sed -n 's/^totals: //p' "$scratch/out")
    ((total > 0)) || fail "callgrind counted nothing in scene $1: is there a function \`measured\` in benches/instructions.rs?"
    printf '%s\t%d\n' "$1" $((total / times))
}

echo "# $(rustc --version), $(ldd --version | sed -n '1s/.* /glibc /p'), $(valgrind --version)" >"$scratch/measured"
for scene in $("$program"); do count "$scene" >>"$scratch/measured"; done

if [[ -n ${RENEW:-} ]]; then
    cp "$scratch/measured" "$baseline"
    cat "$baseline"
else
    "$here/compare-instructions.sh" "$baseline" "$scratch/measured"
fi
