/* choices.c - see choices.h. A choice among at most 256 takes one byte, another two. */
#include "tests/fuzz/choices.h"

#include "harness/base/random.h"
#include "harness/ops/sdpa/data.h"

static size_t byte(Choices *c)
{
    if (c->left == 0)
        return 0;
    c->left--;
    return *c->at++;
}

Choices choices_of(const uint8_t *data, size_t size)
{
    Choices c = {.at = data, .left = size};
    for (size_t i = 0; i < 4; i++)
        c.seed = c.seed << 8 | byte(&c);
    return c;
}

size_t choose(Choices *c, size_t n)
{
    if (n <= 1)
        return 0;
    const size_t first = byte(c);
    return n <= 256 ? first * n / 256 : (first << 8 | byte(c)) * n / 65536;
}

bool maybe(Choices *c, unsigned percent)
{
    return choose(c, 100) >= 100 - percent;
}

int64_t within(Choices *c, int64_t lo, int64_t hi)
{
    return lo + (int64_t)choose(c, (size_t)(hi - lo + 1));
}

double number(Choices *c)
{
    return random_normal(c->seed, c->drawn++);
}

double portion(Choices *c)
{
    return random_uniform(c->seed, c->drawn++);
}
