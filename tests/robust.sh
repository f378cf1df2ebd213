#!/bin/sh
# robust.sh PROGRAM - what a run leaves behind when it does not end well: Ctrl-C, a kill, a full disk, a folder that may not be written, two
# runs at once.
set -u
program=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
work=$(mktemp -d) || exit 1
# shellcheck disable=SC2317 # called by the trap
leave() {
    chmod -R u+w "$work" 2>/dev/null
    rm -rf "$work"
}
trap leave EXIT
cd "$work" || exit 1
unset ATTNZOO_KERNEL ATTNZOO_MAX_ISA ATTNZOO_DISABLE ATTNZOO_THREADS ATTNZOO_VERBOSE
failures=0
fail() {
    failures=$((failures + 1))
    printf 'FAILED: %s\n' "$1" >&2
    tail -n 3 out err | sed 's/^/    /' >&2
}
shapes='b1_h1_q{16..63}_k16_d16' # 48 short cases
bench() { "$program" bench -k naive_f32,flash_f32 -s "$shapes" --budget 100ms "$@"; }
only() { echo results/*/*.jsonl; }
cases() { grep -c '"t":"bench"' "$1" || :; }
# await N FILE...: until the one file of results holds N bench records, at most a minute.
await() {
    tries=0
    while [ "$(cat results/*/*.jsonl 2>/dev/null | grep -c '"t":"bench"')" -lt "$1" ] && [ $tries -lt 600 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
}
# Every line is whole, and read back by the one reader.
readable() { "$program" results check results >out 2>err; }

# Ctrl-C: every finished record is kept, the file ends with exit 130. (A background job of sh ignores SIGINT, so env sets it right.)
rm -rf results
env --default-signal=INT "$program" bench -k naive_f32,flash_f32 -s "$shapes" --budget 100ms >out 2>err &
pid=$!
await 2
kill -INT $pid
wait $pid
code=$?
[ $code -eq 130 ] || fail "Ctrl-C: exit code $code, expected 130"
file=$(only)
tail -n 1 "$file" | grep -q '"t":"end".*"exit":130' || fail 'Ctrl-C: the file does not end with exit 130'
[ "$(cases "$file")" -ge 2 ] || fail 'Ctrl-C: finished records are lost'
[ "$(cases "$file")" -lt 96 ] || fail 'Ctrl-C: came too late to test anything'
readable || fail 'Ctrl-C: results cannot read the file'

# Ctrl-C in verify: nothing that was not run through has passed, and what was not reached has not been skipped for a reason of its own. One
# worker goes from case to case and on each from kernel to kernel, so no kernel is through before the last case.
env --default-signal=INT "$program" verify --suite full -j 1 -k naive_f32,linear_f32 -o jsonl:verified >out 2>err &
pid=$!
tries=0
until grep -q '"t":"verify"' verified.*.partial 2>/dev/null || [ $tries -ge 100 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
kill -INT $pid
wait $pid
code=$?
[ $code -eq 130 ] || fail "verify, Ctrl-C: exit code $code, expected 130"
grep -q '^naive_f32 .* interrupted after [1-9][0-9]* of [0-9]* cases' out || fail 'verify, Ctrl-C: does not say how far naive_f32 came'
grep -q '^linear_f32 .* not reached' out || fail 'verify, Ctrl-C: does not say that linear_f32 was not reached'
grep -q '^0 passed, 0 failed, 0 skipped, [2-9] not finished$' out || fail 'verify, Ctrl-C: counts what was not finished'
grep -q 'no case here is for it' out && fail 'verify, Ctrl-C: gives a reason that is none'

# kill -9: no end, but every line that is there is whole; the reader says so.
rm -rf results
"$program" bench -k naive_f32,flash_f32 -s "$shapes" --budget 100ms >out 2>err &
pid=$!
await 2
kill -KILL $pid
wait $pid 2>/dev/null
file=$(only)
grep -q '"t":"end"' "$file" && fail 'kill: there should be no end record'
[ "$(cases "$file")" -ge 2 ] || fail 'kill: finished records are lost'
"$program" results list results >out 2>err || fail 'kill: results refuses the file'
grep -qi 'partial' out err || fail 'kill: nobody says partial'
# What a killed write may leave: a line cut in two.
printf '{"t":"bench","v":1,"ru' >>"$file"
"$program" results list results >out 2>err || fail 'kill: results refuses a file whose last line is cut off'

# Two runs at once into one folder: two files, both whole.
rm -rf results
shapes='b1_h1_q{16..23}_k16_d16'
bench >out 2>err &
first=$!
bench >out2 2>err2 &
second=$!
wait $first || fail 'two at once: the first failed'
wait $second || fail 'two at once: the second failed'
[ "$(only | wc -w)" -eq 2 ] || fail 'two at once: not two files'
[ "$(cat results/*/*.jsonl | grep -c '"t":"end".*"exit":0')" -eq 2 ] || fail 'two at once: not two ends'
readable || fail 'two at once: results cannot read them'
for file in results/*/*.jsonl; do
    [ "$(cases "$file")" -eq 16 ] || fail 'two at once: records are missing'
done
[ -z "$(find results -name '*.partial')" ] || fail 'two at once: a partial file is left'

# A full disk: the reason and what was kept, exit code 2, whole lines. A limit on file size does what a full disk does.
rm -rf results
shapes='b1_h1_q{16..23}_k16_d16'
(
    ulimit -f 8 # 4 KiB where the shell counts in 512 bytes, 8 KiB where in 1024
    bench >out 2>err
)
code=$?
[ $code -eq 2 ] || fail "full disk: exit code $code, expected 2"
grep -q 'cannot write .*records kept' err || fail 'full disk: no reason'
file=$(only)
[ "$(tail -c 1 "$file" | od -An -c | tr -d ' ')" = '\n' ] || fail 'full disk: the last line is cut off'
readable || fail 'full disk: results cannot read what was kept'
if [ -w /dev/full ]; then
    bench --no-results -o jsonl:/dev/full >out 2>err
    code=$?
    [ $code -eq 2 ] || fail "full copy: exit code $code, expected 2"
    grep -q 'No space left' err || fail 'full copy: no reason'
fi

# A folder that may not be written (root may, so there a file stands in the way).
rm -rf results
mkdir results
if [ "$(id -u)" -eq 0 ]; then rmdir results && : >results; else chmod a-w results; fi
bench >out 2>err
code=$?
[ $code -eq 2 ] || fail "read-only results: exit code $code, expected 2"
grep -q 'results: cannot write .*--no-results' err || fail 'read-only results: no way out named'
[ ! -s out ] || fail 'read-only results: measured before it said so'
[ "$failures" -eq 0 ]
