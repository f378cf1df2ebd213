/* clock.h - seconds of the monotonic clock, for what needs no paired measurement. Safe in signal handlers. */
#ifndef HARNESS_BASE_CLOCK_H
#define HARNESS_BASE_CLOCK_H

double clock_seconds(void);

#endif
