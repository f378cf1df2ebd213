#!/bin/sh
# clock.sh PROGRAM PACK CLOCK - clocks that cannot be believed (tests/support/clock.c, loaded before the C library): of long steps, standing still, going
# back. Each run ends, says what is wrong with the clock, and neither ranks nor prints a number that is none. And what no clock is needed for
# works.
set -u
# shellcheck source=tests/support/checks.sh
. "$(dirname "$0")/../support/checks.sh"
program=$(absolute "$1") pack=$(absolute "$2") clock=$(absolute "$3")
begin
# The first argument says what is wrong with the clock.
start() {
    kind=$1
    shift
    env "$kind" LD_PRELOAD="$clock" "$program" "$@"
}
# No number that is none.
also() {
    ! cat out err | grep -qi '[^a-z]nan[^a-z]' || fail "$called $*: a nan"
}
if ! env CLOCK_STANDS=1 LD_PRELOAD="$clock" "$program" --version >/dev/null 2>err || [ -s err ]; then
    echo 'skipped: nothing can be loaded before the C library here'
    exit 77
fi
export ATTNZOO_TUNE_FILE="$work/tune"
shape=b1_h1_q16_k16_d16 kernels=flash_f32,blocked_f32
for how in 'CLOCK_STANDS=1' 'CLOCK_STEP=10000000'; do
    words='the clock of this system \(stands still\|moves in steps of 10.0 ms\)'
    check 4 "$words" "$how" bench --no-results -s $shape -k $kernels
    check 4 "$words" "$how" bench --no-results -s $shape -k $kernels --dist peaky,uniform
    check 4 "$words" "$how" bench --no-results --micro plan
    check 4 "$words" "$how" tune -s b1_h1_q16_k16_d16
    check 4 "$words" "$how" regress --base "$pack" --head "$pack" -s $shape -k $kernels --gate time
    check 4 "$words" "$how" selftest --quick --pack "$pack"
    check 4 "$words" "$how" cpu --peaks
done
check 0 'steps of 1.00 ms: trials take 40.0 ms instead of 300 us, each known to 2.5 %' CLOCK_STEP=1000000 bench --no-results -s $shape -k $kernels --rounds 3
check 4 'or more' CLOCK_STEP=1000000 bench --no-results -s $shape -k $kernels --budget 100ms
check 3,4 'the clock \(of this system steps back\|stepped back [0-9]* times\)' CLOCK_BACK=1 bench --no-results -s $shape -k $kernels --budget 1s
! grep -q '★' out || fail 'a star by a clock that goes back'
# What needs no clock.
check 0 '' CLOCK_STANDS=1 verify -k flash_f32 -s b1_h1_q5_k7_d16
check 0 ' calls  - per call' CLOCK_STANDS=1 run -k flash_f32 -s b1_h1_q5_k7_d16
check 0 '' CLOCK_STANDS=1 cpu --audit
check 2,4 'does not advance' CLOCK_STANDS=1 verify -k flash_f32 --suite fuzz=1
finish
