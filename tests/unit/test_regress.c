/* test_regress.c - decisions, waivers, the instruction gate, packs and the kernels that stand in for theirs. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dispatch/cpu.h"
#include "harness/base/random.h"
#include "harness/ops/sdpa/data.h"
#include "harness/ops/sdpa/verify.h"
#include "harness/regress/allow.h"
#include "harness/regress/instructions.h"
#include "harness/regress/decide.h"
#include "harness/regress/launch.h"
#include "harness/regress/pack.h"

/* ---- Statistics ------------------------------------------------------------------------------------------------------------------- */

Test(regress, binomial_tail)
{
    cr_assert_float_eq(decide_binomial_tail(10, 8), (45.0 + 10 + 1) / 1024, 1e-15);
    cr_assert_float_eq(decide_binomial_tail(5, 0), 1, 1e-15);
    cr_assert_float_eq(decide_binomial_tail(5, 5), 1.0 / 32, 1e-15);
    cr_assert_eq(decide_binomial_tail(5, 6), 0);
    /* 1000 throws, 540 or more: continuity-corrected normal gives 0.0062. */
    cr_assert_float_eq(decide_binomial_tail(1000, 540), 0.0062, 2e-4);
    const double far = decide_binomial_tail(3000, 1500); /* beyond 2^-1074 */
    cr_assert(far > 0.5 && far < 0.52, "%g", far);
}

Test(regress, holm)
{
    double p[] = {0.01, 0.04, 0.03, 0.005};
    cr_assert(decide_holm(p, 4));
    const double expected[] = {0.03, 0.06, 0.06, 0.02}; /* 0.005*4, 0.01*3, 0.03*2, then 0.04 raised to what stands before it */
    for (size_t i = 0; i < 4; i++)
        cr_assert_float_eq(p[i], expected[i], 1e-12, "p[%zu] = %g", i, p[i]);
    double ones[] = {0.9, 0.8};
    cr_assert(decide_holm(ones, 2) && ones[0] == 1 && ones[1] == 1);
}

/* Five launches of 100 rounds; arm = base times ratio[launch] times noise. */
static DecideSamples samples_of(const double ratio[5], double noise, uint64_t seed)
{
    DecideSamples s = {0};
    for (size_t l = 0; l < 5; l++) {
        double base[100], arm[100];
        for (size_t r = 0; r < 100; r++) {
            base[r] = 1e-4 * exp(noise * random_normal(seed, l * 1000 + r));
            arm[r] = 1e-4 * ratio[l] * exp(noise * random_normal(seed + 1, l * 1000 + r));
        }
        base[7] = NAN;
        cr_assert(decide_add(&s, base, arm, 100));
    }
    return s;
}

static Decision decision_of(const double ratio[5], double noise, double effect, double *p)
{
    DecideSamples s = samples_of(ratio, noise, 42);
    const DecideFinding f = decide_find(&s, effect, 0.01);
    cr_assert_eq(f.ratio.n, 495, "a round without a reading does not count");
    *p = decide_p(&f);
    decide_clear(&s);
    return decide_effect(&f, effect, *p, 0.01);
}

Test(regress, decisions)
{
    const double same[] = {1, 1, 1, 1, 1}, slower[] = {1.06, 1.06, 1.06, 1.06, 1.06}, faster[] = {0.9, 0.9, 0.9, 0.9, 0.9};
    const double edge[] = {1.02, 1.02, 1.02, 1.02, 1.02}, torn[] = {1.2, 1.2, 1.2, 0.97, 0.97};
    double p;
    cr_assert_eq(decision_of(same, 0.03, 0.02, &p), DECISION_SAME);
    cr_assert_eq(p, 1);
    cr_assert_eq(decision_of(slower, 0.03, 0.02, &p), DECISION_SLOWER);
    cr_assert_eq(decision_of(faster, 0.03, 0.02, &p), DECISION_FASTER);
    cr_assert_eq(decision_of(edge, 0.03, 0.02, &p), DECISION_INCONCLUSIVE, "neither beyond the threshold nor inside it");
    cr_assert_eq(decision_of(same, 1.0, 0.02, &p), DECISION_INCONCLUSIVE, "noise is not sameness");
    cr_assert_eq(decision_of(torn, 0.01, 0.02, &p), DECISION_INCONCLUSIVE, "three launches of five are not enough");
    cr_assert(p < 1e-3, "... whatever the pooled p says, %g", p);
    cr_assert_eq(decision_of(slower, 0.03, 0.10, &p), DECISION_SAME, "six per cent are inside ten");
}

Test(regress, holm_decides)
{
    const DecideFinding f = {.ratio = {495, 1.03, 1.021, 1.04}, .p_slower = 0.004, .p_faster = 1, .above = 5, .launches = 5};
    cr_assert_eq(decide_effect(&f, 0.02, decide_p(&f), 0.01), DECISION_SLOWER);
    cr_assert_eq(decide_effect(&f, 0.02, 40 * decide_p(&f), 0.01), DECISION_INCONCLUSIVE, "one of forty pairs: chance");
}

/* Controls of a run, as a threshold of 2 % sees them. */
static DecideControls controls_of(double copy, double planted, double noise, size_t family)
{
    const double same[] = {copy, copy, copy, copy, copy}, more[] = {planted, planted, planted, planted, planted};
    DecideSamples a = samples_of(same, noise, 3), b = samples_of(more, noise, 5);
    const DecideFinding fa = decide_find(&a, 0.02, 0.01), fb = decide_find(&b, 0.02, 0.01);
    decide_clear(&a);
    decide_clear(&b);
    return decide_controls(&fa, &fb, 0.02, family, 0.01);
}

Test(regress, controls)
{
    cr_assert_eq(controls_of(1, 1.05, 0.02, 40), CONTROLS_HOLD);
    cr_assert_eq(controls_of(1.03, 1.08, 0.02, 40), CONTROL_NOT_SAME, "the copy is slower than the base");
    cr_assert_eq(controls_of(0.97, 1.05, 0.02, 40), CONTROL_NOT_SAME, "or faster");
    cr_assert_eq(controls_of(1, 1.05, 0.2, 40), CONTROL_NOT_SAME, "noise is not sameness");
    cr_assert_eq(controls_of(1, 1.015, 0.02, 40), CONTROL_NOT_FOUND, "more work that nobody saw");
    cr_assert_eq(controls_of(1, 1.027, 0.02, 1), CONTROLS_HOLD, "seen for one pair");
    cr_assert_eq(controls_of(1, 1.027, 0.02, 1000000), CONTROL_NOT_FOUND, "... but not where a million pairs were looked at");
}

Test(regress, noise_raises_the_threshold)
{
    const double same[] = {1, 1, 1, 1, 1};
    DecideSamples quiet = samples_of(same, 0.01, 1), noisy = samples_of(same, 0.5, 1), none = {0};
    cr_assert_eq(decide_min_effect(&quiet, 0.02, 0.01), 0.02);
    const DecideFinding f = decide_find(&noisy, 0.02, 0.01);
    cr_assert_float_eq(decide_min_effect(&noisy, 0.02, 0.01), 1.5 * (f.ratio.hi - f.ratio.lo) / 2, 1e-12);
    cr_assert(decide_min_effect(&noisy, 0.02, 0.01) > 0.02);
    cr_assert(isinf(decide_min_effect(&none, 0.02, 0.01)), "no samples: no effect is large enough");
    decide_clear(&quiet);
    decide_clear(&noisy);
}

/* ---- Waivers ---------------------------------------------------------------------------------------------------------------------- */

static bool read_text(Waivers *list, const char *text, char *error, size_t size)
{
    char name[] = "/tmp/regress-allow-XXXXXX";
    const int fd = mkstemp(name);
    cr_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    const bool ok = waivers_read(list, name, error, size);
    unlink(name);
    return ok;
}

Test(regress, waivers)
{
    Waivers list;
    char error[600];
    const Waiver *expired, *w;
    cr_assert(read_text(&list, "# a comment\n\nb1_* flash_* +8% until=2026-06-30 looked at it\r\n"
                               "  *  naive_f32\t+20% until=2026-01-31 old\n", error, sizeof error), "%s", error);
    cr_assert_eq(list.count, 2);
    w = waivers_find(&list, "b1_h1_q1_k1_d1", "flash_f32", 1.08, 20260630, &expired);
    cr_assert(w && strcmp(w->reason, "looked at it") == 0 && w->line == 3, "through the last day");
    cr_assert(!waivers_find(&list, "b1_h1_q1_k1_d1", "flash_f32", 1.08, 20260701, &expired) && expired, "not on the day after");
    cr_assert(!waivers_find(&list, "b1_h1_q1_k1_d1", "flash_f32", 1.081, 20260101, &expired) && !expired, "no more than it says");
    cr_assert(!waivers_find(&list, "b2_h1_q1_k1_d1", "flash_f32", 1.01, 20260101, &expired) && !expired);
    cr_assert(waivers_find(&list, "linear:1x1x1", "naive_f32", 1.1, 20260131, &expired));
    waivers_free(&list);
}

Test(regress, waivers_of_an_editor_that_writes_a_byte_order_mark)
{
    Waivers list;
    char error[600];
    const Waiver *expired;
    cr_assert(read_text(&list, "\xEF\xBB\xBF" "b1_* flash_* +8% until=2026-06-30 first line\n", error, sizeof error), "%s", error);
    cr_assert(waivers_find(&list, "b1_h1_q1_k1_d1", "flash_f32", 1.08, 20260630, &expired), "the first line waives nothing");
    waivers_free(&list);
    cr_assert(read_text(&list, "\xEF\xBB\xBF# a comment\n", error, sizeof error), "%s", error);
    cr_assert_eq(list.count, 0);
}

Test(regress, waivers_that_are_no_file)
{
    Waivers list;
    char error[600], name[] = "/tmp/regress-allow-XXXXXX";
    cr_assert(mkdtemp(name));
    cr_assert(!waivers_read(&list, name, error, sizeof error));
    cr_assert(strstr(error, name) && strstr(error, "is a folder, not a regular file"), "%s", error);
    cr_assert(rmdir(name) == 0 && mkfifo(name, 0600) == 0);
    cr_assert(!waivers_read(&list, name, error, sizeof error), "and it does not wait for a writer");
    cr_assert(strstr(error, "is a FIFO, not a regular file"), "%s", error);
    Pack pack;
    cr_assert(!pack_open(&pack, name, false, error, sizeof error) && strstr(error, "is a FIFO"), "%s", error);
    unlink(name);
}

Test(regress, bad_waivers)
{
    static const struct { const char *text, *word; } bad[] = {
        {"* k\n", "fewer than four fields"},
        {"* k +8 until=2026-12-31 r\n", "'+8'"},
        {"* k 8% until=2026-12-31 r\n", "'8%'"},
        {"* k +0% until=2026-12-31 r\n", "'+0%'"},
        {"* k +nan% until=2026-12-31 r\n", "'+nan%'"},
        {"* k +8% 2026-12-31 r\n", "'2026-12-31'"},
        {"* k +8% until=2026-13-01 r\n", "until=2026-13-01"},
        {"* k +8% until=2026-1-1 r\n", "until=2026-1-1"},
        {"* k +8% until=2026-12-31x r\n", "until=2026-12-31x"},
        {"* k +8% until=2026-12-31\n", "no reason"},
        {"ok* k +8% until=2026-12-31 fine\n* k\n", "line 2"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Waivers list;
        char error[600] = "";
        cr_assert(!read_text(&list, bad[i].text, error, sizeof error), "taken: %s", bad[i].text);
        cr_assert(strstr(error, bad[i].word), "'%s' is not in: %s", bad[i].word, error);
        cr_assert_eq(list.count, 0, "all or nothing");
    }
}

/* ---- Instructions ----------------------------------------------------------------------------------------------------------------- */

Test(regress, instruction_gate)
{
    cr_assert(!insn_fails(1000, 1064), "64 more are nothing");
    cr_assert(insn_fails(1000, 1065));
    cr_assert(!insn_fails(100000, 102000), "2 %% are nothing");
    cr_assert(insn_fails(100000, 102001));
    cr_assert(!insn_fails(100000, 50000));
}

/* ---- Packs ------------------------------------------------------------------------------------------------------------------------ */

static Pack open_or_fail(const char *path, bool copy)
{
    Pack pack;
    char error[1400];
    cr_assert(pack_open(&pack, path, copy, error, sizeof error), "%s", error);
    return pack;
}

Test(regress, a_pack_and_its_copy)
{
    Pack pack = open_or_fail(PACK, false), again = open_or_fail(PACK, false), copy = open_or_fail(PACK, true);
    cr_assert_eq(pack.v1, again.v1, "the same file is the same library");
    cr_assert_neq(pack.v1, copy.v1, "its copy is another one");
    cr_assert_str_eq(pack.hash, copy.hash);
    const size_t index = pack_find(&pack, "flash_f32");
    cr_assert_lt(index, pack.v1->count);
    cr_assert_eq(pack_find(&copy, "flash_f32"), index);
    cr_assert_eq(pack_find(&pack, "flash_f3"), pack.v1->count);
    uint64_t needs;
    cr_assert(pack_needs(&pack, index, &needs));
    cr_assert_eq(needs & ~attn_cpu_this()->features, 0, "a portable kernel runs anywhere");
    pack_close(&copy);
    pack_close(&again);
    pack_close(&pack);
}

/* What a build's dispatch takes comes from that build; a pack from before is known by its size. */
Test(regress, what_dispatch_takes)
{
    Pack pack = open_or_fail(PACK, false), cheap = open_or_fail(PACK_CHEAP, false), old = open_or_fail(PACK_OLD, false);
    Shape shape;
    char error[400];
    AttnOptions options = attn_options();
    options.threads = 1;
    cr_assert(shape_parse(&shape, "b1_h1_q32_k64_d32", error, sizeof error), "%s", error);
    const AttnProblem problem = shape_problem(&shape);
    cr_assert(pack_chooses(&pack) && pack_chooses(&cheap) && !pack_chooses(&old));
    AttnPlan *plan;
    options.tune = "off";
    cr_assert_eq(attn_plan_create(&problem, &options, &plan), ATTN_OK);
    options.tune = NULL;
    cr_assert_str_eq(pack_choice(&pack, &problem, &options), attn_plan_kernel(plan));
    attn_plan_destroy(plan);
    cr_assert_str_eq(pack_choice(&cheap, &problem, &options), "naive_f32");
    options.max_isa = "baseline";
    const size_t product = pack_find(&pack, pack_choice(&pack, NULL, &options));
    cr_assert_lt(product, pack.v1->count);
    cr_assert(pack.v1->kernel(product)->linear);
    options.kernel = "additive_f32"; /* cannot run the problem */
    cr_assert_str_empty(pack_choice(&pack, &problem, &options));
    /* An older pack refuses the mark that newer structs bear, so it gets them without. */
    cr_assert_eq(old.v1->plan(0, &problem, 1, &plan), ATTN_ERROR_STRUCT);
    const size_t naive = pack_find(&old, "naive_f32");
    cr_assert_eq(pack_plan(old.v1, naive, &problem, 1, &plan), ATTN_OK, "%s", old.v1->last_error());
    old.v1->destroy(plan);
    pack_close(&pack);
    pack_close(&cheap);
    pack_close(&old);
}

Test(regress, what_is_no_pack)
{
    static const struct { const char *path, *word; } bad[] = {
        {PACK_FUTURE, "ABI 2"}, {PACK_SHORT, "16 bytes of functions"}, {"/no/such/pack.so", "cannot open: No such file"},
        {"/proc/self/exe", "cannot be loaded"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (int copy = 0; copy < 2; copy++) {
            Pack pack;
            char error[1400] = "";
            cr_assert(!pack_open(&pack, bad[i].path, copy, error, sizeof error), "%s", bad[i].path);
            cr_assert(strstr(error, bad[i].word) || (copy && strstr(error, "copied")), "%s: %s", bad[i].path, error);
            cr_assert_null(pack.handle);
        }
}

static VerifyResult verified(const Pack *pack, const char *kernel, const char *word)
{
    Shape shape;
    char error[400];
    cr_assert(shape_parse(&shape, word, error, sizeof error), "%s", error);
    return verify_case_isolated(pack_stand_in(pack, pack_find(pack, kernel)), &shape, DIST_NORMAL, 1, FENCE_AFTER, 2);
}

/* The judges see through the stand-in: a right kernel passes, a wrong one does not, one that refuses the problem is skipped. */
Test(regress, stand_ins)
{
    Pack pack = open_or_fail(PACK, false), wrong = open_or_fail(PACK_WRONG, false);
    static const char *const shapes[] = {"b2_h4g2_q33_k41_d16_causal_lse", "b1_h2_q5_k70_d24v8_maskbool_bias",
                                         "b2_h2_q9_k12_d8_past5_blhd"};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        VerifyResult v = verified(&pack, "blocked_f32", shapes[i]);
        cr_assert_eq(v.status, VERIFY_PASS, "%s: %s", shapes[i], v.why);
        v = verified(&wrong, "blocked_f32", shapes[i]);
        cr_assert_eq(v.status, VERIFY_FAIL, "%s: a wrong kernel passes", shapes[i]);
        v = verified(&wrong, "flash_f32", shapes[i]);
        cr_assert_eq(v.status, VERIFY_PASS, "%s: its neighbour is right: %s", shapes[i], v.why);
    }
    const VerifyResult v = verified(&pack, "additive_f32", "b1_h1_q4_k4_d8");
    cr_assert_eq(v.status, VERIFY_SKIP);
    cr_assert(strstr(v.why, "dot scores"), "%s", v.why);
    pack_close(&pack);
    pack_close(&wrong);
}

/* ---- Launches --------------------------------------------------------------------------------------------------------------------- */

/* Without descriptors for its pipes a launch says so, and what the caller closes then is nobody else's. */
Test(regress, no_pipe_to_a_child)
{
    struct rlimit limit;
    char error[200] = "";
    int to = STDOUT_FILENO, from = STDOUT_FILENO, err = STDOUT_FILENO;
    getrlimit(RLIMIT_NOFILE, &limit);
    const rlim_t usual = limit.rlim_cur;
    for (limit.rlim_cur = 0; limit.rlim_cur < usual; limit.rlim_cur++) { /* up to where the first pipe is there and the second is not */
        setrlimit(RLIMIT_NOFILE, &limit);
        const int probe = dup(STDOUT_FILENO);
        if (probe >= 0) {
            close(probe);
            break;
        }
        cr_expect_eq(launch_spawn("--launch", NULL, NULL, &to, &from, &err, error, sizeof error), -1);
        cr_expect(to == -1 && from == -1 && err == -1, "%d %d %d", to, from, err);
    }
    limit.rlim_cur++;
    setrlimit(RLIMIT_NOFILE, &limit);
    cr_expect_eq(launch_spawn("--launch", NULL, NULL, &to, &from, &err, error, sizeof error), -1);
    cr_expect(to > STDERR_FILENO && from == -1 && err == -1, "%d %d %d", to, from, err);
    close(to);
    limit.rlim_cur = usual;
    setrlimit(RLIMIT_NOFILE, &limit);
    cr_expect(strncmp(error, "no pipe to a child process: ", 28) == 0, "%s", error);
}
