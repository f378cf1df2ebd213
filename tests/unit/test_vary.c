/* test_vary.c - kernels under variants: lists are read strictly, slow data are found, variants that do not apply are left out. */
#include <criterion/criterion.h>

#include <math.h>
#include <time.h>

#include "dispatch/registry.h"
#include "harness/base/exit.h"
#include "harness/bench/vary.h"

Test(vary, lists_are_read_strictly)
{
    Vary vary;
    cr_assert(vary_read_threads(&vary, "1,2,16"));
    cr_assert_eq(vary.count, 3);
    cr_assert_eq(vary.threads[2], 16);
    cr_assert_str_eq(vary.name[1], "2");
    static const char *const bad[] = {"", "1", "1,1", "2,1", "1,", "1,x", "0,1", "1,4097", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(vary_read_threads(&vary, bad[i]), "'%s'", bad[i]);
    cr_assert(vary_read_data(&vary, "ragged,peaky60,ragged"));
    cr_assert_eq(vary.count, 3, "normal comes first, nothing twice");
    cr_assert_str_eq(vary.name[0], "normal");
    cr_assert(vary.data[1].ragged);
    cr_assert_eq(vary.data[2].dist, DIST_PEAKY60);
    cr_assert(vary_read_data(&vary, "all"));
    cr_assert_eq(vary.count, DIST_COUNT + 2);
    cr_expect_not(vary_read_data(&vary, "normal,"));
    cr_expect_not(vary_read_data(&vary, "peeky"));
}

/* naive_f32, twenty times slower where a query is huge: a kernel as --dist shall find it. */
static void slow_on_large(const AttnArgs *a, AttnSpan unit, void *scratch)
{
    const AttnSequence seq = attn_sequence(a, unit.b);
    float most = 0;
    for (size_t c = 0; c < a->p->d; c++)
        most = fmaxf(most, fabsf(attn_q_row(a, &seq, 0, 0)[c]));
    for (int turn = most > 20 ? 20 : 1; turn > 0; turn--)
        attn_registry_find("naive_f32")->run(a, unit, scratch);
}

static int measured(const char *data, const char *shape_text)
{
    AttnKernel kernel = *attn_registry_find("naive_f32");
    const AttnKernel *const kernels[] = {&kernel};
    Shape shape;
    Vary vary;
    Topology topology;
    char error[300];
    const AttnSettings settings = {.allowed = UINT64_MAX};
    /* Slow arms take part in every fifth round or less; an interval at 99 % wants ten. */
    const BenchOptions options = {.budget = 8, .min_trial = 300e-6, .max_rounds = 120, .confidence = 0.99, .seed = 5, .threads = 1};
    kernel.name = "slow_on_large";
    kernel.run = slow_on_large;
    topology_read(&topology);
    cr_assert(vary_read_data(&vary, data));
    cr_assert(shape_parse(&shape, shape_text, error, sizeof error), "%s", error);
    bool unable = false;
    const VaryOutputs out = {.unable = &unable, .records = records_open(NULL, "x", NULL, error, sizeof error), .silent = true};
    const int code = vary_case(&vary, &shape, kernels, 1, &options, &settings, &topology, &out);
    records_close(out.records, code, error, sizeof error);
    return code;
}

Test(vary, data_that_cost_more_than_half_the_speed_are_found, .timeout = HANG_SECONDS)
{
    cr_expect_eq(measured("uniform", "b1_h1_q64_k64_d16"), EXIT_OK);
    cr_expect_eq(measured("large", "b1_h1_q64_k64_d16"), EXIT_DISAGREE);
    cr_expect_eq(measured("ragged", "b2_h1_q64_k64_d16"), EXIT_OK, "less work in less time is the same speed");
}
