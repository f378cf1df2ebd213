#!/bin/sh
# symbols.sh SOURCE BUILD - what the libraries define for others: the shared one exactly the functions that include/attnzoo.h declares, the static
# one nothing without the prefix attn_ (its internal functions are visible to the linker, so the prefix is what keeps a program's names free).
set -eu
source=$1 build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sed -n 's/^ATTN_API .*[ *]\(attn_[a-z_0-9]*\)(.*/\1/p' "$source/include/attnzoo.h" | sort >"$work/declared"
nm -D --defined-only "$build/libattnzoo.so" | awk '$2 != "A" { print $3 }' | sort >"$work/exported"
echo "$(wc -l <"$work/declared") declared, $(wc -l <"$work/exported") exported"
[ -s "$work/declared" ]
diff "$work/declared" "$work/exported" || { echo "declared (<) and exported (>) differ"; exit 1; }

nm -g --defined-only "$build/libattnzoo.a" | awk 'NF == 3 { print $3 }' | sort >"$work/static"
echo "$(wc -l <"$work/static") symbols in the static library"
[ -s "$work/static" ]
if grep -v '^attn_' "$work/static"; then echo "these symbols of libattnzoo.a lack the prefix attn_"; exit 1; fi
