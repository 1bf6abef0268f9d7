#!/usr/bin/env bash
# find-postgres.sh [wal2json] : prints the directory of Postgres server binaries (initdb, postgres) to use.
#
# PG_BIN, where set, is the answer. Else the first that also has wal2json, else the first: pg_config, PATH, the places
# that systems install to, newest first. With `wal2json`, only one that has it will do.
set -euo pipefail

is_server() { [[ -x $1/initdb && -x $1/postgres ]]; }

has_wal2json() {
    [[ -e $1/../lib/wal2json.so || -e $1/../lib/postgresql/wal2json.so ]] && return
    [[ -x $1/pg_config && -e $("$1/pg_config" --pkglibdir)/wal2json.so ]]
}

if [[ -n ${PG_BIN:-} ]]; then
    is_server "$PG_BIN" || { echo "PG_BIN is $PG_BIN, where initdb and postgres are not: name their directory" >&2; exit 2; }
    readlink -f "$PG_BIN"
    exit
fi

candidates() {
    if command -v pg_config >/dev/null; then pg_config --bindir; fi
    if command -v initdb >/dev/null; then dirname "$(readlink -f "$(command -v initdb)")"; fi
    printf '%s\n' /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql@*/bin | sort -rV
}

first=
while read -r directory; do
    is_server "$directory" || continue
    if has_wal2json "$directory"; then
        echo "$directory"
        exit
    fi
    first=${first:-$directory}
done < <(candidates)

if [[ ${1:-} == wal2json || -z $first ]]; then
    echo "no Postgres server binaries found${1:+ that have $1}: install them, or set PG_BIN to their directory" >&2
    exit 2
fi
echo "$first"
