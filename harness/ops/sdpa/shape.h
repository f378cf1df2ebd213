/* shape.h - the one-word names of problems: parse, print, expand ranges, look up model presets.
 *
 * Grammar (docs/reference.md): [f32:]b1_h32g8_q512_k4096_d128[v64] and then options, in this order, each at most once:
 *   _causal | _causal-tl | _causal-off<N> | _causal-offs     frontier: bottom-right, top-left, an offset, one an entry
 *   _br | _off<N> | _offs                                    positions without a frontier; neither: top-left
 *   _win[<L>][r<R>]    window, inclusive: L keys to the left, R to the right; what is left out is unbounded
 *   _gauss | _additive                                       score function; neither: dot
 *   _cap<C>  _alibi  _sink                                   soft-cap, slopes, sink scores
 *   _maskbool  _bias                                         a mask, numbers added
 *   _pad<F> | _varlen                                        lengths per entry; ragged sequences, one after another
 *   _past<N>                                                 the first N keys come from a cache of their own
 *   _bhld | _blhd | _packed   _vk   _lse                     layout (bhld: default), v is a view of k, log-sum-exp wanted
 *   _scoresraw | _scorescapped | _scoresbiased | _scoresweights
 *   b batch, h query heads, g KV heads (omitted: = h), q and k lengths, d width of q and k, v width of v (omitted: = d).
 *   Order is fixed and defaults are omitted, so a problem has exactly one canonical name. No word holds a ':', which parts a case.
 * Ranges and lists multiply: k{512..32768*2}  d{64,128}  q{1..65+1}.
 * Presets: <model>/<phase>[@len], for example llama3-8b/prefill@512, bert-base/encoder@128, vit-b16/encoder. */
#ifndef HARNESS_OPS_SDPA_SHAPE_H
#define HARNESS_OPS_SDPA_SHAPE_H

#include "attnzoo.h"
#include "harness/measure/roof.h"
#include "harness/ops/op.h"

typedef enum ShapeLayout { SHAPE_BHLD, SHAPE_BLHD, SHAPE_INTERLEAVED } ShapeLayout;

/* A problem by its options, before strides. */
typedef struct Shape {
    size_t batch, q_heads, kv_heads, q_len, k_len, d, dv;
    bool causal;
    AttnAlign align;      /* where row 0 stands among the keys              */
    int64_t offset;       /* for ATTN_ALIGN_OFFSET                          */
    bool window;          /* the two widths below apply, else both are 0    */
    int64_t window_left, window_right; /* inclusive; -1: unbounded          */
    AttnScore score;
    double softcap;       /* 0: none                                                */
    bool alibi, sinks;
    bool mask;            /* boolean mask [B,Hq,Sq,Sk] with random holes            */
    bool bias;            /* additive f32 bias [B,Hq,Sq,Sk]                         */
    bool kv_lengths;      /* lengths per batch entry: shape_k_len                   */
    double pad;           /* with kv_lengths: up to this part of the keys is padding */
    bool varlen;          /* ragged sequences, one after another: shape_q_len, shape_k_len */
    size_t past_len;      /* keys in a segment of their own                         */
    bool lse;             /* log-sum-exp wanted                                     */
    bool scores;          /* scores wanted, at this stage                           */
    AttnStage scores_stage;
    bool v_in_k;          /* V is a view of K (MLA absorbed)                        */
    ShapeLayout layout;   /* bhld: each head contiguous; blhd: heads side by side in a row; interleaved
                             (the word "packed"): q, k, v in one [B, S, (Hq + 2 Hkv) * d] tensor */
    AttnDtype q_type, k_type, v_type, o_type; /* what they are stored as; 0 (ATTN_NONE): f32 */
    char name[64];        /* preset alias, "" if given as a shape string            */
} Shape;

/* Numbers that belong to one batch entry, as functions of the shape alone, so that its work can be counted before it is run. With w(n) the
 * fractional part of n times the golden ratio, which spreads evenly over [0, 1):
 *   q rows:  varlen: q_len - floor(q_len w(b)), so entry 0 is the longest; else q_len
 *   k rows:  varlen: k_len - floor(k_len w(b)); pad: k_len - floor(pad k_len w(b + 1)); else k_len
 *   offset:  ATTN_ALIGN_OFFSETS: floor((q_len + k_len) w(b + 1)) - q_len; else by the alignment, from the two lengths above */
size_t shape_q_len(const Shape *shape, size_t b);
size_t shape_k_len(const Shape *shape, size_t b);
int64_t shape_offset(const Shape *shape, size_t b);

/* A list that grows; free with shapes_free. */
typedef struct Shapes {
    Shape *at;
    size_t count;
} Shapes;

/* Parse `text` (shape strings or preset names, ranges and lists, separated by spaces or commas outside braces) and append to list.
 * false: error[] holds a sentence with the offending part, its value and what is allowed; the list is unchanged. */
bool shapes_parse(Shapes *list, const char *text, char *error, size_t error_size);
void shapes_free(Shapes *list);

/* Hand each word that `text` stands for, ranges and lists multiplied out, to take(); false from it ends the walk. shapes_parse is this with
 * words that are attention shapes. */
typedef bool ShapesTake(void *context, const char *word, char *error, size_t error_size);
bool shapes_expand(const char *text, ShapesTake *take, void *context, char *error, size_t error_size);

/* One word without ranges: a shape string, or a preset with its '/'. *shape is set only on success. */
bool shape_parse(Shape *shape, const char *text, char *error, size_t error_size);
bool preset_parse(Shape *shape, const char *text, char *error, size_t error_size);
bool preset_refuse(const char *text, char *error, size_t error_size); /* false: error[] says what there is, and what was meant */
bool preset_model(const char *word);                                  /* the name of a model, or nearly; not a shape */
size_t preset_match(const char *glob, size_t from); /* first preset at or after `from` whose name matches; preset_count if none */

/* Canonical name; types stand before it unless all are f32. Returns buffer; SHAPE_NAME bytes hold any. */
const char *shape_name(const Shape *shape, char *buffer, size_t size);

/* The storage types in words: "f32" if all of q, k, v and o are f32, else the four with '/' between them. They stand before the name and a
 * colon; without them a name means f32. Returns buffer; SHAPE_TYPES bytes hold any. */
const char *shape_types(const Shape *shape, char *buffer, size_t size);
size_t shape_types_length(const char *text); /* characters of such words and the colon at the beginning of a text; 0: there are none */

/* The problem, with the strides of the layout (gap-free, but for heads of ragged sequences). The past is stored like
 * k and v, but never inside an interleaved tensor. */
AttnProblem shape_problem(const Shape *shape);

/* Visible (query, key) pairs of the structure (frontier, window, lengths), summed over batch entries and query heads; holes of mask and
 * bias are not subtracted. */
double shape_visible_pairs(const Shape *shape);
double shape_flop(const Shape *shape);  /* 2 * pairs * (d + dv): the multiply-adds of a dot product, whatever the score function */
double shape_bytes(const Shape *shape); /* compulsory: q, o, lse, scores once; keys that some row sees once per KV head; mask and bias of
                                           visible pairs */
RoofWork shape_work(const Shape *shape); /* one exponential for each visible pair; the rest as above */

/* Presets for `attnzoo list presets`. */
typedef struct Preset {
    const char *name;   /* "llama3-8b/prefill@512" */
    const char *shape;  /* "b1_h32g8_q512_k512_d128_causal" */
    const char *source; /* where the numbers come from */
} Preset;
extern const Preset presets[];
extern const size_t preset_count;

#endif
