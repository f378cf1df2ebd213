#!/bin/sh
# layers.sh SOURCE - a folder of harness/ includes only folders above it in the table of docs/architecture.md ("The program, folder by
# folder"), the table names exactly the folders there are, and the library looks at none of them.
set -eu
cd "$1"
page=docs/architecture.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The order, from the ground up: the first cell of each row of the table.
# shellcheck disable=SC2016
sed -n '/^### The program, folder by folder/,/^### /s/^| `\([a-z/]*\)\/` |.*/\1/p' "$page" >"$work/order"
[ -s "$work/order" ] || { echo "$page has no table of folders"; exit 1; }
find harness -name '*.[ch]' -exec dirname {} \; | sort -u | sed -n 's,^harness/,,p' >"$work/folders"
sort "$work/order" >"$work/named"
diff "$work/named" "$work/folders" >"$work/diff" || { echo "the table of $page and the folders of harness/ differ (< table, > folders):"; cat "$work/diff"; exit 1; }

if grep -rn '#include "\(harness\|tests\)/' include kernels dispatch || grep -rn '#include "dispatch/' include kernels; then
    echo "the library includes nothing of the program, and kernels nothing of dispatch"
    exit 1
fi

find harness -name '*.[ch]' -exec grep -H '^#include "harness/' {} + |
    sed 's,^harness/\([^:]*\):#include "harness/\(.*\)".*,\1 \2,' |
    awk -v order="$work/order" '
        function folder(path) { return sub(/\/[^\/]*$/, "", path) ? path : "" }
        BEGIN { while ((getline name < order) > 0) rank[name] = ++n; rank[""] = ++n }
        rank[folder($2)] > rank[folder($1)] { print "harness/" $1 " includes harness/" $2 ", which lies above it"; bad = 1 }
        END { exit bad }'
