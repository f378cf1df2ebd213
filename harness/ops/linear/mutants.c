/* mutants.c - one small matrix product with packed weights and a switch for each mistake that such kernels are prone to. */
#include "harness/ops/linear/mutants.h"

#include "kernels/fpenv.h"

/* clang-format off */
#define BUGS(X)                                                                                       \
    X(NONE, "mutant_linear", "")                                                                      \
    X(BIAS_ON_X, "mutant_linear_bias_on_x", "bias is added to x, before the projection")              \
    X(BIAS_TWICE, "mutant_linear_bias_twice", "each slice of inputs adds the bias")                   \
    X(LAST_INPUT, "mutant_linear_last_input", "the last input is dropped")                            \
    X(LAST_SLICE, "mutant_linear_last_slice", "inputs beyond the first whole slices are dropped")     \
    X(TAIL_SWAPPED, "mutant_linear_tail_swapped", "the last two outputs are exchanged")               \
    X(TAIL_WIDE, "mutant_linear_tail_wide", "a partial panel of outputs is stored whole")             \
    X(LAST_ROW, "mutant_linear_last_row", "a single last row is not written")                         \
    X(NO_ACCUMULATE, "mutant_linear_no_accumulate", "y is overwritten where it should be added to")   \
    X(ACCUMULATE, "mutant_linear_accumulate", "y is added to where it should be overwritten")         \
    X(TRANSPOSED, "mutant_linear_transposed", "weights are read as [inputs][outputs]")                \
    X(X_DENSE, "mutant_linear_x_dense", "the distance between rows of x is ignored")                  \
    X(Y_DENSE, "mutant_linear_y_dense", "the distance between rows of y is ignored")                  \
    X(W_DENSE, "mutant_linear_w_dense", "the distance between rows of the weights is ignored")        \
    X(SPAN, "mutant_linear_span", "the first output of a unit is taken for output 0 of the bias")     \
    X(NAN_SWALLOWED, "mutant_linear_nan_swallowed", "terms that are not numbers are left out")        \
    X(BF16, "mutant_linear_bf16", "weights keep eight bits")                                          \
    X(PACKED_LONG, "mutant_linear_packed_long", "packing fills one panel more than there is")         \
    X(CONTROL, "mutant_linear_control", "flush-to-zero is left on")
/* clang-format on */

enum { BUGS(MUTANTS_NUMBER) BUG_COUNT };
static int bug = BUG_NONE;

enum { PANEL = 4, SLICE = 32 };

static size_t packed_bytes(size_t inputs, size_t outputs)
{
    return (outputs + PANEL - 1) / PANEL * PANEL * inputs * sizeof(float);
}

/* Veltkamp's splitting (Dekker 1971). Masking the bits away is what gcc 12 optimises out at -O1 and -O2. */
static float keep_eight_bits(float x)
{
    const float big = x * 65537.0f;
    return big - (big - x);
}

static void pack(size_t inputs, size_t outputs, const float *w, ptrdiff_t w_row, void *packed)
{
    float *to = packed;
    const size_t panels = (outputs + PANEL - 1) / PANEL + (bug == BUG_PACKED_LONG ? 1 : 0);
    const ptrdiff_t row = bug == BUG_W_DENSE ? (ptrdiff_t)inputs : w_row;
    for (size_t out = 0; out < panels * PANEL; out += PANEL)
        for (size_t c = 0; c < inputs; c++)
            for (size_t lane = out; lane < out + PANEL; lane++) {
                const size_t at = bug == BUG_TRANSPOSED ? (c * outputs + lane) % (inputs * outputs) : 0;
                const float x = lane >= outputs           ? 0.0f
                                : bug == BUG_TRANSPOSED ? w[(ptrdiff_t)(at / inputs) * row + (ptrdiff_t)(at % inputs)]
                                                        : w[(ptrdiff_t)lane * row + (ptrdiff_t)c];
                *to++ = bug == BUG_BF16 ? keep_eight_bits(x) : x;
            }
}

/* Terms [from, to) of one sum. */
static float slice(const float *x, const float *w, const float *bias, size_t out, size_t from, size_t to)
{
    float sum = 0.0f;
    for (size_t c = from; c < to; c++) {
        const float term = (bug == BUG_BIAS_ON_X && bias ? x[c] + bias[out] : x[c]) * w[c * PANEL];
        sum += bug == BUG_NAN_SWALLOWED && term != term ? 0.0f : term;
    }
    return sum;
}

static float element(const AttnLinear *l, const float *x, const float *w, const float *bias, size_t out, size_t out0)
{
    const size_t inputs = bug == BUG_LAST_INPUT && l->inputs > 0        ? l->inputs - 1
                          : bug == BUG_LAST_SLICE && l->inputs > SLICE ? l->inputs / SLICE * SLICE
                                                                       : l->inputs;
    const float b = bias && bug != BUG_BIAS_ON_X ? bias[bug == BUG_SPAN ? out - out0 : out] : 0.0f;
    float y = b;
    for (size_t c = 0; c < inputs; c += SLICE)
        y += slice(x, w, bias, out, c, inputs - c < SLICE ? inputs : c + SLICE) + (bug == BUG_BIAS_TWICE && c > 0 ? b : 0.0f);
    return y;
}

static void leave(uint64_t entered)
{
    if (bug != BUG_CONTROL)
        attn_fp_leave(entered);
}

static void run(const AttnLinear *l, AttnLinearSpan span, const float *x, const void *packed, const float *bias, float *y)
{
    const bool add = (l->accumulate && bug != BUG_NO_ACCUMULATE) || bug == BUG_ACCUMULATE;
    for (size_t row = span.row0; row < span.row1; row++) {
        const float *from = x + (ptrdiff_t)row * (bug == BUG_X_DENSE ? (ptrdiff_t)l->inputs : l->x_row);
        float *to = y + (ptrdiff_t)row * (bug == BUG_Y_DENSE ? (ptrdiff_t)l->outputs : l->y_row);
        if (bug == BUG_LAST_ROW && row + 1 == span.row1 && (span.row1 - span.row0) % 2 == 1)
            break;
        const size_t end = bug == BUG_TAIL_WIDE ? (span.out1 + PANEL - 1) / PANEL * PANEL : span.out1;
        for (size_t out = span.out0; out < end; out++) {
            const size_t lane = bug == BUG_TAIL_SWAPPED && l->outputs > 1 && out + 2 >= l->outputs ? 2 * l->outputs - 3 - out : out;
            const float *w = (const float *)packed + lane / PANEL * PANEL * l->inputs + lane % PANEL;
            const float term = element(l, from, w, out < l->outputs ? bias : NULL, out, span.out0);
            to[out] = add ? to[out] + term : term;
        }
    }
}

/* clang-format off */
#define F32 ATTN_DTYPE_BIT(ATTN_F32)
#define X(id, id_name, what) {.name = id_name, .summary = what, .dtypes = {F32, F32, F32}, .accuracy = {.u_accumulate = 0x1p-24, .u_score = 0x1p-24, .u_prob = 0x1p-24, .u_out = 0x1p-24, .exp_exact_at_0 = true}, \
                              .kind = ATTN_KIND_PRODUCT, .panel = PANEL, .unit_panels = 1, .enter = attn_fp_enter, .leave = leave, .product = {packed_bytes, pack, run}},
static const AttnKernel kernels[] = { BUGS(X) };
#undef X
/* clang-format on */

const Mutants linear_mutants = {kernels, BUG_COUNT, &bug};
