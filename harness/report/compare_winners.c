/* compare_winners.c - the fastest kernel of each machine, and what another machine's choice would cost there. All comparisons are paired:
 * the ratio `best` of a record refers to the fastest kernel in the same rounds. Kernels that did not pass their verification do not win. */
#include "harness/base/known.h"
#include "harness/base/outputs.h"
#include "harness/report/compare_show.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Winner {
    const Point *first, *second; /* of one case of one run; second NULL: no other        */
    double margin;               /* time of the second over that of the first            */
    Known next;                  /* what is known about that ratio                       */
} Winner;

static bool competes(const Point *p)
{
    return point_verified(p) && !*p->key[KEY_PEER] && strcmp(p->key[KEY_ISA], "library") != 0;
}

/* The case of `machine` in `row` with the most competing kernels, the latest one of equals; NULL: none. Returns any of its points. */
static const Point *fullest(const Points *points, const CompareKeys *keys, const Point *row, const char *machine)
{
    const Point *found = NULL;
    size_t most = 0;
    for (size_t i = 0; i < points->count; i++) {
        const Point *p = &points->at[i];
        size_t count = 0;
        if (strcmp(p->key[KEY_MACHINE], machine) != 0 || !compare_same(keys, p, row) || (i > 0 && points_paired(p, p - 1)))
            continue;
        for (const Point *q = p; q < points->at + points->count && points_paired(p, q); q++)
            count += competes(q);
        if (count > 0 && count >= most) {
            most = count;
            found = p;
        }
    }
    return found;
}

static Winner winner(const Points *points, const Point *any)
{
    Winner w = {NULL, NULL, NAN, KNOWN_FEW};
    const Point *end = points->at + points->count;
    for (const Point *p = any; p && p < end && points_paired(any, p); p++) {
        const double ratio = results_number(p->bench, "best.ratio");
        if (!competes(p))
            continue;
        /* Among our own kernels. A yardstick may be the fastest of the case; ratios to it still rank the others. */
        if (!w.first || ratio < results_number(w.first->bench, "best.ratio")) {
            w.second = w.first;
            w.first = p;
        } else if (!w.second || ratio < results_number(w.second->bench, "best.ratio")) {
            w.second = p;
        }
    }
    if (w.second) {
        const StatsInterval r = points_ratio(w.first, w.second, 0.01);
        w.margin = r.median;
        w.next = known_ratio(r.lo, r.hi);
    }
    return w;
}

static const Point *in_case(const Points *points, const Point *any, const char *kernel)
{
    for (const Point *p = any; p && p < points->at + points->count && points_paired(any, p); p++)
        if (strcmp(p->key[KEY_KERNEL], kernel) == 0)
            return p;
    return NULL;
}

typedef struct Layout {
    const Point **row, **machine;
    size_t rows, machines;
    CompareKeys keys;
    bool varies[RESULTS_KEY_COUNT];
    json_t *strings;
} Layout;

static bool lay_out(Layout *l, const Points *points, const CompareOptions *options)
{
    static const CompareKeys by_machine = {{KEY_MACHINE}, 1};
    const Point **all = calloc(points->count + 1, sizeof *all);
    *l = (Layout){.strings = json_array()};
    for (size_t i = 0; i < options->row.count; i++)
        if (options->row.at[i] != KEY_KERNEL && options->row.at[i] != KEY_MACHINE)
            l->keys.at[l->keys.count++] = options->row.at[i];
    for (size_t i = 0; all && i < points->count; i++)
        all[i] = &points->at[i];
    if (all) {
        l->rows = compare_distinct(&l->keys, points, all, points->count, &l->row);
        l->machines = compare_distinct(&by_machine, points, all, points->count, &l->machine);
    }
    free(all);
    if (!l->row || !l->machine || !l->strings) {
        render_error("out of memory for %zu measurements", points->count);
        return false;
    }
    compare_varying(&l->keys, l->row, l->rows, l->varies);
    return true;
}

static void layout_free(Layout *l)
{
    free(l->row);
    free(l->machine);
    json_decref(l->strings);
}

int compare_winners(const Cli *cli, const Points *points, const CompareOptions *options)
{
    Layout l;
    if (!lay_out(&l, points, options)) {
        layout_free(&l);
        return EXIT_USAGE;
    }
    static const RenderColumn columns[] = {{"case", "case", RENDER_TEXT},       {"machine", "machine", RENDER_TEXT},
                                           {"fastest", "fastest", RENDER_TEXT}, {"time", "time_s", RENDER_NUMBER},
                                           {"next", "next", RENDER_TEXT},       {"margin", "margin", RENDER_NUMBER},
                                           {"verdict", "verdict", RENDER_TEXT}};
    RenderTable *table = render_table_of(columns, sizeof columns / sizeof *columns);
    for (size_t r = 0; r < l.rows; r++)
        for (size_t m = 0; m < l.machines; m++) {
            const Winner w = winner(points, fullest(points, &l.keys, l.row[r], l.machine[m]->key[KEY_MACHINE]));
            char text[64];
            if (!w.first)
                continue;
            render_row(table);
            render_cell(table, STYLE_PLAIN, "%s", compare_label(l.strings, &l.keys, l.varies, l.row[r]));
            render_cell(table, STYLE_PLAIN, "%s", w.first->key[KEY_MACHINE]);
            render_cell(table, STYLE_GOOD, "%s", w.first->key[KEY_KERNEL]);
            render_value(table, STYLE_PLAIN, w.first->median, "%s", render_time(w.first->median, text, sizeof text));
            if (w.second) {
                render_cell(table, STYLE_PLAIN, "%s", w.second->key[KEY_KERNEL]);
                render_value(table, STYLE_PLAIN, w.margin, "%s", compare_value(METRIC_SPEEDUP, w.margin, text, sizeof text));
            } else {
                render_missing(table);
                render_missing(table);
            }
            render_cell(table, STYLE_DIM, "%s", !w.second ? "alone" : w.next == KNOWN_SLOWER ? "faster" : known_word(w.next));
        }
    const int code = outputs_table(cli->outputs, table);
    render_table_free(table);
    layout_free(&l);
    return code;
}

/* Has the machine of this case the instruction set that the kernel is named for? Features begin with its name: avx512 -> avx512f. */
static bool machine_has(const Point *any, const char *isa)
{
    const json_t *features = json_object_get(any->run->host, "isa"), *feature;
    size_t i;
    json_array_foreach(features, i, feature)
        if (json_is_string(feature) && strncmp(json_string_value(feature), isa, strlen(isa)) == 0)
            return true;
    return strcmp(isa, "portable") == 0;
}

typedef struct Loss {
    double sum, worst;
    size_t count, missing;
} Loss;

static void add_loss(RenderTable *table, const Points *points, const Point *here, const Winner *own, const Winner *other, Loss *loss)
{
    if (!other->first) {
        render_missing(table);
        return;
    }
    const Point *p = in_case(points, here, other->first->key[KEY_KERNEL]);
    if (!p) {
        const bool has = machine_has(here, other->first->key[KEY_ISA]);
        loss->missing++;
        render_cell(table, STYLE_DIM, "n/a: %s%s", has ? "not measured: " : "no ",
                    has ? other->first->key[KEY_KERNEL] : other->first->key[KEY_ISA]);
        return;
    }
    const StatsInterval r = p == own->first ? (StatsInterval){0, 1, 1, 1} : points_ratio(own->first, p, 0.01);
    const Known known = known_ratio(r.lo, r.hi);
    loss->sum += log(r.median);
    loss->worst = r.median > loss->worst ? r.median : loss->worst;
    loss->count++;
    if (p == own->first)
        render_value(table, STYLE_DIM, 0, "0 %%");
    else
        render_value(table, known == KNOWN_SLOWER ? STYLE_BAD : STYLE_PLAIN, r.median - 1, "%+.1f %%%s", 100 * (r.median - 1),
                     known == KNOWN_TIED ? " =" : known == KNOWN_NOT || known == KNOWN_FEW ? " ?" : "");
}

static void add_losses(RenderTable *table, const Loss *losses, size_t count, const char *what, bool worst)
{
    render_row(table);
    render_cell(table, STYLE_BOLD, "%s", what);
    render_cell(table, STYLE_PLAIN, "%s", "");
    render_cell(table, STYLE_PLAIN, "%s", "");
    for (size_t x = 0; x < count; x++) {
        if (losses[x].count == 0) {
            render_missing(table);
            continue;
        }
        const double loss = (worst ? losses[x].worst : exp(losses[x].sum / (double)losses[x].count)) - 1;
        render_value(table, STYLE_BOLD, loss, "%+.1f %% (%zu cases)", 100 * loss, losses[x].count);
    }
}

int compare_portability(const Cli *cli, const Points *points, const CompareOptions *options)
{
    Layout l;
    int code = EXIT_USAGE;
    Loss *losses = NULL;
    if (!lay_out(&l, points, options)) {
        layout_free(&l);
        return EXIT_USAGE;
    }
    if (l.machines < 2) {
        render_error("--portability needs records of two machines or more; these are of %zu: run bench on another one and merge",
                     l.machines);
        layout_free(&l);
        return EXIT_NOTHING;
    }
    RenderTable *table = render_table(3 + l.machines);
    losses = calloc(l.machines, sizeof *losses);
    render_column(table, 0, "case", false);
    render_column(table, 1, "on", false);
    render_column(table, 2, "own choice", false);
    for (size_t x = 0; x < l.machines; x++) {
        char heading[300];
        char name[300];
        snprintf(heading, sizeof heading, "choice of %.250s", l.machine[x]->key[KEY_MACHINE]);
        snprintf(name, sizeof name, "loss_share_by_%.250s", l.machine[x]->key[KEY_MACHINE]);
        render_column_as(table, 3 + x, (RenderColumn){heading, name, RENDER_NUMBER});
    }
    for (size_t r = 0; losses && r < l.rows; r++)
        for (size_t m = 0; m < l.machines; m++) {
            const Point *here = fullest(points, &l.keys, l.row[r], l.machine[m]->key[KEY_MACHINE]);
            const Winner own = winner(points, here);
            if (!own.first)
                continue;
            render_row(table);
            render_cell(table, STYLE_PLAIN, "%s", compare_label(l.strings, &l.keys, l.varies, l.row[r]));
            render_cell(table, STYLE_PLAIN, "%s", own.first->key[KEY_MACHINE]);
            render_cell(table, STYLE_PLAIN, "%s", own.first->key[KEY_KERNEL]);
            for (size_t x = 0; x < l.machines; x++) {
                const Winner other = winner(points, fullest(points, &l.keys, l.row[r], l.machine[x]->key[KEY_MACHINE]));
                Loss own_loss = {0};
                add_loss(table, points, here, &own, &other, x == m ? &own_loss : &losses[x]);
            }
        }
    if (losses) {
        add_losses(table, losses, l.machines, "mean loss of the others", false);
        add_losses(table, losses, l.machines, "worst loss of the others", true);
        code = outputs_table(cli->outputs, table);
    }
    free(losses);
    render_table_free(table);
    layout_free(&l);
    return code;
}
