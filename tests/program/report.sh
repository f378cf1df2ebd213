#!/bin/sh
# report.sh PROGRAM SOURCE [PICTURES] - the report as JSON, Markdown and a page; the page in a real browser, on the committed records and on made
# ones that have all there can be: two machines, threads, commits, peers, a partial run, and names that would like to be something else.
# Screenshots go to PICTURES, for a person to look at.
set -u
# shellcheck source=tests/support/checks.sh
. "$(dirname "$0")/../support/checks.sh"
program=$(absolute "$1")
tests=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$2" && pwd)
pictures=${3-}
# shellcheck source=tests/program/records.sh
. "$tests/records.sh"
begin

mkdir m1 m2
both='"avx2","avx512f"'
run 01M7XAP9T6SYFNA1BKRVSH0631 m1 "$both" aaaaaaaa 1 naive_f32=200 fast2=20 fast512=10 >m1/a.jsonl
run 01M7XG3T4P9993XMYB8YRK5043 m1 "$both" bbbbbbbb 1.1 naive_f32=200 fast2=20 fast512=10 >m1/b.jsonl
THREADS=4 run 01M7XG3T4P9993XMYB8YRK5044 m1 "$both" bbbbbbbb 0.3 naive_f32=200 fast2=20 fast512=10 >m1/c.jsonl
run 01M7XG607BWPAFKR70GNZP7FH5 m1 "$both" bbbbbbbb 1 fast512=10 other.sdpa=15 >m1/d.jsonl
cat >>m1/d.jsonl <<'END'
{"t":"processes","v":1,"run":"01M7XG607BWPAFKR70GNZP7FH5","case":"c1","shape":"b1_h1_q64_k64_d64","name":null,"threads":1,"start":{"med":0.0421}}
{"t":"process","v":1,"run":"01M7XG607BWPAFKR70GNZP7FH5","case":"c1","kernel":"fast512","setup":{"med":-1e-3,"lo":-2e-3,"hi":5e-4},"call":{"med":1e-3},"agreement":{"med":1.017}}
{"t":"vary","v":1,"run":"01M7XG607BWPAFKR70GNZP7FH5","by":"threads","shape":"b1_h1_q64_k64_d64","variant":"1","of":"kernel","kernel":"fast_avx512","threads":1,"med":2e-3,"speed":null}
{"t":"vary","v":1,"run":"01M7XG607BWPAFKR70GNZP7FH5","by":"threads","shape":"b1_h1_q64_k64_d64","variant":"2","of":"kernel","kernel":"fast_avx512","threads":2,"med":1e-3,"speed":{"kernel":"1","ratio":2,"lo":1.9,"hi":40}}
{"t":"vary","v":1,"run":"01M7XG607BWPAFKR70GNZP7FH5","by":"data","shape":"b1_h1_q64_k64_d64","variant":"normal","of":"kernel","kernel":"fast_avx512","threads":1,"med":1e-3,"speed":null}
{"t":"vary","v":1,"run":"01M7XG607BWPAFKR70GNZP7FH5","by":"data","shape":"b1_h1_q64_k64_d64","variant":"denormal","of":"kernel","kernel":"fast_avx512","threads":1,"med":2e-3,"speed":{"kernel":"normal","ratio":0.61,"lo":null,"hi":null}}
END
# micro RUN MED LO: a table of each kind of comparison
micro() {
    sed "s/RUN/$1/; s/MED/$2/; s/LO/$3/" <<'END'
{"t":"micro","v":1,"run":"RUN","micro":"tile","title":"tile <i>: share","row":"multiply-adds","isa":"avx2","work":1e3,"work_unit":"flop","in_use":false,"rounds":40,"med":1e-8,"compare":null,"vs":null,"most":null,"ok":null,"noise":{"probe_ghz":4}}
{"t":"micro","v":1,"run":"RUN","micro":"tile","title":"tile <i>: share","row":"4x3 & 2^x","isa":"avx2","work":1e3,"work_unit":"flop","in_use":true,"rounds":40,"med":MED,"compare":"share","vs":{"kernel":"multiply-adds","ratio":0.8,"lo":LO,"hi":0.81},"most":null,"ok":null,"noise":{"probe_ghz":4}}
{"t":"micro","v":1,"run":"RUN","micro":"pack","title":"pack: share of its arithmetic","row":"multiply-adds","isa":null,"work":2e6,"work_unit":"panel","in_use":false,"med":3e-6,"compare":null,"vs":null}
{"t":"micro","v":1,"run":"RUN","micro":"pack","title":"pack: share of its arithmetic","row":"a panel","isa":null,"work":2e6,"work_unit":"panel","in_use":true,"med":5e-7,"compare":"cost","vs":{"kernel":"multiply-adds","ratio":0.0125,"lo":0.012,"hi":0.013}}
{"t":"micro","v":1,"run":"RUN","micro":"run","title":"run: beyond","row":"the arithmetic","isa":null,"work":1,"work_unit":"call","in_use":false,"med":5e-7,"compare":null,"vs":null,"noise":{"probe_ghz":4}}
{"t":"micro","v":1,"run":"RUN","micro":"run","title":"run: beyond","row":"attn_run","isa":null,"work":1,"work_unit":"call","in_use":true,"med":4e-7,"compare":"beyond","vs":{"kernel":"the arithmetic","ratio":-1e-7,"lo":-1.1e-7,"hi":-9e-8},"most":1e-6,"ok":true,"noise":{"probe_ghz":4}}
{"t":"micro","v":1,"run":"RUN","micro":"run","title":"run: beyond","row":"attn_run, slow","isa":null,"work":1,"work_unit":"call","in_use":false,"med":3e-6,"compare":"beyond","vs":{"kernel":"the arithmetic","ratio":2.5e-6,"lo":null,"hi":null},"most":1e-6,"ok":false,"noise":{"probe_ghz":4}}
END
}
# builds.jsonl: nothing but tables that were measured twice and a comparison with each verdict
host='"v":1,"mkey":"m1","cpu":{"brand":"CPU"},"build":{"commit":"dddddddd","dirty":true}'
{
    printf '{"t":"host","run":"%s",%s}\n' 01M7XG607BWPAFKR70GNZP7F01 "$host"
    micro 01M7XG607BWPAFKR70GNZP7F01 2e-8 0.123
    printf '{"t":"host","run":"%s",%s}\n' 01M7XG607BWPAFKR70GNZP7F02 "$host"
    micro 01M7XG607BWPAFKR70GNZP7F02 1.25e-8 0.79
    cat <<'END'
{"t":"host","run":"01M7XG607BWPAFKR70GNZP7F03","v":1,"mkey":"m1","cpu":{"brand":"CPU"},"build":{"commit":"dddddddd"},"packs":{"base":{"commit":"aaaaaaaa","cc":"clang 14.0.6 ","cflags":""},"head":{"commit":"bbbbbbbb","cc":"gcc 12.2.0","cflags":"-O3"}}}
{"t":"regress","v":1,"run":"01M7XG607BWPAFKR70GNZP7F03","shape":"b1_h1_q64_k64_d64","kernel":"fast2","base":"aaaaaaaa","head":"bbbbbbbb","verdict":"slower","first":"slower","again":true,"ratio":1.0873,"lo":1.0861,"hi":1.0884,"n":400,"min_effect":0.02,"why":null,"waiver":null}
{"t":"regress","v":1,"run":"01M7XG607BWPAFKR70GNZP7F03","shape":"b1_h1_q128_k128_d64","kernel":"fast2","base":"aaaaaaaa","head":"bbbbbbbb","verdict":"slower","first":"slower","again":true,"ratio":1.2,"lo":1.1,"hi":1.3,"n":400,"min_effect":0.02,"why":null,"waiver":"exact | <exponential>"}
{"t":"regress","v":1,"run":"01M7XG607BWPAFKR70GNZP7F03","shape":"b1_h1_q64_k64_d64","kernel":"fast512","base":"aaaaaaaa","head":"bbbbbbbb","verdict":"faster","first":"faster","again":true,"ratio":0.9,"lo":0.89,"hi":0.91,"n":400,"min_effect":0.02,"why":null,"waiver":null}
{"t":"regress","v":1,"run":"01M7XG607BWPAFKR70GNZP7F03","shape":"b1_h1_q128_k128_d64","kernel":"fast512","base":"aaaaaaaa","head":"bbbbbbbb","verdict":"same","first":"same","again":false,"ratio":1.001,"lo":0.999,"hi":1.002,"n":100,"min_effect":0.02,"why":null,"waiver":null}
{"t":"regress","v":1,"run":"01M7XG607BWPAFKR70GNZP7F03","shape":"b1_h1_q64_k64_d64","kernel":"naive_f32","base":"aaaaaaaa","head":"bbbbbbbb","verdict":"inconclusive","first":"slower","again":true,"ratio":1.05,"lo":0.9,"hi":1.2,"n":100,"min_effect":0.02,"why":"the base against its copy is not the same","waiver":null}
{"t":"regress","v":1,"run":"01M7XG607BWPAFKR70GNZP7F03","shape":"b1_h1_q64_k64_d64","kernel":"wrong_f32","base":"aaaaaaaa","head":"bbbbbbbb","verdict":"wrong","first":null,"again":false,"ratio":null,"lo":null,"hi":null,"n":0,"min_effect":null,"why":"eta 3.1","waiver":null}
{"t":"insn","v":1,"run":"01M7XG607BWPAFKR70GNZP7F03","shape":"b1_h1_q5_k19_d16_causal","kernel":"fast2","base":"aaaaaaaa","head":"bbbbbbbb","src":"ptrace","insn":[13865,14811],"fails":true,"why":null,"waiver":null}
{"t":"insn","v":1,"run":"01M7XG607BWPAFKR70GNZP7F03","shape":"b1_h1_q1_k24_d16","kernel":"fast2","base":"aaaaaaaa","head":"bbbbbbbb","src":"ptrace","insn":[9479,9500],"fails":false,"why":null,"waiver":null}
{"t":"insn","v":1,"run":"01M7XG607BWPAFKR70GNZP7F03","shape":"b1_h1_q1_k24_d16","kernel":"fast512","base":"aaaaaaaa","head":"bbbbbbbb","src":"ptrace","insn":[7117,7117],"fails":false,"why":null,"waiver":null}
{"t":"insn","v":1,"run":"01M7XG607BWPAFKR70GNZP7F03","shape":"b1_h1_q1_k24_d16","kernel":"naive_f32","base":"aaaaaaaa","head":"bbbbbbbb","src":"ptrace","insn":null,"fails":false,"why":"no such counter","waiver":null}
{"t":"end","v":1,"run":"01M7XG607BWPAFKR70GNZP7F03","counts":{"regress":6,"insn":4},"exit":1}
END
} >builds.jsonl
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
{
    cat sparse.jsonl
    cat <<'END'
{"t":"micro","v":1,"run":"r","micro":"m","title":"t","row":"a"}
{"t":"micro","v":1,"run":"r","micro":"m","title":"t","row":"b","med":1,"compare":"elsewise","vs":{},"most":2,"ok":"x","noise":{"probe_ghz":null},"in_use":7}
{"t":"micro","v":1,"run":"q","micro":"m","title":"u","row":"b","med":1,"work":2,"compare":"beyond","vs":{"ratio":0,"lo":-1},"noise":{}}
{"t":"regress","v":1,"run":"r","shape":"s","kernel":"k","base":"x","head":"y","verdict":"better"}
{"t":"regress","v":1,"run":"q","shape":"s","kernel":"k","base":"x","head":"y","verdict":"same","ratio":1,"min_effect":0,"launches":7}
{"t":"insn","v":1,"run":"q","shape":"s","kernel":"k","base":"x","head":"y","insn":[null,3]}
{"t":"insn","v":1,"run":"q","shape":"s","kernel":"k","base":"x","head":"y","insn":[]}
{"t":"insn","v":1,"run":"q","shape":"s","kernel":"k","base":"x","head":"y","insn":[3,3,4],"fails":0}
END
} >sparser.jsonl

"$program" report -o json m1 m2 >model.json 2>err || fail 'report -o json'
grep -q 'm2/a.jsonl:13: the last line is cut off' err || fail 'report -o json: no word of the cut line'
"$program" report -o md m1 m2 >page.md 2>err || fail 'report -o md'
for text in '^| m1 ' 'm2 (<script>' '#### m1 sdpa f32 threads:4 hot normal' '| naive_f32 | .*fast512 | *$' '| b1_h1_q64_k64_d64 .* 200.0 %' '^5 runs, 31 measurements. A kernel against its own copy: 9 of 9 controls ok'; do
    grep -q -- "$text" page.md || fail "report -o md: no '$text'"
done
grep -q 'Micro-benchmarks\|Builds against' page.md && fail 'report -o md: a section of records that are not there'
"$program" report -o md builds.jsonl >builds.md 2>err || fail 'report -o md of builds and micro-benchmarks'
for text in '^| 4x3 & 2^x .* | avx2 | *80.0 Gflop/s | *80.0 % | 79.0 % to 81.0 % | in use' '^| a panel .* 500 ns a panel | *1.25 % | *1.20 % to 1.30 %' \
    '^| multiply-adds | - *| *- | *- |' '^| attn_run .* 400 ns a call | *-100 ns | *-110 ns to -90.0 ns | in use; below 1.00 us' \
    '^| attn_run, slow .* few rounds | NOT below 1.00 us' '^#### m1: aaaaaaaa (clang 14.0.6 *) to bbbbbbbb (gcc 12.2.0), 2026-11-20' \
    '^| b1_h1_q64_k64_d64 *| fast2 *| *1.087 | 1.086 to 1.088 | slower .*| threshold 2.0 %, measured twice' 'waived: exact .. <exponential>' \
    '| inconclusive | the base against its copy' '| wrong_f32 | *- | *- | wrong *| eta 3.1' \
    '| 13865 | 14811 | *1.068 | more, FAILS' '| *9479 | *9500 | *1.002 | a few more' '| not counted *| no such counter' '^1 of 4 instruction counts are equal' \
    '^3 runs, 24 measurements.$'; do
    grep -q -- "$text" builds.md || fail "report -o md builds.jsonl: no '$text'"
done
for text in '12.3 %' '7117' 'Share of the roof' 'Agreement'; do
    if grep -q -- "$text" builds.md; then fail "report -o md builds.jsonl: has '$text'"; fi
done
# Controls are judged by their intervals, whatever an older record calls ok.
cat >controls.jsonl <<'END'
{"t":"host","v":1,"run":"r","mkey":"m3","cpu":{},"build":{"commit":"c"}}
{"t":"case","v":1,"run":"r","case":"c1","shape":"s","dtype":"f32","threads":1,"cache":"hot","dist":"d","seed":1,"flop":1,"exp":1,"bytes":1}
{"t":"bench","v":1,"run":"r","case":"c1","kernel":"k","med":1}
{"t":"control","v":1,"run":"r","case":"c1","kernel":"k","ratio":1.02,"lo":0.986,"hi":2.141,"ok":true}
END
"$program" report -o json controls.jsonl >controls.json 2>err
grep -q '"verdict": "says nothing"' controls.json || fail 'a control from 0.986 to 2.141 says something'
"$program" report -o md controls.jsonl >controls.md 2>err
grep -q '0 of 1 controls ok (the interval holds 1, within 5 %), 0 exclude 1, 1 say nothing' controls.md || fail 'report -o md: a wide control counts as ok'
rm controls.jsonl controls.json controls.md
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
grep -q '^report.html: 31 measurements of 5 runs' err || fail 'report: does not say what it wrote'
"$program" report -o html m1 m2 >again.html 2>err || fail 'report -o html'
"$program" report -o html m1 m2 >third.html 2>err
cmp -s again.html third.html || fail 'two reports of the same records differ'
for text in '<title>All &amp; &lt;all&gt;</title>' '&lt;script&gt;alert' 'Other 1.2' 'speed over 1 thread' '>0.61<' 'data-v="4321"' '>0.125<' 'on normal data' '1 of the runs is partial' '42.1 ms' '&lt; 2.00 ms' '1.017' 'cut off and left out'; do
    grep -q -- "$text" report.html || fail "report.html: no '$text'"
done
for text in '−1.00 ms' '<script>alert' '<b>.x' 'src=' '@import' '<link rel="stylesheet'; do
    if grep -q -- "$text" report.html; then fail "report.html: has '$text'"; fi
done
for section in micro builds; do
    if grep -q "id=\"$section\"\|href=\"#$section\"" report.html; then fail "report.html: has section $section, of which there are no records"; fi
done
"$program" report -o html:builds.html builds.jsonl 2>err || fail 'report of builds and micro-benchmarks'
for text in 'id="micro"' 'id="builds"' 'tile &lt;i&gt;: share' '4x3 &amp; 2^x' '>80.0<' '>1.25 %<' '>−100 ns<' 'class="bad">not below 1.00 µs' 'class="good">below 1.00 µs' \
    'class="bad">slower' 'class="doubt">slower' 'class="good">faster' 'class="doubt">inconclusive' '>1.086 to 1.088<' 'exact | &lt;exponential&gt;' '<small>clang 14.0.6</small>' 'aaaaaaaa</code> <small>clang' \
    'class="bad">more, fails' '>14[^<0-9]*811<' '>not counted<' 'dddddddd+' 'No kernel was measured on a shape'; do
    grep -q -- "$text" builds.html || fail "builds.html: no '$text'"
done
if grep -q '12.3 %' builds.html; then fail 'builds.html: shows a table that was measured again later'; fi
"$program" report -o html:sparser.html sparser.jsonl 2>err || fail 'report of micro-benchmarks and builds that say little'
"$program" report -o md sparser.jsonl >sparser.md 2>err || fail 'report -o md of micro-benchmarks and builds that say little'
"$program" report -o html:whole.html m1 m2 builds.jsonl 2>err || fail 'report of all kinds of records'
# The newest of the committed records as a page; all of them as JSON (the page of all takes two minutes).
"$program" report -o json "$source/results" >committed.json 2>err || fail 'report -o json of the committed records'
find "$source/results" -name '*.jsonl' | sort -r | head -n 12 | tr '\n' '\0' | xargs -0 "$program" report -o html:committed.html 2>err ||
    fail 'report of the newest committed records'

# A full disk, as a limit on the size of files: one sentence, and the good page stays. Unbuffered, a write takes what fits without a word.
cp again.html kept.html
for unbuffered in '' 1; do
    code=0
    (ulimit -f 64 && PYTHONUNBUFFERED=$unbuffered exec "$program" report -q -o html:kept.html m1) 2>err || code=$?
    [ "$code" -eq 2 ] || fail "report to a full disk (PYTHONUNBUFFERED='$unbuffered'): exit code $code, expected 2"
    if [ "$(wc -l <err)" -ne 1 ] || ! grep -q '^error: kept.html: cannot write: File too large' err; then fail 'report to a full disk: more, or less, than a sentence'; fi
    cmp -s again.html kept.html || fail 'report to a full disk: the good page was replaced'
    [ -z "$(find . -name 'kept.html.*')" ] || fail 'report to a full disk: half a page is left'
done
if [ -e /dev/full ]; then
    code=0
    "$program" report -o html m1 >/dev/full 2>err || code=$?
    if [ "$code" -ne 2 ] || ! grep -q '^error: standard output: cannot write: No space' err; then fail "report > /dev/full: exit code $code, expected 2"; fi
fi

# Ctrl-C at a terminal reaches the renderer too, and so does a terminal that goes away; kill reaches the program alone: 128 + the signal without
# a traceback, and the good page stays.
mkdir path
python=$(command -v python3)
cat >path/python3 <<END
#!/bin/sh
[ "\$1" = -c ] || exec "$python" -c 'import time; open("drawing", "w"); time.sleep(100000)'
END
chmod +x path/python3
for what in 'program INT 130' 'group INT 130' 'program TERM 143' 'group TERM 143' 'program HUP 129' 'group HUP 129'; do
    # shellcheck disable=SC2086 # words on purpose
    set -- $what
    whom=$1 signal=$2 expected=$3
    if [ "$whom" = group ] && ! command -v setsid >/dev/null; then
        echo 'skipped: signals for a process group: no setsid here'
        continue
    fi
    rm -f drawing
    case $whom in
    group) PATH=$work/path:$PATH setsid "$program" report -o html:kept.html m1 2>err & ;;
    *) PATH=$work/path:$PATH "$program" report -o html:kept.html m1 2>err & ;;
    esac
    child=$!
    while [ ! -e drawing ] && kill -0 "$child" 2>/dev/null; do sleep 0.1; done
    case $whom in
    group) kill -s "$signal" -- "-$child" ;;
    *) kill -s "$signal" "$child" ;;
    esac
    code=0
    wait "$child" || code=$?
    [ "$code" -eq "$expected" ] || fail "report, SIG$signal for the $whom: exit code $code, expected $expected"
    [ -s err ] && fail "report, SIG$signal for the $whom: words on stderr"
    cmp -s again.html kept.html || fail "report, SIG$signal for the $whom: the good page was replaced"
done

"$program" report -o html:sparse.html sparse.jsonl 2>err || fail 'report of records that say little'
# A kernel looks the same in both rooflines, also where one of them lacks the kernel before it.
python3=python3
"$python3" -c 'import matplotlib' 2>/dev/null || python3=/usr/bin/python3
"$python3" - "$source/harness/report/page" 2>err <<'END' || fail 'rooflines: a kernel changes its marker from one to the other'
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import matplotlib.axes
import plots
looks, plot = [], matplotlib.axes.Axes.plot
def note(axes, *data, **how):
    looks.append((how["label"], how["marker"], how["color"])) if "marker" in how else None
    return plot(axes, *data, **how)
matplotlib.axes.Axes.plot = note
point = {"isa": "avx2", "flop": 2e6, "flops": 1e9, "bytes": 1e5, "exp": 1e4}
points = [{**point, "kernel": "first", "exp": 0}, {**point, "kernel": "second"}]
for which in "bytes", "exp":
    plots.roofline(points, {"f32.avx2": 1e11, "bw.l1": 1e11, "exp.f32.avx2": 1e9}, which)
assert len(looks) == 3 and len(set(looks)) == 2, looks
END

status=0
for page in whole builds committed; do
    [ -z "$pictures" ] || mkdir -p "$pictures/$page"
    "${drives:-python3}" "$tests/browser.py" "$page.html" ${pictures:+"$pictures/$page"} || status=$?
done
[ "$failures" -eq 0 ] || status=1
exit "$status"
