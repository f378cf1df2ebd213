/* pack_abi.h - the interface between this program and a kernel pack: a shared library with all kernels of one commit behind one symbol.
 *
 * Two packs, made from two commits, are loaded side by side and measured in the same rounds. So the interface exposes no internals whose
 * meaning changes from commit to commit: no AttnKernel, no AttnPlan, no feature bit. It passes only the structs of attnzoo.h, which carry
 * their size and grow at their end, numbers, and names. A change that an older program or pack would misread increments ATTN_PACK_ABI;
 * additions go to the end of AttnPackV1 and are detected by its `size`. */
#ifndef HARNESS_REGRESS_PACK_ABI_H
#define HARNESS_REGRESS_PACK_ABI_H

#include "attnzoo.h"

#define ATTN_PACK_ABI 1
#define ATTN_PACK_SYMBOL "attn_pack_v1"

/* One kernel of a pack. The accuracy is what it declares (kernels/kernel.h, AttnAccuracy), for the judges of verify. */
typedef struct AttnPackKernelV1 {
    uint32_t size;             /* of this struct                                          */
    int32_t linear;            /* 1: a matrix product, 0: attention                       */
    const char *name;
    const char *needs;         /* CPU features by name, separated by blanks; "": baseline */
    double u_accumulate, u_score, u_prob, u_out, exp_ulp, tanh_ulp;
    int32_t exp_exact_at_0, chain_from_m;
} AttnPackKernelV1;

/* A product y = x W^T + bias; bias may be NULL. */
typedef struct AttnPackProductV1 {
    uint32_t size;
    int32_t accumulate;
    size_t rows, inputs, outputs;
    ptrdiff_t x_row, y_row;    /* elements between rows */
    const float *x, *bias;
    const void *packed;
    float *y;
} AttnPackProductV1;

typedef struct AttnPackV1 {
    uint32_t abi;              /* ATTN_PACK_ABI                                                        */
    uint32_t size;             /* of this struct                                                       */
    const char *version;       /* of the library, "0.1.0"                                              */
    const char *commit;        /* "1a2b3c4d", "1a2b3c4d-dirty", "unknown"                              */
    const char *compiler;      /* "gcc 12.2.0"                                                         */
    const char *flags;         /* beside those of a kernel's ISA                                       */
    size_t count;              /* kernels                                                              */
    const AttnPackKernelV1 *(*kernel)(size_t index);
    const char *(*last_error)(void); /* the sentence behind a status that is not ATTN_OK               */

    /* Attention: a plan for exactly this kernel, without a look at CPU or environment; its workspace in bytes; a run. */
    AttnStatus (*plan)(size_t kernel, const AttnProblem *problem, size_t threads, AttnPlan **plan);
    size_t (*workspace)(const AttnPlan *plan);
    AttnStatus (*run)(const AttnPlan *plan, const AttnTensors *tensors, void *workspace, size_t size);
    void (*destroy)(AttnPlan *plan);

    /* Matrix products: bytes of packed weights (0: overflow), weights [outputs][inputs] packed to 64-byte aligned memory, a run. */
    size_t (*packed)(size_t kernel, size_t inputs, size_t outputs);
    void (*pack)(size_t kernel, size_t inputs, size_t outputs, const float *w, ptrdiff_t w_row, void *packed);
    void (*product)(size_t kernel, const AttnPackProductV1 *product, size_t threads);

    /* The name of the kernel that a caller of this build gets on this CPU: of a problem, or, problem NULL, of matrix products. NULL: none,
     * and last_error says why. Packs from before 2026-11-30 end above this line. */
    const char *(*choice)(const AttnProblem *problem, const AttnOptions *options);

    /* Bytes of the AttnProblem that this pack knows. One that knows less than its member `made`, and one that ends above this line, must
     * get structs in which `made` is 0: it refuses bytes that it does not know. */
    size_t problem_size;
} AttnPackV1;

/* The one symbol that a pack exports. Never NULL; lives as long as the pack is loaded. */
typedef const AttnPackV1 *AttnPackEntry(void);

#endif
