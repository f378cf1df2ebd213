/* mask.h - the score stage: everything between q.k and the exponential that is not a plain problem.
 *
 * It acts on a strip of scores [n keys][lanes], where queries lie in lanes: add the bias, hide what the boolean mask hides,
 * hide what lies outside each row's range of keys. Hiding is a select to -inf, never an addition, so that hidden scores may be NaN.
 * Strips wholly inside every row's range and without mask or bias are never brought here: a plain problem pays nothing. */
#ifndef ATTN_ALGO_MASK_H
#define ATTN_ALGO_MASK_H

#define LOG2E 1.44269504088896340736
#define LN2 0.69314718055994530942

enum { LANES = NQ * VL, STRIP = VL > MR ? VL : MR };

/* What the stage must know of the query row in each lane. Lanes without a row repeat the last one. */
typedef struct Lanes {
    size_t lo[LANES], hi[LANES];            /* keys [lo, hi) that the structure leaves visible        */
    size_t min_lo, max_lo, min_hi, max_hi;  /* over the lanes: [min_lo, max_hi) is worth visiting,
                                               in [max_lo, min_hi) every lane sees every key          */
    const unsigned char *mask[LANES];       /* address of the mask at key 0; NULL without a mask      */
    const float *bias[LANES];               /* address of the bias at key 0; NULL without a bias      */
    bool same_mask, same_bias;              /* all lanes share one address                            */
} Lanes;

/* Lane `lane` holds query row i of head h. */
static void lanes_set(Lanes *lanes, size_t lane, const AttnArgs *a, size_t b, size_t h, size_t i)
{
    const AttnScoreLayout *mask = &a->p->mask, *bias = &a->p->bias;
    const AttnKeys keys = attn_visible_keys(a, i);
    lanes->lo[lane] = keys.lo;
    lanes->hi[lane] = keys.hi;
    lanes->mask[lane] = a->t->mask ? (const unsigned char *)a->t->mask + (ptrdiff_t)b * mask->batch + (ptrdiff_t)h * mask->head + (ptrdiff_t)i * mask->row : NULL;
    lanes->bias[lane] = a->t->bias ? a->t->bias + (ptrdiff_t)b * bias->batch + (ptrdiff_t)h * bias->head + (ptrdiff_t)i * bias->row : NULL;
}

/* Repeat the last of `rows` lanes up to `count`, and find the extremes that classify strips. */
static void lanes_finish(Lanes *lanes, size_t rows, size_t count)
{
    for (size_t lane = rows; lane < count; lane++) {
        lanes->lo[lane] = lanes->lo[rows - 1];
        lanes->hi[lane] = lanes->hi[rows - 1];
        lanes->mask[lane] = lanes->mask[rows - 1];
        lanes->bias[lane] = lanes->bias[rows - 1];
    }
    lanes->min_lo = lanes->max_lo = lanes->lo[0];
    lanes->min_hi = lanes->max_hi = lanes->hi[0];
    lanes->same_mask = lanes->same_bias = true;
    for (size_t lane = 1; lane < count; lane++) {
        lanes->min_lo = lanes->lo[lane] < lanes->min_lo ? lanes->lo[lane] : lanes->min_lo;
        lanes->max_lo = lanes->lo[lane] > lanes->max_lo ? lanes->lo[lane] : lanes->max_lo;
        lanes->min_hi = lanes->hi[lane] < lanes->min_hi ? lanes->hi[lane] : lanes->min_hi;
        lanes->max_hi = lanes->hi[lane] > lanes->max_hi ? lanes->hi[lane] : lanes->max_hi;
        lanes->same_mask = lanes->same_mask && lanes->mask[lane] == lanes->mask[0];
        lanes->same_bias = lanes->same_bias && lanes->bias[lane] == lanes->bias[0];
    }
}

/* Does strip [j, j + n) need the stage? */
static inline bool lanes_partial(const Lanes *lanes, size_t j, size_t n)
{
    return lanes->mask[0] || lanes->bias[0] || j < lanes->max_lo || j + n > lanes->min_hi;
}

static inline float mask_number(unsigned char byte)
{
    return byte ? 0.0f : -INFINITY;
}

/* add[t][lane] = 0 or -inf, as the boolean mask says of key j + t. `step` is the mask's column stride. Rows of the mask lie along keys, lanes
 * across them, so whole blocks turn in registers; a mask without rows (key padding) is a broadcast. */
static void strip_mask(const Lanes *lanes, size_t count, ptrdiff_t step, size_t j, size_t n, float *add)
{
    const ptrdiff_t at = (ptrdiff_t)j * step;
    if (lanes->same_mask) {
        for (size_t t = 0; t < n; t++)
            for (size_t lane = 0; lane < count; lane += VL)
                vf_store(add + t * count + lane, vf_set1(mask_number(lanes->mask[0][at + (ptrdiff_t)t * step])));
        return;
    }
    size_t t = 0;
    for (; step == 1 && t + VL <= n; t += VL)
        for (size_t lane = 0; lane < count; lane += VL) {
            vf block[VL];
            for (size_t i = 0; i < VL; i++)
                block[i] = vf_load_mask(lanes->mask[lane + i] + at + (ptrdiff_t)t);
            vf_transpose(block);
            for (size_t i = 0; i < VL; i++)
                vf_store(add + (t + i) * count + lane, block[i]);
        }
    for (; t < n; t++)
        for (size_t lane = 0; lane < count; lane++)
            add[t * count + lane] = mask_number(lanes->mask[lane][at + (ptrdiff_t)t * step]);
}

/* add[t][lane] = the bias of key j + t; as strip_mask. */
static void strip_bias(const Lanes *lanes, size_t count, ptrdiff_t step, size_t j, size_t n, float *add)
{
    const ptrdiff_t at = (ptrdiff_t)j * step;
    if (lanes->same_bias) {
        for (size_t t = 0; t < n; t++)
            for (size_t lane = 0; lane < count; lane += VL)
                vf_store(add + t * count + lane, vf_set1(lanes->bias[0][at + (ptrdiff_t)t * step]));
        return;
    }
    size_t t = 0;
    for (; step == 1 && t + VL <= n; t += VL)
        for (size_t lane = 0; lane < count; lane += VL) {
            vf block[VL];
            for (size_t i = 0; i < VL; i++)
                block[i] = vf_load(lanes->bias[lane + i] + at + (ptrdiff_t)t);
            vf_transpose(block);
            for (size_t i = 0; i < VL; i++)
                vf_store(add + (t + i) * count + lane, block[i]);
        }
    for (; t < n; t++)
        for (size_t lane = 0; lane < count; lane++)
            add[t * count + lane] = lanes->bias[lane][at + (ptrdiff_t)t * step];
}

/* s += add, hidden where add is -inf. */
static void strip_add(size_t count, size_t n, const float *add, float *s)
{
    const vf hidden = vf_set1(-INFINITY);
    for (size_t at = 0; at < n * count; at += VL) {
        const vf more = vf_load(add + at);
        vf_store(s + at, vf_where_eq(more, hidden, hidden, vf_add(vf_load(s + at), more)));
    }
}

/* Hide keys outside each lane's [lo, hi). Positions are compared relative to j, clamped to what binary32 holds exactly. */
static void strip_range(const Lanes *lanes, size_t count, size_t j, size_t n, float *s)
{
    float lo[LANES], hi[LANES];
    for (size_t lane = 0; lane < count; lane++) {
        lo[lane] = lanes->lo[lane] <= j ? 0.0f : lanes->lo[lane] - j < n ? (float)(lanes->lo[lane] - j) : (float)n;
        hi[lane] = lanes->hi[lane] <= j ? 0.0f : lanes->hi[lane] - j < n ? (float)(lanes->hi[lane] - j) : (float)n;
    }
    const vf hidden = vf_set1(-INFINITY);
    for (size_t t = 0; t < n; t++) {
        const vf at = vf_set1((float)t);
        for (size_t lane = 0; lane < count; lane += VL) {
            vf x = vf_load(s + t * count + lane);
            x = vf_where_lt(at, vf_load(hi + lane), x, hidden);
            x = vf_where_lt(at, vf_load(lo + lane), hidden, x);
            vf_store(s + t * count + lane, x);
        }
    }
}

/* live[t] = some lane sees key j + t. What no lane sees must not reach the value tile, where 0 * NaN would be NaN. */
static void strip_live(size_t count, size_t n, const float *s, unsigned char *live)
{
    const vf hidden = vf_set1(-INFINITY);
    for (size_t t = 0; t < n; t++) {
        int any = 0;
        for (size_t lane = 0; lane < count; lane += VL)
            any |= vf_any_differs(vf_load(s + t * count + lane), hidden);
        live[t] = (unsigned char)any;
    }
}

/* The stage on one strip of n <= STRIP keys from j on. s: [n][count] in place; live: [n]; add: room for [STRIP][count]. */
static void strip_stage(const AttnArgs *a, const Lanes *lanes, size_t count, size_t j, size_t n, float *s, unsigned char *live, float *add)
{
    if (lanes->bias[0]) {
        strip_bias(lanes, count, a->p->bias.col, j, n, add);
        strip_add(count, n, add, s);
    }
    if (lanes->mask[0]) {
        strip_mask(lanes, count, a->p->mask.col, j, n, add);
        strip_add(count, n, add, s);
    }
    if (j < lanes->max_lo || j + n > lanes->min_hi)
        strip_range(lanes, count, j, n, s);
    strip_live(count, n, s, live);
}

#endif
