/* choice.c - does dispatch take the right kernel, without a tune file? Random problems; every kernel that takes one is timed on it.
 *
 *     choice [PROBLEMS] [SEED] [-v]     defaults: 500 1; ATTNZOO_MAX_ISA and ATTNZOO_DISABLE count as everywhere
 *     choice -r FILE                    measures nothing: the times are those that -v printed, the estimates those of this build
 *
 * Prints a line for each problem on which the choice costs more than 1.15 times the best kernel (-v: a line per problem and kernel: time in
 * microseconds and estimate, to fit the estimates to), then the shares. Exit code 0 if it costs at most 1.15 times on 95 of 100, and nowhere more than 1.5.
 *
 * Widths from 1 to 256, rows from 1 to 4096, keys from 1 to 8192 (spread evenly on a logarithmic scale), groups of heads, options, packed
 * batches. One thread; kernels take turns, and the least time of each counts, since what disturbs a run only makes it longer. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch/choose.h"
#include "dispatch/plan.h"
#include "dispatch/registry.h"
#include "harness/base/clock.h"
#include "harness/base/random.h"
#include "harness/ops/sdpa/case.h"

enum { MOST_KERNELS = 256, ROUNDS_LEAST = 5, ROUNDS_MOST = 200 };
#define MOST_WORK 6e8   /* multiply-adds of a problem                                   */
#define MOST_SCORES 3e7 /* of a mask or bias                                            */
#define SECONDS 0.04    /* of rounds per problem                                        */
#define HOPELESS 3.0    /* a kernel whose first run takes so many times the best is out, */
#define ABSURD 6.0      /* and, of long problems, one whose estimate is so many times the least */
#define LONG 2e7        /* multiply-adds                                                */

typedef struct Draw {
    uint64_t seed, next;
} Draw;

static uint64_t draw(Draw *from, uint64_t below)
{
    return random_bits(from->seed, from->next++) % below;
}

/* From 1 to most, evenly on a logarithmic scale. */
static size_t draw_size(Draw *from, double most)
{
    const double x = floor(exp(random_uniform(from->seed, from->next++) * log(most + 1.0)));
    return x < 1.0 ? 1 : x > most ? (size_t)most : (size_t)x;
}

static double work_of(const Shape *s)
{
    return (double)s->batch * (double)s->q_heads * (double)s->q_len * (double)s->k_len * (double)(s->d + s->dv);
}

static void draw_options(Draw *from, Shape *s)
{
    switch (draw(from, 8)) {
    case 0: s->align = ATTN_ALIGN_TOP_LEFT; s->causal = true; break;
    case 1:
    case 2: s->align = ATTN_ALIGN_BOTTOM_RIGHT; s->causal = true; break;
    case 3:
        s->align = ATTN_ALIGN_BOTTOM_RIGHT;
        s->causal = s->window = true;
        s->window_left = (int64_t)draw_size(from, 1024);
        s->window_right = -1;
        break;
    default: break;
    }
    s->sinks = draw(from, 12) == 0;
    s->alibi = draw(from, 12) == 0;
    s->softcap = draw(from, 12) == 0 ? 50.0 : 0.0;
    s->lse = draw(from, 4) == 0;
    s->score = draw(from, 12) == 0 ? ATTN_SCORE_GAUSSIAN : ATTN_SCORE_DOT;
    if (draw(from, 8) == 0) {
        s->varlen = true;
    } else if (draw(from, 8) == 0) {
        s->kv_lengths = true;
        s->pad = 0.5;
    }
    if (!s->varlen && (double)s->batch * (double)s->q_heads * (double)s->q_len * (double)s->k_len < MOST_SCORES) {
        s->mask = draw(from, 8) == 0;
        s->bias = draw(from, 8) == 0;
    }
}

static Shape draw_shape(uint64_t seed)
{
    static const size_t usual[] = {32, 64, 64, 80, 96, 128, 128, 256};
    static const struct { size_t q, kv; } heads[] = {{1, 1}, {2, 1}, {4, 4}, {8, 2}, {12, 12}, {8, 8}, {32, 8}, {16, 1}};
    Draw from = {seed, 0};
    const size_t h = draw(&from, 8);
    Shape s = {.batch = draw(&from, 3) ? 1 : 1 + draw(&from, 7), .q_heads = heads[h].q, .kv_heads = heads[h].kv};
    s.q_len = draw_size(&from, 4096);
    s.k_len = draw_size(&from, 8192);
    s.d = draw(&from, 2) ? usual[draw(&from, 8)] : draw_size(&from, 256);
    s.dv = draw(&from, 6) ? s.d : draw_size(&from, 256);
    while (work_of(&s) > MOST_WORK && s.batch > 1)
        s.batch = (s.batch + 1) / 2;
    while (work_of(&s) > MOST_WORK && s.q_heads > s.kv_heads)
        s.q_heads = s.q_heads / 2 < s.kv_heads ? s.kv_heads : s.q_heads / 2;
    while (work_of(&s) > MOST_WORK && s.kv_heads > 1)
        s.q_heads = s.kv_heads = s.kv_heads / 2;
    while (work_of(&s) > MOST_WORK && s.q_len > 1)
        s.q_len = (s.q_len + 1) / 2;
    draw_options(&from, &s);
    s.layout = draw(&from, 4) ? SHAPE_BHLD : SHAPE_BLHD;
    return s;
}

typedef struct Arm {
    const AttnKernel *kernel;
    AttnPlan *plan;
    void *workspace;
    double cost, time; /* the least */
    bool out;
} Arm;

static double time_once(Arm *arm, const AttnTensors *t)
{
    const double begin = clock_seconds();
    if (attn_run(arm->plan, t, arm->workspace, attn_plan_workspace(arm->plan)) != ATTN_OK) {
        fprintf(stderr, "%s: %s\n", arm->kernel->name, attn_last_error());
        exit(2);
    }
    return clock_seconds() - begin;
}

/* The kernels that take the problem, cheapest estimate first, with the choice in the first place. */
static size_t open_arms(const AttnProblem *p, double work, const AttnSettings *settings, Arm *arm)
{
    size_t count = 0;
    for (size_t i = 0; i < attn_registry_count; i++) {
        const AttnVerdict verdict = attn_choose_judge(attn_registry[i], p, attn_cpu_this(), settings);
        if (!verdict.accepted || strcmp(verdict.kernel->name, "naive_f32") == 0)
            continue;
        size_t at = count++;
        for (; at > 0 && arm[at - 1].cost > verdict.cost; at--)
            arm[at] = arm[at - 1];
        arm[at] = (Arm){.kernel = verdict.kernel, .cost = verdict.cost, .time = INFINITY};
    }
    while (count > 1 && arm[count - 1].cost > ABSURD * arm[0].cost && work > LONG)
        count--;
    for (size_t i = 0; i < count; i++) {
        if (attn_plan_create_with(arm[i].kernel, p, 1, NULL, NULL, &arm[i].plan) != ATTN_OK)
            exit(2);
        arm[i].workspace = aligned_alloc(64, attn_plan_workspace(arm[i].plan));
    }
    return count;
}

/* Times of all kernels; the ratio of the choice's to the best. */
static double measure(const Shape *shape, uint64_t seed, const AttnSettings *settings, bool verbose)
{
    VerifyCase c = {.shape = *shape, .seed = seed, .fence = FENCE_NONE, .threads = 1};
    Data data;
    char error[300], name[SHAPE_NAME];
    Arm arm[MOST_KERNELS];
    if (!case_data(&data, &c, error, sizeof error)) {
        fprintf(stderr, "%s\n", error);
        exit(2);
    }
    const size_t count = open_arms(&data.problem, work_of(shape), settings, arm);
    double least = INFINITY, begin = clock_seconds();
    for (size_t i = 0; i < count; i++) {
        time_once(&arm[i], &data.tensors);
        arm[i].time = time_once(&arm[i], &data.tensors);
        least = fmin(least, arm[i].time);
    }
    for (size_t i = 0; i < count; i++)
        arm[i].out = arm[i].time > HOPELESS * least;
    begin = clock_seconds();
    for (size_t round = 0; round < ROUNDS_MOST && (round < ROUNDS_LEAST || clock_seconds() - begin < SECONDS); round++)
        for (size_t i = 0; i < count; i++)
            if (!arm[i].out)
                arm[i].time = fmin(arm[i].time, time_once(&arm[i], &data.tensors));
    size_t best = 0;
    for (size_t i = 0; i < count; i++)
        best = arm[i].time < arm[best].time ? i : best;
    const double ratio = count > 0 ? arm[0].time / arm[best].time : 1.0;
    shape_name(shape, name, sizeof name);
    for (size_t i = 0; verbose && i < count; i++)
        printf("%s %s %.4g %.4g\n", name, arm[i].kernel->name, arm[i].time * 1e6, arm[i].cost);
    if (!verbose && ratio > 1.15)
        printf("%5.2f  %-60s %s %.4g us, %s %.4g us\n", ratio, name, arm[0].kernel->name, arm[0].time * 1e6, arm[best].kernel->name,
               arm[best].time * 1e6);
    fflush(stdout);
    for (size_t i = 0; i < count; i++) {
        attn_plan_destroy(arm[i].plan);
        free(arm[i].workspace);
    }
    data_free(&data);
    return ratio;
}

typedef struct Tally {
    size_t problems, within;
    double worst, sum;
} Tally;

static void add(Tally *t, double ratio)
{
    t->problems++;
    t->within += ratio <= 1.15;
    t->worst = fmax(t->worst, ratio);
    t->sum += log(ratio);
}

static int conclude(const Tally *t, FILE *to)
{
    const bool good = (double)t->within >= 0.95 * (double)t->problems && t->worst <= 1.5;
    fprintf(to, "%zu problems: within 1.15 of the best kernel on %zu (%.1f %%), worst %.2f, geometric mean %.3f: %s\n", t->problems, t->within,
            100.0 * (double)t->within / (double)t->problems, t->worst, exp(t->sum / (double)(t->problems ? t->problems : 1)),
            good ? "good" : "not good enough (95 %, 1.5)");
    return good ? 0 : 1;
}

/* One problem of a file: its lines follow each other. */
typedef struct Replay {
    char shape[SHAPE_NAME];
    double best, chosen, least; /* times; the least estimate */
    const char *kernel;
} Replay;

static void close_replay(const Replay *r, Tally *tally)
{
    if (!r->kernel)
        return;
    add(tally, r->chosen / r->best);
    if (r->chosen / r->best > 1.15)
        printf("%5.2f  %-60s %s %.4g us, best %.4g us\n", r->chosen / r->best, r->shape, r->kernel, r->chosen, r->best);
}

static int replay(const char *path, const AttnSettings *settings)
{
    FILE *file = fopen(path, "r");
    char name[SHAPE_NAME], word[64], error[300];
    double time, old;
    Replay r = {.shape = ""};
    Tally tally = {.worst = 1.0};
    Shape shape;
    AttnProblem problem;
    if (!file) {
        perror(path);
        return 2;
    }
    while (fscanf(file, "%359s %63s %lf %lf", name, word, &time, &old) == 4) {
        if (strcmp(name, r.shape) != 0) {
            close_replay(&r, &tally);
            r = (Replay){.best = INFINITY, .least = INFINITY};
            strcpy(r.shape, name);
            if (!shape_parse(&shape, name, error, sizeof error)) {
                fprintf(stderr, "%s\n", error);
                return 2;
            }
            problem = shape_problem(&shape);
        }
        const AttnKernel *kernel = attn_registry_find(word);
        const AttnVerdict verdict = kernel ? attn_choose_judge(kernel, &problem, attn_cpu_this(), settings) : (AttnVerdict){.accepted = false};
        if (!verdict.accepted)
            continue;
        r.best = fmin(r.best, time);
        if (verdict.cost < r.least) {
            r.least = verdict.cost;
            r.chosen = time;
            r.kernel = kernel->name;
        }
    }
    close_replay(&r, &tally);
    fclose(file);
    return conclude(&tally, stdout);
}

int main(int count, char **words)
{
    const bool verbose = count > 1 && strcmp(words[count - 1], "-v") == 0;
    const size_t given = (size_t)count - (verbose ? 1 : 0);
    const size_t problems = given > 1 ? strtoul(words[1], NULL, 10) : 500;
    const uint64_t seed = given > 2 ? strtoull(words[2], NULL, 10) : 1;
    AttnSettings settings;
    Tally tally = {.worst = 1.0};
    if (attn_settings_read_environment(NULL, &settings) != ATTN_OK) {
        fprintf(stderr, "%s\n", attn_last_error());
        return 2;
    }
    settings.tune = NULL;
    if (count == 3 && strcmp(words[1], "-r") == 0)
        return replay(words[2], &settings);
    for (size_t i = 0; i < problems; i++) {
        const Shape shape = draw_shape(random_bits(seed, i));
        add(&tally, measure(&shape, seed + i, &settings, verbose));
    }
    return conclude(&tally, verbose ? stderr : stdout);
}
