/* run.c - attnzoo run: one kernel, one shape, nothing around it. The command for hyperfine, perf, valgrind and gdb to wrap.
 *
 * It makes operands and plan, calls attn_run N times, and prints one line. It proves nothing and its time is one mean; `verify` and `bench`
 * are for that. */
#include "dispatch/threads.h"
#include "dispatch/fnv.h"
#include "harness/base/clock.h"
#include "harness/base/outputs.h"
#include "harness/base/stop.h"
#include "harness/cmd/commands.h"
#include "harness/conform/operands.h"
#include "harness/ops/zoo.h"

#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static const char usage[] =
    "attnzoo run [-k KERNEL] (-s SHAPE | --input DIR) - run one kernel, print one line\n"
    "\n"
    "  attnzoo run -s llama3-8b/prefill@512                        dispatch's choice, once\n"
    "  attnzoo run -k flash_f32 -s b1_h8_q512_k512_d64 --iters 20  one kernel, mean of 20 calls\n"
    "  attnzoo run --input DIR --dump o.npy                        a conformance case; keep the output\n"
    "  hyperfine -N -w 1 -L k flash_f32,blocked_f32 \\\n"
    "      'attnzoo run -k {k} -s bert-base/encoder@128 --iters 50'\n";

enum { KEY_ITERS = 256, KEY_DIST, KEY_INPUT, KEY_DUMP };
static const CliOption options[] = {
    {'k', "kernel", "KERNEL", "run this kernel; auto: the one dispatch chooses (default: auto)"},
    {'s', "shape", "SHAPE", "run on this shape; attnzoo list shapes explains the words"},
    {KEY_ITERS, "iters", "N", "call the kernel N times; 0: do everything but the calls (default: 1)"},
    {KEY_DIST, "dist", "D", "fill q, k and v with: {} (default: normal)"},
    {KEY_INPUT, "input", "DIR", "read the operands from a conformance case"},
    {KEY_DUMP, "dump", "FILE.npy", "write the output, [batch, head, row, column]; ragged (varlen) sequences as one batch entry"},
};

/* Over the bits, little end first: equal exactly if every output bit is. */
static uint64_t hash(const float *data, size_t count)
{
    uint64_t sum = ATTN_FNV64;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &data[i], sizeof bits);
        const unsigned char bytes[4] = {(unsigned char)bits, (unsigned char)(bits >> 8), (unsigned char)(bits >> 16), (unsigned char)(bits >> 24)};
        sum = attn_fnv64(sum, bytes, sizeof bytes);
    }
    return sum;
}

static int report(const Cli *cli, const char *kernel, const char *name, uint64_t calls, double each, uint64_t checksum)
{
    char time[32] = "-", sum[32] = "-";
    if (calls > 0)
        snprintf(sum, sizeof sum, "%016" PRIx64, checksum);
    if (isfinite(each))
        render_time(each, time, sizeof time);
    if (outputs_on_stdout(cli->outputs))
        printf("%s  %s  %" PRIu64 " calls  %s per call  checksum %s\n", kernel, name, calls, time, sum);
    static const RenderColumn columns[] = {{"kernel", "kernel", RENDER_TEXT},
                                           {"shape", "shape", RENDER_TEXT},
                                           {"calls", "calls", RENDER_COUNT},
                                           {"per call", "seconds_per_call", RENDER_NUMBER},
                                           {"checksum", "checksum", RENDER_TEXT}};
    RenderTable *table = render_table_of(columns, sizeof columns / sizeof *columns);
    render_row(table);
    render_cell(table, STYLE_PLAIN, "%s", kernel);
    render_cell(table, STYLE_PLAIN, "%s", name);
    render_value(table, STYLE_PLAIN, (double)calls, "%" PRIu64, calls);
    render_value(table, STYLE_PLAIN, each, "%s", time);
    if (calls)
        render_cell(table, STYLE_PLAIN, "%s", sum);
    else
        render_missing(table);
    const int code = outputs_table_elsewhere(cli->outputs, table);
    render_table_free(table);
    return code;
}

/* Call, look at the output, print. */
static int measure(const Cli *cli, const AttnPlan *plan, const Operands *operands, uint64_t calls, Whole *dump)
{
    const size_t size = attn_plan_workspace(plan);
    void *workspace = aligned_alloc(64, size);
    uint64_t done = 0;
    bool ok = workspace != NULL;
    if (!ok)
        render_error("out of memory for a workspace of %zu bytes", size);
    const double start = clock_seconds();
    for (; ok && done < calls && !stop_signal; done++) {
        ok = attn_run(plan, &operands->tensors, workspace, size) == ATTN_OK;
        if (!ok)
            render_error("%s", attn_last_error());
    }
    const double spent = clock_seconds() - start, each = done && spent > 0 ? spent / (double)done : NAN; /* the clock may stand */
    free(workspace);
    if (!ok)
        return EXIT_USAGE;
    size_t shape[4];
    float *out = operands_gather(operands, OPERANDS_O, shape);
    char error[600] = "out of memory for the output";
    int code = EXIT_USAGE;
    const bool dumps = out && dump->file && done > 0;
    if (dumps)
        npy_put_f32(dump->file, out, 4, shape);
    if (!out || (dumps && !whole_close(dump, true, error, sizeof error)))
        render_error("%s", error);
    else
        code = report(cli, attn_plan_kernel(plan), operands->name, done, each, hash(out, shape[0] * shape[1] * shape[2] * shape[3]));
    free(out);
    return stop_signal && code == EXIT_OK ? EXIT_INTERRUPTED : code;
}

/* Does the library have a kernel of this name? false after printing what it has: yardsticks are known to bench and verify only. */
static bool known(const char *name)
{
    const AttnKernel *kernel = zoo_find(name);
    if (kernel && !zoo_is_yardstick(kernel))
        return true;
    if (strpbrk(name, "*?[,")) {
        render_error("-k is '%s'; run takes the name of one kernel, or auto", name);
    } else if (kernel) {
        render_error("-k is '%s', a yardstick; run takes kernels of the library, and bench and verify take yardsticks too", name);
    } else {
        cli_unknown_kernel(name, false);
    }
    return false;
}

int cmd_run(const Cli *cli, int argc, char **argv)
{
    const char *kernel = "auto", *shape = NULL, *input = NULL, *dump = NULL, *value;
    uint64_t calls = 1;
    DataDist dist = DIST_NORMAL;
    for (int key; (key = cli_next_option(argc, argv, usage, options, sizeof options / sizeof *options, &value)) != -1; ) {
        switch (key) {
        case 'k': kernel = value; break;
        case 's': shape = value; break;
        case KEY_ITERS:
            if (!cli_number("--iters", value, 0, 1000000000, &calls))
                return EXIT_USAGE;
            break;
        case KEY_DIST:
            if (!cli_dist(value, &dist))
                return EXIT_USAGE;
            break;
        case KEY_INPUT: input = value; break;
        case KEY_DUMP: dump = value; break;
        case 'h': return EXIT_OK;
        default: return EXIT_USAGE;
        }
    }
    if (optind < argc) {
        render_error("unexpected argument '%s'; a shape is given with -s", argv[optind]);
        return EXIT_USAGE;
    }
    if (!shape == !input) {
        render_error("run needs %s; for example: attnzoo run -s llama3-8b/prefill@512", shape ? "either -s or --input, not both" : "a shape (-s) or a case (--input)");
        return EXIT_USAGE;
    }
    if (dump && calls == 0) {
        render_error("--dump needs an output, but --iters is 0");
        return EXIT_USAGE;
    }
    AttnOptions wanted = cli->options;
    wanted.threads = cli_granted(attn_threads_workers(&cli->settings));
    if (strcmp(kernel, "auto") != 0) {
        if (!known(kernel))
            return EXIT_USAGE;
        wanted.kernel = kernel;
    }
    Operands operands = {0};
    AttnPlan *plan = NULL;
    Whole to = {0};
    char error[2048];
    int code = EXIT_USAGE;
    if (dump && !whole_open(&to, dump, error, sizeof error)) {
        render_error("%s", error);
        return EXIT_USAGE;
    }
    if (!(input ? operands_from_folder(&operands, input, error, sizeof error)
                : operands_from_shape(&operands, cli->seed, shape, dist, error, sizeof error)))
        render_error("%s", error);
    else if (attn_plan_create(&operands.problem, &wanted, &plan) == ATTN_OK)
        code = measure(cli, plan, &operands, calls, &to);
    else
        render_error("%s", attn_last_error());
    if (to.file)
        whole_close(&to, false, error, sizeof error);
    attn_plan_destroy(plan);
    operands_free(&operands);
    return code;
}
