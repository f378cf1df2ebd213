/* show.c - findings of regress as a table and as Markdown: what deserves attention in rows, what was equal in one line. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/outputs.h"
#include "harness/regress/regress.h"

enum { UNMEASURED = 6 }; /* columns from the ratio to the launches */

static void summarise(const Regress *r, char *text, size_t size)
{
    size_t decisions[4] = {0}, harmless = 0, waived = 0, unmeasured = 0, wrong = 0, counted = 0, more = 0;
    for (size_t i = 0; i < r->pair_count; i++) {
        const RegressPair *p = &r->pairs[i];
        if (p->measured && p->waiver)
            waived++;
        else if (p->measured && p->decision == DECISION_SLOWER && !p->gates)
            harmless++;
        else if (p->measured)
            decisions[p->decision]++;
        else if (p->verify.status == VERIFY_FAIL || p->verify.status == VERIFY_CRASH || p->crashed)
            wrong++;
        else
            unmeasured += r->options->time;
    }
    for (size_t i = 0; i < r->count_count; i++) {
        counted += r->counts[i].counted;
        more += r->counts[i].fails;
    }
    size_t n = r->interrupted ? (size_t)snprintf(text, size, "partial: interrupted; ") : 0;
    if (r->options->time)
        n += (size_t)snprintf(text + n, size - n, "time: %zu slower, %zu faster, %zu same, %zu inconclusive", decisions[DECISION_SLOWER],
                              decisions[DECISION_FASTER], decisions[DECISION_SAME], decisions[DECISION_INCONCLUSIVE] + unmeasured);
    if (harmless)
        n += (size_t)snprintf(text + n, size - n, ", %zu slower that dispatch does not take", harmless);
    if (waived)
        n += (size_t)snprintf(text + n, size - n, ", %zu waived", waived);
    if (wrong)
        n += (size_t)snprintf(text + n, size - n, "%s%zu wrong or crashed", n ? ", " : "", wrong);
    if (r->options->insn && r->method != INSN_NONE)
        n += (size_t)snprintf(text + n, size - n, "%sinstructions: %zu of %zu cases fail (%s)", n ? "; " : "", more, counted,
                              insn_method_name(r->method));
    else if (r->options->insn)
        snprintf(text + n, size - n, "%sinstructions not counted: %s", n ? "; " : "", r->no_insn);
}

/* "A/A 0.999 [0.991, 1.007] at worst; 5 % more work was found in 41 of 41" */
static bool controls(const Regress *r, char *text, size_t size)
{
    size_t held = 0, measured = 0;
    const RegressPair *worst = NULL;
    for (size_t i = 0; i < r->pair_count; i++) {
        const RegressPair *p = &r->pairs[i];
        if (!p->measured)
            continue;
        measured++;
        held += p->controls;
        if (!worst || fabs(log(p->same.ratio.median)) > fabs(log(worst->same.ratio.median)))
            worst = p;
    }
    if (!worst)
        return false;
    snprintf(text, size, "controls hold in %zu of %zu; the base against its copy, farthest from 1: %.3f [%.3f, %.3f] (%s on %s)", held,
             measured, worst->same.ratio.median, worst->same.ratio.lo, worst->same.ratio.hi, regress_name(worst), worst->pair.shape);
    return true;
}

/* 20261231 as 2026-12-31. */
static const char *date(int yyyymmdd, char *text, size_t size)
{
    snprintf(text, size, "%04d-%02d-%02d", yyyymmdd / 10000, yyyymmdd / 100 % 100, yyyymmdd % 100);
    return text;
}

static void waiver_note(RenderTable *table, const Waiver *waiver, const Waiver *expired, const char *otherwise)
{
    char day[40];
    if (waiver)
        render_cell(table, STYLE_WARN, "waived until %s: %s", date(waiver->until, day, sizeof day), waiver->reason);
    else if (expired)
        render_cell(table, STYLE_BAD, "the waiver of line %zu ended %s: %s", expired->line, date(expired->until, day, sizeof day),
                    expired->reason);
    else
        render_cell(table, STYLE_DIM, "%s", otherwise);
}

static void add_pair(RenderTable *table, const Regress *r, const RegressPair *p)
{
    static const RenderStyle styles[] = {STYLE_PLAIN, STYLE_GOOD, STYLE_BAD, STYLE_WARN};
    char note[600], choice[160] = "";
    render_row(table);
    render_cell(table, STYLE_PLAIN, "%s", p->pair.shape);
    render_cell(table, STYLE_PLAIN, "%s", regress_name(p));
    if (p->dispatch)
        render_missing(table);
    else
        render_cell(table, p->taken ? STYLE_PLAIN : STYLE_DIM, "%s", regress_taken(r, p));
    render_cell(table, STYLE_PLAIN, "time");
    if (!p->measured) {
        for (size_t c = 0; c < UNMEASURED; c++)
            render_missing(table);
        const bool bad = p->crashed || p->verify.status == VERIFY_FAIL || p->verify.status == VERIFY_CRASH;
        const bool crash = p->crashed || p->verify.status == VERIFY_CRASH;
        render_cell(table, bad ? STYLE_BAD : STYLE_WARN, "%s", crash ? "CRASH" : bad ? "WRONG" : p->interrupted ? "interrupted" : "inconclusive");
        render_cell(table, STYLE_PLAIN, "%s", p->why[0] ? p->why : "not measured");
        return;
    }
    const StatsInterval ratio = p->found.ratio;
    const size_t agree = ratio.median >= 1 ? p->found.above : p->found.below;
    render_value(table, STYLE_PLAIN, ratio.median, "%.3f", ratio.median);
    render_cell(table, STYLE_PLAIN, "[%.3f, %.3f]", ratio.lo, ratio.hi);
    render_number(table, ratio.lo);
    render_number(table, ratio.hi);
    render_value(table, STYLE_PLAIN, (double)agree, "%zu/%zu", agree, p->found.launches);
    render_number(table, (double)p->found.launches);
    const bool harmless = p->decision == DECISION_SLOWER && !p->gates;
    render_cell(table, harmless ? STYLE_WARN : styles[p->decision], "%s",
                p->interrupted ? "interrupted" : p->decision == DECISION_SLOWER && !harmless ? "SLOWER" : decision_name(p->decision));
    if (p->dispatch)
        regress_choice(p, choice, sizeof choice);
    const char *comma = choice[0] ? "; " : "";
    if (p->decision == DECISION_INCONCLUSIVE && p->why[0])
        snprintf(note, sizeof note, "%s%s%s", choice, comma, p->why);
    else
        snprintf(note, sizeof note, "%s%sthreshold %.1f %%%s%s", choice, comma, 100 * p->min_effect, p->again ? ", measured twice" : "",
                 harmless ? "; dispatch does not take it: no failure" : "");
    waiver_note(table, p->waiver, p->expired, note);
}

static void add_count(RenderTable *table, const RegressCount *c, bool alike)
{
    char note[120];
    render_row(table);
    render_cell(table, STYLE_PLAIN, "%s", c->pair.shape);
    render_cell(table, STYLE_PLAIN, "%s", c->pair.kernel);
    render_missing(table);
    render_cell(table, STYLE_PLAIN, "instructions");
    if (!c->counted) {
        for (size_t i = 0; i < UNMEASURED; i++)
            render_missing(table);
        render_cell(table, STYLE_WARN, "not counted");
        render_cell(table, STYLE_PLAIN, "%s", c->why[0] ? c->why : "not reached");
        return;
    }
    render_value(table, STYLE_PLAIN, (double)c->head / (double)c->base, "%.3f", (double)c->head / (double)c->base);
    for (size_t i = 1; i < UNMEASURED; i++)
        render_missing(table);
    render_cell(table, c->fails ? STYLE_BAD : STYLE_PLAIN, "%s", c->fails ? "MORE" : insn_outcome(c->base, c->head));
    snprintf(note, sizeof note, "%llu -> %llu instructions%s", (unsigned long long)c->base, (unsigned long long)c->head,
             !insn_fails(c->base, c->head) ? ""
             : !alike                      ? ", another compiler or flags"
             : !c->gates                   ? "; dispatch does not take it: no failure"
                                           : "");
    waiver_note(table, c->waiver, c->expired, note);
}

/* all: every row; else of the instruction counts only those that differ. */
static RenderTable *make_table(const Regress *r, bool all)
{
    static const RenderColumn columns[] = {
        {"case", "case", RENDER_TEXT},
        {"kernel", "kernel", RENDER_TEXT},
        {"taken by", "taken_by", RENDER_TEXT},
        {NULL, "of", RENDER_TEXT},
        {"head/base", "head_over_base", RENDER_NUMBER}, /* the first of UNMEASURED columns */
        {"CI", NULL, RENDER_NUMBER},
        {NULL, "lo", RENDER_NUMBER},
        {NULL, "hi", RENDER_NUMBER},
        {"launches", "launches_agree", RENDER_COUNT},
        {NULL, "launches", RENDER_COUNT},
        {"verdict", "verdict", RENDER_TEXT},
        {"note", "note", RENDER_TEXT},
    };
    RenderTable *table = render_table_of(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < r->pair_count; i++)
        if (regress_shown(r, &r->pairs[i]))
            add_pair(table, r, &r->pairs[i]);
    for (size_t i = 0; i < r->count_count; i++) {
        const RegressCount *c = &r->counts[i];
        if (all || (c->counted ? c->head != c->base : r->method != INSN_NONE))
            add_count(table, c, r->alike);
    }
    return table;
}

void regress_print(const Regress *r, const Cli *cli, const Output *out)
{
    char text[1200];
    const bool plain = strcmp(out->format, "table") == 0, words = plain && !out->path;
    RenderTable *table = make_table(r, !plain || cli->verbose);
    if (words && !cli->quiet)
        printf("base %s (%s, %s)\nhead %s (%s, %s)\n", r->options->base, r->base.v1->commit, r->base.v1->compiler, r->options->head,
               r->head.v1->commit, r->head.v1->compiler);
    render_table_as(table, out->format, out->file);
    render_table_free(table);
    if (!words)
        return;
    if (controls(r, text, sizeof text))
        printf("%s\n", text);
    summarise(r, text, sizeof text);
    printf("%s\n", text);
}

void regress_write_markdown(const Regress *r, FILE *to)
{
    char text[1200];
    static const char *const titles[] = {"nothing slower", "SLOWER", "", "inconclusive", "nothing compared", "a kernel crashed"};
    const int code = regress_code(r);
    fprintf(to, "### Kernels: %s\n\nBase `%s`, head `%s`, %s.\n\n",
            r->interrupted ? "interrupted, a part" : titles[code >= 0 && code <= 5 ? code : 4], r->base.v1->commit, r->head.v1->commit,
            r->head.v1->compiler);
    RenderTable *table = make_table(r, false);
    render_table_markdown(table, to);
    render_table_free(table);
    if (controls(r, text, sizeof text))
        fprintf(to, "\n%s.\n", text);
    summarise(r, text, sizeof text);
    fprintf(to, "\n%s.\n", text);
}
