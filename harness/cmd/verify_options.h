/* verify_options.h - what the command line of attnzoo verify asks for. */
#ifndef HARNESS_CMD_VERIFY_OPTIONS_H
#define HARNESS_CMD_VERIFY_OPTIONS_H

#include "harness/ops/op.h"
#include "harness/ops/sdpa/data.h"

typedef enum VerifyMode { MODE_FULL, MODE_SMOKE, MODE_ADVERSARIAL, MODE_FUZZ, MODE_SHAPES, MODE_MUTANTS, MODE_REPRO } VerifyMode;

typedef struct VerifyRequest {
    VerifyMode mode;
    const char *patterns, *shapes, *repro;
    DataDist dist;
    bool has_dist, fail_fast;
    uint64_t fuzz_seconds, jobs;
    JudgeOptions session;
} VerifyRequest;

/* -1: go on; else the exit code, after an error or a help text was printed. */
int verify_request_read(int argc, char **argv, VerifyRequest *request);

#endif
