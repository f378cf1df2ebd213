/* bench_options.c - options, suites and their strict readers: every bad value gets a sentence with what is allowed. */
#include "harness/cmd/bench_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch/registry.h"
#include "harness/bench/micro/micro.h"
#include "harness/bench/suites.h"
#include "harness/ops/all/all.h"
#include "harness/ops/zoo.h"

enum { SUITE = 256, BASELINE, BUDGET, MIN_TRIAL, ROUNDS, TARGET_CI, DIST, MICRO, SCALING, DRIVER, ENERGY };
static const char usage[] =
    "attnzoo bench [-k PATTERNS] [-s SHAPES | --suite NAME] - verify, then measure them side by side\n"
    "\n"
    "  attnzoo bench                                           every kernel that runs here, default suite\n"
    "  attnzoo bench -k 'flash_*' -s llama3-8b/prefill@512     some kernels, one shape of a model\n"
    "  attnzoo bench -s 'b1_h8_q512_k512_d{64,128}' --target-ci 1%\n"
    "                                                          several shapes, until intervals are narrow\n"
    "  attnzoo bench -k mine -s gpt2/prefill@512 --baseline flash_f32_avx2\n"
    "                                                          is mine faster than flash_f32_avx2?\n"
    "  attnzoo bench -s bert-base/encoder@128 -o csv:times.csv --no-results\n"
    "                                                          a table for another program\n"
    "  attnzoo bench --driver hyperfine -s llama3-8b/decode@4096\n"
    "                                                          whole processes: start-up, first call, ...\n"
    "\n"
    "Records are appended to --results DIR (default: results), in a folder named after this machine.\n";
static const CliOption options[] = {
    {'k', "kernel", "PATTERNS", "measure these kernels: names or globs, separated by commas (default: all that run here)"},
    {'s', "shapes", "SHAPES", "measure these shapes: of attention, of a model, a matrix product or multi-head attention, such as "
     "b1_h8_q512_k512_d64, llama3-8b/decode@4096, linear:512x1024x1024, mha:gpt2/prefill@512"},
    {SUITE, "suite", "NAME", "measure a named set of shapes: {} (default: default)"},
    {BASELINE, "baseline", "KERNEL", "compute speed-ups relative to this kernel (default: " ATTN_BASELINE ")"},
    {BUDGET, "budget", "TIME", "limit the time for the rounds of one case, 10ms to 1h (default: 8s)"},
    {MIN_TRIAL, "min-trial", "TIME", "make each trial at least this long, 10us to 10s "
     "(default: 300us; 5ms with --scaling, 300ms with hyperfine)"},
    {ROUNDS, "rounds", "N", "run at most N rounds, 1 to 256 (default: 100)"},
    {TARGET_CI, "target-ci", "PERCENT", "stop early when every interval is this narrow, for example 1% (default: never)"},
    {DIST, "dist", "NAMES", "fill the operands with: {} (default: normal). "
     "Several: measure each kernel on all of them and compare with normal"},
    {SCALING, "scaling", "N,N", "measure each kernel with these numbers of threads, such as 1,2, and compare with the first"},
    {MICRO, "micro", "NAMES", "measure parts of kernels and fixed costs instead of shapes, separated by commas: {}"},
    {ENERGY, "energy", NULL, "also measure joules per call where the system reports them (RAPL); takes a second more per kernel"},
    {DRIVER, "driver", "NAME", "inproc: time calls in this process; hyperfine: time whole processes (default: inproc)"},
};

/* One kind of data for all, or a list to compare them on. */
static bool read_dists(BenchWanted *wanted, const char *text)
{
    DataDist dist;
    if (data_dist_find(text, &dist)) {
        wanted->bench.dist = dist;
        return true;
    }
    if (wanted->varies && wanted->vary.by_threads) {
        render_error("--scaling and a --dist list cannot be combined");
        return false;
    }
    wanted->varies = true;
    return vary_read_data(&wanted->vary, text);
}

static bool read_baseline(const char *text, const AttnKernel **kernel)
{
    *kernel = zoo_find(text);
    if (*kernel)
        return true;
    const char **names = calloc(zoo_count(), sizeof *names);
    for (size_t i = 0; names && i < zoo_count(); i++)
        names[i] = zoo_at(i)->name;
    cli_unknown("kernel", text, names, names ? zoo_count() : 0);
    free(names);
    return false;
}

static bool read_driver(const char *text, BenchOptions *bench)
{
    static const char *const names[] = {"inproc", "hyperfine"};
    bench->hyperfine = strcmp(text, names[1]) == 0;
    if (bench->hyperfine || strcmp(text, names[0]) == 0)
        return true;
    cli_unknown("driver", text, names, 2);
    return false;
}

/* One option; false after printing an error. */
static bool take(BenchWanted *wanted, int key, const char *value)
{
    BenchOptions *bench = &wanted->bench;
    uint64_t number;
    switch (key) {
    case 'k': wanted->kernels = value; return true;
    case 's': wanted->shapes = value; return true;
    case SUITE: return cli_suite(bench_suites, bench_suite_count, value, &wanted->suite);
    case BASELINE: return read_baseline(value, &bench->baseline);
    case BUDGET: return cli_time("--budget", value, 1, 0.01, 3600, "10ms to 1h", &bench->budget);
    case MIN_TRIAL: return cli_time("--min-trial", value, 1e-6, 1e-5, 10, "10us to 10s", &bench->min_trial);
    case TARGET_CI: return cli_percent("--target-ci", value, &bench->target_ci);
    case DIST: return read_dists(wanted, value);
    case SCALING:
        if (wanted->varies && !wanted->vary.by_threads) {
            render_error("--scaling and a --dist list cannot be combined");
            return false;
        }
        wanted->varies = true;
        return vary_read_threads(&wanted->vary, value);
    case MICRO: wanted->micro = value; return micro_check(value);
    case ENERGY: bench->energy = true; return true;
    case DRIVER: return read_driver(value, bench);
    case ROUNDS:
        if (!cli_number("--rounds", value, 1, PAIRED_MAX_ROUNDS, &number))
            return false;
        bench->max_rounds = (size_t)number;
        return true;
    default: return false;
    }
}

int bench_options_read(BenchWanted *wanted, int argc, char **argv)
{
    const char *value;
    for (int key; (key = cli_next_option(argc, argv, usage, options, sizeof options / sizeof *options, &value)) != -1;) {
        if (key == 'h') {
            cli_suites_print(bench_suites, bench_suite_count);
            for (size_t o = 0; o < op_count; o++)
                printf("%s%s", ops[o]->help ? "\n" : "", ops[o]->help ? ops[o]->help : "");
            return -1;
        }
        if (key == '?' || !take(wanted, key, value))
            return EXIT_USAGE;
    }
    if (optind < argc) {
        render_error("unexpected argument '%s'; shapes are given with -s", argv[optind]);
        return EXIT_USAGE;
    }
    if (wanted->varies && (wanted->micro || wanted->bench.hyperfine)) {
        render_error("%s cannot be combined with --scaling or a --dist list", wanted->micro ? "--micro" : "--driver hyperfine");
        return EXIT_USAGE;
    }
    if (wanted->bench.energy && (wanted->bench.hyperfine || wanted->varies || wanted->micro)) {
        render_error("--energy cannot be combined with %s",
                     wanted->bench.hyperfine ? "--driver hyperfine" : wanted->micro ? "--micro" : "--scaling or a --dist list");
        return EXIT_USAGE;
    }
    if (wanted->micro && (wanted->suite || wanted->shapes)) {
        render_error("--micro cannot be combined with -s or --suite: it has its own shapes");
        return EXIT_USAGE;
    }
    if (wanted->suite && wanted->shapes) {
        render_error("--suite and -s cannot be combined");
        return EXIT_USAGE;
    }
    if (!wanted->shapes)
        wanted->shapes = wanted->suite ? wanted->suite : bench_default_shapes();
    /* A process takes about a millisecond more or less, and other numbers of threads find half of the data in another core's caches (calls
     * of 0.1 ms: 1.75 times the speed of one thread right after a change, 1.9 later). Neither must show. */
    if (wanted->bench.min_trial <= 0)
        wanted->bench.min_trial = wanted->bench.hyperfine ? 0.3 : wanted->varies && wanted->vary.by_threads ? 5e-3 : 300e-6;
    return EXIT_OK;
}
