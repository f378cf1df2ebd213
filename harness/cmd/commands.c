/* commands.c - see commands.h. */
#include "harness/cmd/commands.h"

const CliCommandRow commands[] = {
    {"cpu", cmd_cpu, "show what this machine is and how fast it can be", NULL},
    {"list", cmd_list, "list kernels, shapes, presets; which kernel runs a shape, and why", NULL},
    {"run", cmd_run, "run one kernel on one shape and print one line: for hyperfine, perf, gdb", NULL},
    {"verify", cmd_verify, "prove kernels against double precision and exact oracles", NULL},
    {"bench", cmd_bench, "verify, then rank kernels in % of the machine's own peak", NULL},
    {"tune", cmd_tune, "measure which kernel is fastest here, for the library to use", NULL},
    {"conform", cmd_conform, "run test cases with known answers from folders", NULL},
    {"compare", cmd_compare, "show kernels, machines, commits side by side, from records", "table md csv jsonl json"},
    {"report", cmd_report, "make one HTML page, or Markdown, from records", "html md json"},
    {"results", cmd_results, "list, check, merge and export records", "table md csv jsonl json hyperfine benchstat gha"},
    {"serve", cmd_serve, "time kernels on request, for comparisons across processes", ""},
    {"regress", cmd_regress, "compare two builds of the kernels: faster, slower, same or undecided", NULL},
    {"selftest", cmd_selftest, "show what this machine can and cannot detect, in a minute", NULL},
    {"completion", cmd_completion, "print a completion script for bash, zsh or fish", ""},
};
const size_t command_count = sizeof commands / sizeof *commands;
_Static_assert(sizeof commands / sizeof *commands <= (size_t)CLI_COMMANDS_MOST, "lists of their names have room for all");
