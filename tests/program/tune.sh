#!/bin/sh
# tune.sh PROGRAM - attnzoo tune at its doors: what it writes, what a damaged or foreign file does, several at once, Ctrl-C. Times are
# real, so a machine that is too busy to decide (exit 3) is asked again; everything else must come out as written here.
set -u
# shellcheck source=tests/support/checks.sh
. "$(dirname "$0")/../support/checks.sh"
program=$(absolute "$1")
begin
unset XDG_CACHE_HOME
export ATTNZOO_TUNE_FILE="$work/new/a.tune"

# holds WHAT COMMAND...: the command succeeds.
holds() {
    what=$1
    shift
    checks=$((checks + 1))
    "$@" >held 2>&1 || fail "$what"
}

# Until it is quiet enough to decide.
tune_until_sure() {
    for attempt in 1 2 3 4 5 6; do
        "$program" tune --threads 1 --rigor quick "$@" >out 2>err </dev/null
        got=$?
        [ "$got" -eq 3 ] || break
        echo "attempt $attempt was too noisy" >&2
    done
    checks=$((checks + 1))
    [ "$got" -eq 0 ] || fail "attnzoo tune $*: exit code $got"
}
small='b1_h2_q16_k64_d16'

# Words
check 2 "unknown rigor 'mesure'; did you mean 'measure'" tune --rigor mesure
check 2 "unexpected argument 'gpt2'" tune gpt2
check 2 'cannot be combined' tune --show --check
check 2 'cannot be combined' tune --show -s $small
check 2 '--sample needs --check' tune --sample 5
check 2 'percentage above 0' tune --check --sample 0
check 2 "unknown preset 'gpt9/x'" tune -s gpt9/x
check 2 '--file is' tune --file ''
check 4 'no shape has rows' tune -s b1_h2_q0_k8_d16
check 4 'no such file' tune --show
check 4 'no such file' tune --check
check 4 'no such file' tune --export copy.tune
check 2 'no such file' tune --import copy.tune
ATTNZOO_TUNE_FILE=off check 2 'ATTNZOO_TUNE_FILE is off' tune --show
(unset ATTNZOO_TUNE_FILE HOME && "$program" tune -s $small >out 2>err)
holds 'without HOME: not refused' grep -q 'no place for a tune file' err
holds 'an error made a file' [ ! -e new ]

# Nothing is written
check 0 'estimated, not measured' tune -s $small --rigor estimate --threads 1
check 0,3 'nothing was written' tune -s $small --rigor quick --threads 1 --dry-run
holds 'a dry run made a file' [ ! -e new ]
check 0 'no tuning: .*no such file' list -s $small --why

# Written, shown, followed
tune_until_sure -s "$small llama3-8b/decode@32"
holds 'two entries' grep -q '2 entries written' err
holds 'the last line' sh -c 'tail -n 1 new/a.tune | grep -q "^end 2 [0-9a-f]\{16\}$"'
sed '1d;$d' new/a.tune >lines
holds 'sorted' env LC_ALL=C sort -c lines
cp new/a.tune before.tune
check 0 'sdpa f32 none q16 k64 d16 v16 g1 t1.*quick.*b1_h2_q16_k64_d16' tune --show
check 0 'chosen: tuned' list -s $small --why --threads 1
check 0 'note: tune file .*2 entries; for 1 thread' list -s $small --why --threads 1
check 0 '2 buckets were already in .*' tune --rigor quick --threads 1 -s "$small llama3-8b/decode@32"
holds 'untouched' cmp before.tune new/a.tune
check 0,3 holds tune --check
check 0 '"by":"tune"' bench --no-results -o jsonl --budget 20ms -s $small --threads 1

# What was asked for wins

check 0 "^$small *naive_f32 .*chosen" list -s $small --why --threads 1 -k naive_f32
ATTNZOO_KERNEL=naive_f32 check 0 "naive_f32 .*chosen$" list -s $small --why --threads 1
ATTNZOO_VERBOSE=dispatch "$program" run -k naive_f32 -s $small --iters 1 >out 2>err
holds 'verbose' grep -q "^attnzoo_verbose,v1,tune,$work/new/a.tune,loaded," err

# To and from elsewhere
check 0 'copy.tune: 2 entries' tune --export copy.tune
holds 'an export is a copy' cmp copy.tune new/a.tune
check 0 '2 entries from copy.tune' tune --file other/b.tune --import copy.tune
holds 'an import into nothing is a copy' cmp copy.tune other/b.tune
check 2 'cannot' tune --file /proc/nowhere/a.tune --import copy.tune

# Damaged, stale, of other kinds: refused whole, dispatch goes on, nothing precious is overwritten
sed 's/rigor=quick/rigor=quack/' copy.tune >new/a.tune
check 0 'no tuning: .*refused, is cut short or was changed' list -s $small --why
check 0 "per call" run -s $small --iters 1
check 2 'refused, is cut short' tune --show
check 2 'refused, is cut short' tune --file x.tune --import new/a.tune
tune_until_sure -s $small
holds 'replaced with a word' grep -q 'is replaced: is cut short' err
holds 'one entry is left' grep -q '^end 1 ' new/a.tune
echo 'my notes' >notes
check 2 'is no tune file; it was not touched' tune --file notes --rigor quick --threads 1 -s $small
holds 'the notes are there' grep -q 'my notes' notes
rm new/a.tune
check 0 'no such file' list -s $small --why

# Two at once, and a reader
"$program" tune --threads 1 --rigor quick -s 'b1_h2_q{16,64}_k64_d16' >one 2>&1 &
one=$!
"$program" tune --threads 1 --rigor quick -s 'b1_h2_q16_k{128,256}_d32' >two 2>&1 &
two=$!
reads=0
while kill -0 $one 2>/dev/null || kill -0 $two 2>/dev/null; do
    if [ -e new/a.tune ]; then
        "$program" tune --show >out 2>err || fail 'a reader saw half a file'
        reads=$((reads + 1))
    else
        sleep 0.01
    fi
done
wait $one
wait $two
checks=$((checks + 1))
written=$(cat one two | sed -n 's/.*a.tune: \([0-9]*\) entries written/\1/p' | awk '{ n += $1 } END { print n + 0 }')
grep -q "^end $written " new/a.tune || { [ "$written" -eq 0 ] && [ ! -e new/a.tune ]; } ||
    fail "$written entries were written, but others are there"

# Ctrl-C: what was finished stays
rm -f new/a.tune
"$program" tune --threads 1 --rigor patient -s 'b1_h2_q{16..4096*2}_k64_d16' >out 2>err &
pid=$!
while [ ! -e new/a.tune ] && kill -0 $pid 2>/dev/null; do sleep 0.1; done
kill -INT $pid
wait $pid
got=$?
holds "interrupted: exit code $got" [ $got -eq 130 ]
check 0 'q16 k64' tune --show

echo "$checks checks, $failures failed; $reads reads beside two writers"
[ $failures -eq 0 ]
