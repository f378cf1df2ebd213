/* case.c - the verbs of `attnzoo serve` that concern one shape: operands, calls, peaks, tensors as files, the judge. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "dispatch/cpu.h"
#include "dispatch/plan.h"
#include "harness/base/build.h"
#include "harness/conform/npy.h"
#include "harness/measure/paired.h"
#include "harness/measure/roof.h"
#include "harness/ops/sdpa/op.h"
#include "harness/ops/sdpa/oracle.h"
#include "harness/ops/zoo.h"
#include "harness/records/verdict.h"
#include "harness/serve/serve.h"

void serve_close(Server *s)
{
    for (size_t i = 0; i < SERVE_PEAKS; i++)
        if (s->has_peak[i])
            peak_free(&s->peaks[i]);
    memset(s->has_peak, 0, sizeof s->has_peak);
    if (s->expected)
        agree_free(&s->agree);
    s->expected = false;
    free(s->workspace);
    s->workspace = NULL;
    attn_plan_destroy(s->plan);
    s->plan = NULL;
    operands_free(&s->operands);
}

/* The options of the problem, by name; every problem that names no other score function has dot scores. */
static json_t *needs_json(const AttnProblem *p)
{
    const uint32_t needs = attn_problem_needs(p) & ~(uint32_t)ATTN_HAS_DOT;
    json_t *list = json_array();
    for (unsigned bit = 0; bit < ATTN_OPTION_BITS; bit++)
        if (needs >> bit & 1)
            json_array_append_new(list, json_string(attn_option_word(bit)));
    return list;
}

static json_t *case_json(const Server *s)
{
    const AttnProblem *p = &s->operands.problem;
    const Shape *shape = &s->operands.shape;
    const RoofWork work = shape_work(shape);
    OpKernel who;
    (void)op_sdpa.kernel(s->kernel, &who);
    json_t *answer = json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "shape", s->operands.name, "name",
                               shape->name[0] ? json_string(shape->name) : json_null(), "batch", (json_int_t)p->batch, "q_heads",
                               (json_int_t)p->q_heads, "kv_heads", (json_int_t)p->kv_heads, "q_len", (json_int_t)p->q_len, "k_len",
                               (json_int_t)p->k_len, "d", (json_int_t)p->d, "dv", (json_int_t)p->dv);
    json_object_set_new(answer, "needs", needs_json(p));
    json_object_set_new(answer, "causal", json_boolean(p->causal));
    json_object_set_new(answer, "offset", json_integer(shape_offset(shape, 0)));
    json_object_set_new(answer, "window",
                        p->window ? json_pack("[I, I]", (json_int_t)p->window_left, (json_int_t)p->window_right) : json_null());
    json_object_set_new(answer, "lengths", json_boolean(p->kv_lengths || p->align == ATTN_ALIGN_OFFSETS));
    json_object_set_new(answer, "softcap", json_real(p->softcap));
    json_object_set_new(answer, "scale", json_real(p->scale));
    json_object_set_new(answer, "flop", json_real(work.flop));
    json_object_set_new(answer, "exp", json_real(work.exp));
    json_object_set_new(answer, "bytes", json_real(work.bytes));
    json_object_set_new(answer, "level", json_string(peaks_level_name(peaks_level_of(&s->machine.topology, s->threads, work.bytes))));
    json_object_set_new(answer, "threads", json_integer((json_int_t)s->threads));
    json_object_set_new(answer, "seed", json_integer((json_int_t)s->cli->seed));
    json_object_set_new(answer, "dist", json_string(data_dist_name(DIST_NORMAL)));
    json_object_set_new(answer, "kernel", json_string(s->kernel->name));
    json_object_set_new(answer, "isa", json_string(op_isa_name(&who)));
    json_object_set_new(answer, "version", json_string(attn_version()));
    json_object_set_new(answer, "commit", json_string(build_commit()));
    return answer;
}

json_t *serve_kernels(Server *s, char *argument)
{
    if (argument[0])
        return serve_refuse(s, "kernels takes no argument");
    OpKernel who;
    json_t *list = json_array();
    for (size_t i = 0; i < zoo_count(); i++)
        if (op_sdpa.kernel(zoo_at(i), &who))
            json_array_append_new(list, json_string(zoo_at(i)->name));
    return json_pack("{s:o}", "kernels", list);
}

json_t *serve_shapes(Server *s, char *argument)
{
    Shapes shapes = {0};
    if (!shapes_parse(&shapes, argument, s->error, sizeof s->error))
        return NULL;
    json_t *list = json_array();
    for (size_t i = 0; i < shapes.count; i++) {
        char name[SHAPE_NAME];
        json_array_append_new(list, json_string(shapes.at[i].name[0] ? shapes.at[i].name : shape_name(&shapes.at[i], name, sizeof name)));
    }
    shapes_free(&shapes);
    return json_pack("{s:o}", "shapes", list);
}

/* Make a plan for the open case with the kernel of that name; NULL: the one that dispatch chooses. */
static bool plan_case(Server *s, const char *name)
{
    const AttnKernel *kernel = name ? zoo_find(name) : NULL;
    const AttnProblem *p = &s->operands.problem;
    AttnStatus status;
    if (kernel && zoo_is_yardstick(kernel)) { /* the library does not have it */
        const AttnVerdict verdict = attn_choose_judge(kernel, p, attn_cpu_this(), &s->cli->settings);
        if (!verdict.accepted) {
            serve_refuse(s, "%s: %s", name, verdict.why);
            return false;
        }
        status = attn_plan_create_with(kernel, p, s->threads, NULL, NULL, &s->plan);
    } else {
        AttnOptions wanted = s->cli->options;
        wanted.threads = s->threads;
        wanted.kernel = name ? name : wanted.kernel;
        status = attn_plan_create(p, &wanted, &s->plan);
    }
    if (status != ATTN_OK)
        serve_refuse(s, "%s", attn_last_error());
    return status == ATTN_OK;
}

json_t *serve_open(Server *s, char *argument)
{
    char *kernel = strchr(argument, ' ');
    if (kernel)
        *kernel++ = '\0';
    if (!argument[0] || (kernel && (!kernel[0] || strchr(kernel, ' '))))
        return serve_refuse(s, "open takes a shape and, if not what dispatch chooses, a kernel; for example: "
                               "open bert-base/encoder@128 flash_f32");
    serve_close(s);
    if (!operands_from_shape(&s->operands, s->cli->seed, argument, DIST_NORMAL, s->error, sizeof s->error)) {
        operands_free(&s->operands);
        return NULL;
    }
    if (plan_case(s, kernel)) {
        s->kernel = zoo_find(attn_plan_kernel(s->plan));
        s->workspace_size = attn_plan_workspace(s->plan);
        s->workspace = aligned_alloc(64, s->workspace_size);
        if (s->workspace && attn_run(s->plan, &s->operands.tensors, s->workspace, s->workspace_size) == ATTN_OK)
            return case_json(s);
        serve_refuse(s, s->workspace ? "%s" : "out of memory for a workspace%s", s->workspace ? attn_last_error() : "");
    }
    serve_close(s);
    return NULL;
}

static bool is_open(Server *s, const char *verb)
{
    if (!s->plan)
        serve_refuse(s, "%s needs an open shape; for example: open bert-base/encoder@128", verb);
    return s->plan != NULL;
}

/* Time `count` calls of run(context, n), and record what happened to the process meanwhile. */
static json_t *timed(void (*run)(void *, size_t), void *context, uint64_t count)
{
    const PairedClock clock = paired_clock();
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    const double start = clock.now(clock.context);
    run(context, count);
    const double seconds = clock.now(clock.context) - start;
    getrusage(RUSAGE_SELF, &after);
    return json_pack("{s:f, s:I, s:b, s:b}", "ns", 1e9 * seconds, "calls", (json_int_t)count, "preempt",
                     after.ru_nivcsw != before.ru_nivcsw, "minor_faults", after.ru_minflt != before.ru_minflt);
}

/* PairedArm.run: bench times the same function. The tensors were checked when the case was opened. */
static void run_plan(void *context, size_t iterations)
{
    Server *s = context;
    for (size_t i = 0; i < iterations; i++)
        (void)attn_run(s->plan, &s->operands.tensors, s->workspace, s->workspace_size);
}

json_t *serve_time(Server *s, char *argument)
{
    uint64_t count, warm = 0;
    char *more = strchr(argument, ' ');
    if (more)
        *more++ = '\0';
    if (!is_open(s, "time") || !serve_count(s, "calls", argument, 1, &count) || (more && !serve_count(s, "untimed calls", more, 0, &warm)))
        return NULL;
    run_plan(s, warm);
    return timed(run_plan, s, count);
}

json_t *serve_peak(Server *s, char *argument)
{
    static const char *const kinds[] = {"fma", "read"};
    char *number = strchr(argument, ' ');
    uint64_t count;
    if (number)
        *number++ = '\0';
    const size_t which = strcmp(argument, kinds[0]) == 0 ? 0 : 1;
    if (strcmp(argument, kinds[which]) != 0)
        return serve_refuse(s, "kind of peak is '%s'; allowed: fma, read", argument);
    if (!is_open(s, "peak") || !serve_count(s, "rounds", number ? number : "", 1, &count))
        return NULL;
    Peak *peak = &s->peaks[which];
    if (!s->has_peak[which]) {
        const PeakLevel level = peaks_level_of(&s->machine.topology, s->threads, shape_work(&s->operands.shape).bytes);
        const PeakIsa *best = peaks_isa_best(s->machine.cpu->features & s->cli->settings.allowed);
        s->has_peak[which] = which == 0 ? peak_make(peak, PEAK_FMA, best, 0, s->threads, &s->machine.topology)
                                        : peak_make(peak, PEAK_READ, best, level, s->threads, &s->machine.topology);
        if (!s->has_peak[which])
            return serve_refuse(s, "this machine has no peak of kind %s, or no memory for it", kinds[which]);
    }
    json_t *answer = timed(peak_run, peak, count);
    json_object_set_new(answer, "units", json_real(peak->units));
    json_object_set_new(answer, "name", json_string(peak->name));
    return answer;
}

/* ---- Tensors in and out ------------------------------------------------------------------------------------------------------------ */

static bool write_tensor(Server *s, const char *directory, const char *name, OperandsTensor tensor)
{
    size_t shape[4];
    char path[1100];
    snprintf(path, sizeof path, "%.1000s/%s.npy", directory, name);
    float *all = operands_gather(&s->operands, tensor, shape);
    const bool written = all && npy_write_f32(path, all, 4, shape, s->error, sizeof s->error);
    if (!all)
        serve_refuse(s, "out of memory for %s", path);
    free(all);
    return written;
}

json_t *serve_write(Server *s, char *argument)
{
    const AttnProblem *p = &s->operands.problem;
    if (!is_open(s, "write"))
        return NULL;
    if (p->varlen || p->past_len > 0)
        return serve_refuse(s, "ragged sequences and keys in two segments are not written");
    if (!argument[0] || strlen(argument) > 1000)
        return serve_refuse(s, "write takes the name of a folder, of 1 to 1000 bytes");
    run_plan(s, 1);
    if (!write_tensor(s, argument, "q", OPERANDS_Q) || !write_tensor(s, argument, "k", OPERANDS_K) ||
        !write_tensor(s, argument, "v", OPERANDS_V) || !write_tensor(s, argument, "o", OPERANDS_O))
        return NULL;
    return json_pack("{s:i}", "written", 4);
}

/* Put somebody else's output in place of ours. */
static bool read_output(Server *s, const char *path)
{
    const AttnProblem *p = &s->operands.problem;
    const size_t want[4] = {p->batch, p->q_heads, p->q_len, p->dv};
    Npy npy;
    if (!npy_read(path, &npy, s->error, sizeof s->error))
        return false;
    if (npy.type != NPY_F4 || npy.rank != 4 || memcmp(npy.shape, want, sizeof want) != 0) {
        npy_free(&npy);
        serve_refuse(s, "%s: not a float32 array of shape [%zu, %zu, %zu, %zu]", path, want[0], want[1], want[2], want[3]);
        return false;
    }
    operands_put_output(&s->operands, npy.data);
    npy_free(&npy);
    return true;
}

json_t *serve_judge(Server *s, char *argument)
{
    if (!is_open(s, "judge"))
        return NULL;
    if (argument[0] && s->operands.problem.varlen)
        return serve_refuse(s, "ragged sequences are not judged from a file");
    if (!s->expected)
        s->expected = agree_expect(&s->agree, &s->operands.problem, &s->operands.tensors, &s->kernel->accuracy, s->cli->seed,
                                   ORACLE_FLOP_LIMIT, false);
    if (!s->expected)
        return serve_refuse(s, "out of memory for the oracle");
    run_plan(s, 1); /* with a file, log-sum-exp and scores are still ours */
    if (argument[0] && !read_output(s, argument))
        return NULL;
    VerifyResult r = {0};
    agree_judge(&s->agree, s->kernel->accuracy.exp_ulp, &s->operands.tensors, &r);
    return verdict_json(&r, "double", r.why);
}
