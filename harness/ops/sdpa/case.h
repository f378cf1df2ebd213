/* case.h - one case to verify: a shape, its storage, its data, the position of its guard pages. */
#ifndef HARNESS_OPS_SDPA_CASE_H
#define HARNESS_OPS_SDPA_CASE_H

#include "harness/ops/sdpa/data.h"

/* Storage and options that a shape string cannot say; all zero: nothing special. */
typedef struct CaseStorage {
    unsigned mask_repeat; /* bits 1 batch, 2 head, 4 row, 8 column: stride 0 in the mask along that axis */
    unsigned bias_repeat; /* the same for the bias                                                       */
    unsigned stretch;     /* > 1: strides of q, k, v, past, outputs times this, so that there are gaps   */
    bool reversed;        /* rows of q, k, v, past, o, lse from the last to the first: negative strides  */
    bool shared_kv;       /* all batch entries read the same k and v: stride 0                           */
    bool has_scale;       /* scale instead of 1/sqrt(d)                                                  */
    double scale;
} CaseStorage;

typedef struct VerifyCase {
    Shape shape;
    DataDist dist;
    uint64_t seed;
    Fence fence;
    size_t threads;
    CaseStorage storage;
} VerifyCase;

AttnProblem case_problem(const VerifyCase *c);
bool case_data(Data *data, const VerifyCase *c, char *error, size_t error_size);

/* "shape:dist:seed:fence:threads[:storage]" and back; what storage stands for is a word such as
 * m5-b8-x2-r-z-s0.5. case_name returns buffer. */
const char *case_name(const VerifyCase *c, char *buffer, size_t size);
bool case_parse(const char *text, VerifyCase *c, char *error, size_t error_size);

#endif
