/* mha_views.h - numbers the tensors of one run of multi-head attention, in one order for all checks. */
#ifndef ATTN_MHA_VIEWS_H
#define ATTN_MHA_VIEWS_H

#include "dispatch/mha.h"
#include "dispatch/view.h"

/* Outputs first. */
enum {
    MHA_Y, MHA_WEIGHTS, MHA_K_CACHE, MHA_V_CACHE, MHA_OUTPUTS,
    MHA_XQ = MHA_OUTPUTS, MHA_XK, MHA_XV, MHA_KEY_MASK, MHA_MASK, MHA_BIAS, MHA_OFFSETS, MHA_KV_LENGTHS, MHA_SLOPES, MHA_SINKS,
    MHA_Q_POSITIONS, MHA_K_POSITIONS, MHA_PAST, MHA_VIEWS
};

void attn_mha_views(const AttnMhaPlan *plan, AttnView view[MHA_VIEWS]);

#endif
