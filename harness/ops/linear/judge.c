/* judge.c - is a matrix product right? Reference in double, a bound that holds for sums in any order, a model of likely errors.
 *
 * y is a sum of `inputs` products, the bias and what y held. Each product is rounded once at most and goes through at most inputs + 1
 * additions, so with u the unit roundoff of accumulation and gamma(n) = n u / (1 - n u)
 *     B = gamma(inputs + 2) (sum |x w| + |bias| + |y before|)  +  u_out |y|  +  FLT_MIN (sum |x| + sum |w| + 2 inputs + 4),
 * the last term because denormals count as zero inside kernels. The model adds a variance of u^2 / 3 times the square of what is rounded:
 * each product, each partial sum S_k from the first input on, and, since kernels also sum in slices that begin at 0, a random bridge of as
 * many steps, whose squares add up to inputs / 6 sum (x w)^2:
 *     sigma^2 = u^2 / 3 ((1 + inputs / 6) sum (x w)^2 + sum S_k^2 + 2 (bias^2 + y^2) + (2 + inputs / 64) (y before)^2),
 * (y before is added to in each slice; slices are hardly shorter than 64). With integers neither is needed: every bit is known. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "dispatch/linear.h"
#include "harness/base/fence.h"
#include "harness/base/random.h"
#include "harness/machine/cpu_state.h"
#include "harness/ops/linear/case.h"
#include "harness/ops/linear/mutants.h"
#include "harness/ops/loops.h"

enum { CHILD_TIMEOUT = 300 };
#define REPEAT_WORK 1e8    /* products beyond this many multiply-adds are repeated on threads only         */
#define REFERENCE_WORK 1e8 /* and only so many of their rows are compared that the reference costs no more */
#define FILL 0xff          /* canaries, and, as floats, NaN                                                */

/* How a product is executed. */
typedef struct Execution {
    const char *how;
    size_t workers;
    AttnParallelFor loop;
    const size_t *unusual; /* NULL, or which unusual control (cpu_state.h) the caller has */
} Execution;

static bool gaps_intact(const LinearData *data)
{
    const AttnLinear *l = &data->linear;
    const unsigned char *y = data->y.at;
    const size_t width = l->outputs * sizeof(float), row = (size_t)l->y_row * sizeof(float);
    for (size_t r = 0; r + 1 < l->rows; r++)
        for (size_t byte = width; byte < row; byte++)
            if (y[r * row + byte] != FILL)
                return false;
    return true;
}

static bool run(const AttnKernel *kernel, const LinearCase *c, LinearData *data, const void *packed, const Execution *execution,
                VerifyResult *result)
{
    fence_fill(&data->y, FILL);
    if (c->accumulate && data->y.bytes)
        memcpy(data->y.at, data->start.at, data->y.bytes);
    const float *bias = c->bias ? data->bias.at : NULL;
    const uint64_t restore = execution->unusual ? state_unusual_set(*execution->unusual) : 0;
    state_clear_upper();
    const MachineState before = state_read();
    attn_linear_run(kernel, &data->linear, data->x.at, packed, bias, data->y.at, execution->loop, NULL, execution->workers);
    const MachineState after = state_read();
    if (execution->unusual)
        state_restore(restore);
    char why[160];
    if (state_changed(&before, &after, why, sizeof why)) {
        state_restore(before.control); /* the next kernel in this process starts clean */
        return verdict_fail(result, JUDGE_STATE, "%s", why);
    }
    if (!fence_margins_intact(&data->y, FILL) || !gaps_intact(data))
        return verdict_fail(result, JUDGE_CANARY, "wrote outside the elements of y: a canary in a gap or margin is gone");
    return true;
}

/* Pack the weights into exactly the number of bytes that the kernel requested. */
static bool pack(const AttnKernel *kernel, const LinearData *data, Arena *packed, VerifyResult *result)
{
    const AttnLinear *l = &data->linear;
    const size_t bytes = attn_linear_bytes(kernel, l->inputs, l->outputs);
    const size_t beyond_one = l->outputs > 1 ? data->w.bytes / sizeof(float) - l->inputs : 0;
    const ptrdiff_t w_row = (ptrdiff_t)(l->outputs > 1 ? beyond_one / (l->outputs - 1) : l->inputs);
    if (bytes == 0 || bytes % 64 != 0)
        return verdict_fail(result, JUDGE_ERROR, "packed weights of %zu bytes; allowed: a multiple of 64 above 0", bytes);
    if (!fence_map(packed, bytes, FENCE_AFTER, FILL))
        return verdict_unable(result, "no memory for packed weights of %zu bytes", bytes);
    state_clear_upper();
    const MachineState before = state_read();
    attn_linear_pack(kernel, l->inputs, l->outputs, data->w.at, w_row, packed->at);
    const MachineState after = state_read();
    char why[160];
    if (state_changed(&before, &after, why, sizeof why))
        return verdict_fail(result, JUDGE_STATE, "packing: %s", why);
    if (!fence_margins_intact(packed, FILL))
        return verdict_fail(result, JUDGE_CANARY, "packing wrote before the beginning of its %zu bytes", bytes);
    fence_read_only(packed);
    return true;
}

/* ---- Agreement -------------------------------------------------------------------------------------------------------------------- */

typedef struct Expected {
    double y, bound, underflow, variance;
} Expected;

static Expected expect(const AttnAccuracy *a, const float *x, const float *w, size_t inputs, double bias, double before)
{
    const double u = a->u_accumulate, n = (double)inputs;
    double sum = bias, size = fabs(bias) + fabs(before), tiny = 2.0 * n + 4.0, squares = 0.0, partial = 0.0;
    for (size_t c = 0; c < inputs; c++) {
        const double product = (double)x[c] * w[c];
        sum += product;
        size += fabs(product);
        tiny += fabs((double)x[c]) + fabs((double)w[c]);
        squares += product * product;
        partial += sum * sum;
    }
    Expected e = {.y = sum + before, .underflow = FLT_MIN * tiny};
    const double chain = (n + 2.0) * u;
    e.bound = chain / (1.0 - chain) * size + a->u_out * fabs(e.y) + e.underflow;
    e.variance = u * u / 3.0 * ((1.0 + n / 6.0) * squares + partial + 2.0 * (bias * bias + sum * sum) + (2.0 + n / 64.0) * before * before) +
                 a->u_out * a->u_out / 3.0 * e.y * e.y;
    return e;
}

/* Judge one element. Returns the judge that rejects it, or JUDGE_NONE. */
static VerifyJudge judge_element(const LinearCase *c, const Expected *e, float got, VerifyResult *result)
{
    if (!isfinite(e->y) || !isfinite(got)) {
        const bool same = isnan(e->y) ? isnan(got) : (double)got == e->y;
        return same ? JUDGE_NONE : c->fill == LINEAR_SPECIAL ? JUDGE_SPECIAL : JUDGE_NONFINITE;
    }
    const double difference = fabs((double)got - e->y), rounding = difference > e->underflow ? difference - e->underflow : 0.0;
    const float size = fmaxf((float)fabs(e->y), FLT_MIN);
    const double ulp = difference / ((double)nextafterf(size, INFINITY) - size);
    result->max_abs = fmax(result->max_abs, difference);
    result->max_ulp = fmax(result->max_ulp, ulp);
    if (c->fill == LINEAR_EXACT)
        return difference == 0.0 ? JUDGE_NONE : JUDGE_EXACT;
    const double eta = difference / e->bound, z = rounding > 0.0 ? rounding / sqrt(e->variance) : 0.0;
    result->eta = fmax(result->eta, eta);
    result->z = fmax(result->z, z);
    return eta > 1.0 ? JUDGE_BOUND : z > 12.0 ? JUDGE_MODEL : JUDGE_NONE;
}

static void agree(const AttnAccuracy *accuracy, const LinearCase *c, const LinearData *data, VerifyResult *result)
{
    const AttnLinear *l = &data->linear;
    const double work = (double)c->rows * (double)c->inputs * (double)c->outputs;
    const size_t every = work > REFERENCE_WORK ? (size_t)(work / REFERENCE_WORK) + 1 : 1, edge = 8;
    for (size_t r = 0; r < c->rows; r++) {
        if (r >= edge && r + edge < c->rows && random_bits(c->seed, r) % every != 0)
            continue;
        double wrong = 0.0, right = 0.0;
        for (size_t o = 0; o < c->outputs; o++) {
            const float *x = (const float *)data->x.at + (ptrdiff_t)r * l->x_row;
            const float *w = (const float *)data->w.at + o * (c->inputs + c->w_gap);
            const double before = c->accumulate ? ((const float *)data->start.at)[(ptrdiff_t)r * l->y_row + (ptrdiff_t)o] : 0.0;
            const Expected e = expect(accuracy, x, w, c->inputs, c->bias ? ((const float *)data->bias.at)[o] : 0.0, before);
            const float got = ((const float *)data->y.at)[(ptrdiff_t)r * l->y_row + (ptrdiff_t)o];
            const VerifyJudge judge = judge_element(c, &e, got, result);
            if (judge != JUDGE_NONE && result->judge == JUDGE_NONE)
                verdict_fail(result, judge, "y row %zu output %zu ref=%.9g got=%.9g |diff|=%.3g bound=%.3g", r, o, e.y, (double)got,
                           fabs((double)got - e.y), e.bound);
            if (isfinite(e.y) && isfinite(got)) {
                wrong += ((double)got - e.y) * ((double)got - e.y);
                right += e.y * e.y;
            }
        }
        result->rel_l2 = fmax(result->rel_l2, right > 0.0 ? sqrt(wrong / right) : 0.0);
        result->rows++;
    }
}

/* ---- The judgement ---------------------------------------------------------------------------------------------------------------- */

/* Execute it again in other ways: every bit must be the same. */
static void repeat(const AttnKernel *kernel, const LinearCase *c, LinearData *data, const void *packed, VerifyResult *result)
{
    const bool small = (double)c->rows * (double)c->inputs * (double)c->outputs <= REPEAT_WORK;
    size_t kinds = 0;
    while (state_unusual_name(kinds))
        kinds++;
    const size_t unusual = kinds ? c->seed % kinds : 0;
    const Execution executions[] = {
        {"threads of the caller", c->threads > 1 ? c->threads : 3, loop_threads, NULL},
        {"units in reverse order, 3 workers", 3, loop_reversed, NULL},
        {kinds ? state_unusual_name(unusual) : "again", 1, NULL, kinds ? &unusual : NULL},
    };
    unsigned char *first = malloc(data->y.bytes + 1);
    if (!first) {
        verdict_unable(result, "no memory for a copy of the output");
        return;
    }
    memcpy(first, data->y.at, data->y.bytes);
    for (size_t n = 0; n < (small ? sizeof executions / sizeof *executions : 1); n++) {
        if (!run(kernel, c, data, packed, &executions[n], result))
            break;
        if (memcmp(first, data->y.at, data->y.bytes) != 0) {
            verdict_fail(result, JUDGE_BITWISE, "%s: y has other bits than in the first run", executions[n].how);
            break;
        }
    }
    free(first);
}

void linear_case_judge(const AttnKernel *kernel, const LinearCase *c, VerifyResult *result)
{
    memset(result, 0, sizeof *result);
    LinearData data;
    if (!linear_data_make(&data, c)) {
        verdict_unable(result, "no memory for the operands");
        return;
    }
    const Arena *const inputs[] = {&data.x, &data.w, &data.bias, &data.start};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        fence_read_only(inputs[i]);
    Arena packed = {0};
    mutants_arm(&linear_mutants, kernel);
    const Execution plain = {"alone", 1, NULL, NULL};
    if (pack(kernel, &data, &packed, result) && run(kernel, c, &data, packed.at, &plain, result)) {
        agree(&kernel->accuracy, c, &data, result);
        if (result->judge == JUDGE_NONE)
            repeat(kernel, c, &data, packed.at, result);
    }
    fence_unmap(&packed);
    linear_data_free(&data);
}

typedef struct Pair {
    const AttnKernel *kernel;
    const LinearCase *c;
} Pair;

static void judge_pair(const void *what, VerifyResult *result)
{
    const Pair *pair = what;
    linear_case_judge(pair->kernel, pair->c, result);
}

VerifyResult linear_case_judge_isolated(const AttnKernel *kernel, const LinearCase *c)
{
    char name[LINEAR_NAME];
    VerifyResult result = verdict_isolated(judge_pair, &(Pair){kernel, c}, CHILD_TIMEOUT);
    snprintf(result.repro, sizeof result.repro, "attnzoo verify --repro v1:%s:%s", kernel->name, linear_case_name(c, name, sizeof name));
    return result;
}
