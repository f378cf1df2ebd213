/* fuzz_npy.c - NPY files: what is accepted is as long as it says and converts; what is refused names the file. */
#include "harness/conform/npy.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/npy_write.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[400] = "";
    Npy npy;
    const char *path = fuzz_file(data, size);
    if (!npy_read(path, &npy, error, sizeof error)) {
        fuzz_demand(strncmp(error, path, strlen(path)) == 0, "a refused file is named");
        fuzz_demand(!npy.data && npy.count == 0, "a refused array is empty");
        return 0;
    }
    size_t product = 1;
    for (size_t i = 0; i < npy.rank; i++)
        product = npy.shape[i] == 0 || product == 0 ? 0 : product * npy.shape[i];
    fuzz_demand(npy.rank <= NPY_MAX_RANK && product == npy.count, "the count is the product of the shape");
    fuzz_demand(npy.count * npy_element_size(npy.type) < size, "the elements lie in the file");
    volatile double last = 0;
    for (size_t i = 0; i < npy.count; i++)
        last = npy_at(&npy, i);
    (void)last;
    float *narrow = npy_to_f32(&npy, error, sizeof error);
    fuzz_demand(narrow || *error, "a conversion that fails says why");
    free(narrow);
    npy_free(&npy);
    return 0;
}
