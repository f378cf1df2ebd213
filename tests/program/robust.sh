#!/bin/sh
# robust.sh PROGRAM [LATE] - what a run leaves behind when it does not end well: a signal, a kill, a full disk, a folder that may not be written, two
# runs at once.
set -u
# shellcheck source=tests/support/checks.sh
. "$(dirname "$0")/../support/checks.sh"
program=$(absolute "$1")
late=${2:+$(absolute "$2")}
begin

shapes='b1_h1_q{16..63}_k16_d16' # 48 short cases
bench() { "$program" bench -k naive_f32,flash_f32 -s "$shapes" --budget 100ms "$@"; }
only() { echo results/*/*.jsonl; }
cases() { grep -c '"t":"bench"' "$1" || :; }
# await N: until the one file of results holds N bench records, or $pid is gone.
await() {
    while [ "$(cat results/*/*.jsonl 2>/dev/null | grep -c '"t":"bench"')" -lt "$1" ] && kill -0 $pid 2>/dev/null; do sleep 0.1; done
}
# Every line is whole, and read back by the one reader.
readable() { "$program" results check results >out 2>err; }

# A signal that asks for an end: every finished record is kept, the file ends with 128 + the signal and its name, the table is written.
# (A background job of sh ignores SIGINT, so env sets it right.)
while read -r signal expected; do
    rm -rf results table.csv*
    env --default-signal=INT "$program" bench -k naive_f32,flash_f32 -s "$shapes" --budget 100ms -o csv:table.csv >out 2>err &
    pid=$!
    await 2
    kill -s "$signal" $pid
    wait $pid
    code=$?
    [ $code -eq "$expected" ] || fail "SIG$signal: exit code $code, expected $expected"
    file=$(only)
    tail -n 1 "$file" | grep -q "\"t\":\"end\".*\"exit\":$expected,\"signal\":\"SIG$signal\"}" || fail "SIG$signal: the file does not end with exit $expected"
    [ "$(cases "$file")" -ge 2 ] || fail "SIG$signal: finished records are lost"
    [ "$(cases "$file")" -lt 96 ] || fail "SIG$signal: came too late to test anything"
    [ "$(wc -l <table.csv)" -eq $((1 + $(cases "$file"))) ] || fail "SIG$signal: the table does not hold what was finished"
    [ -z "$(find . -name '*.partial')" ] || fail "SIG$signal: a partial file is left"
    readable || fail "SIG$signal: results cannot read the file"
    "$program" results >out 2>err
    grep -q interrupted out || fail "SIG$signal: results does not say that the run was interrupted"
done <<'END'
INT 130
TERM 143
HUP 129
END

# caught PID SIGNAL-NUMBER: until the process is the program and has a handler for it, or is gone. (Before that it is a copy of this shell, whose
# own handlers say nothing: a signal that came then would be lost.)
caught() {
    while kill -0 "$1" 2>/dev/null; do
        [ "$(readlink "/proc/$1/exe")" = "$program" ] || continue
        mask=$(sed -n 's/^SigCgt:.*\(........\)$/\1/p' "/proc/$1/status" 2>/dev/null)
        [ $(((0x${mask:-0} >> ($2 - 1)) & 1)) -eq 0 ] || break
        sleep 0.05
    done
}
# ends WHAT SIGNAL NUMBER COMMAND...: whatever it is doing, it ends with 128 + NUMBER and leaves no half file.
ends() {
    what=$1 signal=$2 number=$3
    shift 3
    env --default-signal=INT "$program" "$@" >out 2>err <hold &
    pid=$!
    caught $pid "$number"
    kill -s "$signal" $pid
    wait $pid
    code=$?
    [ $code -eq $((128 + number)) ] || fail "$what, SIG$signal: exit code $code, expected $((128 + number))"
    [ -z "$(find . -name '*.partial')" ] || fail "$what, SIG$signal: a partial file is left"
}
if [ -r /proc/self/status ]; then
    mkfifo hold
    sleep 100000 >hold &
    holder=$!
    for signal in 'INT 2' 'TERM 15' 'HUP 1'; do
        number=${signal#* } signal=${signal% *}
        ends verify "$signal" "$number" verify --suite full -o jsonl:verified
        ends 'verify, csv' "$signal" "$number" verify --suite full -o csv:verified
        ends tune "$signal" "$number" tune --rigor exhaustive -o csv:tuned --file tuned.tune
        ends serve "$signal" "$number" serve --no-results
        ends run "$signal" "$number" run -k naive_f32 -s b1_h1_q64_k64_d16 --iters 1000000000
        ends 'bench --micro' "$signal" "$number" bench --micro all --no-results -o jsonl:micro
        ends 'bench --dist' "$signal" "$number" bench --dist all --budget 100 --no-results -o md:vary
        ends 'cpu --peaks' "$signal" "$number" cpu --peaks
        if command -v hyperfine >/dev/null; then
            ends 'bench --driver hyperfine' "$signal" "$number" bench --driver hyperfine --budget 100 --no-results -o csv:processes
        fi
        if [ -e "$(dirname "$program")/attnzoo_pack.so" ]; then
            ends selftest "$signal" "$number" selftest
            ends regress "$signal" "$number" regress --base "$(dirname "$program")/attnzoo_pack.so" --head "$(dirname "$program")/attnzoo_pack.so"
        fi
    done
    # A signal between the last look and the read: nothing comes on stdin, and the read would wait for ever. (Under AddressSanitizer its own
    # library must come first.)
    if [ -n "${2-}" ]; then
        LD_PRELOAD=$late timeout 100 "$program" serve --no-results >out 2>err <hold
        code=$?
        [ $code -eq 143 ] || fail "SIGTERM just before a read: exit code $code, expected 143"
    fi
    # Two signals at once are one request, as `timeout` sends them; a later one ends the program where it stands.
    env --default-signal=INT "$program" serve --no-results >out 2>err <hold &
    pid=$!
    caught $pid 15
    kill -s TERM $pid
    kill -s HUP $pid 2>/dev/null
    wait $pid
    code=$?
    [ $code -eq 143 ] || [ $code -eq 129 ] || fail "two signals at once: exit code $code"
    # nohup: the terminal may go away.
    (trap '' HUP; exec "$program" serve --no-results >out 2>err <hold) &
    pid=$!
    caught $pid 15
    kill -s HUP $pid
    kill -s TERM $pid
    wait $pid
    code=$?
    [ $code -eq 143 ] || fail "SIGHUP under nohup: exit code $code, expected that of the SIGTERM behind it"
    kill $holder
fi

# A signal in verify: nothing that was not run through has passed, and what was not reached has not been skipped for a reason of its own. One
# worker goes from case to case and on each from kernel to kernel, so no kernel is through before the last case.
env --default-signal=INT "$program" verify --suite full -j 1 -k naive_f32,linear_f32 -o table -o jsonl:verified >out 2>err &
pid=$!
until grep -q '"t":"verify"' verified.*.partial 2>/dev/null || ! kill -0 $pid 2>/dev/null; do sleep 0.1; done
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
