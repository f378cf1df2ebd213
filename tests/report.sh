#!/bin/sh
# report.sh PROGRAM SOURCE [PICTURES] - the report as JSON, Markdown and a page; the page in a real browser, on the committed records and on made
# ones that have all there can be: two machines, threads, commits, peers, a partial run, and names that would like to be something else.
# Screenshots go to PICTURES, for a person to look at.
set -u
program=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
tests=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$2" && pwd)
pictures=${3-}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/records.sh
. "$tests/records.sh"
cd "$work" || exit 1
failures=0
fail() {
    failures=$((failures + 1))
    printf 'FAILED: %s\n' "$1" >&2
    sed 's/^/    /' err >&2
}

mkdir m1 m2
both='"avx2","avx512f"'
run 01M7XAP9T6SYFNA1BKRVSH0631 m1 "$both" aaaaaaaa 1 naive_f32=200 fast2=20 fast512=10 >m1/a.jsonl
run 01M7XG3T4P9993XMYB8YRK5043 m1 "$both" bbbbbbbb 1.1 naive_f32=200 fast2=20 fast512=10 >m1/b.jsonl
THREADS=4 run 01M7XG3T4P9993XMYB8YRK5044 m1 "$both" bbbbbbbb 0.3 naive_f32=200 fast2=20 fast512=10 >m1/c.jsonl
run 01M7XG607BWPAFKR70GNZP7FH5 m1 "$both" bbbbbbbb 1 fast512=10 other.sdpa=15 >m1/d.jsonl
cat >>m1/d.jsonl <<'END'
{"t":"processes","v":1,"run":"01M7XG607BWPAFKR70GNZP7FH5","case":"c1","shape":"b1_h1_q64_k64_d64","name":null,"threads":1,"start":{"med":0.0421}}
{"t":"process","v":1,"run":"01M7XG607BWPAFKR70GNZP7FH5","case":"c1","kernel":"fast512","setup":{"med":-1e-3},"call":{"med":1e-3},"agreement":{"med":1.017}}
{"t":"vary","v":1,"run":"01M7XG607BWPAFKR70GNZP7FH5","by":"threads","shape":"b1_h1_q64_k64_d64","variant":"1","of":"kernel","kernel":"fast_avx512","threads":1,"med":2e-3,"speed":null}
{"t":"vary","v":1,"run":"01M7XG607BWPAFKR70GNZP7FH5","by":"threads","shape":"b1_h1_q64_k64_d64","variant":"2","of":"kernel","kernel":"fast_avx512","threads":2,"med":1e-3,"speed":{"kernel":"1","ratio":2,"lo":1.9,"hi":40}}
{"t":"vary","v":1,"run":"01M7XG607BWPAFKR70GNZP7FH5","by":"data","shape":"b1_h1_q64_k64_d64","variant":"normal","of":"kernel","kernel":"fast_avx512","threads":1,"med":1e-3,"speed":null}
{"t":"vary","v":1,"run":"01M7XG607BWPAFKR70GNZP7FH5","by":"data","shape":"b1_h1_q64_k64_d64","variant":"denormal","of":"kernel","kernel":"fast_avx512","threads":1,"med":2e-3,"speed":{"kernel":"normal","ratio":0.61,"lo":null,"hi":null}}
END
run 01M7XCCS57CSCH6Z49ECFYP6G2 m2 '"avx2"' aaaaaaaa 1 naive_f32=100 "<b>\$x^{</b>=30" fast2=25 | head -n 12 >m2/a.jsonl
printf '{"mkey":"m2","label":"<script>alert(1)</script>","notes":"cut </style> off"}' >m2/machine.json
printf '{"t":"be' >>m2/a.jsonl

# sparse: only what the reader demands, and nonsense where it does not look

cat >sparse.jsonl <<'END'
{"t":"host","v":1,"run":"r","mkey":"m3","cpu":{},"build":{"commit":"c"},"peaks":{"t1":{"f32.x":"fast","bw.l1":-1,"exp.f32":null,"f32":2},"t2":7},"isa":[3,"avx2"],"cache":{"l2":"big"},"mem":7}
{"t":"case","v":1,"run":"r","case":"c1","shape":"s","dtype":"f32","threads":1,"cache":"hot","dist":"d","seed":1,"flop":-1,"exp":null,"bytes":0,"noise":{"trials":"x","flagged":null}}
{"t":"bench","v":1,"run":"r","case":"c1","kernel":"k","med":1,"vs":{},"peak":{},"roof":{},"ctr":{},"energy":{},"rounds":"many"}
{"t":"bench","v":1,"run":"r","case":"c1","kernel":"l","med":1,"vs":{"kernel":"k","ratio":2},"roof":{"frac":0.5},"ctr":{"insn":1}}
{"t":"control","v":1,"run":"r","case":"c1","kernel":"k","ratio":null}
{"t":"processes","v":1,"run":"r","case":"c1","shape":"s"}
{"t":"process","v":1,"run":"r","case":"c1","kernel":"k","call":{}}
{"t":"vary","v":1,"run":"r","by":"threads","shape":"s","variant":"1","of":"peak","kernel":"k","threads":null,"med":1}
END

"$program" report -o json m1 m2 >model.json 2>err || fail 'report -o json'
grep -q 'm2/a.jsonl:13: the last line is cut off' err || fail 'report -o json: no word of the cut line'
"$program" report -o md m1 m2 >page.md 2>err || fail 'report -o md'
for text in '^| m1 ' 'm2 (<script>' '#### m1 sdpa f32 threads:4 hot normal' '| fast512 .* 200.0 %' '^5 runs, 26 measurements. In 9 of 9'; do
    grep -q -- "$text" page.md || fail "report -o md: no '$text'"
done
# A run beside other libraries is the latest, but its records have no roof and another peak: they stand for themselves.
"$program" compare m1 m2 --row shape,threads --col kernel --filter machine:m1 --metric peak -o csv >cells.csv 2>err || fail 'compare --metric peak'
grep -q 'q64_k64_d64 threads:1,fast512,peak,1,1,.*YRK5043' cells.csv || fail 'compare --metric peak: not of the run of bench'
"$program" report -o hyperfine . >/dev/null 2>err && fail 'report -o hyperfine: exit code 0'
grep -q 'report does not write .hyperfine.; it writes html md json' err || fail 'report -o hyperfine: no message'
"$program" report -o html:no/such/page.html . 2>err && fail 'report to nowhere: exit code 0'
code=0
"$program" report -o html:none.html --filter kernel:none . 2>err || code=$?
if [ $code -ne 4 ] || [ -e none.html ]; then fail "report of nothing: exit code $code, expected 4, or there is a file"; fi

for python in python3 /usr/bin/python3; do
    "$python" -c 'import matplotlib, jinja2' 2>/dev/null && draws=yes
    "$python" -c 'import selenium' 2>/dev/null && drives=$python
done
if [ -z "${draws-}" ]; then
    "$program" report . 2>err && fail 'report without Matplotlib: exit code 0'
    grep -q 'apt-get install.*-o md needs neither' err || fail 'report without Matplotlib: no way out'
    echo 'skipped: no python3 here has Matplotlib and Jinja2, so there is no page to look at'
    [ "$failures" -eq 0 ] && exit 77
    exit 1
fi
"$program" report m1 m2 --title 'All & <all>' 2>err || fail 'report'
grep -q '^report.html: 26 measurements of 5 runs' err || fail 'report: does not say what it wrote'
"$program" report -o html m1 m2 >again.html 2>err || fail 'report -o html'
"$program" report -o html m1 m2 >third.html 2>err
cmp -s again.html third.html || fail 'two reports of the same records differ'
for text in '<title>All &amp; &lt;all&gt;</title>' '&lt;script&gt;alert' 'Other 1.2' 'speed over 1 thread' '>0.61<' 'data-v="4321"' '>0.125<' 'on normal data' '1 of the runs is partial' '42.1 ms' '−1.00 ms' '1.017' 'cut off and left out'; do
    grep -q -- "$text" report.html || fail "report.html: no '$text'"
done
for text in '<script>alert' '<b>.x' 'src=' '@import' '<link rel="stylesheet'; do
    if grep -q -- "$text" report.html; then fail "report.html: has '$text'"; fi
done
"$program" report -o html:committed.html "$source/results" 2>err || fail 'report of the committed records'

"$program" report -o html:sparse.html sparse.jsonl 2>err || fail 'report of records that say little'
status=0
for page in report committed; do
    [ -z "$pictures" ] || mkdir -p "$pictures/$page"
    "${drives:-python3}" "$tests/browser.py" "$page.html" ${pictures:+"$pictures/$page"} || status=$?
done
[ "$failures" -eq 0 ] || status=1
exit "$status"
