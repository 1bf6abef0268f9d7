#!/usr/bin/env bash
# setup.sh run|test : installs what `make run` or `make test` needs and does not find, by apt. Where everything is there
# it does nothing and asks no server.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
goal=${1:-}
[[ $goal == run || $goal == test ]] || { echo "usage: ${0##*/} run|test" >&2; exit 2; }

# Servers are where not everybody looks.
PATH=$PATH:/usr/sbin:/sbin
have() { command -v "$1" >/dev/null; }
fail() { echo "${0##*/}: $*" >&2; exit 2; }

have cargo || fail "Rust is missing: install it from https://rustup.rs"

# What is missing, in words and as Debian's packages; @ stands for the version of Postgres.
words=()
packages=()
missing() { words+=("$1"); shift; packages+=("$@"); }

have cc || missing "a C compiler" gcc libc6-dev
if ! "$here/find-postgres.sh" >/dev/null 2>&1; then
    missing "the Postgres server (14 or later) with wal2json" postgresql-@ postgresql-@-wal2json
elif [[ $goal == test ]] && ! "$here/find-postgres.sh" wal2json >/dev/null 2>&1; then
    missing "wal2json for Postgres" postgresql-@ postgresql-@-wal2json
fi
if [[ $goal == test ]]; then
    have node || missing "Node.js (18 or later)" nodejs
    have npm || missing "npm" npm
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing "Python with venv" python3 python3-venv
    have nginx || missing "nginx" nginx
    have chromium || missing "Chromium" chromium
    have haproxy || missing "HAProxy" haproxy
    have promtool || missing "promtool" prometheus
    have valgrind || missing "Valgrind" valgrind
fi

if ((${#packages[@]} > 0)); then
    list=$(printf ', %s' "${words[@]}")
    list=${list:2}
    have apt-get || fail "install $list with your system's package manager, then try again"
    # The version that the system's own package `postgresql` stands for; apt may not know before its first update.
    version_of_postgres() { apt-cache depends postgresql 2>/dev/null | sed -n 's/.*Depends: postgresql-\([0-9]\+\)$/\1/p' | head -n 1 || true; }
    as_root=()
    if ((EUID != 0)); then
        if ! have sudo || { [[ ! -t 0 ]] && ! sudo -n true 2>/dev/null; }; then
            version=$(version_of_postgres)
            fail "install $list as root: apt-get install ${packages[*]//@/${version:-15}}"
        fi
        as_root=(sudo)
    fi
    echo "${0##*/}: installing $list"
    "${as_root[@]}" apt-get update -qq
    version=$(version_of_postgres)
    [[ ${packages[*]} != *@* || -n $version ]] || fail "apt knows no package postgresql: install $list by hand"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${packages[@]//@/$version}"
fi

if [[ $goal == test ]]; then
    node=$(node --version)
    node=${node#v}
    ((${node%%.*} >= 18)) || fail "Node.js is $node, and the tests need 18 or later: install a newer one"
fi
