#!/usr/bin/env bash
# release.sh : builds walcast as it is released, and says where it is. It is built twice: once so that it counts what it does under
# the loads of bench/, on a throw-away Postgres; and then by that profile. Some 15 minutes on two processors.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
root=$(dirname "$here")
fail() { echo "${0##*/}: $*" >&2; exit 2; }

triple=$(rustc -vV | sed -n 's/^host: //p')
llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
# A profile is read by the LLVM that rustc has, or by one as new.
profdata=
for candidate in "$(rustc --print sysroot)/lib/rustlib/$triple/bin/llvm-profdata" "/usr/lib/llvm-$llvm/bin/llvm-profdata" \
    "$(command -v "llvm-profdata-$llvm" || true)"; do
    if [[ -x $candidate ]]; then profdata=$candidate && break; fi
done
[[ -n $profdata ]] || fail "llvm-profdata of LLVM $llvm is missing: rustup component add llvm-tools, or install llvm-$llvm"

# Before anything is built.
"$here/find-postgres.sh" wal2json >/dev/null

built=${CARGO_TARGET_DIR:-$root/target}/profiled
counts=$built/counts
rm -rf "$counts"

# build FLAG: the binary of both builds is in the same place. `--target` keeps what only builds, as macros, out of it.
build() {
    RUSTFLAGS=$1 cargo build --locked --release --bin walcast --manifest-path "$root/Cargo.toml" --target "$triple" --target-dir "$built"
}

echo "${0##*/}: building what counts"
build "-Cprofile-generate=$counts"
cp "$built/$triple/release/walcast" "$built/counting"

echo "${0##*/}: counting"
WALCAST=$built/counting "$root/bench/run.sh" TRAINING
"$profdata" merge -o "$built/profile" "$counts"
# By what is in it: cargo looks at flags, not at the file that they name.
profile=$built/$(sha256sum "$built/profile" | cut -c 1-16).profdata
mv "$built/profile" "$profile"

echo "${0##*/}: building by the profile"
build "-Cprofile-use=$profile"
cp "$built/$triple/release/walcast" "$built/walcast"
rm -rf "$counts" "$built/counting" "$profile"
echo "${0##*/}: $built/walcast"
