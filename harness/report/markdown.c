/* markdown.c - the report as Markdown: what results/README.md shows, and what a page of a forge can render. */
#include "harness/base/known.h"
#include "harness/base/render.h"
#include "harness/report/compare_show.h"
#include "harness/report/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static RenderTable *headed(const char *const *headings, size_t count, size_t left)
{
    RenderTable *table = render_table(count);
    for (size_t i = 0; i < count; i++)
        render_column(table, i, headings[i], i >= left);
    return table;
}

static void print(RenderTable *table, FILE *to)
{
    render_table_markdown(table, to);
    render_table_free(table);
}

static void rate_cell(RenderTable *table, double rate)
{
    if (isnan(rate))
        render_cell(table, STYLE_PLAIN, "-");
    else
        render_cell(table, STYLE_PLAIN, "%.4g", rate * 1e-9);
}

/* The largest rate whose name begins so, of one thread: the widest multiply-adds, the fastest exponential. */
static double best_rate(const json_t *machine, const char *prefix)
{
    double best = NAN;
    const char *name;
    const json_t *rate;
    json_object_foreach(json_object_get(json_object_get((json_t *)machine, "peaks"), "t1"), name, rate)
        if (strncmp(name, prefix, strlen(prefix)) == 0 && json_is_number(rate) && !(best >= json_number_value(rate)))
            best = json_number_value(rate);
    return best;
}

static void machines(const json_t *model, FILE *to)
{
    static const char *const headings[] = {"machine", "processor", "cores",    "GFLOP/s",   "Gexp/s",
                                           "L1 GB/s", "L2 GB/s",   "LLC GB/s", "DRAM GB/s", "cases"};
    static const char *const rates[] = {"f32.", "exp.f32.", "bw.l1", "bw.l2", "bw.llc", "bw.dram"};
    RenderTable *table = headed(headings, 10, 2);
    size_t i, r;
    const json_t *machine, *run;
    json_array_foreach(json_object_get(model, "machines"), i, machine) {
        const char *label = results_text(machine, "label"), *hypervisor = results_text(machine, "cpu.hyp");
        long long cases = 0;
        json_array_foreach(json_object_get(model, "runs"), r, run)
            if (strcmp(results_text(run, "machine"), results_text(machine, "mkey")) == 0)
                cases += json_integer_value(json_object_get(run, "cases"));
        render_row(table);
        render_cell(table, STYLE_PLAIN, "%s%s%s%s", results_text(machine, "mkey"), *label ? " (" : "", label, *label ? ")" : "");
        render_cell(table, STYLE_PLAIN, "%s, family %.0f model %.0f%s%s", results_text(machine, "cpu.brand"),
                    results_number(machine, "cpu.family"), results_number(machine, "cpu.model"), *hypervisor ? ", guest of " : "",
                    hypervisor);
        render_cell(table, STYLE_PLAIN, "%.0f", results_number(machine, "topo.cores"));
        for (size_t k = 0; k < sizeof rates / sizeof *rates; k++)
            rate_cell(table, best_rate(machine, rates[k]));
        render_cell(table, STYLE_PLAIN, "%lld", cases);
    }
    fputs("### Machines\n\nRates are of one thread, the highest that the latest run measured.\n\n", to);
    print(table, to);
}

static void shares(const Points *points, FILE *to)
{
    const CompareOptions options = {.row = {{KEY_SHAPE}, 1}, .column = {{KEY_KERNEL}, 1}, .metric = METRIC_ROOF, .alpha = 0.01,
                                    .table = {{KEY_MACHINE, KEY_OP, KEY_DTYPE, KEY_THREADS, KEY_CACHE, KEY_DIST}, 6}};
    Compare compare;
    char error[RESULTS_ERROR];
    if (!compare_make(&compare, points, &options, error, sizeof error)) {
        render_error("%s", error);
    } else {
        fputs("\n### Share of the roof\n\nThe least time that multiply-adds, exponentials and memory allow, over the measured time; the "
              "latest "
              "measurement of each.\n\n",
              to);
        compare_print_tables(&compare, &options, "####", to);
    }
    compare_free(&compare);
}

static void agreement(const json_t *model, FILE *to)
{
    static const char *const headings[] = {"kernel", "passed", "failed", "skipped", "worst eta", "worst z", "worst error"};
    RenderTable *table = headed(headings, 7, 1);
    size_t i;
    const json_t *kernel;
    json_array_foreach(json_object_get(model, "agreement"), i, kernel) {
        render_row(table);
        render_cell(table, STYLE_PLAIN, "%s", results_text(kernel, "kernel"));
        render_cell(table, STYLE_PLAIN, "%.0f", results_number(kernel, "pass"));
        render_cell(table, STYLE_PLAIN, "%.0f", results_number(kernel, "fail") + results_number(kernel, "crash"));
        render_cell(table, STYLE_PLAIN, "%.0f", results_number(kernel, "skip"));
        for (size_t k = 0; k < 3; k++) {
            const double worst = results_number(kernel, (const char *const[]){"eta", "z", "max_abs"}[k]);
            if (isnan(worst))
                render_cell(table, STYLE_PLAIN, "-");
            else
                render_cell(table, STYLE_PLAIN, k == 2 ? "%.1e" : "%.3f", worst);
        }
    }
    fputs("\n### Agreement with double precision\n\nOver all shapes and machines above: eta is the error over its proven bound (above 1 "
          "fails), z over its "
          "modelled deviation (above 12 fails).\n\n",
          to);
    print(table, to);
}

static void trust(const json_t *model, FILE *to)
{
    size_t i, held = 0, excluded = 0, count = 0;
    const json_t *control;
    json_array_foreach(json_object_get(model, "controls"), i, control) {
        count++;
        excluded += json_is_false(json_object_get(control, "ok"));
        held += json_is_true(json_object_get(control, "ok"));
    }
    fprintf(to, "\n%zu runs, %.0f measurements.", json_array_size(json_object_get(model, "runs")), results_number(model, "measured"));
    if (count > 0)
        fprintf(to,
                " A kernel against its own copy: %zu of %zu controls ok (the interval holds 1, within %.0f %%), %zu exclude 1, %zu say "
                "nothing.",
                held, count, 100 * KNOWN_MARGIN, excluded, count - held - excluded);
    fputc('\n', to);
}

int report_markdown(const Loaded *loaded, FILE *to)
{
    json_t *model = report_model(loaded);
    if (!model) {
        render_error("out of memory for %zu records", loaded->results.records);
        return EXIT_USAGE;
    }
    machines(model, to);
    if (loaded->points.count > 0)
        shares(&loaded->points, to);
    if (json_array_size(json_object_get(model, "agreement")) > 0)
        agreement(model, to);
    report_markdown_micro(model, to);
    report_markdown_builds(model, to);
    trust(model, to);
    json_decref(model);
    return EXIT_OK;
}
