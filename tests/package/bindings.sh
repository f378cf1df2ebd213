#!/bin/sh
# bindings.sh SOURCE BUILD COMPILER... - other compilers and languages see the interface as the library does: structs have one layout
# whatever flags the caller is compiled with, and Python calls the shared library with and without knowing their layouts.
set -eu
source=$1 build=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ---- Short enums
# Where each member of each struct begins and ends, by the library's own lists.
cat >"$work/layout.c" <<'END_OF_C'
#include <stdio.h>

#include "dispatch/structs.c"

AttnStatus attn_fail(AttnStatus status, const char *format, ...)
{
    (void)format;
    return status;
}

int main(void)
{
#define X(id) &attn_struct_##id,
    const AttnStruct *const kinds[] = {ATTN_STRUCTS(X)};
#undef X
    enum { SHORT } probe = SHORT;
    fprintf(stderr, "enums without a large member: %zu bytes\n", sizeof probe);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        printf("%s %s: %zu bytes\n", kinds[i]->name, kinds[i]->maker, kinds[i]->known);
        for (size_t f = 0; f < kinds[i]->count; f++)
            printf("%zu to %zu\n", kinds[i]->fields[f].begin, kinds[i]->fields[f].end);
    }
}
END_OF_C
for enums in no-short short; do
    "$@" -std=c11 "-f$enums-enums" -I"$source" -I"$source/include" "$work/layout.c" -o "$work/layout"
    "$work/layout" >"$work/$enums"
done
[ -s "$work/short" ]
diff "$work/no-short" "$work/short" || { echo "with -fshort-enums (>) structs have another layout"; exit 1; }
echo "short enums: $(grep -c to "$work/short") members where they are without"

# ---- Python
if ! python3 -c 'import ctypes' 2>/dev/null; then
    echo "Python: not tried, there is no python3 with ctypes here"
    exit 0
fi
"$@" -E -P -DATTNZOO_DECLARATIONS -x c "$source/include/attnzoo.h" >"$work/declarations.h"
python3 "$source/tests/package/bindings.py" "$build/libattnzoo.so" "$work/declarations.h"
