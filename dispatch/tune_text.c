/* tune_text.c - the words of a tune file: writing and reading, side by side.
 *
 * Numbers are parsed by hand because strtod follows the locale of the program. Nothing is skipped or guessed: a reader that accepted " 12"
 * or "012" would accept bytes that no writer writes. */
#include "dispatch/dtype.h"
#include "dispatch/fnv.h"
#include "dispatch/tune.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "dispatch/choose.h"
#include "dispatch/registry.h"

const char *const attn_rigor_names[ATTN_RIGORS] = {"estimate", "quick", "measure", "patient", "exhaustive"};

/* Bits of AttnTuneKey.options. */
#define OPTION(id, word, sentence, wants) wants
#define UNTUNED(condition)
#define TUNED(word, condition) word,
static const char *const option_words[] = {
#include "kernels/options_list.def"
};
enum { OPTION_WORDS = sizeof option_words / sizeof *option_words };
_Static_assert(OPTION_WORDS <= 32, "bits of AttnTuneKey.options");

static uint32_t power_below(size_t n)
{
    return n > 0 ? UINT32_C(1) << (31 - __builtin_clz((unsigned)(n < ATTN_MAX_SIZE ? n : ATTN_MAX_SIZE))) : 0;
}

AttnTuneKey attn_tune_key(const AttnProblem *p, size_t workers)
{
#define OPTION(id, word, sentence, wants) wants
#define UNTUNED(condition)
#define TUNED(word, condition) (condition),
    const bool has[OPTION_WORDS] = {
#include "kernels/options_list.def"
    };
    AttnTuneKey key = {.q = power_below(p->q_len), .k = power_below(p->k_len), .d = (uint32_t)p->d, .dv = (uint32_t)p->dv,
                       .group = power_below(p->q_heads / p->kv_heads), .threads = (uint32_t)workers};
    for (unsigned i = 0; i < OPTION_WORDS; i++)
        key.options |= (uint32_t)has[i] << i;
    key.dtypes = (uint32_t)p->q.dtype | (uint32_t)p->k.dtype << 8 | (uint32_t)p->v.dtype << 16 | (uint32_t)p->o.dtype << 24;
    return key;
}

/* ---- Written --------------------------------------------------------------------------------------------------------------------- */

/* Appends; a text that does not fit is cut, as snprintf does it. */
static void add(char *text, size_t size, size_t *used, const char *format, ...) __attribute__((format(printf, 4, 5)));
static void add(char *text, size_t size, size_t *used, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int wrote = vsnprintf(text + *used, size - *used, format, arguments);
    va_end(arguments);
    if (wrote > 0)
        *used += (size_t)wrote < size - *used ? (size_t)wrote : size - *used - 1;
}

size_t attn_tune_key_text(const AttnTuneKey *key, char *text, size_t size)
{
    size_t used = 0;
    const uint32_t t = key->dtypes, same = (t & 255) * UINT32_C(0x01010101);
    add(text, size, &used, "sdpa %s", attn_dtype_name((AttnDtype)(t & 255)));
    for (unsigned i = 1; t != same && i < 4; i++)
        add(text, size, &used, "/%s", attn_dtype_name((AttnDtype)(t >> 8 * i & 255)));
    const char *between = " ";
    for (unsigned i = 0; i < OPTION_WORDS; i++)
        if (key->options >> i & 1) {
            add(text, size, &used, "%s%s", between, option_words[i]);
            between = "+";
        }
    add(text, size, &used, "%s q%u k%u d%u v%u g%u t%u", key->options ? "" : " none", key->q, key->k, key->d, key->dv, key->group,
        key->threads);
    return used;
}

/* Ten-thousandths: the same digits in every locale. */
static void add_ratio(char *text, size_t size, size_t *used, const char *before, double value)
{
    const unsigned long long units = (unsigned long long)(value * 1e4 + 0.5);
    add(text, size, used, "%s%llu.%04llu", before, units / 10000, units % 10000);
}

size_t attn_tune_entry_text(const AttnTuneEntry *e, char *text, size_t size)
{
    size_t used = attn_tune_key_text(&e->key, text, size);
    add(text, size, &used, " | %s over=%s", e->kernel->name, e->over->name);
    add_ratio(text, size, &used, " ratio=", e->ratio);
    add_ratio(text, size, &used, " ci=", e->lo);
    add_ratio(text, size, &used, ":", e->hi);
    add(text, size, &used, " n=%u rigor=%s shape=%.*s", e->rounds, attn_rigor_names[e->rigor], (int)e->shape_length, e->shape);
    return used;
}

size_t attn_tune_head_text(const char *machine, const char *build, const char *compiler, char *text, size_t size)
{
    size_t used = 0;
    add(text, size, &used, "attnzoo-tune 1 machine=%s build=%s compiler=%s", machine, build, compiler);
    return used;
}

size_t attn_tune_end_text(const char *before, size_t length, size_t entries, char *text, size_t size)
{
    size_t used = 0;
    add(text, size, &used, "end %zu %016llx", entries, (unsigned long long)attn_fnv64(ATTN_FNV64, before, length));
    return used;
}

/* ---- Read ------------------------------------------------------------------------------------------------------------------------ */

/* One line, from left to right; each reader says whether what it wants stands there, and then steps over it. */
typedef struct Line {
    const char *at, *end;
} Line;

static bool is(Line *line, const char *word)
{
    const size_t length = strlen(word);
    const bool there = (size_t)(line->end - line->at) >= length && memcmp(line->at, word, length) == 0;
    line->at += there ? length : 0;
    return there;
}

/* "0", "1", "12"; no sign, no leading zero. */
static bool number(Line *line, uint32_t least, uint32_t most, uint32_t *value)
{
    uint64_t sum = 0;
    const char *from = line->at;
    while (line->at < line->end && *line->at >= '0' && *line->at <= '9' && sum <= most)
        sum = sum * 10 + (uint64_t)(*line->at++ - '0');
    *value = (uint32_t)sum;
    return line->at > from && (*from != '0' || line->at == from + 1) && sum >= least && sum <= most;
}

static bool power(Line *line, uint32_t *value)
{
    return number(line, 1, (uint32_t)ATTN_MAX_SIZE, value) && (*value & (*value - 1)) == 0;
}

static bool ratio(Line *line, double *value)
{
    uint32_t whole, units = 0;
    if (!number(line, 0, 1000000, &whole) || !is(line, "."))
        return false;
    for (int i = 0; i < 4; i++, line->at++) {
        if (line->at == line->end || *line->at < '0' || *line->at > '9')
            return false;
        units = units * 10 + (uint32_t)(*line->at - '0');
    }
    *value = whole + units * 1e-4;
    return true;
}

/* Up to the next space or the end of the line: at least one character, all of them visible ASCII. */
static bool word(Line *line, const char **start, size_t *length)
{
    *start = line->at;
    while (line->at < line->end && *line->at > ' ' && *line->at <= '~')
        line->at++;
    *length = (size_t)(line->at - *start);
    return *length > 0 && *length <= ATTN_TUNE_SHAPE;
}

static bool dtypes(Line *line, uint32_t *set)
{
    unsigned count = 0;
    for (*set = 0; count < 4 && (count == 0 || is(line, "/")); count++) {
        uint32_t type = ATTN_NONE;
        for (uint32_t t = ATTN_F32; t <= ATTN_BF16 && type == ATTN_NONE; t++)
            type = is(line, attn_dtype_name((AttnDtype)t)) ? t : ATTN_NONE;
        if (type == ATTN_NONE)
            return false;
        *set |= type << 8 * count;
    }
    if (count == 1)
        *set *= UINT32_C(0x01010101);
    return count == 1 || (count == 4 && *set != (*set & 255) * UINT32_C(0x01010101));
}

/* "none", or words in the order of the table. */
static bool options(Line *line, uint32_t *set)
{
    *set = 0;
    if (is(line, "none"))
        return true;
    for (unsigned i = 0; i < OPTION_WORDS; i++) {
        Line next = *line;
        if ((*set == 0 || is(&next, "+")) && is(&next, option_words[i])) {
            *set |= UINT32_C(1) << i;
            *line = next;
        }
    }
    return *set != 0;
}

static bool read_key(Line *line, AttnTuneKey *key)
{
    return is(line, "sdpa ") && dtypes(line, &key->dtypes) && is(line, " ") && options(line, &key->options) && is(line, " q") &&
           power(line, &key->q) && is(line, " k") && power(line, &key->k) && is(line, " d") &&
           number(line, 1, (uint32_t)ATTN_MAX_SIZE, &key->d) && is(line, " v") && number(line, 1, (uint32_t)ATTN_MAX_SIZE, &key->dv) &&
           is(line, " g") && power(line, &key->group) && is(line, " t") && number(line, 1, 4096, &key->threads);
}

static bool read_kernel(Line *line, const AttnKernel **kernel)
{
    const char *name;
    size_t length;
    char text[64];
    if (!word(line, &name, &length) || length >= sizeof text)
        return false;
    memcpy(text, name, length);
    text[length] = '\0';
    *kernel = attn_registry_find(text);
    return *kernel && (*kernel)->kind == ATTN_KIND_ATTENTION;
}

static bool read_rigor(Line *line, AttnRigor *rigor)
{
    for (int r = 0; r < ATTN_RIGORS; r++)
        if (is(line, attn_rigor_names[r])) {
            *rigor = (AttnRigor)r;
            return true;
        }
    return false;
}

static bool read_entry(Line line, AttnTuneEntry *e)
{
    return read_key(&line, &e->key) && is(&line, " | ") && read_kernel(&line, &e->kernel) && is(&line, " over=") &&
           read_kernel(&line, &e->over) && e->over != e->kernel && is(&line, " ratio=") && ratio(&line, &e->ratio) && is(&line, " ci=") &&
           ratio(&line, &e->lo) && is(&line, ":") && ratio(&line, &e->hi) && e->lo <= e->ratio && e->ratio <= e->hi && is(&line, " n=") &&
           number(&line, 1, 1000000, &e->rounds) && is(&line, " rigor=") && read_rigor(&line, &e->rigor) && is(&line, " shape=") &&
           word(&line, &e->shape, &e->shape_length) && line.at == line.end;
}

static bool refuse(AttnTune *tune, AttnTuneFault fault, const char *format, ...) __attribute__((format(printf, 3, 4)));
static bool refuse(AttnTune *tune, AttnTuneFault fault, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(tune->why, sizeof tune->why, format, arguments);
    va_end(arguments);
    tune->state = ATTN_TUNE_REFUSED;
    tune->fault = fault;
    return false;
}

/* One "name=word" of the first line. */
static bool read_owner(Line *line, const char *name, const char **value, size_t *length)
{
    return is(line, name) && word(line, value, length) && *length < ATTN_TUNE_WORD;
}

static bool same_word(const char *value, size_t length, const char *expected)
{
    return length == strlen(expected) && memcmp(value, expected, length) == 0;
}

/* The first line says whose file this is. It is looked at last: bytes that the checksum does not cover say nothing. */
static bool check_owner(AttnTune *tune, Line line, const char *machine, const char *build, const char *compiler)
{
    const struct {
        const char *name, *what, *expected;
        AttnTuneFault fault;
    } owners[] = {{" machine=", "of another machine", machine, ATTN_TUNE_OTHER_MACHINE},
                  {" build=", "of another build of the kernels", build, ATTN_TUNE_OTHER_BUILD},
                  {" compiler=", "of a build by another compiler", compiler, ATTN_TUNE_OTHER_BUILD}};
    is(&line, "attnzoo-tune 1");
    for (size_t i = 0; i < sizeof owners / sizeof *owners; i++) {
        const char *value;
        size_t length;
        if (!read_owner(&line, owners[i].name, &value, &length))
            return refuse(tune, ATTN_TUNE_DAMAGED, "line 1 has no%s", owners[i].name);
        if (!same_word(value, length, owners[i].expected))
            return refuse(tune, owners[i].fault, "%s: %.*s; here it is %.70s", owners[i].what, length < 70 ? (int)length : 70, value,
                          owners[i].expected);
    }
    return line.at == line.end || refuse(tune, ATTN_TUNE_DAMAGED, "line 1 goes on after the compiler");
}

static bool take_entry(AttnTune *tune, Line line, size_t number_of_line)
{
    AttnTuneEntry *entry = &tune->entries[tune->count];
    if (!read_entry(line, entry))
        return refuse(tune, ATTN_TUNE_DAMAGED, "line %zu is not an entry that this build knows", number_of_line);
    if (tune->count > 0) {
        char text[2][ATTN_TUNE_LINE];
        attn_tune_key_text(&entry[-1].key, text[0], sizeof text[0]);
        attn_tune_key_text(&entry->key, text[1], sizeof text[1]);
        if (strcmp(text[0], text[1]) >= 0)
            return refuse(tune, ATTN_TUNE_DAMAGED, "line %zu is not in order, or its bucket stands there twice", number_of_line);
    }
    tune->count++;
    return true;
}

/* Lines of text: `take` all but the first and the last, which the caller looks at. */
static bool read_text(AttnTune *tune, size_t length, const char *machine, const char *build, const char *compiler)
{
    static const char version[] = "attnzoo-tune 1 ";
    const size_t name = strlen("attnzoo-tune "), begin = length < strlen(version) ? length : strlen(version);
    const char *text = tune->text, *end = text + length, *last = end - (length > 0);
    if (memcmp(text, version, begin < name ? begin : name) != 0)
        return refuse(tune, ATTN_TUNE_ALIEN, "is no tune file");
    if (memcmp(text, version, begin) != 0)
        return refuse(tune, ATTN_TUNE_ALIEN, "has a version that this library does not know; it reads version 1");
    while (last > text && last[-1] != '\n')
        last--;
    char expected[ATTN_TUNE_LINE];
    size_t lines = 0;
    for (const char *c = text; c < last; c++)
        lines += *c == '\n';
    const size_t entries = lines > 0 ? lines - 1 : 0;
    const size_t size = attn_tune_end_text(text, (size_t)(last - text), entries, expected, sizeof expected);
    if (lines == 0 || (size_t)(end - last) != size + 1 || memcmp(last, expected, size) != 0 || end[-1] != '\n')
        return refuse(tune, ATTN_TUNE_DAMAGED, "is cut short or was changed: its last line does not hold for what is before it");

    tune->entries = calloc(entries + 1, sizeof *tune->entries);
    if (!tune->entries)
        return refuse(tune, ATTN_TUNE_UNREADABLE, "no memory for %zu entries", entries);
    const char *line_end = memchr(text, '\n', length);
    if (!check_owner(tune, (Line){text, line_end}, machine, build, compiler))
        return false;
    for (size_t i = 0; i < entries; i++) {
        const char *from = line_end + 1;
        line_end = memchr(from, '\n', (size_t)(end - from));
        if (!take_entry(tune, (Line){from, line_end}, i + 2))
            return false;
    }
    return true;
}

/* ---- Table ----------------------------------------------------------------------------------------------------------------------- */

static size_t hash(const AttnTuneKey *key)
{
    const uint32_t words[] = {key->q, key->k, key->d, key->dv, key->group, key->threads, key->options, key->dtypes};
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        sum = (sum ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15) ^ sum >> 29;
    return (size_t)(sum >> 32);
}

static bool make_table(AttnTune *tune)
{
    size_t slots = 2;
    while (slots < 2 * tune->count + 1)
        slots *= 2;
    tune->slots = calloc(slots, sizeof *tune->slots);
    if (!tune->slots)
        return refuse(tune, ATTN_TUNE_UNREADABLE, "no memory for a table of %zu entries", tune->count);
    tune->mask = slots - 1;
    for (size_t i = 0; i < tune->count; i++) {
        size_t slot = hash(&tune->entries[i].key) & tune->mask;
        while (tune->slots[slot])
            slot = (slot + 1) & tune->mask;
        tune->slots[slot] = (uint32_t)i + 1;
    }
    return true;
}

const AttnTuneEntry *attn_tune_lookup(const AttnTune *tune, const AttnTuneKey *key)
{
    for (size_t slot = hash(key) & tune->mask; tune->slots[slot]; slot = (slot + 1) & tune->mask) {
        const AttnTuneEntry *entry = &tune->entries[tune->slots[slot] - 1];
        if (memcmp(&entry->key, key, sizeof *key) == 0)
            return entry;
    }
    return NULL;
}

AttnTune *attn_tune_parse(const char *text, size_t length, const char *machine, const char *build, const char *compiler)
{
    AttnTune *tune = calloc(1, sizeof *tune);
    if (!tune || !(tune->text = malloc(length + 1))) {
        free(tune);
        return NULL;
    }
    memcpy(tune->text, text, length);
    tune->text[length] = '\0';
    if (read_text(tune, length, machine, build, compiler) && make_table(tune))
        tune->state = ATTN_TUNE_LOADED;
    else
        tune->count = 0; /* whole or not at all */
    return tune;
}

void attn_tune_free(AttnTune *tune)
{
    if (!tune)
        return;
    free(tune->path);
    free(tune->entries);
    free(tune->slots);
    free(tune->text);
    free(tune);
}
