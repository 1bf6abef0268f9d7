#!/usr/bin/env bash
# The tests named `matrix` against each Postgres of tests/matrix. SMOKE=1: only the oldest and the newest.
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/.."

versions=(14 16 17 18)
if [[ ${SMOKE:-} == 1 ]]; then versions=(14 18); fi

failed=()
for version in "${versions[@]}"; do
    package=$PWD/tests/matrix/node_modules/pg$version
    # What the package's install script does. npm may have been told to run none, and then says nothing.
    (cd "$package" && node scripts/hydrate-symlinks.js)
    echo "── Postgres $("$package/native/bin/postgres" --version | sed 's/.* //')"
    # These packages have no wal2json.
    WALCAST_TEST_PLUGINS=pgoutput PG_BIN=$package/native/bin scripts/with-postgres.sh scripts/cargo-test.sh --test it matrix || failed+=("$version")
done

if ((${#failed[@]} > 0)); then
    echo "failed against Postgres ${failed[*]}" >&2
    exit 1
fi
echo "passed against Postgres ${versions[*]}"
