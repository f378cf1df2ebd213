/* operands.c - see operands.h. */
#include "harness/conform/operands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/ops/sdpa/case.h"
#include "harness/ops/sdpa/operand.h"

bool operands_from_shape(Operands *operands, uint64_t seed, const char *text, DataDist dist, char *error, size_t error_size)
{
    Shapes shapes = {0};
    if (!shapes_parse(&shapes, text, error, error_size))
        return false;
    const Shape shape = shapes.at[0];
    const size_t count = shapes.count;
    shapes_free(&shapes);
    if (count != 1) {
        snprintf(error, error_size, "'%s' stands for %zu shapes; only one is taken here", text, count);
        return false;
    }
    const VerifyCase c = {.shape = shape, .dist = dist, .seed = seed, .fence = FENCE_NONE, .threads = 1};
    const AttnProblem problem = case_problem(&c);
    if (attn_problem_check(&problem) != ATTN_OK) {
        snprintf(error, error_size, "shape '%s': %s", text, attn_last_error());
        return false;
    }
    char why[512];
    if (!case_data(&operands->data, &c, why, sizeof why)) {
        snprintf(error, error_size, "shape '%s': %s", text, why);
        return false;
    }
    operands->problem = operands->data.problem;
    operands->tensors = operands->data.tensors;
    operands->shape = shape;
    shape_name(&shape, operands->name, sizeof operands->name);
    return true;
}

bool operands_from_folder(Operands *operands, const char *directory, char *error, size_t error_size)
{
    char why[512];
    if (!folder_read(directory, &operands->folder, error, error_size))
        return false;
    if (!folder_bind(&operands->folder, &operands->call, why, sizeof why)) {
        snprintf(error, error_size, "%s: %s", directory, why);
        return false;
    }
    operands->problem = operands->call.problem;
    operands->tensors = operands->call.tensors;
    snprintf(operands->name, sizeof operands->name, "%s", operands->folder.name);
    return true;
}

void operands_free(Operands *operands)
{
    data_free(&operands->data);
    folder_release(&operands->call);
    folder_free(&operands->folder);
    memset(operands, 0, sizeof *operands);
}

float *operands_gather(const Operands *operands, OperandsTensor tensor, size_t shape[4])
{
    const AttnProblem *p = &operands->problem;
    const AttnTensors *t = &operands->tensors;
    const bool row = tensor == OPERANDS_Q || tensor == OPERANDS_O, value = tensor == OPERANDS_V || tensor == OPERANDS_O;
    const AttnLayout *const layouts[] = {&p->q, &p->k, &p->v, &p->o};
    const void *const data[] = {t->q, t->k, t->v, t->o};
    shape[0] = p->varlen ? 1 : p->batch;
    shape[1] = row ? p->q_heads : p->kv_heads;
    shape[2] = row ? p->varlen ? (size_t)t->cu_q[p->batch] : p->q_len : p->varlen ? (size_t)t->cu_k[p->batch] : p->k_len - p->past_len;
    shape[3] = value ? p->dv : p->d;
    const size_t count = shape[0] * shape[1] * shape[2] * shape[3];
    float *out = malloc((count ? count : 1) * sizeof *out), *to = out;
    for (size_t b = 0; out && b < shape[0]; b++)
        for (size_t h = 0; h < shape[1]; h++)
            for (size_t i = 0; i < shape[2]; i++, to += shape[3]) {
                const float *from = operand_floats(operand_row(data[tensor], layouts[tensor], b, h, i), shape[3], to);
                if (from != to)
                    memcpy(to, from, shape[3] * sizeof *to);
            }
    return out;
}

void operands_put_output(Operands *operands, const float *from)
{
    const AttnProblem *p = &operands->problem;
    for (size_t b = 0; b < p->batch; b++)
        for (size_t h = 0; h < p->q_heads; h++)
            for (size_t i = 0; i < p->q_len; i++)
                for (size_t c = 0; c < p->dv; c++)
                    operand_put(operand_row(operands->tensors.o, &p->o, b, h, i), c, *from++);
}
