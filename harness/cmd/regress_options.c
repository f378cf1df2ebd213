/* regress_options.c - the command line of `attnzoo regress`. */
#include "harness/regress/regress.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/render.h"

/* Calls of micro- to milliseconds, so that five launches of all kernels take a minute or two; each kernel meets whole and partial tiles. */
static const CliSuite suites[] = {
    {"ci", "b1_h2_q64_k96_d64 b1_h4g2_q1_k512_d64 b1_h1_q49_k77_d40_causal b1_h1_q24_k40_d24_additive linear:32x128x192",
     "small, for every change"},
    {"models", "bert-base/encoder@128 gpt2/prefill@256 llama3-8b/decode@1024 linear:128x768x768",
     "real models, for a dedicated machine"},
};
enum { SUITES = sizeof suites / sizeof *suites };
_Static_assert((int)SUITES <= (int)CLI_SUITES_MOST, "cli_suite has room for all");

enum { BASE = 256, HEAD, SUITE, GATE, MIN_EFFECT, ALPHA, LAUNCHES, ROUNDS, MIN_TRIAL, NO_CONFIRM, FAIL_ON, ALLOW, MD, JUNIT, JSONL, COUNTER,
       PLANT };
static const char usage[] =
    "attnzoo regress --base PACK --head PACK [options] - did a change make attention slower?\n"
    "\n"
    "  ./zoo regress                                     this working tree against the main branch\n"
    "  ./zoo regress v1.2 -k 'flash_*'                   against another commit, some kernels only\n"
    "  attnzoo regress --base old.so --head new.so       two packs that you have already built\n"
    "  attnzoo regress --base a.so --head b.so --gate insn\n"
    "                                                    instruction counts only: no clock, no noise\n"
    "\n"
    "A pack is the attnzoo_pack.so of a build. regress verifies the head's kernels, counts their\n"
    "instructions, then measures both packs in the same rounds of several fresh processes: the kernel\n"
    "that each build's dispatch chooses for a shape, and each kernel by itself.\n"
    "Exit code 0: nothing slower; 1: slower; 3: cannot decide; 4: nothing compared.\n";
static const CliOption options[] = {
    {BASE, "base", "PACK", "compare with this pack"},
    {HEAD, "head", "PACK", "test this pack, which has the change"},
    {'k', "kernel", "PATTERNS", "measure these kernels: names or globs, separated by commas; dispatch: the kernel dispatch chooses (default: all that run here)"},
    {'s', "shapes", "SHAPES", "measure these shapes, presets or matrix products"},
    {SUITE, "suite", "NAME", "measure a named set of shapes: {} (default: ci)"},
    {GATE, "gate", "GATES", "gate on: {} (default: time,insn)"},
    {MIN_EFFECT, "min-effect", "PERCENT", "ignore changes smaller than this; auto: 2%, or more if the noise requires it (default: auto)"},
    {ALPHA, "alpha", "PERCENT", "set the significance level for all verdicts of the run together (default: 1%)"},
    {LAUNCHES, "launches", "N", "measure in N fresh processes, 3 to 40, and four times as many to confirm (default: 5)"},
    {ROUNDS, "rounds", "N", "run N interleaved rounds per process, 100 to 256 (default: 100)"},
    {MIN_TRIAL, "min-trial", "TIME", "make each trial at least this long, 10us to 10s (default: 300us)"},
    {NO_CONFIRM, "no-confirm", NULL, "do not measure again what is not clearly the same"},
    {FAIL_ON, "fail-on", "WHICH", "fail on these slower kernels: taken (those that dispatch chooses or that -k names in full) or all (default: taken)"},
    {COUNTER, "counter", "NAME", "count instructions with: {} (default: the first that works)"},
    {ALLOW, "allow", "FILE", "read waivers from FILE: lines such as b1_* flash_f32 +8% until=2026-12-31 reason"},
    {MD, "md", "FILE", "also write the table as Markdown, for the summary page of a CI job"},
    {JUNIT, "junit", "FILE", "also write JUnit XML"},
    {JSONL, "jsonl", "FILE", "also write records"},
    {PLANT, "plant", "PERCENT", "add this much work to every call of the head, to see what would be found; for tests of this program"},
};
enum { OPTIONS = sizeof options / sizeof *options };

static const char *const gates[] = {"time", "insn", "time,insn"}, *const failing[] = {"taken", "all"};

static bool read_gate(const char *text, RegressOptions *o)
{
    o->time = strcmp(text, "time") == 0 || strcmp(text, "time,insn") == 0 || strcmp(text, "insn,time") == 0;
    o->insn = strcmp(text, "insn") == 0 || (o->time && strchr(text, ','));
    if (!o->time && !o->insn)
        cli_unknown("gate", text, gates, 3);
    return o->time || o->insn;
}

static bool read_fail_on(const char *text, bool *all)
{
    *all = strcmp(text, failing[1]) == 0;
    if (!*all && strcmp(text, failing[0]) != 0)
        cli_unknown("value of --fail-on", text, failing, 2);
    return *all || strcmp(text, failing[0]) == 0;
}

static bool read_counter(const char *text, InsnMethod *method)
{
    const char *names[INSN_METHODS - 1];
    for (InsnMethod m = INSN_PERF; m < INSN_METHODS; m++) {
        names[m - 1] = insn_method_name(m);
        if (strcmp(text, names[m - 1]) == 0) {
            *method = m;
            return true;
        }
    }
    cli_unknown("counter", text, names, INSN_METHODS - 1);
    return false;
}

static bool read_size(const char *what, const char *text, uint64_t low, uint64_t high, size_t *size)
{
    uint64_t number;
    if (!cli_number(what, text, low, high, &number))
        return false;
    *size = (size_t)number;
    return true;
}

/* One option; false after printing an error. */
static bool take(RegressOptions *o, const char **suite, int key, const char *value)
{
    switch (key) {
    case BASE: o->base = value; return true;
    case HEAD: o->head = value; return true;
    case 'k': o->kernels = value; return true;
    case 's': o->shapes = value; return true;
    case SUITE: return cli_suite(suites, SUITES, value, suite);
    case GATE: return read_gate(value, o);
    case MIN_EFFECT:
        o->min_effect = 0;
        return strcmp(value, "auto") == 0 || cli_percent("--min-effect", value, &o->min_effect);
    case ALPHA: return cli_percent("--alpha", value, &o->alpha);
    case LAUNCHES: return read_size("--launches", value, 3, 40, &o->launches);
    case ROUNDS: return read_size("--rounds", value, 100, PAIRED_MAX_ROUNDS, &o->rounds);
    case MIN_TRIAL: return cli_time("--min-trial", value, 1e-6, 1e-5, 10, "10us to 10s", &o->min_trial);
    case NO_CONFIRM: o->confirm = false; return true;
    case FAIL_ON: return read_fail_on(value, &o->fail_all);
    case COUNTER: return read_counter(value, &o->counter);
    case ALLOW: o->allow = value; return true;
    case MD: o->md = value; return true;
    case JUNIT: o->junit = value; return true;
    case JSONL: o->jsonl = value; return true;
    case PLANT: return cli_percent("--plant", value, &o->planted);
    default: return false;
    }
}

int regress_options_read(RegressOptions *o, int argc, char **argv)
{
    const char *value, *suite = NULL;
    for (int key; (key = cli_next_option(argc, argv, usage, options, OPTIONS, &value)) != -1;) {
        if (key == 'h') {
            cli_suites_print(suites, SUITES);
            return -1;
        }
        if (key == '?' || !take(o, &suite, key, value))
            return EXIT_USAGE;
    }
    if (optind < argc)
        render_error("unexpected argument '%s'; packs are given with --base and --head, shapes with -s", argv[optind]);
    else if (!o->base || !o->head)
        render_error("%s is missing; allowed: a build's attnzoo_pack.so (./zoo regress makes both)", o->base ? "--head" : "--base");
    else if (suite && o->shapes)
        render_error("--suite and -s cannot be combined");
    else {
        if (!o->shapes)
            o->shapes = suite ? suite : suites[0].shapes;
        return EXIT_OK;
    }
    return EXIT_USAGE;
}
