#!/usr/bin/env bash
# with-postgres.sh COMMAND… : runs a command beside a throw-away Postgres, and takes the Postgres away again.
#
# The command finds in its environment
#   WALCAST_TEST_POSTGRES   URL of database postgres, as a superuser, on a loopback port that was free
#   PG_BIN                  the binaries, for tests that start a cluster of their own
# and its exit code is ours. PG_BIN set beforehand says which Postgres (see find-postgres.sh),
# POSTGRES_SETTINGS what else stands in its postgresql.conf.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
(($# > 0)) || { echo "usage: ${0##*/} COMMAND…" >&2; exit 2; }

bin=$("$here/find-postgres.sh")
home=$(mktemp -d "${TMPDIR:-/tmp}/walcast-postgres.XXXXXX")
data=$home/data
log=$home/log
server=
command=

# gone PID SECONDS: whether a child ends in that time. Not `wait`, which in a trap may miss a child that ended before it.
# shellcheck disable=SC2317 # reached by trap
gone() {
    local tries=$(($2 * 10))
    while kill -0 "$1" 2>/dev/null; do
        ((tries-- > 0)) || return 1
        sleep 0.1
    done
}

# shellcheck disable=SC2317 # reached by trap
clean_up() {
    trap '' INT TERM HUP
    if [[ -n $server ]]; then
        # Fast shutdown waits for replication clients; one that hangs must not make us hang.
        kill -INT "$server" 2>/dev/null || true
        if ! gone "$server" 10; then
            echo "${0##*/}: Postgres did not stop in 10 s (does a replication client hang?), so it was made to" >&2
            kill -QUIT "$server" 2>/dev/null || true
            gone "$server" 10 || kill -KILL "$server" 2>/dev/null || true
        fi
    fi
    rm -rf "$home"
}

# A signal ends the command first; then all is cleaned up on exit.
# shellcheck disable=SC2317 # reached by trap
on_signal() {
    trap '' INT TERM HUP
    if [[ -n $command ]]; then
        kill -TERM "$command" 2>/dev/null || true
        gone "$command" 30 || kill -KILL "$command" 2>/dev/null || true
    fi
    exit $((128 + $1))
}
trap clean_up EXIT
trap 'on_signal 1' HUP
trap 'on_signal 2' INT
trap 'on_signal 15' TERM

# Postgres refuses to run as root: then it runs as postgres or nobody.
as_server=()
if ((EUID == 0)); then
    user=nobody
    if id postgres >/dev/null 2>&1; then user=postgres; fi
    as_server=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --init-groups)
    chown "$user" "$home"
    if ! (cd / && "${as_server[@]}" test -x "$bin/postgres"); then
        # Somewhere under /root, say: give that user a copy that it can reach.
        mkdir "$home/postgres"
        cp -a "$bin/../." "$home/postgres"
        chown -R "$user" "$home/postgres"
        bin=$home/postgres/bin
    fi
fi
chmod 711 "$home"

(cd / && "${as_server[@]}" "$bin/initdb" -D "$data" -U postgres -A trust -E UTF8 --no-locale --no-sync) >"$log" 2>&1 || {
    cat "$log" >&2
    echo "${0##*/}: initdb failed (above)" >&2
    exit 2
}
cat >>"$data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = '$home'
wal_level = logical
max_replication_slots = 500
max_wal_senders = 500
max_connections = 400
timezone = 'UTC'
log_timezone = 'UTC'
fsync = off
full_page_writes = off
${POSTGRES_SETTINGS:-}
CONF
# Newer minor releases let only the output plugins be used that are listed here, and wal2json is not by default.
if [[ $("$bin/postgres" --describe-config) == *$'\noutput_plugin_libraries\t'* ]]; then
    echo "output_plugin_libraries = 'pgoutput, test_decoding, wal2json'" >>"$data/postgresql.conf"
fi

# The server dies with us, however we die, but not of the Ctrl-C that ends the command: that one it outlives.
guard=()
if setpriv --help 2>/dev/null | grep -q pdeathsig; then guard=(setsid setpriv --pdeathsig INT); fi

start() {
    : >"$log"
    (cd / && exec "${as_server[@]}" "${guard[@]}" "$bin/postgres" -D "$data" -p "$1") >>"$log" 2>&1 </dev/null &
    server=$!
    while kill -0 "$server" 2>/dev/null; do
        if [[ $(sed -n 8p "$data/postmaster.pid" 2>/dev/null) == ready* ]]; then return 0; fi
        sleep 0.1
    done
    wait "$server" || true
    server=
    return 1
}

for attempt in 1 2 3 4 5; do
    # Below the ports that the system hands out by itself. A taken one shows when the server starts.
    port=$((20000 + RANDOM % 10000))
    if start "$port"; then break; fi
    if ((attempt == 5)) || ! grep -q 'could not bind' "$log"; then
        cat "$log" >&2
        echo "${0##*/}: Postgres did not start (its log is above)" >&2
        exit 2
    fi
done

export PG_BIN=$bin
export WALCAST_TEST_POSTGRES=postgres://postgres@127.0.0.1:$port/postgres

# In the background, so that a signal is heard at once; with our own standard input and with Ctrl-C let through.
(trap - INT QUIT; exec "$@") <&0 &
command=$!
code=0
wait "$command" || code=$?
command=
exit "$code"
