/* options.c - the caller's options and the environment become one AttnSettings.
 *
 * A field of the options overrides its variable, which is then not read; an empty variable counts as not set. An unknown name is an error
 * that lists the known ones: a misspelt request that silently did nothing would be measured as if it had worked. */
#include "dispatch/fork.h"
#include "dispatch/options.h"
#include "dispatch/cpu.h"
#include "dispatch/isa.h"
#include "dispatch/registry.h"
#include "dispatch/structs.h"

#include <stdio.h>
#include <stdlib.h>

#define MOST_THREADS 4096

/* One request: the words and who spoke them. text is NULL where nobody did. */
typedef struct Request {
    const char *text;
    const char *from; /* "options.kernel" or "ATTNZOO_KERNEL" */
} Request;

typedef const char *(*GetEnv)(const char *);

static Request request_of(const char *option, const char *option_name, GetEnv getenv_fn, const char *variable)
{
    if (option)
        return (Request){option, option_name};
    const char *text = getenv_fn(variable);
    return (Request){text && *text ? text : NULL, variable};
}

/* Names for a sentence, "a, b, c"; those without room are counted: "a, b and 7 more". */
typedef const char *(*NameAt)(size_t index);
static const char *join_names(NameAt name_at, size_t count, char *buffer, size_t size)
{
    const size_t tail = sizeof " and 18446744073709551615 more";
    size_t used = 0;
    buffer[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        const char *name = name_at(i);
        const size_t need = strlen(name) + 2, room = i + 1 < count ? tail : 1;
        if (used + need + room > size) {
            snprintf(buffer + used, size - used, " and %zu more", count - i);
            break;
        }
        used += (size_t)snprintf(buffer + used, size - used, "%s%s", i > 0 ? ", " : "", name);
    }
    return buffer;
}

static const char *kernel_at(size_t index)
{
    return attn_registry[index]->name;
}

static const char *level_at(size_t index)
{
    return attn_isa_levels[index].name;
}

static const char *feature_at(size_t index)
{
    return attn_cpu_feature_name((unsigned)index);
}

static const char *const topic_name[] = {"dispatch"};
static const char *topic_at(size_t index)
{
    return topic_name[index];
}

/* The sentence for a name that is not known. The name is cut at 64 bytes and the list fills what the sentence has left. */
static AttnStatus fail_name(const char *from, const char *name, size_t length, const char *what, NameAt name_at, size_t count)
{
    char known[768];
    const int shown = length < 64 ? (int)length : 64;
    return attn_fail(ATTN_ERROR_NAME, "%s: \"%.*s\"%s is no %s known here; known: %s", from, shown, name, length > 64 ? "..." : "", what,
                     join_names(name_at, count, known, sizeof known));
}

/* Walk a list of names separated by commas. One call gives one name; false after the last. "" has none; "a," has an empty second one. */
static bool next_name(const char **rest, const char **name, size_t *length)
{
    if (!*rest || (**rest == '\0' && !*name))
        return false;
    *name = *rest;
    *length = strcspn(*rest, ",");
    *rest = (*rest)[*length] == ',' ? *rest + *length + 1 : NULL;
    return true;
}

static AttnStatus read_kernel(Request request, AttnSettings *settings)
{
    if (!request.text)
        return ATTN_OK;
    settings->kernel = attn_registry_find(request.text);
    settings->kernel_from = request.from;
    if (!settings->kernel)
        return fail_name(request.from, request.text, strlen(request.text), "kernel", kernel_at, attn_registry_count);
    return ATTN_OK;
}

static AttnStatus read_max_isa(Request request, AttnSettings *settings)
{
    if (!request.text)
        return ATTN_OK;
    for (size_t i = 0; i < attn_isa_level_count; i++) {
        if (strcmp(attn_isa_levels[i].name, request.text) == 0) {
            settings->allowed &= attn_isa_levels[i].features;
            return ATTN_OK;
        }
    }
    return fail_name(request.from, request.text, strlen(request.text), "ISA level", level_at, attn_isa_level_count);
}

/* Feature names of every architecture are known everywhere: doing without what a machine lacks is a promise kept. */
static AttnStatus read_disable(Request request, AttnSettings *settings)
{
    const char *rest = request.text, *name = NULL;
    size_t length;
    while (next_name(&rest, &name, &length)) {
        const uint64_t feature = attn_cpu_feature(name, length);
        if (feature == 0)
            return fail_name(request.from, name, length, "CPU feature", feature_at, ATTN_CPU_BITS);
        settings->allowed &= ~feature;
    }
    return ATTN_OK;
}

static AttnStatus read_verbose(Request request, AttnSettings *settings)
{
    const size_t topics = sizeof topic_name / sizeof *topic_name;
    const char *rest = request.text, *name = NULL;
    size_t length;
    while (next_name(&rest, &name, &length)) {
        if (length != strlen("dispatch") || memcmp(name, "dispatch", length) != 0)
            return fail_name(request.from, name, length, "topic", topic_at, topics);
        settings->verbose_dispatch = true;
    }
    return ATTN_OK;
}

/* OpenMP's variable is for others too and may hold what only they know: a number, or the first of a list, and all else is passed over. */
static size_t read_openmp_threads(const char *text)
{
    if (!text)
        return 0;
    text += strspn(text, " \t");
    const size_t digits = strspn(text, "0123456789");
    const char *rest = text + digits + strspn(text + digits, " \t");
    if (digits == 0 || (*rest != '\0' && *rest != ','))
        return 0;
    const unsigned long value = strtoul(text, NULL, 10);
    return value < MOST_THREADS ? value : MOST_THREADS;
}

/* OMP_NUM_THREADS is for threads of the library's own: a caller's loop has one worker where nobody asks for more. */
static AttnStatus read_threads(size_t option, bool own, GetEnv getenv_fn, AttnSettings *settings)
{
    if (option > MOST_THREADS)
        return attn_fail(ATTN_ERROR_VALUE, "options.threads is %zu; allowed: 0 (one for each CPU) to %d", option, MOST_THREADS);
    settings->threads = option;
    if (option > 0)
        return ATTN_OK;
    const char *text = getenv_fn("ATTNZOO_THREADS");
    if (!text || !*text) {
        settings->threads = own ? read_openmp_threads(getenv_fn("OMP_NUM_THREADS")) : 0;
        return ATTN_OK;
    }

    /* Digits only: strtoul would take "-1", " 8" and "8 cores". What is too large for it becomes ULONG_MAX. */
    const size_t digits = strspn(text, "0123456789");
    const unsigned long value = digits > 0 && text[digits] == '\0' ? strtoul(text, NULL, 10) : 0;
    if (value < 1 || value > MOST_THREADS)
        return attn_fail(ATTN_ERROR_VALUE, "ATTNZOO_THREADS is \"%.64s\"; allowed: a whole number from 1 to %d", text, MOST_THREADS);
    settings->threads = value;
    return ATTN_OK;
}

AttnStatus attn_settings_read(const AttnOptions *options, const char *(*getenv_fn)(const char *), AttnSettings *settings)
{
    AttnOptions o = attn_options();
    AttnStatus status = ATTN_OK;
    memset(settings, 0, sizeof *settings);
    settings->allowed = (UINT64_C(1) << ATTN_CPU_BITS) - 1;
    if (options)
        status = attn_struct_read(&attn_struct_options, options, &o);
    if (status == ATTN_OK)
        status = read_kernel(request_of(o.kernel, "options.kernel", getenv_fn, "ATTNZOO_KERNEL"), settings);
    if (status == ATTN_OK)
        status = read_max_isa(request_of(o.max_isa, "options.max_isa", getenv_fn, "ATTNZOO_MAX_ISA"), settings);
    if (status == ATTN_OK)
        status = read_disable(request_of(o.disable, "options.disable", getenv_fn, "ATTNZOO_DISABLE"), settings);
    if (status == ATTN_OK)
        status = read_verbose(request_of(NULL, NULL, getenv_fn, "ATTNZOO_VERBOSE"), settings);
    if (status == ATTN_OK)
        status = read_threads(o.threads, !o.parallel_for, getenv_fn, settings);
    settings->allowed = attn_cpu_consistent(settings->allowed);
    if (status == ATTN_OK && o.tune)
        settings->tune = attn_tune_open(o.tune);
    settings->parallel_for = o.parallel_for;
    settings->parallel_context = o.parallel_context;
    return status;
}

static const char *read_variable(const char *name)
{
    return getenv(name);
}

static void add_path(AttnTunePaths *paths, const char *folder, const char *below, const char *machine)
{
    char *path = paths->at[paths->count];
    const int length = snprintf(path, sizeof paths->at[0], "%s%s/attnzoo/%s.tune", folder, below, machine);
    paths->count += length > 0 && (size_t)length < sizeof paths->at[0];
}

void attn_settings_tune_paths(const char *machine, GetEnv getenv_fn, AttnTunePaths *paths)
{
    const char *file = getenv_fn("ATTNZOO_TUNE_FILE"), *cache = getenv_fn("XDG_CACHE_HOME"), *home = getenv_fn("HOME");
    memset(paths, 0, sizeof *paths);
    if (file && *file) {
        paths->count = (size_t)snprintf(paths->at[0], sizeof paths->at[0], "%s", file) < sizeof paths->at[0];
        return;
    }
    if (cache && *cache == '/') /* a relative one is to be ignored, says the XDG base directory specification */
        add_path(paths, cache, "", machine);
    else if (home && *home)
        add_path(paths, home, "/.cache", machine);
    paths->system_only = paths->count == 0;
    add_path(paths, "/etc", "", machine);
}

void attn_settings_tune_paths_environment(const char *machine, AttnTunePaths *paths)
{
    attn_settings_tune_paths(machine, read_variable, paths);
}

static const AttnTune *by_environment; /* the tune file that the environment names */

/* The first place with a file counts, whether it is usable or not: a refused file must be noticed, not skipped. */
static void open_default(void)
{
    AttnTunePaths paths;
    by_environment = attn_tune_open(NULL);
    attn_settings_tune_paths_environment(attn_tune_machine(), &paths);
    for (size_t i = 0; i < paths.count && by_environment->state == ATTN_TUNE_NONE; i++)
        by_environment = attn_tune_open(paths.at[i]);
}

static const AttnTune *default_tune(void)
{
    static AttnOnce once;
    attn_once(&once, open_default);
    return by_environment;
}

AttnStatus attn_settings_read_environment(const AttnOptions *options, AttnSettings *settings)
{
    const AttnStatus status = attn_settings_read(options, read_variable, settings);
    if (!settings->tune)
        settings->tune = default_tune();
    return status;
}
