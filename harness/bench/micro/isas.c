/* isas.c - what is compiled once per ISA, as lists (micro_isa.h). */
#include "harness/bench/micro/micro_isa.h"

#define PEAK(name) extern const MicroIsa micro_isa_##name;
#include "peak_list.def"
#undef PEAK
#define PEAK(name) extern const MicroKernel micro_kernel_##name;
#include "peak_list.def"
#undef PEAK

const MicroIsa *const micro_isas[] = {
#define PEAK(name) &micro_isa_##name,
#include "peak_list.def"
#undef PEAK
};
const MicroKernel *const micro_kernels[] = {
#define PEAK(name) &micro_kernel_##name,
#include "peak_list.def"
#undef PEAK
};
