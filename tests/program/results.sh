#!/bin/sh
# results.sh PROGRAM SOURCE - compare and results, on records whose answers are known: two machines, three runs, times that are whole multiples.
#
# (tests/program/records.sh makes them.) Machine m1 has AVX-512, m2 has not. On m1 fast512 is twice as fast as fast2, on m2 fast2 wins over other by a fifth. Run 3 is m1 again, everything a tenth slower, at another commit.
set -u
# shellcheck source=tests/support/checks.sh
. "$(dirname "$0")/../support/checks.sh"
# shellcheck source=tests/program/records.sh
. "$(dirname "$0")/records.sh"
program=$(absolute "$1")
source=$(absolute "$2")
begin

m1="\"avx2\",\"avx512f\""
run 01M7XAP9T6SYFNA1BKRVSH0631 m1 "$m1" aaaaaaaa 1 naive_f32=200 fast2=20 fast512=10 >one.jsonl
run 01M7XCCS57CSCH6Z49ECFYP6G2 m2 '"avx2"' aaaaaaaa 1 naive_f32=100 other=30 fast2=25 >two.jsonl
run 01M7XG3T4P9993XMYB8YRK5043 m1 "$m1" bbbbbbbb 1.1 naive_f32=200 fast2=20 fast512=10 >three.jsonl

# cell FILE ROW COLUMN: value and evidence, from the CSV of compare
cell() { awk -F , -v row="$2" -v column="$3" '$2 == row && $3 == column { print $6 + 0, $10 }' "$1"; }
expect() { [ "$2" = "$3" ] || { : >out; : >err; fail "$1: '$2', expected '$3'"; }; }

for command in compare results; do
    check 0 "attnzoo $command" $command --help
    check 2 'unknown option.*known' $command --no-such-option
done
check 2 'no/such: cannot read' compare no/such

# compare: within a run paired and exact, in spite of the drift
check 0 '' compare one.jsonl -o csv:cells.csv
expect 'fast512 over naive' "$(cell cells.csv b1_h1_q64_k64_d64 fast512)" '20 paired'
expect 'fast2 over naive' "$(cell cells.csv b1_h1_q128_k128_d64 fast2)" '10 paired'
expect 'the baseline itself' "$(cell cells.csv b1_h1_q64_k64_d64 naive_f32)" '1 baseline'
check 0 'geomean .* 10.0×  *20.0×' compare one.jsonl
check 0 'speed-up over fast2' compare one.jsonl --baseline fast2
check 0 '^| b1_h1_q64_k64_d64 *| .* | *10.0× \[10.0, 10.0\] | *20.0× \[20.0, 20.0\] |' compare one.jsonl -o md
# between runs unpaired, wider, and said so
check 0 '~+10.0 % \[-[0-9.]*, +[0-9.]*\] ?' compare one.jsonl three.jsonl
check 0 '~0.91× \[0.[0-9]*, 1.[0-9]*\] ?' compare one.jsonl three.jsonl --metric speedup
check 0 'unpaired, the weaker evidence' compare one.jsonl three.jsonl
check 0 'differ in more than their columns say: commit$' compare one.jsonl three.jsonl
check 0 '' compare one.jsonl three.jsonl -o csv:cells.csv
expect 'commit b against commit a' "$(cell cells.csv 'b1_h1_q64_k64_d64 fast512' three.jsonl | cut -c 1-3)" 0.1
# columns stand as the files were given, whichever is older, and the first is the baseline; those of a folder by time
check 0 '^  *one.jsonl (baseline)  *three.jsonl$' compare one.jsonl three.jsonl
check 0 '^  *three.jsonl (baseline)  *one.jsonl$' compare three.jsonl one.jsonl
check 0 '~-9.1 % ' compare three.jsonl one.jsonl
check 0 '^  *bbbbbbbb (baseline)  *aaaaaaaa$' compare three.jsonl one.jsonl --col commit
mkdir both && cp three.jsonl both/a.jsonl && cp one.jsonl both/b.jsonl
check 0 '^  *aaaaaaaa (baseline)  *bbbbbbbb$' compare both --col commit
check 0 '^  *aaaaaaaa  *bbbbbbbb (baseline)$' compare both --col commit --baseline bbbbbbbb
# what is left out is said: copies, rows without a partner, columns without a common row, what a filter drops, what a metric cannot show
cp one.jsonl copy.jsonl
check 0 '^note: copy.jsonl: all of its 18 records are in earlier files; it adds nothing$' compare one.jsonl copy.jsonl
check 0 '^note: both/a.jsonl: all of its' compare both both/a.jsonl three.jsonl
head -n 9 one.jsonl >part.jsonl
check 0 '^note: one.jsonl: 9 of its 18 records are in earlier files and count once$' compare part.jsonl one.jsonl
grep -v q64 three.jsonl >fewer.jsonl
check 0 '^note: .*3 of 6 rows were measured in one column only' compare one.jsonl fewer.jsonl --keep-going
sed 's/q[0-9]*_k[0-9]*/q9_k9/' three.jsonl | grep -v '"c2"' >strange.jsonl
check 0 "^note: .*'strange.jsonl' has no row in common with 'one.jsonl'" compare one.jsonl strange.jsonl
check 0 '^note: --filter leaves out 4 of 6 measurements$' compare one.jsonl --filter 'kernel:fast2'
# several measurements of a place: the latest, with a warning
check 0 'several measurements, which differ in: commit, run' compare one.jsonl three.jsonl --col kernel
check 0 '"time":2.75e-5,"run":"01M7XG3T4P9993XMYB8YRK5043"' compare one.jsonl three.jsonl --col kernel --metric time -o jsonl --filter 'kernel:fast512 -shape:*q64_*' --row op
check 0 'evidence' compare one.jsonl three.jsonl --col commit --row shape,kernel --metric peak -o csv
# machines
check 0 'times of different machines' compare one.jsonl two.jsonl --col machine
check 0 '40.0 %  *80.0 %\|100.0 %' compare one.jsonl two.jsonl --col machine --row shape,kernel --metric roof
check 0 'fast512 .*2.00×  faster' compare --winners one.jsonl two.jsonl
check 0 'm2  *fast2 .*other  *1.20×  faster' compare --winners one.jsonl two.jsonl
# what failed its verification does not win; a later run that measured less does not decide
run 01M7XG607BWPAFKR70GNZP7FH4 m1 "$m1" aaaaaaaa 1 naive_f32=200 fast2=20 fast512=10 wrong=5 | sed '/"kernel":"wrong"/s/"pass"/"fail"/' >wrong.jsonl
run 01M7XG607BWPAFKR70GNZP7FH6 m1 "$m1" cccccccc 1 fast2=20 >lone.jsonl
check 0 'm1  *fast512 .*fast2  *2.00×  faster' compare --winners wrong.jsonl
check 0 'm1  *fast512 .*fast2  *2.00×  faster' compare --winners one.jsonl lone.jsonl
check 0 '  m1  *fast512  *0 %  *+100.0 %' compare --portability one.jsonl two.jsonl
check 0 '  m2  *fast2  *n/a: no avx512  *0 %' compare --portability one.jsonl two.jsonl
check 0 'mean loss.*+100.0 % (2 cases)' compare --portability one.jsonl two.jsonl
check 4 'of two machines or more; these are of 1' compare --portability one.jsonl three.jsonl
# what is refused
check 2 "unknown metric 'tme'; did you mean 'time'" compare one.jsonl --metric tme
check 2 "row: 'shap' is no key; keys: machine" compare one.jsonl --row shap
check 2 "no column is called 'nope'" compare one.jsonl --baseline nope
check 2 'baseline cannot be combined with --metric roof' compare one.jsonl --baseline fast2 --metric roof
check 2 '--winners and --portability cannot be combined' compare one.jsonl --winners --portability
check 2 "compare does not write 'html'; it writes table md csv jsonl json" compare one.jsonl -o html:a.html
check 2 "list does not write 'hyperfine'" list -o hyperfine
check 2 'is no KEY:PATTERN' compare one.jsonl --filter kernel
check 4 'no measurement is left by the filter' compare one.jsonl --filter kernel:nothing
check 0 'compare --portability does not\|^Keys' compare --help
check 2 'cannot write' compare one.jsonl -o csv:no/such/folder.csv
"$program" compare - <one.jsonl >out 2>err || fail 'compare - : records from standard input'

# results
check 0 'm2  *aaaaaaaa  *gcc 12.2.0  *2  *6 .*whole' results list one.jsonl two.jsonl
check 0 '2 files, 2 runs, 0 of them partial, 36 records, 0 met again, 0 faults' results check one.jsonl two.jsonl
head -n 9 one.jsonl >cut.jsonl
printf '{"t":"bench","v":1,"run' >>cut.jsonl
check 0 '1 runs, 1 of them partial, 9 records' results check cut.jsonl
check 0 'cut.jsonl:10: the last line is cut off' results list cut.jsonl
check 0 partial results list cut.jsonl
check 0 '' results merge cut.jsonl two.jsonl one.jsonl one.jsonl -o jsonl:all.jsonl
expect 'merge: lines' "$(wc -l <all.jsonl | tr -d ' ')" 36
check 0 '1 files, 2 runs, 0 of them partial, 36 records, 0 met again, 0 faults' results check all.jsonl
check 0 '2 files, 2 runs, 0 of them partial, 36 records, 36 met again' results check all.jsonl all.jsonl
check 0 '' results merge all.jsonl -o jsonl:again.jsonl
cmp -s all.jsonl again.jsonl || fail 'merge of a merge changes it'
sed 's/"med":[0-9.e-]*/"med":1/' one.jsonl >edited.jsonl
check 2 "another 'bench c1 naive_f32' of run" results merge one.jsonl edited.jsonl -o jsonl:bad.jsonl
[ ! -e bad.jsonl ] || fail 'merge of a contradiction leaves a file'
sed '/"t":"host"/s/"mkey":"[^"]*"/"mkey":"elsewhere"/' one.jsonl >edited.jsonl
check 2 "another 'host' of run" results merge one.jsonl edited.jsonl -o jsonl:bad.jsonl
grep -v '"t":"case"' one.jsonl >caseless.jsonl
check 2 'names case .c1., which is not there' results check caseless.jsonl
sed '/"kernel":"fast2"/d' one.jsonl >fewer.jsonl
check 2 'its end counts 6 bench records, but there are 4' results check fewer.jsonl
echo '{"t":"host","v":9,"run":"x"}' >future.jsonl
check 2 'future.jsonl:1: is a record of version 9' results check future.jsonl
check 0 'skipping the rest: future.jsonl:1' results check future.jsonl one.jsonl --keep-going
: >nothing.jsonl
check 4 'holds no records' results list nothing.jsonl
check 2 "unknown action 'lst'; did you mean 'list'" results lst
# a path in the place of the action is listed: a file, a folder, standard input; what is not there is a path if only a path looks like that
check 0 'm2  *aaaaaaaa  *gcc 12.2.0  *2  *6 .*whole' results one.jsonl two.jsonl
mkdir folder && cp two.jsonl folder/
check 0 'm2  *aaaaaaaa .*whole' results folder
check 0 'm2  *aaaaaaaa .*whole' results folder/
check 2 'no/such: cannot read: No such file' results no/such
"$program" results - <two.jsonl >out 2>err || fail 'results - : exit code'
grep -q 'aaaaaaaa' out || fail 'results - : records from standard input'
# what is no file: a FIFO has no writer here, so a reader that waits for one never ends
mkfifo folder/pipe.jsonl
for command in results compare report 'results check'; do
    # shellcheck disable=SC2086
    check 2 'folder/pipe.jsonl: is a FIFO, not a regular file' $command folder
    # shellcheck disable=SC2086
    check 2 'folder/pipe.jsonl: is a FIFO, not a regular file' $command folder/pipe.jsonl
done
check 2 '/dev/null: is a character device, not a regular file' results /dev/null
check 2 '--filter needs' results merge one.jsonl --filter op:sdpa
check 2 "results merge does not write 'csv'" results merge one.jsonl -o csv

# exports, read by what is at hand
check 0 '^machine,cpu,commit,' results export one.jsonl -o csv
check 0 ',b1_h1_q128_k128_d64,.*,4321,,0.125,fma,naive_f32,true$' results export one.jsonl -o csv
check 0 '^BenchmarkSdpa/dtype=f32/shape=b1_h1_q64_k64_d64/threads=1/cache=hot/dist=normal/kernel=fast512 4 2000 ns/op$' results export one.jsonl -o benchstat
check 0 '^commit: bbbbbbbb$' results export one.jsonl three.jsonl -o benchstat
expect 'benchstat: lines of samples' "$(grep -c '^BenchmarkSdpa' out)" 480
check 0 '' results export one.jsonl -o hyperfine:hyperfine.json
check 0 '' results export one.jsonl -o gha:gha.json
check 4 'no measurement to export' results export one.jsonl --filter op:mha
if python3 -c '' 2>/dev/null; then
    python3 - >out 2>err <<'PY' || fail 'exports: JSON that says something else'
import json
results = json.load(open("hyperfine.json"))["results"]
assert len(results) == 6
fast = [r for r in results if r["command"] == "fast512 sdpa f32 b1_h1_q64_k64_d64 t1 hot"]
assert len(fast) == 1 and len(fast[0]["times"]) == 40 and fast[0]["parameters"]["kernel"] == "fast512", fast
assert abs(fast[0]["mean"] - sum(fast[0]["times"]) / 40) < 1e-15 and fast[0]["max"] == max(fast[0]["times"]) and fast[0]["user"] is None
assert abs(fast[0]["median"] - 2.5e-6) < 1e-15
gha = json.load(open("gha.json"))
assert len(gha) == 6 and all(set(g) >= {"name", "unit", "value"} for g in gha)
assert [g["value"] for g in gha if g["name"].startswith("fast512") and "q64" in g["name"]] == [2500.0], gha
PY
else
    echo 'skipped: no python3 to read the JSON exports with'
fi

# The records of the tree are sound and can be compared.
check 0 ' 0 faults' results check "$source/results"
check 0 'geomean' compare "$source/results"

finish
