#!/bin/sh
# readme.sh SOURCE BUILD COMPILER... - what the documents show works: the C program of README.md is compiled as a stranger would, as C and
# as C++, and run; and the kernel of docs/adding-a-kernel.md is compiled, bound by its descriptor and compared with naive_f32.
set -eu
source=$1 build=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
strict='-std=c11 -Wall -Wextra -Wpedantic -Werror'

# block FILE: the first ```c block.
fence='```' # in double quotes it would be a command
block() { sed -n "/^${fence}c\$/,/^$fence\$/p" "$1" | sed "1d; /^$fence\$/,\$d"; }
pc() { PKG_CONFIG_PATH=$build/meson-uninstalled pkg-config "$@" attnzoo; }

block "$source/README.md" >"$work/example.c"
[ -s "$work/example.c" ] || { echo "README.md has no C block"; exit 1; }
# ran LANGUAGE: what was compiled prints what it should.
ran() {
    LD_LIBRARY_PATH=$build "$work/example" >"$work/out"
    cat "$work/out"
    grep -qx 'o\[0\] = 1' "$work/out" && return
    echo "the example of README.md as $1 does not print o[0] = 1, the mean of values that are all 1"
    exit 1
}
# shellcheck disable=SC2086
"$@" $strict -I"$source/include" "$work/example.c" -o "$work/example" "$build/libattnzoo.so" -lm
ran C
if c++ --version >/dev/null 2>&1; then
    c++ -std=c++11 -Wall -Wextra -Wpedantic -Werror -I"$source/include" -x c++ "$work/example.c" -x none -o "$work/example" \
        "$build/libattnzoo.so" -lm
    ran C++
else
    echo "README.md's example as C++: not tried, no C++ compiler here"
fi

block "$source/docs/adding-a-kernel.md" >"$work/online_f32.c"
[ -s "$work/online_f32.c" ] || { echo "docs/adding-a-kernel.md has no C block"; exit 1; }
cat >"$work/compare.c" <<'END_OF_C'
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "dispatch/plan.h"
#include "dispatch/registry.h"

extern const AttnKernel attn_kernel_online_f32;

static void run(const AttnKernel *kernel, const AttnProblem *p, const float *q, const float *k, const float *v, float *o)
{
    AttnPlan *plan;
    const AttnTensors t = attn_tensors(q, k, v, o);
    if (attn_plan_create_with(kernel, p, 1, NULL, NULL, &plan) != ATTN_OK) {
        puts(attn_last_error());
        exit(1);
    }
    void *workspace = aligned_alloc(64, attn_plan_workspace(plan));
    if (!workspace || attn_run(plan, &t, workspace, attn_plan_workspace(plan)) != ATTN_OK) {
        puts(attn_last_error());
        exit(1);
    }
    free(workspace);
    attn_plan_destroy(plan);
}

int main(void)
{
    enum { B = 2, HQ = 4, HKV = 2, SQ = 9, SK = 33, D = 20, DV = 12 };
    static float q[B * HQ * SQ * D], k[B * HKV * SK * D], v[B * HKV * SK * DV], mine[B * HQ * SQ * DV], theirs[B * HQ * SQ * DV];
    AttnProblem p = attn_problem(B, HQ, HKV, SQ, SK, D, DV);
    p.causal = p.window = true; /* a window of its own, to see that the helpers do what the page says of them */
    p.align = ATTN_ALIGN_BOTTOM_RIGHT;
    p.window_left = 20;
    p.window_right = -1;
    for (size_t i = 0; i < sizeof q / sizeof *q; i++)
        q[i] = (float)sin((double)i);
    for (size_t i = 0; i < sizeof k / sizeof *k; i++)
        k[i] = 3 * (float)sin(2.0 * (double)i);
    for (size_t i = 0; i < sizeof v / sizeof *v; i++)
        v[i] = (float)cos(3.0 * (double)i);
    run(&attn_kernel_online_f32, &p, q, k, v, mine);
    run(attn_registry_find("naive_f32"), &p, q, k, v, theirs);
    double worst = 0;
    for (size_t i = 0; i < sizeof mine / sizeof *mine; i++)
        worst = fmax(worst, fabs((double)mine[i] - (double)theirs[i]));
    printf("%s differs from naive_f32 by at most %.2g\n", attn_kernel_online_f32.name, worst);
    return worst < 1e-5 ? 0 : 1;
}
END_OF_C
# pkg-config's answer is shell words, with backslashes where the path of the build has spaces: eval reads them.
libs=$(pc --static --libs | sed 's/-lattnzoo\b//g')
# shellcheck disable=SC2016
eval '"$@" $strict -D_GNU_SOURCE -ffp-contract=off -DATTN_KERNEL_NAME=online_f32 -I"$source" -I"$source/include" "$work/online_f32.c" \
    "$work/compare.c" -o "$work/compare" "$build/libattnzoo.a"' "$libs" '-lm -lpthread'
"$work/compare"
