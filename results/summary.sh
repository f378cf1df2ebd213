#!/bin/sh
# summary.sh [--check] [PROGRAM] - writes the summary in results/README.md anew, from the records beside it: after records were added. With
# --check it writes nothing and ends with 1 if that would change something. PROGRAM: an attnzoo; default ./zoo.
set -eu
cd "$(dirname -- "$0")/.."
check=no
[ "${1-}" != --check ] || { check=yes; shift; }
program=${1-./zoo}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. docs/tools/between.sh
"$program" report -o md results >"$work/summary"
between results/README.md summary "$work/summary" >"$work/README.md"
cmp -s "$work/README.md" results/README.md && exit 0
if [ $check = yes ]; then
    echo "the summary in results/README.md is not that of the records; results/summary.sh writes it anew" >&2
    exit 1
fi
cat "$work/README.md" >results/README.md
