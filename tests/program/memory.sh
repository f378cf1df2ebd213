#!/bin/sh
# memory.sh PROGRAM - no memory for operands: what could not be set up is named and is no verdict, the rest is done, and the exit code is 4; 1 if
# a kernel fails beside it. No memory for threads: fewer do the work. Under a limit of address space.
set -u
program=$1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0
fail() {
    failures=$((failures + 1))
    printf 'FAILED: %s\n' "$1" >&2
    sed 's/^/    /' "$work/out" "$work/err" >&2
}
limit=2000000 # KiB
# check CODE ARGUMENT...: under the limit.
check() {
    code=$1
    shift
    # shellcheck disable=SC3045  # dash and busybox have it
    (ulimit -v $limit && exec "$program" "$@") >"$work/out" 2>"$work/err" </dev/null
    got=$?
    [ "$got" -eq "$code" ] || fail "$*: exit code $got, expected $code"
}
has() { cat "$work/out" "$work/err" | grep -q -- "$1" || fail "no '$1' in what it says"; }
lacks() { ! cat "$work/out" "$work/err" | grep -q -- "$1" || fail "'$1' in what it says"; }
# shellcheck disable=SC3045  # dash and busybox have it, and who has not skips
(ulimit -v 2000000 && exec "$program" --version) >/dev/null 2>&1 || {
    echo 'skipped: no limit of address space here, or the program (a sanitizer) needs more'
    exit 77
}
big=b1_h1_q1_k9000000_d64 small=b1_h1_q5_k7_d16
check 4 verify -k flash_f32,naive_f32 -s "$big $small"
has "^$big:.*: not run: no memory for [kv], [0-9]* bytes"
has '^flash_f32 .*[0-9] of [0-9]* not run: no memory'
has '0 failed'
lacks FAIL
check 0 verify -k flash_f32,naive_f32 -s "$small"
check 4 bench --no-results --budget 20ms -k flash_f32,blocked_f32 -s "$big $small"
has "error: $big: no memory for [kv], [0-9]* bytes"
has "f32:$small"
has '^flash_f32 .* [mun]*s'
lacks 'nothing was measured'
check 4 bench --no-results --budget 20ms -k 'linear_f32' -s 'linear:8x40000x40000 linear:8x16x16'
has 'error: linear:8x40000x40000: out of memory for'
has 'f32:linear:8x16x16'
check 4 bench --no-results --budget 20ms -k flash_f32 --dist peaky -s "$big $small"
check 4 bench --no-results --budget 20ms -k flash_f32 --dist peaky,uniform -s "$big $small"
has "error: $big: no memory for"
has "f32:$small"
check 4 tune --dry-run --rigor quick --threads 1 -s "$big b1_h2_q16_k16_d16"
has "error: $big: no memory for"
has '^sdpa f32 none q16 k16 d16'

# No memory for so many threads: those that there are do the work, say so, and are what is recorded.
limit=500000
check 0 run -s b1_h8_q64_k64_d16 --threads 2000
has 'note: 2000 threads: the system grants this process no more than [0-9]* ('
check 0 bench --results "$work/results" --budget 20ms -k flash_f32 -s "$small" --threads 2000
granted=$(sed -n 's/.*grants this process no more than \([0-9]*\) .*/\1/p' "$work/err")
grep -q "\"threads\":$granted," "$work"/results/*/*.jsonl || fail "the record is not of $granted threads"
check 4 bench --results "$work/none" --budget 20ms -k flash_f32 -s "$small" --scaling 1,2000
has 'error: nothing to measure: --scaling asks for 2000 threads'
[ ! -e "$work/none" ] || fail '--scaling without its threads leaves a file'
exit $((failures > 0))
