#!/usr/bin/env bash
# build-dashboard.sh [check] : builds the dashboard into dashboard/dist, which is committed, so that walcast itself needs no
# Node. With `check` it only says whether what is there is what the sources build to.
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/../dashboard"
[[ ${1:-} == check ]] || exec npm run --silent build -- --logLevel warn

built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
npm run --silent build -- --logLevel warn --outDir "$built" --emptyOutDir
if ! diff --recursive --brief dist "$built"; then
    echo "dashboard/dist is not what dashboard/ builds to: run make dashboard, and commit what it makes" >&2
    exit 1
fi
