/* op.h - a kind of work: attention, a matrix product, multi-head attention. Suites, verify, bench, regress and records know nothing else
 * about one; what is specific to it stays in its folder.
 *
 * A kind is a folder beside this file that defines `const Op op_<name>`, and a word of OPS.
 *
 * Shapes and cases travel as words. A word says everything about its shape or case, so that a line of a record, of a failure or of a pipe
 * is enough to repeat it. */
#ifndef HARNESS_OPS_OP_H
#define HARNESS_OPS_OP_H

#include "dispatch/choose.h"
#include "harness/base/fence.h"
#include "harness/measure/roof.h"
#include "harness/ops/verdict.h"
#include "kernels/kernel.h"

/* In the order in which they are verified and measured. Words of a kind begin with its name and a colon ("linear:8x64x64"); those of the
 * first kind with neither ("b1_h2_q64_k64_d64"). */
#define OPS(X) X(sdpa) X(linear) X(mha)

enum { SHAPE_NAME = 360, CASE_NAME = SHAPE_NAME + 140, SHAPE_TYPES = 32, SHAPE_TITLE = SHAPE_NAME + 80 }; /* large enough for any */

typedef struct Op Op;

/* ---- Shapes ------------------------------------------------------------------------------------------------------------------------ */

typedef struct OpShape {
    const Op *op;
    char name[SHAPE_NAME]; /* canonical                                        */
    char alias[64];        /* the preset that it was named by; "": by its name */
} OpShape;

/* A list that grows (zeroed at first). */
typedef struct OpShapes {
    OpShape *at;
    size_t count;
} OpShapes;

/* false: error[] says that there is no room. */
bool op_shapes_add(OpShapes *list, const Op *op, const char *name, const char *alias, char *error, size_t error_size);
void op_shapes_free(OpShapes *list);

/* The kind that a word of a shape or a case belongs to, by its place in OPS. */
size_t op_number(const char *word);

/* The storage types of a canonical word: what stands before its own colon ("bf16" of "bf16:b1_h8_..."), else "f32". Returns buffer. */
const char *op_types(const char *word, char *buffer, size_t size);

/* What headings call a shape: its alias, if it has one, and the word with its types, "gpt2/prefill@8  f32:b1_h12_...". Returns buffer. */
const char *op_title(const char *alias, const char *word, char *buffer, size_t size);

/* ---- Kernels ----------------------------------------------------------------------------------------------------------------------- */

/* A kernel that does work of a kind, or two that do it together. */
typedef struct OpKernel {
    const Op *op;
    char name[96];            /* in tables and records                                             */
    const char *summary;      /* of a mutant: what is wrong with it; "" if nothing is              */
    uint64_t isa;             /* CPU features needed                                               */
    const AttnKernel *kernel; /* the kernel; of two, the one whose name stands for both in commands */
    const AttnKernel *inner;  /* the other one of two, or NULL                                     */
    int mistake;              /* of a mutant that is wrong in its reference, not in its kernel     */
} OpKernel;

/* Fill everything but op and mistake from one kernel. */
void op_kernel_fill(OpKernel *to, const AttnKernel *kernel);

/* The value of the field `isa`: the highest ISA that it needs, "portable", or "library" for a yardstick. */
const char *op_isa_name(const OpKernel *kernel);

/* ---- Cases ------------------------------------------------------------------------------------------------------------------------- */

/* How a case is judged: by error bound and model, by a result known to the bit, by a rule about special values. */
typedef enum JobKind { JOB_CASE, JOB_EXACT, JOB_SPECIAL } JobKind;

typedef struct Job {
    const Op *op;
    JobKind kind;
    char name[CASE_NAME]; /* "exact:count/plain", "linear:8x64x64:normal:..." */
} Job;

/* A list that grows (zeroed at first). */
typedef struct Suite {
    Job *at;
    size_t count;
    const Op *op; /* of the jobs that are added next */
} Suite;

bool suite_add(Suite *suite, JobKind kind, const char *name); /* false: no memory */
void suite_free(Suite *suite);

typedef enum SuiteName { SUITE_FULL, SUITE_SMOKE, SUITE_ADVERSARIAL, SUITE_FUZZ, SUITE_MUTANTS } SuiteName;

typedef struct JudgeOptions {
    bool bitwise;      /* compare bits across threads, orders, alignments and workspaces, too */
    bool longdouble;   /* the oracle's second implementation                                  */
    double flop_limit; /* above this, rows are sampled                                        */
} JudgeOptions;

/* ---- Measuring --------------------------------------------------------------------------------------------------------------------- */

/* The settings of a case besides its shape. */
typedef struct OpSettings {
    const char *dist; /* what the operands hold; in suites NULL: the default ones */
    uint64_t seed;
    Fence fence;
    size_t threads;
} OpSettings;

/* A kernel and operands, ready to be called. */
typedef struct OpReady {
    AttnStatus (*call)(const struct OpReady *ready);
    const AttnKernel *kernel;
    const void *operands;
    void *plan, *object; /* the kind's own */
    void *workspace;     /* of the plan, or packed weights */
    size_t workspace_size;
} OpReady;

/* ---- The interface ----------------------------------------------------------------------------------------------------------------- */

/* bool functions with error[] or why[] return false with a sentence in it. */
struct Op {
    const char *name;     /* "linear": in records and before the colon of words          */
    const char *computes; /* "a matrix product"                                          */
    const char *help;     /* how its words are written, for the help of bench; or NULL   */
    bool guarded;         /* its judge also checks canaries, machine state and bits      */
    bool longdouble;      /* its judge supports JudgeOptions.longdouble                  */
    bool dists;           /* operands follow OpSettings.dist; else always normal numbers */

    /* Append the shapes that a word without ranges stands for; one, unless it is a glob over presets. The work of a canonical one. */
    bool (*parse)(OpShapes *list, const char *word, char *error, size_t error_size);
    RoofWork (*work)(const char *shape);

    /* Does `kernel` do this work, alone or as the first of two? If so, fill *to. mutants: returns their number and, unless `to` is NULL,
     * fills to[], the unbroken one first. */
    bool (*kernel)(const AttnKernel *kernel, OpKernel *to);
    size_t (*mutants)(OpKernel *to);

    /* Append jobs: of a named suite; of shape number `number` (NULL: shapes of this kind have no cases); the one that was printed as
     * `text`. The same seed gives the same jobs. false: no memory, or error[]. */
    bool (*suite)(Suite *suite, SuiteName name, uint64_t seed);
    bool (*cases)(Suite *suite, const char *shape, size_t number, const OpSettings *settings);
    bool (*job)(Suite *suite, const char *text, char *error, size_t error_size);

    /* Judge in this process. *kept, NULL before the first kernel of a job, is what the kind keeps for the next one of the same job, and
     * forget() frees (NULL: it keeps nothing). */
    void (*judge)(const Job *job, const OpKernel *kernel, const JudgeOptions *options, void **kept, VerifyResult *result);
    void (*forget)(void *kept);

    /* Operands of a canonical shape, shared by all kernels; NULL: error[]. They stay until close(). */
    void *(*open)(const char *shape, const OpSettings *settings, char *error, size_t error_size);
    void (*close)(void *operands);

    /* May the kernel be measured on them under these settings? Is it right, judged in a child process? Make it ready to be called; done()
     * frees, also what was made in part. */
    bool (*takes)(const void *operands, const OpKernel *kernel, const AttnSettings *settings, char *why, size_t size);
    VerifyResult (*verify)(const void *operands, const OpKernel *kernel);
    bool (*ready)(OpReady *ready, const void *operands, const OpKernel *kernel, char *why, size_t size);
    void (*done)(OpReady *ready);

    /* Which kernel dispatch would choose here, and on what grounds: "tune", "estimate", "option". NULL: nothing is chosen for this kind. */
    const AttnKernel *(*chosen)(const void *operands, const AttnSettings *settings, const char **by);
};

#endif
