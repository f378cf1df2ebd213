#!/bin/sh
# subproject.sh SOURCE MESON... - a foreign Meson project takes attnzoo as a subproject, builds against it and runs.
set -eu
source=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/subprojects"
ln -s "$source" "$work/subprojects/attnzoo"
cat >"$work/meson.build" <<'END'
project('embedder', 'c', default_options: ['c_std=c11', 'buildtype=release'])
test('use', executable('use', 'use.c', dependencies: dependency('attnzoo', fallback: 'attnzoo')))
END
cat >"$work/use.c" <<'END'
#include <attnzoo.h>

int main(void)
{
    AttnProblem p = attn_problem(1, 2, 1, 3, 5, 8, 4);
    AttnPlan *plan;
    if (attn_plan_create(&p, NULL, &plan) != ATTN_OK)
        return 1;
    const bool good = attn_kernel_count() > 0 && attn_plan_workspace(plan) > 0;
    attn_plan_destroy(plan);
    return good ? 0 : 1;
}
END
"$@" setup "$work/build" "$work" || exit 1
ninja -C "$work/build"
"$@" test -C "$work/build" --print-errorlogs
if [ -e "$work/build/subprojects/attnzoo/harness" ]; then echo "a subproject must not build the program"; exit 1; fi
