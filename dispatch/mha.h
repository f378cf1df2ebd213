/* mha.h - what the files of multi-head attention share.
 *
 *     mha_create.c   config + weights -> AttnMha: everything packed into one block of memory
 *     mha_plan.c     + shape          -> AttnMhaPlan: the problem of the attention inside, the layout of the workspace
 *     mha_check.c    + tensors        -> refused, or ready to run
 *     mha.c          the run: project, rotate, append, mask, attend, project back
 *     mha_mask.c, mha_cache.c, rope.c, norm.c   its steps */
#ifndef ATTN_MHA_H
#define ATTN_MHA_H

#include "dispatch/linear.h"
#include "dispatch/plan.h"

/* One matrix product with its packed weights. */
typedef struct AttnProjection {
    size_t inputs, outputs;
    const void *packed;
    const float *bias; /* NULL: none */
} AttnProjection;

struct AttnMha {
    AttnMhaConfig c;
    const AttnKernel *kernel;        /* the linear kernel                                                           */
    size_t q_width, k_width, v_width;/* Hq d, Hkv d, Hkv dv                                                         */
    size_t o_width, y_width;         /* Hq dv, and that or E                                                        */
    size_t extras;                   /* rows after the projected keys: bias_k, zero                                 */
    size_t inputs;                   /* products: 1 self, 2 cross, 3 separate                                       */
    AttnProjection in[3], out;
    const float *bias_k, *bias_v;    /* NULL: none                                                                  */
    const float *norm_weight, *norm_bias;
    void *memory;                    /* what holds them                                                             */
    bool owned;
};

/* Rows of f32 in memory: [batch][row][columns]. */
typedef struct AttnPlace {
    float *at;
    ptrdiff_t batch, row;
} AttnPlace;

/* The workspace of one run, laid out; with a NULL base the addresses are NULL and only `bytes` counts. */
typedef struct AttnMhaRooms {
    AttnPlace normed;      /* normalised xq, for ATTN_NORM_PRE                             */
    AttnPlace in[3];       /* what the products give                                       */
    AttnPlace q, k, v;     /* the columns of `in` that hold them                           */
    AttnPlace o;           /* attended heads, if they are projected                        */
    uint8_t *mask;         /* combined mask                                                */
    float *bias;           /* bias with room for the extra rows                            */
    float *scores;         /* weights of all heads, where their mean is wanted             */
    int64_t *lengths;      /* [B] rows of the cache after appending                        */
    void *attention;       /* workspace of the plan inside                                 */
    size_t bytes;
    bool overflow;         /* they do not fit the address space                            */
} AttnMhaRooms;

struct AttnMhaPlan {
    const AttnMha *mha;
    AttnMhaShape s;
    AttnSettings settings;
    size_t workers;
    size_t keys;           /* what a query row may look at                                 */
    AttnProblem stated;    /* the caller's options, over the keys that the caller knows    */
    AttnProblem problem;   /* what the plan inside solves: extra rows and own mask included */
    bool fold;             /* structure goes into the mask, for the extra rows escape it   */
    bool build_mask, build_bias;
    AttnPlan *attention;
    double *frequency;     /* [rope_dims / 2] radians a position                           */
    size_t workspace;
};

AttnMhaRooms attn_mha_rooms(const AttnMhaPlan *plan, void *workspace);

/* Tensors of the attention inside, before and after extra rows and own mask (plan->stated, plan->problem). */
AttnTensors attn_mha_stated(const AttnMhaPlan *plan, const AttnMhaTensors *t, const AttnMhaRooms *rooms);
AttnTensors attn_mha_inner(const AttnMhaPlan *plan, const AttnMhaTensors *t, const AttnMhaRooms *rooms);

/* Fit to run? Copies tensors of any known size. Writes nothing but rooms->lengths. */
AttnStatus attn_mha_check(const AttnMhaPlan *plan, const AttnMhaTensors *tensors, const AttnMhaRooms *rooms, AttnMhaTensors *out);

/* mha_mask.c: the combined mask and the widened bias; the mean of weights over heads. */
void attn_mha_build_masks(const AttnMhaPlan *plan, const AttnMhaTensors *t, const AttnMhaRooms *rooms);
void attn_mha_mean_weights(const AttnMhaPlan *plan, const AttnMhaTensors *t, const AttnMhaRooms *rooms);

/* mha_cache.c: past[b] + k_len <= capacity, and lengths; copying the new rows behind the past ones. */
AttnStatus attn_mha_check_cache(const AttnMhaPlan *plan, const AttnMhaTensors *t, int64_t *lengths);
void attn_mha_append(const AttnMhaPlan *plan, const AttnMhaTensors *t, const AttnMhaRooms *rooms);

/* rope.c: angles a position of each pair; turn the heads of one row. */
void attn_rope_frequencies(size_t dims, double base, double *frequency);
void attn_rope_row(AttnRope rope, const double *frequency, size_t dims, double position, size_t heads, size_t d, float *row);

/* norm.c: y = (x - mean) / sqrt(variance + eps) * weight + bias. weight, bias NULL: 1, 0. y may be x. */
void attn_norm_row(size_t width, double eps, const float *weight, const float *bias, const float *x, float *y);

#endif
