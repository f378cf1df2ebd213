/* test_structs.c - the sizes of public structs: which are taken, through every function that reads one, and what is copied. */
#include <criterion/criterion.h>

#include "dispatch/structs.h"

#define X(id) &attn_struct_##id,
static const AttnStruct *const kinds[] = {ATTN_STRUCTS(X)};
#undef X
enum { KINDS = sizeof kinds / sizeof *kinds };

/* No member is missing from a list: what lies between two of them is padding, less than a word, and only padding follows the last. */
Test(structs, every_member_is_listed)
{
    for (size_t i = 0; i < KINDS; i++) {
        const AttnStruct *kind = kinds[i];
        size_t end = 0;
        for (size_t f = 0; f < kind->count; f++) {
            const size_t begin = kind->fields[f].begin;
            cr_expect(begin >= end && begin - end < sizeof(size_t), "%s: before member %zu", kind->maker, f);
            end = kind->fields[f].end;
        }
        cr_expect(end <= kind->known && kind->known - end < sizeof(size_t), "%s: behind the last member", kind->maker);
    }
}

/* Each size from 0 up: taken if it is not too small, cuts no member and is either exactly the end of one or a whole number of words. */
Test(structs, a_size_ends_with_a_member)
{
    const uint64_t mark = ATTN_MADE;
    _Alignas(16) unsigned char from[5000], to[5000];
    for (size_t i = 0; i < KINDS; i++) {
        const AttnStruct *kind = kinds[i];
        size_t taken = 0;
        for (size_t size = 0; size <= 4200; size++) {
            bool cut = false, end = false;
            for (size_t f = 0; f < kind->count; f++) {
                cut = cut || (size > kind->fields[f].begin && size < kind->fields[f].end);
                end = end || size == kind->fields[f].end;
            }
            const bool good = size >= kind->smallest && size <= 4096 && !cut && (end || size % sizeof(size_t) == 0);
            memset(from, 0, sizeof from);
            memcpy(from, &size, sizeof size);
            if (kind->made > 0 && size >= kind->made + sizeof mark)
                memcpy(from + kind->made, &mark, sizeof mark);
            memset(to, 0xff, sizeof to);
            const AttnStatus status = attn_struct_read(kind, from, to);
            cr_expect_eq(status == ATTN_OK, good, "%s of %zu bytes: %s", kind->maker, size, attn_last_error());
            taken += status == ATTN_OK;
        }
        cr_expect_geq(taken, (4096 - kind->known) / sizeof(size_t) + 1, "%s: %zu sizes", kind->maker, taken);
    }
}

/* The same through the public doors, for half a pointer and for the size of this header's struct. */
Test(structs, half_a_member_is_refused_everywhere)
{
    AttnProblem problem = attn_problem(1, 1, 1, 1, 1, 4, 4);
    problem.size -= 2;
    cr_expect_eq(attn_problem_check(&problem), ATTN_ERROR_STRUCT);
    cr_expect_not_null(strstr(attn_last_error(), "ends within a field"), "%s", attn_last_error());
    problem = attn_problem(1, 1, 1, 1, 1, 4, 4);
    float x[4] = {0}, o[4];
    AttnTensors tensors = attn_tensors(x, x, x, o);
    cr_expect_eq(attn_sdpa(&problem, &tensors), ATTN_OK, "%s", attn_last_error());
    tensors.size = ATTN_STRUCT_UP_TO(AttnTensors, w) + 4;
    cr_expect_eq(attn_sdpa(&problem, &tensors), ATTN_ERROR_STRUCT);
    AttnOptions options = attn_options();
    AttnPlan *plan;
    options.size -= 4;
    cr_expect_eq(attn_plan_create(&problem, &options, &plan), ATTN_ERROR_STRUCT);
    AttnMerge merge = attn_merge_of(0, 1, 1, 1, 4);
    merge.size -= 4;
    cr_expect_eq(attn_merge(&merge, NULL, NULL, o, o), ATTN_ERROR_STRUCT);
    AttnKernelInfo info = {.size = sizeof info - 1};
    cr_expect_eq(attn_kernel_query(0, &info), ATTN_ERROR_STRUCT);
    info.size = ATTN_STRUCT_UP_TO(AttnKernelInfo, runnable);
    cr_expect_eq(attn_kernel_query(0, &info), ATTN_OK);
    AttnCpuInfo cpu = {.size = sizeof cpu + 1};
    cr_expect_eq(attn_cpu_query(&cpu), ATTN_ERROR_STRUCT);
}

/* A struct that is 0 but for its size was not made: its scale of 0 was forgotten, not meant. */
#define UNMADE(type, value, call)                                                                                                          \
    do {                                                                                                                                   \
        type x;                                                                                                                            \
        memset(&x, 0, sizeof x);                                                                                                           \
        x.size = sizeof x;                                                                                                                 \
        cr_expect_eq(call, ATTN_ERROR_STRUCT, "%s", #value);                                                                               \
        cr_expect_not_null(strstr(attn_last_error(), ".made is 0x0"), "%s", attn_last_error());                                            \
        cr_expect_not_null(strstr(attn_last_error(), "allowed: one made by " #value "()"), "%s", attn_last_error());                       \
        x.made = ATTN_MADE + 1;                                                                                                            \
        cr_expect_eq(call, ATTN_ERROR_STRUCT, "%s", #value);                                                                               \
        x.made = ATTN_MADE;                                                                                                                \
        cr_expect_neq(call, ATTN_ERROR_STRUCT, "%s: %s", #value, attn_last_error());                                                       \
    } while (0)

Test(structs, what_was_not_made_is_refused_everywhere)
{
    float q[16] = {0}, o[16];
    const AttnProblem problem = attn_problem(1, 1, 1, 1, 1, 4, 4);
    const AttnTensors tensors = attn_tensors(q, q, q, o);
    const AttnMhaConfig config = attn_mha_config(4, 1);
    const AttnMhaWeights weights = attn_mha_weights(q, q, q, q);
    const AttnMhaShape shape = attn_mha_shape(&config, 1, 1, 1);
    AttnPlan *plan;
    AttnMha *mha, *other;
    AttnMhaPlan *mha_plan = NULL;
    size_t bytes;
    cr_assert_eq(attn_mha_create(&config, &weights, NULL, NULL, 0, &mha), ATTN_OK);
    UNMADE(AttnProblem, attn_problem, attn_problem_check(&x));
    UNMADE(AttnProblem, attn_problem, attn_sdpa(&x, &tensors));
    UNMADE(AttnProblem, attn_problem, attn_problem_want_lse(&x));
    UNMADE(AttnTensors, attn_tensors, attn_sdpa(&problem, &x));
    cr_assert_eq(attn_plan_create(&problem, NULL, &plan), ATTN_OK);
    void *workspace = aligned_alloc(64, attn_plan_workspace(plan));
    UNMADE(AttnTensors, attn_tensors, attn_run(plan, &x, workspace, attn_plan_workspace(plan)));
    attn_plan_destroy(plan);
    free(workspace);
    plan = NULL;
    UNMADE(AttnOptions, attn_options, (attn_plan_destroy(plan), attn_plan_create(&problem, &x, &plan)));
    attn_plan_destroy(plan);
    UNMADE(AttnMerge, attn_merge_of, attn_merge(&x, NULL, NULL, o, o));
    UNMADE(AttnMhaConfig, attn_mha_config, attn_mha_packed_size(&x, &weights, NULL, &bytes));
    UNMADE(AttnMhaConfig, attn_mha_config, attn_mha_create(&x, &weights, NULL, NULL, 0, &other));
    UNMADE(AttnMhaWeights, attn_mha_weights, attn_mha_create(&config, &x, NULL, NULL, 0, &other));
    UNMADE(AttnMhaShape, attn_mha_shape, (attn_mha_plan_destroy(mha_plan), attn_mha_plan_create(mha, &x, NULL, &mha_plan)));
    attn_mha_plan_destroy(mha_plan);
    UNMADE(AttnMhaShape, attn_mha_shape, attn_mha_shape_use_cache(&x, &config, 4));
    cr_assert_eq(attn_mha_plan_create(mha, &shape, NULL, &mha_plan), ATTN_OK, "%s", attn_last_error());
    workspace = aligned_alloc(64, attn_mha_plan_workspace(mha_plan));
    UNMADE(AttnMhaTensors, attn_mha_tensors, attn_mha_run(mha_plan, &x, workspace, attn_mha_plan_workspace(mha_plan)));
    free(workspace);
    attn_mha_plan_destroy(mha_plan);
    attn_mha_destroy(mha);
}

/* A scale of 0 that was asked for is one; structs of callers who know no mark are taken; ours come out marked. */
Test(structs, the_mark_asks_nothing_of_those_who_make)
{
    AttnProblem problem = attn_problem(1, 1, 1, 1, 1, 4, 4), copy;
    problem.scale = 0;
    cr_expect_eq(attn_problem_check(&problem), ATTN_OK);
    problem.made = 0;
    problem.size = offsetof(AttnProblem, made);
    cr_expect_eq(attn_problem_check(&problem), ATTN_OK, "%s", attn_last_error());
    cr_expect_eq(attn_struct_read(&attn_struct_problem, &problem, &copy), ATTN_OK);
    cr_expect(copy.size == sizeof copy && copy.made == ATTN_MADE);
    /* It lies behind the padding of a struct without it, so that no older struct is as large as one that has it. */
    for (size_t i = 0; i < KINDS; i++)
        for (size_t f = 1; f < kinds[i]->count; f++) {
            const size_t end = kinds[i]->fields[f - 1].end, words = (end + kinds[i]->alignment - 1) / kinds[i]->alignment;
            if (kinds[i]->fields[f].begin == kinds[i]->made)
                cr_expect_geq(kinds[i]->made, words * kinds[i]->alignment, "%s", kinds[i]->maker);
        }
}

/* The limit that a size breaks stands in the sentence. */
Test(structs, a_size_names_its_limit)
{
    AttnProblem problem = attn_problem(1, 1, 1, 1, 1, 4, 4);
    problem.size = 1000000000;
    cr_expect_eq(attn_problem_check(&problem), ATTN_ERROR_STRUCT);
    cr_expect_not_null(strstr(attn_last_error(), "problem.size is 1000000000; allowed: at most 4096 bytes"), "%s", attn_last_error());
    problem.size = 8;
    cr_expect_eq(attn_problem_check(&problem), ATTN_ERROR_STRUCT);
    cr_expect_not_null(strstr(attn_last_error(), "problem.size is 8; allowed: at least "), "%s", attn_last_error());
}

/* The border itself, with a struct that has grown since: an older caller's copy ends early, the rest is 0. */
Test(structs, an_older_caller_keeps_working)
{
    struct Old {
        size_t size;
        int a;
    } old = {sizeof old, 7};
    struct New {
        size_t size;
        int a;
        int spare;
        double b;
    } copy, ours = {sizeof ours, 1, 2, 3.0};
    const AttnField fields[] = {{0, sizeof(size_t)},
                                {offsetof(struct New, a), ATTN_STRUCT_UP_TO(struct New, a)},
                                {offsetof(struct New, spare), ATTN_STRUCT_UP_TO(struct New, spare)},
                                {offsetof(struct New, b), ATTN_STRUCT_UP_TO(struct New, b)}};
    const AttnStruct kind = {"it", "its maker", ATTN_STRUCT_UP_TO(struct Old, a), sizeof(struct New), _Alignof(struct New), 0, fields, 4};
    cr_assert_eq(attn_struct_read(&kind, &old, &copy), ATTN_OK);
    cr_expect_eq(copy.size, sizeof copy);
    cr_expect_eq(copy.a, 7);
    cr_expect_eq(copy.b, 0.0);

    struct {
        struct Old old;
        char beyond;
    } caller = {.old.size = sizeof caller.old, .beyond = 9};
    cr_assert_eq(attn_struct_write(&kind, &caller.old, &ours), ATTN_OK);
    cr_expect_eq(caller.old.a, 1);
    cr_expect_eq(caller.old.size, sizeof caller.old);
    cr_expect_eq(caller.beyond, 9);
}

/* What an *_init function wrote into `size` bytes of `room`, which was full of 0xa5: the maker's struct, cut or followed by zeros. */
static void expect_made(const AttnStruct *kind, const unsigned char *room, size_t size, const void *made)
{
    size_t says;
    const size_t common = size < kind->known ? size : kind->known;
    memcpy(&says, room, sizeof says);
    cr_expect_eq(says, size, "%s: size %zu", kind->maker, size);
    cr_expect_eq(memcmp(room + sizeof says, (const char *)made + sizeof says, common - sizeof says), 0, "%s: size %zu", kind->maker, size);
    for (size_t i = common; i < size; i++)
        cr_assert_eq(room[i], 0, "%s: size %zu, byte %zu", kind->maker, size, i);
    for (size_t i = size; i < size + 64; i++)
        cr_assert_eq(room[i], 0xa5, "%s: size %zu, byte %zu", kind->maker, size, i);
}

/* `call` makes a struct of `size` bytes at `to`: of an older caller, of this header's, of a caller who takes more than enough. Refused are
 * NULL and sizes that no struct has, and then nothing is written. */
#define MAKES(kind, type, value, call)                                                                                                     \
    do {                                                                                                                                   \
        _Alignas(16) unsigned char room[5000];                                                                                             \
        const type made = value;                                                                                                           \
        type *to = (type *)room;                                                                                                           \
        const size_t good[] = {(kind).smallest, sizeof made, sizeof made + 8, 4096}, bad[] = {0, 7, 8, sizeof made - 7, 4104, SIZE_MAX};   \
        for (size_t i = 0; i < sizeof good / sizeof *good; i++) {                                                                          \
            const size_t size = good[i];                                                                                                   \
            memset(room, 0xa5, sizeof room);                                                                                               \
            cr_expect_eq(call, ATTN_OK, "%s", attn_last_error());                                                                          \
            expect_made(&(kind), room, size, &made);                                                                                       \
        }                                                                                                                                  \
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {                                                                            \
            const size_t size = bad[i];                                                                                                    \
            memset(room, 0xa5, sizeof room);                                                                                               \
            cr_expect_eq(call, ATTN_ERROR_STRUCT, "%s: size %zu", (kind).maker, size);                                                     \
            cr_expect_not_null(strstr(attn_last_error(), ".size is "), "%s", attn_last_error());                                           \
            for (size_t byte = 0; byte < sizeof room; byte++)                                                                              \
                cr_assert_eq(room[byte], 0xa5, "%s: size %zu, byte %zu", (kind).maker, size, byte);                                        \
        }                                                                                                                                  \
        const size_t size = sizeof made;                                                                                                   \
        to = NULL;                                                                                                                         \
        cr_expect_eq(call, ATTN_ERROR_NULL);                                                                                               \
        cr_expect_not_null(strstr(attn_last_error(), " is NULL"), "%s", attn_last_error());                                                \
    } while (0)

Test(structs, functions_make_what_makers_make)
{
    float x[8];
    const AttnMhaConfig c = attn_mha_config(24, 3);
    MAKES(attn_struct_problem, AttnProblem, attn_problem(2, 4, 2, 5, 7, 8, 6), attn_problem_init(to, size, 2, 4, 2, 5, 7, 8, 6));
    MAKES(attn_struct_tensors, AttnTensors, attn_tensors(x, x + 1, x + 2, x + 3), attn_tensors_init(to, size, x, x + 1, x + 2, x + 3));
    MAKES(attn_struct_options, AttnOptions, attn_options(), attn_options_init(to, size));
    MAKES(attn_struct_merge, AttnMerge, attn_merge_of(2, 3, 4, 5, 6), attn_merge_init(to, size, 2, 3, 4, 5, 6));
    MAKES(attn_struct_mha_config, AttnMhaConfig, attn_mha_config(24, 3), attn_mha_config_init(to, size, 24, 3));
    MAKES(attn_struct_mha_weights, AttnMhaWeights, attn_mha_weights(x, x + 1, x + 2, x + 3),
          attn_mha_weights_init(to, size, x, x + 1, x + 2, x + 3));
    MAKES(attn_struct_mha_shape, AttnMhaShape, attn_mha_shape(&c, 2, 5, 7), attn_mha_shape_init(to, size, &c, 2, 5, 7));
    MAKES(attn_struct_mha_tensors, AttnMhaTensors, attn_mha_tensors(x, x + 1, x + 2, x + 3),
          attn_mha_tensors_init(to, size, x, x + 1, x + 2, x + 3));
    AttnMhaShape shape;
    cr_expect_eq(attn_mha_shape_init(&shape, sizeof shape, NULL, 2, 5, 7), ATTN_ERROR_NULL);
    cr_expect_not_null(strstr(attn_last_error(), "config is NULL"), "%s", attn_last_error());
}

/* What is asked for later goes into an older caller's struct too, and not behind it. */
Test(structs, wishes_stay_within_the_size)
{
    struct {
        AttnProblem problem;
        size_t canary;
    } older = {attn_problem(2, 4, 2, 5, 7, 8, 6), 7};
    older.problem.size = attn_struct_problem.smallest;
    older.problem.softcap = 3; /* behind what it knows */
    cr_assert_eq(attn_problem_want_lse(&older.problem), ATTN_OK, "%s", attn_last_error());
    cr_expect(older.problem.size == attn_struct_problem.smallest && older.problem.softcap == 3.0 && older.canary == 7);
    const AttnLayout *lse = &older.problem.lse;
    cr_expect(lse->dtype == ATTN_F32 && lse->row == 1 && lse->head == 5 && lse->batch == 20);
    cr_expect_eq(attn_problem_want_lse(NULL), ATTN_ERROR_NULL);
    older.problem.size = 12;
    cr_expect_eq(attn_problem_want_lse(&older.problem), ATTN_ERROR_STRUCT);

    const AttnMhaConfig c = attn_mha_config(24, 3);
    AttnMhaShape s = attn_mha_shape(&c, 2, 5, 7);
    cr_expect_eq(attn_mha_shape_use_cache(&s, NULL, 9), ATTN_ERROR_NULL);
    cr_expect_eq(attn_mha_shape_want_weights(NULL, &c, ATTN_MHA_WEIGHTS_MEAN, 7), ATTN_ERROR_NULL);
    cr_expect(s.capacity == 0 && s.weights == ATTN_MHA_WEIGHTS_NONE);
}
