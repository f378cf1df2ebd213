/* linear.h - y = x W^T + b on the fastest linear kernel that runs here: choose, pack once, run often. */
#ifndef ATTN_LINEAR_H
#define ATTN_LINEAR_H

#include "dispatch/cpu.h"
#include "dispatch/options.h"

/* The linear kernel to use: the last in the registry that this CPU has and the settings allow (rows of kernels/meson.build go from narrow
 * to wide), or the forced one if settings->kernel is a linear kernel. A portable one always runs, so NULL only if a forced one cannot run
 * here; why is then in attn_last_error(), ATTN_ERROR_UNSUPPORTED. */
const AttnKernel *attn_linear_choose(const AttnKernel *const *kernels, size_t count, const AttnCpu *cpu, const AttnSettings *settings);

/* Bytes of packed weights, a multiple of 64; 0 if it overflows. */
size_t attn_linear_bytes(const AttnKernel *kernel, size_t inputs, size_t outputs);

/* Pack w [outputs][inputs], rows w_row apart, to 64-byte aligned memory. */
void attn_linear_pack(const AttnKernel *kernel, size_t inputs, size_t outputs, const float *w, ptrdiff_t w_row, void *packed);

/* y = x W^T + bias (NULL: none), split into units of rows and outputs that depend on the sizes alone, run on the library's threads, the
 * caller's loop or here. No element of y is touched by two units, so bits do not depend on the number of workers. */
void attn_linear_run(const AttnKernel *kernel, const AttnLinear *linear, const float *x, const void *packed, const float *bias, float *y,
                     AttnParallelFor loop, void *loop_context, size_t workers);

#endif
