#!/usr/bin/env bash
# build-page.sh dashboard|demo [check] : builds a page into its folder dist, which is committed, so that walcast itself needs
# no Node. With `check` it only says whether what is there is what the sources build to.
set -euo pipefail

page=${1:-}
[[ $page == dashboard || $page == demo ]] || { echo "usage: ${0##*/} dashboard|demo [check]" >&2; exit 2; }
cd "$(dirname "$(readlink -f "$0")")/../$page"
[[ ${2:-} == check ]] || exec npm run --silent build -- --logLevel warn

built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
npm run --silent build -- --logLevel warn --outDir "$built" --emptyOutDir
if ! diff --recursive --brief dist "$built"; then
    echo "$page/dist is not what $page/ builds to: run make $page, and commit what it makes" >&2
    exit 1
fi
