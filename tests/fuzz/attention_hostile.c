/* attention_hostile.c - see attention_hostile.h. Two tables: what is wrong with a problem, which needs no tensors, and what is wrong with
 * the tensors or the workspace of a run. A row that does not apply to the case at hand says so. */
#include "tests/fuzz/attention_hostile.h"

#include <string.h>

#include "tests/fuzz/target.h"

/* Each returns a name if it made the problem wrong, else NULL. */
static const char *break_problem(AttnProblem *p, Choices *c)
{
    const double wild[] = {NAN, INFINITY, -INFINITY, 0x1p127, -0x1p127};
    const size_t large[] = {ATTN_MAX_SIZE + 1, SIZE_MAX, SIZE_MAX / 2};
    const int64_t far[] = {(int64_t)ATTN_MAX_SIZE + 1, INT64_MAX, INT64_MIN, -2};
    size_t *const sizes[] = {&p->batch, &p->q_heads, &p->q_len, &p->k_len, &p->d, &p->dv, &p->kv_heads};
    switch (choose(c, 16)) {
    case 0:
        p->size = choose(c, 200);
        return p->size < 100 ? "a struct too small" : NULL;
    case 1:
        *sizes[choose(c, 7)] = large[choose(c, 3)];
        return "a size too large";
    case 2:
        p->d = 0;
        return "d 0";
    case 3:
        p->dv = 0;
        return "dv 0";
    case 4:
        p->kv_heads = 0;
        return "kv_heads 0";
    case 5:
        p->q_heads = p->kv_heads + 1;
        return p->kv_heads > 1 ? "heads that do not divide" : NULL;
    case 6:
        p->scale = wild[choose(c, 5)];
        return "a scale out of range";
    case 7:
        p->softcap = maybe(c, 50) ? -1.0 : wild[choose(c, 3)];
        return "a soft-cap out of range";
    case 8:
        p->align = (AttnAlign)(4 + choose(c, 100));
        return "an unknown align";
    case 9:
        p->score = (AttnScore)(3 + choose(c, 100));
        return "an unknown score";
    case 10:
        p->window = true;
        *(maybe(c, 50) ? &p->window_left : &p->window_right) = far[choose(c, 4)];
        return "a width of a window out of range";
    case 11:
        p->align = ATTN_ALIGN_OFFSET;
        p->offset = far[choose(c, 3)];
        return "an offset out of range";
    case 12:
        p->o.dtype = (AttnDtype)(maybe(c, 50) ? 77 : ATTN_BOOL);
        return "o of an odd type";
    case 13:
        p->mask.dtype = ATTN_F32;
        return "a mask of numbers";
    case 14:
        p->past_len = p->k_len + 1;
        return "a past longer than all keys";
    default:
        p->o.row = 0;
        return p->q_len > 1 && p->batch > 0 && !p->varlen ? "rows of o in one place" : NULL; /* ragged: a run knows */
    }
}

static bool hostile_problem(AttentionCase *x, Choices *c)
{
    AttnProblem p = x->p;
    AttnPlan *plan = (AttnPlan *)(uintptr_t)64;
    const char *what = break_problem(&p, c);
    if (!what)
        return true;
    if (!refused(&x->rooms, attn_problem_check(&p), what) || !refused(&x->rooms, attn_plan_create(&p, NULL, &plan), what))
        return false;
    return plan == NULL || found("%s was refused, but there is a plan", what);
}

/* Makes the tensors wrong; numbers among them are put back by `put`. */
typedef struct Put {
    int64_t *at, old;
} Put;

static void set(Put *put, const int64_t *at, int64_t value)
{
    put->at = (int64_t *)(uintptr_t)at;
    put->old = *put->at;
    *put->at = value;
}

static const char *break_tensors(const AttnProblem *p, AttnTensors *t, Choices *c, Put *put, bool filled)
{
    const int64_t beyond = (int64_t)ATTN_MAX_SIZE + 1, wild[] = {-1, INT64_MIN, INT64_MAX};
    static float spare[4];
    switch (choose(c, 16)) {
    case 0:
        t->size = choose(c, 60);
        return "tensors of an odd size";
    case 1:
        t->q = NULL;
        return filled ? "q NULL" : NULL;
    case 2:
        t->o = NULL;
        return filled ? "o NULL" : NULL;
    case 3:
        t->q = t->q ? (const char *)t->q + 1 : NULL;
        return filled ? "q not aligned" : NULL;
    case 4:
        t->o = t->o ? (char *)t->o + 2 : NULL;
        return filled ? "o not aligned" : NULL;
    case 5:
        t->o = (void *)(uintptr_t)t->q;
        return filled ? "o upon q" : NULL;
    case 6:
        t->lse = p->lse.dtype ? NULL : spare;
        return filled || !p->lse.dtype ? "lse against the problem" : NULL;
    case 7:
        t->mask = p->mask.dtype ? NULL : spare;
        return (filled && p->k_len > 0) || !p->mask.dtype ? "mask against the problem" : NULL;
    case 8:
        t->sinks = p->sinks ? NULL : spare;
        return "sinks against the problem";
    case 9:
        t->w = p->score == ATTN_SCORE_ADDITIVE ? NULL : spare;
        return "w against the problem";
    case 10:
        if (!p->kv_lengths || p->batch == 0)
            return NULL;
        set(put, t->kv_lengths + choose(c, p->batch), maybe(c, 50) ? (int64_t)p->k_len + 1 : wild[choose(c, 3)]);
        return "a length out of range";
    case 11:
        if (p->align != ATTN_ALIGN_OFFSETS || p->batch == 0)
            return NULL;
        set(put, t->offsets + choose(c, p->batch), maybe(c, 50) ? beyond : wild[1 + choose(c, 2)]);
        return "an offset out of range";
    case 12:
        if (!p->varlen || p->batch == 0)
            return NULL;
        set(put, (maybe(c, 50) ? t->cu_q : t->cu_k) + choose(c, p->batch + 1), maybe(c, 50) ? beyond * 2 : wild[choose(c, 3)]);
        return "cumulative lengths out of order";
    case 13:
        t->kv_lengths = p->kv_lengths ? (const int64_t *)(const void *)((const char *)t->kv_lengths + 1) : NULL;
        return p->kv_lengths && p->batch > 0 ? "kv_lengths not aligned" : NULL;
    case 14:
        t->cu_q = p->varlen ? (const int64_t *)(const void *)((const char *)t->cu_q + 4) : NULL;
        return p->varlen ? "cu_q not aligned" : NULL;
    default:
        t->k_past = p->past_len > 0 ? NULL : spare;
        return filled || p->past_len == 0 ? "k_past against the problem" : NULL;
    }
}

static bool hostile_tensors(AttentionCase *x, Choices *c)
{
    const AttnProblem *p = &x->p;
    AttnTensors t = x->t;
    AttnPlan *plan;
    Put put = {NULL, 0};
    if (attn_plan_create(p, NULL, &plan) != ATTN_OK)
        return found("a valid problem has no plan: %s", attn_last_error());
    Workspace workspace = workspace_make(c, attn_plan_workspace(plan));
    char *at = workspace.at;
    size_t bytes = workspace.bytes;
    const char *what;
    rooms_restore(&x->rooms);
    switch (choose(c, 8)) {
    case 1:
        bytes -= 1 + choose(c, 64);
        what = "a workspace too small";
        break;
    case 2:
        at += 1 + choose(c, 63);
        what = "a workspace not aligned";
        break;
    case 3:
        at = NULL;
        what = "a workspace NULL";
        break;
    default:
        what = break_tensors(p, &t, c, &put, x->q_rows > 0 && p->batch > 0);
    }
    const AttnStatus status = what ? attn_run(plan, &t, at, bytes) : ATTN_OK;
    if (put.at)
        *put.at = put.old;
    const bool right = !what || refused(&x->rooms, status, what);
    workspace_free(&workspace);
    attn_plan_destroy(plan);
    return right;
}

static bool hostile_options(AttentionCase *x, Choices *c)
{
    AttnPlan *plan;
    AttnOptions options = attn_options();
    const char *what = NULL;
    switch (choose(c, 5)) {
    case 0:
        options.kernel = "no_such_kernel";
        what = "an unknown kernel";
        break;
    case 1:
        options.max_isa = "no_such_isa";
        what = "an unknown ISA";
        break;
    case 2:
        options.disable = "no_such_feature";
        what = "an unknown feature";
        break;
    case 3:
        options.size = 1 + choose(c, 7);
        what = "options of an odd size";
        break;
    case 4:
        options.kernel = "linear_f32";
        what = "a kernel for something else";
        break;
    }
    const AttnStatus status = attn_plan_create(&x->p, &options, &plan);
    if (!refused(&x->rooms, status, what))
        return false;
    return plan == NULL || found("%s was refused, but there is a plan", what);
}

bool attention_hostile(AttentionCase *x, Choices *c)
{
    rooms_restore(&x->rooms);
    switch (choose(c, 4)) {
    case 0:
        return hostile_problem(x, c);
    case 3:
        return hostile_options(x, c);
    default:
        return hostile_tensors(x, c);
    }
}
