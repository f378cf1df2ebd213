/* scoreboard.c - counts, FAIL lines, tables, records of verify. */
#include "harness/base/stop.h"
#include "harness/suite/scoreboard.h"

#include <stdio.h>
#include <string.h>

#include "dispatch/cpu.h"
#include "dispatch/registry.h"
#include "harness/base/outputs.h"
#include "harness/records/verdict.h"

enum { MOST_FAILS = 8 }; /* FAIL lines printed per kernel; all are counted and recorded */

static size_t failures(const Score *s)
{
    size_t n = 0;
    for (int judge = 0; judge < JUDGE_COUNT; judge++)
        n += s->caught[judge];
    return n;
}

static size_t total(const size_t *three)
{
    return three[JOB_CASE] + three[JOB_EXACT] + three[JOB_SPECIAL];
}

static void write_record(Scoreboard *board, const Score *s, const char *name, const VerifyResult *r)
{
    const char *ref = board->longdouble && s->who.op->longdouble ? "longdouble" : "double";
    json_t *record = verdict_record(name, &s->who, r, ref, r->why);
    if (!record || !records_write(board->records, "verify", record))
        board->broken = true;
}

static void print_failure(const Scoreboard *board, const Score *s, const char *name, const VerifyResult *r)
{
    render_progress_end();
    const bool colored = board->notes == stdout && render_colored();
    fprintf(board->notes, "%sFAIL%s %s %s", colored ? "\033[31m" : "", colored ? "\033[0m" : "", s->who.name,
            verify_judge_name(r->judge));
    if (r->judge == JUDGE_BOUND || r->judge == JUDGE_MODEL)
        fprintf(board->notes, " (worst eta %.3g, limit 1; worst z %.3g, limit 12)", r->eta, r->z);
    fprintf(board->notes, " %s\n     %s\n     repro: %s\n", name, r->why, r->repro);
    fflush(board->notes);
}

void scoreboard_add(Scoreboard *board, size_t kernel, const Job *job, const VerifyResult *r)
{
    Score *s = &board->scores[kernel];
    const char *name = job->name;
    if (board->records)
        write_record(board, s, name, r);
    if (r->status == VERIFY_SKIP) {
        if (s->skipped++ == 0)
            memcpy(s->why, r->why, sizeof s->why);
        return;
    }
    if (r->status == VERIFY_UNABLE) {
        if (s->unable++ == 0)
            memcpy(s->no_room, r->why, sizeof s->no_room);
        if (!board->silent && strcmp(board->last_unable, name) != 0 && board->unable++ < MOST_FAILS) { /* once for all kernels */
            render_progress_end();
            fprintf(board->notes, "%s: %s\n", name, r->why);
            fflush(board->notes);
        }
        snprintf(board->last_unable, sizeof board->last_unable, "%s", name);
        return;
    }
    s->ran[job->kind]++;
    if (job->kind == JOB_CASE) {
        s->eta = r->eta > s->eta ? r->eta : s->eta;
        s->z = r->z > s->z ? r->z : s->z;
    }
    if (r->status == VERIFY_PASS) {
        s->passed[job->kind]++;
        return;
    }
    s->caught[r->judge]++;
    if (!board->silent && failures(s) <= MOST_FAILS)
        print_failure(board, s, name, r);
    else if (!board->silent && failures(s) == MOST_FAILS + 1)
        fprintf(board->notes, "FAIL %s: more follow, which are counted but not printed\n", s->who.name);
}

/* Was the run stopped before the kernel had finished? Then it has passed nothing. */
static bool unfinished(const Score *s)
{
    return total(s->ran) + s->skipped < total(s->due); /* what could not be run is not judged */
}

void scoreboard_demand_all(Scoreboard *board)
{
    static const char *const names[] = {[JOB_CASE] = "cases", [JOB_EXACT] = "exact", [JOB_SPECIAL] = "special"};
    for (size_t k = 0; k < board->count; k++) {
        Score *s = &board->scores[k];
        const bool ours = attn_registry_find(s->who.kernel->name) == s->who.kernel;
        for (int kind = JOB_CASE; ours && s->runnable && !unfinished(s) && kind <= JOB_SPECIAL; kind++) {
            if (s->due[kind] == 0 || s->ran[kind] > 0)
                continue;
            VerifyResult r = {0};
            verdict_fail(&r, JUDGE_ERROR, "none of %zu was tried: %.150s", s->due[kind], s->why);
            snprintf(r.repro, sizeof r.repro, "attnzoo verify -k %s", s->who.name);
            s->caught[JUDGE_ERROR]++;
            print_failure(board, s, names[kind], &r);
            if (board->records)
                write_record(board, s, names[kind], &r);
        }
    }
}

/* The verdict for programs and for people. */
static void unfinished_cell(RenderTable *t, const Score *s)
{
    const size_t judged = total(s->ran) + s->skipped;
    render_cell(t, STYLE_PLAIN, "%s", "unfinished");
    if (s->unable)
        render_cell(t, STYLE_WARN, "%zu of %zu %s", s->unable, total(s->due), s->no_room);
    else if (judged == 0)
        render_cell(t, STYLE_DIM, "not reached");
    else
        render_cell(t, STYLE_WARN, "%s after %zu of %zu cases", stop_signal ? "interrupted" : "stopped", judged, total(s->due));
}

static void fraction(RenderTable *t, size_t passed, size_t ran)
{
    if (ran)
        render_value(t, passed == ran ? STYLE_PLAIN : STYLE_BAD, (double)passed, "%zu/%zu", passed, ran);
    else
        render_value(t, STYLE_DIM, 0, "-");
    render_number(t, (double)ran);
}

/* For people and for programs; "-": missing. */
static void judged_cell(RenderTable *t, const char *word)
{
    if (strcmp(word, "-") == 0)
        render_missing(t);
    else
        render_cell(t, strcmp(word, "FAIL") == 0 ? STYLE_BAD : STYLE_PLAIN, "%s", word);
}

static void kernel_row(RenderTable *t, const Scoreboard *board, const Score *s)
{
    char names[200];
    const bool unwatched = !s->who.op->guarded; /* its judge checks results only */
    const bool guarded = s->caught[JUDGE_CANARY] + s->caught[JUDGE_STATE] + s->caught[JUDGE_CRASH] == 0, ran = total(s->ran) > 0;
    render_row(t);
    render_cell(t, STYLE_PLAIN, "%s", s->who.name);
    render_cell(t, STYLE_DIM, "%s", s->who.isa ? attn_cpu_feature_names(s->who.isa, names, sizeof names) : "any");
    for (int kind = JOB_CASE; kind <= JOB_SPECIAL; kind++)
        fraction(t, s->passed[kind], s->ran[kind]);
    if (s->ran[JOB_CASE]) {
        render_value(t, s->eta > 1.0 ? STYLE_BAD : STYLE_PLAIN, s->eta, "%.3f", s->eta);
        render_value(t, s->z > 12.0 ? STYLE_BAD : s->z > 6.0 ? STYLE_WARN : STYLE_PLAIN, s->z, "%.1f", s->z);
    } else {
        render_missing(t);
        render_missing(t);
    }
    judged_cell(t, !guarded ? "FAIL" : !ran || unwatched ? "-" : "ok");
    judged_cell(t, s->caught[JUDGE_BITWISE] ? "FAIL" : !s->ran[JOB_CASE] || unwatched ? "-" : board->bitwise ? "ok" : "control");
    if (failures(s) || !unfinished(s))
        render_cell(t, STYLE_PLAIN, "%s", failures(s) ? "fail" : !ran ? "skip" : "pass");
    if (failures(s))
        render_cell(t, STYLE_BAD, "FAIL");
    else if (unfinished(s))
        unfinished_cell(t, s);
    else if (!ran)
        render_cell(t, STYLE_DIM, "skip: %s", s->why);
    else if (s->skipped)
        render_cell(t, STYLE_GOOD, "PASS, %zu skipped: %s", s->skipped, s->why);
    else
        render_cell(t, STYLE_GOOD, "PASS");
    render_number(t, (double)s->skipped);
    if (!failures(s) && !unfinished(s) && s->skipped)
        render_cell(t, STYLE_PLAIN, "%s", s->why);
}

/* jsonl gets the records instead, as they are made. */
static int write_table(void *context, const Output *out)
{
    if (strcmp(out->format, "jsonl") != 0)
        render_table_as(context, out->format, out->file);
    return EXIT_OK;
}

int scoreboard_finish(const Scoreboard *board)
{
    static const RenderColumn columns[] = {
        {"kernel", "kernel", RENDER_TEXT},           {"needs", "needs", RENDER_TEXT},
        {"cases", "cases_passed", RENDER_COUNT},     {NULL, "cases_run", RENDER_COUNT},
        {"exact", "exact_passed", RENDER_COUNT},     {NULL, "exact_run", RENDER_COUNT},
        {"special", "special_passed", RENDER_COUNT}, {NULL, "special_run", RENDER_COUNT},
        {"eta", "eta", RENDER_NUMBER},               {"z", "z", RENDER_NUMBER},
        {"guard", "guard", RENDER_TEXT},             {"bitwise", "bitwise", RENDER_TEXT},
        {NULL, "verdict", RENDER_TEXT},              {"verdict", NULL, RENDER_TEXT},
        {NULL, "skipped", RENDER_COUNT},             {NULL, "skip_why", RENDER_TEXT}};
    RenderTable *t = render_table_of(columns, sizeof columns / sizeof *columns);
    size_t passed = 0, failed = 0, skipped = 0, crashed = 0, open = 0, unable = 0;
    for (size_t k = 0; k < board->count; k++) {
        const Score *s = &board->scores[k];
        kernel_row(t, board, s);
        failed += failures(s) > 0;
        const bool cut = failures(s) == 0 && unfinished(s);
        open += cut;
        passed += !cut && failures(s) == 0 && total(s->ran) > 0;
        skipped += !cut && failures(s) == 0 && total(s->ran) == 0;
        crashed += s->caught[JUDGE_CRASH];
        unable += s->unable;
    }
    const int code = outputs_write(board->cli->outputs, write_table, t);
    render_table_free(t);
    fprintf(board->notes, "%zu passed, %zu failed, %zu skipped", passed, failed, skipped);
    if (open)
        fprintf(board->notes, ", %zu not finished", open);
    fputc('\n', board->notes);
    return code != EXIT_OK ? code : crashed ? EXIT_CRASHED : failed ? EXIT_DISAGREE : unable || !passed ? EXIT_NOTHING : EXIT_OK;
}

int scoreboard_finish_mutants(const Scoreboard *board)
{
    static const RenderColumn columns[] = {{"mutant", "mutant", RENDER_TEXT},       {"what is broken", "broken", RENDER_TEXT},
                                           {"killed by", "killed_by", RENDER_TEXT}, {NULL, "verdict", RENDER_TEXT},
                                           {"verdict", NULL, RENDER_TEXT}};
    RenderTable *t = render_table_of(columns, sizeof columns / sizeof *columns);
    size_t killed = 0, wrong = 0, controls = 0, failing = 0, open = 0, unable = 0;
    for (size_t k = 0; k < board->count; k++) {
        const Score *s = &board->scores[k];
        char by[200] = "";
        size_t used = 0;
        for (int judge = 0; judge < JUDGE_COUNT; judge++)
            if (s->caught[judge] && used < sizeof by)
                used += (size_t)snprintf(by + used, sizeof by - used, "%s%s %zu", used ? ", " : "", verify_judge_name((VerifyJudge)judge),
                                         s->caught[judge]);
        const bool cut = failures(s) == 0 && unfinished(s);
        const bool base = k == 0 || board->scores[k - 1].who.op != s->who.op; /* of each kind the first is the unbroken one */
        const bool right = (failures(s) == 0) == base && total(s->ran) > 0 && !cut;
        render_row(t);
        render_cell(t, STYLE_PLAIN, "%s", s->who.name);
        render_cell(t, STYLE_DIM, "%s", base ? "nothing: the control" : s->who.summary);
        if (used)
            render_cell(t, STYLE_PLAIN, "%s", by);
        else
            render_missing(t);
        if (cut) {
            unfinished_cell(t, s);
        } else {
            const char *verdict = base ? (right ? "passes" : "FAILS") : right ? "killed" : "SURVIVED";
            render_cell(t, STYLE_PLAIN, "%s", base ? (right ? "passes" : "fails") : right ? "killed" : "survived");
            render_cell(t, right ? STYLE_GOOD : STYLE_BAD, "%s", verdict);
        }
        controls += base;
        failing += base && !right && !cut;
        open += cut;
        killed += !base && right;
        wrong += !right && !(cut && s->unable);
        unable += cut && s->unable;
    }
    const int code = outputs_write(board->cli->outputs, write_table, t);
    render_table_free(t);
    fprintf(board->notes, "%zu of %zu mutants killed, control %s", killed, board->count - controls, failing ? "FAILS" : open ? "not known" : "passes");
    if (open)
        fprintf(board->notes, ", %zu not finished", open);
    fputc('\n', board->notes);
    return code != EXIT_OK ? code : wrong ? EXIT_DISAGREE : unable ? EXIT_NOTHING : EXIT_OK;
}
