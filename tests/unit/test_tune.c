/* test_tune.c - tune files as the library reads them: whole or not at all, and never more than a preference. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dispatch/choose.h"
#include "dispatch/options.h"
#include "dispatch/registry.h"

#define MACHINE "x86_64-some-1.2-4c-00112233"
#define BUILD "0123456789abcdef"
#define COMPILER "gcc-12.2.0"
#define HEAD "attnzoo-tune 1 machine=" MACHINE " build=" BUILD " compiler=" COMPILER "\n"
#define ENTRY(key, rest) "sdpa f32 " key " | " rest "\n"
#define GOOD "flash_f32 over=naive_f32 ratio=0.5000 ci=0.4900:0.5100 n=100 rigor=measure shape=b1_h1_q1_k64_d32"

static char text[1 << 16];

/* Lines with the right last line behind them. */
static size_t seal(const char *lines)
{
    size_t entries = 0, length = strlen(lines);
    for (const char *c = strchr(lines, '\n'); c && c[1]; c = strchr(c + 1, '\n'))
        entries++;
    memcpy(text, lines, length);
    length += attn_tune_end_text(lines, strlen(lines), entries, text + length, sizeof text - length - 1);
    text[length++] = '\n';
    text[length] = '\0';
    return length;
}

static AttnTune *parse(size_t length)
{
    AttnTune *tune = attn_tune_parse(text, length, MACHINE, BUILD, COMPILER);
    cr_assert_not_null(tune);
    cr_assert_eq(tune->state == ATTN_TUNE_LOADED, tune->why[0] == '\0', "%s", tune->why);
    cr_assert(tune->state == ATTN_TUNE_LOADED || (tune->state == ATTN_TUNE_REFUSED && tune->fault != ATTN_TUNE_SOUND));
    cr_assert(tune->state == ATTN_TUNE_LOADED || tune->count == 0, "refused, but it has entries");
    return tune;
}

static void expect_refused(const char *lines, const char *word)
{
    AttnTune *tune = parse(seal(lines));
    cr_expect_eq(tune->state, ATTN_TUNE_REFUSED, "taken: %s", lines);
    cr_expect_not_null(strstr(tune->why, word), "'%s' is not in '%s', of %s", word, tune->why, lines);
    attn_tune_free(tune);
}

static const char three[] = HEAD ENTRY("causal q512 k512 d64 v64 g1 t1", GOOD) ENTRY("none q1 k64 d32 v32 g4 t2", GOOD)
    ENTRY("window+softcap q512 k512 d64 v64 g1 t1", GOOD);

Test(tune, a_good_file_is_found_again)
{
    AttnTune *tune = parse(seal(three));
    cr_assert_eq(tune->state, ATTN_TUNE_LOADED, "%s", tune->why);
    cr_assert_eq(tune->count, 3);
    AttnProblem p = attn_problem(1, 8, 1, 1, 100, 32, 32); /* group 8: not in the file */
    AttnTuneKey key = attn_tune_key(&p, 2);
    cr_expect_null(attn_tune_lookup(tune, &key));
    p.q_heads = 7; /* not a multiple, but a key is only a key: rounds to 4 */
    key = attn_tune_key(&p, 2);
    const AttnTuneEntry *e = attn_tune_lookup(tune, &key);
    cr_assert_not_null(e);
    cr_expect_str_eq(e->kernel->name, "flash_f32");
    cr_expect_str_eq(e->over->name, "naive_f32");
    cr_expect_float_eq(e->ratio, 0.5, 1e-12);
    cr_expect_float_eq(e->lo, 0.49, 1e-12);
    cr_expect_float_eq(e->hi, 0.51, 1e-12);
    cr_expect_eq(e->rounds, 100);
    cr_expect_eq(e->rigor, ATTN_RIGOR_MEASURE);
    cr_expect_eq(e->shape_length, strlen("b1_h1_q1_k64_d32"));
    char line[ATTN_TUNE_LINE];
    attn_tune_entry_text(e, line, sizeof line);
    cr_expect_not_null(strstr(three, line), "written otherwise than read: %s", line);
    attn_tune_free(tune);
}

/* The words of a file and their order: another order would be another file. */
Test(tune, options_have_their_words_in_order)
{
    AttnProblem p = attn_problem(1, 2, 2, 8, 8, 4, 4);
    char key[ATTN_TUNE_LINE];
    AttnTuneKey with = attn_tune_key(&p, 1);
    attn_tune_key_text(&with, key, sizeof key);
    cr_expect_str_eq(key, "sdpa f32 none q8 k8 d4 v4 g1 t1");
    p.causal = p.window = p.kv_lengths = p.alibi = p.sinks = p.varlen = true;
    p.mask.dtype = ATTN_BOOL;
    p.bias.dtype = p.lse.dtype = p.scores.dtype = ATTN_F32;
    p.softcap = 30.0;
    p.past_len = 3;
    p.score = ATTN_SCORE_GAUSSIAN;
    with = attn_tune_key(&p, 1);
    attn_tune_key_text(&with, key, sizeof key);
    cr_expect_str_eq(key, "sdpa f32 causal+window+lengths+mask+bias+softcap+alibi+sinks+varlen+past+scores+gaussian q8 k8 d4 v4 g1 t1");
    p.score = ATTN_SCORE_ADDITIVE;
    with = attn_tune_key(&p, 1);
    attn_tune_key_text(&with, key, sizeof key);
    cr_expect_str_eq(key, "sdpa f32 causal+window+lengths+mask+bias+softcap+alibi+sinks+varlen+past+scores+additive q8 k8 d4 v4 g1 t1");
}

Test(tune, a_file_without_entries_is_good)
{
    AttnTune *tune = parse(seal(HEAD));
    cr_expect_eq(tune->state, ATTN_TUNE_LOADED, "%s", tune->why);
    AttnProblem p = attn_problem(1, 1, 1, 1, 1, 1, 1);
    const AttnTuneKey key = attn_tune_key(&p, 1);
    cr_expect_null(attn_tune_lookup(tune, &key));
    attn_tune_free(tune);
}

Test(tune, no_changed_bit_and_no_cut_goes_unseen)
{
    const size_t length = seal(three);
    for (size_t bit = 0; bit < 8 * length; bit++) {
        text[bit / 8] ^= (char)(1 << bit % 8);
        AttnTune *tune = parse(length);
        cr_assert_eq(tune->state, ATTN_TUNE_REFUSED, "bit %zu of byte %zu changed", bit % 8, bit / 8);
        attn_tune_free(tune);
        text[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t cut = 0; cut < length; cut++) {
        AttnTune *tune = parse(cut);
        cr_assert_eq(tune->state, ATTN_TUNE_REFUSED, "cut at %zu", cut);
        cr_assert_eq(tune->fault, ATTN_TUNE_DAMAGED, "cut at %zu", cut);
        attn_tune_free(tune);
    }
    for (int more = 0; more < 256; more++) {
        text[length] = (char)more;
        AttnTune *tune = parse(length + 1);
        cr_assert_eq(tune->state, ATTN_TUNE_REFUSED, "byte %d behind the end", more);
        attn_tune_free(tune);
    }
    text[length] = '\0';
    AttnTune *tune = parse(length);
    cr_assert_eq(tune->state, ATTN_TUNE_LOADED);
    attn_tune_free(tune);
}

Test(tune, files_of_others_are_refused_with_whose_they_are)
{
    static const struct { const char *machine, *build, *compiler, *why; AttnTuneFault fault; } others[] = {
        {"x86_64-other-1.2-4c-00112233", BUILD, COMPILER, "of another machine: " MACHINE, ATTN_TUNE_OTHER_MACHINE},
        {MACHINE "0", BUILD, COMPILER, "of another machine", ATTN_TUNE_OTHER_MACHINE},
        {MACHINE, "0123456789abcdee", COMPILER, "of another build of the kernels: " BUILD, ATTN_TUNE_OTHER_BUILD},
        {MACHINE, BUILD, "clang-14.0.6", "by another compiler: gcc-12.2.0; here it is clang-14.0.6", ATTN_TUNE_OTHER_BUILD},
    };
    const size_t length = seal(three);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        AttnTune *tune = attn_tune_parse(text, length, others[i].machine, others[i].build, others[i].compiler);
        cr_expect_eq(tune->state, ATTN_TUNE_REFUSED);
        cr_expect_eq(tune->fault, others[i].fault);
        cr_expect_eq(tune->count, 0);
        cr_expect_not_null(strstr(tune->why, others[i].why), "%s", tune->why);
        attn_tune_free(tune);
    }
}

/* Right sums over wrong lines: what another program, or a mistake in the writer, could make. */
Test(tune, lines_that_no_writer_writes_are_refused)
{
    static const char *const bad[] = {
        ENTRY("none q1 k64 d32 v32 g4 t1", "no_such over=naive_f32 ratio=0.5000 ci=0.4900:0.5100 n=1 rigor=quick shape=x"),
        ENTRY("none q1 k64 d32 v32 g4 t1", "linear_f32 over=naive_f32 ratio=0.5000 ci=0.4900:0.5100 n=1 rigor=quick shape=x"),
        ENTRY("none q1 k64 d32 v32 g4 t1", "flash_f32 over=flash_f32 ratio=0.5000 ci=0.4900:0.5100 n=1 rigor=quick shape=x"),
        ENTRY("none q1 k64 d32 v32 g4 t1", "flash_f32 over=naive_f32 ratio=0.6000 ci=0.4900:0.5100 n=1 rigor=quick shape=x"),
        ENTRY("none q1 k64 d32 v32 g4 t1", "flash_f32 over=naive_f32 ratio=0.500 ci=0.4900:0.5100 n=1 rigor=quick shape=x"),
        ENTRY("none q1 k64 d32 v32 g4 t1", "flash_f32 over=naive_f32 ratio=0.50001 ci=0.4900:0.5100 n=1 rigor=quick shape=x"),
        ENTRY("none q1 k64 d32 v32 g4 t1", "flash_f32 over=naive_f32 ratio=-0.5000 ci=0.4900:0.5100 n=1 rigor=quick shape=x"),
        ENTRY("none q1 k64 d32 v32 g4 t1", "flash_f32 over=naive_f32 ratio=00.5000 ci=0.4900:0.5100 n=1 rigor=quick shape=x"),
        ENTRY("none q1 k64 d32 v32 g4 t1", "flash_f32 over=naive_f32 ratio=0.5000 ci=0.4900:0.5100 n=0 rigor=quick shape=x"),
        ENTRY("none q1 k64 d32 v32 g4 t1", "flash_f32 over=naive_f32 ratio=0.5000 ci=0.4900:0.5100 n=1 rigor=best shape=x"),
        ENTRY("none q1 k64 d32 v32 g4 t1", "flash_f32 over=naive_f32 ratio=0.5000 ci=0.4900:0.5100 n=1 rigor=quick shape="),
        ENTRY("none q1 k64 d32 v32 g4 t1", "flash_f32 over=naive_f32 ratio=0.5000 ci=0.4900:0.5100 n=1 rigor=quick shape=a b"),
        ENTRY("none q1 k64 d32 v32 g4 t1", GOOD " more=1"),
        ENTRY("none q1 k64 d32 v32 g4 t1", GOOD " "),
        ENTRY("none q3 k64 d32 v32 g4 t1", GOOD),
        ENTRY("none q0 k64 d32 v32 g4 t1", GOOD),
        ENTRY("none q01 k64 d32 v32 g4 t1", GOOD),
        ENTRY("none q+1 k64 d32 v32 g4 t1", GOOD),
        ENTRY("none q4294967297 k64 d32 v32 g4 t1", GOOD),
        ENTRY("none q1 k2147483648 d32 v32 g4 t1", GOOD),
        ENTRY("none q1 k64 d0 v32 g4 t1", GOOD),
        ENTRY("none q1 k64 d32 v32 g3 t1", GOOD),
        ENTRY("none q1 k64 d32 v32 g4 t0", GOOD),
        ENTRY("none q1 k64 d32 v32 g4 t4097", GOOD),
        ENTRY("none  q1 k64 d32 v32 g4 t1", GOOD),
        ENTRY(" q1 k64 d32 v32 g4 t1", GOOD),
        ENTRY("causal+causal q1 k64 d32 v32 g4 t1", GOOD),
        ENTRY("window+causal q1 k64 d32 v32 g4 t1", GOOD),
        ENTRY("causal+ q1 k64 d32 v32 g4 t1", GOOD),
        ENTRY("none+causal q1 k64 d32 v32 g4 t1", GOOD),
        ENTRY("hidden q1 k64 d32 v32 g4 t1", GOOD),
        "sdpa f33 none q1 k64 d32 v32 g4 t1 | " GOOD "\n",
        "sdpa f32/f32/f32/f32 none q1 k64 d32 v32 g4 t1 | " GOOD "\n",
        "sdpa f32/f16/f16 none q1 k64 d32 v32 g4 t1 | " GOOD "\n",
        "linear f32 none q1 k64 d32 v32 g4 t1 | " GOOD "\n",
        "\n", " \n", "end 0 0000000000000000\n"};
    char lines[4096];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(lines, sizeof lines, HEAD "%s", bad[i]);
        expect_refused(lines, "line 2 is not an entry");
    }
    expect_refused(HEAD ENTRY("none q1 k64 d32 v32 g4 t1", GOOD) ENTRY("none q1 k64 d32 v32 g4 t1", GOOD), "line 3 is not in order");
    expect_refused(HEAD ENTRY("none q1 k64 d32 v32 g4 t2", GOOD) ENTRY("none q1 k64 d32 v32 g4 t1", GOOD), "line 3 is not in order");
    expect_refused("attnzoo-tune 1 build=" BUILD "\n", "line 1 has no machine");
    expect_refused("attnzoo-tune 1 machine=" MACHINE " build=" BUILD " compiler=" COMPILER " more\n", "line 1 goes on");
    expect_refused("attnzoo-tune 2 machine=" MACHINE "\n", "version");
    expect_refused("flash_f32\n", "no tune file");
    AttnTune *tune = parse(0);
    cr_expect_eq(tune->state, ATTN_TUNE_REFUSED);
    attn_tune_free(tune);
}

/* A zero byte, a line longer than any, 20000 entries: nothing is read beyond the bytes that are there (run under sanitizers). */
Test(tune, hostile_sizes)
{
    static char lines[1 << 15];
    const size_t head = strlen(HEAD);
    memcpy(lines, HEAD, head);
    memset(lines + head, 'q', sizeof lines - head - 2);
    lines[sizeof lines - 2] = '\n';
    expect_refused(lines, "line 2 is not an entry");
    memset(text, 0, 1000);
    attn_tune_free(parse(1000));
    memset(text, '\n', 1000);
    attn_tune_free(parse(1000));
    char *many = NULL, line[200];
    size_t length = 0;
    FILE *to = open_memstream(&many, &length);
    fputs(HEAD, to);
    for (int d = 10000; d < 15000; d++)
        fprintf(to, "sdpa f32 none q1 k64 d%d v32 g4 t1 | " GOOD "\n", d);
    fflush(to);
    attn_tune_end_text(many, length, 5000, line, sizeof line);
    fprintf(to, "%s\n", line);
    fclose(to);
    AttnTune *tune = attn_tune_parse(many, length, MACHINE, BUILD, COMPILER);
    cr_assert_eq(tune->state, ATTN_TUNE_LOADED, "%s", tune->why);
    cr_assert_eq(tune->count, 5000);
    for (uint32_t d = 9999; d < 15001; d++) {
        AttnProblem p = attn_problem(1, 4, 1, 1, 64, d, 32);
        const AttnTuneKey key = attn_tune_key(&p, 1);
        const AttnTuneEntry *e = attn_tune_lookup(tune, &key);
        cr_assert_eq(e != NULL, d >= 10000 && d < 15000, "d %u", d);
        cr_assert(!e || e->key.d == d);
    }
    attn_tune_free(tune);
    free(many);
}

static AttnTuneKey base_key(AttnProblem *p)
{
    *p = attn_problem(1, 8, 2, 600, 5000, 64, 64);
    return attn_tune_key(p, 2);
}

static bool same(const AttnProblem *p, size_t threads, const AttnTuneKey *key)
{
    const AttnTuneKey other = attn_tune_key(p, threads);
    return memcmp(&other, key, sizeof other) == 0;
}

Test(tune, buckets)
{
    AttnProblem p;
    const AttnTuneKey key = base_key(&p);
    char name[ATTN_TUNE_LINE];
    attn_tune_key_text(&key, name, sizeof name);
    cr_expect_str_eq(name, "sdpa f32 none q512 k4096 d64 v64 g4 t2");
#define CHANGED(change, expected)                                                 \
    do {                                                                          \
        base_key(&p);                                                             \
        change;                                                                   \
        cr_expect_eq(same(&p, 2, &key), expected, "%s", #change);                 \
    } while (0)
    CHANGED(p.batch = 5, true);
    CHANGED((p.q_heads = 20, p.kv_heads = 4), true); /* group 5, as 4 */
    CHANGED(p.q.row = 99, true);
    CHANGED(p.lse.dtype = ATTN_F32, true);
    CHANGED(p.q_len = 512, true);
    CHANGED(p.q_len = 1023, true);
    CHANGED(p.q_len = 511, false);
    CHANGED(p.q_len = 1024, false);
    CHANGED(p.q_len = 0, false);
    CHANGED(p.k_len = 8191, true);
    CHANGED(p.k_len = 8192, false);
    CHANGED(p.k_len = ATTN_MAX_SIZE, false);
    CHANGED(p.d = 65, false);
    CHANGED(p.dv = 63, false);
    CHANGED(p.q_heads = 16, false);
    CHANGED(p.causal = true, false);
    CHANGED(p.window = true, false);
    CHANGED(p.kv_lengths = true, false);
    CHANGED(p.mask.dtype = ATTN_BOOL, false);
    CHANGED(p.bias.dtype = ATTN_F32, false);
    CHANGED(p.softcap = 1, false);
    CHANGED(p.alibi = true, false);
    CHANGED(p.sinks = true, false);
    CHANGED(p.varlen = true, false);
    CHANGED(p.past_len = 1, false);
    CHANGED(p.scores.dtype = ATTN_F32, false);
    CHANGED(p.score = ATTN_SCORE_GAUSSIAN, false);
    CHANGED(p.score = ATTN_SCORE_ADDITIVE, false);
    CHANGED(p.v.dtype = ATTN_F16, false);
    base_key(&p);
    cr_expect_not(same(&p, 1, &key));
    p.k.dtype = p.v.dtype = ATTN_BF16;
    const AttnTuneKey mixed = attn_tune_key(&p, 2);
    attn_tune_key_text(&mixed, name, sizeof name);
    cr_expect_str_eq(name, "sdpa f32/bf16/bf16/f32 none q512 k4096 d64 v64 g4 t2");
}

/* ---- The choice ------------------------------------------------------------------------------------------------------------------ */

/* A tune that prefers `kernel` for problems of q 1, k 64, d 32 on one thread. */
static AttnTune *preferring(const char *kernel, const char *over)
{
    char lines[600];
    snprintf(lines, sizeof lines, HEAD "sdpa f32 none q1 k64 d32 v32 g1 t1 | %s over=%s ratio=0.5000 ci=0.4900:0.5100 n=9 rigor=quick "
             "shape=x\n", kernel, over);
    AttnTune *tune = parse(seal(lines));
    cr_assert_eq(tune->state, ATTN_TUNE_LOADED, "%s", tune->why);
    return tune;
}

static const AttnKernel *choice(const AttnSettings *settings, const AttnProblem *p)
{
    AttnVerdict *verdicts = calloc(attn_registry_count, sizeof *verdicts);
    const size_t chosen = attn_choose(attn_registry, attn_registry_count, p, attn_cpu_this(), settings, NULL);
    cr_assert_lt(chosen, attn_registry_count);
    const size_t with_verdicts = attn_choose(attn_registry, attn_registry_count, p, attn_cpu_this(), settings, verdicts);
    cr_assert_eq(chosen, with_verdicts, "verdicts change the choice");
    free(verdicts);
    return attn_registry[chosen];
}

Test(tune, what_was_measured_wins_over_the_estimate_and_loses_to_what_is_asked)
{
    const AttnProblem p = attn_problem(1, 1, 1, 1, 100, 32, 32), other = attn_problem(1, 1, 1, 1, 200, 32, 32);
    AttnSettings settings = {.allowed = UINT64_MAX, .threads = 1};
    const AttnKernel *estimate = choice(&settings, &p), *other_estimate = choice(&settings, &other);
    const char *slow = "naive_f32";
    cr_assert_str_neq(estimate->name, slow, "the test needs a kernel that dispatch would not take");
    AttnTune *tune = preferring(slow, estimate->name);
    settings.tune = tune;
    cr_expect_str_eq(choice(&settings, &p)->name, slow);
    cr_expect_eq(choice(&settings, &other), other_estimate, "another bucket");
    settings.threads = 2;
    cr_expect_eq(choice(&settings, &p), estimate, "other threads");
    settings.threads = 1;
    settings.kernel = attn_registry_find("flash_f32");
    settings.kernel_from = "test";
    cr_expect_str_eq(choice(&settings, &p)->name, "flash_f32", "forced by name");
    settings.kernel = NULL;
    attn_tune_free(tune);

    /* The preferred kernel cannot run this, or may not. */
    tune = preferring("additive_f32", "naive_f32");
    settings.tune = tune;
    cr_expect_eq(choice(&settings, &p), estimate, "a kernel that does not take the problem");
    attn_tune_free(tune);
    for (size_t i = 0; i < attn_registry_count; i++) {
        const AttnKernel *k = attn_registry[i];
        if (k->isa == 0 || k->kind != ATTN_KIND_ATTENTION)
            continue;
        tune = preferring(k->name, "naive_f32");
        settings.tune = tune;
        settings.allowed = 0;
        cr_expect_eq(choice(&settings, &p)->isa, 0, "max_isa and disable win over %s", k->name);
        attn_tune_free(tune);
    }
}

/* ---- Files ----------------------------------------------------------------------------------------------------------------------- */

static char folder[64], path[128];

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "tune_XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.tune", folder);
}

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(tune_load, .init = make_folder, .fini = remove_folder);

static void write_file(const char *bytes, size_t length)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, length, file), length);
    cr_assert_eq(fclose(file), 0);
}

/* A file of this machine and build that prefers naive_f32 for q 1, k 64, d 32 on one thread. */
static void write_own(void)
{
    char lines[1000];
    size_t used = attn_tune_head_text(attn_tune_machine(), attn_tune_build(), attn_tune_compiler(), lines, sizeof lines);
    snprintf(lines + used, sizeof lines - used, "\nsdpa f32 none q1 k64 d32 v32 g1 t1 | naive_f32 over=flash_f32 ratio=0.5000 "
             "ci=0.4900:0.5100 n=9 rigor=quick shape=b1_h1_q1_k64_d32\n");
    write_file(text, seal(lines));
}

/* The same behind the byte order mark of an editor. */
static void write_marked(void)
{
    char all[2100];
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file);
    const size_t length = fread(all + 3, 1, sizeof all - 3, file);
    fclose(file);
    memcpy(all, "\xEF\xBB\xBF", 3);
    write_file(all, length + 3);
}

static void expect_state(AttnTuneState state, const char *word)
{
    AttnTune *tune = attn_tune_load(path);
    cr_assert_not_null(tune);
    cr_expect_eq(tune->state, state, "%s", tune->why);
    cr_expect_not_null(strstr(tune->why, word), "'%s' is not in '%s'", word, tune->why);
    attn_tune_free(tune);
}

Test(tune_load, what_is_no_file_is_no_accident)
{
    expect_state(ATTN_TUNE_NONE, "no such file");
    cr_assert_eq(mkfifo(path, 0600), 0);
    expect_state(ATTN_TUNE_REFUSED, "not a regular file"); /* and it does not wait for a writer */
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(mkdir(path, 0700), 0);
    expect_state(ATTN_TUNE_REFUSED, "not a regular file");
    cr_assert_eq(rmdir(path), 0);
    write_own();
    expect_state(ATTN_TUNE_LOADED, "");
    write_marked();
    expect_state(ATTN_TUNE_LOADED, "");
    write_own();
    cr_assert_eq(truncate(path, ATTN_TUNE_MOST_BYTES + 1), 0);
    expect_state(ATTN_TUNE_REFUSED, "larger than 1 MiB");
    snprintf(path + strlen(path), sizeof path - strlen(path), "/x");
    expect_state(ATTN_TUNE_NONE, "no such file");
}

static char *explained(const AttnProblem *p)
{
    AttnOptions options = attn_options();
    AttnPlan *plan;
    options.tune = path;
    options.threads = 1;
    cr_assert_eq(attn_plan_create(p, &options, &plan), ATTN_OK, "%s", attn_last_error());
    char *copy = strdup(attn_plan_explain(plan));
    attn_plan_destroy(plan);
    return copy;
}

Test(tune_load, a_plan_follows_the_file_of_its_options)
{
    const AttnProblem p = attn_problem(1, 1, 1, 1, 100, 32, 32);
    write_own();
    char *why = explained(&p);
    cr_expect_eq(strncmp(why, "naive_f32: tuned, takes 0.500 [0.490, 0.510] of the time of flash_f32\n", 70), 0, "%s", why);
    cr_expect_not_null(strstr(why, "/a.tune: 1 entries\n"), "%s", why);
    free(why);
    cr_assert_eq(unlink(path), 0);
    why = explained(&p);
    cr_expect_eq(strncmp(why, "naive_f32: tuned", 16), 0, "a file is read once in a process: %s", why);
    free(why);
}

Test(tune_load, a_plan_goes_on_without_a_file_that_is_refused)
{
    const AttnProblem p = attn_problem(1, 1, 1, 1, 100, 32, 32);
    write_file("attnzoo-tune 1 ", 15);
    char *why = explained(&p);
    cr_expect_not_null(strstr(why, ": lowest estimate"), "%s", why);
    cr_expect_not_null(strstr(why, "refused, is cut short"), "%s", why);
    free(why);
    snprintf(path, sizeof path, "off");
    why = explained(&p);
    cr_expect_null(strstr(why, "tune file"), "%s", why);
    free(why);
}

static pthread_barrier_t barrier;

static void *open_path(void *result)
{
    pthread_barrier_wait(&barrier);
    *(const AttnTune **)result = attn_tune_open(path);
    return NULL;
}

Test(tune_load, threads_that_open_a_file_at_once_share_it)
{
    enum { THREADS = 8, FILES = 20 };
    const AttnTune *seen[THREADS];
    pthread_t threads[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int f = 0; f < FILES; f++) {
        snprintf(path, sizeof path, "%s/%d.tune", folder, f);
        write_own();
        for (int i = 0; i < THREADS; i++)
            cr_assert_eq(pthread_create(&threads[i], NULL, open_path, &seen[i]), 0);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        for (int i = 0; i < THREADS; i++) {
            cr_assert_eq(seen[i]->state, ATTN_TUNE_LOADED, "%s", seen[i]->why);
            cr_assert_eq(seen[i], seen[0]);
        }
    }
}

/* Forked while other threads read files that nobody has opened yet, a child reads one as well: no lock may have stayed behind. */
static atomic_int stop_opening;

/* A name of its own for each number, of one file that takes a while to read. */
static void name_of(char *name, size_t size, unsigned who, unsigned number)
{
    char way[2 * 20 + 1] = "";
    for (unsigned bit = 0; bit < 16; bit++)
        strcat(way, number >> bit & 1 ? "/." : "//");
    snprintf(name, size, "%s/%.*s%s/large.tune", folder, (int)who, "///////////", way);
}

static void *keep_opening(void *number)
{
    char name[256];
    for (unsigned i = 0; i < 65536 && !atomic_load(&stop_opening); i++) {
        name_of(name, sizeof name, *(const unsigned *)number, i);
        attn_tune_open(name);
    }
    return NULL;
}

Test(tune_load, a_child_forked_while_others_open_files)
{
    enum { THREADS = 3, FORKS = 30 };
    unsigned number[THREADS] = {1, 3, 5};
    pthread_t threads[THREADS];
    snprintf(path, sizeof path, "%s/large.tune", folder);
    FILE *file = fopen(path, "w");
    cr_assert(file && ftruncate(fileno(file), 1 << 20) == 0 && fclose(file) == 0);
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, keep_opening, &number[i]), 0);
    for (int i = 0; i < FORKS; i++) {
        const pid_t child = fork();
        if (child == 0) {
            char name[256];
            alarm(60);
            name_of(name, sizeof name, 7, (unsigned)i);
            _exit(attn_tune_open(name)->state == ATTN_TUNE_REFUSED ? 0 : 1);
        }
        int status = 0;
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child %d: status %#x", i, (unsigned)status);
    }
    atomic_store(&stop_opening, 1);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* ---- Where it lies --------------------------------------------------------------------------------------------------------------- */

static const char *file_variable, *cache_variable, *home_variable;

static const char *fake_getenv(const char *name)
{
    return strcmp(name, "ATTNZOO_TUNE_FILE") == 0 ? file_variable
           : strcmp(name, "XDG_CACHE_HOME") == 0  ? cache_variable
           : strcmp(name, "HOME") == 0            ? home_variable
                                                  : NULL;
}

static void expect_paths(const char *file, const char *cache, const char *home, const char *first, const char *second)
{
    AttnTunePaths paths;
    file_variable = file;
    cache_variable = cache;
    home_variable = home;
    attn_settings_tune_paths("m", fake_getenv, &paths);
    cr_expect_eq(paths.count, (size_t)((first != NULL) + (second != NULL)));
    if (first && paths.count > 0)
        cr_expect_str_eq(paths.at[0], first);
    if (second && paths.count > 1)
        cr_expect_str_eq(paths.at[1], second);
}

Test(tune, places)
{
    static char longer[1100];
    memset(longer, 'x', sizeof longer - 1);
    longer[0] = '/';
    expect_paths("my.tune", "/c", "/h", "my.tune", NULL);
    expect_paths("off", "/c", "/h", "off", NULL);
    expect_paths(longer, "/c", "/h", NULL, NULL);
    expect_paths(NULL, "/c", "/h", "/c/attnzoo/m.tune", "/etc/attnzoo/m.tune");
    expect_paths("", "/c", "/h", "/c/attnzoo/m.tune", "/etc/attnzoo/m.tune");
    expect_paths(NULL, "relative", "/h", "/h/.cache/attnzoo/m.tune", "/etc/attnzoo/m.tune");
    expect_paths(NULL, "", "/h", "/h/.cache/attnzoo/m.tune", "/etc/attnzoo/m.tune");
    expect_paths(NULL, NULL, NULL, "/etc/attnzoo/m.tune", NULL);
    expect_paths(NULL, longer, NULL, "/etc/attnzoo/m.tune", NULL);
    for (const char *c = attn_tune_machine(); *c; c++)
        cr_expect((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || strchr("-._", *c), "'%c' in a file name", *c);
    cr_expect_eq(strlen(attn_tune_build()), 16);
}
