#!/bin/sh
# refresh.sh - measures anew what README.md shows: the picture (as text, and as docs/bench.svg drawn by Rich where python3 has it) and the table of
# the speed suite, taken from the records that bench leaves in results/. For a quiet machine and a committed tree; about a minute. Needs jq.
set -eu
cd "$(dirname -- "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
shape=llama3-8b/prefill@512
kernels='flash_f32_sse2,blocked_f32_avx2,flash_f32_avx2*,flash_f32_avx512*,flash_f32_neon*'

. docs/tools/between.sh

# into_readme MARK TEXT: that part of README.md becomes the contents of TEXT.
into_readme() {
    between README.md "$1" "$2" >"$work/README.md"
    cat "$work/README.md" >README.md
}

./zoo bench -s "$shape" --color=always --progress=off | sed '/^records: /d' >"$work/ansi"
{
    printf '```\n$ ./zoo bench -s %s\n' "$shape"
    sed "s/$(printf '\033')\[[0-9;]*m//g" "$work/ansi" | sed '/^$/d'
    printf '```\n'
} >"$work/picture"
into_readme picture "$work/picture"
if python3 -c 'import rich' 2>/dev/null; then
    python3 - "$work/ansi" docs/bench.svg "./zoo bench -s $shape" <<'PY'
import re, sys
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text
text = Text.from_ansi(open(sys.argv[1]).read().strip("\n"))
console = Console(record=True, width=max(len(line) for line in text.plain.split("\n")), file=open("/dev/null", "w"))
console.print(text, soft_wrap=True)
# Without the fonts that Rich would have the reader's browser fetch.
look = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.S).replace("Fira Code, monospace", "monospace")
console.save_svg(sys.argv[2], title=sys.argv[3], code_format=look)
PY
else
    echo "refresh.sh: python3 has no Rich (Debian: python3-rich); docs/bench.svg stays as it is" >&2
fi

./zoo bench --suite speed -k "$kernels" --progress=off --budget 4s >"$work/out"
records=$(sed -n 's/^records: //p' "$work/out")
jq -rs --arg date "$(date -u +%Y-%m-%d)" --arg file "results/${records##*/results/}" '
    def percent: . * 1000 | round | "\(. / 10 | floor).\(. % 10) %";
    (map(select(.t == "host")) | first) as $host
    | map(select(.t == "case")) as $cases
    | map(select(.t == "bench")) as $bench
    | "| kernel | " + ($cases | map(.shape | capture("_q(?<l>[0-9]+)_.*_d(?<d>[0-9]+)") | "d=\(.d), L=\(.l)") | join(" | ")) + " |",
      "|---|" + ($cases | map("---:|") | add),
      ($bench | map(.kernel) | reduce .[] as $k ([]; if index($k) then . else . + [$k] end) | .[] as $k
        | "| `\($k)` | " + ($cases | map(.case as $c | $bench | map(select(.kernel == $k and .case == $c)) | first
            | if . then "\(.flops / 1e9 | round) GFLOP/s, \(.peak.frac | percent)" else "-" end) | join(" | ")) + " |"),
      "",
      "One thread of \($host.cpu.brand) (CPUID family \($host.cpu.family) model \($host.cpu.model)\(if $host.cpu.hyp then ", \($host.cpu.hyp) guest" else "" end)), \($host.build.cc), commit \($host.build.commit), \($date). Percentages are of the register-only",
      "FMA peak at the vector width of the kernel, measured in the same rounds.", "Records: [\($file)](\($file))."
' "$records" >"$work/table"
into_readme table "$work/table"
results/summary.sh
