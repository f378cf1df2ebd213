#!/bin/sh
# docs.sh SOURCE - what the documents point at is there: the target of each relative link, and each file or folder of this tree that a document
# or a comment names by its path.
set -u
cd "$1" || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0
pages='README.md CONTRIBUTING.md docs/*.md kernels/*.md harness/serve/peers/README.md results/README.md'

# Links: [text](path) and [text](path#part), from the page's folder.
for page in $pages; do
    grep -o '](\([^)]*\))' "$page" | sed 's/^](//; s/)$//; s/#.*//' | grep -v '^[a-z]*:' | sort -u | while read -r link; do
        [ -z "$link" ] || [ -e "$(dirname "$page")/$link" ] || echo "$page: no such file: $link"
    done
done >"$work/bad"

# Paths. One with a star, a brace or a name in <> stands for several; results/ and build/ hold what is made.
{
    # shellcheck disable=SC2086
    printf '%s\0' $pages zoo .ci/run
    find include dispatch kernels harness tests docs/tools \( -name '*.[ch]' -o -name '*.sh' -o -name '*.py' -o -name meson.build \) -print0
} | xargs -0 grep -noE '(^|[^a-zA-Z0-9_./$}-])(include|dispatch|kernels|harness|tests|docs|python|examples)/[a-zA-Z0-9_./-]*[a-zA-Z0-9_][<*{]?' | grep -v '[<*{]$' >"$work/paths"
sed 's/^\([^:]*:[0-9]*\):[^a-zA-Z0-9_.\/-]*/\1 /' "$work/paths" | while read -r place path; do
    [ -e "$path" ] || echo "$place: $path is not in this tree"
done >>"$work/bad"

# The first line of a C file begins with its own name.
find include dispatch kernels harness tests -name '*.[ch]' | while read -r file; do
    head -n 1 "$file" | grep -q "^/\* $(basename "$file") - " || echo "$file: its first line does not begin with its name"
done >>"$work/bad"

# The walk through the program: each function is in one of the files of its row.
# shellcheck disable=SC2016
sed -n '/^### A walk/,/^## /p' docs/architecture.md | grep '^| .* | `.*` | `.*` |$' | tr -d '`,' >"$work/walk"
[ -s "$work/walk" ] || echo "docs/architecture.md has no walk" >>"$work/bad"
while IFS='|' read -r _ _ files functions _; do
    for function in $functions; do
        # shellcheck disable=SC2086
        cat $files | grep -q "^[a-zA-Z].*[ *]$function(" || echo "docs/architecture.md: no $function in$files"
    done
done <"$work/walk" >>"$work/bad"

while read -r line; do
    case $line in
        # What is built; and files of examples that the reader writes.
        *' harness/attnzoo is '* | *' harness/attnzoo_pack.so is '* | *' tests/fuzz/fuzz_'* | *' tests/fuzz/corpus/attention/NAME '*) ;;
        *' kernels/flash_f32_avx2_k512.c is '* | *' kernels/x.c is '* | *' kernels/online_f32.c is '*) ;;
        *) echo "$line"; failures=$((failures + 1)) ;;
    esac
done <"$work/bad"
[ -s "$work/paths" ] || { echo "no paths were found at all"; exit 1; }
[ "$failures" -eq 0 ]
