#!/bin/sh
# conform.sh PROGRAM GENERATOR [SEED COUNT] - conformance cases made on the spot pass on every kernel, and one wrong number in them does not.
set -eu
program=$1
generator=$2
seed=${3:-1}
count=${4:-60}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$generator" "$work" "$seed" "$count"
"$program" conform "$work" >"$work/said" || {
    grep -v '^pass' "$work/said" >&2
    exit 1
}
tail -n 1 "$work/said"
grep -q "^$count passed, 0 failed, 0 skipped\$" "$work/said"

# The expected output of the first case, its last number replaced by 1e4 or more: exit code 1.
broken=$work/seed_$seed
size=$(wc -c <"$broken/out_0.npy")
printf '\160\160' | dd of="$broken/out_0.npy" bs=1 seek=$((size - 2)) conv=notrunc 2>"$work/dd"
code=0
"$program" conform "$broken" >"$work/said" || code=$?
if [ "$code" -ne 1 ] || ! grep -q 'FAIL.*Y\[' "$work/said"; then
    echo "a wrong number in $broken passed" >&2
    exit 1
fi
