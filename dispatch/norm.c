/* norm.c - LayerNorm of one row. Mean and variance in two passes and in double, so that a large common offset loses no digits. */
#include "dispatch/mha.h"

void attn_norm_row(size_t width, double eps, const float *weight, const float *bias, const float *x, float *y)
{
    double sum = 0.0, squares = 0.0;
    for (size_t c = 0; c < width; c++)
        sum += (double)x[c];
    const double mean = sum / (double)width;
    for (size_t c = 0; c < width; c++)
        squares += ((double)x[c] - mean) * ((double)x[c] - mean);
    const double factor = 1.0 / sqrt(squares / (double)width + eps);
    for (size_t c = 0; c < width; c++)
        y[c] = (float)(((double)x[c] - mean) * factor * (weight ? (double)weight[c] : 1.0) + (bias ? (double)bias[c] : 0.0));
}
