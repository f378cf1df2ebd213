/* commands.c - see commands.h. */
#include "harness/cmd/commands.h"

const CliCommandRow commands[] = {
    {"cpu", cmd_cpu, "what this machine is and how fast it can be", NULL},
    {"list", cmd_list, "kernels, shapes, presets; who runs a shape, and why", NULL},
    {"run", cmd_run, "one kernel, one shape, one line: for hyperfine, perf, gdb", NULL},
    {"verify", cmd_verify, "prove kernels against double precision and exact oracles", NULL},
    {"bench", cmd_bench, "verify, then rank kernels in % of the machine's own peak", NULL},
    {"tune", cmd_tune, "measure which kernel is fastest here, and let the library know", NULL},
    {"conform", cmd_conform, "run cases with known answers from folders", NULL},
    {"compare", cmd_compare, "kernels, machines, commits side by side, from records", "table md csv jsonl json"},
    {"report", cmd_report, "records as one HTML page, or as Markdown", "html md json"},
    {"results", cmd_results, "list, check, merge and export records", "table md csv jsonl json hyperfine benchstat gha"},
    {"serve", cmd_serve, "a worker that times on request, for comparisons across processes", ""},
    {"regress", cmd_regress, "two builds of the kernels side by side: faster, slower, same or not known", NULL},
    {"selftest", cmd_selftest, "what this machine can and cannot detect, in a minute", NULL},
    {"completion", cmd_completion, "a script for bash, zsh or fish", ""},
};
const size_t command_count = sizeof commands / sizeof *commands;
_Static_assert(sizeof commands / sizeof *commands <= (size_t)CLI_COMMANDS_MOST, "lists of their names have room for all");
