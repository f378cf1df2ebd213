/* isa.h - the vector header of the row that a file is compiled for (-DISA_<row>, -DISA=<row>). */
#if defined(ISA_avx512)
#include "kernels/isa/avx512.h"
#elif defined(ISA_avx2)
#include "kernels/isa/avx2.h"
#elif defined(ISA_sse2)
#include "kernels/isa/sse2.h"
#elif defined(ISA_neon)
#include "kernels/isa/neon.h"
#else
#include "kernels/isa/scalar.h"
#endif
