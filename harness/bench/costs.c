/* costs.c - what a call costs besides time: counted events, joules. Measured after the rounds, so that the timings are not affected.
 *
 * Counters: the calls of one trial, on one thread. Energy, if requested: a second of idling, then each kernel for at least a second; the
 * idle power is subtracted. Joules are those of whole packages, so they include any other work of the machine. */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "harness/base/clock.h"
#include "harness/base/stop.h"
#include "harness/bench/case.h"

#define ENERGY_SECONDS 1.0

static void count_events(BenchCase *bench)
{
    Counters counters;
    if (bench->options->threads > 1) {
        snprintf(bench->no_counters, sizeof bench->no_counters, "counted on one thread only");
        return;
    }
    if (!counters_open(&counters, bench->no_counters, sizeof bench->no_counters))
        return;
    for (size_t i = 0; i < bench->count && !stop_signal; i++) {
        BenchKernel *k = &bench->kernels[i];
        if (!k->timed)
            continue;
        const PairedArm *arm = &bench->arms[k->arm];
        double values[COUNTERS];
        arm->run(arm->context, 1); /* so that its own data lie in the caches, not the last kernel's */
        counters_start(&counters);
        arm->run(arm->context, arm->iterations);
        counters_stop(&counters, values);
        for (int c = 0; c < COUNTERS; c++)
            k->counted[c] = values[c] / (double)arm->iterations;
    }
    counters_close(&counters);
}

static void measure_energy(BenchCase *bench)
{
    Energy energy;
    EnergyReading from, to;
    if (!bench->options->energy) {
        snprintf(bench->no_energy, sizeof bench->no_energy, "not asked for (--energy)");
        return;
    }
    if (!energy_open(&energy, "", bench->no_energy, sizeof bench->no_energy))
        return;
    const struct timespec second = {(time_t)ENERGY_SECONDS, 0};
    double start = clock_seconds();
    bool read = energy_read(&energy, &from) && nanosleep(&second, NULL) == 0 && energy_read(&energy, &to);
    const double idle = read ? energy_between(&energy, &from, &to) / (clock_seconds() - start) : NAN;
    for (size_t i = 0; i < bench->count && read && !stop_signal; i++) {
        BenchKernel *k = &bench->kernels[i];
        if (!k->timed)
            continue;
        const PairedArm *arm = &bench->arms[k->arm];
        size_t calls = 0;
        read = energy_read(&energy, &from);
        const size_t most = (size_t)ceil(4 * ENERGY_SECONDS / arm->trial); /* a clock may have stopped since */
        start = clock_seconds();
        for (size_t trial = 0; trial < most && clock_seconds() - start < ENERGY_SECONDS; trial++, calls += arm->iterations)
            arm->run(arm->context, arm->iterations);
        read = read && energy_read(&energy, &to);
        k->joules = read ? (energy_between(&energy, &from, &to) - idle * (clock_seconds() - start)) / (double)calls : NAN;
    }
    if (!read)
        snprintf(bench->no_energy, sizeof bench->no_energy, "the counters of energy ceased to be readable");
}

void bench_costs(BenchCase *bench)
{
    for (size_t i = 0; i < bench->count; i++) {
        bench->kernels[i].joules = NAN;
        for (int c = 0; c < COUNTERS; c++)
            bench->kernels[i].counted[c] = NAN;
    }
    if (bench->run.rounds == 0 || stop_signal)
        return;
    count_events(bench);
    measure_energy(bench);
}
