#!/bin/sh
# cli.sh PROGRAM SOURCE_DIR - the doors of the program: good and bad arguments and files, each with its exit code and a word of its message.
# Without the folder of conformance cases beside the sources, what needs it says "skipped: ..." and the rest is tested all the same.
set -u
# shellcheck source=tests/support/checks.sh
. "$(dirname "$0")/../support/checks.sh"
program=$(absolute "$1")
cases=$2/../shared/conformance
begin

# An error has nothing on stdout.
also() {
    if [ "$got" -eq 2 ] && [ -s out ] && [ $# -gt 0 ]; then fail "attnzoo $*: an error, yet something is on stdout"; fi
}

# One source for how many hardware threads there are to use: the mask.
if command -v taskset >/dev/null; then
    taskset -c "$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')" "$program" cpu >out 2>err
    grep -q ', 1 hardware thread to use' out || fail 'cpu under taskset: does not say 1 hardware thread to use'
    grep -Eq '\b0 (hardware|cores|B$)' out && fail 'cpu: what is unknown is shown as 0'
fi

# Without /proc the program starts itself by the name that it was started by; it never starts "".
if command -v unshare >/dev/null && unshare -rm sh -c 'mount -t tmpfs none /proc' 2>/dev/null; then
    pack=$(dirname "$program")/attnzoo_pack.so
    [ -e "$pack" ] || pack=none
    # shellcheck disable=SC2016 # "$@" is of the inner shell
    unshare -rm sh -c 'mount -t tmpfs none /proc && exec "$@"' sh "$program" selftest --quick --pack "$pack" >out 2>err
    grep -q 'cannot start' out err && fail 'selftest without /proc: does not find itself'
    [ "$pack" = none ] || grep -q '^slowdown ' out || fail 'selftest without /proc: no table'
fi

# Doors
check 2 'Subcommands'
check 0 'Subcommands' --help
check 0 'Exit codes' -h
check 0 '^attnzoo [0-9]*\.[0-9]*\.[0-9]*$' --version
check 0 'compiler' --build-info
check 2 "unknown subcommand 'lst'; did you mean 'list'" lst
check 2 "unknown subcommand 'benhc'; did you mean 'bench'" benhc
check 2 "unknown subcommand 'benhc'; did you mean 'bench'" help benhc
check 0 '^attnzoo bench .*measure them side by side' help bench
check 0 'Subcommands' help
check 2 'allowed: nothing, or one subcommand' help bench verify
check 2 "unknown option '--sutie'; did you mean '--suite'" bench --sutie
check 2 "unknown suite 'samll'; did you mean 'small'" bench --suite samll
check 2 "unknown suite 'somke'; did you mean 'smoke'" verify --suite somke
check 2 "unknown suite 'cii'; did you mean 'ci'" regress --suite cii --base x --head y
check 2 "unknown kernel 'naive_f23'; did you mean 'naive_f32'" bench -k naive_f23
check 2 "unknown output format 'cvs'; did you mean 'csv'" list -o cvs
check 2 "'gpt2' is a model, not a shape; allowed: gpt2/prefill@1024, gpt2/decode@1024, or gpt2/\* for all" bench -s gpt2
check 2 "'gpt2' is a model" list -s gpt2
check 2 "'gpt2' is a model" run -s gpt2
check 2 "'gpt2' is a model" verify -s gpt2
check 2 "'gpt2' is a model" tune --file none.tune -s gpt2
check 2 "unknown preset 'gtp2'; did you mean 'gpt2'?" bench -s gtp2
check 2 "unknown preset 'gtp2/decode@7'; did you mean 'gpt2/decode@7'? known models: bert-base" bench -s gtp2/decode@7
check 2 "unknown preset 'gpt2/decdoe@1024'; did you mean 'gpt2/decode@1024'? this model has: gpt2/prefill@1024" bench -s gpt2/decdoe@1024
check 2 "model 'gpt3' are not known; did you mean 'gpt2'? known: bert-base, " bench -s mha:gpt3/prefill@16
check 2 "unknown option '--colr'; did you mean '--color'" --colr
check 2 "unknown option '--colr'; did you mean '--color'" list --colr
check 2 "unknown option '-z'" list -z
check 2 "value of --color 'sometimes'" --color=sometimes list
check 2 "option '--color' needs a value" list --color
check 2 "option '--quiet' takes no value" --quiet=1 list
check 2 "unknown output format 'xml'" list -o xml
check 2 'names no file' list -o csv:
check 2 "option '-o' sends two formats to stdout, 'csv' and 'md'" list -o csv -o md
check 2 "option '-o' is given twice for 'table'; allowed: each format once" -o table list --output=table
check 2 "'-s' is given twice, with 'b1_h1_q1_k1_d8' and 'b1_h1_q2_k2_d8'; allowed: once, with several SHAPES separated by commas" \
    list -s b1_h1_q1_k1_d8 --shape b1_h1_q2_k2_d8
check 2 "'-k' is given twice, with 'naive_f32' and 'flash_\*'; allowed: once, with several PATTERNS separated by commas" \
    bench --no-results -k naive_f32 -s b1_h1_q1_k1_d8 -k 'flash_*'
check 2 "'--dist' is given twice.*several NAMES separated by commas" bench --no-results --dist peaky --dist=normal
check 2 "'--disable' is given twice.*several F,F separated by commas" --disable fma list --disable avx2
check 2 "'-f' is given twice.*several TERMS separated by blanks" results export -f kernel:a results -f threads:1
check 2 "'--budget' is given twice, with '1s' and '2s'; allowed: once$" bench --no-results --budget 1s --budget 2s
check 2 "'--seed' is given twice, with '1' and '1'; allowed: once$" --seed 1 list --seed 1
check 2 '-s and --preset cannot be combined' tune -s b1_h1_q1_k1_d8 --preset gpt2/decode@1
check 2 '--results and --no-results cannot be combined' --results here list --no-results
check 2 '--results and --no-results' --no-results list --results here
check 0 naive_f32 -qq list --quiet -s b1_h1_q1_k1_d8,b1_h1_q2_k2_d8 -k naive_f32,flash_f32 --why --why
check 2 "seed is 'x'" --seed x list
check 2 "seed is '-1'" --seed -1 list
check 2 "seed is '18446744073709551616'" --seed 18446744073709551616 list
check 2 "threads is '0'" --threads 0 list
check 2 "threads is 'nan'" --threads nan list
check 2 'max_isa.*avx3.*known' --max-isa avx3 list
check 2 'disable.*"foo".*known' list --disable foo
for command in $("$program" --list-subcommands | cut -f1); do
    check 0 "^attnzoo $command" "$command" --help
    awk -v "of=$command" 'length > 100 { print of " --help is wider than 100 columns: " $0 }' out >>wide
    check 2 'unknown option.*known' "$command" --no-such-option
done
[ "$("$program" --list-subcommands | wc -l)" -ge 14 ] || fail 'there are fewer subcommands than there were'
"$program" --help | awk 'length > 100 { print "--help is wider than 100 columns: " $0 }' >>wide
checks=$((checks + 1))
[ ! -s wide ] || { cp wide err; fail 'help texts are too wide'; }

# cpu
check 0 'sources of noise.*nothing was changed' cpu --audit
check 0 '"check": "load"' cpu --audit --json
check 2 'options only' cpu audit
check 0 '^machine,Cores,' cpu -o csv
check 0 '^{"of":"audit","name":"load",' cpu --audit -o jsonl
check 0 '' cpu -o md:cpu.md
grep -q '^| machine *| Build ' cpu.md || fail 'cpu -o md:FILE: no table in it'
check 2 '--json and -o cannot be combined' cpu --json -o csv
for command in 'completion bash' serve; do
    for form in csv table:nowhere; do
        # shellcheck disable=SC2086
        check 2 "${command%% *} does not take -o" $command -o $form
    done
done
check 0 'note: --threads 4096: this process may use [0-9]* hardware thread' list dtypes --threads 4096
check 0 '' list dtypes --threads 1
[ ! -s err ] || fail '--threads 1: a note where none is due'

# list
check 0 naive_f32 list
check 0 naive_f32 -q list kernels
check 2 "unknown kernel 'flsh_f32'; did you mean 'flash_f32'" list -k flsh_f32
check 2 'empty part' list -k naive_f32,
check 4 "no kernel matches 'zz\*'" list -k 'zz*'
check 2 "thing to list 'kernel'; did you mean 'kernels'" list kernel
check 2 'one thing at a time' list kernels presets
check 2 'needs a shape' list --why
check 0 'naive_f32.*chosen' list --why llama3-8b/decode@77 -k naive_f32
check 2 "'b1_h1_q1'" list --why b1_h1_q1
check 2 'one thing at a time' list --why b1_h1_q1_k1_d8 b1_h1_q2_k1_d8
check 2 "unknown thing to list 'b1_h1_q1_k1_d8'" list b1_h1_q1_k1_d8
check 2 "unknown kernel 'nope'; known: naive_f32, [a-z0-9_, ]*$" run -k nope -s b1_h1_q1_k1_d8
grep -q blas err && fail 'run -k nope: names a yardstick, which it does not take'
check 0 '' list kernels -o csv
if grep -q '^blas_f32,' out; then check 2 "'blas_f32', a yardstick; run takes" run -k blas_f32 -s b1_h1_q1_k1_d8; fi
check 0 'llama3-8b/prefill@512,b1_h32g8' list presets -o csv
check 0 '^| part ' list shapes -o md
check 0 '"dtype":"f32"' list dtypes -o jsonl
check 0 mutant list mutants
check 0 'naive_f32.*chosen' list -s llama3-8b/decode@77 -k naive_f32 --why
check 0 'b1_h1_q3_k1_d8' list -s 'b1_h1_q{1..3}_k1_d8'
check 0 'additive_f32  .*would run\|additive_f32.*chosen' list -s b1_h1_q3_k1_d8_additive
check 0 'naive_f32.*chosen' list -s b1_h2_q3_k9_d8_causal_win4r1_cap50_alibi_sink_pad0.5_past3_lse_scoresbiased -k naive_f32,additive_f32 --why
check 0 '"part":"_win128r64"' list shapes -o jsonl
check 0 'mistral-7b/decode@4096,.*_win4095' list presets -o csv
check 0 'gpt-oss-local/decode@128,.*_win127_sink' list presets -o csv

# Shapes that are refused
for shape in '' b1 b1_h8_q1_k1_d0 b1_h8_qnan_k1_d8 b1_h8_q1e9_k1_d8 b1_h8_q99999999999999999999_k1_d8 b1_h8g3_q1_k1_d8 b1_h8_q1_k1_d8_casual \
    b1_h8_q1_k1_d8_win-5 b1_h8_q1_k1_d8_win5r b1_h8_q1_k1_d8_win2000000000 b1_h8_q1_k1_d8_cap0 b1_h8_q1_k1_d8_cap-1 b1_h8_q1_k1_d8_capinf \
    b1_h8_q1_k1_d8_pad2 b1_h8_q1_k1_d8_past2 b1_h8_q1_k1_d8_varlen_past1 b1_h8_q1_k1_d8_pad0.5_varlen b1_h8_q1_k1_d8_varlen_scoresraw \
    b1_h8_q1_k1_d8_scoresall b1_h8_q1_k1_d8_gauss_additive b1_h8_q1_k1_d8_alibi_win5 bf16:b1_h8_q1_k1_d8 b1000000000_h1000000000_q1000000000_k1_d8 'b1_h1_q{1..999999}_k{1..9}_d8' 'b1_h1_q{3..1}_k1_d8' \
    'b1_h1_q{1_k1_d8' llama3-8b/prefill llama3-8b/prefill@x vit-b16/encoder@9 nope/prefill@9 'nope*/x'; do
    check 2 'error: ' run -s "$shape"
done
check 2 'not in the interface yet' run -s b1_h8_q1_k1_d8_paged
check 2 "window is '-5'; allowed: .* from 0" run -s b1_h8_q1_k1_d8_win-5
check 2 "soft-cap is '0'; allowed: a number from 2^-60" run -s b1_h8_q1_k1_d8_cap0
check 2 "past is '2'; allowed: .* 1 to 1" run -s b1_h8_q1_k1_d8_past2
check 2 'varlen and scores cannot be combined' run -s b1_h8_q1_k1_d8_varlen_scoresraw
check 2 "'varlen' is given twice or contradicts" run -s b1_h8_q1_k1_d8_pad0.5_varlen
check 2 "'win5' comes too late; the order is causal.*; win" run -s b1_h8_q1_k1_d8_alibi_win5
check 2 '2 shapes' run -s 'b1_h1_q{1,2}_k1_d8'
check 2 'memory' run -s b1_h1_q1000000000_k1_d100000
for shape in mha: mha:b1_h4_q8_d16 mha:b1_h4_q08_d16_e64 mha:b1_h4g3_q8_d16_e64 mha:b1_h4_q8_d15_e64_rope mha:b1_h4_q8_d16_e64_causal_cross_k3 \
    mha:b1_h4_q8_d16_e1048577 mha:b1_h4_q8_d16_e64_casual mha:b1048576_h1_q1048576_d64_e64 mha:gpt2/decode@5 mha:gpt2/prefill@0 mha:nope/encoder; do
    check 2 "error: .*\\(allowed\\|known\\|too large\\)" bench --no-results -s "$shape"
done
check 2 'attention is wanted here' run -s mha:gpt2/prefill@12
check 0 'mha (.*\(★ fastest\|least median\)' bench --no-results --budget 50ms -s mha:b1_h2_q9_d8_e16
check 4 'no kernel takes these shapes' bench --no-results --budget 50ms -k naive_f32 -s mha:b1_h2_q9_d8_e16
check 0 '"op":"mha"' bench --no-results --budget 50ms -o jsonl -s 'mha:b1_h2_q{3,9}_d8_e16_cross_k4'
check 0 'cross_k<rows>' bench --help

# Micro-benchmarks: their list, their tables in every format, and what does not go together.
check 0 '^threads  *a parallel region' bench --micro list
check 0 '^threads,' bench --micro list -o csv
check 2 '--energy cannot be combined with --driver hyperfine' bench --no-results --driver hyperfine --energy
check 2 '--energy cannot be combined with --micro' bench --no-results --micro run --energy
# A tune file that was refused: dispatch's choice, which the table names, is then an estimate.
echo nonsense >foreign.tune
ATTNZOO_TUNE_FILE=foreign.tune check 0 'note: tune file foreign.tune is refused: ' bench --no-results -k naive_f32 -s b1_h1_q1_k1_d8 --budget 20ms
check 0 'work units .*slowest/mean' bench --no-results --budget 20ms -k naive_f32 -s b1_h1_q9_k9_d8 --scaling 1,2
check 0 'attn_run *[a-z0-9]* .*in use; \(NOT \)*below 1.00' bench --no-results --budget 20ms --rounds 3 --micro run
check 0 '"micro":"plan","title":"plan: .*"most":2e-5,"ok":' bench --no-results --budget 20ms --rounds 3 --micro merge,plan -o jsonl
check 0 '^merge,16 parts,,' bench --no-results --budget 20ms --rounds 3 --micro merge -o csv
check 2 "unknown micro-benchmark 'exq'; did you mean 'exp'? known: all, list, exp, " bench --no-results --micro run,exq
check 2 "unknown micro-benchmark ''" bench --no-results --micro run,
# Variants in one run: numbers of threads, kinds of data.
check 0 '^[0-9]* threads, not pinned: [0-9]* threads, [0-9]* cores*; load' \
    bench --no-results --budget 20ms --rounds 2 -k naive_f32 -s b1_h1_q1_k1_d8 --threads $(($(nproc) + 1))
check 0 'flash_f32 *2 *1 ' bench --no-results --budget 50ms -k flash_f32 -s b1_h1_q9_k9_d8 --scaling 1,2
check 0 '"t":"vary".*"by":"data","shape":"b2_h1_q9_k9_d8","variant":"ragged",.*"speed":{"kernel":"normal"' \
    bench --no-results --budget 50ms -k flash_f32 -s b2_h1_q9_k9_d8 --dist ragged,peaky60 -o jsonl
check 0 'naive_f32,peaky24,' bench --no-results --budget 50ms -k naive_f32 -s b1_h1_q9_k9_d8 --dist normal,peaky24 -o csv
check 0 'skipped: the shape has it already' bench --no-results --budget 50ms -k 'blocked_f32' -s b1_h1_q9_k9_d8_gauss_maskbool --dist masked
check 2 'scaling is .2,1.; allowed: 2 to 16 ascending' bench --no-results --scaling 2,1
check 2 'scaling is .1.; allowed: 2 to 16 ascending' bench --no-results --scaling 1
check 2 "number of --scaling is '0'; allowed: a whole number from 1" bench --no-results --scaling 0,1
check 2 "unknown distribution 'raged'; did you mean 'ragged'? known: normal, " bench --no-results --dist normal,raged
check 2 '--scaling and a --dist list cannot be combined' bench --no-results --dist all --scaling 1,2
check 2 '--scaling and a --dist list cannot be combined' bench --no-results --scaling 1,2 --dist all
check 2 '--scaling and --threads cannot be combined' --threads 2 bench --no-results --scaling 1,2
check 2 '--dist lists cannot be combined with linear: and mha: shapes' bench --no-results --dist all -s linear:8x8x8
check 2 '--micro cannot be combined with --scaling or a --dist list' bench --no-results --dist all --micro run
check 2 '--micro cannot be combined with -s or --suite' bench --no-results --micro run -s b1_h1_q1_k1_d1

# run
check 0 'naive_f32  b1_h2_q5_k7_d8  3 calls .* checksum [0-9a-f]*$' run -k naive_f32 -s b1_h2_q5_k7_d8 --iters 3
check 0 ' 0 calls ' run -s b1_h2_q5_k7_d8 --iters 0
check 0 '"calls":1,"seconds_per_call":[0-9.e-]*,' run -s b1_h2_q5_k7_d8 -o jsonl
check 2 'needs a shape' run
check 2 'not both' run -s b1_h2_q5_k7_d8 --input .
check 2 'given with -s' run b1_h2_q5_k7_d8
check 2 "iters is '1e3'" run -s b1_h2_q5_k7_d8 --iters 1e3
check 2 "unknown distribution 'nrmal'; did you mean 'normal'" run -s b1_h2_q5_k7_d8 --dist nrmal
check 2 "unknown kernel 'nope'" run -k nope -s b1_h2_q5_k7_d8
check 2 'one kernel' run -k 'flash*' -s b1_h2_q5_k7_d8
check 2 'iters is 0' run -s b1_h2_q5_k7_d8 --iters 0 --dump a.npy
check 2 'cannot write' run -s b1_h2_q5_k7_d8 --dump no/such/folder.npy
check 2 'cannot open' run --input nowhere
check 0 checksum run -k naive_f32 -s b1_h2_q5_k7_d8 --dump a.npy
[ "$(wc -c <a.npy)" -eq $((128 + 2 * 5 * 8 * 4)) ] || fail 'run --dump: a.npy has the wrong size'
[ -z "$(find . -name 'a.npy.*')" ] || fail 'run --dump: a part is left beside a.npy'
first=$("$program" run -k naive_f32 -s b1_h2_q5_k7_d8 | sed 's/.*checksum//')
[ "$first" = "$("$program" run -k naive_f32 -s b1_h2_q5_k7_d8 --iters 2 | sed 's/.*checksum//')" ] || fail 'run: the same case gives other bits'
[ "$first" != "$("$program" run -k naive_f32 -s b1_h2_q5_k7_d8 --seed 7 | sed 's/.*checksum//')" ] || fail 'run: --seed changes nothing'

# Environment
ATTNZOO_KERNEL=nope check 2 'ATTNZOO_KERNEL.*nope' list
ATTNZOO_MAX_ISA=nope check 2 'ATTNZOO_MAX_ISA.*nope' list

# Colour
"$program" --color=always list >out 2>err
grep -q "$(printf '\033')\[" out || fail 'list --color=always: no colour'
"$program" list >out 2>err
! grep -q "$(printf '\033')\[" out || fail 'list into a file: colour'

# A reader that had enough, a full disk; more of this in files.sh
checks=$((checks + 3))
"$program" list presets 2>err | head -n 1 >out
[ ! -s err ] || fail 'list presets | head -n 1: says something'
if [ -w /dev/full ]; then
    "$program" list >/dev/full 2>err && fail 'list >/dev/full: exit code 0'
    grep -q 'cannot write to stdout' err || fail 'list >/dev/full: no message'
    check 2 'cannot write' list -o csv:/dev/full
    check 2 'cannot write' run -s b1_h2_q5_k7_d8 --dump /dev/full
else
    echo 'skipped: no /dev/full here'
fi
check 0 '' list -o csv:list.csv
grep -q '^kernel,' list.csv || fail 'list -o csv:list.csv: no table in it'
check 2 'cannot write' list -o csv:no/such/list.csv

# conform: bad folders and cases. A case is made whole first, then broken in one place.
array() { # array FILE DESCR SHAPE BYTES: an array of zeros
    text="{'descr': '$2', 'fortran_order': False, 'shape': ($3), }"
    { printf '\223NUMPY\001\000'; printf "\\$(printf %o ${#text})\\000%s" "$text"; head -c "$4" /dev/zero; } >"$1"
}
whole() {
    rm -rf case && mkdir case
    array case/in_0.npy '<f4' '1, 2, 3, 4' 96
    array case/in_1.npy '<f4' '1, 2, 5, 4' 160
    array case/in_2.npy '<f4' '1, 2, 5, 4' 160
    array case/out_0.npy '<f4' '1, 2, 3, 4' 96
    cat >case/meta.json <<'END'
{"op": "Attention", "opset": 23, "attributes": {"is_causal": 1},
 "inputs": [{"file": "in_0.npy", "shape": [1,2,3,4], "dtype": "float32"}, {"file": "in_1.npy", "shape": [1,2,5,4], "dtype": "float32"},
  {"file": "in_2.npy", "shape": [1,2,5,4], "dtype": "float32"}, null, null, null, null],
 "outputs": [{"file": "out_0.npy", "shape": [1,2,3,4], "dtype": "float32"}, null, null, null]}
END
}
edit() { sed "$1" case/meta.json >case/new && mv case/new case/meta.json; }

whole
check 0 '^1 passed, 0 failed, 0 skipped$' conform case
check 0 '^1 passed, 0 failed, 0 skipped$' conform "$work"
check 0 '^pass,case,' conform case -o csv
check 0 'checksum' run --input case
check 2 "unknown kernel 'nope'" conform case -k nope
check 2 'needs a folder' conform
check 2 'nowhere: cannot read' conform nowhere
mkdir empty
check 4 'no case here' conform empty
printf '\000\000\200\077' | dd of=case/out_0.npy bs=1 seek=$(($(wc -c <case/out_0.npy) - 4)) conv=notrunc 2>err
check 1 'FAIL.*Y\[0,1,2,3\] is 0, expected 1' conform case
check 1 '^0 passed, 1 failed, 0 skipped$' conform case
whole && edit 's/"is_causal": 1/"softcap": 2.5/'
check 0 '^1 passed, 0 failed, 0 skipped$' conform case
check 0 'checksum' run --input case
check 4 'skip.*no kernel takes it; additive_f32: ' conform case -k additive_f32
# A case that cannot be read, or that no case may be, is a bad file (2), not a kernel that disagrees (1); its line and the count stand on stdout.
damaged() {
    checks=$((checks + 1))
    word=$1
    shift
    "$program" "$@" >out 2>err </dev/null
    got=$?
    if [ $got -ne 2 ] || ! grep -q -- "$word" out || ! grep -q '^0 passed, 1 failed' out || ! grep -q '^error: 1 of 1 cases cannot be read' err; then
        fail "attnzoo $*: exit code $got, expected 2, or no '$word'"
    fi
}
whole && edit 's/"is_causal": 1/"softcap": 1e-30/'
damaged 'FAIL.*problem.softcap is 1e-30; allowed: ' conform case
check 2 'problem.softcap is 1e-30; allowed: ' run --input case
whole && edit 's/is_causal/is_casual/'
damaged "FAIL.*meta.json: attributes: unknown attribute 'is_casual'" conform case
whole && edit 's/"float32"/"float31"/'
damaged "FAIL.*float31" conform case
whole && edit 's/"op"/op/'
damaged 'FAIL.*meta.json: not JSON' conform case
whole && rm case/meta.json
damaged 'FAIL.*meta.json: cannot open' conform case
whole && rm case/in_1.npy
damaged 'FAIL.*in_1.npy: cannot open' conform case
whole && head -c 100 case/in_1.npy >case/new && mv case/new case/in_1.npy
damaged 'FAIL.*in_1.npy: .*truncated' conform case
whole && printf x >>case/in_1.npy
damaged 'FAIL.*in_1.npy: .*followed by' conform case
whole && array case/in_1.npy '<i4' '1, 2, 5, 4' 160
damaged 'FAIL.*in_1.npy: descr' conform case
whole && array case/in_1.npy '<f4' '99999999999, 99999999999, 5, 4' 160
damaged 'FAIL.*in_1.npy: the product of shape overflows' conform case
whole && { printf '\223NUMPY\002\000\377\377\377\377'; head -c 500 /dev/zero; } >case/in_1.npy
damaged 'FAIL.*in_1.npy: header length is 4294967295' conform case
# A FIFO has no writer here, so a reader that waits for one never ends.
whole && rm case/in_1.npy && mkfifo case/in_1.npy
damaged 'FAIL.*in_1.npy: is a FIFO, not a regular file' conform case
check 2 'in_1.npy: is a FIFO, not a regular file' run --input case
rm case/in_1.npy
whole && rm case/meta.json && mkfifo case/meta.json
damaged 'FAIL.*meta.json: is a FIFO, not a regular file' conform case
rm case/meta.json
if [ "$(id -u)" -ne 0 ]; then
    whole && chmod 0 case/in_1.npy
    damaged 'FAIL.*in_1.npy: cannot open: Permission denied' conform case
else
    echo 'skipped: unreadable files, since root reads everything'
fi

if [ -d "$cases/onnx" ] && [ -d "$cases/derived" ]; then
    check 0 '^72 passed, 0 failed, 0 skipped$' conform "$cases/onnx" "$cases/derived"
else
    echo 'skipped: no conformance cases beside the sources'
fi

finish
