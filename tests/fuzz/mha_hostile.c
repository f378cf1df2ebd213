/* mha_hostile.c - see mha_hostile.h. */
#include "tests/fuzz/mha_hostile.h"

#include <string.h>

#include "tests/fuzz/target.h"

bool mha_hostile_shape(MhaInput *x, Choices *c, const AttnMha *mha)
{
    AttnMhaShape s = x->s;
    AttnMhaPlan *plan = (AttnMhaPlan *)(uintptr_t)64;
    const char *what = NULL;
    switch (choose(c, 10)) {
    case 0:
        s.size = 1 + choose(c, 60);
        what = "a shape of an odd size";
        break;
    case 1:
        s.batch = ATTN_MAX_SIZE + 1;
        what = "a batch too large";
        break;
    case 2:
        s.scale = NAN;
        what = "scale NaN";
        break;
    case 3:
        s.softcap = -1.0;
        what = "a negative soft-cap";
        break;
    case 4:
        s.weights = (AttnMhaWeightsOut)3;
        what = "unknown weights";
        break;
    case 5:
        s.mask.dtype = ATTN_F32;
        what = "a mask of numbers";
        break;
    case 6:
        s.capacity = s.k_len > 0 ? s.k_len - 1 : SIZE_MAX;
        what = s.k_len > 1 || s.k_len == 0 ? "a capacity out of range" : NULL;
        break;
    case 7:
        s.window = true;
        s.window_left = -2;
        what = "a width of a window below -1";
        break;
    case 8:
        s.align = (AttnAlign)7;
        what = "an unknown align";
        break;
    default:
        s.q_len++;
        what = x->c.sources == ATTN_MHA_SELF ? "more queries than keys in self-attention" : NULL;
    }
    const AttnStatus status = what ? attn_mha_plan_create(mha, &s, NULL, &plan) : ATTN_OK;
    return !what || (refused(&x->rooms, status, what) && (plan == NULL || found("%s was refused, but there is a plan", what)));
}

bool mha_hostile_run(MhaInput *x, Choices *c, const AttnMha *mha)
{
    static float spare[4];
    AttnMhaTensors t = x->t;
    AttnMhaPlan *plan;
    if (attn_mha_plan_create(mha, &x->s, NULL, &plan) != ATTN_OK)
        return found("a valid shape has no plan: %s", attn_last_error());
    Workspace workspace = workspace_make(c, attn_mha_plan_workspace(plan));
    char *at = workspace.at;
    size_t bytes = workspace.bytes;
    const bool rows = x->s.batch > 0 && x->s.q_len > 0;
    const char *what = NULL;
    int64_t *past = (int64_t *)(uintptr_t)t.past, kept = 0;
    switch (choose(c, 10)) {
    case 0:
        bytes -= 1 + choose(c, 64);
        what = "a workspace too small";
        break;
    case 1:
        at += 1 + choose(c, 63);
        what = "a workspace not aligned";
        break;
    case 2:
        t.y = NULL;
        what = rows ? "y NULL" : NULL;
        break;
    case 3:
        t.xq = NULL;
        what = rows ? "xq NULL" : NULL;
        break;
    case 4:
        t.y = (float *)(uintptr_t)t.xq;
        what = rows ? "y upon xq" : NULL;
        break;
    case 5:
        t.weights = x->s.weights ? NULL : spare;
        what = (rows && x->keys > 0) || !x->s.weights ? "weights against the shape" : NULL;
        break;
    case 6:
        t.sinks = x->s.sinks ? NULL : spare;
        what = "sinks against the shape";
        break;
    case 7:
        t.size = 1 + choose(c, 60);
        what = "tensors of an odd size";
        break;
    case 8:
        t.xv = x->c.sources == ATTN_MHA_SEPARATE ? NULL : spare;
        what = x->c.sources != ATTN_MHA_SEPARATE || (x->s.batch > 0 && x->s.k_len > 0) ? "xv against the configuration" : NULL;
        break;
    default:
        if (past && x->s.batch > 0) {
            kept = past[0];
            past[0] = maybe(c, 50) ? -1 : (int64_t)(x->s.capacity - x->s.k_len) + 1;
            what = "a past out of range";
        }
    }
    rooms_restore(&x->rooms);
    const AttnStatus status = what ? attn_mha_run(plan, &t, at, bytes) : ATTN_OK;
    if (past && x->s.batch > 0 && what && strcmp(what, "a past out of range") == 0)
        past[0] = kept;
    workspace_free(&workspace);
    attn_mha_plan_destroy(plan);
    return !what || refused(&x->rooms, status, what);
}
