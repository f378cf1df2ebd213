/* decide.h - from samples of several launches to a decision: slower, faster, same, or not known.
 *
 * Samples are ln t_arm - ln t_base of the same round, pooled over launches. With e the effect threshold, alpha the level:
 *   interval   of the median by the sign test (stats.h), at level alpha
 *   p          that the median exceeds ln(1 + e), and that it is below -ln(1 + e): one-sided sign tests; twice the smaller
 *   slower     p, adjusted by Holm (1979) over all pairs of the run, below alpha, and four launches of five have a median above 1
 *   faster     the same in the other direction
 *   same       the interval lies inside 1 / (1 + e) .. 1 + e
 *   else       inconclusive: noise is never called "no change"
 *
 * Two controls, measured in the same rounds, precede any decision. The base against its copy must be same; the copy with 5 % planted work
 * must be slower. If one fails, this machine could not have detected a change at this moment, and the pair is inconclusive. */
#ifndef HARNESS_REGRESS_DECIDE_H
#define HARNESS_REGRESS_DECIDE_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/base/stats.h"

enum { DECIDE_MOST_LAUNCHES = 256 };

typedef enum Decision { DECISION_SAME, DECISION_FASTER, DECISION_SLOWER, DECISION_INCONCLUSIVE } Decision;
const char *decision_name(Decision decision);

/* Log ratios of one arm to the base. Zero-initialise; free with decide_clear. */
typedef struct DecideSamples {
    double *log;
    size_t n, room;
    double launch[DECIDE_MOST_LAUNCHES]; /* median ratio of each launch */
    size_t launches;
} DecideSamples;

/* Add one launch. Rounds in which either is NaN do not count. false: no memory, or too many launches. */
bool decide_add(DecideSamples *samples, const double *base, const double *arm, size_t rounds);
void decide_clear(DecideSamples *samples);

typedef struct DecideFinding {
    StatsInterval ratio;   /* at level alpha                                  */
    double p_slower, p_faster;
    size_t above, below;   /* launches whose median is above and below 1      */
    size_t launches;
} DecideFinding;

/* Without samples: NaN, an infinite interval, p = 1. */
DecideFinding decide_find(const DecideSamples *samples, double min_effect, double alpha);

/* Twice the smaller of the two p, at most 1: what goes into Holm's procedure. */
double decide_p(const DecideFinding *finding);

/* Holm's adjustment in place: p[i] becomes the smallest level of the whole family at which hypothesis i falls. false: no memory. */
bool decide_holm(double *p, size_t n);

Decision decide_effect(const DecideFinding *finding, double min_effect, double adjusted, double alpha);

/* Do the controls hold? `same`: the base against its copy; `more`: against the copy with more work, at the level that applies to each of
 * `family` pairs. */
typedef enum DecideControls { CONTROLS_HOLD, CONTROL_NOT_SAME, CONTROL_NOT_FOUND } DecideControls;
DecideControls decide_controls(const DecideFinding *same, const DecideFinding *more, double min_effect, size_t family, double alpha);

/* The smallest threshold that the noise of the control allows: max(least, 1.5 times the half-width of the A/A interval). */
double decide_min_effect(const DecideSamples *copy, double least, double alpha);

/* P(Binomial(n, 1/2) >= k). */
double decide_binomial_tail(size_t n, size_t k);

#endif
