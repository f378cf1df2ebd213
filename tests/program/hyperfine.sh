#!/bin/sh
# hyperfine.sh PROGRAM SOURCE - bench --driver hyperfine with the real tool: what hyperfine sees of many calls and what the same processes saw
# themselves are the same time. Both clocks watch the same calls, so a busy machine disturbs both; what it does to the start of
# a process widens the interval, no more. (Seen to fail with
# the inner figure 20 % off on two cores under load 12, where the interval was +-2 %.)
set -u
# shellcheck source=tests/support/checks.sh
. "$(dirname "$0")/../support/checks.sh"
program=$(absolute "$1")
source=$(absolute "$2")
here=$(cd "$(dirname "$0")" && pwd)
begin
# refused CODE WORD ARGUMENT...
refused() {
    code=$1 word=$2
    shift 2
    env PATH="${search:-$PATH}" "$program" bench --no-results "$@" >out 2>err
    got=$?
    if [ $got -ne "$code" ] || ! grep -q -- "$word" err; then fail "bench $*: exit code $got, or no '$word'"; fi
}
refused 2 "unknown driver 'hyprfine'; did you mean 'hyperfine'" --driver hyprfine
refused 2 'takes attention' --driver hyperfine -s linear:8x8x8
if "$program" list kernels -o csv | grep -q '^blas_f32,'; then
    refused 2 'blas_f32 cannot be combined with --driver hyperfine: it is a yardstick' --driver hyperfine -k blas_f32 -s b1_h1_q1_k1_d8
    refused 2 'blas_f32 cannot be combined with --driver hyperfine: it is a yardstick' --driver hyperfine --baseline blas_f32 -s b1_h1_q1_k1_d8
    refused 4 'none of the chosen kernels' --driver hyperfine -k 'blas_*' -s b1_h1_q1_k1_d8
fi
search=$work
refused 2 'hyperfine is not here' --driver hyperfine -s b1_h1_q1_k1_d8
printf '#!/bin/sh\necho hyperfine 1.9.0\n' >hyperfine && chmod +x hyperfine
search=$work:$PATH
refused 2 'hyperfine 1.9.0 is too old' --driver hyperfine -s b1_h1_q1_k1_d8
rm hyperfine
search=

command -v hyperfine >/dev/null || { echo 'skipped: no hyperfine here'; exit 77; }
"$program" bench --driver hyperfine -k flash_f32 -s b1_h4_q128_k128_d64 --min-trial 1s --rounds 10 --budget 20s --results results >out 2>err ||
    fail 'bench --driver hyperfine: not exit code 0'
[ ! -s err ] || fail 'bench --driver hyperfine: something on stderr'
grep -q '^start-up [0-9.]* ' out || fail 'no start-up time'
grep -q '±' out && fail 'half of an interval, where both ends are to be shown'
file=$(echo results/*/*.jsonl)
[ "$(grep -c '"t":"process"' "$file")" -eq 1 ] || fail 'there should be one process record'
grep -q '"t":"end".*"exit":0' "$file" || fail 'no end record'

# By default the kernels of the library, and no yardstick that run would refuse.
"$program" bench --driver hyperfine -s b1_h1_q4_k4_d8 --min-trial 10us --rounds 1 --budget 10ms --no-results >out 2>err
grep -q '^naive_f32 ' out || fail 'bench --driver hyperfine, all kernels: none'
grep -q 'blas\|ended with exit code' out && fail 'bench --driver hyperfine, all kernels: a yardstick is among them'

# "agreement":{"med":M,"lo":L,"hi":H} of each kernel: the interval must reach into [0.98, 1.02].
grep '"t":"process"' "$file" | sed 's/.*"kernel":"\([a-z0-9_]*\)","unit".*"agreement":{"med":\([^,]*\),"lo":\([^,]*\),"hi":\([^,]*\),.*/\1 \2 \3 \4/' >agreement
awk '{ print $1 ": hyperfine / inside = " $2 " [" $3 ", " $4 "]"; if ($3 > 1.02 || ($4 != "null" && $4 < 0.98)) bad = 1; n++ } END { exit bad || n != 1 }' \
    agreement || { fail 'the clocks disagree'; cat agreement >&2; }
cat agreement
[ -z "$(find /tmp /dev/shm -maxdepth 1 -name 'attnzoo-processes-*' -user "$(id -u)" -newer agreement 2>/dev/null)" ] || fail 'a folder is left behind'

# The arms of the tune file, seen by a hyperfine that notes what it is given: in every round one process with a file and one without, and
# the file is taken, by dispatch too, and changes nothing.
sed 's/.*"tune":{"med":\([^,]*\),.*"n":\([0-9]*\),"entries":\([0-9]*\),.*/\2 \3/;/^[0-9 ]*$/!d' "$file" >tune
grep -q '^[1-9][0-9]* [1-9][0-9]*$' tune || fail 'the record says nothing of a tune file'
real=$(command -v hyperfine)
cat >hyperfine <<EOF
#!/bin/sh
if [ -n "\$ATTNZOO_TUNE_FILE" ]; then
    echo "\${ATTNZOO_TUNE_FILE##*.}" >>"$work/seen"
    [ "\$ATTNZOO_TUNE_FILE" = off ] || cp "\$ATTNZOO_TUNE_FILE" "$work/copy.tune"
fi
exec "$real" "\$@"
EOF
chmod +x hyperfine
unset ATTNZOO_TUNE_FILE
export XDG_CACHE_HOME="$work/nothing"
run_one() {
    PATH=$work:$PATH "$program" bench --no-results --driver hyperfine -k flash_f32 --min-trial 10ms --rounds 7 --budget 10ms "$@" >out 2>err
}
run_one -s b1_h2_q16_k64_d16 || fail 'bench --driver hyperfine, watched: not exit code 0'
rounds=$(sed -n 's/.*, \([0-9]*\) rounds in .*/\1/p' out)
if [ "$(sort seen | uniq -c | tr -d '\n' | tr -s ' ')" != " $((rounds + 1)) off $((rounds + 1)) tune" ]; then
    fail 'not one process with and one without a tune file a round'
    cat seen >&2
fi
entries=$(sed -n 's/^start-up .*, a tune file of \([0-9]*\) entries .*\(few rounds\|[0-9] [mun]\{0,1\}s\).*/\1/p' out)
ATTNZOO_TUNE_FILE=$work/copy.tune "$program" list -s b1_h2_q16_k64_d16 --why --threads 1 >with 2>err
grep -q "copy.tune: $entries entries" with err || { cp with out; fail "the file of '$entries' entries is not taken"; }
grep -q 'chosen: tuned' with || { cp with out; fail 'the file has no entry of the shape'; }
ATTNZOO_TUNE_FILE=off "$program" list -s b1_h2_q16_k64_d16 --why --threads 1 >without 2>/dev/null
for list in with without; do sed -n 's/^[^ ]*  *\([a-z0-9_]*\) .*chosen.*/\1/p' $list >$list.kernel; done
if [ ! -s with.kernel ] || ! cmp -s with.kernel without.kernel; then
    cat with without >out
    fail 'the file changes the choice'
fi
rm -f seen
run_one -s b1_h2_q16_k0_d16
grep -q 'no tune file: it cannot name this shape' out || fail 'a shape without keys: no word of the tune file'
[ ! -e seen ] || fail 'a shape without keys: there was a tune file all the same'
if command -v python3 >/dev/null; then
    python3 "$here/schema.py" "$source/results/schema.json" "$source/results/README.md" results >out 2>err
    [ $? -eq 1 ] && fail 'the records do not follow results/schema.json'
fi
[ "$failures" -eq 0 ]
