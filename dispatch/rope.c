/* rope.c - rotary position embedding: rotates pair c of a head by the angle position * base^(-2c/dims).
 *
 * The angle is computed in double, where a position of a million still leaves it 30 bits; sine and cosine are rounded once. Cost: one sine
 * and one cosine per pair and row, shared by all heads of the row. */
#include "dispatch/mha.h"

void attn_rope_frequencies(size_t dims, double base, double *frequency)
{
    for (size_t c = 0; c < dims / 2; c++)
        frequency[c] = pow(base, -2.0 * (double)c / (double)dims);
}

void attn_rope_row(AttnRope rope, const double *frequency, size_t dims, double position, size_t heads, size_t d, float *row)
{
    const bool halves = rope == ATTN_ROPE_HALVES;
    for (size_t c = 0; c < dims / 2; c++) {
        const double angle = position * frequency[c];
        const float turn_x = (float)cos(angle), turn_y = (float)sin(angle);
        float *first = row + (halves ? c : 2 * c), *second = row + (halves ? c + dims / 2 : 2 * c + 1);
        for (size_t h = 0; h < heads; h++, first += d, second += d) {
            const float x = *first, y = *second;
            *first = x * turn_x - y * turn_y;
            *second = x * turn_y + y * turn_x;
        }
    }
}
