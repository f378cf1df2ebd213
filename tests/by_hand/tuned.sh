#!/bin/sh
# tuned.sh PROGRAM [SHAPES [RIGOR [THREADS]]] - tune, then bench: is the kernel that dispatch now takes within 2 % of the fastest?
# tuned.sh PROGRAM SHAPES none            - without tuning: is the one that the cost model takes within 5 %?
#
# Both runs keep what they wrote in a folder that is named at the end. For each case of the bench run the record `case` names dispatch's
# choice, and the record `bench` of that kernel its time over the fastest's, paired round by round, with its interval. Exit 0: within the
# limit everywhere; 1: somewhere the whole interval is beyond; 3: somewhere only the median is, or nothing could be said. Not one of
# `meson test`: minutes, and a machine that does nothing else. THREADS is 1 unless given, RIGOR patient. From the environment: KERNELS to
# compare (all of the library), BUDGET of a case (8s), RESULTS, a folder that gets bench's records too.
set -u
program=$1
shapes=${2:-}
rigor=${3:-patient}
threads=${4:-1}
work=$(mktemp -d) || exit 2
export ATTNZOO_TUNE_FILE="$work/a.tune"
if [ -n "$shapes" ]; then set -- -s "$shapes"; else set --; fi

if [ "$rigor" = none ]; then
    limit=1.05
else
    limit=1.02
    "$program" tune --threads "$threads" --rigor "$rigor" "$@" || { code=$?; [ $code -eq 3 ] || exit $code; }
fi
# Those of the library: what dispatch cannot take is no loss.
kernels=${KERNELS:-$("$program" list -o csv | sed '1d; s/,.*//' | grep -v -e blas -e '^linear_' | paste -s -d , -)}
if [ -n "${RESULTS:-}" ]; then set -- --results "$RESULTS" "$@"; else set -- --no-results "$@"; fi
"$program" bench -q -k "$kernels" --threads "$threads" -o "jsonl:$work/bench.jsonl" --budget "${BUDGET:-8s}" "$@" || exit $?

# One record a line, fields in the order in which the program writes them.
awk -v limit=$limit '
    function text(name) {
        return match($0, "\"" name "\":\"[^\"]*\"") ? substr($0, RSTART + length(name) + 4, RLENGTH - length(name) - 5) : ""
    }
    function number(from, name) {
        return match(from, "\"" name "\":[0-9.e+-]+") ? substr(from, RSTART + length(name) + 3, RLENGTH - length(name) - 3) + 0 : -1
    }
    /^{"t":"case"/ {
        id = text("case"); shape[id] = text("shape"); order[++cases] = id
        if (match($0, /"chosen":\{"kernel":"[^"]*","by":"[^"]*"/)) {
            split(substr($0, RSTART, RLENGTH), part, "\"")
            chosen[id] = part[6]; by[id] = part[10]
        }
    }
    /^{"t":"bench"/ {
        id = text("case")
        if (text("kernel") != chosen[id] || !match($0, /"best":\{[^}]*\}/)) next
        best = substr($0, RSTART, RLENGTH)
        ratio[id] = number(best, "ratio"); lo[id] = number(best, "lo"); hi[id] = number(best, "hi")
        split(best, part, "\""); fastest[id] = part[6]
    }
    END {
        for (i = 1; i <= cases; i++) {
            id = order[i]
            word = !(id in ratio) || ratio[id] < 0 ? "NOT MEASURED" : ratio[id] <= limit ? "ok" : lo[id] > limit ? "TOO SLOW" : "unsure"
            ok += word == "ok"; slow += word == "TOO SLOW"
            printf "%-12s %-40s %-24s by %-8s %.3f [%.3f, %.3f] of %s\n", word, shape[id], chosen[id], by[id],
                ratio[id], lo[id], hi[id], fastest[id]
        }
        printf "%d of %d cases within %.0f %%, %d beyond\n", ok, cases, 100 * (limit - 1), slow
        exit slow > 0 ? 1 : ok < cases || cases == 0 ? 3 : 0
    }' "$work/bench.jsonl"
code=$?
echo "kept: $work"
exit $code
