/* shape.h - names of multi-head attention with its projections:
 *
 *     mha:b<batch>_h<heads>[g<KV heads>]_q<rows>_d<head width>_e<width of x>[_causal][_rope][_nobias]
 *     mha:b<batch>_h<heads>[g<KV heads>]_q<rows>_d<head width>_e<width of x>_cross_k<rows>[_kdim<width>][_vdim<width>][_rope][_nobias]
 *     mha:<model>/<phase>, a preset of shape.h for encoder, prefill or cross, of a model whose widths shape.c knows
 *
 * Self-attention projects q, k and v from one source; _cross makes k and v of a second source of _k rows, _kdim wide (E if not given), and
 * with _vdim v of a third one, as many rows. Heads turn by their positions with _rope; projections have biases unless _nobias. */
#ifndef HARNESS_OPS_MHA_SHAPE_H
#define HARNESS_OPS_MHA_SHAPE_H

#include "harness/ops/sdpa/shape.h"

typedef struct MhaShape {
    size_t batch, q_heads, kv_heads, q_len, k_len, d, embed;
    size_t kdim, vdim;     /* widths of the sources of k and v                      */
    bool cross;            /* k and v have a source of their own                    */
    bool separate;         /* and v another one                                     */
    bool causal, rope, no_bias;
} MhaShape;

bool mha_shape_parse(MhaShape *shape, const char *word, char *error, size_t error_size);
const char *mha_shape_name(const MhaShape *shape, char *buffer, size_t size); /* canonical; SHAPE_NAME bytes hold any */

/* The attention inside. */
Shape mha_shape_inner(const MhaShape *shape);

#endif
