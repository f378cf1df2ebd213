/* test_options.c - options and environment merged: who wins, what is refused, and that every refusal says what is known. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#include "dispatch/cpu.h"
#include "dispatch/isa.h"
#include "dispatch/options.h"
#include "dispatch/registry.h"
#include "dispatch/structs.h"

/* A pretended environment: NULL is not set. */
static struct {
    const char *kernel, *max_isa, *disable, *threads, *verbose, *openmp_threads;
} environment;

static const char *fake_getenv(const char *name)
{
    return strcmp(name, "ATTNZOO_KERNEL") == 0    ? environment.kernel
           : strcmp(name, "ATTNZOO_MAX_ISA") == 0 ? environment.max_isa
           : strcmp(name, "ATTNZOO_DISABLE") == 0 ? environment.disable
           : strcmp(name, "ATTNZOO_THREADS") == 0 ? environment.threads
           : strcmp(name, "OMP_NUM_THREADS") == 0 ? environment.openmp_threads
           : strcmp(name, "ATTNZOO_VERBOSE") == 0 ? environment.verbose
                                                  : NULL;
}

static const uint64_t all_features = (UINT64_C(1) << ATTN_CPU_BITS) - 1;

static AttnSettings read_ok(const AttnOptions *options)
{
    AttnSettings settings;
    cr_assert_eq(attn_settings_read(options, fake_getenv, &settings), ATTN_OK, "%s", attn_last_error());
    return settings;
}

/* Refused with `status` and a sentence that holds each of the words (NULL ends them). */
static void expect_refused(const AttnOptions *options, AttnStatus status, const char *const *words)
{
    AttnSettings settings;
    cr_expect_eq(attn_settings_read(options, fake_getenv, &settings), status);
    for (; *words; words++)
        cr_expect_not_null(strstr(attn_last_error(), *words), "\"%s\" is not in: %s", *words, attn_last_error());
}
#define EXPECT_REFUSED(options, status, ...) expect_refused(options, status, (const char *const[]){__VA_ARGS__, NULL})

Test(options, nothing_asked)
{
    const AttnSettings settings = read_ok(NULL);
    cr_expect_null(settings.kernel);
    cr_expect_eq(settings.allowed, all_features);
    cr_expect_eq(settings.threads, 0);
    cr_expect_null(settings.parallel_for);
    cr_expect_not(settings.verbose_dispatch);
    const AttnOptions options = attn_options();
    const AttnSettings same = read_ok(&options);
    cr_expect_eq(same.allowed, all_features);
    cr_expect_null(same.kernel);
}

Test(options, empty_variables_are_not_set)
{
    environment.kernel = environment.max_isa = environment.disable = environment.threads = environment.verbose = "";
    const AttnSettings settings = read_ok(NULL);
    cr_expect_null(settings.kernel);
    cr_expect_eq(settings.allowed, all_features);
    cr_expect_eq(settings.threads, 0);
    cr_expect_not(settings.verbose_dispatch);
}

Test(options, environment_alone)
{
    environment.kernel = "naive_f32";
    environment.max_isa = "baseline";
    environment.threads = "4096";
    environment.verbose = "dispatch,dispatch";
    const AttnSettings settings = read_ok(NULL);
    cr_assert_not_null(settings.kernel);
    cr_expect_str_eq(settings.kernel->name, "naive_f32");
    cr_expect_str_eq(settings.kernel_from, "ATTNZOO_KERNEL");
    cr_expect_eq(settings.allowed, attn_isa_levels[0].features);
    cr_expect_eq(settings.threads, 4096);
    cr_expect(settings.verbose_dispatch);
}

static void some_loop(void *context, size_t n, void (*task)(void *, size_t), void *argument)
{
    (void)context;
    for (size_t i = 0; i < n; i++)
        task(argument, i);
}

/* A variable that lost is not looked at, so its nonsense is no error. */
Test(options, options_win)
{
    environment.kernel = environment.max_isa = environment.disable = environment.threads = "nonsense";
    int context;
    AttnOptions options = attn_options();
    options.kernel = "naive_f32";
    options.max_isa = attn_isa_levels[attn_isa_level_count - 1].name;
    options.disable = "sse2,neon";
    options.threads = 3;
    options.parallel_for = some_loop;
    options.parallel_context = &context;
    const AttnSettings settings = read_ok(&options);
    cr_expect_str_eq(settings.kernel_from, "options.kernel");
    cr_expect_not(settings.allowed & (ATTN_CPU(SSE2) | ATTN_CPU(NEON)));
    cr_expect_eq(settings.threads, 3);
    cr_expect_eq(settings.parallel_for, some_loop);
    cr_expect_eq(settings.parallel_context, &context);
}

Test(options, every_registered_kernel_and_level_can_be_named)
{
    for (size_t i = 0; i < attn_registry_count; i++) {
        environment.kernel = attn_registry[i]->name;
        cr_expect_eq(read_ok(NULL).kernel, attn_registry[i]);
    }
    for (size_t i = 0; i < attn_isa_level_count; i++) {
        environment.max_isa = attn_isa_levels[i].name;
        cr_expect_eq(read_ok(NULL).allowed, attn_isa_levels[i].features);
    }
}

Test(options, disable_takes_dependants_along)
{
    environment.disable = "avx2";
    cr_expect_eq(read_ok(NULL).allowed, attn_cpu_consistent(all_features & ~ATTN_CPU(AVX2)));
    cr_expect_not(read_ok(NULL).allowed & ATTN_CPU(AVX512F));
    cr_expect(read_ok(NULL).allowed & ATTN_CPU(FMA));
    environment.disable = "fma,sve"; /* of both architectures, on any machine */
    cr_expect_eq(read_ok(NULL).allowed, all_features & ~(ATTN_CPU(FMA) | ATTN_CPU(SVE) | ATTN_CPU(SVE2)));
}

Test(options, an_empty_disable_option_lifts_the_variable)
{
    environment.disable = "fma";
    AttnOptions options = attn_options();
    options.disable = "";
    cr_expect_eq(read_ok(&options).allowed, all_features);
}

Test(options, unknown_names_are_errors_that_list_the_known)
{
    environment.kernel = "flash_f33";
    EXPECT_REFUSED(NULL, ATTN_ERROR_NAME, "ATTNZOO_KERNEL", "\"flash_f33\"", "naive_f32",
                   attn_registry[attn_registry_count - 1]->name);
    environment.kernel = NULL;

    environment.max_isa = "avx3";
    EXPECT_REFUSED(NULL, ATTN_ERROR_NAME, "ATTNZOO_MAX_ISA", "\"avx3\"", "baseline",
                   attn_isa_levels[attn_isa_level_count - 1].name);
#if defined(__x86_64__)
    environment.max_isa = "neon"; /* as a limit here it would mean nothing */
#else
    environment.max_isa = "avx2";
#endif
    EXPECT_REFUSED(NULL, ATTN_ERROR_NAME, "ATTNZOO_MAX_ISA", environment.max_isa, "known: baseline");
    environment.max_isa = NULL;

    static const char *const bad_disable[][2] = {
        {"avx2,fmaa", "\"fmaa\""}, {"avx2,", "\"\""}, {",avx2", "\"\""}, {",", "\"\""}, {"avx2 fma", "\"avx2 fma\""}, {"AVX2", "\"AVX2\""},
    };
    for (size_t i = 0; i < sizeof bad_disable / sizeof *bad_disable; i++) {
        environment.disable = bad_disable[i][0];
        EXPECT_REFUSED(NULL, ATTN_ERROR_NAME, "ATTNZOO_DISABLE", bad_disable[i][1], "sse2, sse4_1, avx", "sme");
    }
    environment.disable = NULL;

    environment.verbose = "dispatch,all";
    EXPECT_REFUSED(NULL, ATTN_ERROR_NAME, "ATTNZOO_VERBOSE", "\"all\"", "known: dispatch");
    environment.verbose = NULL;

    AttnOptions options = attn_options();
    options.kernel = "";
    EXPECT_REFUSED(&options, ATTN_ERROR_NAME, "options.kernel", "\"\"", "naive_f32");
    options = attn_options();
    options.max_isa = "baseline ";
    EXPECT_REFUSED(&options, ATTN_ERROR_NAME, "options.max_isa", "\"baseline \"");
    options = attn_options();
    options.disable = "x";
    EXPECT_REFUSED(&options, ATTN_ERROR_NAME, "options.disable", "\"x\"");
}

Test(options, a_name_of_any_length_leaves_room_for_the_known)
{
    char name[5000];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    environment.kernel = name;
    EXPECT_REFUSED(NULL, ATTN_ERROR_NAME, "nnn\"...", "naive_f32");
    cr_expect_lt(strlen(attn_last_error()), 1024);
    environment.kernel = NULL;
    environment.threads = name;
    EXPECT_REFUSED(NULL, ATTN_ERROR_VALUE, "1 to 4096");
}

Test(options, threads_are_parsed_strictly)
{
    static const char *const bad[] = {"0",    "4097", "-1",  "+1", " 1", "1 ", "1.0", "0x10", "four", "1e2", "99999999999999999999",
                                      "18446744073709551617"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        environment.threads = bad[i];
        EXPECT_REFUSED(NULL, ATTN_ERROR_VALUE, "ATTNZOO_THREADS", bad[i], "1 to 4096");
    }
    environment.threads = "007";
    cr_expect_eq(read_ok(NULL).threads, 7);
    environment.threads = NULL;
    AttnOptions options = attn_options();
    options.threads = 4096;
    cr_expect_eq(read_ok(&options).threads, 4096);
    options.threads = 4097;
    EXPECT_REFUSED(&options, ATTN_ERROR_VALUE, "options.threads is 4097", "4096");
    options.threads = (size_t)-1;
    EXPECT_REFUSED(&options, ATTN_ERROR_VALUE, "options.threads is 18446744073709551615");
}

static void own_loop(void *context, size_t n, void (*task)(void *argument, size_t i), void *argument)
{
    (void)context, (void)n, (void)task, (void)argument;
}

/* A variable of others: its first number counts where nobody asked attnzoo itself, and what is no such number is passed over. */
Test(options, openmps_number_of_threads)
{
    static const struct { const char *text; size_t threads; } cases[] = {
        {"3", 3}, {"5,2", 5}, {" 4 , 2", 4}, {"7 ", 7}, {"007", 7}, {"1000000", 4096}, {"99999999999999999999", 4096},
        {"", 0}, {"0", 0}, {"-1", 0}, {"+2", 0}, {"4 cores", 0}, {"four", 0}, {"2x", 0}, {",2", 0}, {" ", 0}, {NULL, 0},
    };
    AttnOptions options = attn_options();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        environment.openmp_threads = cases[i].text;
        cr_expect_eq(read_ok(NULL).threads, cases[i].threads, "'%s': %zu", cases[i].text, read_ok(NULL).threads);
    }
    environment.openmp_threads = "3";
    environment.threads = "2";
    cr_expect_eq(read_ok(NULL).threads, 2);
    options.threads = 6;
    cr_expect_eq(read_ok(&options).threads, 6);
    environment.threads = NULL;
    options.threads = 0;
    options.parallel_for = own_loop;
    cr_expect_eq(read_ok(&options).threads, 0, "a caller's loop is no OpenMP");
}

Test(options, structs_of_other_ages)
{
    struct {
        AttnOptions options;
        char younger[24];
    } caller;
    memset(&caller, 0, sizeof caller);
    caller.options = attn_options();
    caller.options.size = sizeof caller;
    caller.options.threads = 2;
    cr_expect_eq(read_ok(&caller.options).threads, 2);
    caller.younger[23] = 1;
    EXPECT_REFUSED(&caller.options, ATTN_ERROR_STRUCT, "options.size", "does not know");

    const size_t wrong[] = {0, 1, ATTN_STRUCT_UP_TO(AttnOptions, parallel_context) - 1, 1u << 20, SIZE_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        caller.options.size = wrong[i];
        EXPECT_REFUSED(&caller.options, ATTN_ERROR_STRUCT, "options.size is ", "attn_options()");
    }
}

Test(options, the_real_environment)
{
    AttnSettings settings;
    setenv("ATTNZOO_KERNEL", "naive_f32", 1);
    cr_assert_eq(attn_settings_read_environment(NULL, &settings), ATTN_OK);
    cr_expect_str_eq(settings.kernel->name, "naive_f32");
    setenv("ATTNZOO_KERNEL", "no_such_kernel", 1);
    cr_expect_eq(attn_settings_read_environment(NULL, &settings), ATTN_ERROR_NAME);
}

/* ---- error.c --------------------------------------------------------------------------------------------------------------------- */

Test(error, sentences)
{
    cr_expect_str_eq(attn_last_error(), "");
    cr_expect_eq(attn_fail(ATTN_ERROR_VALUE, "d is %d", 5), ATTN_ERROR_VALUE);
    cr_expect_str_eq(attn_last_error(), "d is 5");
    attn_fail(ATTN_ERROR_VALUE, "%s, said %s", attn_last_error(), "x");
    cr_expect_str_eq(attn_last_error(), "d is 5, said x");
    char text[3000];
    memset(text, 'y', sizeof text);
    text[sizeof text - 1] = '\0';
    attn_fail(ATTN_ERROR_VALUE, "%s", text);
    cr_expect_eq(strlen(attn_last_error()), 1023);
}

Test(error, every_status_has_words)
{
    for (int a = ATTN_OK; a <= ATTN_ERROR_MEMORY; a++) {
        cr_expect_str_neq(attn_status_string((AttnStatus)a), "unknown status");
        for (int b = ATTN_OK; b < a; b++)
            cr_expect_str_neq(attn_status_string((AttnStatus)a), attn_status_string((AttnStatus)b));
    }
    cr_expect_str_eq(attn_status_string((AttnStatus)(ATTN_ERROR_MEMORY + 1)), "unknown status");
    cr_expect_str_eq(attn_status_string((AttnStatus)-1), "unknown status");
}

/* The library's numbers in a host that writes 0,5: sentences, explanations, and what the host prints afterwards. */
Test(error, numbers_do_not_follow_the_host)
{
    char folder[] = "locale_XXXXXX", command[160], number[16];
    cr_assert_not_null(mkdtemp(folder));
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 ./%s/comma >/dev/null 2>&1", folder);
    const bool made = system(command) == 0 && setenv("LOCPATH", folder, 1) == 0 && setlocale(LC_ALL, "comma");
    snprintf(number, sizeof number, "%.1f", 0.5);
    snprintf(command, sizeof command, "rm -r ./%s", folder);
    cr_expect_eq(system(command), 0);
    if (!made || strcmp(number, "0,5") != 0)
        cr_skip_test("localedef makes no locale with a decimal comma here");
    AttnProblem p = attn_problem(1, 1, 1, 4, 4, 8, 8);
    p.softcap = -0.5;
    cr_expect_eq(attn_problem_check(&p), ATTN_ERROR_VALUE);
    cr_expect_not_null(strstr(attn_last_error(), "problem.softcap is -0.5;"), "%s", attn_last_error());
    p.softcap = 0.0;
    AttnPlan *plan;
    cr_assert_eq(attn_plan_create(&p, NULL, &plan), ATTN_OK);
    const char *text = attn_plan_explain(plan);
    cr_expect_not_null(strstr(text, "e+0"), "no estimate in: %s", text);
    for (const char *comma = strchr(text, ','); comma; comma = strchr(comma + 1, ','))
        cr_expect_not(isdigit((unsigned char)comma[-1]) && isdigit((unsigned char)comma[1]), "a decimal comma in: %s", text);
    attn_plan_destroy(plan);
    snprintf(number, sizeof number, "%.1f", 0.5);
    cr_expect_str_eq(number, "0,5", "the host's own numbers are as before");
}
