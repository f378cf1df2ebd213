/* shape.h - the one-word names of problems: parse, print, expand ranges, look up model presets.
 *
 * Grammar (docs/measuring.md): [f32:]b1_h32g8_q512_k4096_d128[v64][_causal|_causal-tl|_causal-off<N>][_maskbool][_bias][_bhld|_blhd|_packed][_vk][_lse]
 *   b batch, h query heads, g KV heads (omitted: = h), q and k lengths, d width of q and k, v width of v (omitted: = d),
 *   causal is bottom-right, -tl top-left, -off<N> an offset (may be negative); vk: V is a view of K's first dv columns.
 *   Key order is fixed and defaults are omitted, so a problem has exactly one canonical name.
 * Ranges and lists multiply: k{512..32768*2}  d{64,128}  q{1..65+1}.
 * Presets: <model>/<phase>[@len], for example llama3-8b/prefill@512, bert-base/encoder@128, vit-b16/encoder. */
#ifndef HARNESS_SHAPE_H
#define HARNESS_SHAPE_H

#include "attnzoo.h"

typedef enum ShapeLayout { SHAPE_BHLD, SHAPE_BLHD, SHAPE_PACKED } ShapeLayout;

/* A problem by its options, before strides. */
typedef struct Shape {
    size_t batch, q_heads, kv_heads, q_len, k_len, d, dv;
    bool causal;
    AttnAlign align;      /* where row 0 stands among the keys              */
    int64_t offset;       /* for ATTN_ALIGN_OFFSET                          */
    bool mask;            /* boolean mask [B,Hq,Sq,Sk] with random holes            */
    bool bias;            /* additive f32 bias [B,Hq,Sq,Sk]                         */
    bool lse;             /* log-sum-exp wanted                                     */
    bool v_in_k;          /* V is a view of K (MLA absorbed)                        */
    ShapeLayout layout;   /* bhld: each head contiguous; blhd: heads interleaved;
                             packed: q, k, v in one [B, S, (Hq + 2 Hkv) * d] tensor */
    char name[64];        /* preset alias, "" if given as a shape string            */
} Shape;

/* A list that grows; free with shapes_free. */
typedef struct Shapes {
    Shape *at;
    size_t count;
} Shapes;

/* Parse `text` (shape strings or preset names, ranges and lists, separated by spaces or commas outside braces) and append to list.
 * false: error[] holds a sentence with the offending part, its value and what is allowed; the list is unchanged. */
bool shapes_parse(Shapes *list, const char *text, char *error, size_t error_size);
void shapes_free(Shapes *list);

/* One word without ranges: a shape string, or a preset with its '/'. *shape is set only on success. */
bool shape_parse(Shape *shape, const char *text, char *error, size_t error_size);
bool preset_parse(Shape *shape, const char *text, char *error, size_t error_size);
size_t preset_match(const char *glob, size_t from); /* first preset at or after `from` whose name matches; preset_count if none */

/* Canonical name, without dtype prefix. Returns buffer. */
const char *shape_name(const Shape *shape, char *buffer, size_t size);

/* The problem, with the strides of the layout (gap-free). */
AttnProblem shape_problem(const Shape *shape);

/* Visible (query, key) pairs of the structure (causal), summed over batch and query heads; mask holes are not subtracted. */
double shape_visible_pairs(const Shape *shape);
double shape_flop(const Shape *shape);  /* 2 * pairs * (d + dv)                                   */
double shape_bytes(const Shape *shape); /* compulsory: q, o once; k, v once per KV head; mask, bias */

/* Presets for `attnzoo list presets`. */
typedef struct Preset {
    const char *name;   /* "llama3-8b/prefill@512" */
    const char *shape;  /* "b1_h32g8_q512_k512_d128_causal" */
    const char *source; /* where the numbers come from */
} Preset;
extern const Preset presets[];
extern const size_t preset_count;

#endif
