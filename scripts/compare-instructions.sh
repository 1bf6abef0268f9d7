#!/usr/bin/env bash
# compare-instructions.sh BASELINE MEASURED : says scene by scene what was counted, and fails where that is more than 5 %
# above the baseline, or where one of the two lacks a scene that the other has.
#
# A line of either is a scene, a tab, and its instructions. The first line, after a #, says what it was measured with.
set -euo pipefail

(($# == 2)) || { echo "usage: ${0##*/} BASELINE MEASURED" >&2; exit 2; }

awk -F '\t' -v limit=5 '
    function fail(text) { print "   " text; failed = 1 }
    FNR == 1 { with[++file] = substr($0, 3) }
    /^#/ { next }
    NF != 2 || $2 !~ /^[1-9][0-9]*$/ { fail(FILENAME ": a scene, a tab and a number are wanted, and not `" $0 "`"); next }
    file == 1 { baseline[$1] = $2; next }
    {
        measured[$1] = $2
        if (!($1 in baseline)) { fail($1 " is not in the baseline: make instructions RENEW=1"); next }
        was = baseline[$1]
        compared++
        printf "%-30s %11d %11d %+7.1f %%\n", $1, was, $2, 100 * ($2 / was - 1)
        if (100 * $2 > (100 + limit) * was) fail("it takes more than " limit " % above the baseline: mend that, or say in the commit why it is worth it, and RENEW=1")
        if (100 * $2 < (100 - limit) * was) print "   it takes much less: make instructions RENEW=1, so that it stays so"
    }
    END {
        for (name in baseline) if (!(name in measured)) fail(name " was not measured: give the baseline its new name, or take it out")
        if (!compared) fail("there is nothing to compare")
        if (with[1] != with[2]) print "The baseline is of " with[1] ", this of " with[2] ": see bench/README.md."
        exit failed
    }
' "$1" "$2"
