/* roof.c - see roof.h. */
#include "harness/measure/roof.h"

Roof roof_of(const RoofWork *work, double fma_rate, double exp_rate, double read_rate, PeakLevel level)
{
    Roof roof = {0, PEAK_FMA, "fma"};
    const double fma = fma_rate > 0 ? work->flop / fma_rate : 0, exp = exp_rate > 0 ? work->exp / exp_rate : 0,
                 read = read_rate > 0 ? work->bytes / read_rate : 0;
    roof.seconds = fma;
    if (exp > roof.seconds) {
        roof.seconds = exp;
        roof.bound = PEAK_EXP;
        roof.name = "exp";
    }
    if (read > roof.seconds) {
        roof.seconds = read;
        roof.bound = PEAK_READ;
        roof.name = peaks_level_name(level);
    }
    return roof;
}
