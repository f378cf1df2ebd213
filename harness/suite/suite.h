/* suite.h - lists of what to verify. */
#ifndef HARNESS_SUITE_SUITE_H
#define HARNESS_SUITE_SUITE_H

#include "harness/ops/linear/case.h"
#include "harness/ops/linear/shape.h"
#include "harness/ops/sdpa/case.h"

typedef enum JobKind { JOB_CASE, JOB_EXACT, JOB_SPECIAL } JobKind;

typedef struct Job {
    JobKind kind;
    size_t index; /* of the exact oracle or special rule */
    VerifyCase c; /* of JOB_CASE                         */
    bool product; /* a matrix product instead, for kernels that compute such; kind then says what judges it */
    LinearCase linear;
    bool mha;     /* multi-head attention instead, for pairs of kernels */
    uint64_t mha_seed;
} Job;

typedef struct Suite {
    Job *at;
    size_t count;
} Suite;

/* Append to a suite (zeroed at first). The same name and seed give the same jobs. false: no memory, or error[] where there is one. */
bool suite_add_smoke(Suite *suite, uint64_t seed);       /* small and sharp: fast enough for an emulator              */
bool suite_add_full(Suite *suite, uint64_t seed);        /* tile edges, all widths and options, long keys             */
bool suite_add_adversarial(Suite *suite, uint64_t seed); /* data that hurts: large, denormal, rising, huge biases     */
bool suite_add_random(Suite *suite, size_t count, uint64_t seed);
bool suite_add_shapes(Suite *suite, const Shapes *shapes, const DataDist *dist, uint64_t seed, size_t threads); /* dist NULL: several */
bool suite_add_products(Suite *suite, bool full, size_t from, size_t count, uint64_t seed); /* linear_case_at, as many as there are */
bool suite_add_product_shapes(Suite *suite, const LinearShapes *shapes, uint64_t seed, size_t threads);
bool suite_add_job(Suite *suite, const char *text, char *error, size_t error_size); /* what suite_job_name printed                       */
bool suite_add_mha(Suite *suite, size_t count, uint64_t seed); /* drawn at random */
void suite_free(Suite *suite);

/* Is this job for this kernel? Attention is for kernels of attention, products are for kernels of products. */
bool suite_concerns(const Job *job, const AttnKernel *kernel);

/* "exact:count/plain", "special:nan-in-q", or the case's name. */
const char *suite_job_name(const Job *job, char *buffer, size_t size);

#endif
