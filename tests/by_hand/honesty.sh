#!/bin/sh
# honesty.sh PROGRAM PACK [FOLDER] - is `attnzoo regress` honest on this machine, as noisy as it is right now?
#
#   A/A        a pack against itself, 300 decisions and more: a verdict of slower or faster is a false alarm; at most 1 % may be
#   5 %, 10 %  the head does so much more work in every call (executed, not scaled): at least 90 % of the first and all of the second must
#              be found slower
#
# A decision is one kernel on one shape with everything at its default: five launches, both controls, Holm's correction over the run, and
# twenty more launches for what is not plainly the same. Its time goes with the load (docs/measuring.md): run it under the one that you want
# to know about. Prints a line for each run and a table; with FOLDER the records are kept there. Exit code 0: all three hold.
set -eu
program=$1 pack=$2 folder=${3-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
kernels='flash_f32_*,linear_f32_sse*,linear_f32_avx*,linear_f32_neo*'
shapes='b1_h2_q32_k64_d32 b1_h2g1_q1_k256_d64 b1_h1_q49_k77_d40_causal linear:16x96x128'
: >"$work/all"

# one NAME SEED [OPTION...]: a run; appends "NAME verdict first ratio" for each decision.
one() {
    name=$1 seed=$2
    shift 2
    load=$(cut -d ' ' -f 1 /proc/loadavg 2>/dev/null || echo '?')
    code=0
    "$program" regress --base "$pack" --head "$pack" --gate time -k "$kernels" -s "$shapes" --seed "$seed" --no-results -q -o jsonl "$@" \
        >"$work/run.jsonl" || code=$?
    case $code in 0 | 1 | 3) ;; *) echo "run failed with exit code $code" >&2; exit 1 ;; esac
    [ -z "$folder" ] || cp "$work/run.jsonl" "$folder/honesty-$name-$seed.jsonl"
    sed -n 's/^{"t":"regress".*"ratio":\([^,]*\),.*"verdict":"\([a-z]*\)","first":"\([a-z]*\)".*/'"$name"' \2 \3 \1/p' \
        "$work/run.jsonl" >"$work/new"
    cat "$work/new" >>"$work/all"
    awk -v name="$name" -v load="$load" '{ n[$2]++ } END { printf "%-4s load %-5s %d slower, %d faster, %d same, %d inconclusive\n",
        name, load, n["slower"], n["faster"], n["same"], n["inconclusive"] }' "$work/new"
}

count() { awk -v name="$1" '$1 == name' "$work/all" | wc -l; }

seed=1
while [ "$(count aa)" -lt 300 ]; do
    one aa "$seed"
    # Spread over the whole time, so that all three see the same weather.
    case $seed in 2 | 8) one 5 "$seed" --plant 5% ;; 5 | 11) one 10 "$seed" --plant 10% ;; esac
    seed=$((seed + 1))
done

awk '
    { n[$1]++; v[$1, $2]++; sum[$1] += $4 }
    END {
        printf "\n%-6s %9s %7s %7s %6s %13s %11s\n", "true", "decisions", "slower", "faster", "same", "inconclusive", "mean ratio"
        split("aa 5 10", names, " ")
        for (i = 1; i <= 3; i++) {
            k = names[i]
            if (n[k])
                printf "%-6s %9d %7d %7d %6d %13d %11.4f\n", k == "aa" ? "0 %" : k " %", n[k], v[k, "slower"], v[k, "faster"],
                    v[k, "same"], v[k, "inconclusive"], sum[k] / n[k]
        }
        alarms = v["aa", "slower"] + v["aa", "faster"]
        printf "false alarms %.2f %% (allowed 1 %%); 5 %% found in %.1f %% (wanted 90 %%); 10 %% found in %.1f %% (wanted 100 %%)\n",
            100 * alarms / n["aa"], 100 * v["5", "slower"] / n["5"], 100 * v["10", "slower"] / n["10"]
        exit !(alarms <= 0.01 * n["aa"] && v["5", "slower"] >= 0.9 * n["5"] && v["10", "slower"] == n["10"])
    }' "$work/all"
