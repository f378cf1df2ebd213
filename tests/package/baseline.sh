#!/bin/sh
# baseline.sh BUILD - an x86-64 build runs on any x86-64: outside files that were given an ISA's flags no instruction is newer than SSE2, and only
# kernels, loops that are measured and tests are given such flags. Looks at the compile commands for the flags and at the disassembly for the instructions.
# (tzcnt is not on the list: gcc writes `rep bsf`, which old CPUs run as bsf.)
set -eu
build=$1
newer='v[a-z0-9]*|popcnt|lzcnt|andn|bextr|blsi|blsr|blsmsk|bzhi|mulx|pdep|pext|rorx|sarx|shlx|shrx|movbe|crc32|k(mov|or|and|xor|not|test)[a-z]*'
newer="$newer|pshufb|pabs[bwd]|ph(add|sub)[a-z]*|palignr|pmul(ld|dq|hrsw)|p?blend[a-z]*|round[ps][sd]|dpp[sd]|insertps|extractps|ptest"
newer="$newer|pcmp(eq|gt)q|p(min|max)(sb|sd|ud|uw)|pmov[sz]x[a-z]*|p(ext|ins)r[bdq]|h(add|sub)p[sd]|addsubp[sd]|mov(dd|sh|sl)dup|lddqu"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed -n 's/^ *"command": "\(.*\)",*$/\1/p' "$build/compile_commands.json" >"$work/commands"
flags=' -m(avx|fma|f16c|bmi|sse3|ssse3|sse4|popcnt|amx|arch=)'
bad=0 looked=0 flagged=0
while read -r command; do
    # Quoted for JSON and the shell, so a path with spaces needs no more than its backslashes taken off.
    object=$(printf '%s' "$command" | sed 's/.* -o \(.*\.o\) -c .*/\1/; s/\\//g; s/^[\x27"]//; s/[\x27"]$//')
    [ -f "$build/$object" ] || continue
    if printf '%s' "$command" | grep -Eq -- "$flags"; then
        flagged=$((flagged + 1))
        case $object in
            kernels/*.o | harness/*peak*.o | harness/*micro_*.a.p/*.o | tests/*.o) ;;
            *) echo "$object: compiled with an ISA's flags, but it is neither a kernel, nor a peak loop, nor a micro-benchmark, nor a test"; bad=1 ;;
        esac
        continue
    fi
    looked=$((looked + 1))
    # One instruction of the harness stands behind a look at CPUID: clearing the upper halves before it judges whether a kernel did.
    guarded='^$'
    case $object in harness/*cpu_state.c.o) guarded='vzeroupper' ;; esac
    if objdump -d --no-show-raw-insn "$build/$object" | grep -v "$guarded" | grep -Em 3 "^ *[0-9a-f]+:[[:space:]]+(lock |rep |notrack )*($newer)([[:space:]]|\$)|%[yz]mm"; then
        echo "$object: the instructions above are not in the x86-64 baseline"
        bad=1
    fi
done <"$work/commands"
echo "$looked objects of the baseline, $flagged with an ISA's flags"
if [ $looked = 0 ] || [ $flagged = 0 ]; then echo "nothing was looked at"; exit 1; fi
exit $bad
