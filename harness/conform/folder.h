/* folder.h - a conformance case: a folder with meta.json and one NPY file per tensor (docs/semantics.md, part 2, section 8).
 *
 * Reading checks everything: the result is a well-formed ONNX Attention node with its expected outputs. Binding turns it into a problem
 * with f32 operands, judging compares what a run wrote with what is expected. */
#ifndef HARNESS_CONFORM_FOLDER_H
#define HARNESS_CONFORM_FOLDER_H

#include "attnzoo.h"
#include "harness/conform/npy.h"

enum { FOLDER_Q, FOLDER_K, FOLDER_V, FOLDER_MASK, FOLDER_PAST_KEY, FOLDER_PAST_VALUE, FOLDER_KV_LENGTHS, FOLDER_INPUTS };
enum { FOLDER_Y, FOLDER_PRESENT_KEY, FOLDER_PRESENT_VALUE, FOLDER_SCORES, FOLDER_OUTPUTS };

typedef struct Folder {
    char name[128];
    size_t batch, q_heads, kv_heads, q_len, kv_len, past_len, total_len, d, dv; /* total = past + kv: keys that a query meets      */
    bool heads_inside;                 /* rank 3: heads are the outer part of the last axis; else [batch, head, row, column]       */
    bool causal, scaled;               /* scaled: `scale` was given                                                                */
    double scale, softcap;             /* softcap 0: none                                                                          */
    int scores_mode;                   /* what the output `qk_matmul_output` holds: 0 raw, 1 capped, 2 biased, 3 weights            */
    int softmax_precision;             /* ONNX number of a type; 0: not given                                                      */
    int64_t left, right;               /* window, -1: none                                                                         */
    Npy in[FOLDER_INPUTS], out[FOLDER_OUTPUTS]; /* data NULL: absent                                                                */
} Folder;

/* false: error[] is one sentence that names file and field; *folder is then empty. */
bool folder_read(const char *directory, Folder *folder, char *error, size_t error_size);
void folder_free(Folder *folder);

/* What is not done as the case has it, because kernels compute in f32: "float16 by conversion", "f16 softmax done in f32"; "" if all is.
 * Returns buffer. */
const char *folder_converted(const Folder *folder, char *buffer, size_t size);

/* A case as the library takes it. Memory is owned. */
typedef struct FolderCall {
    AttnProblem problem;
    AttnTensors tensors;
    size_t outputs, scores_count;   /* elements of tensors.o and .scores, in the order of the expected outputs */
    float *q, *k, *v, *k_past, *v_past, *o, *scores, *bias;
    unsigned char *mask;
    int64_t *lengths;               /* kv_lengths, then offsets                                               */
    double *sharpness;              /* for each row [b,h,i]: the largest scale * sum |q_c k_c| that it sees   */
} FolderCall;

/* false: error[] says why (memory, or a value that f32 cannot hold). */
bool folder_bind(const Folder *folder, FolderCall *call, char *error, size_t error_size);
void folder_release(FolderCall *call);
void folder_poison(FolderCall *call); /* set outputs to NaN, so that elements which a kernel fails to write are noticed */

/* Compare what a run wrote with Y and qk_matmul_output, or, for present_key and present_value, what the call was given, bit by bit.
 * *worst is the largest error in units of what is allowed; false: why[] names the element. */
bool folder_judge(const Folder *folder, const FolderCall *call, double *worst, char *why, size_t why_size);
bool folder_judge_present(const Folder *folder, const FolderCall *call, char *why, size_t why_size);

#endif
