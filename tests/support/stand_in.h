/* stand_in.h - a kernel that computes nothing: its `run` notes which units it is given. For tests of what calls kernels. */
#ifndef TESTS_SUPPORT_STAND_IN_H
#define TESTS_SUPPORT_STAND_IN_H

#include "kernels/kernel.h"

static size_t no_scratch(const AttnProblem *p, size_t rows)
{
    (void)p;
    (void)rows;
    return 0;
}

static double no_cost(const AttnProblem *p)
{
    (void)p;
    return 0.0;
}

static inline AttnKernel stand_in(size_t panel, size_t unit_panels, void (*run)(const AttnArgs *, AttnSpan, void *scratch))
{
    return (AttnKernel){.name = "noter", .dtypes = ATTN_F32_TENSORS, .features = ATTN_HAS_OPTIONS | ATTN_HAS_DOT, .panel = panel,
                        .unit_panels = unit_panels, .scratch = no_scratch, .cost = no_cost, .run = run};
}

#endif
