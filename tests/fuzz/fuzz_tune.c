/* fuzz_tune.c - tune files. A file is taken whole or refused with a reason; what is taken is written again byte by byte as it was, each
 * bucket is found again, and no byte of it can change or go unseen.
 *
 * The checksum stops nearly every mutation at the door, and so does the first line, which names a machine and a build. So each input is
 * parsed three times: as it is; with its last line made anew, which reaches the first line; and with both made anew, which reaches the
 * entries. Cost: about 20 us an input, without sanitizers. */
#include "dispatch/fnv.h"
#include "harness/tune/file.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

/* Those of the corpus's files, so that they are taken as they are. */
#define MACHINE "x86_64-authenticamd-26.2-2c-cf93d2b8"
#define BUILD "c3bb362c8d793dda"
#define COMPILER "gcc-12.2.0"

typedef struct Text {
    char *at; /* malloc'ed, exactly so long, so that reading past its end shows */
    size_t length;
} Text;

static Text text_make(const char *from, size_t length)
{
    Text text = {malloc(length ? length : 1), length};
    fuzz_demand(text.at != NULL, "there is memory for a text");
    if (length > 0)
        memcpy(text.at, from, length);
    return text;
}

static AttnTune *parse(Text text)
{
    AttnTune *tune = attn_tune_parse(text.at, text.length, MACHINE, BUILD, COMPILER);
    fuzz_demand(tune != NULL, "there is memory for a tune");
    return tune;
}

static bool taken(Text text)
{
    AttnTune *tune = parse(text);
    const bool loaded = tune->state == ATTN_TUNE_LOADED;
    attn_tune_free(tune);
    return loaded;
}

/* ---- What must hold -------------------------------------------------------------------------------------------------------------- */

static void look_at_entry(const AttnTune *tune, size_t i)
{
    const AttnTuneEntry *e = &tune->entries[i];
    fuzz_demand(e->kernel && e->over && e->kernel != e->over, "an entry prefers one kernel to another");
    fuzz_demand(e->kernel->kind == ATTN_KIND_ATTENTION && e->over->kind == ATTN_KIND_ATTENTION, "no entry names a kernel of matrix products");
    fuzz_demand(e->lo <= e->ratio && e->ratio <= e->hi, "a ratio lies in its interval");
    fuzz_demand(e->rounds > 0 && (unsigned)e->rigor < ATTN_RIGORS, "a choice was measured");
    fuzz_demand(attn_tune_lookup(tune, &e->key) == e, "a bucket is found again");
    AttnTuneKey other = e->key;
    other.threads = 4097;
    fuzz_demand(attn_tune_lookup(tune, &other) == NULL, "a bucket that is not there is not found");
    if (i > 0) {
        char text[2][ATTN_TUNE_LINE];
        attn_tune_key_text(&e[-1].key, text[0], sizeof text[0]);
        attn_tune_key_text(&e->key, text[1], sizeof text[1]);
        fuzz_demand(strcmp(text[0], text[1]) < 0, "buckets ascend");
    }
}

/* As `attnzoo tune` does it when it adds an entry: everything into rows, the rows into a file. */
static void write_again(const AttnTune *tune, Text text)
{
    TuneRows rows = {0};
    Text written = {0};
    fuzz_demand(tune_rows_read(&rows, tune), "there is memory for rows");
    fuzz_demand(rows.count == tune->count, "each entry is a row");
    written.at = tune_rows_text(&rows, MACHINE, BUILD, COMPILER, &written.length);
    fuzz_demand(written.at != NULL, "there is memory to write rows");
    fuzz_demand(written.length == text.length && memcmp(written.at, text.at, text.length) == 0, "what was read is written as it was");
    free(written.at);
    tune_rows_free(&rows);
}

/* A bit changed, and the end cut off, at places that follow from the text. */
static void change(Text text)
{
    const uint32_t hash = attn_fnv32(ATTN_FNV32, text.at, text.length);
    Text changed = text_make(text.at, text.length), cut = text_make(text.at, hash / 8 % text.length);
    changed.at[hash / 8 % text.length] ^= (char)(1u << hash % 8);
    fuzz_demand(!taken(changed), "a changed bit is seen");
    fuzz_demand(!taken(cut), "a cut is seen");
    free(changed.at);
    free(cut.at);
}

static void look(Text text)
{
    AttnTune *tune = parse(text);
    if (tune->state == ATTN_TUNE_LOADED) {
        fuzz_demand(tune->why[0] == '\0' && tune->fault == ATTN_TUNE_SOUND, "nothing is wrong with a file that was taken");
        for (size_t i = 0; i < tune->count; i++)
            look_at_entry(tune, i);
        write_again(tune, text);
        change(text);
    } else {
        fuzz_demand(tune->state == ATTN_TUNE_REFUSED && tune->fault != ATTN_TUNE_SOUND, "a file is taken or refused");
        fuzz_demand(tune->count == 0, "nothing is kept of a refused file");
        fuzz_demand(tune->why[0] != '\0', "a refused file has a reason");
        for (const char *c = tune->why; *c; c++)
            fuzz_demand(*c >= ' ' && *c <= '~', "a reason is fit for a terminal, whatever the file holds");
    }
    attn_tune_free(tune);
}

/* ---- Made anew ------------------------------------------------------------------------------------------------------------------- */

static size_t first_line(Text text)
{
    const char *end = text.length > 0 ? memchr(text.at, '\n', text.length) : NULL;
    return end ? (size_t)(end - text.at) + 1 : text.length;
}

static bool begins(const char *at, size_t length, const char *word)
{
    return length >= strlen(word) && memcmp(at, word, strlen(word)) == 0;
}

/* The input with a last line that holds for it, and with a first line that names this machine and build if `head`. Lines of that kind
 * that are there go; without them the whole input is entries. */
static Text mend(Text from, bool head)
{
    const char *at = from.at, *end = from.at + from.length, *last = end - (from.length > 0);
    while (last > at && last[-1] != '\n')
        last--;
    if (begins(last, (size_t)(end - last), "end"))
        end = last;
    if (head && begins(at, (size_t)(end - at), "attnzoo-tune"))
        at += first_line((Text){from.at, (size_t)(end - at)});
    const size_t body = (size_t)(end - at);
    char *text = malloc(body + 2 * ATTN_TUNE_LINE + 3);
    fuzz_demand(text != NULL, "there is memory to mend a file");
    size_t used = 0, lines = 0;
    if (head) {
        used += attn_tune_head_text(MACHINE, BUILD, COMPILER, text, ATTN_TUNE_LINE);
        text[used++] = '\n';
    }
    memcpy(text + used, at, body);
    used += body;
    if (used > 0 && text[used - 1] != '\n')
        text[used++] = '\n';
    for (size_t i = 0; i < used; i++)
        lines += text[i] == '\n';
    used += attn_tune_end_text(text, used, lines > 0 ? lines - 1 : 0, text + used, ATTN_TUNE_LINE);
    text[used++] = '\n';
    const Text mended = text_make(text, used);
    free(text);
    return mended;
}

/* A target that mends wrongly would find nothing and say so of everything: a good entry must arrive, from under a wrong first and last line
 * and alone. And a file that an earlier build wrote is read by this one: reader and writer share their words and their checksum, so that
 * writing again would not see both change. */
static void look_at_itself(void)
{
#define ENTRY                                                                                                                              \
    "sdpa f32/f16/bf16/f32 causal+window+additive q1 k64 d32 v40 g4 t2 | flash_f32 over=naive_f32 ratio=0.5000 ci=0.4900:1.5100 n=100 "    \
    "rigor=patient shape=b1_h1_q1_k64_d32v40\n"
    static const char entry[] = ENTRY, wrong[] = "attnzoo-tune 1 machine=m build=b compiler=c\n" ENTRY "end 7 0123456789abcdef",
                      earlier[] =
                          "attnzoo-tune 1 machine=" MACHINE " build=" BUILD " compiler=" COMPILER "\n" ENTRY "end 1 3725ae3392a60296\n";
#undef ENTRY
    const Text alone = text_make(entry, sizeof entry - 1), foreign = text_make(wrong, sizeof wrong - 1);
    const Text good[] = {text_make(earlier, sizeof earlier - 1), mend(alone, true), mend(foreign, true)}, other = mend(foreign, false);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        AttnTune *tune = parse(good[i]);
        fuzz_demand(tune->state == ATTN_TUNE_LOADED && tune->count == 1, "a good entry is taken: earlier, alone, mended");
        attn_tune_free(tune);
        free(good[i].at);
    }
    AttnTune *tune = parse(other);
    fuzz_demand(tune->fault == ATTN_TUNE_OTHER_MACHINE, "with its own first line it is another machine's");
    attn_tune_free(tune);
    free(other.at);
    free(alone.at);
    free(foreign.at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool looked;
    if (!looked)
        look_at_itself();
    looked = true;
    const Text input = text_make((const char *)data, size), sealed = mend(input, false), mended = mend(input, true);
    look(input);
    look(sealed);
    look(mended);
    free(input.at);
    free(sealed.at);
    free(mended.at);
    return 0;
}
