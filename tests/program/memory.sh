#!/bin/sh
# memory.sh PROGRAM - no memory for operands: what could not be set up is named and is no verdict, the rest is done, and the exit code is 4; 1 if
# a kernel fails beside it. No memory for threads: fewer do the work. Under a limit of address space.
set -u
# shellcheck source=tests/support/checks.sh
. "$(dirname "$0")/../support/checks.sh"
program=$(absolute "$1")
begin
limit=2000000 # KiB
# shellcheck disable=SC3045  # dash and busybox have it
start() { (ulimit -v $limit && exec "$program" "$@"); }
# shellcheck disable=SC3045  # dash and busybox have it, and who has not skips
(ulimit -v 2000000 && exec "$program" --version) >/dev/null 2>&1 || {
    echo 'skipped: no limit of address space here, or the program (a sanitizer) needs more'
    exit 77
}
big=b1_h1_q1_k9000000_d64 small=b1_h1_q5_k7_d16
check 4 '' verify -k flash_f32,naive_f32 -s "$big $small"
says "^$big:.*: not run: no memory for [kv], [0-9]* bytes"
says '^flash_f32 .*[0-9] of [0-9]* not run: no memory'
says '0 failed'
hides FAIL
check 0 '' verify -k flash_f32,naive_f32 -s "$small"
check 4 '' bench --no-results --budget 20ms -k flash_f32,blocked_f32 -s "$big $small"
says "error: $big: no memory for [kv], [0-9]* bytes"
says "f32:$small"
says '^flash_f32 .* [mun]*s'
hides 'nothing was measured'
check 4 '' bench --no-results --budget 20ms -k 'linear_f32' -s 'linear:8x40000x40000 linear:8x16x16'
says 'error: linear:8x40000x40000: out of memory for'
says 'f32:linear:8x16x16'
check 4 '' bench --no-results --budget 20ms -k flash_f32 --dist peaky -s "$big $small"
check 4 '' bench --no-results --budget 20ms -k flash_f32 --dist peaky,uniform -s "$big $small"
says "error: $big: no memory for"
says "f32:$small"
check 4 '' tune --dry-run --rigor quick --threads 1 -s "$big b1_h2_q16_k16_d16"
says "error: $big: no memory for"
says '^sdpa f32 none q16 k16 d16'

# No memory for so many threads: those that there are do the work, say so, and are what is recorded.
limit=500000
check 0 '' run -s b1_h8_q64_k64_d16 --threads 2000
says 'note: 2000 threads: the system grants this process no more than [0-9]* ('
check 0 '' bench --results results --budget 20ms -k flash_f32 -s "$small" --threads 2000
granted=$(sed -n 's/.*grants this process no more than \([0-9]*\) .*/\1/p' err)
grep -q "\"threads\":$granted," results/*/*.jsonl || fail "the record is not of $granted threads"
check 4 '' bench --results none --budget 20ms -k flash_f32 -s "$small" --scaling 1,2000
says 'error: nothing to measure: --scaling needs 2000 threads'
[ ! -e none ] || fail '--scaling without its threads leaves a file'
finish
