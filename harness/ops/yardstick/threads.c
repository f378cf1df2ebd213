/* threads.c - one thread for BLAS. OpenBLAS has a call for it; for other libraries, use their environment variables. */
#include <cblas.h>
#include <pthread.h>

#include "harness/ops/yardstick/yardstick.h"

static void set(void)
{
#ifdef OPENBLAS_VERSION
    openblas_set_num_threads(1);
#endif
}

void yardstick_one_thread(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set);
}
