/* isas.c - what is compiled once per ISA, as lists (micro_isa.h). */
#include "harness/bench/micro/micro_isa.h"

#define ISA(name) extern const MicroIsa micro_isa_##name;
#include "isa_list.def"
#undef ISA
#define ISA(name) extern const MicroKernel micro_kernel_##name;
#include "isa_list.def"
#undef ISA

const MicroIsa *const micro_isas[] = {
#define ISA(name) &micro_isa_##name,
#include "isa_list.def"
#undef ISA
};
const MicroKernel *const micro_kernels[] = {
#define ISA(name) &micro_kernel_##name,
#include "isa_list.def"
#undef ISA
};
