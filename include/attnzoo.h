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
 * Letters used throughout: B batch, Hq query heads, Hkv key/value heads, Sq query rows, Sk key rows, d width of q and k, dv width of v and
 * o, i a query row, j a key row. Sizes are size_t, strides are ptrdiff_t and count elements, never bytes.
 *
 * The library never prints (except its choices on stderr with ATTNZOO_VERBOSE=dispatch), aborts or exits. Each function that can fail
 * returns an AttnStatus; attn_last_error() then names the field, its value and what is allowed. Apart from that message the library keeps
 * only what it read once (the CPU, tune files), so every function may be called from several threads at once. One plan may run on several
 * threads at once if each call has a separate workspace.
 *
 * Structs grow only at their end. Their first member `size` says how much of the struct the caller knows. A caller built against an older
 * header keeps working with a newer library.
 *
 * Initialize each struct before filling it: in C with an inline function at the end of this file (attn_problem, attn_tensors,
 * attn_options, ...), from other languages with the exported function of the same meaning (attn_problem_init, ...). The exported function
 * takes the size of the caller's memory for the struct, from the smallest size the library knows up to 4096 bytes, and writes exactly that
 * many bytes. Parsers of C declarations, such as Python's cffi, can read the preprocessed file with ATTNZOO_DECLARATIONS defined: it then
 * has no includes, inline functions or attributes.
 *
 * Each enum ends with ..._MAX_ENUM, which is not a valid value: it makes the type 32 bits wide even with -fshort-enums, so that structs
 * have one layout. */
#ifndef ATTNZOO_H
#define ATTNZOO_H

#ifndef ATTNZOO_DECLARATIONS
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifndef __cplusplus
#include <math.h>
#else
#include <cmath>
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32) || defined(ATTNZOO_DECLARATIONS)
#define ATTN_API
#else
#define ATTN_API __attribute__((visibility("default")))
#endif

#define ATTNZOO_VERSION_MAJOR 0
#define ATTNZOO_VERSION_MINOR 1
#define ATTNZOO_VERSION_PATCH 0
#define ATTNZOO_VERSION "0.1.0"

/* Version of the running library, "major.minor.patch"; ATTNZOO_VERSION is the version compiled against. */
ATTN_API const char *attn_version(void);

/* The value of the member `made` of an initialized struct. A struct without it was filled by hand and is refused, since a field of 0, such
 * as the scale, may have been forgotten. */
#define ATTN_MADE UINT64_C(0x6174746e7a6f6f31)

/* ---- Status ---------------------------------------------------------------------------------------------------------------------- */

typedef enum AttnStatus {
    ATTN_OK = 0,
    ATTN_ERROR_NULL,        /* a required pointer is NULL                                                              */
    ATTN_ERROR_STRUCT,      /* a struct that was not initialized, or whose `size` no version of the header has        */
    ATTN_ERROR_VALUE,       /* a field has a value that is not allowed                                                 */
    ATTN_ERROR_OVERFLOW,    /* a product of sizes or strides exceeds the address space                                */
    ATTN_ERROR_OVERLAP,     /* the output overlaps an input, or its own rows overlap each other                        */
    ATTN_ERROR_NAME,        /* an unknown kernel, ISA or feature name (option or environment)                         */
    ATTN_ERROR_UNSUPPORTED, /* a valid problem that no kernel supports here, or that the forced kernel cannot run     */
    ATTN_ERROR_WORKSPACE,   /* workspace too small, or not aligned to 64 bytes                                         */
    ATTN_ERROR_MEMORY,      /* out of memory                                                                           */
    ATTN_STATUS_MAX_ENUM = 0x7fffffff
} AttnStatus;

/* A short text for a status, such as "value not allowed"; never NULL, not even for unknown numbers. */
ATTN_API const char *attn_status_string(AttnStatus status);

/* The message of the last error on this thread: field, value, what is allowed. "" if nothing has failed yet. Valid until the next attnzoo
 * call on the same thread. */
ATTN_API const char *attn_last_error(void);

/* ---- Problem --------------------------------------------------------------------------------------------------------------------- */

typedef enum AttnDtype {
    ATTN_NONE = 0, /* the tensor is absent                                   */
    ATTN_F32,      /* IEEE binary32                                          */
    ATTN_F64,      /* IEEE binary64 (named now, no kernel takes it yet)      */
    ATTN_F16,      /* IEEE binary16 (named now, no kernel takes it yet)      */
    ATTN_BF16,     /* bfloat16      (named now, no kernel takes it yet)      */
    ATTN_BOOL,     /* one byte, 0 = false, anything else = true              */
    ATTN_DTYPE_MAX_ENUM = 0x7fffffff
} AttnDtype;

/* Storage of a tensor [batch, head, row, column]: strides in elements, of any sign; 0 broadcasts; the column stride is 1. The stride of an
 * axis of length 1 may be any number. BHSD, BSHD, interleaved QKV and views of a cache differ only in these numbers. */
typedef struct AttnLayout {
    AttnDtype dtype;             /* ATTN_NONE: absent (only the log-sum-exp may be) */
    ptrdiff_t batch, head, row;  /* strides, in elements                            */
} AttnLayout;

/* Storage of a tensor over scores [B, Hq, Sq, Sk]; a stride of 0 broadcasts along that axis. */
typedef struct AttnScoreLayout {
    AttnDtype dtype;                 /* ATTN_NONE: absent                    */
    ptrdiff_t batch, head, row, col; /* strides, in elements                 */
} AttnScoreLayout;

/* Position of query row 0 among the keys: row i is at key i + offset. Causal mask, window and ALiBi are relative to it. */
typedef enum AttnAlign {
    ATTN_ALIGN_TOP_LEFT = 0, /* offset 0          (PyTorch is_causal, ONNX without a cache)                                   */
    ATTN_ALIGN_BOTTOM_RIGHT, /* offset Sk - Sq    (FlashAttention, a cache that ends at the last row); with kv_lengths or varlen
                                from the lengths of the batch entry. May be negative; never clamped                           */
    ATTN_ALIGN_OFFSET,       /* problem.offset    (ONNX with `past`: offset = rows in the past)                               */
    ATTN_ALIGN_OFFSETS,      /* tensors.offsets[b]                                                                            */
    ATTN_ALIGN_MAX_ENUM = 0x7fffffff
} AttnAlign;

/* The score function: s0 of a query and a key. */
typedef enum AttnScore {
    ATTN_SCORE_DOT = 0,  /* scale * q.k; scale 1 is the plain dot. A general (bilinear) score q W k is a dot after projecting q by W */
    ATTN_SCORE_GAUSSIAN, /* -scale/2 * |q - k|^2, scale = 1 / sigma^2: Nadaraya-Watson regression (1964)                       */
    ATTN_SCORE_ADDITIVE, /* scale * w . tanh(q + k), q and k already projected: Bahdanau, Cho, Bengio (2014)                    */
    ATTN_SCORE_MAX_ENUM = 0x7fffffff
} AttnScore;

/* Stage of the scores that the optional output receives (ONNX qk_matmul_output_mode). */
typedef enum AttnStage {
    ATTN_STAGE_RAW = 0, /* s0, also of hidden keys                              */
    ATTN_STAGE_CAPPED,  /* s1, after the soft-cap, also of hidden keys          */
    ATTN_STAGE_BIASED,  /* s2, after bias and ALiBi; -inf where hidden          */
    ATTN_STAGE_WEIGHTS, /* after the softmax; 0 where hidden                    */
    ATTN_STAGE_MAX_ENUM = 0x7fffffff
} AttnStage;

/* A problem is a pure value: sizes, strides and options, never a pointer to data. Initialize it with attn_problem(), then change fields.
 *
 *     s0      = score(q[i], k[j])
 *     s1      = softcap > 0 ? softcap * tanh(s0 / softcap) : s0
 *     s2      = s1 + bias[b,h,i,j] - slope[h] * |i + offset - j|
 *     visible = mask[b,h,i,j] and j < kv_length[b] and (not causal or j <= i + offset)
 *               and (no window or i + offset - left <= j <= i + offset + right)
 *     o[i]    = sum over visible j of exp(s2 - m) v[j] / l,   l = sum of exp(s2 - m)  (+ exp(sink[h] - m))
 *
 * s0, s1, s2, o and lse are f32: beyond FLT_MAX they are infinite, below they are ordinary numbers (docs/semantics.md, "Range"). A score
 * of
 * -inf has weight 0, one of +inf makes the row NaN. Keys that a row does not see never affect it, even if they are NaN.
 *
 * Example, computable by hand: two visible keys with scores 0 and ln 3 have weights 1/4 and 3/4, so o = v[0] / 4 + 3 v[1] / 4 and lse = ln
 * 4. */
typedef struct AttnProblem {
    size_t size;              /* bytes of this struct that the caller knows; set by attn_problem()                    */
    size_t batch;             /* B   >= 0                                                                             */
    size_t q_heads;           /* Hq  >= 1, a multiple of kv_heads (GQA; kv_heads = 1 is MQA)                          */
    size_t kv_heads;          /* Hkv >= 1; query head h reads key/value head h / (Hq / Hkv)                           */
    size_t q_len;             /* Sq  >= 0                                                                             */
    size_t k_len;             /* Sk  >= 0; 0: rows see no key. Includes past rows, if any                             */
    size_t d;                 /* d   >= 1, width of rows of q and k                                                   */
    size_t dv;                /* dv  >= 1, width of rows of v and o                                                   */
    AttnLayout q, k, v, o;    /* q [B,Hq,Sq,d]  k [B,Hkv,Sk,d]  v [B,Hkv,Sk,dv]  o [B,Hq,Sq,dv]                       */
    AttnLayout lse;           /* optional output [B,Hq,Sq] f32: m + ln(l), the log-sum-exp of the row's scores, the sink
                                 included; -inf for a row that sees no key and has no sink. ATTN_NONE: no output      */
    double scale;             /* attn_problem() sets 1/sqrt(d). 0 is 0: uniform weights. |scale| <= 2^126             */
    AttnScoreLayout mask;     /* optional ATTN_BOOL: true = visible; a select: what it hides from a row does not affect the
                                 row, even if it is NaN                                                                */
    AttnScoreLayout bias;     /* optional ATTN_F32: added to the score; -inf hides, like a false mask                 */
    AttnScore score;          /* the score function                                                                   */
    bool causal;              /* row i sees keys j <= i + offset                                                      */
    AttnAlign align;          /* how offset is determined                                                             */
    int64_t offset;           /* for ATTN_ALIGN_OFFSET: keys before query row 0; may be negative; never clamped        */
    bool window;              /* sliding window: the two widths below apply                                           */
    int64_t window_left;      /* keys to the left of the row's own position, inclusive; -1 = unbounded                */
    int64_t window_right;     /* keys to the right, inclusive; -1 = unbounded                                         */
    double softcap;           /* > 0: scores are softcap * tanh(score / softcap), before bias and mask; 0: off        */
    bool alibi;               /* tensors.alibi_slopes [Hq]: -slope * distance (Press, Smith, Lewis 2021)              */
    bool sinks;               /* tensors.sinks [Hq]: one more score per head, unscaled, with weight but no value; -inf: none,
                                 +inf: takes all weight, so o is 0 and lse +inf                                       */
    bool kv_lengths;          /* tensors.kv_lengths [B]: only keys j < kv_lengths[b] exist                            */
    bool varlen;              /* ragged sequences, one after another: entry b has q rows cu_q[b] .. cu_q[b+1] and k rows
                                 cu_k[b] .. cu_k[b+1] of tensors whose batch stride is 0; q_len and k_len are the
                                 longest. Not with kv_lengths, past or scores. o and lse may have heads inside rows or
                                 outside, [Hq, cu_q[B], dv]; attn_run checks that they do not overlap                 */
    size_t past_len;          /* keys 0 .. past_len are in tensors.k_past and v_past, the rest in k and v: a cache and
                                 new rows, without copying. <= k_len                                                  */
    AttnLayout k_past, v_past;/* their storage, if past_len > 0                                                       */
    AttnScoreLayout scores;   /* optional ATTN_F32 output [B,Hq,Sq,Sk]; ATTN_NONE: no output                          */
    AttnStage scores_stage;   /* which stage it receives                                                              */
    uint64_t made;            /* ATTN_MADE, set by what sets size                                                     */
} AttnProblem;

/* Largest accepted batch, q_len, k_len, heads, d, dv and |offset|. */
#define ATTN_MAX_SIZE ((size_t)1 << 30)

/* Initialize a problem over contiguous f32 tensors [batch, head, row, column]: scale 1/sqrt(d), nothing masked, no log-sum-exp. `size` is
 * sizeof(AttnProblem) as the caller knows it. ATTN_ERROR_NULL, ATTN_ERROR_STRUCT (size). */
ATTN_API AttnStatus attn_problem_init(AttnProblem *problem, size_t size, size_t batch, size_t q_heads, size_t kv_heads, size_t q_len,
                                      size_t k_len, size_t d, size_t dv);

/* Request the log-sum-exp as a contiguous f32 tensor [B, Hq, Sq]. */
ATTN_API AttnStatus attn_problem_want_lse(AttnProblem *problem);

/* The data of one run. Each pointer is the address of element [0,0,0,0], for any signs of the strides, aligned to the element size. A
 * tensor without elements may be NULL; a tensor that the problem does not have must be NULL. Outputs (o, lse, scores) must not share a
 * byte with each other or with an input. Bytes are compared, not spans: o may lie between the rows of a buffer that also holds q, k and v
 * (interleaved QKV with room for o). The check is exact if the strides of the two tensors are equal or nest (each stride steps over
 * everything that the smaller ones reach); other strides may be refused (ATTN_ERROR_OVERLAP) if the spans intersect. Inputs may overlap
 * freely. */
typedef struct AttnTensors {
    size_t size;       /* set by attn_tensors()                                    */
    const void *q;     /* [B,Hq,Sq,d]                                              */
    const void *k;     /* [B,Hkv,Sk,d]                                             */
    const void *v;     /* [B,Hkv,Sk,dv]                                            */
    void *o;           /* [B,Hq,Sq,dv], every element is written                   */
    float *lse;        /* [B,Hq,Sq]; required if problem.lse is present, else NULL  */
    const void *mask;  /* [B,Hq,Sq,Sk] bytes; required if problem.mask is present  */
    const float *bias; /* [B,Hq,Sq,Sk]; required if problem.bias is present        */
    const float *w;              /* [Hq,d] contiguous, for ATTN_SCORE_ADDITIVE              */
    const int64_t *offsets;      /* [B], for ATTN_ALIGN_OFFSETS; |each| <= ATTN_MAX_SIZE    */
    const int64_t *kv_lengths;   /* [B], 0 <= each <= k_len                                 */
    const float *alibi_slopes;   /* [Hq]                                                    */
    const float *sinks;          /* [Hq]                                                    */
    const int64_t *cu_q, *cu_k;  /* [B+1], ascending from 0, for varlen                     */
    const void *k_past, *v_past; /* [B,Hkv,past_len,d], [B,Hkv,past_len,dv]                 */
    float *scores;               /* [B,Hq,Sq,Sk], every element is written                  */
    uint64_t made;               /* ATTN_MADE, set by what sets size                        */
} AttnTensors;

ATTN_API AttnStatus attn_tensors_init(AttnTensors *tensors, size_t size, const void *q, const void *k, const void *v, void *o);

/* ---- Options --------------------------------------------------------------------------------------------------------------------- */

/* The caller's parallel-for: call task(argument, i) exactly once for each i in [0, n), in any order, on any threads, and return when all
 * calls have returned. Sequential execution is allowed. Running the same i on the same thread every time keeps its data in that core's
 * caches. */
typedef void (*AttnParallelFor)(void *context, size_t n, void (*task)(void *argument, size_t i), void *argument);

/* An initialized struct, or NULL in its place, means defaults. Environment variables fill fields left at zero: ATTNZOO_KERNEL,
 * ATTNZOO_MAX_ISA, ATTNZOO_DISABLE, ATTNZOO_THREADS, ATTNZOO_VERBOSE, ATTNZOO_TUNE_FILE; a field set here overrides its variable.
 * OMP_NUM_THREADS is used if neither gives the number of threads, and ignored unless it begins with a number above 0. Tune files, and
 * ATTNZOO_TUNE_FILE, are read once per process, at the first plan that looks for them. */
typedef struct AttnOptions {
    size_t size;                 /* set by attn_options()                                                                     */
    const char *kernel;          /* force this kernel, by name; an error if it cannot run the problem here                    */
    const char *max_isa;         /* use nothing beyond this level: "baseline", "avx2", "avx512", "neon" …                     */
    const char *disable;         /* CPU features not to use, separated by commas: "avx512_bf16,fma"                           */
    size_t threads;              /* number of threads; 0: OMP_NUM_THREADS, else the number of CPUs that the process may use when the
                                    library first counts them; 1 with a parallel_for                                          */
    AttnParallelFor parallel_for;/* NULL: the calling thread and the library's threads                                        */
    void *parallel_context;      /* passed to parallel_for                                                                    */
    const char *tune;            /* a file written by `attnzoo tune`; "off": none; NULL: the environment's, else the user's. An
                                    unusable file (other machine or build, changed, missing) is not an error: the choice is then
                                    estimated, and attn_plan_explain says why                                                 */
    uint64_t made;               /* ATTN_MADE, set by what sets size                                                             */
} AttnOptions;

ATTN_API AttnStatus attn_options_init(AttnOptions *options, size_t size);

/* ---- Plan and run ---------------------------------------------------------------------------------------------------------------- */

typedef struct AttnPlan AttnPlan; /* kernel, work units and workspace size for one problem; immutable */

/* Check a problem without creating a plan. Returns ATTN_OK, or the error that attn_plan_create would return. */
ATTN_API AttnStatus attn_problem_check(const AttnProblem *problem);

/* Validate the problem, choose a kernel, fix the work units. options may be NULL. On error *plan is NULL: ATTN_ERROR_NULL, _STRUCT, _VALUE,
 * _OVERFLOW, _OVERLAP (rows of an output), _NAME, _UNSUPPORTED, _MEMORY. */
ATTN_API AttnStatus attn_plan_create(const AttnProblem *problem, const AttnOptions *options, AttnPlan **plan);

/* Bytes of workspace that attn_run needs (a multiple of 64, at least 64). */
ATTN_API size_t attn_plan_workspace(const AttnPlan *plan);

/* The name of the chosen kernel. */
ATTN_API const char *attn_plan_kernel(const AttnPlan *plan);

/* The chosen kernel and why, then one line per rejected kernel with the reason, and a last line "tune file ..." if there is one. Built at
 * the first call, from any thread; lives as long as the plan. "" if out of memory. */
ATTN_API const char *attn_plan_explain(const AttnPlan *plan);

/* Compute. workspace: at least attn_plan_workspace(plan) bytes, 64-byte aligned; its contents do not matter. Allocates nothing.
 *
 * Threads: without a parallel_for, the library's threads help. They are created at the first run that needs them, sleep between runs and
 * live as long as the process. If the system grants fewer, or other callers use them, the run continues with those available, down to the
 * calling thread alone; it never waits for a thread that has not joined. A forked child creates its own. Inside an OpenMP region of the
 * caller a run stays on its thread. A plugin that contains the static library must not be unloaded once it has run (link it with
 * -z nodelete, as the shared library is).
 *
 * Bits: the result depends neither on the number of threads nor on the order of units. In a decode step (up to 12 rows that share a KV
 * head) it does not depend on the batch either: an entry has the same bits as it has alone (docs/semantics.md, "Bits"). Denormal inputs
 * and intermediate values count as zero (FTZ/DAZ), regardless of the caller's floating-point control, which is restored.
 *
 * Errors are those that only the pointers can show: ATTN_ERROR_NULL, _STRUCT, _VALUE (alignment, a tensor that the problem does not have),
 * _OVERFLOW, _OVERLAP, _WORKSPACE. Nothing is written then. */
ATTN_API AttnStatus attn_run(const AttnPlan *plan, const AttnTensors *tensors, void *workspace, size_t workspace_size);

ATTN_API void attn_plan_destroy(AttnPlan *plan); /* NULL is allowed */

/* Plan, allocate, run and free in one call, without keeping a plan. Errors: those of attn_plan_create and attn_run. */
ATTN_API AttnStatus attn_sdpa(const AttnProblem *problem, const AttnTensors *tensors);

/* ---- What is here ---------------------------------------------------------------------------------------------------------------- */

typedef struct AttnCpuInfo {
    size_t size;          /* set to sizeof by the caller before the call             */
    const char *arch;     /* "x86_64", "aarch64" or "generic"                        */
    const char *vendor;   /* "GenuineIntel", … ; "" if unknown                       */
    const char *brand;    /* the CPU's own name; a hypervisor may mask it             */
    const char *features; /* usable features, separated by spaces: "sse2 avx2 fma …" */
    bool hypervisor;      /* under one, the model name says little                   */
} AttnCpuInfo;

/* The CPU as dispatch sees it: a feature is listed if the CPU has it and the operating system has enabled it. The strings live as long as
 * the process. */
ATTN_API AttnStatus attn_cpu_query(AttnCpuInfo *info);

typedef struct AttnKernelInfo {
    size_t size;         /* set to sizeof by the caller before the call        */
    const char *name;    /* "flash_f32_avx2"                                   */
    const char *summary; /* one line                                           */
    const char *needs;   /* CPU features it needs, separated by spaces; may be "" */
    bool runnable;       /* this CPU has all of them                           */
} AttnKernelInfo;

/* Kernels built into this library, in a fixed order; index < attn_kernel_count(). The strings live as long as the process. */
ATTN_API size_t attn_kernel_count(void);
ATTN_API AttnStatus attn_kernel_query(size_t index, AttnKernelInfo *info);

/* ---- Merge ----------------------------------------------------------------------------------------------------------------------- */

/* Partial results of the same queries over disjoint sets of keys, to be merged. Part n has o_n [B,H,S,dv], normalized by its own softmax,
 * and lse_n [B,H,S]; all parts have the same strides. Give a sink to one part only, or it counts several times. */
typedef struct AttnMerge {
    size_t size;                    /* set by attn_merge_of()                          */
    size_t parts;                   /* n >= 0                                          */
    size_t batch, heads, rows, dv;  /* B, H, S >= 0; dv >= 1                           */
    AttnLayout o_part, lse_part;    /* storage of each part, f32                       */
    AttnLayout o, lse;              /* of the result; lse ATTN_NONE: no output         */
    uint64_t made;                  /* ATTN_MADE, set by what sets size                */
} AttnMerge;

/* Initialize for contiguous tensors, with the log-sum-exp of the result as an output. */
ATTN_API AttnStatus attn_merge_init(AttnMerge *merge, size_t size, size_t parts, size_t batch, size_t heads, size_t rows, size_t dv);

/* lse = ln sum_n exp(lse_n), o = sum_n exp(lse_n - lse) o_n. A part with lse -inf is empty: its o is not read. So is one with +inf, which
 * FlashAttention 2 writes for a row that sees nothing; results of an infinite sink therefore cannot be merged. A NaN among the lse makes
 * the row NaN. If all parts are empty, or there are none, o is 0 and lse -inf. o_parts and lse_parts hold `parts` addresses. o may be one
 * of the parts, and lse too, if address and strides are the same; any other overlap of a result is ATTN_ERROR_OVERLAP. Runs on the calling
 * thread, allocates nothing; denormals count as zero, as in attn_run. */
ATTN_API AttnStatus attn_merge(const AttnMerge *merge, const float *const *o_parts, const float *const *lse_parts, float *o, float *lse);

/* ---- Multi-head attention -------------------------------------------------------------------------------------------------------- */

/*     y = concat_h( SDPA( xq Wq + bq, xk Wk + bk, xv Wv + bv ) ) Wo + bo
 *
 * optionally with rotary positions on q and k, a residual and a LayerNorm. Three objects: the weights, packed once (AttnMha); everything
 * that is fixed for a shape (AttnMhaPlan); the data of one run (AttnMhaTensors).
 *
 *     AttnMhaConfig c = attn_mha_config(768, 12);
 *     AttnMhaWeights w = attn_mha_weights(wq, wk, wv, wo);
 *     AttnMha *mha;
 *     attn_mha_create(&c, &w, NULL, NULL, 0, &mha);
 *     AttnMhaShape s = attn_mha_shape(&c, batch, rows, rows);
 *     AttnMhaPlan *plan;
 *     attn_mha_plan_create(mha, &s, NULL, &plan);
 *     AttnMhaTensors t = attn_mha_tensors(x, NULL, NULL, y);
 *     attn_mha_run(plan, &t, workspace, attn_mha_plan_workspace(plan));
 */

/* The sources of keys and values, which decide how many matrix products the projections need. */
typedef enum AttnMhaSources {
    ATTN_MHA_SELF = 0, /* xq = xk = xv: one product; kdim = vdim = embed  */
    ATTN_MHA_CROSS,    /* xk = xv, different from xq: two; kdim = vdim    */
    ATTN_MHA_SEPARATE, /* three sources, which may be equal: three        */
    ATTN_MHA_SOURCES_MAX_ENUM = 0x7fffffff
} AttnMhaSources;

/* Rotary position embedding (Su et al. 2021): pair c of the first rope_dims columns of each q and k head is rotated by the angle
 * position * base^(-2c/rope_dims). */
typedef enum AttnRope {
    ATTN_ROPE_NONE = 0,
    ATTN_ROPE_INTERLEAVED, /* pairs are columns (2c, 2c + 1)                                  */
    ATTN_ROPE_HALVES,      /* pairs are columns (c, c + rope_dims / 2): GPT-NeoX, Llama in HF */
    ATTN_ROPE_MAX_ENUM = 0x7fffffff
} AttnRope;

typedef enum AttnNorm {
    ATTN_NORM_NONE = 0,
    ATTN_NORM_PRE,  /* the query source is normalised first (in ATTN_MHA_SELF that is all sources); the residual is not */
    ATTN_NORM_POST, /* y is normalised last, after the residual                                                         */
    ATTN_NORM_MAX_ENUM = 0x7fffffff
} AttnNorm;

typedef struct AttnMhaConfig {
    size_t size;            /* set by attn_mha_config()                                                          */
    size_t embed;           /* E >= 1: width of xq, and of y if there is an output projection                     */
    size_t q_heads;         /* Hq >= 1, a multiple of kv_heads                                                    */
    size_t kv_heads;        /* Hkv >= 1                                                                           */
    size_t d, dv;           /* widths of a head; attn_mha_config() sets E / Hq if that is an integer, else 0, which
                               attn_mha_create refuses: set both in that case                                     */
    size_t kdim, vdim;      /* widths of xk and xv; attn_mha_config() sets E                                      */
    AttnMhaSources sources; /* which sources are the same                                                         */
    bool output;            /* project the heads with Wo; else y is [B,Sq,Hq*dv]. attn_mha_config() sets true     */
    bool zero_attn;         /* one more key and value of zeros, after all others (torch add_zero_attn)            */
    AttnRope rope;          /* rotary positions                                                                   */
    size_t rope_dims;       /* even, <= d: columns that are rotated; the others are copied. Set with rope          */
    double rope_base;       /* > 0, usually 10000. Set with rope                                                  */
    bool residual;          /* y += xq; y must be as wide as xq                                                   */
    AttnNorm norm;          /* LayerNorm before or after                                                          */
    double norm_eps;        /* >= 0, added to the variance; attn_mha_config() sets 1e-5                            */
    uint64_t made;          /* ATTN_MADE, set by what sets size                                                    */
} AttnMhaConfig;

/* Initialize: `heads` heads of width embed / heads, self-attention, with output projection. */
ATTN_API AttnStatus attn_mha_config_init(AttnMhaConfig *config, size_t size, size_t embed, size_t heads);

/* Weights as in torch.nn.Linear: [outputs][inputs], contiguous. Output h * d + c is column c of head h. They are read by attn_mha_create
 * and not needed afterwards. */
typedef struct AttnMhaWeights {
    size_t size;                             /* set by attn_mha_weights()                                        */
    const float *wq, *wk, *wv, *wo;          /* [Hq*d,E] [Hkv*d,kdim] [Hkv*dv,vdim] [E,Hq*dv]; wo NULL without output */
    const float *bq, *bk, *bv, *bo;          /* biases [outputs]; NULL: none                                     */
    const float *bias_k, *bias_v;            /* [Hkv*d], [Hkv*dv]: one more key and value after the projected ones, not
                                                projected themselves (torch add_bias_kv); both or none           */
    const float *norm_weight, *norm_bias;    /* [E] (post: width of y); NULL: ones, zeros                        */
    uint64_t made;                           /* ATTN_MADE, set by what sets size                                 */
} AttnMhaWeights;

ATTN_API AttnStatus attn_mha_weights_init(AttnMhaWeights *weights, size_t size, const float *wq, const float *wk, const float *wv,
                                          const float *wo);

typedef struct AttnMha AttnMha;         /* packed weights; immutable                      */
typedef struct AttnMhaPlan AttnMhaPlan; /* one shape on one AttnMha; immutable            */

/* Size of the packed weights in bytes (a multiple of 64), for callers who provide their memory. `weights` says which optional ones exist;
 * options as in attn_plan_create; `kernel` may name a linear kernel. */
ATTN_API AttnStatus attn_mha_packed_size(const AttnMhaConfig *config, const AttnMhaWeights *weights, const AttnOptions *options,
                                         size_t *bytes);

/* Pack the weights. If memory is NULL (and memory_size 0), into memory that the object owns and attn_mha_destroy frees; else into
 * `memory`, at least attn_mha_packed_size bytes, 64-byte aligned, which must outlive the object and is not freed. On error *mha is NULL. */
ATTN_API AttnStatus attn_mha_create(const AttnMhaConfig *config, const AttnMhaWeights *weights, const AttnOptions *options, void *memory,
                                    size_t memory_size, AttnMha **mha);
ATTN_API void attn_mha_destroy(AttnMha *mha); /* NULL is allowed; destroy its plans first */

/* Name of the linear kernel used for the projections. */
ATTN_API const char *attn_mha_kernel(const AttnMha *mha);

typedef enum AttnMhaWeightsOut {
    ATTN_MHA_WEIGHTS_NONE = 0,
    ATTN_MHA_WEIGHTS_MEAN,  /* [B,Sq,keys], mean over query heads */
    ATTN_MHA_WEIGHTS_HEADS, /* [B,Hq,Sq,keys]                     */
    ATTN_MHA_WEIGHTS_MAX_ENUM = 0x7fffffff
} AttnMhaWeightsOut;

/* Storage of an f32 tensor [batch, row, column]: strides in elements, of any sign; 0 broadcasts; the column stride is 1. */
typedef struct AttnRows {
    ptrdiff_t batch, row;
} AttnRows;

/* One shape, and the options of its attention. Fields named as in AttnProblem have the same meaning, and errors about them name
 * problem.FIELD.
 *
 * `keys` below is the number of keys that a query row may see: k_len, one more with bias_k, one more with zero_attn; with a cache, its
 * capacity. The rows of bias_k and zero_attn are visible to every query row: causal mask, window, lengths, mask, key mask and bias do not
 * apply to them.
 *
 * With a cache, a run appends its k_len new keys and values after the past[b] existing ones, then attends to all of them. Query row i is at
 * key past[b] + i (causal, window, ALiBi), and rotary positions continue from past[b]. k_len = 0 attends without appending: cross-attention
 * to rows that were projected once. */
typedef struct AttnMhaShape {
    size_t size;                       /* set by attn_mha_shape()                                                  */
    size_t batch, q_len, k_len;        /* rows of xq; rows of xk and xv (ATTN_MHA_SELF: q_len)                     */
    AttnRows xq, xk, xv, y;            /* [B,Sq,E] [B,Sk,kdim] [B,Sk,vdim] [B,Sq,E or Hq*dv]                       */
    double scale;                      /* attn_mha_shape() sets 1/sqrt(d)                                          */
    bool causal;
    AttnAlign align;                   /* 0 with a cache                                                           */
    int64_t offset;
    bool window;
    int64_t window_left, window_right;
    double softcap;
    bool alibi;                        /* not with bias_k or zero_attn, which have no position                     */
    bool sinks;
    bool kv_lengths;                   /* not with a cache, which has its own                                      */
    AttnScoreLayout mask, bias;        /* over [B,Hq,Sq,k_len], with a cache [B,Hq,Sq,capacity]                    */
    bool key_mask;                     /* tensors.key_mask [B,k_len or capacity] bytes, true = visible; with mask, both must be true */
    ptrdiff_t key_mask_batch;          /* its batch stride                                                         */
    AttnMhaWeightsOut weights;         /* the content of tensors.weights                                           */
    ptrdiff_t weights_batch, weights_head, weights_row; /* its strides; head 0 for the mean; attn_mha_shape_want_weights() sets them */
    bool positions;                    /* rotary positions are in tensors.q_positions and k_positions; else they count from: */
    int64_t q_position, k_position;    /* position of row 0; with a cache, past[b] is added                        */
    size_t capacity;                   /* > 0: rows of the cache per batch entry and KV head                       */
    AttnLayout k_cache, v_cache;       /* [B,Hkv,capacity,d], [B,Hkv,capacity,dv]; attn_mha_shape_use_cache() sets them contiguous */
    uint64_t made;                     /* ATTN_MADE, set by what sets size                                         */
} AttnMhaShape;

/* Initialize for contiguous tensors [B,S,width]: scale 1/sqrt(d), nothing masked. */
ATTN_API AttnStatus attn_mha_shape_init(AttnMhaShape *shape, size_t size, const AttnMhaConfig *config, size_t batch, size_t q_len,
                                        size_t k_len);

/* Use a contiguous cache [B,Hkv,capacity,...]. */
ATTN_API AttnStatus attn_mha_shape_use_cache(AttnMhaShape *shape, const AttnMhaConfig *config, size_t capacity);

/* Request the weights as a contiguous tensor; `keys` includes the rows of bias_k and zero_attn, or is the capacity of the cache. */
ATTN_API AttnStatus attn_mha_shape_want_weights(AttnMhaShape *shape, const AttnMhaConfig *config, AttnMhaWeightsOut weights, size_t keys);

/* The data of one run, with the rules of AttnTensors: no output (y, weights, caches) may share a byte with another tensor. xq, xk, xv and
 * y are f32; the caches have the type in their layout. */
typedef struct AttnMhaTensors {
    size_t size;                              /* set by attn_mha_tensors()                                              */
    const void *xq, *xk, *xv;                 /* sources; ATTN_MHA_SELF: xk and xv NULL, ATTN_MHA_CROSS: xv NULL        */
    void *y;                                  /* every element is written                                               */
    float *weights;                           /* required if shape.weights is set, else NULL; every element is written  */
    const void *key_mask, *mask;              /* bytes                                                                  */
    const float *bias;
    const int64_t *offsets, *kv_lengths;      /* [B]                                                                    */
    const float *alibi_slopes, *sinks;        /* [Hq]                                                                   */
    const int64_t *q_positions, *k_positions; /* [B,q_len], [B,k_len], contiguous, with shape.positions; |each| <= ATTN_MAX_SIZE */
    void *k_cache, *v_cache;                  /* only the new rows are written                                          */
    const int64_t *past;                      /* [B] rows in the cache before the run; past[b] + k_len <= capacity. The caller updates it */
    uint64_t made;                            /* ATTN_MADE, set by what sets size                                                */
} AttnMhaTensors;

ATTN_API AttnStatus attn_mha_tensors_init(AttnMhaTensors *tensors, size_t size, const void *xq, const void *xk, const void *xv, void *y);

/* Validate a shape, choose the attention kernel, fix the workspace. options may be NULL; `mha` must outlive the plan. On error *plan is
 * NULL. */
ATTN_API AttnStatus attn_mha_plan_create(const AttnMha *mha, const AttnMhaShape *shape, const AttnOptions *options, AttnMhaPlan **plan);
ATTN_API void attn_mha_plan_destroy(AttnMhaPlan *plan); /* NULL is allowed */

/* Bytes of workspace that attn_mha_run needs (a multiple of 64, at least 64). */
ATTN_API size_t attn_mha_plan_workspace(const AttnMhaPlan *plan);

/* The plan of the attention inside, for attn_plan_kernel and attn_plan_explain; it lives as long as this plan. */
ATTN_API const AttnPlan *attn_mha_plan_attention(const AttnMhaPlan *plan);

/* Compute, with the guarantees of attn_run: allocates nothing, bits do not depend on threads, denormals count as zero, and on an error
 * nothing is written, the cache included. workspace: at least attn_mha_plan_workspace(plan) bytes, 64-byte aligned. */
ATTN_API AttnStatus attn_mha_run(const AttnMhaPlan *plan, const AttnMhaTensors *tensors, void *workspace, size_t workspace_size);

/* ---- Initializers ---------------------------------------------------------------------------------------------------------------- */

/* The *_init functions above as inline functions that return the struct, as the header that the caller is compiled with defines it. */
#ifndef ATTNZOO_DECLARATIONS

static inline AttnProblem attn_problem(size_t batch, size_t q_heads, size_t kv_heads, size_t q_len, size_t k_len, size_t d, size_t dv)
{
    AttnProblem p;
    memset(&p, 0, sizeof p);
    p.size = sizeof p;
    p.made = ATTN_MADE;
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

static inline AttnTensors attn_tensors(const void *q, const void *k, const void *v, void *o)
{
    AttnTensors t;
    memset(&t, 0, sizeof t);
    t.size = sizeof t;
    t.made = ATTN_MADE;
    t.q = q;
    t.k = k;
    t.v = v;
    t.o = o;
    return t;
}

static inline AttnOptions attn_options(void)
{
    AttnOptions o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    o.made = ATTN_MADE;
    return o;
}

static inline AttnMerge attn_merge_of(size_t parts, size_t batch, size_t heads, size_t rows, size_t dv)
{
    AttnMerge m;
    memset(&m, 0, sizeof m);
    m.size = sizeof m;
    m.made = ATTN_MADE;
    m.parts = parts;
    m.batch = batch;
    m.heads = heads;
    m.rows = rows;
    m.dv = dv;
    m.o.dtype = m.lse.dtype = ATTN_F32;
    m.o.row = (ptrdiff_t)dv;
    m.o.head = (ptrdiff_t)(rows * dv);
    m.o.batch = (ptrdiff_t)(heads * rows * dv);
    m.lse.row = 1;
    m.lse.head = (ptrdiff_t)rows;
    m.lse.batch = (ptrdiff_t)(heads * rows);
    m.o_part = m.o;
    m.lse_part = m.lse;
    return m;
}

static inline AttnMhaConfig attn_mha_config(size_t embed, size_t heads)
{
    AttnMhaConfig c;
    memset(&c, 0, sizeof c);
    c.size = sizeof c;
    c.made = ATTN_MADE;
    c.embed = c.kdim = c.vdim = embed;
    c.q_heads = c.kv_heads = heads;
    c.d = c.dv = heads > 0 && embed % heads == 0 ? embed / heads : 0;
    c.output = true;
    c.norm_eps = 1e-5;
    return c;
}

static inline AttnMhaWeights attn_mha_weights(const float *wq, const float *wk, const float *wv, const float *wo)
{
    AttnMhaWeights w;
    memset(&w, 0, sizeof w);
    w.size = sizeof w;
    w.made = ATTN_MADE;
    w.wq = wq;
    w.wk = wk;
    w.wv = wv;
    w.wo = wo;
    return w;
}

static inline AttnMhaShape attn_mha_shape(const AttnMhaConfig *config, size_t batch, size_t q_len, size_t k_len)
{
    AttnMhaShape s;
    const size_t width = config->output ? config->embed : config->q_heads * config->dv;
    memset(&s, 0, sizeof s);
    s.size = sizeof s;
    s.made = ATTN_MADE;
    s.batch = batch;
    s.q_len = q_len;
    s.k_len = k_len;
    s.xq.row = (ptrdiff_t)config->embed;
    s.xk.row = (ptrdiff_t)config->kdim;
    s.xv.row = (ptrdiff_t)config->vdim;
    s.y.row = (ptrdiff_t)width;
    s.xq.batch = (ptrdiff_t)(q_len * config->embed);
    s.xk.batch = (ptrdiff_t)(k_len * config->kdim);
    s.xv.batch = (ptrdiff_t)(k_len * config->vdim);
    s.y.batch = (ptrdiff_t)(q_len * width);
    s.scale = config->d > 0 ? 1.0 / sqrt((double)config->d) : 0.0;
    return s;
}

static inline AttnMhaTensors attn_mha_tensors(const void *xq, const void *xk, const void *xv, void *y)
{
    AttnMhaTensors t;
    memset(&t, 0, sizeof t);
    t.size = sizeof t;
    t.made = ATTN_MADE;
    t.xq = xq;
    t.xk = xk;
    t.xv = xv;
    t.y = y;
    return t;
}
#endif

#ifdef __cplusplus
}
#endif
#endif
