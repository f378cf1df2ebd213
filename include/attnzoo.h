/* attnzoo.h - scaled dot-product attention on CPUs: the whole public interface.
 *
 *     o[b,h,i] = sum_j softmax_j( scale * q[b,h,i] . k[b,g,j] + bias[b,h,i,j] ) v[b,g,j],   g = h / (q_heads / kv_heads)
 *
 * (Vaswani et al., "Attention Is All You Need", 2017; streaming softmax after Milakov & Gimelshein 2018 and Dao et al. 2022.)
 *
 * Use: describe a problem, make a plan, run it as often as you like.
 *
 *     AttnProblem p = attn_problem(1, 32, 8, 512, 512, 128, 128);
 *     p.causal = true;
 *     AttnPlan *plan;
 *     if (attn_plan_create(&p, NULL, &plan) != ATTN_OK) { puts(attn_last_error()); return 1; }
 *     void *workspace = aligned_alloc(64, attn_plan_workspace(plan));
 *     AttnTensors t = attn_tensors(q, k, v, o);
 *     attn_run(plan, &t, workspace, attn_plan_workspace(plan));
 *     attn_plan_destroy(plan);
 *
 * Letters used throughout: B batch, Hq query heads, Hkv key/value heads, Sq query rows, Sk key rows, d width of q and k, dv width of v
 * and o, i a query row, j a key row. Sizes are size_t, strides are ptrdiff_t and count elements, never bytes.
 *
 * The library never prints (unless ATTNZOO_VERBOSE=dispatch asks it to tell its choices on stderr), never aborts, never exits. Each
 * function that can fail returns an AttnStatus and leaves a sentence that names the field, its value and what is allowed in
 * attn_last_error(). It keeps no global state besides that sentence, so every function may be called from several threads at once; one
 * plan may run on several threads at once if each call has a workspace of its own.
 *
 * Structs grow at their end. Their first member `size` says how much of a struct the caller knows; the functions that make a struct
 * (attn_problem, attn_options, attn_tensors) set it. A caller built against an older header keeps working with a newer library. */
#ifndef ATTNZOO_H
#define ATTNZOO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifndef __cplusplus
#include <math.h>
#else
#include <cmath>
#endif

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define ATTN_API
#else
#define ATTN_API __attribute__((visibility("default")))
#endif

#define ATTNZOO_VERSION_MAJOR 0
#define ATTNZOO_VERSION_MINOR 1
#define ATTNZOO_VERSION_PATCH 0
#define ATTNZOO_VERSION "0.1.0"

/* The version of the library that is running, "major.minor.patch"; ATTNZOO_VERSION is the one compiled against. */
ATTN_API const char *attn_version(void);

/* ---- Status ---------------------------------------------------------------------------------------------------------------------- */

typedef enum AttnStatus {
    ATTN_OK = 0,
    ATTN_ERROR_NULL,        /* a required pointer is NULL                                                              */
    ATTN_ERROR_STRUCT,      /* a struct's `size` is not one that this library knows: it was not made by its maker      */
    ATTN_ERROR_VALUE,       /* a field has a value that is not allowed                                                 */
    ATTN_ERROR_OVERFLOW,    /* a product of sizes or strides does not fit the address space                            */
    ATTN_ERROR_OVERLAP,     /* the output overlaps an input, or its own rows overlap each other                        */
    ATTN_ERROR_NAME,        /* a kernel, ISA or feature name (option or environment) that is not known                 */
    ATTN_ERROR_UNSUPPORTED, /* a valid problem that no kernel here takes, or a forced kernel that cannot run it here   */
    ATTN_ERROR_WORKSPACE,   /* workspace too small, or not aligned to 64 bytes                                         */
    ATTN_ERROR_MEMORY       /* out of memory                                                                           */
} AttnStatus;

/* A few words for a status, for example "value not allowed"; never NULL, also for unknown numbers. */
ATTN_API const char *attn_status_string(AttnStatus status);

/* The sentence behind the last error on this thread: field, value, what is allowed. "" if nothing failed yet. Valid until the next
 * attnzoo call on the same thread. */
ATTN_API const char *attn_last_error(void);

/* ---- Problem --------------------------------------------------------------------------------------------------------------------- */

typedef enum AttnDtype {
    ATTN_NONE = 0, /* the tensor is absent                                   */
    ATTN_F32,      /* IEEE binary32                                          */
    ATTN_F64,      /* IEEE binary64 (named now, no kernel takes it yet)      */
    ATTN_F16,      /* IEEE binary16 (named now, no kernel takes it yet)      */
    ATTN_BF16,     /* bfloat16      (named now, no kernel takes it yet)      */
    ATTN_BOOL      /* one byte, 0 = false, anything else = true              */
} AttnDtype;

/* Storage of a tensor [batch, head, row, column]: strides in elements, any sign, 0 repeats; the column stride is 1.
 * BHSD, BSHD, packed QKV and views of a cache differ only in these numbers. */
typedef struct AttnLayout {
    AttnDtype dtype;             /* ATTN_NONE: absent (only the log-sum-exp may be) */
    ptrdiff_t batch, head, row;  /* distance between neighbours, in elements        */
} AttnLayout;

/* Storage of a tensor over scores [B, Hq, Sq, Sk]; a stride of 0 broadcasts along that axis. */
typedef struct AttnScoreLayout {
    AttnDtype dtype;                 /* ATTN_NONE: absent                    */
    ptrdiff_t batch, head, row, col; /* distance between neighbours, elements */
} AttnScoreLayout;

/* Where query row 0 stands among the keys: row i stands at key i + offset. Causal frontier, window and ALiBi measure from there. */
typedef enum AttnAlign {
    ATTN_ALIGN_TOP_LEFT = 0, /* offset 0          (PyTorch is_causal, ONNX without a cache)                                   */
    ATTN_ALIGN_BOTTOM_RIGHT, /* offset Sk - Sq    (FlashAttention, a cache that ends at the last row); with kv_lengths or varlen
                                the lengths of that batch entry, so it may be negative; it is never clamped                   */
    ATTN_ALIGN_OFFSET,       /* problem.offset    (ONNX with `past`: offset = rows in the past)                               */
    ATTN_ALIGN_OFFSETS       /* tensors.offsets[b]                                                                            */
} AttnAlign;

/* s0, how a query and a key make a score. */
typedef enum AttnScore {
    ATTN_SCORE_DOT = 0,  /* scale * q.k; scale 1 is the plain dot. A general (bilinear) score q W k is a dot after projecting q by W */
    ATTN_SCORE_GAUSSIAN, /* -scale/2 * |q - k|^2, scale = 1 / sigma^2: Nadaraya-Watson regression (1964)                       */
    ATTN_SCORE_ADDITIVE  /* scale * w . tanh(q + k), q and k already projected: Bahdanau, Cho, Bengio (2014)                    */
} AttnScore;

/* Which stage of the scores the optional output shows (ONNX qk_matmul_output_mode). */
typedef enum AttnStage {
    ATTN_STAGE_RAW = 0, /* s0, also of hidden keys                              */
    ATTN_STAGE_CAPPED,  /* s1, after the soft-cap, also of hidden keys          */
    ATTN_STAGE_BIASED,  /* s2, after bias and ALiBi; -inf where hidden          */
    ATTN_STAGE_WEIGHTS  /* after the softmax; 0 where hidden                    */
} AttnStage;

/* A problem is a pure value: it holds sizes, strides and options, never a pointer to data. Make it with attn_problem(), then change it.
 *
 *     s0      = score(q[i], k[j])
 *     s1      = softcap > 0 ? softcap * tanh(s0 / softcap) : s0
 *     s2      = s1 + bias[b,h,i,j] - slope[h] * |i + offset - j|
 *     visible = mask[b,h,i,j] and j < kv_length[b] and (not causal or j <= i + offset)
 *               and (no window or i + offset - left <= j <= i + offset + right)
 *     o[i]    = sum over visible j of exp(s2 - m) v[j] / l,   l = sum of exp(s2 - m)  (+ exp(sink[h] - m)) */
typedef struct AttnProblem {
    size_t size;              /* bytes of this struct that the caller knows; set by attn_problem()                    */
    size_t batch;             /* B   >= 0                                                                             */
    size_t q_heads;           /* Hq  >= 1, a multiple of kv_heads (GQA; kv_heads = 1 is MQA)                          */
    size_t kv_heads;          /* Hkv >= 1; query head h reads key/value head h / (Hq / Hkv)                           */
    size_t q_len;             /* Sq  >= 0                                                                             */
    size_t k_len;             /* Sk  >= 0; 0 means rows with nothing visible. Past rows, if any, are counted          */
    size_t d;                 /* d   >= 1, width of a q and a k row                                                   */
    size_t dv;                /* dv  >= 1, width of a v and an o row                                                  */
    AttnLayout q, k, v, o;    /* q [B,Hq,Sq,d]  k [B,Hkv,Sk,d]  v [B,Hkv,Sk,dv]  o [B,Hq,Sq,dv]                       */
    AttnLayout lse;           /* optional output [B,Hq,Sq] f32: m + ln(l), the log-sum-exp of the row's scores, the sink
                                 included; -inf for a row with nothing visible and no sink. ATTN_NONE: not wanted     */
    double scale;             /* attn_problem() sets 1/sqrt(d). 0 is 0: uniform weights. |scale| <= 2^126             */
    AttnScoreLayout mask;     /* optional ATTN_BOOL: true = takes part; a select: what it hides from all rows may hold
                                 anything, v hidden from some rows only must be finite (0 * NaN is NaN)                */
    AttnScoreLayout bias;     /* optional ATTN_F32: added to the score; -inf hides, like a false mask                 */
    AttnScore score;          /* how q and k make a score                                                             */
    bool causal;              /* row i sees keys j <= i + offset                                                      */
    AttnAlign align;          /* what offset is                                                                       */
    int64_t offset;           /* for ATTN_ALIGN_OFFSET: keys before query row 0; may be negative, is never clamped     */
    bool window;              /* sliding window: the two widths below apply                                           */
    int64_t window_left;      /* keys to the left of the row's own position, inclusive; -1 = unbounded                */
    int64_t window_right;     /* keys to the right, inclusive; -1 = unbounded                                         */
    double softcap;           /* > 0: scores are softcap * tanh(score / softcap), before bias and mask; 0: off        */
    bool alibi;               /* tensors.alibi_slopes [Hq]: -slope * distance (Press, Smith, Lewis 2021)              */
    bool sinks;               /* tensors.sinks [Hq]: a score that takes weight and gives no value, not scaled         */
    bool kv_lengths;          /* tensors.kv_lengths [B]: only keys j < kv_lengths[b] exist                            */
    bool varlen;              /* sequences packed one after another: entry b has q rows cu_q[b] .. cu_q[b+1] and k rows
                                 cu_k[b] .. cu_k[b+1] of tensors whose batch stride is 0; q_len and k_len are the
                                 longest. Excludes kv_lengths and past                                                */
    size_t past_len;          /* keys 0 .. past_len come from tensors.k_past, v_past, the rest from k and v: a cache and
                                 the new rows without copying. <= k_len                                               */
    AttnLayout k_past, v_past;/* their storage, if past_len > 0                                                       */
    AttnScoreLayout scores;   /* optional ATTN_F32 output [B,Hq,Sq,Sk]; ATTN_NONE: not wanted                         */
    AttnStage scores_stage;   /* what it shows                                                                        */
} AttnProblem;

/* The largest batch, q_len, k_len, heads, d, dv and |offset| accepted. */
#define ATTN_MAX_SIZE ((size_t)1 << 30)

/* A problem over contiguous f32 tensors [batch, head, row, column], scale 1/sqrt(d), nothing masked, no log-sum-exp. */
static inline AttnProblem attn_problem(size_t batch, size_t q_heads, size_t kv_heads, size_t q_len, size_t k_len, size_t d, size_t dv)
{
    AttnProblem p;
    memset(&p, 0, sizeof p);
    p.size = sizeof p;
    p.batch = batch;
    p.q_heads = q_heads;
    p.kv_heads = kv_heads;
    p.q_len = q_len;
    p.k_len = k_len;
    p.d = d;
    p.dv = dv;
    p.q.dtype = p.k.dtype = p.v.dtype = p.o.dtype = ATTN_F32;
    p.q.row = (ptrdiff_t)d;
    p.q.head = (ptrdiff_t)(q_len * d);
    p.q.batch = (ptrdiff_t)(q_heads * q_len * d);
    p.k.row = (ptrdiff_t)d;
    p.k.head = (ptrdiff_t)(k_len * d);
    p.k.batch = (ptrdiff_t)(kv_heads * k_len * d);
    p.v.row = (ptrdiff_t)dv;
    p.v.head = (ptrdiff_t)(k_len * dv);
    p.v.batch = (ptrdiff_t)(kv_heads * k_len * dv);
    p.o.row = (ptrdiff_t)dv;
    p.o.head = (ptrdiff_t)(q_len * dv);
    p.o.batch = (ptrdiff_t)(q_heads * q_len * dv);
    p.scale = d > 0 ? 1.0 / sqrt((double)d) : 0.0;
    return p;
}

/* Ask for the log-sum-exp as a contiguous [B, Hq, Sq] f32 tensor. */
static inline void attn_problem_want_lse(AttnProblem *p)
{
    p->lse.dtype = ATTN_F32;
    p->lse.row = 1;
    p->lse.head = (ptrdiff_t)p->q_len;
    p->lse.batch = (ptrdiff_t)(p->q_heads * p->q_len);
}

/* The data of one run. Each pointer is the address of element [0,0,0,0], whatever the signs of the strides, and aligned to its element. A
 * tensor without elements may be NULL; one that the problem has not must be. Neither o nor lse may share a byte with each other or with an
 * input. That is decided by bytes, not by spans: o may lie between the rows of a buffer that also holds q, k and v (packed QKV with room
 * for o). The decision is exact as long as the strides of the two tensors are equal or nest, each a step over what the smaller ones reach;
 * strides without such an order may be refused (ATTN_ERROR_OVERLAP) where their spans intersect. Inputs may overlap as they like. */
typedef struct AttnTensors {
    size_t size;       /* set by attn_tensors()                                    */
    const void *q;     /* [B,Hq,Sq,d]                                              */
    const void *k;     /* [B,Hkv,Sk,d]                                             */
    const void *v;     /* [B,Hkv,Sk,dv]                                            */
    void *o;           /* [B,Hq,Sq,dv], written whole                              */
    float *lse;        /* [B,Hq,Sq]; required exactly if problem.lse is present    */
    const void *mask;  /* [B,Hq,Sq,Sk] bytes; required if problem.mask is present  */
    const float *bias; /* [B,Hq,Sq,Sk]; required if problem.bias is present        */
    const float *w;              /* [Hq,d] contiguous, for ATTN_SCORE_ADDITIVE              */
    const int64_t *offsets;      /* [B], for ATTN_ALIGN_OFFSETS; |each| <= ATTN_MAX_SIZE    */
    const int64_t *kv_lengths;   /* [B], 0 <= each <= k_len                                 */
    const float *alibi_slopes;   /* [Hq]                                                    */
    const float *sinks;          /* [Hq]                                                    */
    const int64_t *cu_q, *cu_k;  /* [B+1], ascending from 0, for varlen                     */
    const void *k_past, *v_past; /* [B,Hkv,past_len,d], [B,Hkv,past_len,dv]                 */
    float *scores;               /* [B,Hq,Sq,Sk], written whole                             */
} AttnTensors;

static inline AttnTensors attn_tensors(const void *q, const void *k, const void *v, void *o)
{
    AttnTensors t;
    memset(&t, 0, sizeof t);
    t.size = sizeof t;
    t.q = q;
    t.k = k;
    t.v = v;
    t.o = o;
    return t;
}

/* ---- Options --------------------------------------------------------------------------------------------------------------------- */

/* A caller's own parallel loop: call task(argument, i) exactly once for each i in [0, n), in any order, on any threads, and return when
 * all have returned. Running them one after another is allowed. */
typedef void (*AttnParallelFor)(void *context, size_t n, void (*task)(void *argument, size_t i), void *argument);

/* All zero (or a NULL pointer in place of the struct) means: choose for me. Environment variables fill what is left at zero:
 * ATTNZOO_KERNEL, ATTNZOO_MAX_ISA, ATTNZOO_DISABLE, ATTNZOO_THREADS, ATTNZOO_VERBOSE; a field set here wins over its variable. */
typedef struct AttnOptions {
    size_t size;                 /* set by attn_options()                                                                     */
    const char *kernel;          /* force this kernel, by name; an error if it cannot run the problem here                    */
    const char *max_isa;         /* use nothing beyond this level: "baseline", "avx2", "avx512", "neon" …                     */
    const char *disable;         /* CPU features to do without, separated by commas: "avx512_bf16,fma"                        */
    size_t threads;              /* workers; 0: what the runner offers (OpenMP's maximum; 1 with a caller's loop)             */
    AttnParallelFor parallel_for;/* NULL: OpenMP if built with it, else the calling thread                                    */
    void *parallel_context;      /* handed to parallel_for                                                                    */
} AttnOptions;

static inline AttnOptions attn_options(void)
{
    AttnOptions o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    return o;
}

/* ---- Plan and run ---------------------------------------------------------------------------------------------------------------- */

typedef struct AttnPlan AttnPlan; /* kernel, work units and workspace size for one problem; immutable */

/* Check a problem without making a plan. ATTN_OK, or the error that attn_plan_create would give. */
ATTN_API AttnStatus attn_problem_check(const AttnProblem *problem);

/* Validate, choose a kernel, fix the work units. options may be NULL. On error *plan is NULL. */
ATTN_API AttnStatus attn_plan_create(const AttnProblem *problem, const AttnOptions *options, AttnPlan **plan);

/* Bytes of workspace that attn_run needs (a multiple of 64, at least 64). */
ATTN_API size_t attn_plan_workspace(const AttnPlan *plan);

/* The name of the chosen kernel. */
ATTN_API const char *attn_plan_kernel(const AttnPlan *plan);

/* Which kernel and why, then one line for each kernel that was passed over, with the clause that rejected it. Lives as long as the plan. */
ATTN_API const char *attn_plan_explain(const AttnPlan *plan);

/* Compute. workspace: at least attn_plan_workspace(plan) bytes, 64-byte aligned, contents irrelevant before and after. Allocates nothing,
 * takes no lock. The bits of the result depend neither on the number of threads nor on the order in which units run.
 * Denormal inputs and intermediate values count as zero (FTZ/DAZ), whatever the caller's floating-point control says; that control is
 * restored. Errors are those that only the pointers can show: ATTN_ERROR_NULL, _STRUCT, _VALUE (alignment, a tensor that the problem has
 * not), _OVERFLOW, _OVERLAP, _WORKSPACE; then nothing was written. */
ATTN_API AttnStatus attn_run(const AttnPlan *plan, const AttnTensors *tensors, void *workspace, size_t workspace_size);

ATTN_API void attn_plan_destroy(AttnPlan *plan); /* NULL is fine */

/* Plan, allocate, run, free, in one call, for people who want no plan. */
ATTN_API AttnStatus attn_sdpa(const AttnProblem *problem, const AttnTensors *tensors);

/* ---- What is here ---------------------------------------------------------------------------------------------------------------- */

typedef struct AttnCpuInfo {
    size_t size;          /* set to sizeof by the caller before the call             */
    const char *arch;     /* "x86_64", "aarch64" or "generic"                        */
    const char *vendor;   /* "GenuineIntel", … ; "" if unknown                       */
    const char *brand;    /* what the CPU calls itself; a hypervisor may mask it      */
    const char *features; /* usable features, separated by spaces: "sse2 avx2 fma …" */
    bool hypervisor;      /* under one: the model name says little                   */
} AttnCpuInfo;

/* The CPU as the dispatch sees it: a feature is listed if the CPU has it and the operating system saves its registers. The strings live
 * as long as the process. */
ATTN_API AttnStatus attn_cpu_query(AttnCpuInfo *info);

typedef struct AttnKernelInfo {
    size_t size;         /* set to sizeof by the caller before the call        */
    const char *name;    /* "flash_f32_avx2"                                   */
    const char *summary; /* one line                                           */
    const char *needs;   /* CPU features it needs, separated by spaces; may be "" */
    bool runnable;       /* this CPU has them all                              */
} AttnKernelInfo;

/* Kernels built into this library, in a fixed order; index < attn_kernel_count(). The strings live as long as the process. */
ATTN_API size_t attn_kernel_count(void);
ATTN_API AttnStatus attn_kernel_query(size_t index, AttnKernelInfo *info);

#ifdef __cplusplus
}
#endif
#endif
