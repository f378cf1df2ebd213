#!/bin/sh
# memory.sh PROGRAM - no memory for operands: what could not be set up is named and is no verdict, the rest is done, and the exit code is 4; 1 if
# a kernel fails beside it. Under a limit of address space.
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
# check CODE ARGUMENT...: under the limit.
check() {
    code=$1
    shift
    (ulimit -v 2000000 && exec "$program" "$@") >"$work/out" 2>"$work/err" </dev/null
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
exit $((failures > 0))
