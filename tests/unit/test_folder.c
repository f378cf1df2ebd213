/* test_folder.c - conformance cases: good ones are understood, every kind of bad one is named, and the judge neither lets errors through
 * nor invents them. Cases are made here, in a temporary folder; expected outputs come from the definition, summed in double. */
#include "dispatch/plan.h"
#include "dispatch/registry.h"
#include "harness/conform/folder.h"
#include "tests/support/npy_write.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64], error[2048];

static void enter(void)
{
    snprintf(root, sizeof root, "/tmp/test_folder.XXXXXX");
    cr_assert(mkdtemp(root));
}

static void leave(void)
{
    char command[100];
    snprintf(command, sizeof command, "rm -r '%s'", root);
    cr_assert(system(command) == 0);
}

TestSuite(folder, .init = enter, .fini = leave);

static const char *file_in(const char *name)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static void put_text(const char *name, const char *text)
{
    FILE *file = fopen(file_in(name), "w");
    cr_assert(file);
    fputs(text, file);
    cr_assert(fclose(file) == 0);
}

/* A tensor of any type; values are given as doubles. */
static void put(const char *name, NpyType type, const char *shape, const double *values, size_t count)
{
    FILE *file = fopen(file_in(name), "wb");
    cr_assert(file);
    npy_write(file, type, shape, values, count);
    cr_assert(fclose(file) == 0);
}

/* Values that every type here holds exactly. */
static double value(size_t i)
{
    return (double)((i * 37 + 11) % 41) / 16 - 1;
}

static void put_values(const char *name, NpyType type, const char *shape, size_t count)
{
    double values[512];
    cr_assert(count <= 512);
    for (size_t i = 0; i < count; i++)
        values[i] = value(i + (size_t)name[3] * 100);
    put(name, type, shape, values, count);
}

/* The case that most tests start from: batch 2, heads 4 / 2, 3 query rows, 5 keys, widths 4 and 6. */
static const char plain_meta[] =
    "{\"name\": \"t\", \"op\": \"Attention\", \"opset\": 24, \"attributes\": {\"scale\": 0.5},\n"
    " \"effective_attributes\": {\"scale\": 0.5, \"is_causal\": 0, \"softmax_precision\": null},\n"
    " \"dims\": {\"layout\": \"4D\", \"batch\": 2, \"q_heads\": 4, \"kv_heads\": 2, \"q_len\": 3, \"kv_len\": 5, \"head_size\": 4},\n"
    " \"inputs\": [{\"slot\": 0, \"file\": \"in_0.npy\", \"shape\": [2,4,3,4], \"dtype\": \"float32\"},\n"
    "  {\"file\": \"in_1.npy\", \"shape\": [2,2,5,4], \"dtype\": \"float32\"},\n"
    "  {\"file\": \"in_2.npy\", \"shape\": [2,2,5,6], \"dtype\": \"float32\"}, null, {\"file\": null}, null, null],\n"
    " \"outputs\": [{\"file\": \"out_0.npy\", \"shape\": [2,4,3,6], \"dtype\": \"float32\"}, null, null, null]}\n";

static void put_plain(void)
{
    put_values("in_0.npy", NPY_F4, "2, 4, 3, 4", 96);
    put_values("in_1.npy", NPY_F4, "2, 2, 5, 4", 80);
    put_values("in_2.npy", NPY_F4, "2, 2, 5, 6", 120);
    put_values("out_0.npy", NPY_F4, "2, 4, 3, 6", 144);
    put_text("meta.json", plain_meta);
}

/* meta.json with the first occurrence of `from` replaced. */
static void put_changed(const char *from, const char *to)
{
    char text[4000];
    const char *at = strstr(plain_meta, from);
    cr_assert(at, "'%s' is not in the template", from);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - plain_meta), plain_meta, to, at + strlen(from));
    put_text("meta.json", text);
}

static Folder read_good(void)
{
    Folder folder;
    cr_assert(folder_read(root, &folder, error, sizeof error), "%s", error);
    return folder;
}

static void refused(const char *word)
{
    Folder folder;
    error[0] = '\0';
    cr_assert(!folder_read(root, &folder, error, sizeof error), "accepted; expected '%s'", word);
    cr_assert(strstr(error, word) && strstr(error, root), "message '%s' lacks '%s' or the file", error, word);
    for (size_t i = 0; i < FOLDER_INPUTS; i++)
        cr_assert(!folder.in[i].data);
}

Test(folder, understands_a_plain_case)
{
    char converted[100];
    put_plain();
    Folder f = read_good();
    cr_assert(f.batch == 2 && f.q_heads == 4 && f.kv_heads == 2 && f.q_len == 3 && f.kv_len == 5 && f.total_len == 5 && f.d == 4 && f.dv == 6);
    cr_assert(!f.heads_inside && !f.causal && f.scaled && f.scale == 0.5 && f.softcap == 0 && f.left == -1 && f.right == -1);
    cr_assert_str_eq(folder_converted(&f, converted, sizeof converted), "");
    cr_assert_str_eq(f.name, strrchr(root, '/') + 1);
    folder_free(&f);
}

Test(folder, names_what_is_wrong_with_meta)
{
    static const struct { const char *from, *to, *word; } cases[] = {
        {"{\"name\"", "[\"name\"", "not JSON"},
        {"\"Attention\"", "\"Conv\"", "'op'"},
        {"\"op\": \"Attention\",", "", "'op'"},
        {"24", "22", "'opset'"},
        {"24", "\"24\"", "'opset'"},
        {"\"attributes\": {\"scale\": 0.5}", "\"attributes\": 5", "'attributes'"},
        {"{\"scale\": 0.5}", "{\"scale\": \"0.5\"}", "attributes.scale is no number"},
        {"{\"scale\": 0.5}", "{\"scale\": -0.5}", "attributes.scale is -0.5"},
        {"{\"scale\": 0.5}", "{\"scale\": 0.25}", "effective_attributes.scale is 0.5"},
        {"{\"scale\": 0.5}", "{\"scale\": 0.5, \"scale\": 0.5}", "not JSON"},
        {"{\"scale\": 0.5}", "{\"scael\": 0.5}", "unknown attribute 'scael'"},
        {"{\"scale\": 0.5}", "{\"is_causal\": 2}", "attributes.is_causal is 2"},
        {"{\"scale\": 0.5}", "{\"is_causal\": 0.5}", "no whole number"},
        {"{\"scale\": 0.5}", "{\"softcap\": -1}", "attributes.softcap is -1"},
        {"{\"scale\": 0.5}", "{\"softmax_precision\": 2}", "softmax_precision is 2"},
        {"{\"scale\": 0.5}", "{\"qk_matmul_output_mode\": 4}", "qk_matmul_output_mode is 4"},
        {"{\"scale\": 0.5}", "{\"left_window_size\": 4}", "opset 25"},
        {"{\"scale\": 0.5},\n \"effective", "{\"scale\": 0.5, \"q_num_heads\": 4},\n \"other", "not allowed with inputs of rank 4"},
        {"\"is_causal\": 0,", "\"is_causal\": 1,", "effective_attributes.is_causal is 1, but attributes make it 0"},
        {"{\"scale\": 0.5, \"is_causal\"", "{\"is_causal\"", "effective_attributes.scale is missing, but attributes make it 0.5"},
        {"{\"scale\": 0.5, \"is_causal\"", "{\"scale\": null, \"is_causal\"",
         "effective_attributes.scale is null, but attributes make it 0.5"},
        {"\"attributes\": {\"scale\": 0.5},", "\"attributes\": {\"scale\": 0.5, \"softcap\": 2},",
         "effective_attributes.softcap is missing, but attributes make it 2"},
        {"\"attributes\": {\"scale\": 0.5},", "\"attributes\": {},", "effective_attributes.scale is 0.5, but attributes have none"},
        {"\"attributes\": {\"scale\": 0.5},", "\"attributes\": {\"scale\": 0.5, \"is_causal\": 1073741825},",
         "attributes.is_causal is 1073741825; allowed: 0 to 1"},
        {"\"layout\": \"4D\"", "\"layout\": \"3D\"", "dims.layout"},
        {"\"q_heads\": 4", "\"q_heads\": 5", "dims.q_heads is not 4"},
        {"\"q_heads\": 4", "\"q_head\": 4", "unknown size 'q_head'"},
        {"\"slot\": 0", "\"slot\": 1", "inputs[0].slot"},
        {"\"in_0.npy\"", "\"in_9.npy\"", "in_9.npy: cannot open"},
        {"\"in_0.npy\"", "\"../in_0.npy\"", "inputs[0].file (Q)"},
        {"\"in_0.npy\"", "7", "inputs[0].file (Q)"},
        {"[2,4,3,4]", "[2,4,3,5]", "inputs[0].shape (Q)"},
        {"[2,4,3,4]", "\"2,4,3,4\"", "inputs[0].shape (Q)"},
        {"[2,4,3,4], \"dtype\": \"float32\"", "[2,4,3,4], \"dtype\": \"float8\"", "inputs[0].dtype (Q) is 'float8'"},
        {"[2,4,3,4], \"dtype\": \"float32\"", "[2,4,3,4], \"dtype\": \"float64\"", "holds float32"},
        {"[2,4,3,4], \"dtype\": \"float32\"", "[2,4,3,4]", "inputs[0].dtype (Q) is missing"},
        {"null, null],\n", "null],\n", "no array of 7"},
        {"\"outputs\"", "\"output\"", "'outputs'"},
        {"{\"file\": \"out_0.npy\", \"shape\": [2,4,3,6], \"dtype\": \"float32\"}", "null", "Y is absent"},
        {"{\"file\": null}", "5", "inputs[4] (past_key)"},
        {"{\"file\": null}", "{\"file\": \"in_1.npy\", \"shape\": [2,2,5,4], \"dtype\": \"float32\"}", "past_key and past_value come together"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_plain();
        put_changed(cases[i].from, cases[i].to);
        refused(cases[i].word);
    }
    put_text("meta.json", "");
    refused("not JSON");
    unlink(file_in("meta.json"));
    refused("cannot open");
    cr_assert(mkdir(file_in("meta.json"), 0700) == 0);
    refused("is a folder, not a regular file");
    cr_assert(rmdir(file_in("meta.json")) == 0 && mkfifo(file_in("meta.json"), 0600) == 0);
    refused("is a FIFO, not a regular file");
}

Test(folder, a_byte_order_mark_is_no_part_of_the_text)
{
    put_plain();
    put_changed("{", "\xEF\xBB\xBF{");
    Folder f = read_good();
    folder_free(&f);
}

Test(folder, survives_deep_and_huge_json)
{
    put_plain();
    FILE *file = fopen(file_in("meta.json"), "w");
    for (int i = 0; i < 500000; i++)
        fputc('[', file);
    fclose(file);
    refused("not JSON");
    file = fopen(file_in("meta.json"), "w");
    for (int i = 0; i < 3000000; i++)
        fputc(' ', file);
    fclose(file);
    refused("1048576");
}

Test(folder, names_tensors_that_disagree)
{
    static const struct { const char *name; NpyType type; const char *shape, *in_meta; size_t count; const char *from, *word; } cases[] = {
        {"in_1.npy", NPY_F4, "2, 3, 5, 4", "[2,3,5,4]", 120, "[2,2,5,4]", "multiple of KV heads"},
        {"in_1.npy", NPY_F4, "2, 2, 5, 3", "[2,2,5,3]", 60, "[2,2,5,4]", "K has shape [2,2,5,3]"},
        {"in_1.npy", NPY_F4, "2, 2, 20", "[2,2,20]", 80, "[2,2,5,4]", "ranks 4, 3 and 4"},
        {"in_2.npy", NPY_F4, "2, 2, 4, 6", "[2,2,4,6]", 96, "[2,2,5,6]", "V has shape [2,2,4,6]"},
        {"in_2.npy", NPY_F4, "2, 2, 5, 0", "[2,2,5,0]", 0, "[2,2,5,6]", "widths 4 and 0"},
        {"out_0.npy", NPY_F4, "2, 4, 3, 5", "[2,4,3,5]", 120, "[2,4,3,6]", "Y has shape"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_plain();
        put_values(cases[i].name, cases[i].type, cases[i].shape, cases[i].count);
        put_changed(cases[i].from, cases[i].in_meta);
        refused(cases[i].word);
    }
    put_plain();
    put_values("in_1.npy", NPY_F8, "2, 2, 5, 4", 80);
    put_changed("[2,2,5,4], \"dtype\": \"float32\"", "[2,2,5,4], \"dtype\": \"float64\"");
    refused("K is float64, but Q is float32");
    static const struct { const char *shape, *in_meta; size_t count; const char *word; } masks[] = {
        {"3, 6", "[3,6]", 18, "up to 5"},
        {"2, 5", "[2,5]", 10, "1 or 3"},
        {"2, 3, 5", "[2,3,5]", 30, "2 query heads"}, /* rank 3 begins with query heads, neither KV heads nor batch */
        {"1, 1, 1, 1, 1", "[1,1,1,1,1]", 1, "rank 5"},
    };
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        char entry[200];
        put_plain();
        put_values("in_3.npy", NPY_F4, masks[i].shape, masks[i].count);
        snprintf(entry, sizeof entry, " {\"file\": \"in_3.npy\", \"shape\": %s, \"dtype\": \"float32\"}, {\"file\": null}", masks[i].in_meta);
        put_changed(" null, {\"file\": null}", entry);
        refused(masks[i].word);
    }
}

/* ---- Cases against the definition -------------------------------------------------------------------------------------------------- */

/* One case by its options; tensors are made from value(). */
typedef struct Want {
    bool inside, causal;
    size_t past;
    NpyType type;
    const char *mask_shape, *mask_meta; /* NULL: no mask                         */
    size_t mask_axis[4];
    NpyType mask_type;
} Want;

enum { B = 2, HQ = 4, HKV = 2, SQ = 3, SK = 5, D = 4, DV = 6 };

static double tensor(const char *name, size_t i)
{
    return value(i + (size_t)name[3] * 100);
}

static double mask_value(size_t i, NpyType type)
{
    return type == NPY_B1 ? (i * 7 % 3 != 0) : i % 4 == 3 ? -INFINITY : value(i);
}

static double bias_at(const Want *w, size_t b, size_t h, size_t i, size_t j)
{
    const size_t at[] = {b, h, i, j};
    size_t index = 0;
    if (w->causal && j > i + w->past)
        return -INFINITY;
    if (!w->mask_shape)
        return 0;
    if (j >= w->mask_axis[3])
        return -INFINITY;
    for (size_t axis = 0; axis < 4; axis++)
        index = index * w->mask_axis[axis] + (w->mask_axis[axis] == 1 ? 0 : at[axis]);
    const double v = mask_value(index, w->mask_type);
    return w->mask_type == NPY_B1 ? (v != 0 ? 0 : -INFINITY) : v;
}

/* Element of K or V, past first; `in` is 1 or 2. */
static double kv_at(const Want *w, int in, size_t b, size_t g, size_t j, size_t c, size_t width)
{
    const char *past = in == 1 ? "in_4.npy" : "in_5.npy", *new = in == 1 ? "in_1.npy" : "in_2.npy";
    if (j < w->past)
        return tensor(past, ((b * HKV + g) * w->past + j) * width + c);
    j -= w->past;
    return tensor(new, w->inside ? ((b * SK + j) * HKV + g) * width + c : ((b * HKV + g) * SK + j) * width + c);
}

static double expected(const Want *w, size_t b, size_t h, size_t i, size_t c)
{
    double top = -INFINITY, sum = 0, out = 0, scores[64];
    const size_t total = w->past + SK;
    for (size_t j = 0; j < total; j++) {
        double s = 0;
        for (size_t e = 0; e < D; e++)
            s += tensor("in_0.npy", w->inside ? ((b * SQ + i) * HQ + h) * D + e : ((b * HQ + h) * SQ + i) * D + e) *
                 kv_at(w, 1, b, h / (HQ / HKV), j, e, D);
        scores[j] = 0.5 * s + bias_at(w, b, h, i, j);
        top = fmax(top, scores[j]);
    }
    for (size_t j = 0; j < total && top > -INFINITY; j++) {
        sum += exp(scores[j] - top);
        out += exp(scores[j] - top) * kv_at(w, 2, b, h / (HQ / HKV), j, c, DV);
    }
    return top > -INFINITY ? out / sum : 0;
}

static void put_case(const Want *w)
{
    static const char *const types[] = {"float16", "float32", "float64", "int64", "bool"};
    const char *type = types[w->type];
    double y[B * HQ * SQ * DV], mask[B * HQ * SQ * 16], present[B * HKV * 16 * DV];
    char text[4000], masked[200] = "null", past[400] = "null, null", presents[400] = "null, null", shape[4][40];
    for (size_t n = 0; n < B * HQ * SQ * DV; n++) {
        const size_t c = n % DV, row = n / DV;
        y[n] = w->inside ? expected(w, row / HQ / SQ, row % HQ, row / HQ % SQ, c) : expected(w, row / SQ / HQ, row / SQ % HQ, row % SQ, c);
    }
    put_values("in_0.npy", w->type, w->inside ? "2, 3, 16" : "2, 4, 3, 4", B * HQ * SQ * D);
    put_values("in_1.npy", w->type, w->inside ? "2, 5, 8" : "2, 2, 5, 4", B * HKV * SK * D);
    put_values("in_2.npy", w->type, w->inside ? "2, 5, 12" : "2, 2, 5, 6", B * HKV * SK * DV);
    put("out_0.npy", w->type, w->inside ? "2, 3, 24" : "2, 4, 3, 6", y, B * HQ * SQ * DV);
    if (w->mask_shape) {
        const size_t count = w->mask_axis[0] * w->mask_axis[1] * w->mask_axis[2] * w->mask_axis[3];
        for (size_t i = 0; i < count; i++)
            mask[i] = mask_value(i, w->mask_type);
        put("in_3.npy", w->mask_type, w->mask_shape, mask, count);
        snprintf(masked, sizeof masked, "{\"file\": \"in_3.npy\", \"shape\": %s, \"dtype\": \"%s\"}", w->mask_meta, types[w->mask_type]);
    }
    if (w->past) {
        const size_t total = w->past + SK, widths[] = {D, DV};
        for (int which = 0; which < 2; which++) {
            const size_t width = widths[which];
            snprintf(shape[which], sizeof shape[which], "2, 2, %zu, %zu", w->past, width);
            snprintf(shape[2 + which], sizeof shape[2 + which], "2, 2, %zu, %zu", total, width);
            put_values(which ? "in_5.npy" : "in_4.npy", w->type, shape[which], B * HKV * w->past * width);
            for (size_t n = 0; n < B * HKV * total * width; n++)
                present[n] = kv_at(w, 1 + which, n / width / total / HKV, n / width / total % HKV, n / width % total, n % width, width);
            put(which ? "out_2.npy" : "out_1.npy", w->type, shape[2 + which], present, B * HKV * total * width);
        }
        snprintf(past, sizeof past, "{\"file\": \"in_4.npy\", \"shape\": [%s], \"dtype\": \"%s\"}, {\"file\": \"in_5.npy\", \"shape\": [%s], \"dtype\": \"%s\"}",
                 shape[0], type, shape[1], type);
        snprintf(presents, sizeof presents,
                 "{\"file\": \"out_1.npy\", \"shape\": [%s], \"dtype\": \"%s\"}, {\"file\": \"out_2.npy\", \"shape\": [%s], \"dtype\": \"%s\"}", shape[2],
                 type, shape[3], type);
    }
    snprintf(text, sizeof text,
             "{\"op\": \"Attention\", \"opset\": 24, \"attributes\": {\"scale\": 0.5, \"is_causal\": %d%s}, \"inputs\": ["
             "{\"file\": \"in_0.npy\", \"shape\": [%s], \"dtype\": \"%s\"}, {\"file\": \"in_1.npy\", \"shape\": [%s], \"dtype\": \"%s\"}, "
             "{\"file\": \"in_2.npy\", \"shape\": [%s], \"dtype\": \"%s\"}, %s, %s, null], "
             "\"outputs\": [{\"file\": \"out_0.npy\", \"shape\": [%s], \"dtype\": \"%s\"}, %s, null]}",
             w->causal, w->inside ? ", \"q_num_heads\": 4, \"kv_num_heads\": 2" : "", w->inside ? "2,3,16" : "2,4,3,4", type,
             w->inside ? "2,5,8" : "2,2,5,4", type, w->inside ? "2,5,12" : "2,2,5,6", type, masked, past, w->inside ? "2,3,24" : "2,4,3,6", type,
             presents);
    put_text("meta.json", text);
}

static bool run(const Folder *folder, double *worst)
{
    FolderCall call;
    AttnPlan *plan;
    char why[400] = "";
    cr_assert(folder_bind(folder, &call, error, sizeof error), "%s", error);
    cr_assert(attn_plan_create_with(attn_registry_find("naive_f32"), &call.problem, 1, NULL, NULL, &plan) == ATTN_OK, "%s", attn_last_error());
    void *workspace = aligned_alloc(64, attn_plan_workspace(plan));
    cr_assert(attn_run(plan, &call.tensors, workspace, attn_plan_workspace(plan)) == ATTN_OK, "%s", attn_last_error());
    const bool ok = folder_judge(folder, &call, worst, why, sizeof why) && folder_judge_present(folder, &call, why, sizeof why);
    cr_log_info("%s", why);
    free(workspace);
    attn_plan_destroy(plan);
    folder_release(&call);
    return ok;
}

Test(folder, meaning_of_every_option)
{
    static const Want cases[] = {
        {.type = NPY_F4},
        {.type = NPY_F4, .inside = true},
        {.type = NPY_F4, .causal = true},
        {.type = NPY_F4, .past = 4},
        {.type = NPY_F4, .past = 4, .causal = true},
        {.type = NPY_F4, .past = 4, .causal = true, .inside = true},
        {.type = NPY_F2},
        {.type = NPY_F8, .past = 2, .inside = true},
        {.type = NPY_F4, .mask_shape = "5,", .mask_meta = "[5]", .mask_axis = {1, 1, 1, 5}, .mask_type = NPY_B1},
        {.type = NPY_F4, .mask_shape = "3, 5", .mask_meta = "[3,5]", .mask_axis = {1, 1, 3, 5}, .mask_type = NPY_F4},
        {.type = NPY_F4, .mask_shape = "4, 3, 5", .mask_meta = "[4,3,5]", .mask_axis = {1, 4, 3, 5}, .mask_type = NPY_F4},
        {.type = NPY_F4, .mask_shape = "4, 1, 5", .mask_meta = "[4,1,5]", .mask_axis = {1, 4, 1, 5}, .mask_type = NPY_B1, .inside = true},
        {.type = NPY_F4, .mask_shape = "2, 1, 3, 5", .mask_meta = "[2,1,3,5]", .mask_axis = {2, 1, 3, 5}, .mask_type = NPY_B1, .causal = true},
        {.type = NPY_F4, .mask_shape = "2, 4, 3, 5", .mask_meta = "[2,4,3,5]", .mask_axis = {2, 4, 3, 5}, .mask_type = NPY_F4},
        {.type = NPY_F4, .mask_shape = "3, 4", .mask_meta = "[3,4]", .mask_axis = {1, 1, 3, 4}, .mask_type = NPY_F4, .past = 3, .causal = true},
        {.type = NPY_F4, .mask_shape = "2, 1, 3, 1", .mask_meta = "[2,1,3,1]", .mask_axis = {2, 1, 3, 1}, .mask_type = NPY_B1},
        {.type = NPY_F2, .mask_shape = "3, 5", .mask_meta = "[3,5]", .mask_axis = {1, 1, 3, 5}, .mask_type = NPY_F2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double worst;
        put_case(&cases[i]);
        Folder f = read_good();
        cr_assert(run(&f, &worst), "case %zu: worst %g", i, worst);
        char converted[100];
        folder_converted(&f, converted, sizeof converted);
        cr_assert(cases[i].type == NPY_F4 ? !*converted : strstr(converted, npy_type_name(cases[i].type)) == converted);
        folder_free(&f);
    }
}

Test(folder, judges_small_errors)
{
    FolderCall call;
    char why[400];
    double worst;
    put_case(&(Want){.type = NPY_F4});
    Folder f = read_good();
    cr_assert(folder_bind(&f, &call, error, sizeof error));
    cr_assert(!folder_judge(&f, &call, &worst, why, sizeof why) && strstr(why, "nan"), "what nobody wrote must not pass");
    float largest = 0;
    for (size_t i = 0; i < call.outputs; i++) {
        call.o[i] = (float)npy_at(&f.out[FOLDER_Y], i);
        largest = fmaxf(largest, fabsf(call.o[i]));
    }
    cr_assert(folder_judge(&f, &call, &worst, why, sizeof why) && worst == 0);
    const float kept = call.o[77];
    call.o[77] = kept + 1e-6f * largest;
    cr_assert(folder_judge(&f, &call, &worst, why, sizeof why) && worst > 0.3, "%g", worst);
    call.o[77] = kept + 4e-6f * largest;
    cr_assert(!folder_judge(&f, &call, &worst, why, sizeof why) && strstr(why, "Y[1,0,0,5]"), "%s", why); /* 77 = 72 + 0 + 0 + 5 */
    call.o[77] = INFINITY;
    cr_assert(!folder_judge(&f, &call, &worst, why, sizeof why) && strstr(why, "inf"));
    folder_release(&call);
    folder_free(&f);
}

Test(folder, judges_float16_by_its_unit)
{
    FolderCall call;
    char why[400];
    double worst;
    put_case(&(Want){.type = NPY_F2, .mask_shape = "3, 0", .mask_meta = "[3,0]", .mask_axis = {1, 1, 3, 0}, .mask_type = NPY_B1});
    Folder f = read_good();
    cr_assert(folder_bind(&f, &call, error, sizeof error));
    for (size_t i = 0; i < call.outputs; i++)
        call.o[i] = 0;
    cr_assert(folder_judge(&f, &call, &worst, why, sizeof why), "no key is visible, so all is 0: %s", why);
    call.o[3] = 1e-6f;
    cr_assert(!folder_judge(&f, &call, &worst, why, sizeof why), "a row of zeros leaves no room for 1e-6");
    folder_release(&call);
    folder_free(&f);
    put_case(&(Want){.type = NPY_F2});
    f = read_good();
    cr_assert(folder_bind(&f, &call, error, sizeof error));
    for (size_t i = 0; i < call.outputs; i++)
        call.o[i] = (float)npy_at(&f.out[FOLDER_Y], i);
    const float kept = call.o[5];
    const float unit = ldexpf(1, ilogbf(kept) - 10);
    call.o[5] = kept + 0.49f * unit;
    cr_assert(folder_judge(&f, &call, &worst, why, sizeof why), "%s", why);
    call.o[5] = kept + 0.6f * unit;
    cr_assert(!folder_judge(&f, &call, &worst, why, sizeof why));
    folder_release(&call);
    folder_free(&f);
}

Test(folder, judges_present_bit_by_bit)
{
    FolderCall call;
    char why[400];
    put_case(&(Want){.type = NPY_F4, .past = 4});
    Folder f = read_good();
    cr_assert(folder_bind(&f, &call, error, sizeof error));
    cr_assert(folder_judge_present(&f, &call, why, sizeof why), "%s", why);
    call.v_past[30] = nextafterf(call.v_past[30], 9); /* [0,1,1,0] of the past, which comes first */
    cr_assert(!folder_judge_present(&f, &call, why, sizeof why) && strstr(why, "present_value[0,1,1,0]"), "%s", why);
    call.k[7] = nextafterf(call.k[7], 9);
    cr_assert(!folder_judge_present(&f, &call, why, sizeof why) && strstr(why, "present_key[0,0,5,3]"), "%s", why); /* new row 1 is row 5 */
    folder_release(&call);
    folder_free(&f);
}

Test(folder, options_become_fields)
{
    static const struct { const char *attributes, *converted; bool window; int64_t left, right; double softcap; } cases[] = {
        {"{\"softcap\": 3}", "", false, 0, 0, 3},
        {"{\"softmax_precision\": 11}", "f64 softmax done in f32", false, 0, 0, 0},
        {"{\"softmax_precision\": 1}", "", false, 0, 0, 0},
        {"{\"left_window_size\": 2, \"softcap\": 1.5}", "", true, 2, -1, 1.5},
        {"{\"right_window_size\": 0}", "", true, -1, 0, 0},
        {"{\"left_window_size\": -1}", "", false, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char to[200], converted[100];
        FolderCall call;
        put_plain();
        snprintf(to, sizeof to, "\"opset\": 25, \"attributes\": %s, \"others\"", cases[i].attributes);
        put_changed("\"opset\": 24, \"attributes\": {\"scale\": 0.5},\n \"effective_attributes\"", to);
        Folder f = read_good();
        cr_assert_str_eq(folder_converted(&f, converted, sizeof converted), cases[i].converted);
        cr_assert(folder_bind(&f, &call, error, sizeof error), "%s", error);
        const AttnProblem *p = &call.problem;
        cr_assert(p->window == cases[i].window && p->window_left == cases[i].left && p->window_right == cases[i].right);
        cr_assert(p->softcap == cases[i].softcap && p->align == ATTN_ALIGN_TOP_LEFT && !p->causal && !p->kv_lengths);
        folder_release(&call);
        folder_free(&f);
    }
}

Test(folder, lengths_give_positions)
{
    static const struct { double lengths[2]; AttnAlign align; int64_t kept[2]; } cases[] = {
        {{5, 1}, ATTN_ALIGN_BOTTOM_RIGHT, {5, 1}},
        {{0, 7}, ATTN_ALIGN_OFFSETS, {0, 5}}, /* 7 of 5 keys: no padding, but rows stand 2 further right */
    };
    const char *empty = "null, {\"file\": null}, null, null]";
    const char *entry = "null, null, null, {\"file\": \"in_6.npy\", \"shape\": [2], \"dtype\": \"int64\"}]";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FolderCall call;
        put_plain();
        put_changed(empty, entry);
        put("in_6.npy", NPY_I8, "2,", cases[i].lengths, 2);
        Folder f = read_good();
        cr_assert(folder_bind(&f, &call, error, sizeof error), "%s", error);
        cr_assert(call.problem.kv_lengths && call.problem.align == cases[i].align);
        for (size_t b = 0; b < 2; b++) {
            cr_assert_eq(call.tensors.kv_lengths[b], cases[i].kept[b]);
            cr_assert(cases[i].align == ATTN_ALIGN_BOTTOM_RIGHT || call.tensors.offsets[b] == (int64_t)cases[i].lengths[b] - SQ);
        }
        folder_release(&call);
        folder_free(&f);
    }
    put_plain();
    put_changed(empty, entry);
    put("in_6.npy", NPY_I8, "2,", (const double[]){3, -1}, 2);
    refused("nonpad_kv_seqlen[1] is -1");
}

Test(folder, says_what_f32_cannot_hold)
{
    FolderCall call;
    double q[96] = {1e300};
    put_plain();
    put("in_0.npy", NPY_F8, "2, 4, 3, 4", q, 96);
    put_values("in_1.npy", NPY_F8, "2, 2, 5, 4", 80);
    put_values("out_0.npy", NPY_F8, "2, 4, 3, 6", 144);
    char text[4000];
    snprintf(text, sizeof text, "%s", plain_meta);
    for (char *at = text; (at = strstr(at, "float32")); at++)
        if (!strstr(text, "in_2.npy") || at < strstr(text, "in_2.npy") || at > strstr(text, "out_0.npy"))
            memcpy(at, "float64", 7);
    put_text("meta.json", text);
    Folder f = read_good();
    cr_assert(!folder_bind(&f, &call, error, sizeof error) && strstr(error, "1e+300"), "%s", error);
    folder_free(&f);
}
