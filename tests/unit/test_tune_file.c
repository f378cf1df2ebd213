/* test_tune_file.c - tune files as the program writes them: the same bytes from the same entries, several writers at once, nobody else's
 * file overwritten; and the rule that picks a kernel. */
#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dispatch/registry.h"
#include "harness/base/random.h"
#include "harness/base/stats.h"
#include "harness/ops/sdpa/data.h"
#include "harness/tune/file.h"
#include "harness/tune/pick.h"

static char folder[64], path[128], note[1400], failure[1400];

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "tune_file_XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/deep/er/a.tune", folder);
}

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(tune_file, .init = make_folder, .fini = remove_folder);

static TuneRow row_of(size_t d, const char *kernel, AttnRigor rigor)
{
    const AttnProblem p = attn_problem(1, 1, 1, 1, 64, d, 32);
    TuneRow row = {.entry = {.key = attn_tune_key(&p, 1), .kernel = attn_registry_find(kernel), .over = attn_registry_find("blocked_f32"),
                             .ratio = 0.12344, .lo = 0.1, .hi = 1.00006, .rounds = 40, .rigor = rigor}};
    snprintf(row.shape, sizeof row.shape, "b1_h1_q1_k64_d%zuv32", d);
    return row;
}

static void update(const TuneRow *rows, size_t count, bool again)
{
    cr_assert(tune_file_update(path, rows, count, again, note, sizeof note, failure, sizeof failure), "%s", failure);
}

static AttnTune *load_good(void)
{
    AttnTune *tune = attn_tune_load(path);
    cr_assert_not_null(tune);
    cr_assert_eq(tune->state, ATTN_TUNE_LOADED, "%s", tune->why);
    return tune;
}

Test(tune_file, bytes_follow_from_the_entries_alone)
{
    enum { ROWS = 40 };
    char *first = NULL;
    for (int turn = 0; turn < 4; turn++) {
        for (size_t i = 0; i < ROWS; i++) {
            const size_t d = 1 + (turn == 0 ? i : turn == 1 ? ROWS - 1 - i : (7 * i + (size_t)turn) % ROWS);
            const TuneRow row = row_of(d, "flash_f32", ATTN_RIGOR_QUICK);
            update(&row, 1, false);
        }
        AttnTune *tune = load_good();
        cr_assert_eq(tune->count, ROWS);
        if (!first)
            first = strdup(tune->text);
        cr_assert_str_eq(tune->text, first);
        attn_tune_free(tune);
        cr_assert_eq(unlink(path), 0);
    }
    cr_expect_not_null(strstr(first, "sdpa f32 none q1 k64 d7 v32 g1 t1 | flash_f32 over=blocked_f32 ratio=0.1234 ci=0.1000:1.0001 "
                                     "n=40 rigor=quick shape=b1_h1_q1_k64_d7v32\n"), "%s", first);
    free(first);
}

/* Many at once, in any order and some twice, are what they are one by one. */
Test(tune_file, many_at_once_are_as_one_by_one)
{
    enum { ROWS = 300 };
    static TuneRow more[ROWS];
    TuneRows one_by_one = {0}, at_once = {0};
    for (size_t again = 0; again < 2; again++)
        for (size_t turn = 0; turn < 3; turn++) {
            for (size_t i = 0; i < ROWS; i++) {
                const uint64_t draw = random_bits(turn + 3 * again, i);
                more[i] = row_of(1 + draw % 200, draw >> 20 & 1 ? "flash_f32" : "naive_f32", (AttnRigor)(1 + (draw >> 30) % 4));
                cr_assert(tune_rows_put(&one_by_one, &more[i], again));
            }
            cr_assert(tune_rows_merge(&at_once, more, ROWS, again));
            cr_assert_eq(at_once.count, one_by_one.count);
            for (size_t i = 0; i < at_once.count; i++)
                cr_assert(memcmp(&at_once.at[i].entry.key, &one_by_one.at[i].entry.key, sizeof(AttnTuneKey)) == 0 &&
                              at_once.at[i].entry.kernel == one_by_one.at[i].entry.kernel &&
                              at_once.at[i].entry.rigor == one_by_one.at[i].entry.rigor,
                          "row %zu, turn %zu", i, turn);
        }
    cr_assert(tune_rows_merge(&at_once, NULL, 0, false));
    cr_expect_eq(at_once.count, one_by_one.count);
    tune_rows_free(&at_once);
    tune_rows_free(&one_by_one);
}

/* Processor time for a file of `count` entries into one of as many others, the least of three. */
static double import_seconds(size_t count)
{
    TuneRow *rows = calloc(2 * count, sizeof *rows);
    double least = INFINITY;
    cr_assert_not_null(rows);
    for (size_t i = 0; i < 2 * count; i++) /* the second half falls between the rows of the first */
        rows[i] = row_of(2 * (i % count) + 1 + i / count, "flash_f32", ATTN_RIGOR_QUICK);
    for (int turn = 0; turn < 3; turn++) {
        update(rows, count, false);
        const clock_t start = clock();
        update(rows + count, count, false);
        least = fmin(least, (double)(clock() - start) / CLOCKS_PER_SEC);
        cr_assert_eq(unlink(path), 0);
    }
    free(rows);
    return least;
}

/* Eight times the entries: some eight times the time; quadratic work would be 64 times. */
Test(tune_file, time_grows_with_the_entries)
{
    const double few = import_seconds(400), many = import_seconds(3200);
    cr_expect_lt(many, 24 * few, "400 entries take %g s, 3200 take %g s", few, many);
}

static void expect_kernel(const char *kernel)
{
    AttnTune *tune = load_good();
    cr_assert_eq(tune->count, 1);
    cr_expect_str_eq(tune->entries[0].kernel->name, kernel);
    attn_tune_free(tune);
}

Test(tune_file, more_rigor_stays)
{
    const TuneRow patient = row_of(8, "flash_f32", ATTN_RIGOR_PATIENT), quick = row_of(8, "naive_f32", ATTN_RIGOR_QUICK);
    update(&patient, 1, false);
    update(&quick, 1, false);
    expect_kernel("flash_f32");
    update(&quick, 1, true);
    expect_kernel("naive_f32");
    update(&patient, 1, false);
    expect_kernel("flash_f32");
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert_geq(fputs(text, file), 0);
    cr_assert_eq(fclose(file), 0);
}

static char *text_for(const char *machine, const char *build)
{
    TuneRow row = row_of(8, "naive_f32", ATTN_RIGOR_EXHAUSTIVE);
    TuneRows rows = {.at = &row, .count = 1};
    size_t length;
    char *text = tune_rows_text(&rows, machine, build, attn_tune_compiler(), &length);
    cr_assert_not_null(text);
    return text;
}

Test(tune_file, what_was_stale_or_damaged_is_replaced_and_said)
{
    const TuneRow row = row_of(9, "flash_f32", ATTN_RIGOR_QUICK);
    update(NULL, 0, false); /* makes the folders, writes nothing */
    cr_assert_neq(access(path, F_OK), 0);
    char *stale = text_for(attn_tune_machine(), "0000000000000000");
    write_file(stale);
    update(NULL, 0, false);
    cr_expect_not_null(strstr(note, "another build"), "%s", note);
    update(&row, 1, false);
    cr_expect_not_null(strstr(note, "another build"), "%s", note);
    expect_kernel("flash_f32");
    update(&row, 1, false);
    cr_expect_str_eq(note, "");
    stale[strlen(stale) - 3] ^= 1;
    write_file(stale);
    update(&row, 1, false);
    cr_expect_not_null(strstr(note, "cut short or was changed"), "%s", note);
    expect_kernel("flash_f32");
    write_file("");
    update(&row, 1, false);
    expect_kernel("flash_f32");
    free(stale);
}

static void expect_left_alone(const char *text, const char *word)
{
    const TuneRow row = row_of(9, "flash_f32", ATTN_RIGOR_QUICK);
    char now[2000] = "";
    write_file(text);
    cr_expect_not(tune_file_update(path, &row, 1, true, note, sizeof note, failure, sizeof failure));
    cr_expect_not_null(strstr(failure, word), "%s", failure);
    FILE *file = fopen(path, "rb");
    cr_assert_gt(fread(now, 1, sizeof now - 1, file), 0);
    fclose(file);
    cr_expect_str_eq(now, text);
}

Test(tune_file, files_of_others_are_left_alone)
{
    update(NULL, 0, false);
    char *foreign = text_for("elsewhere", attn_tune_build());
    expect_left_alone(foreign, "of another machine: elsewhere");
    expect_left_alone("my precious notes\n", "is no tune file");
    expect_left_alone("attnzoo-tune 2 machine=x\n", "version");
    free(foreign);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(mkdir(path, 0700), 0);
    cr_expect_not(tune_file_update(path, NULL, 0, true, note, sizeof note, failure, sizeof failure));
    cr_expect_not_null(strstr(failure, "not a regular file"), "%s", failure);
}

/* A tune file that is a link to where the user keeps such files, with rights of its own. */
Test(tune_file, a_link_stays_and_its_file_keeps_its_rights)
{
    const TuneRow first = row_of(9, "flash_f32", ATTN_RIGOR_QUICK), second = row_of(17, "flash_f32", ATTN_RIGOR_QUICK);
    char real[160], lock[200];
    struct stat status;
    update(NULL, 0, false);
    snprintf(real, sizeof real, "%s/real.tune", folder);
    cr_assert_eq(symlink("../../real.tune", path), 0);
    update(&first, 1, false);
    cr_assert_eq(chmod(real, 0600), 0);
    update(&second, 1, false);
    cr_assert(lstat(path, &status) == 0 && S_ISLNK(status.st_mode), "the link was replaced");
    cr_assert(lstat(real, &status) == 0 && S_ISREG(status.st_mode));
    cr_assert_eq(status.st_mode & 07777, 0600u, "0%o", status.st_mode & 07777);
    snprintf(lock, sizeof lock, "%s.lock", real);
    cr_assert_eq(access(lock, F_OK), 0, "writers by other names would not wait for this one");
    AttnTune *tune = load_good();
    cr_expect_eq(tune->count, 2);
    attn_tune_free(tune);
}

/* ---- Several at once ------------------------------------------------------------------------------------------------------------- */

enum { WRITERS = 4, READERS = 2, EACH = 25 };
static atomic_int writing;
static atomic_size_t loads, bad;

static void *write_rows(void *number)
{
    char own_note[1400], own_failure[1400];
    for (size_t i = 0; i < EACH; i++) {
        const TuneRow row = row_of(1 + *(const size_t *)number * EACH + i, "flash_f32", ATTN_RIGOR_QUICK);
        if (!tune_file_update(path, &row, 1, false, own_note, sizeof own_note, own_failure, sizeof own_failure) || own_note[0])
            atomic_fetch_add(&bad, 1);
    }
    atomic_fetch_sub(&writing, 1);
    return NULL;
}

static void *read_rows(void *unused)
{
    size_t least = 0;
    while (atomic_load(&writing) > 0) {
        AttnTune *tune = attn_tune_load(path);
        if (!tune || tune->state == ATTN_TUNE_REFUSED || tune->count < least)
            atomic_fetch_add(&bad, 1);
        least = tune ? tune->count : least;
        attn_tune_free(tune);
        atomic_fetch_add(&loads, 1);
    }
    return unused;
}

Test(tune_file, writers_lose_nothing_and_readers_see_whole_files)
{
    pthread_t threads[WRITERS + READERS];
    size_t numbers[WRITERS];
    atomic_store(&writing, WRITERS);
    for (size_t i = 0; i < WRITERS + READERS; i++) {
        if (i < WRITERS)
            numbers[i] = i;
        cr_assert_eq(pthread_create(&threads[i], NULL, i < WRITERS ? write_rows : read_rows, i < WRITERS ? &numbers[i] : NULL), 0);
    }
    for (size_t i = 0; i < WRITERS + READERS; i++)
        pthread_join(threads[i], NULL);
    cr_expect_eq(atomic_load(&bad), 0);
    cr_expect_gt(atomic_load(&loads), 10);
    AttnTune *tune = load_good();
    cr_expect_eq(tune->count, WRITERS * EACH);
    attn_tune_free(tune);
}

/* ---- The pick -------------------------------------------------------------------------------------------------------------------- */

Test(tune_pick, the_fastest_unless_others_tie)
{
    const TuneTime clear[] = {{true, 1.5, 1.4, 1.6}, {true, 1.0, 1.0, 1.0}, {true, 1.2, 1.1, 1.3}};
    for (size_t preferred = 0; preferred <= 3; preferred++)
        cr_expect_eq(tune_pick(clear, 1, 3, preferred), 1);
    cr_expect_eq(tune_runner_up(clear, 1, 3, 1), 2);
    const TuneTime tied[] = {{true, 1.01, 0.99, 1.03}, {true, 1.0, 1.0, 1.0}, {true, 1.015, 0.98, 1.04}};
    cr_expect_eq(tune_pick(tied, 1, 3, 2), 2, "what dispatch takes anyway stays");
    cr_expect_eq(tune_pick(tied, 1, 3, 3), 0, "else the earliest");
    const TuneTime wide[] = {{true, 1.05, 0.9, 1.2}, {true, 1.0, 1.0, 1.0}};
    cr_expect_eq(tune_pick(wide, 1, 2, 0), 1, "5 %% is no tie, however wide its interval");
    const TuneTime open[] = {{true, 1.01, 0.8, 1.3}, {true, 1.0, 1.0, 1.0}};
    cr_expect_eq(tune_pick(open, 1, 2, 0), 1, "nor is what may be 30 %% slower, whatever its median");
    const TuneTime sharp[] = {{true, 1.01, 1.005, 1.015}, {true, 1.0, 1.0, 1.0}};
    cr_expect_eq(tune_pick(sharp, 1, 2, 0), 1, "1 %% that is certain is no tie");
    const TuneTime unknown[] = {{false, 1.0, 1.0, 1.0}, {true, 1.1, 1.0, 1.2}};
    cr_expect_eq(tune_pick(unknown, 1, 2, 0), 1, "who was not measured is not taken");
    const TuneTime nobody[] = {{false, 1.0, 1.0, 1.0}};
    cr_expect_eq(tune_pick(nobody, 1, 1, 0), 1);
    cr_expect_eq(tune_runner_up(nobody, 1, 1, 0), 1);
    cr_expect_eq(tune_pick(NULL, 0, 1, 0), 1);
}

Test(tune_pick, several_cases_ask_for_the_best_worst)
{
    const TuneTime cases[] = {
        {true, 1.0, 1.0, 1.0},   {true, 1.05, 1.04, 1.06}, {true, 1.2, 1.1, 1.3},  /* case 0 */
        {true, 1.3, 1.25, 1.35}, {true, 1.04, 1.03, 1.05}, {true, 1.0, 1.0, 1.0}}; /* case 1 */
    cr_expect_eq(tune_pick(cases, 2, 3, 0), 1, "worst cases 1.3, 1.05, 1.2");
    cr_expect_eq(tune_worst_case(cases, 2, 3, 1), 0);
    cr_expect_eq(tune_worst_case(cases, 2, 3, 0), 1);
    const TuneTime hole[] = {{true, 1.0, 1.0, 1.0}, {true, 1.5, 1.4, 1.6}, {false, NAN, NAN, NAN}, {true, 1.0, 1.0, 1.0}};
    cr_expect_eq(tune_pick(hole, 2, 2, 0), 1, "who fails in one case is out");
}

Test(tune_pick, risk_is_what_the_intervals_leave_open)
{
    const TuneTime times[] = {{true, 1.0, 1.0, 1.0}, {true, 1.01, 0.8, 1.3}, {false, 1.0, 0.1, 9.0}};
    cr_expect_float_eq(tune_risk(times, 1, 3, 0), 1.25, 1e-12);
    cr_expect_float_eq(tune_risk(times, 1, 3, 1), 1.625, 1e-12);
}

/* Two kernels of the same speed, one 10 % slower, noise of 5 % with outliers: the file must not change from day to day. */
Test(tune_pick, noise_does_not_decide)
{
    enum { KERNELS = 3, ROUNDS = 60, DAYS = 200 };
    static const double speed[KERNELS] = {1.0, 1.0, 1.1};
    size_t picks[KERNELS + 1] = {0}, preferred_picks[KERNELS + 1] = {0};
    for (uint64_t day = 0; day < DAYS; day++) {
        double seconds[KERNELS][ROUNDS], work[2 * ROUNDS];
        TuneTime times[KERNELS];
        StatsInterval to_first[KERNELS];
        for (size_t k = 0; k < KERNELS; k++)
            for (size_t r = 0; r < ROUNDS; r++) {
                const uint64_t bits = random_bits(day, k * ROUNDS + r);
                seconds[k][r] = speed[k] * (1 + 0.05 * (double)(bits % 1000) / 1000) * (bits >> 40 & 15 ? 1 : 1.8);
            }
        size_t fastest = 0;
        for (size_t k = 0; k < KERNELS; k++) {
            to_first[k] = stats_paired_ratio(seconds[0], seconds[k], ROUNDS, 0.01 / 3 / KERNELS, work);
            fastest = to_first[k].median < to_first[fastest].median ? k : fastest;
        }
        for (size_t k = 0; k < KERNELS; k++) {
            const StatsInterval r = stats_paired_ratio(seconds[fastest], seconds[k], ROUNDS, 0.01 / 3 / KERNELS, work);
            times[k] = (TuneTime){true, r.median, r.lo, r.hi};
        }
        picks[tune_pick(times, 1, KERNELS, KERNELS)]++;
        preferred_picks[tune_pick(times, 1, KERNELS, 1)]++;
    }
    cr_expect_geq(picks[0], DAYS - 2, "%zu of %d", picks[0], DAYS);
    cr_expect_geq(preferred_picks[1], DAYS - 2, "%zu of %d", preferred_picks[1], DAYS);
}
