/* test_exp.c - the error of 2^x over every float from -126 to 126, for each vector header, against the bound that algo/exp.h states.
 *
 * Floats below 2^-30 in size are taken together: there 2^x rounds to 1 or its neighbours, and every 4096th is looked at. The rest, about a
 * billion a sign, is split over the processors. The reference is exp2 of the C library in double (error below 2^-52). */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "dispatch/cpu.h"
#include "tests/vocabulary.h"

#define VOCABULARY(isa) extern const Vocabulary vocabulary_##isa;
#include "vocabulary_list.def"
#undef VOCABULARY

static const Vocabulary *const all[] = {
#define VOCABULARY(isa) &vocabulary_##isa,
#include "vocabulary_list.def"
#undef VOCABULARY
};
enum { COUNT = sizeof all / sizeof *all, CHUNK = 4096 };

/* Bits of the floats step apart from `first` on, with sign; the worst relative error of each header goes to worst[]. */
static void sweep(uint32_t first, uint32_t step, uint32_t sign, double worst[COUNT])
{
    float x[CHUNK], y[CHUNK];
    double truth[CHUNK];
    for (uint32_t i = 0; i < CHUNK; i++) {
        const uint32_t bits = (first + i * step) | sign;
        memcpy(&x[i], &bits, sizeof bits);
        truth[i] = exp2((double)x[i]);
    }
    for (size_t v = 0; v < COUNT; v++) {
        if (all[v]->features & ~attn_cpu_this()->features)
            continue;
        all[v]->exp2(x, y, CHUNK);
        for (uint32_t i = 0; i < CHUNK; i++) {
            const double error = fabs((double)y[i] - truth[i]) / truth[i] * 0x1p23;
            if (!(error <= worst[v]) && fabsf(x[i]) <= 126.0f)
                worst[v] = isnan(error) ? INFINITY : error;
        }
    }
}

Test(exp, every_float_in_range)
{
    const uint32_t tiny = (127u - 30u) << 23, end = 0x42fc0000u; /* 2^-30 and 126 */
    double worst[COUNT] = {0};
    for (uint32_t sign = 0; sign < 2; sign++) {
        for (uint64_t first = 0; first < tiny; first += (uint64_t)CHUNK * 4096)
            sweep((uint32_t)first, 4096, sign << 31, worst);
#pragma omp parallel
        {
            double mine[COUNT] = {0};
#pragma omp for schedule(dynamic, 64)
            for (uint32_t first = tiny; first < end; first += CHUNK)
                sweep(first, 1, sign << 31, mine);
#pragma omp critical
            for (size_t v = 0; v < COUNT; v++)
                worst[v] = mine[v] > worst[v] ? mine[v] : worst[v];
        }
    }
    for (size_t v = 0; v < COUNT; v++) {
        if (all[v]->features & ~attn_cpu_this()->features) {
            fprintf(stderr, "skipped: %s, not on this CPU\n", all[v]->name);
            continue;
        }
        fprintf(stderr, "%s: worst error %.4f units of 2^-23, stated %.2f\n", all[v]->name, worst[v], all[v]->exp_ulp);
        cr_expect_leq(worst[v], all[v]->exp_ulp, "%s: worst error %.4f, stated %.2f", all[v]->name, worst[v], all[v]->exp_ulp);
        cr_expect_gt(worst[v], 0.25, "%s: an error of %.4f is too good to be of this polynomial", all[v]->name, worst[v]);
    }
}
