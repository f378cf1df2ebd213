#!/bin/sh
# regress.sh PROGRAM PACK SLOWED WRONG CRASHING FUTURE CHEAP OLD - `attnzoo regress` from outside: a pack against itself, against one whose
# blocked_f32 was slowed by a third, is wrong or crashes, one of another ABI, one whose dispatch takes naive_f32, and one that does not tell
# what its dispatch takes; what it says, writes and returns. And `attnzoo selftest`.
#
# Times are taken for real, so on a machine at its limit a comparison may end as "cannot be told" (3). That is allowed where it is honest,
# but never a false alarm, and in three tries each verdict must be reached once.
set -u
# shellcheck source=tests/support/checks.sh
. "$(dirname "$0")/../support/checks.sh"
program=$(absolute "$1") pack=$(absolute "$2") slowed=$(absolute "$3") wrong=$(absolute "$4")
crashing=$(absolute "$5") future=$(absolute "$6") cheap=$(absolute "$7") old=$(absolute "$8")
here=$(cd "$(dirname "$0")" && pwd)
begin
start() { "$program" regress "$@"; }
called='attnzoo regress'
# decide CODE ARGUMENT...: CODE within three tries, and 3 at worst before.
decide() {
    code=$1
    shift
    for try in 1 2 3; do
        launch "$@" --seed "$try"
        [ "$got" -ne "$code" ] || return 0
        if [ "$got" -ne 3 ]; then
            fail "$called $*: exit code $got, expected $code, or 3 on a bad day"
            return 1
        fi
    done
    fail "$called $*: three times 3, expected $code"
    return 1
}

# What cannot be compared.
check 2 '--base is missing' --head "$pack"
check 2 '--head is missing' --base "$pack"
check 2 'cannot be read' --base ./none.so --head "$pack"
check 4 'has pack ABI 2; this program knows 1' --base "$future" --head "$pack"
printf 'no library\n' >text.so
check 4 'nothing can be compared' --base "$pack" --head ./text.so
check 2 "unknown kernel 'blocked_f31'; did you mean 'blocked_f32'" --base "$pack" --head "$pack" -k blocked_f31
check 4 'nothing to compare' --base "$pack" --head "$pack" -k additive_f32 -s b1_h1_q2_k2_d8
check 2 'rounds is' --base "$pack" --head "$pack" --rounds 99
check 2 "unknown gate 'clock'; known: time, insn, time,insn" --base "$pack" --head "$pack" --gate clock
printf '* * +5%% until=2026-02-40 x\n' >allow
check 2 'until=2026-02-40' --base "$pack" --head "$pack" --allow allow

# The same pack twice: same, 0.
few='-k blocked_f32,flash_f32 -s b1_h1_q32_k64_d32 --gate time'
# shellcheck disable=SC2086  # options on purpose, here and below
printf '* blocked_f32 +5%% until=9999-12-31 named\nb1_* flash_f33 +5%% until=9999-12-31 mistyped\n' >allow
# shellcheck disable=SC2086
if decide 0 --base "$pack" --head "$pack" $few --allow allow --junit j.xml --md m.md --jsonl r.jsonl; then
    has out '2 same, 0 inconclusive'
    has out 'controls hold in 2 of 2'
    has err 'note: .*allow: the waiver on line 2 (b1_\* flash_f33) matches nothing that is compared'
    lacks err 'waiver of line 1 '
    has j.xml 'failures="0" skipped="0"'
    has m.md '### Kernels: nothing slower'
    [ "$(grep -c '"t":"regress".*"verdict":"same"' r.jsonl)" = 2 ] || fail "two records that say same"
    has r.jsonl '"t":"end".*"exit":0'
    if command -v python3 >/dev/null; then
        code=0
        python3 "$here/schema.py" "$here/../../results/schema.json" "$here/../../results/README.md" r.jsonl >out \
            2>err || code=$?
        case $code in 0 | 77) ;; *) fail "records are not as results/schema.json says" ;; esac
    fi
fi

# One kernel slowed: it is named and its neighbour is not.
# shellcheck disable=SC2086
if decide 1 --base "$pack" --head "$slowed" $few --junit j.xml --md m.md; then
    has out 'blocked_f32 .* SLOWER'
    lacks out ' flash_f32 .* SLOWER'
    has j.xml 'classname="regress.time.blocked_f32" name="b1_h1_q32_k64_d32"><failure'
    lacks j.xml 'regress.time.flash_f32"[^/]*<failure'
    has m.md '### Kernels: SLOWER'
    if command -v python3 >/dev/null; then
        python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' j.xml 2>err ||
            fail 'the JUnit file is no XML'
    fi
fi
echo '* blocked_f32 +200% until=9999-12-31 known' >allow
# shellcheck disable=SC2086
if decide 0 --base "$pack" --head "$slowed" $few --allow allow; then has out 'waived until 9999-12-31: known'; fi

# Kernels are the same, but dispatch takes another one: what callers get is slower, and that alone.
on='-s b1_h1_q64_k96_d64 --gate time'
# shellcheck disable=SC2086
if decide 1 --base "$pack" --head "$cheap" $on -k dispatch,naive_f32 --junit j.xml --jsonl r.jsonl; then
    has out ' dispatch  *- .* SLOWER .* became naive_f32'
    has out ' naive_f32  *head '
    lacks out ' naive_f32 .* SLOWER'
    has j.xml 'classname="regress.time.dispatch" name="b1_h1_q64_k96_d64"><failure'
    has r.jsonl '"kernel":"dispatch".*"taken":"both","gates":true,"took":{"base":"[a-z0-9_]*","head":"naive_f32"}'
fi
# shellcheck disable=SC2086
if decide 0 --base "$pack" --head "$pack" $on -k dispatch; then has out ' dispatch  *- .* same .* in both'; fi
check 3 'became naive_f32: only --gate time tells' --base "$pack" --head "$cheap" -s b1_h1_q64_k96_d64 -k dispatch,naive_f32 --gate insn
# A kernel that dispatch does not take is shown and fails nothing, unless it is named or all are to fail.
# shellcheck disable=SC2086
if decide 0 --base "$pack" --head "$slowed" $on -k 'blocked_f3[2]' --jsonl r.jsonl; then
    has out ' blocked_f32  *none .* slower .*dispatch does not take it: no failure'
    has out '0 slower, .* 1 slower that dispatch does not take'
    has r.jsonl '"taken":"none","gates":false'
fi
# shellcheck disable=SC2086
decide 1 --base "$pack" --head "$slowed" $on -k 'blocked_f3[2]' --fail-on all
check 2 "unknown value of --fail-on 'none'; known: taken, all" --base "$pack" --head "$pack" --fail-on none
# A pack that does not tell what its dispatch takes is compared all the same; then every kernel fails.
# shellcheck disable=SC2086
if decide 1 --base "$old" --head "$slowed" $on -k 'blocked_f3[2]'; then
    has err 'note: the pack .*pack_old.so of commit .* does not say what dispatch chooses'
    has out ' blocked_f32  *unknown .* SLOWER'
fi

# The gate without a clock; skipped where nothing counts instructions.
only='-k blocked_f32 --gate insn'
from=$(date +%s)
# shellcheck disable=SC2086
launch --base "$pack" --head "$slowed" $only
counting=$(($(date +%s) - from + 1)) # seconds
if grep -q 'instructions not counted' out; then
    echo "skipped: instruction counts: $(sed -n 's/.*instructions not counted: //p' out)"
else
    [ "$got" -eq 1 ] || fail "gate insn: exit code $got, expected 1"
    has out 'blocked_f32 .* MORE'
    # shellcheck disable=SC2086
    check 0 ': 0 of [0-9]* cases fail' --base "$slowed" --head "$slowed" $only
    # shellcheck disable=SC2086
    check 0 'waived until 9999-12-31: known' --base "$pack" --head "$slowed" $only --allow allow
    echo '* blocked_f32 +200% until=2020-12-31 known' >allow
    # shellcheck disable=SC2086
    check 1 'the waiver of line 1 ended 2020-12-31' --base "$pack" --head "$slowed" $only --allow allow
fi

# Each way to count, where it can be had: the same kernels count the same, and more is seen.
for counter in perf ptrace valgrind; do
    launch --base "$pack" --head "$slowed" -k linear_f32_naive,blocked_f32 --gate insn --counter "$counter" -v
    if grep -q 'instructions not counted' out; then
        echo "skipped: $counter: $(sed -n 's/.*instructions not counted: //p' out)"
    else
        has out "cases fail ($counter)"
        has out 'linear_f32_naive .* equal'
        has out 'blocked_f32 .* MORE'
    fi
done

# Ctrl-C: 130, and what was finished is kept, marked as a part: instructions were counted, and with 40 launches nothing was decided.
rm -f r.jsonl j.xml m.md
"$program" regress --base "$pack" --head "$slowed" -k blocked_f32 -s b1_h1_q32_k64_d32 --launches 40 --min-trial 2ms --jsonl r.jsonl \
    --junit j.xml --md m.md >out 2>err </dev/null &
child=$!
sleep $((counting + 4))
kill -INT "$child" # a background job of a script ignores it unless the program asks for it, as this one does
got=0
wait "$child" || got=$?
[ "$got" -eq 130 ] || fail "Ctrl-C: exit code $got, expected 130"
has out 'blocked_f32 .* interrupted .*interrupted \(after [0-9]* of 40 launches\|before it was measured\)'
has out '^partial: interrupted; time: 0 slower'
has m.md '### Kernels: interrupted, a part'
has j.xml 'partial: interrupted'
has r.jsonl '"t":"regress".*"verdict":"inconclusive".*"why":"interrupted'
has r.jsonl '"t":"end".*"exit":130'
grep -q 'instructions not counted' out || has out 'blocked_f32 .* MORE'

# An output that cannot be written is found before anything is measured, and no other is touched; two cannot share a file.
echo old >m.md
check 2 'no/such/r.jsonl: cannot write' --base "$pack" --head "$pack" -k blocked_f32 --launches 40 --md m.md --jsonl no/such/r.jsonl
[ "$(cat m.md)" = old ] || fail 'an output beside a bad one was replaced'
check 2 'two outputs go to' --base "$pack" --head "$pack" -k blocked_f32 --md m.md --junit m.md
if [ -e /dev/full ]; then
    check 2 'No space left on device' --base "$pack" --head "$pack" -k blocked_f32 --gate insn --jsonl /dev/full --md m.md
    has m.md '### Kernels'
fi

# A machine tells what it can.
"$program" selftest --quick --pack "$pack" >out 2>err </dev/null
got=$?
case $got in 0 | 3) ;; *) fail "selftest: exit code $got, expected 0 or 3" ;; esac
has out '^clock .* steps of'
has out '10 %  *5.0 %  *[0-9]* of [0-9]*'
has out '^advice .*--gate'
"$program" selftest --pack ./none.so >out 2>err </dev/null
[ $? -eq 4 ] || fail 'selftest without a pack: expected 4'

# A head that is wrong or crashes is not timed.
# shellcheck disable=SC2086
launch --base "$pack" --head "$wrong" $few
[ "$got" -eq 1 ] || fail "a wrong head: exit code $got, expected 1"
has out 'blocked_f32 .* WRONG'
lacks out 'blocked_f32 .* SLOWER'
# shellcheck disable=SC2086
launch --base "$pack" --head "$crashing" $few
[ "$got" -eq 5 ] || fail "a crashing head: exit code $got, expected 5"
has out 'blocked_f32 .* CRASH'
# The other one is judged all the same. (Not always "same": caches hold two links differently.)
has out ' flash_f32 .* \[.* \(same\|inconclusive\|faster\|slower\)'

finish
