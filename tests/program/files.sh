#!/bin/sh
# files.sh PROGRAM - where output goes: several forms in one run, files opened before anything is measured, files that appear whole or not
# at all, stdout that is closed, full or no longer read.
set -u
# shellcheck source=tests/support/checks.sh
. "$(dirname "$0")/../support/checks.sh"
program=$(absolute "$1")
begin
small=b1_h1_q3_k5_d8

no_parts() {
    [ -z "$(find . -name '*.partial')" ] || { find . -name '*.partial' >out; fail "$1: parts are left"; }
}

"$program" bench --no-results -k naive_f32 -s $small --budget 20ms -o jsonl:records.jsonl >out 2>err || fail 'bench -o jsonl:FILE'
[ ! -s out ] || fail 'bench -o jsonl:FILE: a table that nobody asked for'

# Several forms in one run: one to stdout, the others to files.
check 0 'naive_f32' list -o table -o csv:list.csv -o md:list.md -o jsonl:list.jsonl
has list.csv '^kernel,'
has list.md '^| kernel '
has list.jsonl '^{"kernel":"naive_f32"'
grep -q '^kernel  ' out || fail 'list -o table -o csv:FILE: no table on stdout'
check 0 '^median\|★ fastest' bench --no-results -k naive_f32 -s $small --budget 20ms -o table -o csv:bench.csv -o jsonl:bench.jsonl -o md:bench.md
has bench.csv "^$small,naive_f32,"
has bench.jsonl '"t":"host"' '"t":"bench"' '"t":"end"'
has bench.md '^| case '
check 0 'PASS' verify -k naive_f32 -s $small -o table -o csv:verify.csv -o jsonl:verify.jsonl
has verify.csv '^naive_f32,'
has verify.jsonl '"t":"verify"' '"t":"end"'
check 0 'checksum' run -s $small -o table -o jsonl:run.jsonl -o csv:run.csv
has run.jsonl '"calls":1,"seconds_per_call":[0-9.e-]*,'
check 0 'whole' results records.jsonl -o table -o csv:runs.csv
has runs.csv '^run,'
check 0 'naive_f32' compare records.jsonl -o table -o csv:cells.csv -o json:cells.json -o md:cells.md
has cells.csv '^table,row,column,'
has cells.json '"cells"'
has cells.md '^### '
check 0 '' results export records.jsonl -o csv:export.csv -o hyperfine:export.json -o benchstat:export.txt
has export.csv '^machine,'
has export.json '"results"'
has export.txt '^Benchmark'
check 0 '' report records.jsonl -o md:report.md -o json:report.json
has report.md '^### Machines'
has report.json '"machines"'
check 0 '^CPU' cpu -o table -o jsonl:cpu.jsonl
has cpu.jsonl '^{"of":"machine",'
# What programs read: plain numbers in the unit that the column's name ends in, nothing where there is none, signs in the note only.
# plain COUNT FILE COLUMN...: so many lines or more, and in these columns numbers alone, one at the least in each but the ends of intervals,
# which few rounds have not
plain() {
    lines=$1 file=$2
    shift 2
    [ "$(wc -l <"$file")" -ge "$lines" ] || fail "$file: fewer lines than $lines"
    for column in "$@"; do
        sed 's/"[^"]*"/quoted/g' "$file" | awk -F , -v name="$column" '
            NR == 1 { for (c = 1; c <= NF; c++) if ($c == name) at = c; next }
            at && $at ~ /^-?[0-9.]+(e[-+][0-9]+)?$/ { numbers++; next }
            at && $at == "" { next }
            { bad = 1; print "line " NR ": " $0 }
            END { exit !(at && (numbers || name ~ /_(lo|hi)$/) && !bad) }' >out 2>err || fail "$file: column $column is not one of plain numbers"
    done
    sed 's/"[^"]*"/quoted/g; s/,[^,]*$//' "$file" | grep '★\|×\|%' >out && fail "$file: signs outside of the note"
}
kernels='naive_f32,blocked_f32,flash_f32'
check 0 '' bench --no-results -k $kernels -s $small,linear:4x4x4 --budget 100ms -o csv:bench.csv -o table
plain 4 bench.csv median_s min_s time_over_fastest time_over_fastest_lo time_over_fastest_hi speedup speedup_lo speedup_hi gflops pct_peak \
    pct_roof eta max_abs_error
has bench.csv "^$small,flash_f32,.*,pass,"
check 0 '' bench --no-results -k $kernels -s $small --budget 100ms --dist normal,peaky24 -o csv:vary.csv
plain 4 vary.csv median_s gflops speed_over_normal
check 0 '' bench --no-results --budget 50ms --micro merge,plan -o csv:micro.csv
plain 4 micro.csv seconds_per_unit cycles_per_unit share share_lo share_hi
has micro.csv '^merge,16 parts,,'
if "$program" --build-info | grep -q '^threads .*OpenMP'; then
    check 0 '' bench --no-results -k $kernels -s $small --budget 100ms --scaling 1,2 -o csv:scaling.csv
    plain 4 scaling.csv threads units median_s gflops speedup pct_efficiency
fi
check 0 '' verify -k $kernels -s $small -o csv:verify.csv
plain 4 verify.csv cases_passed cases_run eta z skipped
check 0 '' run -s $small --iters 3 -o csv:run.csv
plain 2 run.csv calls seconds_per_call
check 0 '' tune --dry-run -s b1_h1_q9_k64_d32 --rigor quick --threads 1 -o csv:tune.csv -o jsonl:tune.jsonl
plain 2 tune.csv ratio ratio_lo ratio_hi
has tune.jsonl '"ratio":[0-9.]*,"ratio_lo":[0-9.]*,"ratio_hi":[0-9.]*,'
check 0 '' results list records.jsonl -o csv:runs.csv
plain 2 runs.csv cases measured
check 0 '' results export records.jsonl -o csv:export.csv -o jsonl:export.jsonl
has export.jsonl '"median_s":[0-9.e-]*,' '"verified":true'
check 0 '' cpu --peaks -o csv:cpu.csv
plain 10 cpu.csv median best
check 0 '' compare --winners records.jsonl -o csv:winners.csv
plain 2 winners.csv time_s

check 2 "sends two formats to stdout, 'csv' and 'md'; allowed: one, and the others to files, as in -o md:FILE" list -o csv -o md
check 2 "is given twice for 'csv'; allowed: each format once" list -o csv:a -o csv:b
check 2 "sends two formats to a, 'csv' and 'md'; allowed: one file per format" list -o csv:a -o md:a
check 2 "list does not write 'hyperfine'" list -o csv:a -o hyperfine:b
[ ! -e a ] || fail 'an output that is refused leaves a file'

# A path that cannot be written is an error before anything is done: a shape that is too large for any machine would be the error otherwise,
# a kernel that is not there too.
for command in "bench --no-results -k nope" "verify -k nope" "tune -s nope" "selftest --pack nope" "run -s nope" "list -k nope" "results nope" \
    "results export nope" "compare nope" "report nope" "conform nope" "cpu --peaks" "regress --base nope --head nope"; do
    form=csv
    [ "$command" = "report nope" ] && form=md
    # shellcheck disable=SC2086
    check 2 '^error: no/such/folder.out: cannot write: No such file or directory$' $command -o $form:no/such/folder.out
    [ "$(wc -l <err)" -eq 1 ] || fail "$command -o $form:no/such/folder.out: says more than that"
done
check 2 'no/such/o.npy: cannot write' run -s nope --dump no/such/o.npy
check 2 'no/such/o.csv: cannot write' list -o table -o md:fine.md -o csv:no/such/o.csv
[ ! -e fine.md ] || fail 'an output beside one that cannot be written appears'
: >file
check 2 'cannot write file/.*Not a directory; --results DIR names another folder' bench --results file -k naive_f32 -s $small --budget 20ms
# What failed leaves what was there.
echo old >kept.csv
check 2 "unknown kernel 'nope'" list -k nope -o csv:kept.csv
has kept.csv '^old$'
no_parts 'commands that failed'

# What is written in the end goes through links.
mkdir real && echo old >real/list.csv && chmod 640 real/list.csv && ln -s real/list.csv link.csv
check 0 '' list -o csv:link.csv
[ -L link.csv ] || fail 'list -o csv:LINK: the link was replaced'
has real/list.csv '^kernel,'
[ "$(stat -c %a real/list.csv)" = 640 ] || fail 'list -o csv:FILE: its rights were changed'
ln -s real/page.md page.md
check 0 '' report records.jsonl -o md:page.md
has real/page.md '^### Machines'
"$program" list -o csv:/dev/stdout >redirected 2>err || fail 'list -o csv:/dev/stdout >FILE'
has redirected '^kernel,'

# A closed stdout: what was to be written there is lost, which is an error; what writes nothing there is fine.
for command in list cpu "run -s $small" "verify -k naive_f32 -s $small" "bench --no-results -k naive_f32 -s $small --budget 20ms" \
    "results records.jsonl" "compare records.jsonl" "report records.jsonl -o md" --help --version "completion bash" "list -o csv"; do
    # shellcheck disable=SC2086
    "$program" $command >&- 2>err </dev/null
    got=$?
    if [ $got -ne 2 ] || ! grep -q '^error: cannot write to stdout: it is closed$' err; then
        : >out
        fail "attnzoo $command >&-: exit code $got, expected 2 and a reason"
    fi
    [ -w /dev/full ] || continue
    # shellcheck disable=SC2086
    "$program" $command >/dev/full 2>err </dev/null
    got=$?
    if [ $got -ne 2 ] || ! grep -q '^error: cannot write to stdout: ' err; then
        : >out
        fail "attnzoo $command >/dev/full: exit code $got, expected 2 and a reason"
    fi
done
"$program" list -o csv:closed.csv >&- 2>err || fail 'list -o csv:FILE >&-'
has closed.csv '^kernel,'
if [ -w /dev/full ]; then
    for form in csv md jsonl table; do
        check 2 '^error: /dev/full: cannot write: No space left on device$' list -o $form:/dev/full
        check 2 '/dev/full: cannot write: No space left on device\|cannot write the copy: No space left on device' \
            bench --no-results -k naive_f32 -s $small --budget 20ms -o $form:/dev/full
    done
    check 2 '/dev/full: cannot write' compare records.jsonl -o csv:/dev/full
    check 2 '/dev/full: cannot write' report records.jsonl -o json:/dev/full
    check 2 '/dev/full: cannot write' run -s $small --dump /dev/full
else
    echo 'skipped: no /dev/full here'
fi

# A reader that had enough ends the run in order: its records say so. `head` reads the first case and goes; there are many more.
"$program" bench --results piped -k naive_f32 -s "b1_h1_q{1..400}_k64_d16" --budget 10ms 2>err | head -n 1 >out
has "$(find piped -name '*.jsonl')" '"t":"end".*"exit":141,"signal":"SIGPIPE"}$'
check 0 'interrupted' results piped
check 0 ' 0 of them partial' results check piped

finish
