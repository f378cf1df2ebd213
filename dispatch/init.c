/* init.c - the initializers of attnzoo.h for callers that cannot call an inline function, and functions that request more outputs. Each
 * works on this library's version of a struct; structs.c copies it to the caller's version. */
#include "dispatch/structs.h"

/* ---- Makers ---------------------------------------------------------------------------------------------------------------------- */

AttnStatus attn_problem_init(AttnProblem *problem, size_t size, size_t batch, size_t q_heads, size_t kv_heads, size_t q_len, size_t k_len,
                             size_t d, size_t dv)
{
    const AttnProblem made = attn_problem(batch, q_heads, kv_heads, q_len, k_len, d, dv);
    return attn_struct_make(&attn_struct_problem, problem, size, &made);
}

AttnStatus attn_tensors_init(AttnTensors *tensors, size_t size, const void *q, const void *k, const void *v, void *o)
{
    const AttnTensors made = attn_tensors(q, k, v, o);
    return attn_struct_make(&attn_struct_tensors, tensors, size, &made);
}

AttnStatus attn_options_init(AttnOptions *options, size_t size)
{
    const AttnOptions made = attn_options();
    return attn_struct_make(&attn_struct_options, options, size, &made);
}

AttnStatus attn_merge_init(AttnMerge *merge, size_t size, size_t parts, size_t batch, size_t heads, size_t rows, size_t dv)
{
    const AttnMerge made = attn_merge_of(parts, batch, heads, rows, dv);
    return attn_struct_make(&attn_struct_merge, merge, size, &made);
}

AttnStatus attn_mha_config_init(AttnMhaConfig *config, size_t size, size_t embed, size_t heads)
{
    const AttnMhaConfig made = attn_mha_config(embed, heads);
    return attn_struct_make(&attn_struct_mha_config, config, size, &made);
}

AttnStatus attn_mha_weights_init(AttnMhaWeights *weights, size_t size, const float *wq, const float *wk, const float *wv, const float *wo)
{
    const AttnMhaWeights made = attn_mha_weights(wq, wk, wv, wo);
    return attn_struct_make(&attn_struct_mha_weights, weights, size, &made);
}

AttnStatus attn_mha_shape_init(AttnMhaShape *shape, size_t size, const AttnMhaConfig *config, size_t batch, size_t q_len, size_t k_len)
{
    AttnMhaConfig c;
    const AttnStatus status = attn_struct_read(&attn_struct_mha_config, config, &c);
    if (status != ATTN_OK)
        return status;
    const AttnMhaShape made = attn_mha_shape(&c, batch, q_len, k_len);
    return attn_struct_make(&attn_struct_mha_shape, shape, size, &made);
}

AttnStatus attn_mha_tensors_init(AttnMhaTensors *tensors, size_t size, const void *xq, const void *xk, const void *xv, void *y)
{
    const AttnMhaTensors made = attn_mha_tensors(xq, xk, xv, y);
    return attn_struct_make(&attn_struct_mha_tensors, tensors, size, &made);
}

/* ---- Wishes ---------------------------------------------------------------------------------------------------------------------- */

AttnStatus attn_problem_want_lse(AttnProblem *problem)
{
    AttnProblem p;
    const AttnStatus status = attn_struct_read(&attn_struct_problem, problem, &p);
    if (status != ATTN_OK)
        return status;
    p.lse.dtype = ATTN_F32;
    p.lse.row = 1;
    p.lse.head = (ptrdiff_t)p.q_len;
    p.lse.batch = (ptrdiff_t)(p.q_heads * p.q_len);
    return attn_struct_write(&attn_struct_problem, problem, &p);
}

/* A caller's shape and the config it is for, read. */
static AttnStatus read_shape(const AttnMhaShape *shape, AttnMhaShape *s, const AttnMhaConfig *config, AttnMhaConfig *c)
{
    const AttnStatus status = attn_struct_read(&attn_struct_mha_shape, shape, s);
    return status == ATTN_OK ? attn_struct_read(&attn_struct_mha_config, config, c) : status;
}

AttnStatus attn_mha_shape_use_cache(AttnMhaShape *shape, const AttnMhaConfig *config, size_t capacity)
{
    AttnMhaShape s;
    AttnMhaConfig c;
    const AttnStatus status = read_shape(shape, &s, config, &c);
    if (status != ATTN_OK)
        return status;
    s.capacity = capacity;
    s.k_cache.dtype = s.v_cache.dtype = ATTN_F32;
    s.k_cache.row = (ptrdiff_t)c.d;
    s.v_cache.row = (ptrdiff_t)c.dv;
    s.k_cache.head = (ptrdiff_t)(capacity * c.d);
    s.v_cache.head = (ptrdiff_t)(capacity * c.dv);
    s.k_cache.batch = (ptrdiff_t)(c.kv_heads * capacity * c.d);
    s.v_cache.batch = (ptrdiff_t)(c.kv_heads * capacity * c.dv);
    return attn_struct_write(&attn_struct_mha_shape, shape, &s);
}

AttnStatus attn_mha_shape_want_weights(AttnMhaShape *shape, const AttnMhaConfig *config, AttnMhaWeightsOut weights, size_t keys)
{
    AttnMhaShape s;
    AttnMhaConfig c;
    const AttnStatus status = read_shape(shape, &s, config, &c);
    if (status != ATTN_OK)
        return status;
    const size_t heads = weights == ATTN_MHA_WEIGHTS_HEADS ? c.q_heads : 1, row = weights == ATTN_MHA_WEIGHTS_NONE ? 0 : keys;
    s.weights = weights;
    s.weights_row = (ptrdiff_t)row;
    s.weights_head = weights == ATTN_MHA_WEIGHTS_HEADS ? (ptrdiff_t)(s.q_len * row) : 0;
    s.weights_batch = (ptrdiff_t)(heads * s.q_len * row);
    return attn_struct_write(&attn_struct_mha_shape, shape, &s);
}
