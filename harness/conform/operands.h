/* operands.h - the operands of one shape or of one conformance case, and tensors as plain arrays: what run and serve share. */
#ifndef HARNESS_CONFORM_OPERANDS_H
#define HARNESS_CONFORM_OPERANDS_H

#include "harness/conform/folder.h"
#include "harness/ops/sdpa/data.h"

typedef struct Operands {
    AttnProblem problem;
    AttnTensors tensors;
    char name[SHAPE_NAME]; /* canonical, or the folder's                     */
    Shape shape;           /* of operands_from_shape; all zero from a folder */
    Data data;
    Folder folder;
    FolderCall call;
} Operands;

/* Make the operands of the one shape that `text` stands for, filled from the seed. `operands` is zeroed at first. false: error[] holds a
 * sentence; operands_free is still needed. */
bool operands_from_shape(Operands *operands, uint64_t seed, const char *text, DataDist dist, char *error, size_t error_size);

/* Read those of a conformance case. */
bool operands_from_folder(Operands *operands, const char *directory, char *error, size_t error_size);
void operands_free(Operands *operands);

typedef enum OperandsTensor { OPERANDS_Q, OPERANDS_K, OPERANDS_V, OPERANDS_O } OperandsTensor;

/* A tensor as f32 in the order [batch, head, row, column], whatever its strides and storage type, malloc'ed, and its sizes; ragged
 * sequences are one batch entry, and k and v are without the past. NULL: no memory. */
float *operands_gather(const Operands *operands, OperandsTensor tensor, size_t shape[4]);

/* Fill the output [batch, q_heads, q_len, dv] from an array in that order, rounded to its storage type; not for ragged sequences. */
void operands_put_output(Operands *operands, const float *from);

#endif
