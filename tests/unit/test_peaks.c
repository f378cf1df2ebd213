/* test_peaks.c - peaks and roofs: the loops compute what they claim to, kernels meet the right mark, the right roof binds. */
#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>

#include "dispatch/cpu.h"
#include "dispatch/isa.h"
#include "harness/measure/roof.h"
#include "harness/ops/sdpa/shape.h"

static bool runs_here(const PeakIsa *isa)
{
    return (attn_cpu_this()->features & isa->needs) == isa->needs;
}

Test(peaks, loops_give_finite_sums_and_count_their_work)
{
    for (size_t i = 0; i < peak_isa_count; i++) {
        const PeakIsa *isa = peak_isas[i];
        if (!runs_here(isa))
            continue;
        const float once = isa->fma(1), twice = isa->fma(2);
        cr_assert(isfinite(once) && once != 0.0f, "%s: %g", isa->name, (double)once);
        cr_assert(fabsf(twice - 2 * once) <= 1e-4f * fabsf(twice), "%s starts each iteration afresh: %g, %g", isa->name, (double)once,
                  (double)twice);
        cr_assert(isa->flop >= 2.0 * PEAK_STEPS * 12);
    }
}

Test(peaks, narrow_loops_work_and_start_each_iteration_afresh)
{
    for (size_t file = 0; file < peak_dot_files; file++)
        for (const PeakDot *dot = peak_dots[file]; dot->name; dot++) {
            cr_assert(dot->flop >= 2.0 * DOT_STEPS * 12 * 32, "%s", dot->name);
            if ((attn_cpu_this()->features & dot->needs) != dot->needs)
                continue;
            const float once = dot->run(1), twice = dot->run(2);
            cr_assert(isfinite(once) && once != 0.0f && fabsf(twice - 2 * once) <= 1e-3f * fabsf(twice), "%s: %g, %g", dot->name, (double)once,
                      (double)twice);
            cr_assert(peak_dot_works(dot), "%s", dot->name);
        }
}

static float kills_its_process(size_t iterations)
{
    raise(SIGILL);
    return (float)iterations;
}

static float gives_no_number(size_t iterations)
{
    return iterations > 0 ? NAN : 0;
}

Test(peaks, a_narrow_loop_that_does_not_work_is_left_out)
{
    const PeakDot bad = {"i8.announced_only", 0, 1, kills_its_process}, empty = {"i8.empty", 0, 1, gives_no_number};
    cr_assert(!peak_dot_works(&bad));
    cr_assert(!peak_dot_works(&empty));
}

Test(peaks, reads_touch_every_element_once)
{
    float x[1280];
    double truth = 0;
    for (size_t i = 0; i < 1280; i++)
        truth += x[i] = (float)(i * 7 % 64); /* whole numbers: sums are exact */
    for (size_t i = 0; i < peak_isa_count; i++)
        if (runs_here(peak_isas[i]))
            cr_assert_eq((double)peak_isas[i]->read(x, 1280), truth, "%s", peak_isas[i]->name);
}

Test(peaks, exponentials_are_exponentials)
{
    float in[1024], out[1024];
    for (size_t i = 0; i < 1024; i++)
        in[i] = -20.0f + 30.0f * (float)i / 1024.0f;
    for (size_t i = 0; i < peak_isa_count; i++)
        for (size_t e = 0; e < PEAK_EXPS && runs_here(peak_isas[i]) && peak_isas[i]->exp[e].name; e++) {
            peak_isas[i]->exp[e].run(out, in, 1024);
            for (size_t j = 0; j < 1024; j++)
                cr_assert(fabs(out[j] / exp2((double)in[j]) - 1) < 2 * 0x1p-23, "%s %s: 2^%a = %a", peak_isas[i]->name,
                          peak_isas[i]->exp[e].name,
                          (double)in[j], (double)out[j]);
        }
}

Test(peaks, a_kernel_is_held_to_the_mark_of_what_it_needs)
{
    cr_assert_eq(peaks_isa_of(0), peak_isas[0]);
    for (size_t i = 1; i < peak_isa_count; i++)
        cr_assert_neq(attn_isa_tells(peak_isas[i]->name) & peak_isas[i]->needs, 0, "%s is no label of a level", peak_isas[i]->name);
    for (size_t i = 0; i < peak_isa_count; i++)
        cr_assert_eq(peaks_isa_of(peak_isas[i]->needs), peak_isas[i], "%s", peak_isas[i]->name);
    cr_assert_eq(peaks_isa_best(~UINT64_C(0)), peak_isas[peak_isa_count - 1]);
    cr_assert_eq(peaks_isa_best(0), peak_isas[0]);
}

Test(peaks, operands_fall_into_the_smallest_level_that_holds_them)
{
    const Topology t = {.l1d = 32768, .l2 = 1048576, .llc = 16777216};
    cr_assert_eq(peaks_level_of(&t, 1, 32768), LEVEL_L1);
    cr_assert_eq(peaks_level_of(&t, 1, 32769), LEVEL_L2);
    cr_assert_eq(peaks_level_of(&t, 2, 2097152), LEVEL_L2, "two threads have two second-level caches");
    cr_assert_eq(peaks_level_of(&t, 1, 2097152), LEVEL_LLC);
    cr_assert_eq(peaks_level_of(&t, 4, 16777217), LEVEL_DRAM);
    const Topology unknown = {.cores = 1};
    cr_assert_eq(peaks_level_of(&unknown, 1, 1e9), LEVEL_DRAM);
}

Test(peaks, every_peak_runs_as_an_arm)
{
    const Topology t = {.l1d = 32768, .l2 = 262144, .llc = 1048576};
    for (size_t threads = 1; threads <= 2; threads++)
        for (unsigned level = 0; level < PEAK_LEVELS; level++) {
            Peak peak;
            cr_assert(peak_make(&peak, PEAK_READ, peak_isas[0], level, threads, &t));
            cr_assert_eq(peak.units, (double)(peak.step * 4 * threads));
            cr_assert(peak.part % peak.step == 0 && peak.step % 128 == 0 && peak.step > 0);
            peak_run(&peak, 3);
            cr_assert(isfinite(peak.sink));
            peak_free(&peak);
        }
    Peak peak;
    cr_assert_not(peak_make(&peak, PEAK_EXP, peak_isas[0], PEAK_EXPS, 1, &t));
}

Test(roof, the_slowest_of_three_binds)
{
    const RoofWork work = {.flop = 1e9, .exp = 1e7, .bytes = 1e6};
    Roof r = roof_of(&work, 1e11, 1e10, 1e10, LEVEL_DRAM); /* 10 ms, 1 ms, 0.1 ms */
    cr_assert_float_eq(r.seconds, 1e-2, 1e-12);
    cr_assert_str_eq(r.name, "fma");
    r = roof_of(&work, 1e13, 1e10, 1e10, LEVEL_DRAM);
    cr_assert_float_eq(r.seconds, 1e-3, 1e-12);
    cr_assert_str_eq(r.name, "exp");
    r = roof_of(&work, 1e13, 1e12, 1e8, LEVEL_LLC);
    cr_assert_float_eq(r.seconds, 1e-2, 1e-12);
    cr_assert_str_eq(r.name, "llc");
    r = roof_of(&work, 1e13, NAN, 1e10, LEVEL_L1);
    cr_assert_str_eq(r.name, "fma", "what is unknown binds nothing");
}

Test(roof, work_counts_visible_pairs_only)
{
    Shapes shapes = {NULL, 0};
    char error[300];
    cr_assert(shapes_parse(&shapes, "b2_h4g2_q3_k5_d8v16_causal", error, sizeof error), "%s", error);
    const RoofWork work = shape_work(&shapes.at[0]);
    const double pairs = 2 * 4 * (3 + 4 + 5);
    cr_assert_eq(work.exp, pairs);
    cr_assert_eq(work.flop, 2 * pairs * (8 + 16));
    cr_assert_eq(work.bytes, 4.0 * 2 * (4 * 3 * (8 + 16) + 2 * 5 * (8 + 16)));
    shapes_free(&shapes);
}
