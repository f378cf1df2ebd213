/* data.h - operands of a case: one arena per tensor, filled from a seed.
 *
 * Every element depends only on (seed, tensor, logical index): a case has the same numbers in any layout, on any machine. */
#ifndef HARNESS_OPS_SDPA_DATA_H
#define HARNESS_OPS_SDPA_DATA_H

#include "harness/base/fence.h"
#include "harness/ops/sdpa/shape.h"

typedef enum DataDist {
    DIST_NORMAL,  /* q, k, v ~ N(0,1)                                     */
    DIST_PEAKY,   /* q times 8: a few keys take all the weight            */
    DIST_RAMP_UP, /* scores rise by about 8 nats along the keys           */
    DIST_RAMP_DOWN,
    DIST_UNIFORM, /* q = 0: every visible key weighs the same             */
    DIST_LARGE,   /* scores to +-1e4                                      */
    DIST_DENORMAL,/* some q, k, v elements and most weights are denormal  */
    DIST_STAIRS,  /* scores jump by 16 nats every 37 keys, upwards        */
    DIST_PEAKY24, /* q times 24, so that scores spread by 24 nats         */
    DIST_PEAKY60, /* … and by 60: nearly every block has a new maximum    */
    DIST_COUNT
} DataDist;
const char *data_dist_name(DataDist dist);
bool data_dist_find(const char *name, DataDist *dist);

/* Which tensor an arena holds. Outputs stand together. */
typedef enum DataTensor {
    DATA_Q, DATA_K, DATA_V, DATA_O, DATA_LSE, DATA_SCORES, DATA_MASK, DATA_BIAS, DATA_K_PAST, DATA_V_PAST,
    DATA_W, DATA_SLOPES, DATA_SINKS, DATA_OFFSETS, DATA_KV_LENGTHS, DATA_CU_Q, DATA_CU_K,
    DATA_TENSORS
} DataTensor;
enum { DATA_FIRST_OUTPUT = DATA_O, DATA_LAST_OUTPUT = DATA_SCORES };
const char *data_tensor_name(DataTensor tensor);

typedef struct Data {
    AttnProblem problem;  /* strides as stored                                                                         */
    AttnTensors tensors;  /* pointers into the arenas                                                                  */
    uint64_t seed;
    DataDist dist;
    Arena arena[DATA_TENSORS];
} Data;

/* Allocate and fill. The shape is the problem's: lengths, offsets and cumulative lengths come from it (shape.h), and whether v is the first
 * dv columns of k (MLA), so that it shares k's arena. Stride gaps and margins are NaN / 0xA5 canaries, and so are k and v of keys that no
 * row may look at. false: error[] says why (usually memory). */
bool data_make(Data *data, const Shape *shape, const AttnProblem *problem, DataDist dist, uint64_t seed, Fence fence, char *error,
               size_t error_size);
void data_lock_inputs(Data *data);           /* fenced inputs: from now on a write to them is a crash */
bool data_canaries_intact(const Data *data); /* margins and gaps of outputs untouched                  */
void data_poison_output(Data *data);         /* before a run: outputs to NaN, canaries as new           */
void data_free(Data *data);

#endif
