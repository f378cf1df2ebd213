/* cmd_regress.c - `attnzoo regress`: open, run, show, and the code to leave with. Its children are this same command (launch.h, insn.h). */
#include <stdio.h>
#include <string.h>

#include "harness/regress.h"
#include "harness/render.h"
#include "harness/whole.h"

/* Where findings go. All of them are opened before anything is measured: a path that cannot be written costs no minutes. */
enum { MAIN, RECORDS, MARKDOWN, JUNIT, OUTPUTS };
typedef struct Outputs {
    Whole at[OUTPUTS]; /* no file: not asked for; -o without a file: stdout, without a path */
} Outputs;

/* Close without keeping anything. */
static void drop_outputs(Outputs *out)
{
    char unused[600];
    for (size_t i = 0; i < OUTPUTS; i++)
        if (out->at[i].path)
            whole_close(&out->at[i], false, unused, sizeof unused);
}

static bool open_outputs(Outputs *out, const Cli *cli, const RegressOptions *o)
{
    const char *const paths[OUTPUTS] = {[MAIN] = cli->format_file, [RECORDS] = o->jsonl, [MARKDOWN] = o->md, [JUNIT] = o->junit};
    char error[600];
    *out = (Outputs){.at[MAIN].file = stdout};
    for (size_t i = 0; i < OUTPUTS; i++) {
        for (size_t before = 0; paths[i] && before < i; before++)
            if (paths[before] && strcmp(paths[before], paths[i]) == 0) {
                render_error("two outputs go to %s; allowed: a file for each of -o, --jsonl, --md and --junit", paths[i]);
                drop_outputs(out);
                return false;
            }
        if (paths[i] && !whole_open(&out->at[i], paths[i], error, sizeof error)) {
            render_error("%s", error);
            out->at[i] = (Whole){0};
            drop_outputs(out);
            return false;
        }
    }
    return true;
}

/* Everything that was asked for, each on its own; the code, or EXIT_USAGE where something could not be written. */
static int write_all(const Regress *r, const Cli *cli, Outputs *out, int code)
{
    const bool jsonl = strcmp(cli->format, "jsonl") == 0;
    bool all = true;
    for (size_t i = 0; i < OUTPUTS; i++) {
        Whole *whole = &out->at[i];
        char error[600], unused[600];
        bool ok = true;
        if (!whole->file)
            continue;
        if (i == RECORDS || (i == MAIN && jsonl))
            ok = regress_write_records(r, whole->file, code, error, sizeof error);
        else if (i == MAIN)
            regress_print(r, cli, whole->file);
        else if (i == MARKDOWN)
            regress_write_markdown(r, whole->file);
        else
            regress_write_junit(r, whole->file);
        if (whole->path)
            ok = whole_close(whole, ok, ok ? error : unused, sizeof error) && ok;
        if (!ok)
            render_error("%s", error);
        all = all && ok;
    }
    return all ? code : EXIT_USAGE;
}

int cmd_regress(const Cli *cli, int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--launch") == 0)
        return launch_child();
    if (argc == 2 && strcmp(argv[1], "--count") == 0)
        return insn_child();
    RegressOptions options = {.time = true, .insn = true, .confirm = true, .alpha = 0.01, .min_trial = 300e-6, .launches = 5, .rounds = 100,
                              .threads = cli->threads ? cli->threads : 1, .seed = cli->seed};
    Regress regress;
    Outputs out;
    int code = regress_options_read(&options, argc, argv);
    if (code != EXIT_OK)
        return code == -1 ? EXIT_OK : code;
    code = regress_open(&regress, &options, cli);
    if (code == EXIT_OK && !open_outputs(&out, cli, &options))
        code = EXIT_USAGE;
    else if (code == EXIT_OK) {
        code = regress_run(&regress, cli);
        if (code == EXIT_OK || code == EXIT_INTERRUPTED)
            code = write_all(&regress, cli, &out, regress_code(&regress));
        else
            drop_outputs(&out);
    }
    regress_close(&regress);
    return code;
}
