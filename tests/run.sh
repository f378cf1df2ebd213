#!/bin/sh
# run.sh BUILD [NAME...] - meson test, then "N passed, N failed, N skipped" over the test cases of all programs, as the last line.
#
# A Criterion program leaves its counts in BUILD/tests/<name>.xml and counts with its cases; any other test is one case. Meson's word on a
# program stands above its own counts: one that crashed, timed out or left no counts is at least one failure, so the line can never look better
# than the exit status.
set -eu
build=$1
shift
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
meson=$root/build-tools/bin/meson
[ -x "$meson" ] || meson=meson

# In place of the shell that runs it. Tests send signals. One that is ignored from the start, as SIGHUP under nohup, would stay ignored in the programs that shall end by it.
defaults() {
    if env --default-signal=HUP,TERM true 2>/dev/null; then exec env --default-signal=HUP,TERM "$@"; else exec "$@"; fi
}

rm -f "$build"/tests/*.xml "$build/meson-logs/testlog.json"
# A signal for this script alone is handed on to Meson, which ends the tests.
trap 'kill -s TERM "$child" 2>/dev/null; wait "$child" || :; exit 130' INT
trap 'kill -s TERM "$child" 2>/dev/null; wait "$child" || :; exit 143' TERM
trap 'kill -s TERM "$child" 2>/dev/null; wait "$child" || :; exit 129' HUP
status=0
defaults "$meson" test -C "$build" --print-errorlogs "$@" &
child=$!
wait "$child" || status=$?

[ -f "$build/meson-logs/testlog.json" ] || { echo "0 passed, 1 failed, 0 skipped"; exit 1; }
# One line of testlog.json is one test: {"name": "…", …, "result": "OK", …}. Strings are escaped, so the first match of a key is the key.
sed 's/^{"name": "\([^"]*\)".*"result": "\([A-Z]*\)".*/\1|\2/' "$build/meson-logs/testlog.json" | awk -F '|' -v folder="$build/tests" -v status="$status" '
    function attribute(line, name) { return match(line, " " name "=\"[0-9]+\"") ? substr(line, RSTART + length(name) + 3) + 0 : 0 }
    {
        name = $1
        sub(/^.* \/ /, "", name)
        sub(/^.*:/, "", name)
        file = folder "/" name ".xml"
        cases = bad = idle = 0
        while ((getline line < file) > 0) {
            if (line ~ /<testsuites /) cases = attribute(line, "tests")
            if (line ~ /<testcase /) {
                if (line ~ /status="SKIPPED"/) idle++
                else if (line !~ /status="PASSED"/) bad++
            }
        }
        close(file)
        ok = $2 == "OK" || $2 == "EXPECTEDFAIL"
        if (cases == 0) { cases = 1; idle = $2 == "SKIP"; bad = !ok && !idle }
        else if (!ok && bad == 0) { cases++; bad = 1 }
        passed += cases - bad - idle; failed += bad; skipped += idle
    }
    END {
        if (status != 0 && failed == 0) failed = 1
        printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
        exit failed > 0
    }'
