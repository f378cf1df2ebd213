/* kernel.h - what a kernel is, and the contract that every kernel signs.
 *
 * A kernel computes work units of one problem. `run`
 *   - cannot fail: whatever could be wrong was refused by dispatch/problem.c or by the kernel's own `fits`;
 *   - allocates nothing, starts no thread, keeps no state, makes no system call;
 *   - reads only q, k, v, mask and bias elements that some query row of the unit may see, writes only o and lse rows of the unit
 *     and its scratch; needs no more than element alignment of the tensors;
 *   - leaves callee-saved registers alone; what else it changes of a thread's state (floating-point control, upper register halves, AMX
 *     tiles) `enter` sets before a thread's first unit and `leave` restores after its last; inside, denormals are zero;
 *   - gives the same bits for a unit whatever thread runs it and whatever ran before on that scratch.
 *
 * Adding a kernel: one file kernels/<name>.c that defines `const AttnKernel ATTN_KERNEL_ID`, and <name> in kernels/meson.build.
 * docs/adding-a-kernel.md walks through it. */
#ifndef ATTN_KERNEL_H
#define ATTN_KERNEL_H

#include "attnzoo.h"

typedef struct AttnCpu AttnCpu; /* dispatch/cpu.h; kernels only pass it on */

/* CPU features that a kernel may ask for. One row each: identifier, name as printed and as written in ATTNZOO_DISABLE. */
#define ATTN_FEATURES(X)                                                                                                                  \
    X(SSE2, "sse2")                                                                                                                       \
    X(SSE41, "sse4_1")                                                                                                                    \
    X(AVX, "avx")                                                                                                                         \
    X(AVX2, "avx2")                                                                                                                       \
    X(FMA, "fma")                                                                                                                         \
    X(F16C, "f16c")                                                                                                                       \
    X(AVX_VNNI, "avx_vnni")                                                                                                               \
    X(AVX512F, "avx512f")                                                                                                                 \
    X(AVX512BW, "avx512bw")                                                                                                               \
    X(AVX512DQ, "avx512dq")                                                                                                               \
    X(AVX512VL, "avx512vl")                                                                                                               \
    X(AVX512_VNNI, "avx512_vnni")                                                                                                         \
    X(AVX512_BF16, "avx512_bf16")                                                                                                         \
    X(AVX512_FP16, "avx512_fp16")                                                                                                         \
    X(AMX_TILE, "amx_tile")                                                                                                               \
    X(AMX_BF16, "amx_bf16")                                                                                                               \
    X(AMX_INT8, "amx_int8")                                                                                                               \
    X(AMX_FP16, "amx_fp16")                                                                                                               \
    X(NEON, "neon")                                                                                                                       \
    X(ASIMDHP, "asimdhp")                                                                                                                 \
    X(ASIMDDP, "asimddp")                                                                                                                 \
    X(BF16, "bf16")                                                                                                                       \
    X(I8MM, "i8mm")                                                                                                                       \
    X(SVE, "sve")                                                                                                                         \
    X(SVE2, "sve2")                                                                                                                       \
    X(SME, "sme")

enum {
#define X(id, name) ATTN_CPU_BIT_##id,
    ATTN_FEATURES(X)
#undef X
    ATTN_CPU_BITS
};
#define ATTN_CPU(id) (UINT64_C(1) << ATTN_CPU_BIT_##id)

/* What a problem may ask of a kernel, and a kernel must say that it handles: the bits ATTN_HAS_BAND to ATTN_HAS_ADDITIVE. */
enum {
#define OPTION(id, word, sentence, wants) ATTN_OPTION_BIT_##id,
#include "kernels/options_list.def"
    ATTN_OPTION_BITS
};
enum {
#define OPTION(id, word, sentence, wants) ATTN_HAS_##id = 1u << ATTN_OPTION_BIT_##id,
#include "kernels/options_list.def"
    ATTN_HAS_OPTIONS = ATTN_HAS_DOT - 1 /* all but the score functions, which stand behind them */
};
_Static_assert(ATTN_HAS_SCORES < ATTN_HAS_DOT && ATTN_HAS_DOT < ATTN_HAS_GAUSSIAN && ATTN_HAS_GAUSSIAN < ATTN_HAS_ADDITIVE &&
               ATTN_OPTION_BIT_ADDITIVE + 1 == ATTN_OPTION_BITS, "options, then score functions");

/* Set of dtypes, one bit each. */
#define ATTN_DTYPE_BIT(dtype) (1u << (dtype))
typedef struct AttnDtypes {
    uint32_t q, kv, o; /* storage types that the kernel takes */
} AttnDtypes;

#define ATTN_F32_TENSORS {ATTN_DTYPE_BIT(ATTN_F32), ATTN_DTYPE_BIT(ATTN_F32), ATTN_DTYPE_BIT(ATTN_F32)}

/* What a kernel promises about rounding; the tolerances of verify follow from it (docs/verifying.md). u is a unit roundoff: 2^-24 is f32. */
typedef struct AttnAccuracy {
    double u_accumulate; /* sums in QK, PV and l                                               */
    double u_score;      /* storage of a score between QK and the exponential                  */
    double u_prob;       /* storage of a probability between the exponential and PV            */
    double u_out;        /* output storage                                                     */
    double exp_ulp;      /* relative error of the exponential, in units of 2^-23 (ulp of 1.0)  */
    double tanh_ulp;     /* the same of tanh, for the soft-cap and the additive score                  */
    bool exp_exact_at_0; /* exp(0) == 1 exactly: the exact oracles may then demand equal bits  */
    bool chain_from_m;   /* sums of QK start at -m: each addition rounds on the scale of m too */
} AttnAccuracy;
#define ATTN_F32_ROUNDING .u_accumulate = 0x1p-24, .u_score = 0x1p-24, .u_prob = 0x1p-24, .u_out = 0x1p-24

/* Everything that a unit needs besides its own coordinates. Made by attn_run from plan and tensors; constant during a run. */
typedef struct AttnArgs {
    const AttnProblem *p;
    const AttnTensors *t;
    size_t group;       /* q_heads / kv_heads                                            */
    size_t unit_rows;   /* of the longest unit: what `scratch` was asked with            */
    const void *shared; /* what `prepare` left; NULL where the kernel prepares nothing   */
} AttnArgs;

/* A work unit: rows [row0, row1) of one batch entry and KV head. Rows count through the query heads of the group, head by head:
 * row r is query row r % q_len of head kv_head * group + r / q_len. A unit crosses a head's border only where q_len < kernel->panel.
 * In a packed batch (varlen), rows beyond the entry's own length are no rows: the kernel passes them over.
 * Of the keys that a row sees only those in [key0, key1) count: all, unless the kernel says that it takes a part (`splits`); a sink belongs
 * to the part that begins at key 0. The o of a part is f32 whatever the caller's is, as args->p->o says, and is rounded when parts are
 * merged. */
typedef struct AttnSpan {
    size_t b, kv_head;
    size_t row0, row1;
    size_t key0, key1;
    struct { size_t b, kv_head, row0, row1; } next; /* what the same thread probably computes next, all its keys: a kernel may ask for its
                                                       operands early. row0 == row1: nothing                                        */
} AttnSpan;

/* Keys [key0, key1) of one batch entry and KV head, to be prepared; those beyond the entry's own length are no keys. */
typedef struct AttnKeySpan {
    size_t b, kv_head;
    size_t key0, key1; /* key0 is a multiple of ATTN_PREPARE_KEYS; at most so many keys */
} AttnKeySpan;
enum { ATTN_PREPARE_KEYS = 1024 };

/* A matrix product: y = x W^T + b with weights packed once. W is [outputs][inputs] row-major, as torch.nn.Linear keeps it. */
typedef struct AttnLinear {
    size_t rows, inputs, outputs; /* x [rows][inputs], y [rows][outputs]                       */
    ptrdiff_t x_row, y_row;       /* distance between rows, in elements                         */
    bool accumulate;              /* y += instead of y =; the residual of "add & norm"          */
} AttnLinear;

/* Part of a product: rows [row0, row1) and outputs [out0, out1); out0 is a multiple of the kernel's `panel`. */
typedef struct AttnLinearSpan {
    size_t row0, row1, out0, out1;
} AttnLinearSpan;

/* What a kernel computes. Each kind has its own members below. */
typedef enum AttnKind {
    ATTN_KIND_ATTENTION, /* softmax attention: o and lse            */
    ATTN_KIND_PRODUCT,   /* y = x W^T + b, the projections around it */
    ATTN_KINDS
} AttnKind;

typedef struct AttnProduct {
    size_t (*packed)(size_t inputs, size_t outputs);                                             /* bytes of packed weights          */
    void (*pack)(size_t inputs, size_t outputs, const float *w, ptrdiff_t w_row, void *packed);  /* to 64-byte aligned memory        */
    void (*run)(const AttnLinear *, AttnLinearSpan, const float *x, const void *packed, const float *bias, float *y); /* bias may be NULL */
} AttnProduct;

typedef struct AttnKernel {
    const char *name;       /* file stem = test name = bench key = ATTNZOO_KERNEL value                            */
    const char *summary;    /* one line for `attnzoo list`                                                         */
    AttnKind kind;          /* which of the members of the union are there                                         */
    uint64_t isa;           /* feature bits that must all be present, ATTN_CPU(...) | ...                          */
    AttnDtypes dtypes;      /* storage types that it takes                                                         */
    AttnAccuracy accuracy;  /* what verify holds it to                                                             */
    size_t panel;           /* attention: query rows that the kernel works on at a time; product: outputs that are
                               packed together (>= 1)                                                              */
    size_t unit_panels;     /* attention: panels in a full work unit, K and V are read once per unit; product: how
                               many times 128 rows make a unit, 1 as a rule (>= 1)                                 */
    uint64_t (*enter)(void);         /* called by each thread before its first unit (fpenv.h)                      */
    void (*leave)(uint64_t entered); /* and after its last, with what `enter` returned                             */
    union {
        struct { /* ATTN_KIND_ATTENTION */
            uint32_t features;                                      /* ATTN_HAS_* that it handles                                      */
            bool splits;                                            /* takes part of the keys: threads can share one long sequence     */
            bool (*fits)(const AttnProblem *, const char **why_not); /* NULL = any shape                                               */
            size_t (*scratch)(const AttnProblem *, size_t rows);    /* bytes per worker for units of up to `rows` rows; may be 0       */
            size_t (*shared)(const AttnProblem *);                  /* bytes that all workers share; NULL: none, and no `prepare`      */
            void (*prepare)(const AttnArgs *, AttnKeySpan, void *shared); /* fills them, once per run, before the first unit           */
            double (*cost)(const AttnProblem *);                    /* estimated core cycles of the whole problem                      */
            void (*run)(const AttnArgs *, AttnSpan, void *scratch); /* scratch is 64-byte aligned                                      */
        };
        AttnProduct product; /* ATTN_KIND_PRODUCT */
    };
} AttnKernel;

/* The descriptor's symbol: attn_kernel_<name>; meson passes ATTN_KERNEL_NAME for each file. */
#define ATTN_CAT_(a, b) a##b
#define ATTN_CAT(a, b) ATTN_CAT_(a, b)
#define ATTN_STR_(a) #a
#define ATTN_STR(a) ATTN_STR_(a)
#ifdef ATTN_KERNEL_NAME
#define ATTN_KERNEL_ID ATTN_CAT(attn_kernel_, ATTN_KERNEL_NAME)
#define ATTN_KERNEL_STRING ATTN_STR(ATTN_KERNEL_NAME)
extern const AttnKernel ATTN_KERNEL_ID;
#endif

/* One batch entry: its real lengths, where its rows begin in packed tensors, and where its row 0 stands among its keys. */
typedef struct AttnSequence {
    size_t b;
    size_t q_len, k_len;     /* rows that exist                                       */
    size_t q_first, k_first; /* first rows in the tensors; 0 unless packed            */
    int64_t offset;          /* row i stands at key i + offset                        */
} AttnSequence;
static inline AttnSequence attn_sequence(const AttnArgs *a, size_t b)
{
    const AttnProblem *p = a->p;
    AttnSequence s = {.b = b, .q_len = p->q_len, .k_len = p->k_len};
    if (p->varlen) {
        s.q_first = (size_t)a->t->cu_q[b];
        s.k_first = (size_t)a->t->cu_k[b];
        s.q_len = (size_t)(a->t->cu_q[b + 1] - a->t->cu_q[b]);
        s.k_len = (size_t)(a->t->cu_k[b + 1] - a->t->cu_k[b]);
    }
    if (p->kv_lengths)
        s.k_len = (size_t)a->t->kv_lengths[b];
    s.offset = p->align == ATTN_ALIGN_TOP_LEFT       ? 0
               : p->align == ATTN_ALIGN_BOTTOM_RIGHT ? (int64_t)s.k_len - (int64_t)s.q_len
               : p->align == ATTN_ALIGN_OFFSET       ? p->offset
                                                     : a->t->offsets[b];
    return s;
}

/* Which rows units divide among themselves: those of a query head, or, where a head is shorter than a panel, those of all heads of a KV
 * group, so that they share each key that is read. */
typedef struct AttnStretch {
    bool stacked;
    size_t rows, count; /* rows of a stretch; stretches in the problem */
} AttnStretch;
static inline AttnStretch attn_stretch(const AttnProblem *p, size_t panel)
{
    const bool stacked = p->q_len < panel;
    const size_t heads = stacked ? p->kv_heads : p->q_heads;
    return (AttnStretch){stacked, stacked ? p->q_len * (p->q_heads / p->kv_heads) : p->q_len, p->batch * heads};
}

/* Keys [lo, hi) that the structure of the problem lets query row i see; lo == hi: none. Mask and bias may hide more. */
typedef struct AttnKeys {
    size_t lo, hi;
} AttnKeys;
static inline AttnKeys attn_visible_keys(const AttnArgs *a, const AttnSequence *s, size_t i)
{
    const AttnProblem *p = a->p;
    const int64_t at = (int64_t)i + s->offset, len = (int64_t)s->k_len;
    int64_t lo = 0, hi = len;
    if (p->causal && at + 1 < hi)
        hi = at + 1;
    if (p->window && p->window_right >= 0 && at + p->window_right + 1 < hi)
        hi = at + p->window_right + 1;
    if (p->window && p->window_left >= 0 && at - p->window_left > 0)
        lo = at - p->window_left;
    const AttnKeys keys = {(size_t)lo, (size_t)hi}, none = {0, 0};
    return lo < hi ? keys : none;
}

/* ---- Addresses ------------------------------------------------------------------------------------------------------------------- */

/* Row `row` of a tensor. element: bytes of an element, a constant of the kernel's storage type (storage/f32.h). */
static inline const void *attn_row_at(const void *base, const AttnLayout *l, size_t b, size_t h, size_t row, size_t element)
{
    const ptrdiff_t at = (ptrdiff_t)b * l->batch + (ptrdiff_t)h * l->head + (ptrdiff_t)row * l->row;
    return (const char *)base + at * (ptrdiff_t)element;
}
static inline const void *attn_q_at(const AttnArgs *a, const AttnSequence *s, size_t h, size_t i, size_t element)
{
    return attn_row_at(a->t->q, &a->p->q, s->b, h, s->q_first + i, element);
}
static inline void *attn_o_at(const AttnArgs *a, const AttnSequence *s, size_t h, size_t i, size_t element)
{
    return (void *)attn_row_at(a->t->o, &a->p->o, s->b, h, s->q_first + i, element);
}
static inline float *attn_lse_at(const AttnArgs *a, const AttnSequence *s, size_t h, size_t i)
{
    const AttnLayout *l = &a->p->lse;
    return a->t->lse + (ptrdiff_t)s->b * l->batch + (ptrdiff_t)h * l->head + (ptrdiff_t)(s->q_first + i) * l->row;
}

/* Rows of K or V at equal distances. The keys of a batch entry come in runs one after another, the past and the new rows; K and V in the
 * same ones. No block of keys straddles two. */
typedef struct AttnRun {
    const void *row;  /* of the first key   */
    ptrdiff_t stride; /* bytes between rows */
    size_t count;     /* rows               */
} AttnRun;

/* Where the run ends that key j is in, but no further than `end`. */
static inline size_t attn_run_end(const AttnArgs *a, size_t j, size_t end)
{
    const size_t border = a->p->past_len;
    return j < border && border < end ? border : end;
}

/* Keys from j on, up to `end` or the end of their run, of KV head g. */
static inline AttnRun attn_kv_run(const AttnArgs *a, const AttnSequence *s, const AttnLayout *l, const void *base, size_t g, size_t j,
                                  size_t end, size_t element)
{
    const size_t past_len = a->p->past_len, row = j < past_len ? j : s->k_first + j - past_len;
    return (AttnRun){attn_row_at(base, l, s->b, g, row, element), l->row * (ptrdiff_t)element, attn_run_end(a, j, end) - j};
}
static inline AttnRun attn_k_run(const AttnArgs *a, const AttnSequence *s, size_t g, size_t j, size_t end, size_t element)
{
    const bool old = j < a->p->past_len;
    return attn_kv_run(a, s, old ? &a->p->k_past : &a->p->k, old ? a->t->k_past : a->t->k, g, j, end, element);
}
static inline AttnRun attn_v_run(const AttnArgs *a, const AttnSequence *s, size_t g, size_t j, size_t end, size_t element)
{
    const bool old = j < a->p->past_len;
    return attn_kv_run(a, s, old ? &a->p->v_past : &a->p->v, old ? a->t->v_past : a->t->v, g, j, end, element);
}

/* Rows of f32 tensors, for kernels without a storage header. In steps of floats, not of bytes: naive_f32 takes one per score, and gcc 12
 * makes 4 to 9 % more instructions of the latter, which cost it 2 % of its speed. */
static inline const float *attn_q_row(const AttnArgs *a, const AttnSequence *s, size_t h, size_t i)
{
    const AttnLayout *q = &a->p->q;
    return (const float *)a->t->q + (ptrdiff_t)s->b * q->batch + (ptrdiff_t)h * q->head + (ptrdiff_t)(s->q_first + i) * q->row;
}
static inline float *attn_o_row(const AttnArgs *a, const AttnSequence *s, size_t h, size_t i)
{
    const AttnLayout *o = &a->p->o;
    return (float *)a->t->o + (ptrdiff_t)s->b * o->batch + (ptrdiff_t)h * o->head + (ptrdiff_t)(s->q_first + i) * o->row;
}
static inline const float *attn_kv_row(const AttnLayout *past, const void *past_base, const AttnLayout *now, const void *base,
                                       size_t past_len, const AttnSequence *s, size_t g, size_t j)
{
    const bool old = j < past_len;
    const AttnLayout *l = old ? past : now;
    const ptrdiff_t row = (ptrdiff_t)(old ? j : s->k_first + j - past_len);
    return (const float *)(old ? past_base : base) + (ptrdiff_t)s->b * l->batch + (ptrdiff_t)g * l->head + row * l->row;
}
static inline const float *attn_k_row(const AttnArgs *a, const AttnSequence *s, size_t g, size_t j)
{
    return attn_kv_row(&a->p->k_past, a->t->k_past, &a->p->k, a->t->k, a->p->past_len, s, g, j);
}
static inline const float *attn_v_row(const AttnArgs *a, const AttnSequence *s, size_t g, size_t j)
{
    return attn_kv_row(&a->p->v_past, a->t->v_past, &a->p->v, a->t->v, a->p->past_len, s, g, j);
}

/* Offset of an element of a tensor over scores. */
static inline ptrdiff_t attn_score_at(const AttnScoreLayout *l, size_t b, size_t h, size_t i, size_t j)
{
    return (ptrdiff_t)b * l->batch + (ptrdiff_t)h * l->head + (ptrdiff_t)i * l->row + (ptrdiff_t)j * l->col;
}

#endif
